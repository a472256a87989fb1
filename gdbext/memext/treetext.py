# SPDX-License-Identifier: Apache-2.0
"""A tree of references as lines of text. Knows nothing of GDB.

    __main__.Session {'user': 3}  refcount 1  0x7f1a2b3c4d50
    ├─ [3] of list [<Session…>, …]  refcount 1  0x7f1a2b3c4e00
    │  └─ .CACHE of module app  refcount 5  0x7f1a2b3c5000
    └─ … 812 more (-width 0 shows all)
"""
from . import reftree, table

# A chain a million objects long must not be indented by a million columns.
INDENTED_AT_MOST = 40
# Columns of a value: a tree is read for its shape.
VALUE_WIDTH = 60
VALUE_LEAST = 8
UNREFERRED = "nothing refers to it: no object, no root; it is garbage, or held by C code alone"
MISSING = "parts of the target are missing, and what holds it may be there"
INEXACT = "?: found by a conservative scan of C data; it may be no reference at all"


def refcount_text(row):
    if row["refcount"] is None:
        return "  immortal" if row["type"] and row["type"] != "raw block" else ""
    return "  refcount %d" % row["refcount"]


def node_text(node, again=False, value_width=VALUE_WIDTH):
    """Type, value, refcount and address; of what is shown elsewhere, just enough to know it again."""
    row = node.row
    value = table.clip(node.text, min(value_width, VALUE_WIDTH // 2 if again else VALUE_WIDTH))
    head = " ".join(part for part in (row["type"] or "?", value) if part)
    return "%s%s  %s" % (head, "" if again else refcount_text(row), row["addr"])


STATES = {"": "", "above": "  (see above)", "below": "  (see below)", "cycle": "  (cycle)"}


def fit(make, node, width):
    """The line that `make` gives of a width for values; `node`'s value yields first, for a line's end tells more."""
    room = min(len(node.text), VALUE_WIDTH) if node else 0
    text = make(room)
    while width and len(text) > width and room > VALUE_LEAST:
        room = max(VALUE_LEAST, room - (len(text) - width))
        text = make(room)
    return table.clip(text, width)


def step_text(tree, step, value_width):
    if step.more:
        return "… %s more (-width 0 shows all)" % table.number(step.more)
    name, folded = reftree.label(step.edges), reftree.count(step.edges)
    times = "%s × " % table.number(folded) if folded > 1 else ""
    if not step.node:
        return times + name
    marks = reftree.marks(tree, step.edges)
    joint = " of " if tree.referrers else " = "
    text = "%s%s%s%s" % (times, name, joint if name else "", node_text(step.node, step.state != "", value_width))
    if folded > 1:
        text += "  (the first of them)"
    return text + ("  (%s)" % ", ".join(marks) if marks else "") + STATES[step.state]


def indentation(parents, last):
    """The lines down from `parents`: whether each of them was the last of its siblings."""
    shown = parents[-INDENTED_AT_MOST:]
    deeper = "[%d] " % (len(parents) + 1) if len(shown) < len(parents) else ""
    return deeper + "".join("   " if gone else "│  " for gone in shown) + ("└─ " if last else "├─ ")


def lines(tree, width=0):
    """The whole tree; `width` columns at most, 0 for as long as they are."""
    start = tree.nodes[tree.start]
    yield fit(lambda value_width: node_text(start, False, value_width), start, width)
    lasts = []
    for step in reftree.walk(tree):
        del lasts[step.level - 1:]
        head = indentation(lasts, step.last)
        yield fit(lambda value_width: head + step_text(tree, step, value_width), step.node, width)
        lasts.append(step.last)


def footer(tree, complete=True):
    """What the signs mean that occurred, and what was asked in vain; not `complete`: part of the heap is missing."""
    result = []
    if not tree.edges and not tree.referrers:
        result.append("it refers to nothing")
    elif not tree.edges:
        result.append(UNREFERRED if complete else "nothing that could be read refers to it; " + MISSING)
    if any(not edge.exact for edge in tree.edges):
        result.append(INEXACT)
    return result
