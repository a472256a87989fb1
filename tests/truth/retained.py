"""Retained sizes: against what the interpreter's own allocators say when the object is deleted, and a slow twin.

  retained.py --build build/release --python /usr/bin/python3.11
  retained.py --build build/release --write        measures every interpreter and writes the table of docs/exactness.md

tests/workloads/deleted.py holds the objects and deletes them; what is looked at before is a live process and a gcore
core. pymalloc's blocks are counted by size class, malloc's by mallinfo2(), which includes a header of 8 bytes a chunk.
"""
import argparse
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import interpreters  # noqa: E402

SETTINGS = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
HEADER, PAGE_SIZE = 8, 4096
NOTHING = "nothing"                   # the case that shows that measuring frees nothing
TWIN_MB = 100

# Where the two differ for a known reason: case, first and last version, and the least and the most that memext says
# more than was freed. The reasons are in docs/exactness.md.
ANY, TO_3_10 = ((3, 8), (3, 99)), ((3, 8), (3, 10))
EXPECTED = [
    ("a_class", *ANY, -112, 0), ("class_with_slots", *ANY, -336, 0), ("ctypes_data", *ANY, -1000, 0),
    ("thread_locals", *ANY, -112, 0), ("hashes", *ANY, -1000, 0), ("compressors", *ANY, -4000, 0),
    ("sqlite_connection", *ANY, -101000, 200),
    # Of 16 blocks that are kept it counts which: a chunk may be 16 bytes larger than was asked for.
    ("deque_long", *TO_3_10, 0, 8704 + 16 * 16), ("deque_both_ways", *TO_3_10, -16 * 16, 16 * 16),
    ("generator", *TO_3_10, 0, 500), ("coroutine", *TO_3_10, 0, 500),
    ("exception_chain", *TO_3_10, 0, 500), ("exception_with_traceback", *TO_3_10, 0, 1000),
    ("generator", (3, 12), (3, 12), 0, 256), ("coroutine", (3, 13), (3, 13), 0, 272),
    ("numpy_arrays", *ANY, 0, 1000), ("pandas_frame", *ANY, -1000, 1000),
]


class Freed:
    """What one deletion freed: bytes of pymalloc's blocks, and of malloc's chunks with their headers."""

    def __init__(self, before, after):
        self.pool = sum(size * (before[0][size] - after[0].get(size, 0)) for size in before[0])
        self.chunks = before[1] - after[1]


def read_counts(path):
    """{case: Freed} of the file that delete_all() wrote."""
    counts, classes, key = {}, None, None
    with open(path) as f:
        for line in f:
            fields = line.split()
            if line.startswith("CASE "):
                key, classes = tuple(fields[1:3]), collections.Counter()
            elif line.startswith("MALLOC "):
                counts[key] = classes, int(fields[1])
            elif re.match(r" *\d+ +\d+ +\d+ +\d+ +\d+$", line):
                classes[int(fields[1])] += int(fields[3])
    return {name: Freed(counts[name, "before"], counts[name, "after"]) for name, when in counts if when == "before"}


Kept = collections.namedtuple("Kept", "pool chunks headers mapped")


class Answer:
    """What the dominators tool says of one stop."""

    def __init__(self, build, how, what, targets):
        names = sorted(targets)
        run = subprocess.run([os.path.join(build, "dominators"), how, str(what)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, input="".join(targets[name] + "\n" for name in names),
                             universal_newlines=True, timeout=300,
                             env=dict(os.environ, **harness.sanitizer_environment(build)))
        lines = [line.split("\t") for line in run.stdout.splitlines()]
        self.facts = {line[0]: tuple(map(int, line[1:])) for line in lines if line[0] in ("twin", "sums", "roots")}
        answers = [line for line in lines if line[0] in ("retained", "error")]
        self.kept = {name: Kept(*map(int, line[2:])) for name, line in zip(names, answers) if line[0] == "retained"}
        self.problems = [] if not run.returncode and len(self.kept) == len(names) else [
            "dominators %s ended with %d: %s" % (how, run.returncode, run.stderr + run.stdout[-500:])]

    def check(self):
        """Sentences about the heap as a whole."""
        out = list(self.problems)
        for what in ("twin", "sums"):
            count, wrong = self.facts.get(what, (0, 1))
            if wrong or not count:
                out.append("%s: %d of %d blocks differ" % (what, wrong, count))
        total, rows = self.facts.get("roots", (0, 1))
        if total != rows:
            out.append("the rows by root add up to %d, the heap has %d" % (rows, total))
        return out


def difference(kept, freed):
    """Bytes that memext says more (or less) than were freed: of pymalloc's, of malloc's."""
    slack = freed.chunks - kept.chunks - HEADER * kept.headers
    # A mapping of its own is rounded up to pages, and its header is twice as large.
    if kept.mapped and 0 <= slack <= kept.mapped * PAGE_SIZE:
        slack = 0
    return kept.pool - freed.pool, -slack


def is_expected(name, interpreter, more):
    """A debug build's blocks have 32 bytes of hooks each: small ones are twice as large."""
    times = 2 if interpreter.debug else 1
    return any(one == name and first <= interpreter.version[:2] <= last and times * least <= more <= times * most
               for one, first, last, least, most in EXPECTED)


def wrong_cases(answer, freed, interpreter):
    out = []
    for name, kept in sorted(answer.kept.items()):
        pool, chunks = difference(kept, freed[name])
        if (pool or chunks) and not is_expected(name, interpreter, pool + chunks):
            out.append("%s: memext says %d + %d bytes, but %d + %d were freed: %+d, %+d"
                       % (name, kept.pool, kept.chunks + HEADER * kept.headers, freed[name].pool, freed[name].chunks,
                          pool, chunks))
    return out


class Stop:
    """A process with the cases: looked at live and through a core, and then made to delete them."""

    def __init__(self, build, interpreter):
        with harness.Folder() as folder:
            command = harness.workload(interpreter.path, "deleted.py")
            with harness.Workload(command, folder, SETTINGS) as work:
                targets = work.info["targets"]
                work.stop()
                self.live = Answer(build, "live", work.pid, targets)
                self.core = Answer(build, "core", work.gcore(os.path.join(folder, "core")), targets)
                work.resume()
                counts, probe = os.path.join(folder, "counts"), os.path.join(folder, "probe.py")
                with open(probe, "w") as f:
                    f.write("delete_all(%r)\n" % counts)
                work.command("exec " + probe)
                self.freed = read_counts(counts)


def nothing_is_nothing(freed):
    one = freed[NOTHING]
    return [] if not one.pool and not one.chunks else ["measuring itself frees %d + %d bytes" % (one.pool, one.chunks)]


def check_cases(results, build, interpreter):
    stop = Stop(build, interpreter)
    prefix = "truth/%s/retained" % interpreter.name
    results.check(prefix + "/measuring frees nothing", nothing_is_nothing(stop.freed))
    results.check(prefix + "/cases", [] if len(stop.freed) > 50 else ["only %d cases" % len(stop.freed)])
    for form, answer in (("live", stop.live), ("gcore", stop.core)):
        results.check("%s/%s/heap" % (prefix, form), answer.check())
        name = "%s/%s/what is freed" % (prefix, form)
        if interpreter.free_threaded:
            results.skip(name, "sys._debugmallocstats() does not tell what mimalloc gets back")
        else:
            results.check(name, wrong_cases(answer, stop.freed, interpreter))


def check_large(results, build, interpreter):
    """A heap as applications have: nothing is deleted, the twin alone judges."""
    with harness.Folder() as folder:
        command = harness.workload(interpreter.path, "mixed.py", "--mb", str(TWIN_MB))
        with harness.Workload(command, folder) as work:
            work.stop()
            answer = Answer(build, "core", work.gcore(os.path.join(folder, "core")), work.info["targets"])
    results.check("truth/%s/retained/%d MB" % (interpreter.name, TWIN_MB), answer.check())


PAGE = os.path.join(harness.ROOT, "docs", "exactness.md")
BEGIN, END = "<!-- begin: tests/truth/retained.py --write -->", "<!-- end of retained sizes -->"


def page(build):
    """A line a case, a column an interpreter: bytes that are freed, and what memext says more or less."""
    found = [one for one in interpreters.find() if not one.refused]
    stops = [Stop(build, one) for one in found]
    lines = ["| case | " + " | ".join(one.name for one in found) + " |", "|---|" + "--:|" * len(found)]
    for name in sorted({name for stop in stops for name in stop.freed} - {NOTHING}):
        cells = []
        for stop in stops:
            kept, freed = stop.live.kept.get(name), stop.freed.get(name)
            more = sum(difference(kept, freed)) if kept else 0
            cells.append("-" if not kept else "%d%s" % (freed.pool + freed.chunks, " (%+d)" % more if more else ""))
        lines.append("| %s | %s |" % (name, " | ".join(cells)))
    return lines


def write(build):
    with open(PAGE) as f:
        before, _, rest = f.read().partition(BEGIN)
    with open(PAGE, "w") as f:
        f.write(before + BEGIN + "\n\n" + "\n".join(page(build)) + "\n\n" + END + rest.partition(END)[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python")
    parser.add_argument("--large", action="store_true", help="the twin on a heap of %d MB" % TWIN_MB)
    parser.add_argument("--write", action="store_true")
    a = parser.parse_args()
    if a.write:
        write(os.path.abspath(a.build))
        return 0
    results = harness.Results()
    interpreter = interpreters.Interpreter(a.python)
    build = os.path.abspath(a.build)
    if a.large:
        check_large(results, build, interpreter)
    else:
        check_cases(results, build, interpreter)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
