"""memext and the target: what it finds wrong in it, and that it leaves it as it is. Each returns problems."""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

import debugger
import harness
from checks import TOP_KEYS, check, json_of, keys_wrong

SNAPSHOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshot.py")
PT_LOAD = 1

# What each command is tried with on a process that stands; those that let it run have no line here.
TOUCHED = {
    "py-info": ["", "-verify"], "py-count": ["-limit 3", "-gc -json"], "py-growth": ["", "-peek"],
    "py-mark": ["here", "-list"], "py-objects": ["Session -limit 3", "Session -sort retained -limit 2"],
    "py-show": ["__main__.CACHE", "Session#0"], "py-sizeof": ["__main__.CACHE"], "py-refs": ["__main__.CACHE"],
    "py-backrefs": ["Session#0"], "py-path": ["Session#0"], "py-retained": ["-limit 3", "__main__.CACHE"],
    "py-suspects": [""], "py-report": ["-o report.html"], "py-strings": ["-limit 3"],
    "py-sql": ["SELECT count(*) FROM refs"], "py-save": ["x.memext"], "py-open": ["-close"],
    "py-export": ["x.heapsnapshot"], "py-leaks": ["-limit 3"], "py-refcounts": ["-limit 3"], "py-memory": [""],
    "py-arenas": [""], "py-malloc": [""], "py-stacks": ["", "-native"], "py-break": ["handle"],
    "py-catch-oom": [""],
}
RUNNING = ("py-tests",)


def failed(rows):
    """But reference counts: objects on their way between two holders are no damage."""
    return [row for row in rows if row["failed"] and row["check"] != "refcounts"]


@check
def verify_finds_nothing_wrong(stage):
    """Live, in both kinds of core, and in a saved target, whose figures are its core's."""
    saved, problems = stage.path("verified.memext"), []
    stage.gdb(["-c", stage.gcore()], "py-save " + saved)
    text = stage.gdb([], "py-open " + saved, "py-info -verify -json")
    answers = {"live": json_of(stage, "py-info -verify -json", ["-p", str(stage.leak().pid)]),
               "core": json_of(stage, "py-info -verify -json", ["-c", stage.core()]),
               "gcore": json_of(stage, "py-info -verify -json", ["-c", stage.gcore()]),
               "saved": json.loads(text[text.index('{"schema"'):])}
    for name, answer in answers.items():
        total = answer["total"]
        problems += keys_wrong(name, answer, TOP_KEYS)
        problems += keys_wrong(name, total, {"checked": int, "failed": int, "exact": float, "verdict": str,
                                             "line": str})
        problems += ["%s: %s" % (name, row) for row in failed(answer["rows"])]
        if total["verdict"] != "consistent" or total["checked"] < 50000 or "/" in total["line"]:
            problems.append("%s: %s" % (name, total))
    if [row["checked"] for row in answers["saved"]["rows"]] != [row["checked"] for row in answers["gcore"]["rows"]]:
        problems.append("the saved target has other figures than its core")
    return problems


def file_offset(core, address):
    """Where the core has the byte at `address`."""
    with open(core, "rb") as file:
        header = file.read(64)
        start, = struct.unpack_from("<Q", header, 32)
        count, = struct.unpack_from("<H", header, 56)
        file.seek(start)
        for _ in range(count):
            kind, _, offset, base, _, size, _, _ = struct.unpack("<IIQQQQQQ", file.read(56))
            if kind == PT_LOAD and base <= address < base + size:
                return offset + address - base
    raise KeyError("%#x is not in %s" % (address, core))


def damaged(stage, name, address, word):
    """The core, with another word at `address`."""
    path = stage.path(name)
    shutil.copy(stage.gcore(), path)
    with open(path, "r+b") as file:
        file.seek(file_offset(path, address))
        file.write(struct.pack("<Q", word))
    return path


@check
def verify_finds_damage(stage):
    """A length, a link of the collector's list and a reference, each by the check that is for it."""
    problems = []
    found = json_of(stage, "py-objects list -sort size -limit 1 -json", ["-c", stage.gcore()])["rows"][0]
    instance = json_of(stage, "py-objects Session -limit 1 -json", ["-c", stage.gcore()])["rows"][0]
    listed, session = int(found["addr"], 16), int(instance["addr"], 16)
    for name, address, word, at in (("sizes", listed + 16, 1 << 40, found["addr"]),
                                    ("gc-lists", listed - 16, listed + 64, None)):
        core = damaged(stage, name + ".core", address, word)
        answer = json_of(stage, "py-info -verify -json", ["-c", core])
        row = [row for row in answer["rows"] if row["check"] == name][0]
        if not row["failed"] or row["example"] != at or answer["total"]["verdict"] == "consistent":
            problems.append("%s: %s, %s" % (name, row, answer["total"]["verdict"]))
    core = damaged(stage, "freed.core", session, 0)
    answer = json_of(stage, "py-info -verify -json", ["-c", core])
    if not failed(answer["rows"]):
        problems.append("freed: nothing failed")
    return problems


def resumes(work):
    """Problems of a process that should run: nobody holds it, and it does what it is told."""
    with open("/proc/%d/status" % work.pid) as file:
        status = file.read()
    if "TracerPid:\t0\n" not in status:
        return ["somebody still traces it"]
    try:
        work.command("")
    except (RuntimeError, OSError) as error:
        return ["it does not go on: %s" % error]
    return []


def registered():
    """Names of memext's commands, as GDB's help lists them."""
    sys.path.insert(0, os.path.join(harness.ROOT, "gdbext"))
    folder = os.path.join(harness.ROOT, "gdbext", "memext", "commands")
    names = set()
    for entry in os.listdir(folder):
        with open(os.path.join(folder, entry)) as file:
            names |= {line.split('"')[1] for line in file if line.startswith('    name = "py-')}
    return names


@check
def no_command_touches_the_process(stage):
    """Memory and registers before and after each command; at the end it runs on as if nothing had been."""
    problems = ["%s is not tried" % name for name in sorted(registered() - set(TOUCHED) - set(RUNNING))]
    work, commands = stage.leak(1), ["source " + SNAPSHOT, "snapshot start"]
    for name in sorted(TOUCHED):
        for arguments in TOUCHED[name]:
            commands += [("%s %s" % (name, arguments)).strip(), "compare start"]
    text = stage.gdb(["-p", str(work.pid)], *commands)
    pieces = text.split("(gdb) ")
    for before, piece in zip(pieces, pieces[1:]):
        if piece.startswith("compare") and piece.strip() != "compare start\nidentical":
            problems.append("after %s: %s" % (before.splitlines()[0], piece[:300]))
    compared = sum(piece.startswith("compare") for piece in pieces)
    if compared != sum(map(len, TOUCHED.values())):
        problems.append("%d comparisons: %s" % (compared, text[-500:]))
    return problems + resumes(work)


@check
def a_touched_process_would_be_seen(stage):
    """The witness of the check above is no blind one."""
    work = stage.leak(1)
    text = stage.gdb(["-p", str(work.pid)], "source " + SNAPSHOT, "snapshot start", 
                     "python gdb.execute('scribble %d' % (int(gdb.parse_and_eval('$sp')) - 4096))", "compare start",
                     "python gdb.execute('scribble %d' % (int(gdb.parse_and_eval('$sp')) - 4096))", "compare start",
                     "set $r15 = $r15 ^ 1", "compare start", "set $r15 = $r15 ^ 1")
    answers = [piece.splitlines()[1] for piece in text.split("(gdb) ") if piece.startswith("compare")]
    kinds = [answer.split(":")[0] for answer in answers]
    return ([] if kinds == ["memory", "identical", "registers"] else ["%s: %s" % (kinds, text)]) + resumes(work)


@check
def a_killed_gdb_leaves_the_process_running(stage):
    """In the middle of a command, when it cannot clean up."""
    problems = []
    for command in ("py-count", "py-report -o killed.html", "py-catch-oom"):
        work = stage.leak(1)
        line = debugger.arguments(["-p", str(work.pid)], ["py-info", command, "python import time; time.sleep(60)"])
        gdb = subprocess.Popen(line, cwd=stage.folder, env=debugger.environment(stage.build), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = b""
        while b"(gdb) " + command.encode() not in seen and gdb.poll() is None:
            seen += os.read(gdb.stdout.fileno(), 65536)
        time.sleep(0.05)
        os.kill(gdb.pid, signal.SIGKILL)
        gdb.wait()
        gdb.stdout.close()
        problems += ["%s: %s" % (command, problem) for problem in resumes(work)]
    return problems
