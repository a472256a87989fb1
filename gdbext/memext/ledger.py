# SPDX-License-Identifier: Apache-2.0
"""The ledger of a process's memory as rows, a tree and a verdict. Knows nothing of GDB."""
from . import table
from .retaining import percent

UNTOUCHED = "reserves never used, zeros in the core"
# (title, kinds that begin so, what the children are called); the first that fits takes a row.
GROUPS = (
    ("live Python objects", ("python/objects/",), "type"),
    ("buffers of Python objects", ("python/buffers/",), "kind"),
    ("C data in Python's blocks", ("python/raw/",), "kind"),
    ("frames of Python functions", ("python/data-stacks",), ""),
    ("free inside Python's allocator", ("pymalloc/free-", "mimalloc/free-"), "kind"),
    ("overhead of Python's allocator", ("pymalloc/", "mimalloc/"), "kind"),
    ("C data in malloc", ("malloc/used/", "malloc/mapped/"), "kind"),
    ("free inside malloc", ("malloc/free/",), "kind"),
    ("overhead of malloc", ("malloc/",), "kind"),
    ("thread stacks", ("stacks/",), "kind"),
    ("modules", ("modules/",), "module"),
    ("file mappings", ("files/",), "file"),
    ("shared memory", ("shared/",), "mapping"),
    ("kernel mappings", ("kernel/",), "mapping"),
    ("reserved, no memory", ("reserved/",), ""),
    (UNTOUCHED, ("untouched/",), "kind"),
    ("the rest: nobody is known to own it", ("",), "kind"),
)
PYTHON = ("live Python objects", "buffers of Python objects")
REST = GROUPS[-1][0]
NAMES = {
    "pymalloc/free-blocks": "free blocks in pools in use", "pymalloc/free-pools": "free pools",
    "pymalloc/pool-headers": "pool headers", "pymalloc/pool-tails": "ends of pools, too short for a block",
    "pymalloc/arena-alignment": "ends of arenas that are not aligned", "pymalloc/not-read": "pools that are missing",
    "mimalloc/free-blocks": "free blocks in pages", "mimalloc/free-slices": "slices of segments that no page has",
    "mimalloc/headers": "headers of segments", "malloc/free/bins": "free chunks (bins)",
    "malloc/free/tcache": "threads' caches (tcache)", "malloc/free/fastbins": "fastbins",
    "malloc/free/top": "behind the last chunks (top)", "malloc/overhead": "chunk headers, arenas",
    "malloc/not-walked": "broken chunks, not walked", "malloc/reserved": "reserved for threads' arenas",
    "stacks/used": "used, from the stack pointers up", "stacks/unused": "not used now",
    "stacks/thread-blocks": "threads' own blocks", "other/anonymous": "anonymous memory",
    "other/executable": "executable anonymous memory", "other/brk": "brk memory that is not malloc's",
    "reserved/no-access": "no access: guard pages, address space kept",
    "untouched/arenas": "of threads' arenas", "untouched/stacks": "of threads' stacks",
}
# What leads to blocks of C data that no Python object owns.
HOLDERS = {"objects": "reached from Python objects", "globals": "reached from C globals",
           "stacks": "reached from C stacks only", "nobody": "reached by no address"}
SMALL = 0.01  # of the total: what is smaller is put together
TARGETS = {"saved": "saved target", "remote": "connection of this sort"}
HEADS = {"live": "RSS %s", "remote": "RSS %s", "mapped": "the process has mapped %s",
         "core": "the core holds %s", "saved": "the saved target stands for %s"}
NOTABLE = 0.05
HINTED = 0.15


class Line:
    """A row, or rows put together."""

    def __init__(self, name, resident=0, virtual=0, count=0):
        self.name, self.resident, self.virtual, self.count = name, resident, virtual, count
        self.children = []

    def add(self, resident, virtual, count):
        self.resident += resident
        self.virtual += virtual
        self.count += count


class Ledger:
    """What Target.ledger() gave, by group; `kind` of the target tells what resident means."""

    def __init__(self, found, kind):
        self.kind = kind
        self.rows = [dict(zip(("kind", "resident", "virtual", "count"), row)) for row in found["rows"]]
        self.parts = {name: {"resident": resident, "virtual": virtual, "count": count}
                      for name, resident, virtual, count in found["parts"]}
        self.figures = found["figures"]
        self.guessed = found["guessed"]
        self.groups = self.make_groups()

    def head(self):
        """Which of HEADS it is: a connection may not tell what is in RAM."""
        known = {name: known for name, _, known in self.figures}
        return "mapped" if self.kind == "remote" and known["rss"] == "not" else self.kind

    def make_groups(self):
        groups = {title: Line(title) for title, _, _ in GROUPS}
        children = {}
        for row in self.rows:
            title = next(title for title, prefixes, _ in GROUPS if row["kind"].startswith(prefixes))
            key = (title, child_name(row["kind"]))
            numbers = (row["resident"], row["virtual"], row["count"])
            groups[title].add(*numbers)
            if key not in children:
                children[key] = Line(key[1])
                groups[title].children.append(children[key])
            children[key].add(*numbers)
        for group in groups.values():
            group.children.sort(key=lambda line: (-line.resident, -line.virtual, line.name))
        return groups

    def resident(self, *titles):
        return sum(self.groups[title].resident for title in titles)

    @property
    def total(self):
        return {"resident": self.parts["total"]["resident"], "virtual": self.parts["total"]["virtual"],
                "rest": self.resident(REST), "guessed": self.guessed}

    def in_use(self):
        """Resident bytes without what only a core has: zeros for memory that the process never had."""
        return self.total["resident"] - self.resident(UNTOUCHED)

    def process(self):
        """psutil's names; None where the core does not tell."""
        return {name: None if known == "not" else value for name, value, known in self.figures}

    def at_least(self):
        return [name for name, _, known in self.figures if known == "at least"]


def child_name(kind):
    """What a row is called below its group: a type, a module, or words."""
    if kind in NAMES:
        return NAMES[kind]
    parts = kind.split("/")
    if parts[-1] in HOLDERS and parts[:-1] in (["python", "raw"], ["malloc", "used"], ["malloc", "mapped"]):
        return HOLDERS[parts[-1]] + (", mapped one by one" if parts[1] == "mapped" else "")
    if parts[0] == "modules":
        return "/".join(parts[1:-1])
    if kind.startswith("python/buffers/"):
        return {"other": "of other objects", "instances": "of instances (attributes)"}.get(parts[2], "of " + parts[2])
    return kind.split("/", 2 if kind.startswith("python/objects/") else 1)[-1]


def hint(title, ledger, size):
    """What to do about a large group."""
    if title == "free inside malloc":
        trimmable = ledger.parts["trimmable"]["resident"]
        if trimmable * 2 < ledger.resident(title):
            return "fragmentation: in holes smaller than a page, malloc_trim would return %s" % size(trimmable)
        return "fragmentation: malloc_trim would return %s" % size(trimmable)
    if title == "C data in malloc":
        return hint_of_c_data(ledger, size)
    return {"free inside Python's allocator": "arenas that a few objects keep",
            "the rest: nobody is known to own it": "mapped by C code for itself"}.get(title)


def hint_of_c_data(ledger, size):
    """What leads to most of it."""
    held = {holder: sum(row["resident"] for row in ledger.rows if row["kind"] in
                        ("malloc/used/" + holder, "malloc/mapped/" + holder)) for holder in HOLDERS}
    most = max(held, key=lambda holder: held[holder])
    text = "%s of it %s" % (size(held[most]), HOLDERS[most])
    return text + ": py-leaks" if most == "nobody" else text


def verdict(ledger, size):
    """The first line: what the resident memory consists of, largest first."""
    total = ledger.in_use()
    shares = [("live Python objects with their buffers", ledger.resident(*PYTHON), None)]
    shares += [(title, group.resident, hint(title, ledger, size) if group.resident >= HINTED * total else None)
               for title, group in ledger.groups.items() if title not in PYTHON + (UNTOUCHED,)]
    shares.sort(key=lambda share: -share[1])
    told = [share for share in shares if share[1] and share[1] >= NOTABLE * total]
    texts = ["%s %s%s" % (size(value), title.partition(":")[0], " (%s)" % advice if advice else "")
             for title, value, advice in told]
    left = total - sum(value for _, value, _ in told)
    texts += ["%s other" % size(left)] if left else []
    head = HEADS[ledger.head()] % size(total)
    if ledger.resident(UNTOUCHED) > NOTABLE * total:
        head += " (and %s of zeros, threads' reserves that took no memory)" % size(ledger.resident(UNTOUCHED))
    return ": ".join([head] + ([", ".join(texts)] if texts else []))


def figure_lines(ledger, size):
    """psutil's names, and which of them a core does not tell."""
    told = ["%s %s%s" % (name, ">= " if known == "at least" else "", size(value))
            for name, value, known in ledger.figures if known != "not"]
    hidden = [name for name, _, known in ledger.figures if known == "not"]
    lines = ["  ".join(told)]
    return lines + (["a %s does not tell %s; resident is what it holds"
                     % (TARGETS.get(ledger.kind, ledger.kind), ", ".join(hidden))] if hidden else [])


def shown_children(group, total, limit):
    """The children that get a line, and one for all the others; none where all are small."""
    shown = [line for line in group.children if line.resident >= SMALL * total["resident"] or
             line.virtual >= SMALL * total["virtual"]]
    shown = shown[:limit] if limit else group.children
    if len(group.children) - len(shown) == 1:
        shown = group.children
    left = group.children[len(shown):]
    if not shown:
        return []
    noun = next(noun for title, _, noun in GROUPS if title == group.name) or "row"
    if not left:
        return shown
    rest = Line(table.plural(len(left), "more " + noun))
    for line in left:
        rest.add(line.resident, line.virtual, line.count)
    return shown + [rest]


def tree(ledger, limit, size):
    """A Table: groups by falling resident bytes, their children below them; last what never was in the process."""
    total, in_use = ledger.total, ledger.in_use()
    result = table.Table("resident", "", "virtual", "count", "what")
    for group in sorted(ledger.groups.values(),
                        key=lambda line: (line.name == UNTOUCHED, -line.resident, -line.virtual)):
        if not group.virtual and group.name != REST:
            continue
        share = percent(group.resident / in_use) if in_use and group.name != UNTOUCHED else ""
        result.add(size(group.resident), share, size(group.virtual), table.number(group.count), group.name)
        lines = shown_children(group, total, limit)
        for line in lines if len(group.children) > 1 or group.name in PYTHON else []:
            result.add(size(line.resident), "", size(line.virtual), table.number(line.count), "    " + line.name)
    result.add(size(total["resident"]), "", size(total["virtual"]), "", "total")
    return result
