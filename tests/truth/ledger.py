"""The ledger against the kernel, pymalloc and malloc: every sum must be equal, the difference is 0.

  ledger.py --build build/release --python /usr/bin/python3.11

One process at one stop, looked at live, through a gcore core and through a kernel core (workloads/ledger.py).
"""
import json
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402

PT_LOAD, PT_NOTE, NT_FILE = 1, 4, 0x46494c45
TRIES = 5
SHARED_OFF = 0.02
FOUND, MOST_NOBODY = 0.995, 1.1       # of what was dropped; chunks are a little larger
TRIM_OFF = 0.02                       # reading the command takes a page or two
# What sys._debugmallocstats() calls the rows of the ledger.
PYMALLOC = {"pymalloc/free-blocks": "bytes in available blocks", "pymalloc/free-pools": "unused pools",
            "pymalloc/pool-headers": "bytes lost to pool headers", "pymalloc/pool-tails": "bytes lost to quantization",
            "pymalloc/arena-alignment": "bytes lost to arena alignment"}


class Truth:
    def __init__(self, path):
        with open(path + ".mallinfo") as f:
            self.mallinfo = json.load(f)
        with open(path + ".malloc", errors="replace") as f:
            lines = re.findall(r"^(?:# |\d+ )(\D+?)(?: \* \d+ bytes)? += +([\d,]+)$", f.read(), re.M)
        self.pymalloc = {name: int(number.replace(",", "")) for name, number in lines}


class Kernel:
    """Sums over /proc/PID/smaps."""

    def __init__(self, pid):
        with open("/proc/%d/smaps" % pid) as f:
            text = f.read()
        with open("/proc/%d/smaps_rollup" % pid) as f:
            rollup = f.read()
        with open("/proc/%d/statm" % pid) as f:
            statm = [int(word) * 4096 for word in f.read().split()]
        self.rss, self.size = total("Rss", text), total("Size", text)
        self.figures = {"rss": statm[1], "vms": statm[0], "shared": statm[2], "text": statm[3], "data": statm[5],
                        "uss": total("Private_[A-Za-z]+", rollup), "pss": total("Pss", rollup),
                        "swap": total("Swap", rollup)}


def total(name, text):
    return sum(int(number) * 1024 for number in re.findall(r"^%s: +(\d+) kB$" % name, text, re.M))


class Core:
    """What the headers of a core say: (bytes in the file, bytes of address space)."""

    def __init__(self, path):
        with open(path, "rb") as f:
            header = f.read(64)
            offset, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
            f.seek(offset)
            segments = [struct.unpack_from("<IIQQQQQQ", f.read(size)) for _ in range(count)]
            loads = [s for s in segments if s[0] == PT_LOAD]
            ranges = [(s[3], s[3] + s[6]) for s in loads]
            for s in segments:
                if s[0] == PT_NOTE:
                    f.seek(s[2])
                    ranges += file_ranges(f.read(s[5]))
        self.held = sum(s[5] for s in loads)
        self.size = union(ranges)


def file_ranges(notes):
    at = 0
    while at + 12 <= len(notes):
        name, size, kind = struct.unpack_from("<III", notes, at)
        body = at + 12 + (name + 3) // 4 * 4
        if kind == NT_FILE:
            count = struct.unpack_from("<Q", notes, body)[0]
            words = struct.unpack_from("<%dQ" % (3 * count), notes, body + 16)
            return [(words[3 * i], words[3 * i + 1]) for i in range(count)]
        at = body + (size + 3) // 4 * 4
    return []


def union(ranges):
    size = end = 0
    for start, stop in sorted(ranges):
        size += max(0, stop - max(start, end))
        end = max(end, stop)
    return size


class Ledger:
    def __init__(self, target, pid=None):
        heap = target.heap()
        # The kernel is asked afterwards, but before memext lets go of the process's files: reading a process maps pages
        # of files that were only in the cache, and pages that memext itself has mapped are the process's own no longer.
        # Where one more page was mapped meanwhile, by that or by the kernel, or another process began or ended that
        # shares pages, both are asked again.
        for _ in range(5):
            before = Kernel(pid) if pid else None
            found = target.ledger(heap)
            self.kernel = Kernel(pid) if pid else None
            if not pid or (self.kernel.rss, self.kernel.figures) == (before.rss, before.figures):
                break
        heap.close()
        target.close()
        self.rows = {row[0]: row[1:] for row in found["rows"]}
        self.parts = {part[0]: part[1:] for part in found["parts"]}
        self.figures = {name: value for name, value, known in found["figures"] if known == "exactly"}
        self.guessed = found["guessed"]
        self.listed = len(found["rows"])

    def virtual(self, *kinds):
        return sum(row[1] for kind, row in self.rows.items() if kind.startswith(kinds))

    def resident(self, *kinds):
        return sum(row[0] for kind, row in self.rows.items() if kind.startswith(kinds))


def differ(what, got, want):
    return [] if got == want else ["%s: %d, not %d: %+d" % (what, got, want, got - want)]


def sums(ledger, resident, virtual):
    problems = differ("resident", sum(row[0] for row in ledger.rows.values()), resident)
    problems += differ("virtual", sum(row[1] for row in ledger.rows.values()), virtual)
    problems += differ("the total's resident", ledger.parts["total"][0], resident)
    problems += differ("the total's virtual", ledger.parts["total"][1], virtual)
    problems += differ("rows of different kinds", len(ledger.rows), ledger.listed)
    return problems + ["%s: %d resident of %d" % (kind, row[0], row[1])
                       for kind, row in ledger.rows.items() if row[0] > row[1]]


def pymalloc(ledger, truth):
    problems = []
    if not truth.pymalloc:                # a free-threaded interpreter has none
        return differ("arenas", ledger.parts["pymalloc"][1], 0)
    for kind, name in PYMALLOC.items():
        problems += differ(kind, ledger.virtual(kind), truth.pymalloc[name])
    own = sum(truth.pymalloc[name] for name in PYMALLOC.values())
    return problems + differ("arenas", ledger.parts["pymalloc"][1], own + truth.pymalloc["bytes in allocated blocks"])


def malloc(ledger, truth):
    info = truth.mallinfo
    free = ("malloc/free/bins", "malloc/free/fastbins", "malloc/free/top")
    return (differ("arenas (arena)", ledger.parts["malloc"][1], info["arena"])
            + differ("mapped chunks (hblkhd)", ledger.parts["mapped"][1], script.mapped_bytes(info))
            + differ("mapped chunks (hblks)", ledger.parts["mapped"][2], info["hblks"])
            + differ("free (fordblks)", ledger.virtual(*free), info["fordblks"])
            + differ("used (uordblks)", ledger.parts["malloc"][1] - ledger.virtual(*free), info["uordblks"])
            + differ("fastbins (fsmblks)", ledger.virtual("malloc/free/fastbins"), info["fsmblks"])
            + differ("fastbins (smblks)", ledger.rows.get("malloc/free/fastbins", (0, 0, 0))[2], info["smblks"]))


def figures(ledger, kernel):
    """Whose own a page is changes whenever any other process maps the same file."""
    return ["%s: %s, not %d" % (name, ledger.figures.get(name), want) for name, want in kernel.figures.items()
            if abs(ledger.figures.get(name, -1) - want) > (want * SHARED_OFF if name in ("uss", "pss") else 0)]


def same(live, core):
    """What objects and allocators have is the same however it is looked at."""
    kinds = ("python/", "pymalloc/", "malloc/free", "malloc/used", "malloc/mapped", "malloc/overhead")
    left, right = ({kind: row[1:] for kind, row in ledger.rows.items() if kind.startswith(kinds)}
                   for ledger in (live, core))
    problems = ["%s: %s, live %s" % (kind, right.get(kind), left.get(kind)) for kind in sorted(set(left) | set(right))
                if left.get(kind) != right.get(kind)]
    return problems + reserves(live, core)


def reserves(live, core):
    """Threads' reserves are as large, and what is not called zeros is what the process has of them, or less: pages that
    it only read, or wrote zeros to, look the same."""
    problems = []
    for used, untouched in (("malloc/reserved", "untouched/arenas"), ("stacks/unused", "untouched/stacks")):
        if core.virtual(used, untouched) != live.virtual(used) or live.virtual(untouched):
            problems.append("%s: %d bytes of address space, live %d" % (used, core.virtual(used, untouched),
                                                                       live.virtual(used)))
        if core.resident(used) > live.resident(used) or not live.virtual(used):
            problems.append("%s: %d bytes, live %d" % (used, core.resident(used), live.resident(used)))
    return problems


def covered(ledger, has_buffers):
    """The lines that the workload has something on, and next to nothing that nobody owns. `has_buffers`: bytearrays
    have, and not bytes objects as since 3.15."""
    wanted = ("python/objects/__main__.Plain", "python/buffers/dict", "python/buffers/list", "python/buffers/set",
              "python/buffers/deque", "python/buffers/array", "malloc/free/bins",
              "malloc/free/tcache", "malloc/free/top", "malloc/used", "stacks/used",
              "files/ledger.py")
    # Before glibc 2.34 the file is called libc-2.31.so.
    libc = next((kind.split("/")[1] for kind in ledger.rows if kind.startswith("modules/libc-2.")), "libc.so.6")
    wanted += tuple("modules/%s/%s" % (libc, part) for part in ("data", "bss", "text"))
    wanted += ("python/buffers/bytearray",) if has_buffers else ()
    problems = ["nothing in %s" % kind for kind in wanted if not ledger.virtual(kind)]
    if not ledger.virtual("shared/"):
        problems.append("nothing in shared memory")
    return problems + (["%d bytes not walked" % ledger.virtual("malloc/not-walked")]
                       if ledger.virtual("malloc/not-walked") else [])


def look(results, prefix, ledger, truth, resident, virtual):
    results.check(prefix + "/sums", sums(ledger, resident, virtual))
    results.check(prefix + "/pymalloc", pymalloc(ledger, truth))
    results.check(prefix + "/malloc", malloc(ledger, truth))
    results.check(prefix + "/lines", covered(ledger, "-3.15" not in prefix))


def compare_cores(results, prefix, memext, work, folder, truth, live):
    gcore = work.gcore(os.path.join(folder, "gcore"))
    paths = [("gcore", gcore)]
    mapped = Kernel(work.pid).size
    refusal = harness.kernel_cores()
    if refusal:
        results.skip(prefix + "/kernel core", refusal)
    else:
        paths.append(("kernel core", work.abort(os.path.join(folder, "kernel"))))
    for form, path in paths:
        core = Core(path)
        ledger = Ledger(memext.open_core(path))
        look(results, "%s/%s" % (prefix, form), ledger, truth, core.held, core.size)
        if form == "gcore" and work.gcore_lacks:
            results.skip("%s/%s/same as live" % (prefix, form), "GDB left out " + work.gcore_lacks)
        else:
            results.check("%s/%s/same as live" % (prefix, form), same(live, ledger))
        if form == "kernel core":
            results.check("%s/%s/all mappings" % (prefix, form), differ("virtual", core.size, mapped))


def run_once(results, prefix, python, memext, last):
    """False when the child that told the truth had a block or two more or less than its parent: to be done again."""
    with harness.Folder() as folder:
        path = os.path.join(folder, "truth")
        with harness.Workload(harness.workload(python, "ledger.py"), folder) as work:
            work.truth(path)
            work.stop()
            truth, ledger = Truth(path), Ledger(memext.open_process(work.pid), work.pid)
            kernel = ledger.kernel
            if not last and (pymalloc(ledger, truth) or malloc(ledger, truth)):
                return False
            look(results, prefix + "/live", ledger, truth, kernel.rss, kernel.size)
            results.check(prefix + "/live/figures", figures(ledger, kernel))
            results.check(prefix + "/live/pages", differ("guessed bytes", ledger.guessed, 0))
            compare_cores(results, prefix, memext, work, folder, truth, ledger)
    return True


def trim(results, prefix, python, memext):
    """What malloc_trim() is said to give back, and what it does. The process itself measures around the call: once it
    runs on, mimalloc gives pages back too."""
    with harness.Folder() as folder, harness.Workload(harness.workload(python, "ledger.py"), folder) as work:
        work.stop()
        ledger = Ledger(memext.open_process(work.pid), work.pid)
        work.resume()
        given = int(work.command("trim").split()[2])
        said = ledger.parts["trimmable"][0]
        results.check(prefix + "/live/malloc_trim", [] if said and abs(said - given) <= said * TRIM_OFF else
                      ["malloc_trim() gave back %d bytes, not %d" % (given, said)])


def holders(results, prefix, python, memext):
    """C data by what leads to it: dropped blocks, and those that an array of ctypes' leads to (workloads/cleaks.py)."""
    with harness.Folder() as folder:
        command = harness.workload(python, "cleaks.py", "--blocks", "5000", "--linked", "0",
                                   os.path.join(folder, "planted"))
        with harness.Workload(command, folder) as work:
            work.stop()
            ledger = Ledger(memext.open_process(work.pid), work.pid)
    dropped, kept = sum(100 + 10 * (i % 30) for i in range(5000)), 1000 * 5000
    nobody, objects = (ledger.virtual("malloc/used/" + holder) for holder in ("nobody", "objects"))
    problems = [] if FOUND * dropped <= nobody <= MOST_NOBODY * dropped else [
        "%d bytes that nothing leads to, %d were dropped" % (nobody, dropped)]
    if not kept <= objects <= 2 * kept:
        problems.append("%d bytes that objects lead to, %d are kept by one" % (objects, kept))
    results.check(prefix + "/live/holders", problems + [
        "nothing in malloc/used/globals" for _ in (0,) if not ledger.virtual("malloc/used/globals")])


def run(results, prefix, memext, python):
    for attempt in range(1, TRIES + 1):
        if run_once(results, prefix, python, memext, attempt == TRIES):
            break
    trim(results, prefix, python, memext)
    holders(results, prefix, python, memext)


if __name__ == "__main__":
    sys.exit(script.main_with_binding("ledger", run))
