"""`make bench`: speed and memory, as ratios measured in one run; written to docs/bench.md.

  bench.py --build build/release [--sizes 100,500,2048] [--no-write]

Every figure stands beside what it is compared with, taken on the same machine
minutes apart. Best of five, warm (see freshmemory.py), one after the other.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "e2e")]
import debugger  # noqa: E402
import freshmemory  # noqa: E402
import harness  # noqa: E402
import memcheck  # noqa: E402
import moments  # noqa: E402

PYTHON = "/usr/bin/python3"
PAGE = os.path.join(harness.ROOT, "docs", "bench.md")
VERSIONS_BEGIN, VERSIONS_END = "<!-- begin: tests/bench/versions.py -->", "<!-- end of versions -->"
MB = 1 << 20
REMOTE_MB = 100                        # counted over gdbserver
GC_OBJECTS_MB = 400                    # of mixed.py: about 1.2 million GC-tracked objects
ROUNDS = 5
FRESH_MB = 2048                        # more than any measured program allocates

PROBE = """
import contextlib, io, json, os, sys, time
import objgraph
with contextlib.redirect_stdout(io.StringIO()):
    objgraph.show_growth()
    start = time.perf_counter()
    objgraph.show_growth()
    took = time.perf_counter() - start
    order = ORDERS[len(ORDERS) // 3]
    start = time.perf_counter()
    objgraph.show_backrefs([order], max_depth=3, output=io.StringIO())
    backrefs = time.perf_counter() - start
import gc
with open(%r, "w") as f:
    json.dump({"seconds": took, "tracked": len(gc.get_objects()), "backrefs": backrefs}, f)
"""

LIVE = """
import gdb, json, time
def timed(command):
    start = time.monotonic()
    gdb.execute(command, to_string=True)
    return time.monotonic() - start
first = timed("py-growth")
gdb.execute("tbreak select", to_string=True)
gdb.execute("continue", to_string=True)
second = timed("py-growth")
backrefs = timed("py-backrefs %s -depth 3")
json.dump({"first": first, "second": second, "backrefs": backrefs}, open(%r, "w"))
"""


LEDGER = """
import sys, time
sys.path.insert(0, %r)
import _memext
start = time.monotonic()
target = _memext.open_core(%r)
target.ledger(target.heap())
print(time.monotonic() - start)
"""

FOOT = """\
The heaps are those of `tests/workloads/mixed.py`. *Library alone* is `build/release/census`: open the core, count every
object, no GDB. *Ledger* is the library too: open the core, count, and put every byte where it belongs. *Peak memory* is
the anonymous memory of GDB with memext minus that of GDB alone; the core itself is mapped and not counted. The
*pause* is one `py-growth` at its second stop; objgraph counts GC-tracked objects only, and inside the process. The
*graph* is `build/release/graph`: forward and reverse rows and roots, from a counted heap; a *next* py-backrefs is one
at a stop whose graph is there. A *first* py-backrefs on a live process copies its heap and builds the graph. *Opening
to retained sizes* is the same tool from the opening of the core to the last sum, on one processor and on two; its
memory is the most anonymous memory of the whole process. A virtual machine may take free memory back, and its first
touch then waits for the host (the first row): before each measured run as much memory as it may need is touched and
freed, so that the program is measured and not the host; the row *in memory left alone before* is without. *py-save*
is `build/release/save`, with one worker a processor, and what it wrote is counted by `build/release/census`. *memcheck*
has a small program from its start; *py-leaks* looks at it once, halfway, by a GDB that attaches and detaches. Both are
told in processor seconds of the program, which stands still at the stop; the stop is GDB from its start to its end.
*py-tests* runs pytest; what is *added to each* test is beside the same session in GDB without memext. A *py-break* is a
debug register of the processor's. It costs nothing where a program computes; but AMD's processors (this one) copy and
clear memory byte by byte while one that watches data is armed, 2.5 to 3.5 GB/s instead of 50 and more where `rep movsb`
and `rep stosb` are used: by the kernel for each fresh page, by the C library for blocks of 2 KB and more. The rows of
GDB's own *rwatch* show the same. All are the program's own processor seconds, behind its start; *until the function is
there* is the rest: GDB's start, and the imports at which memext looks for the function."""

REMOTE = """
import gdb, json, time
start = time.monotonic()
gdb.execute("py-count", to_string=True)
json.dump(time.monotonic() - start, open(%r, "w"))
"""


class Peak:
    """The most anonymous memory that a process had: what it allocated, mapped files not counted."""

    def __init__(self, pid):
        self.pid, self.most, self.ended = pid, 0, False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.ended:
            try:
                with open("/proc/%d/status" % self.pid) as f:
                    found = re.search(r"RssAnon:\s+(\d+)", f.read())
            except OSError:
                return
            if found:
                self.most = max(self.most, int(found.group(1)) * 1024)
            time.sleep(0.005)

    def end(self):
        self.ended = True
        self.thread.join()
        return self.most


def timed(command, env=None):
    """Seconds and peak of anonymous memory."""
    freshmemory.touch(FRESH_MB)
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=env)
    peak = Peak(process.pid)
    status = process.wait()
    took = time.monotonic() - start
    if status:
        raise RuntimeError("%s ended with %d" % (" ".join(command), status))
    return took, peak.end()


def best(command, env=None):
    runs = [timed(command, env) for _ in range(ROUNDS)]
    return min(took for took, _ in runs), max(peak for _, peak in runs)


def census(build, how, what):
    """The best of five: {key: number}."""
    runs = []
    for _ in range(ROUNDS):
        freshmemory.touch(FRESH_MB)
        out = subprocess.check_output([os.path.join(build, "census"), how, str(what)]).decode(errors="replace")
        info = dict(line.split("\t")[1:3] for line in out.splitlines() if line.startswith("info\t"))
        runs.append({key: int(info[key]) for key in ("open_us", "heap_us", "pool_used_blocks", "chunks", "objects",
                                                     "tracked_objects", "rss_anon", "memory")})
    return min(runs, key=lambda run: run["open_us"] + run["heap_us"])


def graph(build, path, questions):
    """The best of five runs of the graph tool: its info, and the microseconds of each question."""
    runs = []
    for _ in range(ROUNDS):
        freshmemory.touch(FRESH_MB)
        asked = "".join(question + "\n" for question in ["info"] + questions)
        out = subprocess.run([os.path.join(build, "graph"), "core", path], input=asked, stdout=subprocess.PIPE,
                             check=True, universal_newlines=True, errors="replace").stdout
        answers = [dict(line.split("\t", 1) for line in answer.splitlines() if line.count("\t") == 1)
                   for answer in out.split("\n\n") if answer.strip()]
        runs.append((answers[0], [int(answer["us"]) for answer in answers[1:]]))
    best_info = min((info for info, _ in runs), key=lambda info: int(info["graph_us"]))
    return best_info, [min(times) for times in zip(*(times for _, times in runs))]


def retained(build, path, processors=None, rounds=ROUNDS):
    """The best of some runs: the sums that the graph tool prints, and microseconds of opening, graph and dominators."""
    command = [os.path.join(build, "graph"), "core", path]
    if processors:
        command = ["taskset", "-c", processors] + command
    runs = []
    for _ in range(rounds):
        if rounds > 1:
            freshmemory.touch(FRESH_MB)
        out = subprocess.run(command, input="info\nretained\n", stdout=subprocess.PIPE, check=True,
                             universal_newlines=True, errors="replace").stdout
        info, sums = [dict(line.split("\t", 1) for line in answer.splitlines() if line.count("\t") == 1)
                      for answer in out.split("\n\n")[:2]]
        runs.append((sum(int(info[key]) for key in ("open_us", "heap_us", "graph_us")) + int(sums["us"]), sums))
    took, sums = min(runs, key=lambda run: run[0])
    return sums, took


class Bench:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.rows = []

    def add(self, what, value, against, ratio=None, limit=None):
        verdict = "" if limit is None else "yes" if ratio <= limit else "NO"
        self.rows.append((what, value, against, "" if ratio is None else "%.2f" % ratio,
                          "" if limit is None else "<= %g" % limit, verdict))
        print("%-58s %-14s %-34s %6s %8s %s" % self.rows[-1])
        sys.stdout.flush()

    def fresh_memory(self):
        cold, warm = freshmemory.cold_and_warm(1024)
        self.add("this machine: first touch of 1 GB left alone for %d s" % freshmemory.UNUSED, "%.2f s" % cold,
                 "in use just before: %.2f s" % warm, cold / warm)

    def workload(self, megabytes):
        return harness.Workload(harness.workload(PYTHON, "mixed.py", "--mb", str(megabytes)), self.folder, seconds=900)

    def core(self, megabytes):
        with self.workload(megabytes) as work:
            self.targets = work.info["targets"]
            work.stop()
            path = os.path.join(self.folder, "core.%d" % megabytes)
            return work.gcore(path) if harness.kernel_cores() else work.abort(path)

    def gdb(self, *more):
        return ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"] + list(more)

    def cores(self, sizes):
        costs, edge_costs, retained_costs = {}, {}, {}
        for size in sizes:
            path = self.core(size)
            run = census(self.build, "core", path)
            costs[size] = run["heap_us"] * 1000 / (run["pool_used_blocks"] + run["chunks"])
            questions = ["referrers %s 3 10" % self.targets[name] for name in ("order", "order", "hub")]
            info, times = graph(self.build, path, questions)
            sums, retained_us = retained(self.build, path)
            retained_costs[size] = retained_us * 1000 / int(sums["blocks"])
            edge_costs[size] = int(info["graph_us"]) * 1000 / int(info["edges"])
            if size == max(sizes):
                self.one_core(path, size, run)
                self.one_graph(path, size, info, times)
                self.one_retained(path, size, int(sums["blocks"]))
                self.one_c_level(path, size)
                self.one_save(path, size)
            os.unlink(path)
        self.flat("cost per block", costs)
        self.flat("cost per edge", edge_costs)
        self.flat("opening to retained sizes, per block", retained_costs)

    def flat(self, what, costs):
        small = costs[min(costs)]
        for size in sorted(costs):
            self.add("%s, %d MB" % (what, size), "%.1f ns" % costs[size], "%d MB: %.1f ns" % (min(costs), small),
                     costs[size] / small, 1.5)

    def one_graph(self, path, size, info, times):
        cat = best(["sh", "-c", "exec cat %s >/dev/null" % path])[0]
        took, nodes, edges = int(info["graph_us"]) / 1e6, int(info["nodes"]), int(info["edges"])
        name = "%d MB core (%s references)" % (size, format(edges, ","))
        self.add("%s: graph in both directions" % name, "%.2f s" % took, "cat: %.2f s" % cat, took / cat, 8)
        allowed = 40 * nodes + 12 * edges
        self.add("%s: memory of the graph" % name, "%d MB" % (int(info["memory"]) // MB),
                 "40 B a node, 12 B an edge: %d MB" % (allowed // MB), int(info["memory"]) / allowed, 1)
        for label, took_us in (("an order", times[1]), ("1,000 referrers", times[2])):
            self.add("%s: next py-backrefs, %s" % (name, label), "%.1f ms" % (took_us / 1000), "50 ms",
                     took_us / 50000, 1)

    def one_retained(self, path, size, blocks):
        name = "%d MB core (%s blocks): opening to retained sizes" % (size, format(blocks, ","))
        cat = best(["sh", "-c", "exec cat %s >/dev/null" % path])[0]
        for label, processors, limit in (("one thread", "0", 16), ("two threads", "0,1", 10)):
            took = retained(self.build, path, processors)[1] / 1e6
            self.add("%s, %s" % (name, label), "%.2f s" % took, "cat: %.2f s" % cat, took / cat, limit)
        time.sleep(freshmemory.UNUSED)
        took = retained(self.build, path, "0,1", rounds=1)[1] / 1e6
        self.add("%s, two threads, in memory left alone before" % name, "%.2f s" % took, "cat: %.2f s" % cat,
                 took / cat)
        asked = os.path.join(self.folder, "asked")
        with open(asked, "w") as f:
            f.write("retained\n")
        tool = os.path.join(self.build, "graph")
        peak = best(["sh", "-c", "exec %s core %s <%s >/dev/null" % (tool, path, asked)])[1]
        self.add("%s, memory" % name, "%d MB" % (peak // MB), "64 B a block: %d MB" % (64 * blocks // MB),
                 peak / (64 * blocks), 1)

    def one_c_level(self, path, size):
        """From opening to the answer."""
        cat = best(["sh", "-c", "exec cat %s >/dev/null" % path])[0]
        for what, question in (("py-leaks", "leaks"), ("py-refcounts", "audit")):
            info, times = graph(self.build, path, [question])
            took = (int(info["open_us"]) + int(info["heap_us"]) + int(info["graph_us"]) + times[0]) / 1e6
            self.add("%d MB core: opening to %s" % (size, what), "%.2f s" % took, "cat: %.2f s" % cat, took / cat, 16)

    def one_save(self, path, size):
        cat = best(["sh", "-c", "exec cat %s >/dev/null" % path])[0]
        saved, runs = os.path.join(self.folder, "saved.memext"), []
        for _ in range(ROUNDS):
            out = subprocess.check_output([os.path.join(self.build, "save"), "core", path, saved]).decode()
            runs.append(dict(line.split("\t") for line in out.splitlines()))
        took = min(int(run["save_us"]) for run in runs) / 1e6
        bytes_, whole = os.path.getsize(saved), os.path.getsize(path)
        again = census(self.build, "saved", saved)
        opened = (again["open_us"] + again["heap_us"]) / 1e6
        os.unlink(saved)
        name = "%d MB core" % size
        self.add("%s: py-save, from a counted heap" % name, "%.2f s" % took, "cat: %.2f s" % cat, took / cat, 16)
        self.add("%s: size of the saved target" % name, "%d MB" % (bytes_ // MB), "core: %d MB" % (whole // MB),
                 bytes_ / whole, 0.1)
        self.add("%s: opening it and counting" % name, "%.2f s" % opened, "cat: %.2f s" % cat, opened / cat)
        self.add("%s: memory of that" % name, "%d MB" % (again["rss_anon"] // MB), "core: %d MB" % (whole // MB),
                 again["rss_anon"] / whole, 0.1)

    def one_core(self, path, size, run):
        env = debugger.environment(self.build)
        cat = best(["sh", "-c", "exec cat %s >/dev/null" % path])[0]
        alone, alone_peak = best(self.gdb("-c", path), env)
        count, count_peak = best(self.gdb("-x", debugger.MEMEXT, "-c", path, "-ex", "py-count"), env)
        library = (run["open_us"] + run["heap_us"]) / 1e6
        bytes_ = os.stat(path).st_blocks * 512
        name = "%d MB core (%s objects)" % (size, format(run["objects"], ","))
        self.add("%s: cat core >/dev/null" % name, "%.2f s" % cat, "")
        self.add("%s: GDB alone" % name, "%.2f s" % alone, "cat: %.2f s" % cat, alone / cat)
        self.add("%s: py-count, whole process" % name, "%.2f s" % count, "cat: %.2f s" % cat, count / cat, 4)
        self.add("%s: library alone" % name, "%.2f s" % library, "cat: %.2f s" % cat, library / cat, 2.5)
        script = LEDGER % (os.path.join(self.build, "gdbext"), path)
        ledger = min(float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(ROUNDS))
        self.add("%s: ledger, counting included" % name, "%.2f s" % ledger, "cat: %.2f s" % cat, ledger / cat, 4)
        extra = count_peak - alone_peak
        self.add("%s: peak memory of memext in GDB" % name, "%d MB" % (extra // MB), "core: %d MB" % (bytes_ // MB),
                 extra / bytes_, 0.1)

    def live(self, megabytes):
        with self.workload(megabytes) as work:
            before = resident(work.pid)
            result = os.path.join(self.folder, "live.json")
            script = os.path.join(self.folder, "live.py")
            with open(script, "w") as f:
                f.write(LIVE % (work.info["targets"]["order"], result))
            # Debian's GDB keeps its -x scripts' errors to itself in batch mode: the result file tells.
            subprocess.run(self.gdb("-p", str(work.pid), "-x", debugger.MEMEXT, "-x", script), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, env=debugger.environment(self.build), check=True)
            with open(result) as f:
                outside = json.load(f)
                pause = outside["second"]
            grown = resident(work.pid) - before
            probe = os.path.join(self.folder, "probe.py")
            with open(probe, "w") as f:
                f.write(PROBE % result)
            work.command("exec " + probe)
            with open(result) as f:
                inside = json.load(f)
        name = "live, %s GC objects" % format(inside["tracked"], ",")
        self.add("%s: pause for py-growth (all objects)" % name, "%.2f s" % pause,
                 "objgraph.show_growth(): %.2f s" % inside["seconds"], pause / inside["seconds"], 0.3)
        self.add("%s: first py-backrefs, depth 3" % name, "%.2f s" % outside["backrefs"],
                 "objgraph.show_backrefs(): %.2f s" % inside["backrefs"], outside["backrefs"] / inside["backrefs"], 1)
        self.add("%s: memory added to the process" % name, "%d KB" % (grown // 1024), "")

    def remote(self, megabytes):
        """py-count over gdbserver, through the loopback device."""
        if not shutil.which("gdbserver"):
            self.add("py-count over gdbserver", "skipped", "there is no gdbserver (apt install gdbserver)")
            return
        result, script = os.path.join(self.folder, "remote.json"), os.path.join(self.folder, "remote.py")
        with open(script, "w") as f:
            f.write(REMOTE % result)
        with self.workload(megabytes) as work:
            server = subprocess.Popen(["gdbserver", "--once", "--attach", "localhost:0", str(work.pid)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            port = first_number(server.stderr, rb"Listening on port (\d+)")
            subprocess.run(self.gdb("-ex", "target remote localhost:%d" % port, "-x", debugger.MEMEXT, "-x", script),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=debugger.environment(self.build),
                           check=True)
            server.communicate()
        with open(result) as f:
            took = json.load(f)
        self.add("%d MB process over gdbserver: first py-count" % megabytes, "%.2f s" % took, "5 s", took / 5, 1)


def first_number(lines, pattern):
    """Of the first line that has it."""
    for line in lines:
        found = re.search(pattern, line)
        if found:
            return int(found.group(1))
    raise RuntimeError("%r was not said" % pattern)


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1)) * 1024


def first_match(path, pattern):
    with open(path) as f:
        found = re.search(pattern, f.read(), re.M)
    return found.group(1) if found else "unknown"


def machine():
    return ["%d x %s, %s GB" % (os.cpu_count(), first_match("/proc/cpuinfo", r"^model name\s*: (.*)$"),
                                int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)")) // MB),
            first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"$') + ", Linux " + platform.release(),
            subprocess.check_output(["gdb", "--version"]).decode().splitlines()[0] + ", target Python "
            + subprocess.check_output([PYTHON, "-V"]).decode().split()[1]]


def table(rows):
    return ["| what | measured | compared with | ratio | wanted | holds |", "|---|---|---|---|---|---|"] + [
        "| %s |" % " | ".join(row) for row in rows]


def versions_part():
    """What versions.py wrote, which stays."""
    if not os.path.exists(PAGE):
        return ""
    with open(PAGE) as f:
        _, begin, rest = f.read().partition(VERSIONS_BEGIN)
    return "\n" + begin + rest if begin else ""


def write(rows):
    lines = ["# Speed and memory", "",
             "Written by `make bench`. What counts are the ratios: both sides of each were measured in this one run.",
             ""]
    lines += ["- " + line for line in machine()] + ["- " + time.strftime("%Y-%m-%d"), ""]
    lines += table(rows) + ["", FOOT]
    versions = versions_part()
    with open(PAGE, "w") as f:
        f.write("\n".join(lines) + "\n" + versions)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--sizes", default="100,500,2048")
    parser.add_argument("--no-write", action="store_true")
    a = parser.parse_args()
    sizes = [int(size) for size in a.sizes.split(",")]
    with harness.Folder() as folder:
        bench = Bench(os.path.abspath(a.build), folder)
        bench.fresh_memory()
        bench.cores(sizes)
        for megabytes in (min(GC_OBJECTS_MB, max(sizes)), max(sizes)):
            bench.live(megabytes)
        bench.remote(REMOTE_MB)
        for megabytes in (0, 200):
            moments.session(bench, PYTHON, megabytes)
        moments.never_reached(bench, PYTHON)
        memcheck.measure(bench)
    if not a.no_write:
        write(bench.rows)
    return 1 if any(row[-1] == "NO" for row in bench.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
