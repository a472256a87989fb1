"""What waiting for the right moment costs: py-tests beside other ways; py-break and py-catch-oom, never reached."""
import os
import shutil
import subprocess
import time

import debugger

TESTS = 60
ROUNDS = 3
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
# Calls and allocations of all sizes; prints its own seconds. It calls alarm() for a breakpoint where these begin.
BUSY = """
import ctypes
import time
def never():
    pass
def called(number):
    return number + 1
ctypes.CDLL(None).alarm(0)
start = time.perf_counter()
for _ in range(8):
    kept = []
    for number in range(2000000):
        kept.append(called(number))
    for number in range(200):
        kept.append(bytearray(1000000))
        kept.append({item: str(item) for item in range(2000)})
print("took", time.perf_counter() - start)
"""


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


def never_reached(bench, python):
    """The runs take turns, so that all see the same machine."""
    path = os.path.join(bench.folder, "busy.py")
    with open(path, "w") as f:
        f.write(BUSY)
    stop = ["break alarm", "run", "delete"]
    ways = {"alone": ["run"], "break": ["py-break busy.py:never", "run"], "catch": ["py-catch-oom", "run"],
            "watch": stop + ['eval "rwatch *(char *)%lu", (unsigned long)$sp - 1000000', "continue"]}
    took = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, commands in ways.items():
            took[way].append(busy(bench, python, path, commands))
    own = {way: min(run[0] for run in runs) for way, runs in took.items()}
    before = {way: min(run[1] for run in runs) for way, runs in took.items()}
    against = "without, in GDB: %.2f s" % own["alone"]
    bench.add("a program with GDB's own rwatch, never hit", "%.2f s" % own["watch"], against,
              own["watch"] / own["alone"])
    bench.add("a program with a py-break that it never reaches", "%.2f s" % own["break"], against,
              own["break"] / own["alone"], 1.02)
    bench.add("the same beside an rwatch, which is what it is made of", "%.2f s" % own["break"],
              "with such an rwatch: %.2f s" % own["watch"], own["break"] / own["watch"], 1.02)
    bench.add("the same, until the function is there", "%.2f s" % before["break"],
              "without, in GDB: %.2f s" % before["alone"], before["break"] / before["alone"])
    bench.add("a program with py-catch-oom, memory enough", "%.2f s" % own["catch"], against,
              own["catch"] / own["alone"])
