# SPDX-License-Identifier: Apache-2.0
"""Retained sizes as rows and text. Knows nothing of GDB."""
from . import table

RAW = "raw block"


def percent(share):
    """Three digits at most: 71.1 %, 0.04 %."""
    value = 100 * share
    return "%.*f %%" % (1 if value >= 1 or not value else 2, value)


def object_text(row):
    """Type and value, behind the way there."""
    text = " ".join(part for part in (row["type"] or "?", row["value"]) if part)
    way = "(unreachable)" if row["reachable"] is False else row["path"]
    return "%s = %s" % (way, text) if way else text


def way_text(names, expression):
    """The expression that leads to an object; where Python has none, the names of the steps, all or both ends."""
    if expression:
        return expression
    return " → ".join(names if len(names) <= 5 else names[:2] + ["…"] + names[-2:])


def object_table(rows, size):
    """Of objects; `size` writes bytes."""
    result = table.Table("retained", "share", "size", "address", "object", cut=table.clip)
    for row in rows:
        result.add(size(row["retained"]), percent(row["share"]), size(row["size"]), row["addr"], object_text(row))
    return result


def group_table(rows, by, size):
    """Of types, modules and roots."""
    result = table.Table("retained", "share", "size", "objects", by)
    for row in rows:
        result.add(size(row["retained"]), percent(row["share"]), size(row["size"]), table.number(row["count"]),
                   row["name"])
    return result


def more_line(total, shown, noun):
    """None when all are shown."""
    return "… and %s (-limit 0 shows all)" % table.plural(total - shown, "more " + noun) if shown < total else None


def total_line(info, size):
    """What the heap holds in all, from mx_retained_info."""
    line = "total: %s in %s" % (size(info["total"]), table.plural(info["blocks"], "block"))
    for value, text in ((info["unreachable"] - info["unowned"], "unreachable: garbage"),
                        (info["unowned"], "C data of unknown owners")):
        line += "; %s (%s) %s" % (size(value), percent(value / info["total"]), text) if value else ""
    return line


def sizeof_line(sizes, total, size):
    """Below py-sizeof's line; `sizes` is (block, owned, retained)."""
    _block, owned, retained = sizes
    return "retains %s, %s of the heap%s" % (size(retained), percent(retained / total if total else 0),
                                             "; its buffers: %s" % size(owned) if owned else "")
