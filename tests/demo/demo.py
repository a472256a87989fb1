"""`make demo`: a leaking program, looked at in GDB while it runs and after it died.

Prints what a user would type, and what they would see.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "e2e")]
import debugger  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402

LEAK = os.path.join(HERE, "leak.py")
LEAKY_TESTS = os.path.join(harness.TESTS, "workloads", "leaky_pytest")

def say(text=""):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def explain(text):
    say()
    say("\033[1m# %s\033[0m" % text if sys.stdout.isatty() else "# %s" % text)


def gdb(shown, target, steps, folder=harness.ROOT):
    """One GDB in batch mode. Steps are (explanation or None, command); what is printed is what GDB printed."""
    say()
    say("$ gdb -x gdbext/memext.py %s" % shown)
    line = ["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set breakpoint pending on",
            "-x", os.path.join(harness.ROOT, "gdbext", "memext.py")]
    for explanation, command in steps:
        if explanation:
            line += ["-ex", "echo \\n# %s\\n" % explanation]
        line += ["-ex", "echo (gdb) %s\\n" % command, "-ex", command]
    run = subprocess.run(line + target, env=harness.ambient(), cwd=folder, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    text = run.stdout.decode(errors="replace")
    for row in text.splitlines():
        if row.strip() and not debugger.CHATTER.match(row):
            say(("\n" if row.startswith("# ") else "") + row)
    return "memext:" not in text and "Undefined command" not in text


def on_the_live_process(python):
    return gdb("--args python3 tests/demo/leak.py 3", ["--args", python, LEAK, "3"], [
        ("The shop calls getppid() after every 1,000 requests: stop there.", "break getppid"),
        (None, "run"),
        ("The first py-growth remembers this stop.", "py-growth -limit 3"),
        ("One more round of requests ...", "continue"),
        ("... and this is what it left behind. The shop's own classes are in the list: a leak.", "py-growth -limit 8"),
        ("Which objects are new?", "py-objects -new Session -limit 3"),
        ("And what is in one of them? ($py is the first object that was listed.)", "py-show $py -depth 2"),
        (None, "kill"),
    ])


def on_the_core(python, folder, pictures):
    with harness.Workload([python, LEAK, "5"], folder) as work:
        refusal = harness.kernel_cores()
        if refusal:
            say("(this kernel leaves no core files here, so GDB's gcore makes one: %s)" % refusal)
            core = work.gcore(os.path.join(folder, "core.demo"))
        else:
            work.stop()
            core = work.abort(os.path.join(folder, "core.demo"))
    return gdb("-c core.demo", ["-c", core], [
        ("What is this a core of, and is it complete?", "py-info"),
        ("Everything on the heap, by type.", "py-count -limit 8"),
        ("Only the program's own classes.", "py-count '__main__.*'"),
        ("The first sessions in memory, with their sizes and values.", "py-objects Session -limit 3"),
        ("What a session weighs.", "py-sizeof $py"),
        ("Why is it still there? The way to it, as Python: the session cache.", "py-path $py"),
        ("Who refers to it?", "py-backrefs $py -depth 2"),
        ("The same as a picture, and as a page that unfolds in a browser.",
         "py-backrefs $py -o %s.svg" % os.path.join(pictures, "demo")),
        (None, "py-backrefs $py -o %s.html" % os.path.join(pictures, "demo")),
        ("And without being told where to look: who holds the memory, and why?", "py-suspects -limit 1"),
        ("The whole diagnosis: its verdict here, all of it as a page with a map of the memory.",
         "pipe py-report | head -n 4"),
        (None, "py-report %s" % os.path.join(pictures, "report.html")),
    ])


def on_the_tests(python):
    if subprocess.call([python, "-c", "import pytest"], stderr=subprocess.DEVNULL):
        say("(this interpreter has no pytest: apt install python3-pytest)")
        return True
    pytest = ["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return gdb("--args python3 -m pytest -q", ["--args", python] + pytest, [
        ("Which of these 46 tests leave memory behind, and who holds it?", "py-tests"),
        ("The same once more, up to the first that leaves 500 KB; what is there then is looked at closer.",
         "py-tests -stop-on-leak 500K"),
        ("Who holds what is new since the test before?", "py-suspects -since before-test -limit 1"),
        (None, "kill"),
    ], LEAKY_TESTS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    pictures = parser.parse_args().build
    os.environ["MEMEXT_LIBRARY"] = os.path.join(os.path.abspath(pictures), "gdbext")
    usable = [one for one in interpreters.find() if not one.refused]
    usable.sort(key=lambda one: not one.name.startswith("debian"))
    if not usable:
        sys.exit("memext: the demo needs a Python of 3.8 to 3.13, such as Debian's python3")
    python = usable[0].path
    explain("A small web shop (tests/demo/leak.py, Python %s) whose session cache never forgets." % usable[0].text)
    explain("1. What grows while it runs? Two stops in GDB, py-growth at each.")
    good = on_the_live_process(python)
    explain("2. And after it died? The shop aborts, the core stays: no process, no restart, the same questions.")
    with harness.Folder() as folder:
        good = on_the_core(python, folder, pictures) and good
    explain("3. And where it is a test run that grows? docs/tutorial.md has the whole story.")
    good = on_the_tests(python) and good
    explain("That was it. README.md has more; `make check` runs the tests.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
