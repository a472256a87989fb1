# SPDX-License-Identifier: Apache-2.0
"""GDB's own view of the target's threads: which of them runs a Python thread, and its C frames."""
import gdb

from . import registers


def pthread_self(thread):
    """Of GDB's thread; None when it cannot be read."""
    try:
        thread.switch()
        return registers.thread_identity() or None
    except (gdb.error, ValueError):
        return None


class Selection:
    """Puts the selected thread and frame back."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.frame = gdb.selected_frame()
        except gdb.error:
            self.frame = None

    def __exit__(self, *_):
        if self.thread and self.thread.is_valid():
            self.thread.switch()
        if self.frame and self.frame.is_valid():
            self.frame.select()


def by_identity():
    """{pthread_self() and Linux thread id: GDB's thread}."""
    found = {}
    for thread in gdb.selected_inferior().threads():
        found[thread.ptid[1] or thread.ptid[2]] = thread
        found[pthread_self(thread)] = thread
    return found


def place_of(frame):
    """A source line where it is known, else the library."""
    sal = frame.find_sal()
    if sal and sal.symtab and sal.line:
        return "%s:%d" % (sal.symtab.filename, sal.line)
    return gdb.solib_name(frame.pc())


def frames_of(thread, limit):
    """The innermost C frames; a stack that cannot be unwound further ends."""
    rows = []
    try:
        thread.switch()
        frame = gdb.newest_frame()
        while frame and (not limit or len(rows) < limit):
            rows.append({"function": frame.name(), "pc": "0x%x" % frame.pc(), "place": place_of(frame)})
            frame = frame.older()
    except gdb.error:
        pass
    return rows


def identify(rows):
    """Before 3.11 a Python thread does not know its Linux thread: those that the library could not tell, GDB can."""
    if all(row["thread"] for row in rows):
        return
    with Selection():
        threads = by_identity()
        for row in rows:
            thread = threads.get(int(row["thread_id"], 16))
            row["thread"] = row["thread"] or (thread.ptid[1] if thread else None)


def add_to(rows, limit):
    """Gives each row of a Python thread its C frames as `native`, None where GDB does not know the thread."""
    with Selection():
        threads = by_identity()
        for row in rows:
            thread = threads.get(row["thread"]) or threads.get(int(row["thread_id"], 16))
            row["native"] = frames_of(thread, limit) if thread else None
