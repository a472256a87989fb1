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
# Each program works in slices that are all alike, and says how long one takes (the lower quartile): with what the
# debugger turned on where it was stopped at alarm(), and without. So a slow while of the machine is one for both.
SLICES = """
import ctypes
import os
import time
def never():
    pass
def work():
    WORK
alarm = ctypes.CDLL(None).alarm
took = [], []
for number in range(2 * TURNS):
    alarm(0)
    start = time.process_time()
    work()
    took[number % 2].append(time.process_time() - start)
print("took", *(sorted(seconds)[len(seconds) // 4] for seconds in took))
"""
# Calls, objects and numbers, in memory that is there.
COMPUTING = """
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
    root = Node(50000)
    for number in range(20000):
        root.add(number * 7919 % 100003)
    sum(number * number for number in range(500000))
"""
# Texts, syntax trees and JSON: blocks that are copied, and lists that come and go.
TEXTS = """
    import ast, collections, glob, json, re
    texts = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:40]:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    for text in texts:
        collections.Counter(re.findall(r"\\w+", text))
    for text in texts[:5]:
        sum(1 for node in ast.walk(ast.parse(text)))
    rows = [{"id": number, "name": "n%d" % number, "tags": ["a", "b", str(number % 7)]} for number in range(5000)]
    for _ in range(4):
        rows = json.loads(json.dumps(rows))
        rows.sort(key=lambda row: (row["tags"][2], row["name"]))
"""
# Fresh memory all the time, gigabytes of it.
GREEDY = """
    kept = []
    for number in range(200000):
        kept.append(number + 1)
    for number in range(50):
        kept.append(bytearray(1000000))
        kept.append({item: str(item) for item in range(2000)})
"""
# A script of GDB's: what the first command sets up is on for every other slice.
BY_TURNS = """
gdb.execute("set breakpoint pending on")
gdb.execute("break alarm")
gdb.execute("run")
gdb.execute(SET_UP)
turns = [ON, OFF]
while gdb.selected_inferior().pid:
    gdb.execute(turns[0], to_string=True)
    turns.reverse()
    gdb.execute("continue", to_string=True)
"""
PY_BREAK = "py-break busy.py:never"
WATCHED = "enable 2", "disable 2"
WAYS = (("with a py-break that it never reaches", (PY_BREAK,) + WATCHED),
        ("with GDB's own rwatch, never hit", ('eval "rwatch *(char *)%lu", (unsigned long)$sp - 1000000',) + WATCHED),
        ("with py-catch-oom, memory enough", ("echo", "py-catch-oom", "py-catch-oom -off")))


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


def by_turns(bench, python, path, commands):
    """Seconds of a slice with what the commands turn on, and without."""
    script = os.path.join(bench.folder, "turns.py")
    with open(script, "w") as f:
        text = BY_TURNS
        for word, command in zip(("SET_UP", "ON", "OFF"), commands):
            text = text.replace(word, repr(command))
        f.write(text)
    line = debugger.arguments(["--args", python, path], ["source " + script])
    said = subprocess.run(line, env=debugger.environment(bench.build), stdin=subprocess.DEVNULL, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode(errors="replace")
    on, off = said.partition("took ")[2].split()[:2]
    return float(on), float(off)


def never_reached(bench, python):
    path = os.path.join(bench.folder, "busy.py")
    for name, program, turns, bar in (("computes", COMPUTING, 150, 1.02), ("works on texts", TEXTS, 100, 1.02),
                                      ("fills gigabytes of fresh memory", GREEDY, 30, None)):
        with open(path, "w") as f:
            f.write(SLICES.replace("    WORK\n", program.lstrip("\n")).replace("TURNS", str(turns)))
        for number, (way, commands) in enumerate(WAYS):
            on, off = by_turns(bench, python, path, commands)
            bench.add("%s, %s" % ("the same" if number else "a program that " + name, way), "%.1f ms" % (1000 * on),
                      "without, in GDB: %.1f ms" % (1000 * off), on / off, None if number else bar)
    with open(path, "w") as f:
        f.write(SLICES.replace("WORK", "pass").replace("TURNS", "1"))
    took = [elapsed(debugger.arguments(["--args", python, path], commands), bench.folder,
                    debugger.environment(bench.build)) for commands in ([PY_BREAK, "run"], ["run"])]
    bench.add("that py-break, until the function is there", "%.2f s" % took[0], "without, in GDB: %.2f s" % took[1],
              took[0] / took[1])
