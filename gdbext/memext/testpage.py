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
%(style)spre { white-space: pre-wrap; }
</style>
</head>
<body>
<main>
<p class="about">%(about)s</p>
<h1 id="verdict">%(title)s</h1>
"""
TAIL = "</main>\n</body>\n</html>"
COLUMNS = ("left", "bytes", "blocks", "rss", "grows", "test")
SUMS = ("tests", "left", "bytes", "blocks", "rss")
UNTOLD = "one run does not tell whether it grows every time (-repeat 2 does)"


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
    grows = UNTOLD if test.verdict == "?" else "grows " + test.verdict
    return "<h3>%s</h3>\n<p>%s left; %s</p>\n<pre>%s</pre>" % (
        html.escape(test.name), html.escape(delta(test.left)), html.escape(grows), html.escape(text))


def sums(tests, by, delta):
    """The table of files or classes, worth having where tests share one."""
    groups = testgrowth.grouped(tests, by)
    if 1 < len(groups) < len(tests):
        yield "<h2>By %s</h2>\n<table>%s" % (by, row(SUMS + (by,), "th"))
        for group, (count, rss, size, blocks, left) in groups.items():
            yield row((count, delta(left), delta(size), table.delta(blocks), delta(rss), group))
        yield "</table>"


def lines(answer, tests, remarks, delta):
    """`remarks`: what else is to be said of the session."""
    found = testgrowth.leaving(tests)
    about = "%s, Python %s" % (answer.target["command"], answer.target["python_version"])
    yield HEAD % {"title": html.escape(answer.lines[-1]), "style": asset("report.css"), "about": html.escape(about)}
    yield "<h2>Tests that leave memory behind</h2>" if found else ""
    for test in found:
        yield detail(test, delta)
    yield from ("<p>%s</p>" % html.escape(remark) for remark in remarks)
    yield from sums(tests, "file", delta)
    if any(test.file != test.group("class") for test in tests):
        yield from sums(tests, "class", delta)
    yield "<h2>All tests</h2>"
    yield from test_table(tests, delta)
    yield TAIL
