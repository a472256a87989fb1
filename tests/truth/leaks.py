"""Lost memory of C code against what was planted.

  leaks.py --build build/release --python /usr/bin/python3.11

  planted    mallocs dropped, chained and kept through ctypes and by a faulty C extension
  well       a program that loses nothing: at most a few blocks of the libraries' own
  damaged    a chunk's header is overwritten: what is before it is judged as ever
  valgrind   the same small program under memcheck, where that is installed
"""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import planting  # noqa: E402
import script  # noqa: E402
from references import Graph, pick  # noqa: E402

FOUND = 0.995
STRAY = 20                             # blocks of the libraries' own
DEFINITE, INDIRECT, POSSIBLE = "0", "1", "2"
SMALL = 2000                           # blocks that are dropped under valgrind
DAMAGED = 20000                        # blocks before a broken chunk; stale words hold some thirty of any number
AGREED = 0.02                          # of these; stale words hold a few


class Lost:
    """The groups of one look."""

    def __init__(self, build, how, what):
        graph = Graph(build, how, what)
        try:
            lines = graph.ask("leaks")
        finally:
            graph.close()
        self.errors = [line[-1] for line in pick(lines, "error")]
        self.rows = [(row[0], int(row[1]), int(row[2]), row[8] if len(row) > 8 else "") for row in pick(lines, "row")]

    def count(self, classes, fits=lambda size, content: True):
        return sum(count for kind, size, count, content in self.rows if kind in classes and fits(size, content))


def is_dropped(size, content):
    return 100 <= size <= 424 and content.startswith("0, 0, 0")


def is_linked(size, content):
    # The last word of their chunks is not the program's: it may be anything, a text, too.
    return size in (48, 56, 72) and "faulty" not in content


def judge_planted(lost, planted):
    problems = list(lost.errors)

    def at_least(name, count):
        if count < FOUND * planted.get(name, 0):
            problems.append("%s: %d of %d are found" % (name, count, planted[name]))

    at_least("dropped", lost.count((DEFINITE, INDIRECT), is_dropped))
    # Their texts are words, and a few of them look like an address of a neighbour.
    at_least("linked", lost.count((DEFINITE, INDIRECT, POSSIBLE), is_linked))
    at_least("parse", lost.count((DEFINITE, INDIRECT), lambda size, content: content.startswith("'record ")))
    at_least("build", lost.count((DEFINITE, INDIRECT, POSSIBLE), lambda size, content: "faulty" in content))
    kept = lost.count((DEFINITE, INDIRECT), lambda size, content: size >= 5000)
    if kept:
        problems.append("%d blocks that are kept are called lost" % kept)
    most = sum(planted.get(name, 0) for name in ("dropped", "linked", "parse", "build")) + STRAY
    if lost.count((DEFINITE, INDIRECT)) > most:
        problems.append("%d blocks are called lost, %d were planted" % (lost.count((DEFINITE, INDIRECT)), most))
    return problems


def judge_well(lost):
    count = lost.count((DEFINITE, INDIRECT))
    return lost.errors + (["%d blocks are called lost: %s" % (count, lost.rows[:6])] if count > STRAY else [])


def under_valgrind(command, folder):
    """Blocks that memcheck calls definitely lost when the program ends."""
    log = os.path.join(folder, "memcheck")
    run = subprocess.run(["valgrind", "--leak-check=full", "--log-file=" + log] + command, cwd=folder, input=b"quit\n",
                         env=harness.ambient({"PYTHONMALLOC": "malloc"}), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=300)
    with open(log) as f:
        text = f.read()
    found = re.findall(r"definitely lost: [0-9,]+ bytes in ([0-9,]+) blocks", text)
    if not found:
        raise RuntimeError("valgrind said nothing of lost blocks (status %d): %s" % (run.returncode, text[-500:]))
    return int(found[0].replace(",", ""))


def beside_valgrind(results, build, name, python):
    """A program of the same numbers, once under valgrind and once as it is."""
    if not shutil.which("valgrind"):
        results.skip(name, "valgrind is not installed")
        return
    with harness.Folder() as folder:
        def command(blocks):
            return harness.workload(python, "cleaks.py", "--blocks", str(blocks), "--linked", "0",
                                    os.path.join(folder, "planted"))
        theirs = under_valgrind(command(SMALL), folder) - under_valgrind(command(0), folder)
        with harness.Workload(command(SMALL), folder, {"PYTHONMALLOC": "malloc"}) as work:
            work.stop()
            lost = Lost(build, "live", work.pid)
            ours = lost.count((DEFINITE, INDIRECT), is_dropped)
    results.check(name, [] if abs(ours - theirs) <= AGREED * theirs else
                  ["valgrind finds %d blocks, memext %d of %d" % (theirs, ours, SMALL)])


def run(results, build, interpreter):
    prefix = "truth/leaks/%s/" % interpreter.name
    planting.look_at_both(results, prefix, interpreter.path, "cleaks.py", lambda *of: Lost(build, *of),
                         judge_planted, judge_well, lambda core: planting.differ_by_threads(build, core, "leaks"))
    planting.look_at_planted(results, prefix + "damaged", lambda folder: harness.workload(
        interpreter.path, "cleaks.py", "--damage", "--blocks", str(DAMAGED), os.path.join(folder, "planted")),
        lambda *of: Lost(build, *of), judge_planted)
    if interpreter.path.startswith("/usr/bin/"):
        beside_valgrind(results, build, prefix + "valgrind", interpreter.path)


if __name__ == "__main__":
    sys.exit(script.main(run))
