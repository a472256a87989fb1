# SPDX-License-Identifier: Apache-2.0
"""pymalloc's arenas as rows, a verdict and text. Knows nothing of GDB."""
from . import table
from .answer import address
from .retaining import percent

LEAST = 1 << 20  # bytes free: less is no reason for anything
NOTABLE = 0.1    # of all arenas


def with_address(found, *keys):
    return dict(found, **{key: address(found[key]) for key in keys})


class Arenas:
    """What Target.pymalloc() gave, and Heap.size_classes()."""

    def __init__(self, found, classes):
        arenas, keepers, self.info = found
        self.rows = [with_address(arena, "address", "example") for arena in arenas]
        self.keepers = [with_address(keeper, "example") for keeper in keepers]
        self.classes = [{"block_size": size, "pools": pools, "used_blocks": used, "free_blocks": free,
                         "used_bytes": size * used, "free_bytes": size * free}
                        for size, pools, used, free in classes]

    @property
    def free(self):
        return self.info["free_bytes"] + self.info["free_pool_bytes"]

    def is_notable(self, value):
        return value >= LEAST and value >= NOTABLE * self.info["arena_bytes"]

    def by_emptiness(self):
        """Those that few blocks keep first, then by what is used of them."""
        return sorted(self.rows, key=lambda row: (not row["nearly_empty"], row["used_bytes"] / row["bytes"],
                                                  int(row["address"], 16)))


def no_arenas(allocator):
    lines = ["there are no arenas: this process's Python objects come from %s, not from pymalloc" % allocator]
    if allocator.startswith("mimalloc"):
        return lines + ["next: py-memory tells how much of mimalloc's memory is free, and what the rest is"]
    return lines + ["next: py-malloc tells what malloc holds, py-memory what the process consists of"]


def verdict(arenas, size):
    """The first line: is memory kept, how much, and by what."""
    info = arenas.info
    text = "%s of %s in pymalloc's arenas is free" % (size(arenas.free), size(info["arena_bytes"]))
    if not arenas.is_notable(arenas.free):
        return text + ": it is no reason why the process is large"
    text += " (%s)" % percent(arenas.free / info["arena_bytes"])
    if not info["nearly_empty"]:
        return text + ": spread over arenas that are used otherwise"
    return "%s: %s, %s, cannot be given back for %s in them, mostly %s" % (
        text, table.plural(info["nearly_empty"], "arena"), size(info["nearly_empty_bytes"]),
        size(info["nearly_empty_used"]), arenas.keepers[0]["type"])


def sum_line(arenas, size):
    info = arenas.info
    parts = [("used in %s" % table.plural(info["used_blocks"], "block"), info["used_bytes"]),
             ("in free blocks of used pools", info["free_bytes"]), ("in free pools", info["free_pool_bytes"]),
             ("in pool headers", info["header_bytes"]), ("in ends of pools", info["tail_bytes"]),
             ("in ends of arenas", info["alignment_bytes"]), ("missing from the core", info["missing_bytes"])]
    return "%s: %s" % (table.plural(info["arenas"], "arena"),
                       ", ".join("%s %s" % (size(value), name) for name, value in parts if value))


def keeper_table(keepers, size):
    result = table.Table("arenas", "alone", "blocks", "bytes", "example", "type")
    for keeper in keepers:
        result.add(table.number(keeper["arenas"]), table.number(keeper["alone"]), table.number(keeper["count"]),
                   size(keeper["bytes"]), keeper["example"], keeper["type"])
    return result


def mostly(row):
    return "%s %s" % (table.number(row["type_count"]), row["type"]) if row["type"] else "nothing"


def arena_table(rows, size):
    result = table.Table("arena", "of", "used", "", "blocks", "pools", "example", "mostly")
    for row in rows:
        result.add(row["address"], size(row["bytes"]), size(row["used_bytes"]),
                   percent(row["used_bytes"] / row["bytes"]), table.number(row["used_blocks"]),
                   "%d/%d" % (row["used_pools"], row["pools"]), row["example"] or "", mostly(row))
    return result


def class_table(classes, size):
    result = table.Table("block", "pools", "used", "free", "used bytes", "free bytes", "full")
    for row in classes:
        blocks = row["used_blocks"] + row["free_blocks"]
        result.add(size(row["block_size"]), table.number(row["pools"]), table.number(row["used_blocks"]),
                   table.number(row["free_blocks"]), size(row["used_bytes"]), size(row["free_bytes"]),
                   percent(row["used_blocks"] / blocks) if blocks else "")
    return result


def next_command(arenas):
    if arenas.keepers:
        return "next: py-path %s, or $py, tells who holds the first of what keeps them" % arenas.keepers[0]["example"]
    return "next: py-malloc tells the same of malloc's heaps, py-memory what the process consists of"
