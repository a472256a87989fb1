"""py-catch-oom: processes that run out of memory in every way. Adds to checks.CHECKS and terminal.CHECKS."""
import os
import re
import subprocess
import time

import harness
import interpreters
import terminal
from checks import check, json_of
from stage import Skip

EXHAUST = os.path.join(harness.WORKLOADS, "exhaust.py")
FULL_MB = 40
# How it ends, what is refused, and who holds nearly all then.
HELD = "held by the (module )?global (__main__.HELD|`HELD` of module __main__)"
KINDS = {
    "small": ("MemoryError", "(mmap of|growing a block from) ", HELD),
    "dicts": ("MemoryError", "mmap of [0-9.]+ MiB failed", HELD),
    "strings": ("MemoryError", "(mmap of|growing a block from) ", HELD),
    "large_bytes": ("MemoryError", "mmap of 10.0 MiB failed", HELD),
    "doubling": ("MemoryError", "growing a block from 128 MiB to 256 MiB failed", HELD),
    "growing": ("MemoryError", "growing a block from ", "held in growing .exhaust.py"),
    "one_request": ("MemoryError", "mmap of 64.0 GiB failed", HELD),
    "arrays": ("MemoryError", "mmap of 7.63 MiB failed", HELD),
    "threads": ("RuntimeError", "mmap of 8.00 MiB failed", "the stack of a new thread"),
    "worker": ("MemoryError", "(mmap of|growing a block from) ", HELD),
}


def flat(text):
    return " ".join(text.split())


def program(stage, kind, *options, **more):
    return ["--args", more.get("python", stage.python), EXHAUST, kind] + [str(one) for one in options]


def missing(text, *patterns):
    return ["no %r in: %s" % (one, text) for one in patterns if not re.search(one, flat(text))]


def run_out(stage, kind, python=None):
    """It stops before the MemoryError, names the holder, and goes on into the MemoryError."""
    how, refused, holder = KINDS[kind]
    text = stage.gdb(program(stage, kind, "--limit", 200, python=python or stage.python), "py-catch-oom", "run",
                     "echo then\\n", "continue")
    before, _, after = text.partition("(gdb) echo")
    problems = missing(before, "memory ran out: " + refused, holder, "limited to 200 MiB .RLIMIT_AS",
                       "Python .*exhaust.py:[0-9]+ in ")
    problems += ["it went on before continue: " + before] if "ended:" in before else []
    return ["%s: %s" % (kind, problem) for problem in problems + missing(after, "ended: " + how)]


@check
def oom_in_every_way(stage):
    return [problem for kind in KINDS if kind != "arrays" for problem in run_out(stage, kind)]


@check
def oom_of_numpy(stage):
    if subprocess.call([stage.python, "-c", "import numpy"], stderr=subprocess.DEVNULL):
        raise Skip("this interpreter has no numpy (apt install python3-numpy)")
    return run_out(stage, "arrays")


@check
def oom_of_every_interpreter(stage):
    return ["%s: %s" % (one.name, problem) for one in interpreters.find() if not one.refused
            for problem in run_out(stage, "small", one.path)]


@check
def oom_files_tell_the_same(stage):
    """The core, the saved target and the page name the holder that the stop named."""
    core, page, saved = (stage.path("oom." + ending) for ending in ("core", "html", "memext"))
    text = stage.gdb(program(stage, "small", "--limit", 150),
                     "py-catch-oom -core %s -report %s -save %s" % (core, page, saved), "run", "py-count Node")
    problems = missing(text, "wrote %s" % core, "wrote %s" % page, "wrote %s" % saved, HELD)
    nodes = re.search(r"([0-9,]+) +[0-9.]+ MiB +__main__.Node", text)
    for target, commands in ((["-c", core], ()), ([], ("py-open " + saved,))):
        again = stage.gdb(target, *commands + ("py-report", "py-count Node"))
        problems += missing(again, HELD, "Every block of the heap was read", nodes.group(1) if nodes else "(?!)")
    with open(page, encoding="utf-8") as f:
        return problems + missing(f.read(), "global __main__.HELD")


@check
def oom_goes_on(stage):
    text = stage.gdb(program(stage, "dicts", "--limit", 150), "py-catch-oom -go-on", "run")
    return missing(text, "memory ran out", HELD, "ended: MemoryError")


@check
def oom_at_a_size(stage):
    text = stage.gdb(program(stage, "strings"), "py-catch-oom -at 120M", "run")
    problems = missing(text, r"reached [0-9.]+ MiB of resident memory \(-at 120 MiB\)", HELD)
    reached = re.search(r"reached ([0-9.]+) MiB", text)
    if reached and not 120 <= float(reached.group(1)) <= 180:
        problems.append("it stopped at %s MiB" % reached.group(1))
    return problems


@check
def oom_by_system_calls(stage):
    text = stage.gdb(program(stage, "small", "--limit", 150), "py-catch-oom -syscalls -go-on", "run")
    return missing(text, "memory ran out", "RLIMIT_AS", HELD, "ended: MemoryError")


@check
def oom_of_an_attached_process(stage):
    work = stage.start(stage.python, EXHAUST, "small", "--limit", "150", "--wait")
    work.send("on")
    text = stage.gdb(["-p", str(work.pid)], "py-catch-oom -at 1M", "py-catch-oom", "continue")
    return missing(text, "already: -at takes a larger size", "armed: continue", "memory ran out", HELD)


@check
def oom_that_does_not_come(stage):
    """It stays armed for the next run; -off ends that."""
    text = stage.gdb(program(stage, "small", "--until", 40), "py-catch-oom", "run", "run", "py-catch-oom -off", "run")
    said = text.count("the process ended without running out of memory")
    return [] if said == 2 and text.count("ended: filled") == 3 else ["said %d times in: %s" % (said, text)]


@check
def oom_behind_a_shell(stage):
    """Breakpoints of the program that was replaced are gone."""
    line = "exec %s %s small --limit 100" % (stage.python, EXHAUST)
    text = stage.gdb(["--args", "/bin/sh", "-c", line], "py-catch-oom", "run")
    return missing(text, "memory ran out", HELD)


@check
def oom_killed(stage):
    text = stage.gdb(["--args", stage.python, "-c", "import os; os.kill(os.getpid(), 9)"], "py-catch-oom", "run")
    return missing(text, "was killed before any memory was refused.* -at SIZE")


@check
def oom_with_a_full_disk(stage):
    """No half core is left, and the rest is told all the same: found out before, and behind GDB's back."""
    folder = stage.path("full")
    os.mkdir(folder)
    mount = ["mount", "-t", "tmpfs", "-o", "size=%dm" % FULL_MB, "none", folder]
    if subprocess.call(mount, stderr=subprocess.DEVNULL):
        raise Skip("a small file system cannot be mounted here")
    blind = "python import memext.exhaustion as e; e.free_space = lambda path: 1 << 60"
    try:
        core, saved = os.path.join(folder, "core"), os.path.join(folder, "saved")
        arm = "py-catch-oom -core %s -save %s" % (core, saved)
        problems = []
        for before, why in (("echo", "has [0-9.]+ MiB free"), (blind, "is the disk full")):
            text = stage.gdb(program(stage, "small", "--limit", 100), before, arm, "run")
            problems += missing(text, "the core was not written: .*" + why, HELD, "wrote " + saved)
            problems += ["left behind: %s" % os.listdir(folder)] if os.listdir(folder) != ["saved"] else []
        return problems
    finally:
        subprocess.call(["umount", folder])


@check
def oom_json(stage):
    answer = json_of(stage, "py-catch-oom -json -at 1.5G", program(stage, "small"))
    return [] if answer["total"]["armed"] and answer["total"]["at"] == 3 << 29 else ["%r" % answer["total"]]


@terminal.check
def oom_interrupted(stage):
    """Ctrl-C while the process runs leaves it armed; Ctrl-C in the middle of the verdict leaves the stop."""
    one = terminal.Terminal(stage, [stage.python])
    try:
        one.ask("set args %s small --limit 700" % EXHAUST)
        one.ask("py-catch-oom")
        one.send(b"run\n")
        one.read_until(b"READY", 60)
        time.sleep(0.3)
        one.send(b"\x03")
        text, _ = one.read_until(terminal.PROMPT, 60)
        problems = [] if b"SIGINT" in text else ["Ctrl-C did not stop the process: %r" % text]
        one.send(b"continue\n")
        one.read_until(b"memory ran out", 60)
        time.sleep(0.5)
        one.send(b"\x03")
        text, waited = one.read_until(terminal.PROMPT, 60)
        if b"interrupted" not in text or waited > 1:
            problems.append("Ctrl-C in the verdict, %.1f s: %r" % (waited, text))
        text, _ = one.ask("py-count Node")
        return problems + ([] if b"__main__.Node" in text else ["afterwards py-count says %r" % text])
    finally:
        one.close()
