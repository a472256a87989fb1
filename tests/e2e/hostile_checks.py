"""memext and the target: what it finds wrong in it, and that it leaves it as it is. Each returns problems."""
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import debugger
import harness
from checks import TOP_KEYS, check, json_of, keys_wrong
from stage import Skip

sys.path.append(os.path.join(harness.TESTS, "fuzz"))
import cores  # noqa: E402
import seeds  # noqa: E402

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
    for path in glob.glob(os.path.join(folder, "*.py")):
        with open(path) as file:
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


# ---- a core that names what must not be touched ----

TRACED = "execve,execveat,open,openat,creat,connect,unlink,unlinkat,rename,renameat,renameat2,symlinkat,mkdir,kill"
CALL = re.compile(r'^\d+ +(\w+)\((?:AT_FDCWD, )?(?:"((?:[^"\\]|\\.)*)")?(.*)\) += (-?\d+)', re.MULTILINE)
ASKED = ("py-info", "py-count -limit 3", "py-stacks -native", "py-memory", "py-report -o report.html",
         "py-save saved.memext")
# Of this machine, and of GDB's own making.
OWN_FILES = ("/dev/tty", "/dev/null", "/proc/")


def bait(folder):
    """Files that a core may name: {path: whether it may be opened to be looked at}."""
    script, pipe, link = (os.path.join(folder, name) for name in ("libscript.so", "libpipe.so", "liblink.so"))
    with open(script, "w") as file:
        file.write("#!/bin/sh\ntouch %s/was-run\n%s" % (folder, "# long enough for an ELF file\n" * 10))
    os.chmod(script, 0o755)
    os.mkfifo(pipe)
    os.symlink(pipe, link)
    command = os.path.join(folder, "x`touch was-run`;$(touch was-run)|touch was-run")
    shutil.copy("/bin/true", command)
    return {script: True, command: True, pipe: False, link: False, folder: False, "/dev/zero": False,
            "/dev/watchdog": False, "/dev/tty": False, "|/bin/sh -c 'touch was-run'": False}


def hostile_core(stage, folder):
    """Its interpreter is another program by now, and its mappings have names of all kinds."""
    path, copy = stage.core_of_copied_python("traced-python")
    shutil.copy("/bin/true", copy)
    named = bait(folder)
    core, at = cores.Core(path), 0x10000000000
    files = seeds.files([(at + i * 8192, at + i * 8192 + 4096, 0, name.encode()) for i, name in enumerate(named)])
    core.write(path, core.rebuilt(core.notes() + files))
    return path, dict(named, **{copy: True})


def traced_calls(stage, folder, core):
    """(name, path, other arguments, result) of each call from the core's opening on: before, GDB asks iconv what it
    knows."""
    log = stage.path("trace")
    commands = ["py-open " + core] + list(ASKED)
    line = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=" + TRACED, "-o", log]
    done = subprocess.run(line + debugger.arguments([], commands), cwd=folder, stdin=subprocess.DEVNULL,
                          env=debugger.environment(stage.build), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with open(log, errors="replace") as file:
        calls = [(name, path, rest, int(result)) for name, path, rest, result in CALL.findall(file.read())]
    first = next((i for i, call in enumerate(calls) if call[1] == core), len(calls))
    return calls[first:], done.stdout.decode(errors="replace")


@check
def a_hostile_core_is_only_read(stage):
    """Traced: nothing is executed, no file is written but the answers, of the named ones only regular ones are opened,
    and the one that is another program by now is not used."""
    if not shutil.which("strace"):
        raise Skip("there is no strace here")
    folder = stage.path("traced")
    os.mkdir(folder)
    core, named = hostile_core(stage, folder)
    calls, text = traced_calls(stage, folder, core)
    opened = [call for call in calls if call[0] in ("open", "openat", "creat") and call[3] >= 0]
    problems = [] if opened else ["no calls were traced: " + text[-500:]]
    problems += ["%s was executed" % call[1] for call in calls if call[0].startswith("exec")]
    problems += ["%s: %s" % call[:2] for call in calls if call[0] == "connect" and call[3] >= 0]
    problems += ["%s was opened" % path for _, path, _, _ in opened if named.get(path) is False and path != "/dev/tty"]
    for name, path, rest, _ in opened:
        writes = name == "creat" or re.search("O_(?:WRONLY|RDWR|CREAT|TRUNC)", rest)
        if writes and path.startswith("/") and not path.startswith((folder + "/",) + OWN_FILES):
            problems.append("%s was opened to be written" % path)
        elif path in named and (writes or "O_NOCTTY" not in rest or "O_NONBLOCK" not in rest):
            problems.append("%s was opened with %s" % (path, rest))
    looked_at = {path for _, path, _, _ in opened if named.get(path)}
    problems += ["%s was not looked at" % path for path in named if named[path] and path not in looked_at]
    left = sorted(set(os.listdir(folder)) - {os.path.basename(path) for path in named})
    if left != ["report.html", "saved.memext"]:
        problems.append("the folder has %s" % left)
    return problems + ([] if "differs from the one in the target" in text else [text[-1000:]])
