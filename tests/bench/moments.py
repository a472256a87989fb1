"""What waiting for the right moment costs: py-tests beside other ways; py-break and py-catch-oom, never reached."""
import os
import shutil
import subprocess
import time

import debugger

TESTS = 60
ROUNDS = 3
TURNS = 5
ADDED_MS = 20
# Tests that only take time, in a process whose heap is so many MB of lists of str.
SESSION = """
import time
import tracemalloc
HEAP = [[str(number + item) for item in range(10)] for number in range(MEGABYTES * 1300)]
def waits():
    time.sleep(0.05)
    if tracemalloc.is_tracing():
        tracemalloc.get_traced_memory()
for number in range(TESTS):
    globals()["test_" + str(number)] = lambda: waits()
"""
# Both programs print their own seconds, and call alarm() for a breakpoint where these begin.
BEGIN = """
import ctypes
import time
def never():
    pass
ctypes.CDLL(None).alarm(0)
start = time.process_time()
"""
END = """
print("took", time.process_time() - start)
"""
# Calls, objects and numbers, in memory that is there.
COMPUTING = BEGIN + """
class Node:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None
    def add(self, key):
        side = "left" if key < self.key else "right"
        below = getattr(self, side)
        if below:
            below.add(key)
        else:
            setattr(self, side, Node(key))
for _ in range(4):
    root = Node(50000)
    for number in range(40000):
        root.add(number * 7919 % 100003)
    sum(number * number for number in range(1000000))
""" + END
# Texts, syntax trees and JSON: blocks that are copied, and lists that come and go.
TEXTS = BEGIN + """
import ast
import collections
import glob
import json
import os
import re
texts = []
for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py"))):
    with open(path, encoding="utf-8", errors="replace") as file:
        texts.append(file.read())
for _ in range(2):
    for text in texts:
        collections.Counter(re.findall(r"\\w+", text))
    for text in texts[:30]:
        sum(1 for node in ast.walk(ast.parse(text)))
    rows = [{"id": number, "name": "n%d" % number, "tags": ["a", "b", str(number % 7)]} for number in range(20000)]
    for _ in range(4):
        rows = json.loads(json.dumps(rows))
        rows.sort(key=lambda row: (row["tags"][2], row["name"]))
""" + END
# Fresh memory all the time, gigabytes of it.
GREEDY = BEGIN + """
def called(number):
    return number + 1
for _ in range(8):
    kept = []
    for number in range(2000000):
        kept.append(called(number))
    for number in range(200):
        kept.append(bytearray(1000000))
        kept.append({item: str(item) for item in range(2000)})
""" + END


def elapsed(command, folder, env=None):
    """Seconds of a command in a folder, the best of a few runs."""
    best = None
    for _ in range(ROUNDS):
        start = time.monotonic()
        subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        took = time.monotonic() - start
        best = took if best is None else min(best, took)
    return best


def session(bench, python, megabytes):
    """py-tests beside the same session alone, in GDB alone, under tracemalloc and under valgrind."""
    folder = os.path.join(bench.folder, "session%d" % megabytes)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "test_session.py"), "w") as f:
        f.write(SESSION.replace("MEGABYTES", str(megabytes)).replace("TESTS", str(TESTS)))
    command = ["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_session.py"]
    env = debugger.environment(bench.build)
    plain = elapsed([python] + command, folder)
    inside = elapsed(debugger.arguments(["--args", python] + command, ["run"], memext=False), folder, env)
    watched = elapsed(debugger.arguments(["--args", python] + command, ["py-tests"]), folder, env)
    name, alone = "py-tests, %d tests of 50 ms at %d MB" % (TESTS, megabytes), "alone: %.2f s" % plain
    bench.add(name, "%.2f s" % watched, alone, watched / plain, 2 if megabytes else None)
    added = 1000 * (watched - inside) / TESTS
    bench.add("%s: added to each" % name, "%.0f ms" % added, "%d ms" % ADDED_MS, added / ADDED_MS,
              None if megabytes else 1)
    traced = elapsed([python, "-X", "tracemalloc=1"] + command, folder)
    bench.add("the same under tracemalloc, only its sum at each test", "%.2f s" % traced, alone, traced / plain)
    if not shutil.which("valgrind"):
        bench.add("the same under valgrind", "skipped", "there is no valgrind (apt install valgrind)")
        return
    slow = elapsed(["valgrind", "-q", python] + command, folder, dict(os.environ, PYTHONMALLOC="malloc"))
    bench.add("the same under valgrind (memcheck)", "%.2f s" % slow, alone, slow / plain)


def busy(bench, python, path, commands):
    """The program's own seconds under GDB, and all others until its end."""
    start = time.monotonic()
    line = debugger.arguments(["--args", python, path], commands)
    text = subprocess.run(line, env=debugger.environment(bench.build), stdin=subprocess.DEVNULL, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode(errors="replace")
    took = float(text.partition("took ")[2].split()[0])
    return took, time.monotonic() - start - took


def side_by_side(bench, python, program, ways):
    """{way: its own seconds}, {way: all others}: the best of runs that take turns, so that all see the same machine."""
    path = os.path.join(bench.folder, "busy.py")
    with open(path, "w") as f:
        f.write(program)
    took = {way: [] for way in ways}
    for _ in range(TURNS):
        for way, commands in ways.items():
            took[way].append(busy(bench, python, path, commands))
    return [{way: min(run[part] for run in runs) for way, runs in took.items()} for part in (0, 1)]


def never_reached(bench, python):
    watch = ["break alarm", "run", "delete", 'eval "rwatch *(char *)%lu", (unsigned long)$sp - 1000000', "continue"]
    ways = {"alone": ["run"], "break": ["py-break busy.py:never", "run"], "watch": watch,
            "catch": ["py-catch-oom", "run"]}
    for name, program, bar in (("computes", COMPUTING, 1.02), ("works on texts", TEXTS, 1.02),
                               ("fills gigabytes of fresh memory", GREEDY, None)):
        own, before = side_by_side(bench, python, program, ways)
        against = "without, in GDB: %.2f s" % own["alone"]
        bench.add("a program that %s, with a py-break that it never reaches" % name, "%.2f s" % own["break"], against,
                  own["break"] / own["alone"], bar)
        bench.add("the same with GDB's own rwatch, never hit", "%.2f s" % own["watch"], against,
                  own["watch"] / own["alone"])
        bench.add("the same with py-catch-oom, memory enough", "%.2f s" % own["catch"], against,
                  own["catch"] / own["alone"])
    bench.add("that py-break, until the function is there", "%.2f s" % before["break"],
              "without, in GDB: %.2f s" % before["alone"], before["break"] / before["alone"])
