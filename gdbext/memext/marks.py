# SPDX-License-Identifier: Apache-2.0
"""Stops that are remembered to compare with: by py-mark, by py-growth, or read from a file.

A Stop outlives its target. Knows nothing of GDB.
"""
import contextlib
import itertools
import os

import _memext

from .answer import read_counts
from .options import UsageError

_serial = itertools.count()


class Stop:
    """The heap as it was; `heap` is None when only counts were saved. `before` is the py-growth before it."""

    def __init__(self, name, pid, heap=None, rows=None, before=None):
        self.name = name
        self.pid = pid
        self.heap = heap
        self.before = before
        self.serial = next(_serial)
        self._rows = rows

    def histogram(self, tracked):
        if self.heap:
            return self.heap.histogram(tracked=tracked)
        return _memext.Histogram.from_rows(self._rows)


class Marks:
    """py-mark's stops by name, and the stop of the last py-growth of each process."""

    def __init__(self):
        self._by_name = {}
        self._grown = {}

    def set(self, stop):
        self._by_name[stop.name] = stop

    def get(self, name):
        return self._by_name.get(name)

    def names(self):
        return list(self._by_name)

    def all(self):
        return list(self._by_name.values())

    def delete(self, name):
        if not self._by_name.pop(name, None):
            raise UsageError("there is no mark `%s'%s" % (name, self.hint()))

    def hint(self):
        names = ", ".join(self._by_name)
        return ": the marks are %s" % names if names else ": py-mark NAME makes one"

    def growth_base(self, stop):
        """What py-growth compares `stop` with: the same again when it is asked twice at one stop."""
        last = self._grown.get(stop.pid)
        return last.before if last and last.heap is stop.heap else last

    def set_grown(self, stop, base):
        """py-growth has shown `stop`. The chain of earlier stops ends here: each keeps a heap."""
        stop.before = base
        if base:
            base.before = None
        self._grown[stop.pid] = stop

    def latest_before(self, stop):
        """What objects are new against: the base of py-growth at this stop, else the last stop remembered."""
        last = self._grown.get(stop.pid)
        if last and last.heap is stop.heap and last.before:
            return last.before
        stops = [mark for mark in self.all() + list(self._grown.values())
                 if mark.pid == stop.pid and mark.heap is not stop.heap]
        return max(stops, key=lambda mark: mark.serial, default=None)

    def find(self, name, tracked, paths, progress):
        """The Stop that `-since NAME` means: a mark, a core, or a file of py-save or py-count -json -o."""
        if name in self._by_name:
            return self._by_name[name]
        path = os.path.expanduser(name)
        if not os.path.isfile(path):
            raise UsageError("there is no mark and no file `%s'%s" % (name, self.hint()))
        if is_target(path):
            return stop_of_file(path, paths, progress)
        rows, target = read_counts(path, tracked)
        return Stop(name, target.get("pid"), rows=rows)


ELF, SAVED = b"\x7fELF", b"memext\x1a\n"
# zstd, gzip, xz, lz4: a core that was put away.
PACKED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"\xfd7zXZ", b"\x04\x22\x4d\x18")


def first_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read(len(SAVED))
    except OSError as error:
        raise UsageError("cannot read %s: %s" % (path, error.strerror))


def is_target(path):
    """Whether the file holds memory: a core, compressed or not, or what py-save wrote."""
    magic = first_bytes(path)
    return magic == SAVED or magic.startswith((ELF,) + PACKED)


def is_saved(path):
    """Whether py-save wrote it."""
    return first_bytes(path) == SAVED


def open_file(path, paths, progress):
    """The Target in a core or a saved file; the caller closes it."""
    magic = first_bytes(path)
    with naming(path):
        if magic == SAVED:
            return _memext.open_saved(path, progress=progress)
        if magic.startswith((ELF,) + PACKED):
            return _memext.open_core(path, progress=progress, **paths)
    raise UsageError("%s is no core and no file of py-save" % path)


def stop_of_file(path, paths, progress):
    target = open_file(path, paths, progress)
    try:
        with naming(path):
            return Stop(path, target.info()["pid"], target.heap(progress=progress))
    finally:
        target.close()


@contextlib.contextmanager
def naming(path):
    """Errors of the library name the file that they are about: it is not the one that GDB has open."""
    try:
        yield
    except _memext.Error as error:
        text = str(error)
        raise UsageError(text if path in text else "%s: %s" % (path, text))
