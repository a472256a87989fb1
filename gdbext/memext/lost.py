# SPDX-License-Identifier: Apache-2.0
"""Lost memory as rows and text. Knows nothing of GDB."""
import os

from . import table
from .answer import address

KEYS = ("class", "size", "count", "bytes", "held_count", "held_bytes", "content", "module", "example", "place")


def row(found):
    result = dict(zip(KEYS, found))
    result["example"] = address(result["example"])
    result["module"] = result["module"] or None
    result["place"] = result["place"] or None
    return result


def cell(group):
    """The last column: what is in it, and where the one word stands that may hold it."""
    text = group["content"] or "nothing"
    return "%s  (held by a word at %s)" % (text, group["place"]) if group["place"] else text


def group_table(rows, size):
    result = table.Table("class", "blocks", "of", "bytes", "holding", "example", "content", cut=table.clip)
    for group in rows:
        result.add(group["class"], table.number(group["count"]), size(group["size"]), size(group["bytes"]),
                   size(group["held_bytes"]) if group["held_count"] else "", group["example"], cell(group))
    return result


def verdict(rows, info, size, since=None):
    """The first line: is anything lost, how much, and by whom."""
    lost = info["definite_bytes"] + info["indirect_bytes"]
    if not lost and since:
        return "nothing was definitely lost since %s: an address leads to each new block of C data" % since
    if not lost:
        return "nothing is definitely lost: an address leads to each of %s of C data" % table.plural(
            info["blocks"] - info["possible_blocks"], "block")
    text = "%s in %s definitely lost%s" % (
        size(lost), table.plural(info["definite_blocks"] + info["indirect_blocks"], "block"),
        " since " + since if since else "")
    by_module = {}
    for group in rows:
        if group["class"] == "definite" and group["module"]:
            name = os.path.basename(group["module"])
            by_module[name] = by_module.get(name, 0) + group["bytes"] + group["held_bytes"]
    if by_module:
        worst = max(by_module, key=lambda name: by_module[name])
        text += "; what leads to %s: %s" % (worst, size(by_module[worst]))
    return text


def total_line(info, size):
    return ("total: %s of C data in %s; definitely lost %s in %s, indirectly %s in %s; possibly %s in %s" % (
        size(info["bytes"]), table.plural(info["blocks"], "block"),
        size(info["definite_bytes"]), table.number(info["definite_blocks"]),
        size(info["indirect_bytes"]), table.number(info["indirect_blocks"]),
        size(info["possible_bytes"]), table.number(info["possible_blocks"])))
