# SPDX-License-Identifier: Apache-2.0
"""How memory runs out on Linux: which call failed, at whose limit, and where a C library notices. Knows nothing of GDB."""
import os
import re

from . import table

ENOMEM = 12
# Bytes of a function that are looked at.
STUB_BYTES = 160
MAP_STACK = 0x20000
# Arenas of pymalloc, up to 3.9 and since.
ARENAS = (256 * 1024, 1024 * 1024)
# Of a limit, how much may be free although a call failed on it: what is asked for is rounded up.
SLACK = 128 * 1024


def failure_address(machine, code, address, number):
    """Where a function that begins with the bytes `code` at `address` goes when its system call failed; 0: nowhere."""
    found = machine.refused(code, number)
    return address + sum(found) if found else 0


class Failure:
    """A system call that was refused. `registers`: of its arguments, in their order, the first of which may be lost."""

    def __init__(self, call, registers):
        self.call = call
        self.length = registers[2] if self.call == "mremap" else registers[1]
        self.before = registers[1] if self.call == "mremap" else 0
        self.protection = 0 if self.call == "mremap" else registers[2]
        self.flags = registers[3]

    def is_exhaustion(self):
        """Address space that malloc only reserves for a thread's arena may be refused: it does without one."""
        return self.call != "mmap" or self.protection != 0 or bool(self.flags & MAP_STACK)

    def grows(self):
        """Bytes that the address space would have grown by."""
        return 0 if self.call == "mprotect" else self.length - self.before

    def sentence(self, size):
        if self.call == "mremap":
            return "growing a block from %s to %s failed (mremap)" % (size(self.before), size(self.length))
        return "%s of %s failed" % (self.call, size(self.length))

    def purpose(self, from_malloc):
        """What the memory was for, as far as that can be told; `from_malloc`: whether the C library asked itself."""
        if self.call == "mmap" and self.flags & MAP_STACK:
            return "the stack of a new thread"
        if from_malloc:
            return "malloc: " + ("realloc of a large block" if self.call == "mremap" else
                                 "a large block, or room for small ones")
        return "pymalloc: a new arena for small objects" if self.length in ARENAS else ""


class Memory:
    """What the kernel counts for a process, and its limits, in bytes; None where it does not say."""

    def __init__(self, pid):
        status = numbers("/proc/%d/status" % pid, r"^(Vm\w+):\s+([0-9]+) kB$", 1024)
        self.space, self.data = status.get("VmSize"), status.get("VmData")
        self.resident, self.swapped = status.get("VmRSS", 0), status.get("VmSwap", 0)
        limits = numbers("/proc/%d/limits" % pid, r"^Max (address space|data size)\s+([0-9]+) ", 1)
        self.space_limit, self.data_limit = limits.get("address space"), limits.get("data size")
        system = numbers("/proc/meminfo", r"^(\w+):\s+([0-9]+) kB$", 1024)
        self.committed, self.commit_limit = system.get("Committed_AS"), system.get("CommitLimit")
        self.strict = read("/proc/sys/vm/overcommit_memory").strip() == "2"
        self.maps, self.maps_limit = read("/proc/%d/maps" % pid).count("\n"), read("/proc/sys/vm/max_map_count").strip()

    def reason(self, failure, size):
        """The limit that was met, as a clause."""
        if exceeds(self.space, failure.grows(), self.space_limit):
            return "the address space is limited to %s (RLIMIT_AS, ulimit -v), and %s are taken" % (
                size(self.space_limit), size(self.space))
        if exceeds(self.data, failure.length - failure.before, self.data_limit):
            return "data are limited to %s (RLIMIT_DATA, ulimit -d), and %s are taken" % (
                size(self.data_limit), size(self.data))
        if self.maps_limit.isdigit() and self.maps >= int(self.maps_limit) - 1:
            return "the process has %s mappings, and vm.max_map_count is %s" % (table.number(self.maps),
                                                                              self.maps_limit)
        if self.strict and exceeds(self.committed, failure.grows(), self.commit_limit):
            return "the machine overcommits no memory (vm.overcommit_memory is 2): %s of %s are promised" % (
                size(self.committed), size(self.commit_limit))
        return "the kernel refused it (ENOMEM) though no limit of the process is met: more than the machine can hold?"


def exceeds(taken, more, limit):
    return limit is not None and taken is not None and taken + more + SLACK > limit


def read(path):
    """A file of /proc; empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def numbers(path, pattern, unit):
    """{name: bytes} of lines that `pattern` finds."""
    return {name: int(value) * unit for name, value in re.findall(pattern, read(path), re.MULTILINE)}


def resident(pid):
    """Bytes; 0 when the process is gone."""
    fields = read("/proc/%d/statm" % pid).split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def free_space(path):
    """Bytes that a file in the folder of `path` may still take."""
    found = os.statvfs(os.path.dirname(os.path.abspath(path)))
    return found.f_bavail * found.f_frsize
