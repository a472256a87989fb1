# SPDX-License-Identifier: Apache-2.0
"""Breakpoints at Python functions: hardware watchpoints on what every call of a function reads first.

    PyBreak  --watches-->  *$py_code("app.f")  --Function-->  the address of f's first code unit, 0 while unknown
    Importing  --stops at-->  PyEval_EvalCode(code of a module, ...)  --resolves-->  PyBreaks that are pending

A read of that unit is a call only where the interpreter goes on by it: it is read for specialising, by
instrumentation and by those who copy code, too. GDB evaluates the expression whenever the process goes on, so that a
pending one becomes a real one without another number.
"""
import re

import gdb

import _memext

from . import places, registers, remote, session
from .command import emit, explain
from .machine import DECIDES, DISPATCH, JUMP
from .options import UsageError
from .session import CONNECTIONS, OTHER, SESSION, connection_number, connection_type, process_stamp

IMPORT_FUNCTION = "PyEval_EvalCode"
NO_HARDWARE = ("this machine gives GDB no hardware watchpoints (%s): stop at C functions instead, such as "
               "`break PyErr_SetString' or `break setenv', with a condition such as if $py_count(\"app.Order\") > 1000")


def current_process():
    """Where it is, the process, and what tells it from another of its number; None without one that can run."""
    inferior = gdb.selected_inferior()
    kind = connection_type(inferior)
    try:
        if kind in CONNECTIONS and inferior.pid:
            return "remote", inferior.pid, connection_number(inferior)
        return ("live", inferior.pid, process_stamp(inferior.pid)) if kind == "native" else None
    except UsageError:
        return None


FIRST_ONLY = ("py-break: only calls in the first thread are noticed: in this free-threaded Python the other threads "
              "run copies of the code; started with -X tlbc=0 (or PYTHON_TLBC=0) they run the same")


def version_of(info):
    return tuple(int(part) for part in re.findall(r"\d+", info["python_version"])[:2])


def copies_code(info):
    """Free-threaded builds since 3.14 give each thread bytecode of its own (CPython Python/codeobject.c: co_tlbc)."""
    return info["free_threaded"] and version_of(info) >= (3, 14)


class Entries:
    """Which instructions of the interpreter read a code unit to run it as the first of a call; of one process."""

    LOOK_AHEAD = 48

    def __init__(self):
        self.known = {}
        self.inlines = True

    def reset(self, version):
        """`version`: of Python, as a tuple. Since 3.11 Python calls Python within one C frame, from several places."""
        self.known = {}
        self.inlines = version >= (3, 11)

    def is_entry(self, pc, was_running):
        if pc not in self.known:
            self.known[pc] = self.judge(pc, was_running)
        return self.known[pc]

    def judge(self, pc, was_running):
        """To 3.11 every call begins at one place of the interpreter, which the first hit shows; a jump back to a loop
        at the very start of a function comes by another place, one that jumps on straight."""
        if self.inlines:
            return self.is_dispatch(pc)
        name = gdb.selected_frame().name()
        if any(self.known.values()) or (name and "EvalFrame" not in name):
            return False
        return not (was_running and self.is_dispatch(pc))

    def is_dispatch(self, pc):
        """Whether an indirect jump follows with nothing to decide before it."""
        architecture, step = gdb.selected_frame().architecture(), registers.target_machine().step
        for _ in range(self.LOOK_AHEAD):
            instruction = architecture.disassemble(pc)[0]
            kind, target = step(instruction["asm"])
            if kind in (DISPATCH, DECIDES):
                return kind == DISPATCH
            pc = target if kind == JUMP else pc + instruction["length"]
        return False


ENTRIES = Entries()


def open_process(process):
    """A Target of what current_process() gave."""
    return remote.open_target(None, {}) if process[0] == "remote" else _memext.open_process(process[1])


class Finder:
    """The library's view of the process for looking into modules that are about to run, and for whatever else does not
    need its types as they are now; kept over many stops."""

    def __init__(self):
        self.process = self.target = None
        self.first_only = False  # to be said

    def open(self, whole=False):
        """The Target of the process as it is now. `whole`: libraries that came since are known to it, too."""
        process = current_process()
        if process != self.process or not (self.is_the_same() or not whole):
            self.close()
        if not self.target:
            self.target = open_process(process)
            self.process = process
            info = self.target.info()
            self.first_only = copies_code(info)
            ENTRIES.reset(version_of(info))
        return self.target

    def is_the_same(self):
        """Whether the process still has the libraries that it had; what was read of it is forgotten."""
        try:
            return not self.target or self.target.reread()
        except _memext.Error:
            return False

    def entry(self, path):
        """Where the code of the function under a path of names begins; None when it is not there."""
        try:
            target = self.open(whole=True)
            code = target.resolve(path + ".__code__")
            return next(row[6] for row in target.functions_of_code(code) if row[5] == code)
        except (_memext.Error, StopIteration):
            return None

    def close(self):
        if self.target:
            self.target.close()
        self.process = self.target = None


FINDER = Finder()


_CALLS = []


def quietly(make):
    """What make() returns or raises, without the lines that GDB prints of a new breakpoint."""
    results = []

    def call():
        try:
            results.append((make(), None))
        except Exception as error:
            results.append((None, error))

    _CALLS.append(call)
    gdb.execute("python import memext.pybreaks; memext.pybreaks._CALLS.pop()()", to_string=True)
    made, error = results[0]
    if error:
        raise error
    return made


def functions(rows):
    return [places.Function(*row) for row in rows]


def hardware_in_use():
    kinds = [getattr(gdb, name) for name in ("BP_HARDWARE_WATCHPOINT", "BP_READ_WATCHPOINT", "BP_ACCESS_WATCHPOINT")
             if hasattr(gdb, name)]
    return [one.number for one in gdb.breakpoints() if one.type in kinds and one.enabled and one.is_valid()]


def require_hardware():
    """UsageError when what GDB has before it does not run, or there is no debug register for one more."""
    kind = connection_type(gdb.selected_inferior())
    if kind == "core":
        raise UsageError("a core does not run: attach to the process (gdb -p PID), or start the program anew "
                         "(gdb --args python3 PROGRAM)")
    if kind not in (None, "native") + CONNECTIONS:
        raise UsageError(OTHER % kind)
    if not gdb.parameter("can-use-hw-watchpoints"):
        raise UsageError(NO_HARDWARE % "set can-use-hw-watchpoints is 0")
    used = hardware_in_use()
    most = registers.target_machine().watchpoints
    if len(used) >= most:
        raise UsageError("the processor watches %d places at most, and breakpoints %s watch them: delete or disable one"
                         % (most, ", ".join(map(str, used))))


class PyBreak(gdb.Breakpoint):
    """One py-break; GDB lists, disables and deletes it.

    `when` is a condition, `count` how many stops it makes, `does` GDB's commands behind which it goes on: it announces
    its stops itself then, for there is no other time to.
    """

    by_text = {}

    def __init__(self, place, label, when, count, does):
        self.place, self.when, self.left, self.does = place, when, count, does
        self.function = self.pid = None
        self.was_running = False
        self.label = label
        self.by_text[label] = self
        try:
            super().__init__('*$py_code("%s")' % label, gdb.BP_WATCHPOINT, gdb.WP_READ)
        except (gdb.error, RuntimeError) as error:
            del self.by_text[label]
            raise UsageError(NO_HARDWARE % error)

    @property
    def is_pending(self):
        return not self.function or self.pid != gdb.selected_inferior().pid

    def address(self):
        return 0 if self.is_pending else self.function.entry

    def set_function(self, function, was_running):
        self.function, self.pid, self.was_running = function, gdb.selected_inferior().pid, was_running
        # GDB takes the first value of an expression that changed its place for a write, unless it is set anew.
        if self.enabled:
            self.enabled = False
            self.enabled = True

    def stop(self):
        try:
            return self.is_wanted()
        except Exception as error:
            emit("%s\n" % explain(error))
            return True

    def is_met(self):
        """Whether the condition holds; as with GDB's own, one that cannot be told stops."""
        try:
            return bool(gdb.parse_and_eval(self.when))
        except (gdb.error, gdb.GdbError) as error:
            emit("py-break %d: stops, for its condition `%s' cannot be told: %s\n" % (self.number, self.when, error))
            return True

    def is_wanted(self):
        if self.is_pending or not ENTRIES.is_entry(registers.value("pc"), self.was_running):
            return False
        if self.when and not self.is_met():
            return False
        if self.left:
            self.left -= 1
            self.enabled = bool(self.left)
        if self.does:
            emit("py-break %d: %s\n" % (self.number, self.function.title))
        return True


def do(number):
    """What a py-break does before it goes on. It goes on whatever one of its commands says: nobody may be there."""
    for one in all_breaks():
        for command in one.does if one.number == number else ():
            try:
                gdb.execute(command)
            except gdb.error as error:
                emit("%s\n" % error)


def all_breaks():
    return [one for one in PyBreak.by_text.values() if one.is_valid()]


class Importing(gdb.Breakpoint):
    """Stops wherever a module's code is about to run, for as long as a PyBreak is pending; never for the user."""

    def __init__(self):
        super().__init__(IMPORT_FUNCTION, internal=True)
        self.silent = True

    def stop(self):
        pending = [one for one in all_breaks() if one.enabled and one.is_pending]
        try:
            if pending:
                resolve_in(pending, registers.argument(0), registers.argument(1))
        except (_memext.Error, gdb.error, UsageError):
            # Before the interpreter is set up, and in code that is no module's.
            pass
        arm()
        return False


def resolve_in(pending, code, namespace):
    found = functions(FINDER.open().functions_of_code(code, namespace))
    for one in pending:
        matches = one.place.find(found, importing=True)
        if len(matches) == 1:
            one.set_function(matches[0], False)
            emit("py-break %d: %s\n" % (one.number, matches[0].title))
            if FINDER.first_only:
                emit(FIRST_ONLY + "\n")
            FINDER.first_only = False
        elif matches:
            emit("py-break %d stays pending: %s\n" % (one.number, places.ambiguous(one.place, matches)))


IMPORTING = []


def arm(*_event):
    """Watches imports while something is pending, and only then: a module's import then takes a millisecond more."""
    wanted = any(one.enabled and one.is_pending for one in all_breaks())
    if wanted and not (IMPORTING and IMPORTING[0].is_valid()):
        IMPORTING[:] = [quietly(Importing)]
    if IMPORTING and IMPORTING[0].is_valid() and IMPORTING[0].enabled != wanted:
        IMPORTING[0].enabled = wanted


class Code(gdb.Function):
    """Where the first code unit of a py-break's function stands.

Usage: $py_code("FUNCTION")

A py-break watches *$py_code("FUNCTION"); the address is 0 while the function is not known."""

    def __init__(self):
        super().__init__("py_code")

    def invoke(self, label, *_display):
        one = PyBreak.by_text.get(label.string())
        kind = gdb.lookup_type("unsigned char").pointer()
        return gdb.Value(one.address() if one else 0).cast(gdb.lookup_type("unsigned long long")).cast(kind)


def tell(event):
    """Behind GDB's own words on a stop: which function, and who calls it."""
    for one in getattr(event, "breakpoints", ()):
        if isinstance(one, PyBreak) and not one.does and not one.is_pending:
            called = "" if session.defers_commands(event) else caller()
            emit("py-break %d: %s%s\n" % (one.number, one.function.title, called))


def caller():
    """The caller of the selected thread's innermost function, in words; nothing when that cannot be told."""
    try:
        native, own = gdb.selected_thread().ptid[1], registers.thread_identity()
        for thread in SESSION.target().stacks(frames=2):
            if (thread["native_id"] or native) == native and thread["thread_id"] == own:
                return "".join(", called by %s (%s:%d)" % frame[:3] for frame in thread["frames"][1:])
    except (_memext.Error, gdb.error, UsageError):
        pass
    return ""


def note_exit(_event):
    """What was found is found anew in the next process: GDB loads files there before any code of Python's runs."""
    FINDER.close()
    for one in all_breaks():
        one.function = None


def register():
    Code()
    gdb.events.stop.connect(tell)
    gdb.events.exited.connect(note_exit)
    gdb.events.new_objfile.connect(arm)
