# SPDX-License-Identifier: Apache-2.0
"""What the tests of a session left behind, as one HTML page that needs no network. Knows nothing of GDB."""
import html

from . import table, testgrowth
from .reportpage import asset

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>memext: %(title)s</title>
<style>
%(style)s</style>
</head>
<body>
<main>
<p class="about">%(about)s</p>
<h1 id="verdict">%(title)s</h1>
"""
TAIL = "</main>\n</body>\n</html>"
COLUMNS = ("left", "bytes", "blocks", "rss", "grows", "test")


def row(cells, tag="td"):
    shown = ["<%s>%s</%s>" % (tag, html.escape(str(cell)), tag) for cell in cells]
    return "<tr>%s</tr>" % "".join(shown)


def cells(test, delta):
    return (delta(test.left), delta(test.bytes), table.delta(test.blocks), delta(test.rss), test.verdict or "",
            test.name)


def test_table(tests, delta):
    yield "<table>" + row(COLUMNS, "th")
    for test in tests:
        yield row(cells(test, delta))
    yield "</table>"


def detail(test, delta):
    facts = testgrowth.detail_lines(test, lambda size: delta(size).lstrip("+"), delta)
    text = "\n".join(line.strip() for line in facts)
    return "<h3>%s</h3>\n<p>%s left, grows: %s</p>\n<pre>%s</pre>" % (
        html.escape(test.name), html.escape(delta(test.left)), test.verdict, html.escape(text))


def lines(answer, tests, delta):
    found = testgrowth.leaving(tests)
    about = "%s, Python %s" % (answer.target["command"], answer.target["python_version"])
    yield HEAD % {"title": html.escape(answer.lines[-1]), "style": asset("report.css"), "about": html.escape(about)}
    yield "<h2>Tests that leave memory behind</h2>" if found else ""
    for test in found:
        yield detail(test, delta)
    yield "<h2>All tests</h2>"
    yield from test_table(tests, delta)
    yield TAIL
