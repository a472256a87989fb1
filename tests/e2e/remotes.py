"""Processes that GDB reaches through a connection: gdbserver, Valgrind, rr. Each check returns problems."""
import json
import os
import re
import shutil
import subprocess
import time

import debugger
import harness
from stage import Skip

CHECKS = {}
# What has no place in a process of another machine says so.
REFUSED = {"py-catch-oom": "py-catch-oom is for processes of this machine, and GDB is connected to another",
           "py-tests": "py-tests is for processes of this machine, and GDB is connected to another"}
COMMANDS = ("py-info", "py-count", "py-growth", "py-mark a", "py-objects Session -limit 3", "py-show Session#1",
            "py-sizeof Session#1", "py-refs Session#1", "py-backrefs Session#1", "py-path Session#1",
            "py-retained -limit 3", "py-suspects", "py-report", "py-strings -limit 3",
            "py-sql 'select count(*) from objects'", "py-leaks -limit 3", "py-refcounts -limit 3", "py-memory",
            "py-arenas", "py-malloc", "py-stacks -locals", 'print $py_count("__main__.Session")', "print $py_rss() > 0")


def check(function):
    CHECKS[function.__name__] = function
    return function


def need(program):
    if not shutil.which(program):
        raise Skip("there is no %s here" % program)
    return program


def server(work, *options):
    """A command for GDB: a gdbserver of its own, attached to the workload, ends with the connection."""
    return "target remote | %s --once --attach - %d" % (" ".join((need("gdbserver"),) + options), work.pid)


def answers(text):
    """[(command, what it printed)]"""
    parts = [part.partition("\n") for part in ("\n" + text).split("\n(gdb) ")[1:]]
    return [(command, rest) for command, _, rest in parts]


def parsed(text):
    """The JSON in the last answer."""
    return json.loads(answers(text)[-1][1])


def rows(text):
    return sorted((row["type"], row["count"], row["bytes"]) for row in parsed(text)["rows"])


@check
def gdbserver_counts_as_here(stage):
    """Each type's count and bytes, and the ledger's total, are those of the process when GDB is attached to it."""
    work, problems = stage.leak(), []
    here = rows(stage.gdb(["-p", str(work.pid)], "py-count -json"))
    for target in ("target remote", "target extended-remote"):
        away = rows(stage.gdb([], server(work).replace("target remote", target), "py-count -json"))
        other = len(set(here) ^ set(away))
        problems += ["%s: %d rows of %d differ" % (target, other, len(here))] if other else []
    book = parsed(stage.gdb([], server(work), "py-memory -json"))
    if book["process"]["rss"] != book["total"]["resident"]:
        problems.append("py-memory: %s of RSS %s" % (book["total"]["resident"], book["process"]["rss"]))
    return problems


@check
def gdbserver_takes_all_commands(stage):
    """None fails, but those that say why; what py-save wrote opens; no temporary file is left."""
    work, saved = stage.leak(), stage.path("remote.memext")
    folder = stage.path("remote-tmp")
    os.mkdir(folder)
    commands = COMMANDS + tuple(REFUSED) + ("py-save " + saved, "py-export %s.json" % saved)
    text = stage.gdb([], server(work), *commands, extra={"TMPDIR": folder})
    problems = []
    for command, said in answers(text):
        wanted = REFUSED.get(command)
        failed = wanted not in said if wanted else "memext: " in said or "incomplete" in said or not said.strip()
        if failed and not command.startswith(("target", "py-mark", "py-save")):
            problems.append("%s: %s" % (command, said[:300]))
    problems += ["left behind: %s" % os.listdir(folder)] if os.listdir(folder) else []
    again = stage.gdb([], "py-open " + saved, 'print $py_count("__main__.Session")')
    return problems + ([] if "= 2000" in again else [again])


@check
def gdbserver_stops_at_a_python_function(stage):
    """py-break in a program that gdbserver starts, then growth between two stops."""
    program = os.path.join(harness.TESTS, "demo", "leak.py")
    served = "target remote | %s --once - %s %s 3" % (need("gdbserver"), stage.python, program)
    text = stage.gdb([], served, "py-break __main__.handle -count 1", "continue", "py-stacks", "py-count Session",
                     "break getppid", "continue", "py-mark before", "continue", "py-growth -since before -limit 3")
    wanted = ("handle (", "+1,000  ")
    return ["%r is not in: %s" % (one, text[-3000:]) for one in wanted if one not in text]


@check
def gdbserver_and_a_process_that_ends(stage):
    """One sentence, no wrong counts, once the process or the connection is gone."""
    work = stage.leak()
    text = stage.gdb([], server(work), "py-count Session", "kill", "py-count Session")
    gone = stage.gdb([], server(stage.leak()), "py-count Session", "disconnect", "py-count Session")
    said = [answers(one)[-1][1].strip() for one in (text, gone)]
    return ["after the end: %s" % one for one in said
            if not re.match(r"memext: (the process has exited|no process)", one)]


def namespaces():
    """A mount namespace of its own, where the caller may make one."""
    command = ["unshare", "--mount", "--fork", "--kill-child"]
    done = subprocess.run(command + ["true"], stderr=subprocess.PIPE)
    if done.returncode:
        raise Skip("no namespaces here: " + done.stderr.decode().strip())
    return command


@check
def gdbserver_of_a_machine_with_other_files(stage):
    """The interpreter is nowhere on GDB's machine: it is fetched."""
    folder = stage.path("elsewhere")
    os.mkdir(folder)
    home = subprocess.check_output([stage.python, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
    inside = "mount -t tmpfs none %s && cp %s %s/otherpython && exec %s/otherpython \"$@\"" % (
        folder, os.path.realpath(stage.python), folder, folder)
    work = stage.start(*namespaces(), "sh", "-c", inside, "sh", os.path.join(harness.TESTS, "demo", "leak.py"), "2",
                       env={"PYTHONHOME": home})
    pid = child_of(work.pid)
    served = "target remote | nsenter --mount --target %d %s --once --attach - %d" % (pid, need("gdbserver"), pid)
    if os.listdir(folder):
        return ["the folder is seen from outside"]
    text = stage.gdb([], served, "py-info", "py-count Session")
    return ["%r is not in: %s" % (one, text) for one in ("otherpython", "found, and the same", "2,000")
            if one not in text]


def child_of(pid):
    """The process that unshare started."""
    for _ in range(100):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            found = file.read().split()
        if found:
            return int(found[0])
        time.sleep(0.05)
    raise RuntimeError("unshare has no child")


@check
def valgrind_gdbserver(stage):
    """Valgrind's own malloc is named; what pymalloc holds is counted."""
    need("vgdb")
    with open(stage.path("valgrind.log"), "w") as log:
        process = subprocess.Popen([need("valgrind"), "-q", "--vgdb=yes", "--vgdb-error=0", "--vgdb-prefix="
                                    + stage.path("vgdb"), stage.python, os.path.join(harness.TESTS, "demo", "leak.py"),
                                    "1"], env=harness.ambient(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=log)
    stage.running.append(process)
    for _ in range(600):
        if os.path.exists(stage.path("vgdb")) or any(name.startswith("vgdb-pipe") for name in os.listdir(stage.folder)):
            break
        time.sleep(0.1)
    text = stage.gdb([stage.python], "target remote | vgdb --wait=60 --vgdb-prefix=%s --pid=%d" % (
        stage.path("vgdb"), process.pid), "break getppid", "continue", "py-info", "py-count Session",
                     "py-path Session#7", "py-memory -limit 1")
    wanted = ("1,000  54.7 KiB  __main__.Session", "CACHE['session-", "the process has mapped", "Valgrind")
    return ["%r is not in: %s" % (one, text[-3000:]) for one in wanted if one not in text]


@check
def rr_replay(stage):
    """Where rr can record at all: the machine must count events."""
    need("rr")
    trace = stage.path("rr")
    done = subprocess.run(["rr", "record", "-o", trace, stage.python, os.path.join(harness.TESTS, "demo", "leak.py"),
                           "1"], env=harness.ambient(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=120)
    if done.returncode:
        raise Skip("rr cannot record here: " + done.stderr.decode(errors="replace").strip()[-200:])
    command = ["rr", "replay", "-d", "gdb", trace, "--"] + debugger.arguments(
        [], ["break getppid", "continue", "py-count Session"])[1:]
    text = subprocess.run(command, env=debugger.environment(stage.build), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120).stdout.decode(errors="replace")
    return [] if "1,000" in text else [text[-3000:]]
