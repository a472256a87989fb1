# SPDX-License-Identifier: Apache-2.0
"""py-catch-oom: stop where memory runs out, say what holds it, and keep a core."""
import os
import signal
import time

import gdb

import _memext

from .. import exhaustion, guard, parameters, registers, report, session, table
from ..answer import Answer
from ..command import Command, emit, explain, new_progress
from ..options import Option, UsageError
from ..references import ending_of
from ..session import SESSION
from .report import ENDINGS, RESIDENT, about, suspect_rows

# C functions on the way to the refused call, and Python's, that are named.
C_NAMES, C_FRAMES, C_WIDTH, PYTHON_FRAMES = 5, 12, 100, 4
SUSPECTS_SHOWN = 3


class CatchOom(Command):
    name = "py-catch-oom"
    summary = "Stop where the process runs out of memory, before anything is freed, and say what holds it."
    details = ("Out of memory is where the kernel refuses some (ulimit -v, RLIMIT_DATA, overcommit), or with -at\n"
               "a resident size, for machines and containers that would kill the process. Type it before run, or\n"
               "once the process stands. At the stop the core is written first, then the verdict is told; the\n"
               "guard is off from then on. Until then the process runs at full speed.")
    examples = ("py-catch-oom", "py-catch-oom -core oom.core -report oom.html",
                "py-catch-oom -at 1800M -save oom.memext",
                "gdb -batch -x memext.py -ex 'py-catch-oom -core oom.core' -ex run --args python3 -m pytest")
    options = (Option("at", "size", "stop also when the process has so much resident memory"),
               Option("core", "file", "write a core to FILE at the stop (gcore)"),
               Option("report", "file", "write py-report's page at the stop", value="FILE.html"),
               Option("save", "file", "write a saved target at the stop (py-save)", value="FILE.memext"),
               Option("go-on", "flag", "let the process run on after that, into its MemoryError"),
               Option("syscalls", "flag", "notice each system call, which is slower: for another C library than glibc"),
               Option("off", "flag", "do not stop any more"))

    def __init__(self):
        super().__init__()
        self.guard = None

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-catch-oom takes options only, such as: py-catch-oom -core FILE")
        was_armed = self.disarm()
        if arguments.off:
            return self.armed_answer("off" if was_armed else "was not armed", arguments)
        wanted = Wanted(arguments)
        alive = is_process()
        if alive and wanted.at and exhaustion.resident(gdb.selected_inferior().pid) >= wanted.at:
            raise UsageError("the process has %s already: -at takes a larger size" % parameters.size(
                exhaustion.resident(gdb.selected_inferior().pid)))
        self.guard = guard.Guard(lambda failure: self.stopped(failure, wanted), self.ended, wanted.at,
                                 arguments.syscalls)
        if alive:
            self.set_now()
        return self.armed_answer("armed: %s" % ("continue" if alive else "run the program"), arguments)

    def set_now(self):
        try:
            self.guard.set()
        except BaseException:
            self.disarm()
            raise

    def disarm(self):
        """Whether it was armed."""
        armed, self.guard = self.guard, None
        if armed:
            armed.disarm()
        return armed is not None

    def armed_answer(self, text, arguments):
        answer = Answer(self.name, {}, True, [])
        answer.total = {"armed": self.guard is not None, "at": self.guard.at if self.guard else None,
                        "core": arguments.core, "report": arguments.report, "save": arguments.save}
        answer.lines = ["py-catch-oom: " + text]
        if self.guard and self.guard.catchpoint:
            answer.lines.append("every system call of the process is noticed, which slows it down%s" % (
                "" if arguments.syscalls else ": this C library is not known"))
        return answer

    def stopped(self, failure, wanted):
        """The process stands where memory ran out. Nobody called: what goes wrong here is said, not raised."""
        self.guard = None
        progress = new_progress(True)
        try:
            tell(failure, wanted, progress)
        except KeyboardInterrupt:
            emit("py-catch-oom: interrupted; the process still stands where memory ran out\n")
            return
        finally:
            if progress:
                progress.clear()
        if wanted.go_on:
            gdb.execute("continue")
        else:
            emit("py-catch-oom: nothing is freed yet: py-report and all others look at this moment; continue runs on\n")

    def ended(self, event):
        """The process is gone, and memory did not run out: armed for the next run."""
        if hasattr(event, "exit_code"):
            text = "the process ended without running out of memory"
        elif gdb.convenience_variable("_exitsignal") == signal.SIGKILL:
            text = ("the process was killed before any memory was refused. If the kernel did it: py-catch-oom -at SIZE "
                    "stops before")
        else:
            return
        emit("py-catch-oom: %s\n" % text)


class Wanted:
    """What to do at the stop; a UsageError where that cannot work."""

    def __init__(self, arguments):
        self.at = arguments.at or 0
        if arguments.at == 0:
            raise UsageError("-at takes a size such as 600M or 1.5G, not 0")
        self.go_on = arguments.go_on
        self.core, self.report, self.save = (os.path.abspath(os.path.expanduser(path)) if path else None for path in (
            arguments.core, arguments.report, arguments.save))
        if self.report and ending_of(self.report) not in ENDINGS:
            raise UsageError("-report FILE ends in .html, .json or .txt: `%s' does not" % arguments.report)
        for path in filter(None, (self.core, self.report, self.save)):
            check_place(path)


def check_place(path):
    """Better now than when memory has run out."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise UsageError("there is no folder %s for %s" % (folder, os.path.basename(path)))
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise UsageError("cannot write %s" % path)


def is_process():
    """Whether a process is there already; a UsageError where what is there cannot run out of memory."""
    inferior = gdb.selected_inferior()
    kind = session.connection_type(inferior)
    if kind == "core":
        raise UsageError("py-catch-oom is for a process that runs, this is a core: py-report says what it holds")
    if kind and kind != "native":
        raise UsageError(session.AWAY % "py-catch-oom")
    if kind and inferior.pid and session.is_running():
        raise UsageError(session.RUNNING)
    return bool(kind and inferior.pid)


def tell(failure, wanted, progress):
    """All that is said and written at the stop. The core first: it is what must not be lost."""
    if SESSION.is_saved:
        SESSION.close_saved()
    emit("".join(line + "\n" for line in stop_lines(failure, wanted)))
    attempt(lambda: emit("".join(line + "\n" for line in python_lines())), "the Python stack is not known")
    if wanted.core:
        attempt(lambda: write_core(wanted.core), "the core was not written")
    attempt(lambda: emit_behind(progress, list(verdict_lines(progress))), "no verdict")
    if wanted.save:
        attempt(lambda: write_saved(wanted.save, progress), "nothing was saved")
    if wanted.report:
        attempt(lambda: gdb.execute("py-report %s" % quoted(wanted.report)), "no report was written")


def emit_behind(progress, lines):
    """The lines, in the place of what `progress` shows."""
    progress.clear()
    emit("".join(line + "\n" for line in lines))


def attempt(work, otherwise):
    """The other parts are done even where one cannot be."""
    try:
        work()
    except KeyboardInterrupt:
        raise
    except Exception as error:
        text = str(error) if isinstance(error, gdb.GdbError) else str(explain(error))
        emit("py-catch-oom: %s: %s\n" % (otherwise, text.replace("memext: ", "", 1)))


def quoted(path):
    return '"%s"' % path.replace("\\", "\\\\").replace('"', '\\"')


def stop_lines(failure, wanted):
    """What happened, where."""
    size = parameters.size
    pid, thread = gdb.selected_inferior().pid, gdb.selected_thread().ptid[1]
    memory = exhaustion.Memory(pid)
    if failure:
        yield "py-catch-oom: memory ran out: %s" % failure.sentence(size)
    else:
        yield "py-catch-oom: the process reached %s of resident memory (-at %s)" % (size(memory.resident),
                                                                                  size(wanted.at))
    names, from_malloc = callers() if failure else (python_side(gdb.newest_frame()), False)
    yield from table.fields([
        ("  why", memory.reason(failure, size) if failure else None),
        ("  for", failure.purpose(from_malloc) if failure else None),
        ("  process", "%d, thread %d: %s resident%s" % (
            pid, thread, size(memory.resident), ", %s swapped" % size(memory.swapped) if memory.swapped else "")),
        ("  C", chain(names))])


def chain(names):
    """As many of the callers as fit a line."""
    shown = [name for end, name in enumerate(names, 1) if len(" < ".join(names[:end])) <= C_WIDTH]
    return " < ".join(shown + (["…"] if len(shown) < len(names) else []))


def callers():
    """(C functions on the way to a refused call, innermost first; whether the C library itself asked)."""
    here, inside = gdb.newest_frame(), 0
    library = gdb.solib_name(here.pc())
    while here and gdb.solib_name(here.pc()) == library:
        here, inside = here.older(), inside + 1
    # The function that was refused is one frame, malloc and its parts are more.
    return python_side(here), inside > 1


def python_side(frame):
    """Names of C functions from `frame` on, as far as the stack can be unwound."""
    names = []
    try:
        for _ in range(C_FRAMES):
            if not frame:
                break
            names += [frame.name()] if frame.name() else []
            frame = frame.older()
    except gdb.error:
        pass
    return names[:C_NAMES]


def write_core(path):
    """Beside its place first: what GDB could not finish must not look like a core."""
    need, free = exhaustion.resident(gdb.selected_inferior().pid), exhaustion.free_space(path)
    if need > free:
        raise UsageError("it takes some %s, and %s has %s free" % (parameters.size(need), os.path.dirname(path),
                                                                   parameters.size(free)))
    part, began = "%s.%d.part" % (path, os.getpid()), time.monotonic()
    try:
        gdb.execute("generate-core-file %s" % part, to_string=True)
        check_core(part)
        os.replace(part, path)
    except OSError as error:
        raise UsageError("cannot write %s: %s" % (path, error.strerror))
    finally:
        if os.path.exists(part):
            # GDB keeps open what it could not finish: removed alone, it would still fill the disk.
            os.truncate(part, 0)
            os.remove(part)
    emit("wrote %s (%s in %.1f s)\n" % (path, parameters.size(os.path.getsize(path)), time.monotonic() - began))


def check_core(path):
    """GDB does not say so when a disk became full."""
    try:
        core = _memext.open_core(path, **parameters.paths())
    except _memext.Error:
        raise UsageError("GDB could not finish it: is the disk full?")
    missing = core.info()["missing_bytes"]
    core.close()
    if missing:
        raise UsageError("GDB could not write %s of it: is the disk full?" % parameters.size(missing))


def write_saved(path, progress):
    saved = SESSION.target().save(SESSION.heap(progress), path, progress=progress)
    emit("wrote %s (%s for %s of memory): py-open opens it\n" % (
        path, parameters.size(saved["bytes"]), parameters.size(saved["memory"])))


def verdict_lines(progress):
    """The verdict and the first suspects of py-report."""
    found = report.Report("", (SESSION.resident(), RESIDENT), True, parameters.size)
    retained = SESSION.retained(progress)
    found.about, found.retained = about(), retained.info()
    found.suspects, found.total = suspect_rows(retained, None, progress)
    found.suspects = found.suspects[:SUSPECTS_SHOWN]
    heap = SESSION.heap_info()
    found.complete = heap["complete"] and not SESSION.info()["missing_bytes"]
    yield ""
    yield from report.wrap(report.verdict(found))
    yield from report.section("Suspects", report.suspect_lines(found))
    yield ""


def python_lines():
    """The innermost Python frames of the thread that GDB has selected."""
    stacks = SESSION.target().stacks(frames=PYTHON_FRAMES)
    handle = registers.thread_identity()
    for stack in stacks:
        if stack["thread_id"] == handle:
            for function, file, line, _code, _locals in stack["frames"]:
                yield "  Python   %s:%d in %s" % (file, line, function)
            if stack["hidden"]:
                yield "           … and %s" % table.plural(stack["hidden"], "more frame")
