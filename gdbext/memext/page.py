# SPDX-License-Identifier: Apache-2.0
"""A tree of references as one HTML page that unfolds, and needs no network. Knows nothing of GDB.

The tree is nested <details>, so it unfolds without a script too; the script
adds the buttons, and opens what hides the place that a link leads to.
"""
from . import document, reftree, table, treetext
from .document import escape

# Browsers flatten what is nested deeper than 512 elements, three a level: deeper levels stay at this indentation.
NESTED_AT_MOST = 120
# Characters of a value in its line.
VALUE_WIDTH = 80
# Levels that are open at first.
OPEN = 2

HEAD = """<h1>%s</h1>
<p>%s</p>
<div id="buttons" hidden><button id="unfold">unfold all</button><button id="fold">fold all</button></div>
<div class="tree">
"""


def span(name, text):
    return '<span class="%s">%s</span>' % (name, escape(text)) if text else ""


def value_html(text, width):
    """A value, whole when the pointer rests on it."""
    return escape(text) if len(text) <= width else '<span title="%s">%s</span>' % (
        escape(text), escape(table.clip(text, width)))


def node_html(node, extra="", again=False):
    row = node.row
    if again:
        return " ".join((span("type", row["type"] or "?"), value_html(node.text, VALUE_WIDTH // 2),
                         span("dim", row["addr"]), extra))
    kind = "type module" if node.is_module else "type"
    tail = treetext.refcount_text(row).strip()
    return " ".join(part for part in (span(kind, row["type"] or "?"), value_html(node.text, VALUE_WIDTH),
                                      span("dim", tail), span("dim", row["addr"]), extra) if part)


def step_html(tree, step, prefix=""):
    """The line of a step; `prefix` tells the places of several trees in one page apart."""
    if step.more:
        return span("dim", "… %s more (-width 0 shows all)" % table.number(step.more))
    name, folded = reftree.label(step.edges), reftree.count(step.edges)
    times = "%s × " % table.number(folded) if folded > 1 else ""
    if not step.node:
        return escape(times) + span("root", name)
    notes = reftree.marks(tree, step.edges) + (["the first of them"] if folded > 1 else [])
    extra = span("dim", "(%s)" % ", ".join(notes)) if notes else ""
    if step.state:
        extra += ' <a href="#%sn%x">%s</a>' % (prefix, step.node.addr, treetext.STATES[step.state].strip(" ()"))
    joint = " of " if tree.referrers else " = "
    return escape(times) + span("edge", name) + (joint if name else "") + node_html(step.node, extra, step.state != "")


def identity(step, prefix):
    """Where links to a node lead: the place where it is unfolded."""
    return ' id="%sn%x"' % (prefix, step.node.addr) if step.node and not step.state else ""


def items(tree, prefix=""):
    """The tree's inside, in pieces."""
    opened = []
    for step, following in pairs(reftree.walk(tree)):
        level = min(step.level, NESTED_AT_MOST)
        while opened and opened[-1] >= level:
            opened.pop()
            yield "</ul></details></li>\n"
        if following and min(following.level, NESTED_AT_MOST) > level:
            opened.append(level)
            yield "<li><details%s%s><summary>%s</summary><ul>\n" % (
                identity(step, prefix), " open" if level < OPEN else "", step_html(tree, step, prefix))
        else:
            yield '<li class="leaf"%s>%s</li>\n' % (identity(step, prefix), step_html(tree, step, prefix))
    yield "</ul></details></li>\n" * len(opened)


def pairs(steps):
    """Each step with the one after it, None at the end."""
    before = None
    for step in steps:
        if before:
            yield before, step
        before = step
    if before:
        yield before, None


def whole_tree(tree, prefix=""):
    """The start and what is around it, in pieces."""
    start = tree.nodes[tree.start]
    yield '<div id="%sn%x"><span class="start">%s</span></div>\n<ul>\n' % (prefix, tree.start, node_html(start))
    yield from items(tree, prefix)
    yield "</ul>\n"


def page(tree, title, about, notes):
    """The whole page, in pieces."""
    yield document.begin(title, "tree.css")
    yield HEAD % (escape(title), escape(about))
    yield from whole_tree(tree)
    yield "</div>\n" + "".join("<p>%s</p>\n" % escape(note) for note in notes)
    yield document.script(document.asset("tree.js")) + document.END
