"""What the library says (a Census) against what the interpreter said of itself (a Truth).

Every function returns a list of sentences: what differs. Empty means equal.
"""
import array
import json
import re
import struct
import subprocess

POOL_LINE = re.compile(r"^\s*\d+\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$", re.M)
MOST_FALSE = 1 / 100000               # of all blocks
SIZES_RIGHT = 0.999                   # of all objects
CHUNK = 1 << 22
OWN_BLOCKS = 2
IMMORTAL = 0xFFFFFFFF
DEFERRED, DEFERRED_PART = 64, ((1 << 63) - 1) // 8      # pycore_gc.h: _PyGC_BITS_DEFERRED, _Py_REF_DEFERRED
ASCII_TEXT = (32, 24)                 # from the header to the text in a str of ASCII characters: up to 3.11, since
MOST_UNBORN = 8                       # such as the weak references of a class that the measuring made


class Truth:
    """The files that workloads/truth.py wrote."""

    def __init__(self, path):
        with open(path + ".json") as f:
            data = json.load(f)
        self.types = {int(t, 16): name for t, name in data["types"].items()}
        self.gc_counts = {int(t, 16): n for t, n in data["gc_counts"].items()}
        self.targets = data["targets"]
        self.header = data["header"]
        self.version = tuple(int(part) for part in data["python"].split(".")[:2])
        words = read_words(path + ".objects")
        self.objects = {words[i]: (words[i + 1], words[i + 2]) for i in range(0, len(words), 3)}
        with open(path + ".malloc", errors="replace") as f:
            self.classes = {int(size): (int(pools), int(used), int(free))
                            for size, pools, used, free in POOL_LINE.findall(f.read())}

    def read_header(self, header):
        """Whether it counts any reference, and the address of its type."""
        if self.header == 16:
            return struct.unpack("<QQ", header)
        local, shared, found = struct.unpack("<12xIqQ", header)     # free-threaded
        return local or shared >> 2, found

    def drop_unborn(self, pid):
        """Forgets the few objects that only the measuring child has: in the parent their memory names another type, or
        none, or a dead object. The parent's memory is asked, not memext. Returns a sentence when they are many."""
        unborn = []
        with open("/proc/%d/mem" % pid, "rb", 0) as memory:
            for address, (t, _) in self.objects.items():
                try:
                    memory.seek(address)
                    refcount, found = self.read_header(memory.read(self.header))
                except (OSError, ValueError, struct.error):
                    refcount = found = 0
                if found != t or not refcount:
                    unborn.append(address)
        for address in unborn:
            del self.objects[address]
        few = len(unborn) <= max(MOST_UNBORN, len(self.objects) // 500)
        return [] if few else ["%d objects are not in the process that was measured" % len(unborn)]


class Census:
    """What build/*/census printed about one stop. Raises RuntimeError with its message when it fails."""

    def __init__(self, program, how, what, objects_path, seconds=300):
        run = subprocess.run([program, how, str(what), objects_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=seconds)
        if run.returncode:
            raise RuntimeError("census %s ended with %d: %s"
                               % (how, run.returncode, run.stderr.decode(errors="replace").strip()[-2000:]))
        self.info, self.classes, self.all, self.tracked = {}, {}, {}, {}
        self.warnings, self.mismatches = [], []
        for line in run.stdout.decode(errors="surrogateescape").splitlines():
            self.read(line.split("\t"))
        self.types = {t: row[2] for t, row in self.all.items()}
        words = read_words(objects_path)
        self.objects = {words[i]: (words[i + 1], words[i + 2], words[i + 3]) for i in range(0, len(words), 4)}
        self.listed = len(words) // 4

    def read(self, fields):
        kind = fields[0]
        if kind == "info":
            self.info[fields[1]] = fields[2]
        elif kind == "class":
            self.classes[int(fields[1])] = tuple(map(int, fields[2:5]))
        elif kind in ("all", "tracked"):
            getattr(self, kind)[int(fields[1])] = (int(fields[2]), int(fields[3]), fields[4])
        elif kind == "warning":
            self.warnings.append(fields[1])
        elif kind == "mismatch":
            self.mismatches.append(fields[1])

    def number(self, key):
        return int(self.info[key])


def read_words(path):
    words = array.array("Q")
    with open(path, "rb") as f:
        words.frombytes(f.read())
    return words


def gc_counts(truth, census):
    """py-count -gc equals gc.get_objects() by type object, none excepted."""
    problems = []
    for t in sorted(set(truth.gc_counts) | set(census.tracked)):
        want, got = truth.gc_counts.get(t, 0), census.tracked.get(t, (0,))[0]
        if want != got:
            name = truth.types.get(t) or census.tracked[t][2]
            problems.append("%s at %#x: gc.get_objects() has %d, memext counts %d" % (name, t, want, got))
    return problems


def gc_counts_at_least(truth, census):
    """With sub-interpreters gc.get_objects() tells of its own only; the three others hold 300 Guests."""
    problems = ["%s: gc.get_objects() has %d, memext counts %d" % (truth.types[t], want, census.tracked.get(t, (0,))[0])
                for t, want in truth.gc_counts.items() if census.tracked.get(t, (0,))[0] < want]
    guests = sum(row[0] for row in census.tracked.values() if row[2].endswith(".Guest"))
    return problems + (["%d of 300 objects of the sub-interpreters are found" % guests] if guests != 300 else [])


def type_names(truth, census):
    return ["the type at %#x is %s, memext calls it %s" % (t, truth.types[t], row[2])
            for t, row in sorted(census.all.items()) if t in truth.types and truth.types[t] != row[2]]


def by_type(known, objects):
    """'3 str, 1 int' for {address: type address}; `known` has .types."""
    counts = {}
    for t in objects.values():
        counts[t] = counts.get(t, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join("%d %s" % (n, known.types.get(t, hex(t))) for t, n in ordered[:12])


def closure(truth, census):
    """Every object of the closure is found once, with the right type."""
    problems = list(census.mismatches)
    missing = {a: t for a, (t, _) in truth.objects.items() if a not in census.objects}
    wrong = {a: t for a, (t, _) in truth.objects.items() if a in census.objects and census.objects[a][0] != t}
    if missing:
        problems.append("%d of %d objects are missing: %s; such as %s"
                        % (len(missing), len(truth.objects), by_type(truth, missing), some(missing)))
    if wrong:
        problems.append("%d objects have the wrong type: %s; such as %s"
                        % (len(wrong), by_type(truth, wrong), some(wrong)))
    if census.listed != len(census.objects):
        problems.append("%d objects are listed more than once" % (census.listed - len(census.objects)))
    return problems


def some(addresses):
    return " ".join(hex(a) for a in sorted(addresses)[:6])


def false_objects(truth, census, pid):
    """
    Objects that memext found beyond the closure are real when they could be anything's: their reference count is
    positive, and some aligned word of the process's memory is their address. Where one of the two is not so, a raw
    block was taken for an object. (A stale pointer can hide such a block from this test; a live object always has a
    reference somewhere, so that nothing real is called false, but for one that only a register holds.) Of a str C code
    may keep the text alone, and the reference that it took for it only in the count: numpy does so for the docstrings
    that it adds. Objects in the data of the executable and its libraries are no blocks, and not judged.
    """
    static, writable = spans(pid)
    extra = {a: t for a, (t, _, _) in census.objects.items()
             if a not in truth.objects and not any(start <= a < end for start, end in static)}
    if truth.header > 16:
        # 3.13t makes functions and their code immortal when the first thread starts: some outlive all references.
        extra = {a: t for a, t in extra.items() if census.objects[a][2] != IMMORTAL and not awaits_collector(pid, a)}
    dead = {a: t for a, t in extra.items() if not 0 < census.objects[a][2] < 1 << 40}
    text = truth.header + ASCII_TEXT[truth.version >= (3, 12)]
    texts = {a + text for a, t in extra.items() if census.types[t] == "str"}
    held = referenced(pid, writable, texts.union(extra))
    alone = {a: t for a, t in extra.items() if a not in dead and not held & {a, a + text if a + text in texts else a}}
    blocks = census.number("pool_used_blocks") + census.number("chunks")
    if len(dead) + len(alone) <= blocks * MOST_FALSE:
        return []
    return ["%d of %d blocks are taken for objects and %s: %s; such as %s"
            % (len(those), blocks, why, by_type(census, those), some(those))
            for those, why in ((dead, "have no reference count"), (alone, "nothing refers to them")) if those]


def awaits_collector(pid, address):
    """Whether all that keeps the object is the deferred part of its count, which the collector takes off."""
    with open("/proc/%d/mem" % pid, "rb", 0) as memory:
        memory.seek(address)
        bits, local, shared = struct.unpack("<11xBIq8x", memory.read(32))
    return bool(bits & DEFERRED) and local == 0 and 0 <= (shared >> 2) - DEFERRED_PART < 1


def spans(pid):
    """Address ranges of mapped files with the bss behind them, and of writable memory."""
    static, writable, file_end = [], [], None
    with open("/proc/%d/maps" % pid) as maps:
        for line in maps:
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            is_file = len(fields) > 5 and fields[5].startswith("/")
            if is_file or start == file_end and len(fields) == 5:
                static.append((start, end))
            file_end = end if is_file else None
            if fields[1].startswith("rw"):
                writable.append((start, end))
    return static, writable


def referenced(pid, writable, wanted):
    """Those of the addresses that some word of the stopped process's writable memory holds."""
    found = set()
    with open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for start, end in writable:
            for at in range(start, end, CHUNK):
                words = array.array("Q")
                memory.seek(at)
                try:
                    words.frombytes(memory.read(min(CHUNK, end - at)))
                except OSError:
                    continue          # pages that the kernel shows nobody, such as getrandom()'s since glibc 2.41
                found |= wanted.intersection(words)
    return found


def sizes(truth, census):
    """py-sizeof equals sys.getsizeof for nearly all objects; returns (problems, notes by type)."""
    wrong, seen = {}, 0
    for address, (t, size) in truth.objects.items():
        if address in census.objects:
            seen += 1
            if census.objects[address][1] != size:
                wrong.setdefault(t, []).append((address, size, census.objects[address][1]))
    notes = ["%d of %s: %#x is %d bytes for sys.getsizeof and %d for memext"
             % ((len(those), truth.types[t]) + those[0])
             for t, those in sorted(wrong.items(), key=lambda item: -len(item[1]))]
    count = sum(map(len, wrong.values()))
    if count <= seen * (1 - SIZES_RIGHT):
        return [], notes
    return ["%d of %d sizes differ" % (count, seen)] + notes, notes


def figures(truth, census):
    """(what, how many are right, of how many), for the matrix's table."""
    types = set(truth.gc_counts) | set(census.tracked)
    counted = sum(truth.gc_counts.get(t, 0) == census.tracked.get(t, (0,))[0] for t in types)
    found = [(size, census.objects[a][1]) for a, (_, size) in truth.objects.items() if a in census.objects]
    return [("counts", counted, len(types)), ("objects", len(found), len(truth.objects)),
            ("sizes", sum(want == got for want, got in found), len(found))]


def size_classes(truth, census):
    """Pools, used and free blocks of every size class. The statistics are the child's, printed a few bytecodes after
    the fork: two blocks in all may be its own temporaries, and no pool."""
    if blocks_apart(truth, census) <= OWN_BLOCKS:
        return []
    return ["size class %d: pools, used, free are %s, memext says %s" % (size, want, got)
            for size in sorted(set(truth.classes) | set(census.classes))
            for want, got in [(truth.classes.get(size, (0, 0, 0)), census.classes.get(size, (0, 0, 0)))]
            if want != got]


def no_classes(truth, census):
    """sys._debugmallocstats() says nothing of mimalloc: the closure has to do."""
    return []


def same(one, other):
    """Two views of one stop."""
    problems = []
    for what in ("objects", "classes", "all", "tracked"):
        a, b = getattr(one, what), getattr(other, what)
        differ = [key for key in set(a) | set(b) if a.get(key) != b.get(key)]
        if differ:
            key = min(differ)
            problems.append("%d %s differ, such as %#x: %s and %s" % (len(differ), what, key, a.get(key), b.get(key)))
    return problems


def blocks_apart(truth, census):
    """How many used blocks differ where all pools agree; more than any number where they do not."""
    sizes = set(truth.classes) | set(census.classes)
    pairs = [(truth.classes.get(size, (0, 0, 0)), census.classes.get(size, (0, 0, 0))) for size in sizes]
    return sum(abs(a[1] - b[1]) if a[0] == b[0] else 1 << 40 for a, b in pairs)


def off_by_few(truth, census):
    """Whether the stop is worth taking anew."""
    return 0 < blocks_apart(truth, census) <= 4


def size_classes_at_least(truth, census):
    """With sub-interpreters sys._debugmallocstats() tells, since 3.12, of its own pools only."""
    return ["size class %d: %d blocks are used, memext says %d" % (size, want[1], census.classes.get(size, (0, 0))[1])
            for size, want in truth.classes.items() if census.classes.get(size, (0, 0))[1] < want[1]]


def whole(census):
    """Nothing is missing, nothing was damaged."""
    wanted = {"complete": "1", "missing_bytes": "0", "damaged_pools": "0"}
    return ["%s is %s" % (key, census.info[key]) for key in wanted if census.info[key] != wanted[key]] + [
        "warning: " + text for text in census.warnings]
