# SPDX-License-Identifier: Apache-2.0
"""What GDB is looking at, and the heap of this stop.

Finds out from GDB which process or core is meant, unless a saved target was
opened in their place; opens it with the library on first need, and drops it
when the process runs, dies or is exchanged. Knows GDB's differences by
version; knows nothing of commands or printing.
"""
import os
import re

import gdb

import _memext

from . import parameters, remote
from .marks import Marks, Stop, is_saved
from .options import UsageError

NO_TARGET = ("no process and no core: attach (gdb -p PID), run a program, load a core (gdb -c CORE), "
             "or open a saved target or a compressed core (py-open FILE)")
EXITED = "the process has exited: run it again, or load a core (gdb -c CORE)"
AWAY = "%s is for processes of this machine, and GDB is connected to another: run GDB there"
RUNNING = "the process is running: stop it first (Ctrl-C, or interrupt)"
OTHER = "GDB's target is a %s one, which memext cannot read: take a core (gcore PID) and open that"

# GDB's names of connections to another machine, or to a process that stands in for one.
CONNECTIONS = ("remote", "extended-remote")
# Kinds of places that go on.
RUNNABLE = ("live", "remote")


class Place:
    """Which process or core; equal as long as the same bytes are meant."""

    def __init__(self, kind, path, pid, stamp):
        self.kind = kind
        self.path = path
        self.pid = pid
        self.stamp = stamp

    def __eq__(self, other):
        return isinstance(other, Place) and vars(self) == vars(other)


def connection_type(inferior):
    """native, core, remote …; None without a target. GDB < 12 tells in `info files` only."""
    if hasattr(inferior, "connection"):
        return inferior.connection.type if inferior.connection else None
    text = gdb.execute("info files", to_string=True)
    if "Local core dump file:" in text:
        return "core"
    if re.search(r"^(Extended r|R)emote .*:$", text, re.MULTILINE):
        return "remote"
    return "native" if inferior.pid else None


def defers_commands(event):
    """Whether nothing that executes a command of GDB's may be done while this stop is announced.

    GDB runs the commands of the breakpoint there behind any command that is executed. Those that continue would do so
    in the midst of the stop, and GDB then waits for its terminal for ever. What the target is told by commands only in
    GDB < 12, and what a process of another machine has is fetched by commands.
    """
    if not any(one.is_valid() and one.commands for one in getattr(event, "breakpoints", ())):
        return False
    inferior = gdb.selected_inferior()
    return not hasattr(inferior, "connection") or connection_type(inferior) != "native"


def connection_number(inferior):
    """None in GDB < 12."""
    return getattr(getattr(inferior, "connection", None), "num", None)


def core_path(inferior):
    """The core's file name; GDB < 18 tells in `info files` only."""
    corefile = getattr(inferior, "corefile", None)
    if corefile:
        return os.path.abspath(corefile.filename)
    text = gdb.execute("info files", to_string=True)
    found = re.search(r"^Local core dump file:\n\s+`(.*)', file type", text, re.MULTILINE)
    if not found:
        raise UsageError("GDB does not tell which core it has open: load it again (core-file CORE)")
    return os.path.abspath(found.group(1))


def core_place(inferior):
    path = core_path(inferior)
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError("cannot read the core %s: %s" % (path, error.strerror))
    return Place("core", path, inferior.pid, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def file_place(path):
    """Of a file that is opened in the place of what GDB has."""
    path = os.path.abspath(path)
    try:
        status = os.stat(path)
        kind = "saved" if os.path.isfile(path) and is_saved(path) else "core"
    except OSError as error:
        raise UsageError("cannot open %s: %s" % (path, error.strerror))
    return Place(kind, path, None, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def process_stamp(pid):
    """When the process started, so that a reused pid is another process; UsageError when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        raise UsageError("process %d is gone: run it again, or load a core (gdb -c CORE)" % pid)
    if fields[0] in "ZX":
        raise UsageError("process %d is dead: run it again, or load a core (gdb -c CORE)" % pid)
    return fields[19]


def is_running():
    return any(thread.is_valid() and thread.is_running() for thread in gdb.selected_inferior().threads())


def find_place(exited):
    """The Place of GDB's current inferior."""
    inferior = gdb.selected_inferior()
    kind = connection_type(inferior)
    if kind == "core":
        return core_place(inferior)
    if kind and kind != "native" and kind not in CONNECTIONS:
        raise UsageError(OTHER % kind)
    if not kind or not inferior.pid:
        raise UsageError(EXITED if inferior.num in exited else NO_TARGET)
    if kind in CONNECTIONS:
        return Place("remote", None, inferior.pid, connection_number(inferior))
    return Place("live", None, inferior.pid, process_stamp(inferior.pid))


def gdb_target():
    """What tells GDB's process or core from another one; None while it has neither."""
    inferior = gdb.selected_inferior()
    kind = connection_type(inferior)
    if not kind or (kind != "core" and not inferior.pid):
        return None
    core = core_path(inferior) if kind == "core" else None
    return inferior.num, kind, connection_number(inferior), inferior.pid, core


def given_executable():
    """The executable that GDB has for the core, unless GDB only imagines its path."""
    name = gdb.current_progspace().filename
    return name if name and not name.startswith("target:") and os.path.exists(name) else None


def open_target(place, progress, recall):
    if place.kind == "saved":
        return _memext.open_saved(place.path, progress=progress)
    paths = parameters.paths()
    if place.kind == "core":
        return _memext.open_core(place.path, executable=given_executable(), progress=progress, **paths)
    if place.kind == "remote":
        return remote.open_target(progress, paths)
    return _memext.open_process(place.pid, progress=progress, recall=recall, **paths)


class Session:
    """One target at a time; `marks` stay when it goes."""

    def __init__(self):
        self.marks = Marks()
        self.exited = set()
        self._place = self._target = self._info = self._heap = self._names = self._graph = self._retained = None
        self._said, self._paths = set(), None
        self._saved = self._beside = self._news = self._recall = None

    def remember(self, recall):
        """From now on what one stop shows makes the next ones cheaper, at the cost of memory; None: no longer."""
        self._recall = recall

    def open_saved(self, path, progress):
        """From now on the target is that file, until GDB gets another process or core than it has now."""
        place = file_place(path)
        beside, target = gdb_target(), open_target(place, progress, None)
        self.drop()
        self._saved, self._beside = place, beside
        self._place, self._target, self._info = place, target, target.info()
        self._paths = parameters.paths()

    def close_saved(self):
        """Back to what GDB has. The path of what was open, None when nothing was."""
        if not self._saved:
            return None
        path, self._saved = self._saved.path, None
        self.drop()
        return path

    @property
    def is_saved(self):
        return self._saved is not None

    def find_place(self):
        """The saved target that was opened, as long as GDB got nothing new since, else what GDB has."""
        if self._saved:
            now = gdb_target()
            if not now or now == self._beside:
                return self._saved
            self._news = "note: %s was closed, for GDB has a new %s" % (
                self.close_saved(), "core" if now[1] == "core" else "process")
        return find_place(self.exited)

    def take_news(self):
        """What happened to the saved target without the user's asking, once."""
        news, self._news = self._news, None
        return news

    def target(self, progress=None, may_run=False):
        """The Target of this stop. `may_run`: inside a breakpoint condition GDB calls a stopped process running."""
        place = self.find_place()
        running = place.kind in RUNNABLE and is_running()
        if running and not may_run:
            raise UsageError(RUNNING)
        paths = parameters.paths()
        # Between two evaluations of a condition the process ran, and GDB told nobody.
        if running or place != self._place or paths != self._paths:
            self.drop()
        if not self._target:
            self._paths = paths
            self._target = open_target(place, progress, self._recall)
            self._info = self._target.info()
            self._place = place
        return self._target

    def heap(self, progress=None, may_run=False):
        """The Heap of this stop, counted on first need."""
        target = self.target(progress, may_run)
        if not self._heap:
            self._heap = target.heap(progress=progress)
        return self._heap

    def graph(self, progress=None):
        """The Graph of this stop, built on first need."""
        heap = self.heap(progress)
        if not self._graph:
            self._graph = self._target.graph(heap, progress=progress)
        return self._graph

    def retained(self, progress=None):
        """What this stop's objects keep alive, added up on first need."""
        graph = self.graph(progress)
        if not self._retained:
            self._retained = graph.retained(progress=progress)
        return self._retained

    def stop(self, name, progress=None):
        """This stop, to be remembered."""
        heap = self.heap(progress)
        return Stop(name, self.info()["pid"], heap)

    def earlier_stop(self, name, progress=None):
        """The Stop of this process that `-since NAME` means, with addresses to compare by."""
        stop = self.marks.find(name, False, parameters.paths(), progress)
        return self.comparable(stop)

    def comparable(self, stop):
        """`stop`, if this process's addresses can be compared with its."""
        if not stop.heap:
            raise UsageError("%s holds counts only, no addresses: compare with a mark or a core" % stop.name)
        if stop.pid != self._info["pid"]:
            raise UsageError("%s is of process %s, this is process %s: addresses cannot be compared"
                             % (stop.name, stop.pid, self._info["pid"]))
        return stop

    def info(self):
        """Of the target that is open."""
        return self._info

    def is_running_kind(self):
        """Whether the target is a process, which goes on and has a resident size."""
        return self._info["kind"] in RUNNABLE

    def resident(self):
        """Bytes of the process in RAM, by the kernel; None where that is not to be had."""
        path = "/proc/%d/statm" % self._info["pid"]
        if self._info["kind"] == "remote":
            text = remote.read(path)
        else:
            with open(path, encoding="ascii") as file:
                text = file.read()
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else None

    def heap_info(self):
        """Of the heap, None when it was not counted at this stop."""
        return self._heap.info() if self._heap else None

    def graph_info(self):
        """Of the graph, None when nobody asked for references at this stop."""
        return self._graph.info() if self._graph else None

    def names(self, progress=None):
        """{type name: count} of this stop."""
        heap = self.heap(progress)
        if self._names is None:
            self._names = {row[0]: row[3] for row in heap.histogram().rows()}
        return self._names

    def known_names(self):
        """For completion: the names if they are at hand, since TAB must not count a heap."""
        return list(self.names()) if self._heap else []

    def known_paths(self, typed):
        """For completion: paths of names that begin so, if a target is open, since TAB must not open one."""
        return self._target.complete(typed) if self._target else []

    def first_time(self, warning):
        """Whether `warning` was not yet shown for this file or process."""
        key = (self._place.kind, self._place.path, self._place.pid, warning)
        new = key not in self._said
        self._said.add(key)
        return new

    def repeat_warnings(self):
        """Shows each warning once more."""
        self._said.clear()

    def drop(self):
        """Forgets the target. Its Heap lives on where a mark holds it."""
        for handle in (self._retained, self._graph):
            if handle:
                handle.close()
        if self._target:
            self._target.close()
        self._place = self._target = self._info = self._heap = self._names = self._graph = self._retained = None

    def note_change(self, *_event):
        """The bytes of GDB's target may be others now; a saved one's stay."""
        if not self._saved:
            self.drop()

    def note_exit(self, event):
        """GDB says so of a core, too, when it closes it."""
        if not self._place or self._place.kind in RUNNABLE:
            self.exited.add(event.inferior.num)
        self.note_change()


SESSION = Session()


def register():
    """Drops what is known whenever GDB says that the target's bytes may have changed."""
    for name in ("cont", "stop", "memory_changed", "inferior_deleted", "clear_objfiles", "inferior_call"):
        if hasattr(gdb.events, name):
            getattr(gdb.events, name).connect(SESSION.note_change)
    gdb.events.exited.connect(SESSION.note_exit)
