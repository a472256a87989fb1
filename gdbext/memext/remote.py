# SPDX-License-Identifier: Apache-2.0
"""A process that only GDB reaches: gdbserver, Valgrind, rr.

Gives the library the process's bytes, and files of the machine that it runs
on. Knows GDB's remote connections; knows nothing of what is in the files.
"""
import atexit
import os
import re
import shutil
import struct
import tempfile

import gdb

import _memext

from . import machine
from .machine import PAGE
from .options import UsageError

AUXILIARY = re.compile(r"^([0-9]+) +AT_[A-Z]+ .*?(0x[0-9a-f]+|[0-9]+)(?: \".*)?$", re.MULTILINE)


def check_machine():
    name, here = gdb.newest_frame().architecture().name(), machine.here()
    if machine.find(name) != here:
        raise UsageError("the remote process is of another machine (%s); memext reads %s ones" % (name, here.name))


def register(frame, name):
    try:
        return int(frame.read_register(name)) & 0xffffffffffffffff if name else 0
    except (ValueError, gdb.error):
        return 0


def threads(inferior):
    """[(LWP, stack pointer, pthread_self() or 0)]; the selected thread and frame stay."""
    here = machine.here()
    selected, frame = gdb.selected_thread(), gdb.selected_frame()
    rows = []
    try:
        for thread in inferior.threads():
            thread.switch()
            newest = gdb.newest_frame()
            rows.append((thread.ptid[1] or thread.ptid[2], register(newest, here.stack),
                         register(newest, here.thread)))
    finally:
        selected.switch()
        frame.select()
    return rows


def is_plain(path):
    """Whether GDB takes it for one word of one command; what the target names can be anything."""
    return path.isprintable() and '"' not in path and "\\" not in path


def get(path, copy):
    """Copies the other machine's file; the copy's path, None when that is not to be had."""
    if not is_plain(path):
        return None
    try:
        gdb.execute('remote get "%s" "%s"' % (path, copy), to_string=True)
    except gdb.error:
        return None
    return copy if os.path.exists(copy) else None


def read(path):
    """What the other machine's file says; None when that is not to be had."""
    with tempfile.TemporaryDirectory(prefix="memext-") as folder:
        copy = get(path, os.path.join(folder, "file"))
        if not copy:
            return None
        with open(copy, encoding="utf-8", errors="replace") as file:
            return file.read()


def is_readable(inferior, address):
    try:
        inferior.read_memory(address, 1)
    except gdb.error:
        return False
    return True


def maps_of_valgrind(inferior):
    """(pid, its /proc/PID/maps without Valgrind's own) of what Valgrind's gdbserver runs; None for another's.

    Valgrind gives the process a number of its own invention, and its threads their true ones; it refuses to read its
    own memory. vgdb is connected to a process of this machine.
    """
    pid = inferior.threads()[0].ptid[1]
    try:
        with open("/proc/%d/maps" % pid, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        return None
    if not any("/valgrind/" in line for line in lines):
        return None
    kept = [line for line in lines if is_readable(inferior, int(line.partition("-")[0], 16))]
    return pid, "".join(kept).encode(errors="surrogateescape")


def auxiliary_vector():
    """As /proc/PID/auxv has it."""
    rows = AUXILIARY.findall(gdb.execute("info auxv", to_string=True))
    return b"".join(struct.pack("<QQ", int(kind), int(value, 0)) for kind, value in rows)


class Reader:
    """Bytes and files of the selected inferior, for _memext.open_remote()."""

    def __init__(self):
        check_machine()
        self.inferior = gdb.selected_inferior()
        self.folder = tempfile.mkdtemp(prefix="memext-")
        atexit.register(self.close)
        self.count = 0
        self.pid = self.inferior.pid
        self.made = {}
        if not self.get("/proc/%d/maps" % self.pid):
            self.take_valgrind()

    def take_valgrind(self):
        found = maps_of_valgrind(self.inferior)
        if not found:
            return
        self.pid, maps = found
        self.made = {"/proc/%d/maps" % self.pid: lambda: maps, "/proc/%d/auxv" % self.pid: auxiliary_vector,
                     "/proc/%d/cmdline" % self.pid: lambda: b""}

    def read(self, address, length):
        """What can be read from `address` on."""
        try:
            return self.inferior.read_memory(address, length).tobytes()
        except gdb.error:
            return self.read_pages(address, length)

    def read_pages(self, address, length):
        pieces, at, end = [], address, address + length
        try:
            while at < end:
                size = min(PAGE - at % PAGE, end - at)
                pieces.append(self.inferior.read_memory(at, size).tobytes())
                at += size
        except gdb.error:
            pass
        return b"".join(pieces)

    def fetch(self, path):
        """The path of a copy on this machine; None when there is no such file."""
        if path in self.made:
            return self.write(self.made[path]())
        root = "/proc/%d/root" % self.pid
        return self.get(path) or (self.get(path[len(root):]) if path.startswith(root + "/") else None)

    def new_path(self):
        self.count += 1
        return os.path.join(self.folder, str(self.count))

    def write(self, content):
        path = self.new_path()
        with open(path, "wb") as file:
            file.write(content)
        return path

    def get(self, path):
        return get(path, self.new_path())

    def close(self):
        atexit.unregister(self.close)
        shutil.rmtree(self.folder, ignore_errors=True)



def open_target(progress, paths):
    """A Target of the selected inferior."""
    reader, rows = Reader(), threads(gdb.selected_inferior())
    return _memext.open_remote(reader.pid, reader, rows, progress=progress, **paths)
