"""What GDB shows is GDB's to write: nothing of memext's goes to the process's own stdout or stderr, nothing waits for
an answer in a batch, and CPython's python-gdb.py may stand beside it. Each check returns problems."""
import glob
import os
import pty
import re
import select
import signal
import time

import debugger
from stage import Skip

CHECKS = {}
COMMANDS = ("py-info", "py-count", "py-growth", "py-mark a", "py-objects dict", "py-show __main__.SHOP",
            "py-sizeof -retained __main__.CACHE", "py-refs __main__.SHOP", "py-backrefs Session#7",
            "py-path Session#7", "py-retained", "py-suspects", "py-report", "py-strings", "py-memory", "py-arenas",
            "py-malloc", "py-leaks", "py-refcounts", "py-stacks -locals -native", "py-sql SELECT count(*) FROM refs",
            "py-sql SELECT nosuch", "py-export FOLDER/quiet.sqlite", "py-save FOLDER/quiet.memext",
            "py-report FOLDER/quiet.html", "py-backrefs Session#7 -o FOLDER/quiet.svg", "py-break", "memext",
            "py-growth -since FOLDER/text", "py-open FOLDER/text", "py-open FOLDER/quiet.memext", "py-count",
            "py-open -close")
# Runs each command with stdout and stderr of the process on a file of their own: GDB's own output goes into a string.
WATCH = """
import os, gdb
def watched(command):
    saved = os.dup(1), os.dup(2)
    file = os.open(%r, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1); os.dup2(file, 2)
    try:
        said = gdb.execute(command, to_string=True)
    except gdb.error as error:
        said = str(error)
    finally:
        os.dup2(saved[0], 1); os.dup2(saved[1], 2)
        for one in saved: os.close(one)
    os.lseek(file, 0, 0)
    stray = os.read(file, 500)
    os.close(file)
    print('%%s: %%d said%%s' %% (command, len(said), ', stray %%r' %% stray if stray else ''))
"""


def check(function):
    CHECKS[function.__name__] = function
    return function


def stray(stage, what, target):
    """Bytes that went to the process's own files."""
    script = stage.path("watch.py")
    with open(script, "w") as f:
        f.write(WATCH % stage.path("stray"))
    with open(stage.path("text"), "w") as f:
        f.write("no core\n" * 100)
    commands = [command.replace("FOLDER", stage.folder) for command in COMMANDS]
    text = stage.gdb(target, "source " + script, *["python watched(%r)" % command for command in commands])
    said = re.findall(r"^(?:py-|memext).*: [0-9]+ said.*$", text, re.MULTILINE)
    problems = ["%s: %s" % (what, line) for line in said if ", stray " in line or ": 0 said" in line]
    return problems if len(said) == len(commands) else problems + ["%s: %d of %d commands ended: %s" % (
        what, len(said), len(commands), text[-500:])]


@check
def nothing_goes_around_gdb(stage):
    return (stray(stage, "core", ["-c", stage.core()]) + stray(stage, "cut core", ["-c", stage.cut(60)])
            + stray(stage, "live", ["-p", str(stage.leak().pid)]))


@check
def batches_fail_where_memext_does(stage):
    """The status is that of the last -ex, and a script ends at its first error."""
    script = stage.path("fails.gdb")
    with open(script, "w") as f:
        f.write("py-count nosuchtype\necho still here\\n\n")
    problems = []
    for status, commands in ((0, ["py-count"]), (1, ["py-count nosuchtype"]), (1, ["py-count -nosuch"]),
                             (0, ["py-count -nosuch", "py-count"]), (1, ["source " + script])):
        text, found = debugger.run(stage.build, ["-c", stage.core()], commands, stage.folder)
        if found != status or "still here" in text or "Python Exception" in text:
            problems.append("%r ended with %d: %s" % (commands, found, text[-300:]))
    return problems


def at_a_terminal(stage, seconds, *options):
    """What gdb -batch prints to a terminal that nobody types at, and its status; None where it waits."""
    line = ["gdb", "-nx", "-q", "-batch"] + list(options)
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(line[0], line, dict(debugger.environment(stage.build), TERM="xterm",
                                       DEBUGINFOD_URLS="http://localhost:1"))
    seen, end, status = b"", time.monotonic() + seconds, None
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            seen += data
            if not data:
                break
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return seen.decode(errors="replace"), os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


@check
def batches_at_a_terminal_do_not_wait(stage):
    """Neither for an answer on debuginfod, nor for a pager; and a small screen and colours are no trouble."""
    problems = []
    for settings in ((), ("-iex", "set height 5"), ("-iex", "set confirm off"), ("-iex", "set style enabled on")):
        text, status = at_a_terminal(stage, 60, *settings, "-x", debugger.MEMEXT, "-c", stage.core(), "-ex",
                                     "py-count -limit 0", "-ex", "py-report")
        if status != 0 or "Suspects" not in text:
            problems.append("%r: %r, %s" % (settings, status, text[-300:]))
    return problems


def python_gdb():
    named = os.environ.get("MEMEXT_PYTHON_GDB")
    found = [named] if named else sorted(glob.glob("/usr/share/gdb/auto-load/usr/bin/python3*[0-9]-gdb.py"))
    if not found:
        raise Skip("no python-gdb.py is here (Debian's python3-dbg has it; MEMEXT_PYTHON_GDB names another)")
    return found[0]


@check
def python_gdb_stands_beside_it(stage):
    """Whichever comes first: no noise, memext's answers are the same, and py-bt, py-list, py-print stay CPython's."""
    other = python_gdb()
    asked = ("py-count __main__.Session", "py-show __main__.SHOP", "py-stacks -native", "py-report")
    target = ["-p", str(stage.leak().pid)]
    alone = stage.gdb(target, *asked)
    problems = []
    for files in ((debugger.MEMEXT, other), (other, debugger.MEMEXT)):
        text = stage.gdb(target, *["source " + path for path in files] + list(asked) + [
            "help py-bt", "help py-list", "help py-print", "py-bt"], memext=False)
        _, _, text = text.partition("(gdb) source " + files[1] + "\n")
        mine, _, theirs = text.partition("(gdb) help py-bt\n")
        if mine != alone:
            problems.append("after %s: %s instead of %s" % (os.path.basename(files[0]), mine[:800], alone[:800]))
        if "Undefined" in theirs or "memext" in theirs or "Display the current python frame" not in theirs:
            problems.append("py-bt and the like are not CPython's: " + theirs[:500])
    return problems
