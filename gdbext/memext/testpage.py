# SPDX-License-Identifier: Apache-2.0
"""What the tests of a session left behind, as one HTML page that needs no network. Knows nothing of GDB."""
from . import document, table, testgrowth

HEAD = """<main>
<p class="about">%s</p>
<h1 id="verdict">%s</h1>
"""
COLUMNS = ("left", "bytes", "blocks", "rss", "grows", "test")
SUMS = ("tests", "left", "bytes", "blocks", "rss")
UNTOLD = "one run does not tell whether it grows every time (-repeat 2 does)"


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
    grows = UNTOLD if test.verdict == "?" else "grows " + test.verdict
    return "<h3>%s</h3>\n<p>%s left; %s</p>\n<pre>%s</pre>" % (
        document.escape(test.name), document.escape(delta(test.left)), document.escape(grows), document.escape(text))


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
    yield document.begin("memext: " + answer.lines[-1], "report.css", scripts=False)
    yield HEAD % (document.escape(about), document.escape(answer.lines[-1]))
    yield "<h2>Tests that leave memory behind</h2>" if found else ""
    for test in found:
        yield detail(test, delta)
    yield from ("<p>%s</p>" % document.escape(remark) for remark in remarks)
    yield from sums(tests, "file", delta)
    if any(test.file != test.group("class") for test in tests):
        yield from sums(tests, "class", delta)
    yield "<h2>All tests</h2>"
    yield from test_table(tests, delta)
    yield "</main>\n" + document.END
