# SPDX-License-Identifier: Apache-2.0
"""Suspects as rows and text. Knows nothing of GDB."""
import textwrap

from . import retaining, table
from .answer import address

# Of the bytes that a holder explains: where fewer are its alone, that is said.
ALONE_LEAST = 0.5
WIDTH = 110


def json_row(found):
    """A row of _memext's, for programs."""
    row = dict(found, addr=address(found["addr"]), example=address(found["example"]))
    del row["is_expression"]
    return row


def holder_text(row):
    """What it is, by the path to it where that can be typed."""
    if not row["addr"]:
        return row["why"]
    if row["is_expression"]:
        return "%s, a %s" % (row["path"], row["type"])
    return "%s at 0x%x" % (row["type"], row["addr"])


def holds_text(row, size):
    """What most bytes directly below are."""
    holds = row["holds"]
    if holds["type"] == retaining.RAW:
        return "%s (%s)" % ("its own buffer" if holds["count"] == 1 else
                            table.plural(holds["count"], "buffer"), size(holds["bytes"]))
    return "%s %s (%s)" % (table.number(holds["count"]), holds["type"], size(holds["bytes"]))


def facts(row, value, size):
    """(name, text) of the lines below a holder's first; `value` shows its example."""
    if row["addr"]:
        yield "cause", "%s: %s" % (row["cause"], row["why"])
        if not row["is_expression"]:
            yield "path", row["path"]
    else:
        yield "cause", row["cause"]
    if row["alone"] < ALONE_LEAST * row["retained"]:
        yield "shared", "others refer to parts of it, too: %s would be freed with it alone" % size(row["alone"])
    if row["holds"]:
        yield "holds", holds_text(row, size)
    if row["example"]:
        yield "e.g.", " = ".join(part for part in (row["example_path"], value(row["example"])) if part)
    yield "next", row["next"]


def lines(rows, value, size, width=0):
    """A few lines a holder."""
    for number, row in enumerate(rows, 1):
        yield "%d. %s, %s: %s" % (number, size(row["retained"]), retaining.percent(row["share"]), holder_text(row))
        for name, text in facts(row, value, size):
            if name in ("cause", "path"):
                yield from textwrap.wrap(text, max(width or WIDTH, 40), initial_indent="   %-6s " % name,
                                         subsequent_indent=" " * 10, break_on_hyphens=False)
            else:
                yield table.clip("   %-6s %s" % (name, text), width or WIDTH)


def head_line(shown, total, than, size):
    """What the holders shown explain together; `than` says what of, where not of all."""
    what = "the %s" % size(total) + (" that are %s" % than if than else "")
    if not total:
        return "nothing is %s" % than if than else "there is nothing in the heap"
    if not shown:
        return "nothing stands out: no holder keeps 1 %% of %s" % what
    share = sum(row["retained"] for row in shown) / total
    return "%s %s %s of %s" % (table.plural(len(shown), "holder"), "explains" if len(shown) == 1 else "explain",
                               retaining.percent(share), what)
