"""What looking for lost blocks costs the program: valgrind's memcheck beside memext, for the same small program.

  memcheck.py --build build/release        the rows alone, printed

memcheck has the program from its start. memext's look is one GDB that attaches halfway, asks py-leaks and detaches.
A program that stands takes no processor time, so that its own time tells whether it ran slower outside of the stop.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "e2e")]
import debugger  # noqa: E402
import harness  # noqa: E402

PYTHON = "/usr/bin/python3"
ROUNDS = 5
LOST = 2000
SLOWER = 1.1                           # the program's own time, with one look in it

# Works, loses blocks, waits for a word at half of it, and does the same once more.
PROGRAM = """
import ctypes, json, sys
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
malloc.argtypes = [ctypes.c_size_t]
def work(rounds):
    kept = {}
    for number in range(rounds):
        rows = [{"id": number * 100 + row, "name": "row %%d" %% row} for row in range(100)]
        kept[number %% 500] = json.loads(json.dumps(rows))
    return kept
def lose(count):
    for number in range(count):
        size = 100 + number %% 300
        ctypes.memset(malloc(size), 0, size)
work(%(rounds)d)
lose(%(lost)d)
sorted(range(1000), key=lambda number: -number)
print("HALF", flush=True)
sys.stdin.readline()
work(%(rounds)d)
""" % {"rounds": 1500, "lost": LOST}


class Run:
    """One run of the program: wall clock and processor seconds, and what `look(pid)` halfway gave and took."""

    def __init__(self, before, look=None):
        start = time.monotonic()
        process = subprocess.Popen(before + [PYTHON, "-c", PROGRAM], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                                   env=harness.ambient({"PYTHONMALLOC": "malloc"}))
        try:
            if process.stdout.readline() != b"HALF\n":
                raise RuntimeError("the program ended before its half")
            halfway = time.monotonic()
            self.found = look(process.pid) if look else None
            self.looked = time.monotonic() - halfway
            process.stdin.write(b"go on\n")
            _, status, used = os.wait4(process.pid, 0)
        finally:
            process.stdin.close()
            process.stdout.close()
        if status:
            raise RuntimeError("%s ended with %d" % (" ".join(before) or "the program", status))
        self.wall, self.processor = time.monotonic() - start, used.ru_utime + used.ru_stime


def lost_by_memext(build, folder):
    def look(pid):
        text, _ = debugger.run(build, ["-p", str(pid)], ["py-leaks -json -limit 1"], folder)
        total = json.loads(text[text.index("{"):])["total"]
        return total["definite_blocks"] + total["indirect_blocks"]
    return look


def lost_by_memcheck(log):
    with open(log) as f:
        found = re.findall(r"(?:definitely|indirectly) lost: \S+ bytes in ([\d,]+)", f.read())
    return sum(int(number.replace(",", "")) for number in found)


def measure(bench):
    """Adds the rows; `bench` has build, folder and add()."""
    if not shutil.which("valgrind"):
        bench.add("memcheck beside py-leaks", "skipped", "valgrind is not installed")
        return
    plain, looked_at = [], []
    for _ in range(ROUNDS):             # by turns, so that both see the same machine
        plain.append(Run([]))
        looked_at.append(Run([], lost_by_memext(bench.build, bench.folder)))
    log = os.path.join(bench.folder, "memcheck")
    checked = Run(["valgrind", "--leak-check=full", "--log-file=" + log])
    alone = min(run.processor for run in plain)
    best = min(looked_at, key=lambda run: run.processor)
    name = "a program of %.1f s that loses %s blocks" % (alone, format(LOST, ","))
    bench.add("%s: under valgrind's memcheck" % name, "%.1f s" % checked.processor, "alone: %.2f s" % alone,
              checked.processor / alone)
    bench.add("%s: with a py-leaks halfway" % name, "%.2f s" % best.processor, "alone: %.2f s" % alone,
              best.processor / alone, SLOWER)
    stopped, added = min(run.looked for run in looked_at), checked.wall - min(run.wall for run in plain)
    bench.add("%s: stopped for that" % name, "%.2f s" % stopped, "memcheck adds %.1f s" % added, stopped / added, 1)
    bench.add("%s: blocks lost, by py-leaks" % name, format(best.found, ","),
              "by memcheck: %s" % format(lost_by_memcheck(log), ","))


class Alone:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder

    def add(self, *row):
        print(" | ".join(map(str, row)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    with harness.Folder() as folder:
        measure(Alone(os.path.abspath(parser.parse_args().build), folder))


if __name__ == "__main__":
    main()
