# SPDX-License-Identifier: Apache-2.0
"""Runs a test session under GDB and stops at the beginning of each test. Knows the ways of pytest and unittest; knows
nothing of what is measured there.

pytest tells the operating system which test is on: PYTEST_CURRENT_TEST="ID (setup)", by setenv() or, to Python 3.8,
putenv(). unittest tells nobody, so that unittest.case.TestCase.run is watched as py-break does; its code is
found as soon as the interpreter reads the last of unittest's files. The end of a session is watched likewise, and
where the machine has no hardware watchpoints the interpreter's own end stands in for it.
"""
import os
import re
import signal
import threading
import time

import gdb

from . import parameters, pybreaks, registers
from .machine import PAGE
from .options import UsageError
from .session import SESSION

VARIABLE = b"PYTEST_CURRENT_TEST"
LONGEST = 4096
STARTS = "unittest.case.TestCase.run"
# Not stopTestRun(): what does nothing shares its code with others that do nothing, to Python 3.10.
UNITTEST_END = "unittest.runner.TextTestResult.printErrors"
PYTEST_END = "_pytest.runner.pytest_sessionfinish"
HOOKS = (("setenv", "Environment"), ("putenv", "Environment"), ("Py_FinalizeEx", "Finalizing"))
# Where it is not known beforehand that pytest runs: hundreds of files are opened.
MORE_HOOKS = (("open64", "Reading"), ("open", "Reading"))
current = []  # the drive whose hooks are being made


def c_string(address):
    """Bytes up to the NUL; page by page, for the next one may be missing."""
    text = b""
    while len(text) < LONGEST:
        part = gdb.selected_inferior().read_memory(address + len(text), PAGE - (address + len(text)) % PAGE).tobytes()
        text += part.split(b"\0")[0]
        if b"\0" in part:
            break
    return text


class Hook(gdb.Breakpoint):
    """Never seen by the user. event() is what there is to stop for, or None."""

    def __init__(self, drive, *spec):
        super().__init__(*spec, internal=True)
        self.silent = True
        self.drive = drive

    def stop(self):
        try:
            event = self.event()
        except (gdb.error, UsageError):
            return False
        self.drive.event = event or self.drive.event
        return event is not None

    def event(self):
        raise NotImplementedError


class Environment(Hook):
    def event(self):
        name = c_string(registers.argument(0))
        if not name.startswith(VARIABLE):
            return None
        value = name[len(VARIABLE) + 1:] if b"=" in name else c_string(registers.argument(1))
        test, _, phase = value.decode("utf-8", "replace").rpartition(" ")
        self.drive.framework, self.drive.phase = "pytest", phase.strip("()")
        return ("test", test) if phase == "(setup)" else None


class Reading(Hook):
    def event(self):
        path = c_string(registers.argument(0))
        if self.drive.framework or not re.search(rb"/unittest/(?:__pycache__/)?signals\.", path):
            return None
        return ("unittest", None)


class Finalizing(Hook):
    def event(self):
        return ("end", None)


class Entry(Hook):
    """Stops when a Python function is called."""

    def __init__(self, drive, address, event):
        super().__init__(drive, "*(unsigned char *)%d" % address, gdb.BP_WATCHPOINT, gdb.WP_READ)
        self.given = event

    def event(self):
        return self.given if pybreaks.ENTRIES.is_entry(registers.value("pc"), False) else None


def make_hooks():
    """Called through GDB's command line, whose output can be kept back: these functions have no file yet."""
    for function, kind in HOOKS if current[0].is_pytest else HOOKS + MORE_HOOKS:
        current[0].hooks.append(globals()[kind](current[0], function))


class Watch(threading.Thread):
    """Shows a test that takes long, and interrupts one that takes too long. Calls nothing of GDB's."""

    def __init__(self, timeout, is_shown):
        super().__init__(daemon=True)
        self.timeout, self.is_shown = timeout, is_shown
        self.pid, self.text, self.since = 0, "", time.monotonic()
        self.timed_out = self.dirty = self.over = False

    def run(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self.over:
            time.sleep(0.25)
            self.look()

    def look(self):
        pid, seconds = self.pid, time.monotonic() - self.since
        if pid and self.timeout and seconds > self.timeout and not self.timed_out:
            self.timed_out = True
            os.kill(pid, signal.SIGINT)
        if pid and self.is_shown and seconds > 1:
            self.dirty = True
            os.write(2, ("\rmemext: %s, %d s" % (self.text, seconds)).encode())

    def goes_on(self, pid, text):
        self.text, self.since, self.pid = text, time.monotonic(), pid

    def stands(self):
        self.pid = 0
        if self.dirty:
            os.write(2, b"\r\x1b[K")
        self.dirty = False


class Drive:
    """One session. `measure(name)` is called at each test's beginning, and with None at the session's end; it says
    whether to go on. `is_pytest`: the command line says that it is. `ending` tells afterwards how it went:
    (kind, detail)."""

    def __init__(self, measure, timeout, is_shown, is_pytest):
        self.measure, self.is_pytest = measure, is_pytest
        self.framework = self.event = self.test = self.phase = None
        self.hooks = []
        self.count, self.ending, self.stopped = 0, None, None
        self.watch = Watch(timeout, is_shown)
        self.lacks_hardware = None
        self.is_complete = False

    def run(self):
        """To the end of the session or of the process, or to whatever else stops it."""
        current[:] = [self]
        events = ((gdb.events.stop, self.note_stop), (gdb.events.exited, self.note_exit))
        for registry, function in events:
            registry.connect(function)
        self.watch.start()
        try:
            gdb.execute("python import memext.testdrive; memext.testdrive.make_hooks()", to_string=True)
            if gdb.selected_inferior().pid:
                self.watch_unittest()
            while not self.ending:
                self.step()
        finally:
            self.watch.over = True
            self.watch.stands()
            for registry, function in events:
                registry.disconnect(function)
            self.drop_hooks()

    def drop_hooks(self):
        for hook in self.hooks:
            if hook.is_valid():
                hook.delete()
        self.hooks = []

    def note_stop(self, event):
        self.stopped = event

    def note_exit(self, event):
        self.ending = self.ending or self.exit_of(event)

    def exit_of(self, event):
        if hasattr(event, "exit_code"):
            return ("exit", event.exit_code)
        return ("killed", str(gdb.parse_and_eval("$_exitsignal")))

    def step(self):
        """To the next stop, and what is to be done there; Ctrl-C in either keeps what was measured before."""
        try:
            self.go_on()
            if not self.ending:
                self.look()
        except KeyboardInterrupt:
            self.ending = ("interrupt", None)
        finally:
            self.watch.stands()

    def go_on(self):
        pid = gdb.selected_inferior().pid
        self.event = self.stopped = None
        self.watch.goes_on(pid, "test %d: %s" % (self.count, self.test) if self.test else "collecting")
        try:
            gdb.execute("continue" if pid else "run", to_string=True)
        except gdb.error as error:
            self.ending = self.ending or ("error", str(error))
        self.watch.stands()

    def look(self):
        """What the process stopped for."""
        if self.event and not isinstance(self.stopped, gdb.SignalEvent):
            getattr(self, "at_" + self.event[0])(self.event[1])
        elif isinstance(self.stopped, gdb.SignalEvent):
            self.ending = self.signal_of(self.stopped.stop_signal)
        else:
            self.ending = ("breakpoint", None)

    def signal_of(self, name):
        if self.watch.timed_out:
            return ("timeout", self.watch.timeout)
        return ("interrupt", None) if name == "SIGINT" else ("signal", name)

    def at_test(self, name):
        name = name or self.unittest_name()
        if not self.count and self.framework == "pytest":
            self.watch_end()
        self.count += 1
        self.measured(name)

    def measured(self, name):
        going = self.measure(name)
        self.test, self.watch.timed_out = name, False
        if not going:
            self.ending = ("leak", None)

    def at_end(self, _nothing):
        if self.test:
            self.measured(None)
        self.is_complete = True
        self.drop_hooks()

    def at_unittest(self, _nothing):
        self.watch_unittest()

    # ---- Functions of Python's ----

    def watch_function(self, path, event):
        """Whether its calls will be seen."""
        address = pybreaks.FINDER.entry(path)
        if not address:
            return False
        try:
            pybreaks.require_hardware()
            self.hooks.append(Entry(self, address, event))
        except (gdb.error, RuntimeError, UsageError) as error:
            self.lacks_hardware = str(error)
            return False
        return True

    def watch_end(self):
        self.drop_reading()
        self.watch_function(PYTEST_END, ("end", None))

    def watch_unittest(self):
        if self.watch_function(STARTS, ("test", None)):
            self.framework = "unittest"
            self.drop_reading()
            self.watch_function(UNITTEST_END, ("end", None))

    def drop_reading(self):
        for hook in self.hooks:
            if isinstance(hook, (Reading, Entry)) and hook.is_valid() and (
                    isinstance(hook, Reading) or self.framework == "pytest"):
                hook.delete()
        self.hooks = [hook for hook in self.hooks if hook.is_valid()]

    def unittest_name(self):
        """MODULE.CLASS.METHOD of the test that the innermost frame is about to run."""
        for thread in SESSION.target().stacks(frames=1, locals=True):
            for frame in thread["frames"]:
                if frame[1].endswith("unittest/case.py"):
                    for name, address, kind, _size in frame[4]:
                        if name == "self":
                            return "%s.%s" % (kind, method_name(address))
        return "test %d" % (self.count + 1)


def method_name(address):
    shown = SESSION.target().show(address, attributes=True, one_line=True, depth=1, items=0)
    found = re.search(r"_testMethodName='([^']*)'", shown)
    return found.group(1) if found else "0x%x" % address


def collect_garbage():
    """Calls the collector inside the process: the one thing here that changes it, and only when asked for."""
    gdb.execute("call (long)PyGC_Collect()", to_string=True)


def resident(pid):
    """Bytes of the process in RAM."""
    try:
        with open("/proc/%d/statm" % pid, encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def program_arguments():
    text = gdb.execute("show args", to_string=True)
    found = re.search(r'is "(.*)"\.\s*$', text, re.DOTALL)
    return found.group(1).replace('\\"', '"') if found else ""


def is_shown():
    return os.isatty(2) and parameters.flag("progress")
