# SPDX-License-Identifier: Apache-2.0
"""glibc malloc's arenas as rows, a verdict, advice and text. Knows nothing of GDB."""
from . import table
from .answer import address
from .retaining import percent

KEYS = ("system", "used", "free", "tcache", "fast", "top", "other", "whole_pages", "absent", "returnable",
        "used_chunks", "free_chunks", "tcache_chunks", "fast_chunks")
LEAST = 1 << 20      # bytes: advice about less is not worth the reading
NOTABLE = 0.1        # of what malloc has from the system
DAMAGED = 64 << 10   # an arena's own structs are smaller
# What tells of an allocator that memext does not walk.
OTHERS = {"jemalloc": "the environment MALLOC_CONF=stats_print:true makes it tell at exit",
          "tcmalloc": "the environment MALLOCSTATS=1 makes it tell (MallocExtension::GetStats)",
          "mimalloc": "the environment MIMALLOC_SHOW_STATS=1 makes it tell at exit",
          "musl": "it keeps no statistics"}


def free_bytes(row):
    """All that is not used: in bins, in threads' caches, in fastbins, at the end."""
    return row["free"] + row["tcache"] + row["fast"] + row["top"]


def free_in_ram(row):
    return free_bytes(row) - row["absent"]


class Malloc:
    """What Target.malloc() gave."""

    def __init__(self, found, is_core):
        arenas, self.info = found
        self.is_core = is_core
        self.rows = [dict(arena, arena=index, address=address(arena["address"]))
                     for index, arena in enumerate(arenas)]
        self.total = {key: sum(row[key] for row in self.rows) for key in KEYS}
        self.total.update(arenas=len(self.rows), free_in_all=free_bytes(self.total),
                          ended_arenas=len(self.ended()), ended_free=sum(map(free_bytes, self.ended())),
                          mapped_chunks=self.info["mapped_chunks"], mapped_bytes=self.info["mapped_bytes"],
                          largest_mapped=self.info["largest_mapped"], broken=self.info["broken"])

    def ended(self):
        """Arenas without a thread."""
        return [row for row in self.rows if not row["main"] and not row["threads"]]

    def of_threads(self):
        return [row for row in self.rows if not row["main"]]

    def is_notable(self, value):
        return value >= LEAST and value >= NOTABLE * self.total["system"]

    @property
    def is_walked(self):
        return bool(self.rows)

    def by_free(self):
        return sorted(self.rows, key=lambda row: (-free_bytes(row), row["arena"]))


def not_walked(name):
    """Two lines where malloc is another one."""
    known = next((word for word in OTHERS if name.startswith(word)), None)
    lines = ["this process's malloc is %s: memext walks glibc's only" % name]
    return lines + (["%s; py-memory has its memory among that of nobody" % OTHERS[known]] if known else [])


def verdict(malloc, size):
    """The first line: how much is free, and where."""
    total, free = malloc.total, malloc.total["free_in_all"]
    text = "%s of %s in malloc's heaps is free" % (size(free), size(total["system"]))
    if free and total["absent"] >= NOTABLE * free:
        text += ", %s of it not in RAM" % size(total["absent"])
    if not malloc.is_notable(free_in_ram(total)):
        return text + ": it is no reason why the process is large"
    parts = [("%s whose threads have ended" % table.plural(total["ended_arenas"], "arena"), total["ended_free"])]
    alive = [row for row in malloc.of_threads() if row["threads"]]
    parts.append(("%s of threads" % table.plural(len(alive), "arena"), sum(map(free_bytes, alive))))
    parts.append(("the main arena", sum(free_bytes(row) for row in malloc.rows if row["main"])))
    parts = sorted((part for part in parts if part[1]), key=lambda part: -part[1])
    return "%s: %s" % (text, ", ".join("%s in %s" % (size(value), name) for name, value in parts))


def advice(malloc, size):
    """[(what to do, sentence)], most helpful first."""
    return [found for found in (trim(malloc, size), share(malloc, size), pieces(malloc, size), caches(malloc, size))
            if found]


def trim(malloc, size):
    value = malloc.total["returnable"]
    if not malloc.is_notable(value):
        return None
    bound = "" if malloc.info["knows_resident"] else "up to "
    return ("malloc_trim", "malloc_trim(0) would give %s%s back, as whole free pages: ctypes.CDLL(None).malloc_trim(0)"
            % (bound, size(value)))


def share(malloc, size):
    """Free memory of one arena serves the threads of that arena only."""
    arenas = malloc.of_threads()
    value = sum(map(free_in_ram, arenas))
    if len(arenas) < 3 or not malloc.is_notable(value):
        return None
    return ("MALLOC_ARENA_MAX", "%s besides the main one hold %s free, each for its own threads: MALLOC_ARENA_MAX=2 in "
            "the environment lets all threads share 2" % (table.plural(len(arenas), "arena"), size(value)))


def pieces(malloc, size):
    """Free chunks between used ones, without a whole page inside."""
    value = malloc.total["free"] - malloc.total["whole_pages"]
    if not malloc.is_notable(value) or not malloc.total["free_chunks"]:
        return None
    return ("fragmentation", "%s is free in pages that used chunks share (%s, %s on average): only freeing these, or a "
            "restart, gives it back" % (size(value), table.plural(malloc.total["free_chunks"], "free chunk"),
                                        size(malloc.total["free"] // malloc.total["free_chunks"])))


def caches(malloc, size):
    value = malloc.total["tcache"] + malloc.total["fast"]
    if not malloc.is_notable(value):
        return None
    return ("tcache", "%s is kept in threads' caches: GLIBC_TUNABLES=glibc.malloc.tcache_count=0 turns them off"
            % size(value))


def damage(malloc, size):
    """A sentence, or none, on what could not be walked."""
    lost = sum(row["other"] for row in malloc.rows if row["other"] > DAMAGED)
    if not malloc.info["broken"] and not lost:
        return []
    return ["%s where chunks make no sense: damaged memory, or a stop in the midst of malloc; %s not walked"
            % (table.plural(malloc.info["broken"], "place"), size(lost))]


def sum_lines(malloc, size):
    """What there is in all."""
    total = malloc.total
    lines = ["%s: %s; %s used in %s; free: %s in bins, %s in threads' caches, %s in fastbins, %s at the ends" % (
        malloc.info["name"], table.plural(total["arenas"], "arena"), size(total["used"]),
        table.plural(total["used_chunks"], "chunk"), size(total["free"]), size(total["tcache"]), size(total["fast"]),
        size(total["top"]))]
    if total["mapped_chunks"]:
        lines.append("mapped one by one: %s, %s, the largest %s; given back as soon as they are freed" % (
            table.plural(total["mapped_chunks"], "chunk"), size(total["mapped_bytes"]), size(total["largest_mapped"])))
    return lines


def users(row):
    if row["main"]:
        return "main"
    return "%s: %s" % (row["address"] or "lost", table.plural(row["threads"], "thread") if row["threads"] else
                       "threads have ended")


def arena_table(rows, size):
    result = table.Table("arena", "system", "used", "free", "", "bins", "caches", "top", "largest", "trimmable", "of")
    for row in rows:
        free = free_bytes(row)
        result.add(row["arena"], size(row["system"]), size(row["used"]), size(free),
                   percent(free / row["system"]) if row["system"] else "", size(row["free"]),
                   size(row["tcache"] + row["fast"]), size(row["top"]), size(row["largest_free"]),
                   size(row["returnable"]), users(row))
    return result


def next_command(malloc):
    """What to type next."""
    if malloc.is_notable(free_in_ram(malloc.total)):
        return "next: py-memory tells what share of the process that is, py-arenas the same of Python's own allocator"
    return "next: py-memory tells what the process consists of, py-leaks what of it nothing reaches"
