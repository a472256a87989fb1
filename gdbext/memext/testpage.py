# SPDX-License-Identifier: Apache-2.0
"""What the tests of a session left behind, as one HTML page that needs no network. Knows nothing of GDB."""
from . import document, table, testgrowth

HEAD = """<main>
<p class="about">%s</p>
<h1 id="verdict">%s</h1>
"""
COLUMNS = ("left", "bytes", "blocks", "rss", "grows", "test")


def row(cells, tag="td"):
    shown = ["<%s>%s</%s>" % (tag, document.escape(str(cell)), tag) for cell in cells]
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
        document.escape(test.name), document.escape(delta(test.left)), test.verdict, document.escape(text))


def lines(answer, tests, delta):
    found = testgrowth.leaving(tests)
    about = "%s, Python %s" % (answer.target["command"], answer.target["python_version"])
    yield document.begin("memext: " + answer.lines[-1], "report.css", scripts=False)
    yield HEAD % (document.escape(about), document.escape(answer.lines[-1]))
    yield "<h2>Tests that leave memory behind</h2>" if found else ""
    for test in found:
        yield detail(test, delta)
    yield "<h2>All tests</h2>"
    yield from test_table(tests, delta)
    yield "</main>\n" + document.END
