# SPDX-License-Identifier: Apache-2.0
"""What a process is measured by between two of its tests: cheaply each time, and by a count of its heap where a test
makes that worth while. Knows nothing of tests."""
import time

import gdb

from . import testdrive
from .pybreaks import FINDER
from .session import SESSION


class Count:
    """The whole heap, object by object."""

    def __init__(self, progress):
        self.stop = SESSION.stop("between tests", progress)
        self.histogram = self.stop.heap.histogram()
        info = SESSION.heap_info()
        self.objects, self.complete = info["objects"], info["complete"]
        self.blocks = info["pool_used_blocks"] + info["chunks"]
        self.bytes = info["pool_used_bytes"] + info["chunk_bytes"]


class Moment:
    """The process as it stands: how many blocks and bytes its allocators have handed out, and its RAM."""

    def __init__(self, progress):
        self.came, self.progress, self.count = time.monotonic(), progress, None
        self.rss = testdrive.resident(gdb.selected_inferior().pid)
        usage = FINDER.open(whole=True).usage()
        self.complete = usage["complete"]
        if usage["exact"]:
            self.blocks, self.bytes = usage["blocks"], usage["bytes"]
        else:
            self.blocks, self.bytes = self.counted().blocks, self.counted().bytes

    def counted(self):
        """The Count of this very stop, made at first need."""
        if not self.count:
            self.count = Count(self.progress)
            self.complete = self.count.complete
        return self.count
