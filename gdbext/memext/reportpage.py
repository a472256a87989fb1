# SPDX-License-Identifier: Apache-2.0
"""The diagnosis as one HTML page that needs no network: what report.py says, with a map that is zoomed by click,
tables that sort, and suspects whose retainers unfold. Knows nothing of GDB.

Tables and trees are plain HTML, so that the page reads without its script, too. The map is drawn by web/report.js from
the outline, in the layout of d3's partition, which is inlined from Debian's package. Everything that comes from the
target is escaped, and cut to a bounded length.
"""
import json

from . import document, page, report as texts, retaining, table, waste
from .picture import visible

# d3-hierarchy alone: 14 KB of d3's 280.
LIBRARY = "/usr/share/nodejs/d3-hierarchy/dist/d3-hierarchy.min.js"
PACKAGE = "node-d3-hierarchy"
WITHOUT = "The map is left out, for d3's layouts are not installed: apt install " + PACKAGE
MOST_BYTES = 5000000
# Suspects that are not folded away.
SUSPECTS_OPEN = 5
# Characters of a type and of a reference's name in the map.
TYPE_WIDTH, NAME_WIDTH = 100, 60
TITLE_WIDTH = 120
LEDGER_KINDS = {"python/objects": 1, "python/buffers": 5, "python/static": 4, "pymalloc/free": 2, "rest": 6}
ABOUT_MAP = ("Every block of the heap once, inside what keeps it alive. To the right of a box is what would be freed "
             "with it; height is bytes. Click to go in; click the leftmost box, or press Escape, to go out.")
WHOLE = {False: "the heap", True: "what is new"}
TREES = {True: "What refers to it", False: "What it refers to"}

PAGE = """<main>
<p class="about">%(about)s</p>
<h1 id="verdict">%(verdict)s</h1>
%(body)s
<footer>Made by memext's py-report. Retained: what would be freed with an object. Sizes are those of the allocator's
blocks; a type's own bytes are what sys.getsizeof says.</footer>
</main>
"""


def library():
    """d3's layouts, None where they are not installed."""
    try:
        with open(LIBRARY, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def escape(text, width=0):
    return document.escape(table.clip(text, width))


def embedded(data):
    """JSON inside <script>: nothing in it can end the element, nor begin a comment."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def outline_data(nodes):
    """Columns of _memext's outline as report.js reads them; a type is the index of its name."""
    types = {}
    data = {"parent": [], "type": [], "name": [], "count": [], "own": [], "retained": [], "address": []}
    for parent, count, address, kind, name, own, retained in nodes:
        data["parent"].append(parent)
        data["type"].append(types.setdefault(visible(table.shorten(kind, TYPE_WIDTH)), len(types)))
        data["name"].append(visible(table.clip(name, NAME_WIDTH)))
        data["count"].append(count)
        data["own"].append(own)
        data["retained"].append(retained)
        data["address"].append("0x%x" % address if address else "")
    return dict(data, types=list(types))


def section(title, inside, name, small=""):
    if not inside:
        return ""
    note = " <small>%s</small>" % escape(small) if small else ""
    return '<section id="%s">\n<h2>%s%s</h2>\n%s</section>\n' % (name, escape(title), note, inside)


def cell(value, text, left=False):
    """Of a table; `value` is what it is sorted by, None for the text."""
    sorted_by = "" if value is None else ' data-value="%d"' % value
    return "<td%s%s>%s</td>" % (' class="left"' if left else "", sorted_by, text)


def html_table(headers, rows, foot=()):
    """`rows` of cell()s; headers that begin with `<` are left-aligned, the last always is."""
    heads = "".join('<th scope="col"%s>%s</th>' % (' class="left"' if head[:1] == "<" else "", escape(head.lstrip("<")))
                    for head in headers)
    body = "".join("<tr>%s</tr>\n" % "".join(row) for row in rows)
    tail = "<tfoot><tr>%s</tr></tfoot>\n" % "".join(foot) if foot else ""
    return ('<div class="scroll"><table class="sortable"><thead><tr>%s</tr></thead>\n<tbody>\n%s</tbody>\n%s'
            '</table></div>\n' % (heads, body, tail))


def share_bar(share, small=False):
    return '<span class="share%s"><i style="width:%.1f%%"></i></span>' % (" small" if small else "",
                                                                      100 * min(max(share, 0), 1))


def tiles(report):
    used, process = report.used(), report.process[0]
    shown = [(report.size(used), "used by Python's heap")]
    if process:
        shown.append((report.size(process), report.process[1]))
    objects = next((row["count"] for row in report.ledger if row["kind"] == "python/objects"), None)
    if objects:
        shown.append((table.number(objects), "Python objects"))
    if report.suspects:
        share = sum(one["share"] for one in report.suspects)
        shown.append((retaining.percent(share), "%s by %s" % ("of the growth held" if report.since else "held",
                                                              table.plural(len(report.suspects), "suspect"))))
    if report.waste["wasted"]:
        shown.append((report.size(report.waste["wasted"]), "wasted"))
    return '<div class="tiles">\n%s</div>\n' % "".join(
        '<div class="tile"><b>%s</b><span>%s</span></div>\n' % (escape(value), escape(text)) for value, text in shown)


def ledger(report):
    total = sum(row["bytes"] for row in report.ledger) or 1
    bar = "".join('<i style="flex:%d;background:var(--k%d)" title="%s"></i>' % (
        row["bytes"], LEDGER_KINDS[row["kind"]], escape(texts.LEDGER_TEXTS[row["kind"]]))
        for row in report.ledger if row["bytes"])
    rows = [[cell(row["bytes"], report.size(row["bytes"])),
             cell(row["bytes"], retaining.percent(row["bytes"] / total)),
             cell(row["count"] or 0, "" if row["count"] is None else table.number(row["count"])),
             cell(None, '<i class="key" style="background:var(--k%d)"></i>%s' % (
                 LEDGER_KINDS[row["kind"]], escape(texts.LEDGER_TEXTS[row["kind"]])))] for row in report.ledger]
    foot = [cell(None, report.size(total)), cell(None, ""), cell(None, ""),
            cell(None, escape(report.process[1] if report.process[0] else "in all"))]
    memory = "<p>%s</p>\n" % escape(report.memory) if report.memory else ""
    return '<div class="stack">%s</div>\n' % bar + html_table(("bytes", "share", "count", "what"), rows, foot) + memory


def map_box(report, with_layout):
    if not with_layout:
        return '<p class="remark">%s</p>\n' % escape(WITHOUT)
    return ('<div class="crumbs" id="crumbs"></div>\n<div class="map" id="map" data-unit="%s"></div>\n'
            '<div class="detail" id="detail"></div>\n<div class="legend" id="legend"></div>\n'
            % WHOLE[bool(report.map_since)])


def suspect(report, number, one, trees):
    """`trees`: reftree.Trees around the holder."""
    holder, contents, example = texts.holder_text(one), texts.contents_text(one), texts.example_text(one)
    way = one["path"] if one["path"] and texts.plain_path(one) not in holder else ""
    more = '<p class="dim">next: <code>%s</code></p>\n' % escape(one["next"], 300) if one["next"] else ""
    for index, tree in enumerate(trees):
        more += '<details class="tree-box"><summary>%s</summary>\n<div class="tree">%s</div></details>\n' % (
            TREES[tree.referrers], "".join(page.whole_tree(tree, "s%dt%d" % (number, index))))
    return "".join((
        '<article class="suspect" id="suspect%d">\n<header><span class="bytes">%s</span><b>%s</b>'
        '<span class="badge">%s</span></header>\n' % (number, escape(report.size(one["retained"])), escape(holder, 200),
                                                      escape(one["cause"])),
        share_bar(one["share"]),
        "<p>%s of %s%s%s</p>\n" % (retaining.percent(one["share"]), WHOLE[bool(report.since)],
                                   ": " + escape(contents, 300) if contents else "",
                                   ", such as <code>%s</code>" % escape(example, 100) if example else ""),
        "".join("<p>%s</p>\n" % escape(text) for text in texts.shared(report, one)),
        '<p class="dim">the way there: <code>%s</code></p>\n' % escape(way, 300) if way else "",
        '<div class="more">\n%s</div>\n</article>\n' % more))


def suspects(report, trees):
    shown = [suspect(report, number, one, trees.get(one["addr"], ())) for number, one in enumerate(report.suspects, 1)]
    folded = "".join(shown[SUSPECTS_OPEN:])
    if folded:
        folded = '<details class="others"><summary>%s</summary>\n%s</details>\n' % (
            table.plural(len(shown) - SUSPECTS_OPEN, "more suspect"), folded)
    return "".join(shown[:SUSPECTS_OPEN]) + folded


def growth(report):
    if not report.growth:
        return ""
    rows = [[cell(row["count_delta"], table.delta(row["count_delta"])),
             cell(row["bytes_delta"], texts.size_delta(report, row["bytes_delta"])),
             cell(row["count"], table.number(row["count"])), cell(row["bytes"], report.size(row["bytes"])),
             cell(None, escape(row["type"], TYPE_WIDTH))] for row in report.growth["rows"]]
    return html_table(("+count", "+bytes", "count", "bytes", "type"), rows)


def types(report):
    used = report.used() or 1
    rows = [[cell(row["bytes"], report.size(row["bytes"])), cell(row["count"], table.number(row["count"])),
             cell(row["retained"] or 0, "" if row["retained"] is None else report.size(row["retained"])),
             cell(row["retained"] or 0, share_bar((row["retained"] or 0) / used, True)),
             cell(None, escape(row["type"], TYPE_WIDTH))] for row in report.types]
    return html_table(("bytes", "count", "retained", "<share", "type"), rows) if rows else ""


def wasted(report):
    kinds = "; ".join("%s: %s" % (waste.KINDS[kind["kind"]], report.size(kind["wasted"]))
                      for kind in report.waste["kinds"] if kind["wasted"])
    rows = [[cell(row["wasted"], report.size(row["wasted"])), cell(row["count"], table.number(row["count"])),
             cell(row["bytes"], report.size(row["bytes"])), cell(None, escape(waste.KINDS[row["kind"]]), True),
             cell(None, escape(waste.row_text(row), 200))] for row in report.waste["rows"]]
    return ("<p>%s</p>\n" % escape(kinds) if kinds else "") + (
        html_table(("wasted", "objects", "bytes", "<kind", "held by = value"), rows) if rows else "")


def completeness(report):
    return "".join("<p%s>%s</p>\n" % ("" if report.complete else ' class="remark"', escape(remark))
                   for remark in report.remarks)


def steps(report):
    return '<dl class="steps">\n%s</dl>\n' % "".join(
        "<dt><code>%s</code></dt><dd>%s</dd>\n" % (escape(step["command"], 200), escape(step["why"], 300))
        for step in texts.steps(report))


def body(report, trees, with_layout):
    used = report.used()
    since = " since %s" % report.since if report.since else ""
    saved = "%s, %s of the heap, could be saved" % (
        report.size(report.waste["wasted"]), retaining.percent(report.waste["wasted"] / used)) if used else ""
    return "".join((
        tiles(report),
        section("Suspects" + since, suspects(report, trees), "suspects", "the holders that explain most"),
        section("Map", '<p class="dim screen">%s</p>\n' % escape(ABOUT_MAP) + map_box(report, with_layout), "where",
                 "retained memory" + (" since %s" % report.map_since if report.map_since else "")),
        section("Growth" + (" since %s" % report.growth["since"] if report.growth else ""), growth(report), "growth"),
        section("Types", types(report), "types", "retained: what would be freed with all objects of a type"),
        section("Ledger", ledger(report), "ledger", "what the process's memory is"),
        section("Waste", wasted(report), "waste", saved),
        section("Completeness", completeness(report), "completeness"),
        section("Next", steps(report), "next")))


def render(report, trees, nodes, layout):
    """The page as text; `nodes` of the outline, `layout` d3's source or None."""
    scripts = ""
    if layout:
        scripts += '<script id="outline" type="application/json">%s</script>\n' % embedded(outline_data(nodes))
        scripts += document.script(layout)
    scripts += document.script(document.asset("report.js"))
    sentence = texts.verdict(report)
    return "".join((document.begin("memext: " + table.clip(sentence, TITLE_WIDTH), "report.css"),
                    PAGE % {"about": escape(report.about), "verdict": escape(sentence),
                            "body": body(report, trees, layout)},
                    scripts, document.END))


def fitting(make):
    """The first page of make(scale) that is no larger than pages may be: scale 1, 1/2, 1/4 and so on, at last 0."""
    for halvings in range(8):
        text = make(0.5 ** halvings)
        if len(text.encode("utf-8", "backslashreplace")) <= MOST_BYTES:
            return text
    return make(0)
