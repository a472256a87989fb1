"""`make bench-versions`: the same heap on newer interpreters beside 3.11; written into docs/bench.md.

  versions.py --build build/release --folder build/matrix [--mb 2048] [--python PATH]... [--no-write]

Without --python: the machine's 3.11, sid's 3.14 (tests/matrix/provision.py obtains it), and a free-threaded 3.14, one
that $MEMEXT_PYTHONS names or else what can be built. Each runs mixed.py and leaves a core; all cores are measured in
this one run, by the same programs as `make bench`. The first interpreter is what the others are compared with.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "matrix")]
import bench  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402
import provision  # noqa: E402

MOST = 1.5
WITH_GIL, FREE = ("sid-python3.14",), ("sid-python3.14t", "forky-python3.14t")
MEASURES = ("opening and counting, a block", "graph, a reference", "opening to retained sizes, a block")


def obtained(folder, names):
    """The first that can be had."""
    for name in names:
        for _, interpreter, why in provision.obtain(folder, [name]):
            if interpreter:
                return interpreter
            print("skipped %s - %s" % (name, why), flush=True)
    return None


def chosen(folder, paths):
    if paths:
        return [interpreters.Interpreter(path) for path in paths]
    free = [one for one in interpreters.find() if one.version and one.version[:2] == (3, 14) and one.free_threaded]
    found = [interpreters.Interpreter(bench.PYTHON), obtained(folder, WITH_GIL), free[0] if free else
             obtained(folder, FREE)]
    return [one for one in found if one]


def core(interpreter, megabytes, folder):
    path = os.path.join(folder, "core." + interpreter.name)
    with harness.Workload(harness.workload(interpreter.path, "mixed.py", "--mb", str(megabytes)), folder,
                          seconds=900) as work:
        work.stop()
        return work.gcore(path) if harness.kernel_cores() else work.abort(path)


def measure(build, path):
    """Pairs of nanoseconds and how many there are, in the order of MEASURES."""
    run = bench.census(build, "core", path)
    info, _ = bench.graph(build, path, [])
    sums, took_us = bench.retained(build, path)
    blocks = run["pool_used_blocks"] + run["chunks"]
    return [((run["open_us"] + run["heap_us"]) * 1000, blocks), (int(info["graph_us"]) * 1000, int(info["edges"])),
            (took_us * 1000, int(sums["blocks"]))]


def told(spent, count):
    return "%.1f ns of %s (%.2f s)" % (spent / count, format(count, ","), spent / 1e9)


def compare(table, megabytes, first, other):
    """Lines of one interpreter beside the first; each of them is (Interpreter, what measure() gave)."""
    for what, one, two in zip(MEASURES, first[1], other[1]):
        table.add("%s, %d MB core: %s" % (other[0].text + other[0].flags, megabytes, what), told(*two),
                  "%s: %s" % (first[0].text, told(*one)), two[0] / two[1] / (one[0] / one[1]), MOST)


def write(rows):
    with open(bench.PAGE) as f:
        before, _, rest = f.read().partition(bench.VERSIONS_BEGIN)
    lines = ["", "", "Newer interpreters: per block or reference, and in all.", ""] + bench.table(rows) + ["", ""]
    with open(bench.PAGE, "w") as f:
        f.write("%s%s%s%s%s" % (before.rstrip("\n") + "\n\n", bench.VERSIONS_BEGIN, "\n".join(lines),
                                bench.VERSIONS_END, rest.partition(bench.VERSIONS_END)[2] or "\n"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--mb", type=int, default=2048)
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--no-write", action="store_true")
    a = parser.parse_args()
    build = os.path.abspath(a.build)
    with harness.Folder() as folder:
        table, cores = bench.Bench(build, folder), []
        for interpreter in chosen(a.folder, a.python):
            path = core(interpreter, a.mb, folder)
            cores.append((interpreter, measure(build, path)))
            os.unlink(path)
            if len(cores) > 1:
                compare(table, a.mb, cores[0], cores[-1])
    if not a.no_write:
        write(table.rows)
    return 1 if any(row[-1] == "NO" for row in table.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
