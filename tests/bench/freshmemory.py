"""What the machine charges for memory that nobody has used for a while.

A virtual machine may give free memory back to its host after some seconds; whoever touches it next waits for the host,
for seconds a GB. That is the machine's time and not the measured program's. So before each measured run a child
touches as much memory as the run may need, and ends: the kernel hands the same pages out again.
"""
import subprocess
import sys
import time

UNUSED = 12   # seconds after which a host has taken back what was free
PAGE = 4096

TOUCH = """
import mmap, sys, time
size = int(sys.argv[1]) << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(memory, "madvise") and hasattr(mmap, "MADV_HUGEPAGE"):
    memory.madvise(mmap.MADV_HUGEPAGE)
ones = bytes(size // %d)
start = time.monotonic()
memory[::%d] = ones
print(time.monotonic() - start)
""" % (PAGE, PAGE)


def touch(megabytes):
    """Seconds that the first touch of so much memory takes now; afterwards it is free again."""
    return float(subprocess.check_output([sys.executable, "-c", TOUCH, str(megabytes)]))


def cold_and_warm(megabytes):
    """The same memory when it has been left alone, and when it was in use just before."""
    time.sleep(UNUSED)
    return touch(megabytes), min(touch(megabytes) for _ in range(3))
