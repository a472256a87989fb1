# SPDX-License-Identifier: Apache-2.0
"""Wasted memory as rows and text. Knows nothing of GDB."""
from . import table
from .answer import address
from .retaining import percent

KINDS = {"strings": "equal str objects", "bytes": "equal bytes objects", "lists": "lists with room to spare",
         "dicts": "dicts with sparse tables", "sets": "sets with sparse tables",
         "empty-dicts": "empty __dict__s, by type of instance"}


def json_rows(found, kind, limit):
    """(rows, how many were left out) of tuples of the binding: the most wasteful of all kinds, or of one."""
    rows = [{"kind": row[0], "addr": address(row[1]), "value": row[2], "count": row[3], "bytes": row[4],
             "wasted": row[5], "holder": row[6]} for row in found if row[1] and kind in (None, row[0])]
    rows.sort(key=lambda row: -row["wasted"])
    shown = rows[:limit] if limit else rows
    return shown, len(rows) - len(shown)


def row_text(row):
    """Who holds it, and what it is."""
    if row["kind"] == "empty-dicts":
        return "__dict__ of %s instances" % row["value"]
    return "%s = %s" % (row["holder"], row["value"]) if row["holder"] else row["value"]


def kind_table(kinds, size):
    """Of [{kind, count, wasted}], largest first; `size` writes bytes."""
    result = table.Table("wasted", "objects", "kind", "what")
    for kind in sorted(kinds, key=lambda one: -one["wasted"]):
        result.add(size(kind["wasted"]), table.number(kind["count"]), kind["kind"], KINDS[kind["kind"]])
    return result


def row_table(rows, size):
    """Of the rows of JSON."""
    result = table.Table("wasted", "objects", "kind", "address", "held by = value", cut=table.clip)
    for row in rows:
        result.add(size(row["wasted"]), table.number(row["count"]), row["kind"], row["addr"], row_text(row))
    return result


def total_line(wasted, object_bytes, size):
    """What could be saved in all."""
    line = "total: %s could be saved" % size(wasted)
    if wasted * 10000 < object_bytes or not object_bytes:
        return line
    return "%s, %s of the %s in objects" % (line, percent(wasted / object_bytes), size(object_bytes))
