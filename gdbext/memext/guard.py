# SPDX-License-Identifier: Apache-2.0
"""Stops the process where memory runs out: where the kernel refused some, or at a resident size.

Refusals are noticed at breakpoints on the way that the C library's mmap, mremap and mprotect take when they failed: a
process that is not refused anything never gets there, and runs at full speed. Knows nothing of what is said then.
"""
import os
import re
import signal
import threading

import gdb

from . import exhaustion, registers
from .exhaustion import ENOMEM, Failure

# Seconds between two looks at the resident size.
INTERVAL = 0.01
C_LIBRARY = re.compile(r"/(?:libc[.-]|ld-musl)[^/]*$")


def functions(name):
    """Addresses of the functions of that name."""
    try:
        found = gdb.decode_line(name)[1] or ()
    except gdb.error:
        return []
    return sorted({line.pc for line in found})


def failure_places():
    """{address: name of the system call} where the C library goes on after a refusal."""
    result, machine = {}, registers.target_machine()
    for number, name in machine.calls.items():
        for start in functions(name):
            try:
                code = bytes(gdb.selected_inferior().read_memory(start, exhaustion.STUB_BYTES))
            except gdb.error:
                continue
            place = exhaustion.failure_address(machine, code, start, number)
            if place:
                result[place] = name
    return result


class Refusal(gdb.Breakpoint):
    """Where the C library goes when `call` was refused."""

    def __init__(self, place, call):
        super().__init__("*0x%x" % place, internal=True)
        self.silent = True
        self.call = call

    def stop(self):
        return registers.call_error() == ENOMEM and current_failure(self.call).is_exhaustion()


def current_failure(call):
    return Failure(call, registers.call_arguments())


class Watch(threading.Thread):
    """Looks at the resident size of a process, and traps it when that is reached."""

    def __init__(self, pid, size):
        super().__init__(daemon=True)
        self.pid = pid
        self.size = size
        self.fired = False
        self.ended = threading.Event()

    def start(self):
        """Signals are GDB's own: its threads inherit the mask of this moment."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def run(self):
        while not self.ended.wait(INTERVAL):
            if exhaustion.resident(self.pid) >= self.size:
                self.fired = True
                os.kill(self.pid, signal.SIGTRAP)
                return


class Guard:
    """Armed until memory ran out once, or disarm(). `told`: called at that stop, with the Failure, or None at the
    resident size `at`; `ended`: when the process ended before. It may be armed before there is a process."""

    def __init__(self, told, ended, at=0, by_calls=False):
        self.told = told
        self.ended = ended
        self.at = at
        self.by_calls = by_calls
        self.places = []
        self.catchpoint = self.watch = None
        self.inferior = gdb.selected_inferior().num
        self.events = ((gdb.events.new_objfile, self.note_objfile), (gdb.events.clear_objfiles, self.note_exec),
                       (gdb.events.stop, self.note_stop), (gdb.events.exited, self.note_exit))
        for registry, function in self.events:
            registry.connect(function)

    def set(self):
        """What is set in a process that is there."""
        if not self.by_calls:
            self.places += [Refusal(place, call) for place, call in failure_places().items()]
        if not self.places and not self.catchpoint:
            self.catchpoint = catch_calls()
        if self.at and not self.watch:
            self.watch = Watch(gdb.selected_inferior().pid, self.at)
            self.watch.start()

    def unset(self):
        for place in self.places:
            place.delete()
        self.places = []
        if self.catchpoint:
            gdb.execute("delete %d" % self.catchpoint, to_string=True)
        self.catchpoint = None
        if self.watch:
            self.watch.ended.set()
        self.watch = None

    def disarm(self):
        self.unset()
        for registry, function in self.events:
            registry.disconnect(function)

    def is_mine(self):
        return gdb.selected_inferior().num == self.inferior

    def note_objfile(self, event):
        """The process is there, and so is the C library."""
        here = self.by_calls or C_LIBRARY.search(event.new_objfile.filename)
        if here and self.is_mine() and gdb.selected_inferior().pid and not self.places and not self.catchpoint:
            self.set()

    def note_exec(self, _event):
        """Another program takes the process's place: what was set is at addresses of the old one."""
        if self.is_mine():
            self.unset()

    def note_exit(self, event):
        if event.inferior.num == self.inferior:
            self.unset()
            self.ended(event)

    def note_stop(self, event):
        if not self.is_mine():
            return
        refused, reached = self.failure(event), bool(self.watch and self.watch.fired and is_own_trap())
        if refused or reached:
            self.disarm()
            self.told(refused)

    def failure(self, event):
        """The Failure that this stop is for, or None."""
        for place in getattr(event, "breakpoints", ()):
            if place in self.places:
                return current_failure(place.call)
        return refused_call() if self.catchpoint else None


def is_own_trap():
    """Whether the process stands for a signal that this GDB itself sent."""
    try:
        number = int(gdb.parse_and_eval("$_siginfo.si_signo"))
        sender = int(gdb.parse_and_eval("$_siginfo._sifields._kill.si_pid"))
    except gdb.error:
        return False
    return (number, sender) == (signal.SIGTRAP, os.getpid())


def catch_calls():
    """The number of a catchpoint for refused calls."""
    machine = registers.target_machine()
    gdb.execute("catch syscall %s" % " ".join(map(str, machine.calls)), to_string=True)
    number = int(gdb.convenience_variable("bpnum"))
    mmap = next(call for call, name in machine.calls.items() if name == "mmap")
    protection, flags = machine.call_arguments[2:]
    gdb.execute("condition %d (long)$%s == -%d && ($%s != %d || $%s != 0 || ($%s & %d) != 0)" % (
        number, machine.call_result, ENOMEM, machine.call_number, mmap, protection, flags, exhaustion.MAP_STACK),
                to_string=True)
    return number


def refused_call():
    """The Failure of the system call that just returned, or None."""
    machine, number = registers.target_machine(), registers.call_number()
    if number not in machine.calls or registers.call_error() != ENOMEM:
        return None
    length = len(machine.call_code)
    before = bytes(gdb.selected_inferior().read_memory(registers.value("pc") - length, length))
    return current_failure(machine.calls[number]) if before == machine.call_code else None
