"""What the allocators say they handed out, at each stop of a process that goes on, against a count of the whole heap.

  usage.py --build build/release --python /usr/bin/python3.11
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import recall  # noqa: E402
import script  # noqa: E402

ALLOCATORS = ("", "malloc", "pymalloc_debug", "malloc_debug")
# Beside what changes Python's heap: other threads' arenas, caches of freed chunks, mapped and aligned chunks.
STEPS = recall.STEPS + (
    "import ctypes; C = ctypes.CDLL(None); C.malloc.restype = ctypes.c_void_p; C.free.argtypes = [ctypes.c_void_p]",
    "HELD = [C.malloc(size) for size in range(1, 60000, 37)]",
    "[C.free(one) for one in HELD[::3]]",
    "import threading; BAR = threading.Barrier(5); END = threading.Event()",
    "def hold():\n    HELD.extend(C.malloc(77) for _ in range(3000)); gone = [C.malloc(400) for _ in range(9)]; "
    "[C.free(one) for one in gone]; BAR.wait(); END.wait()",
    "[threading.Thread(target=hold).start() for _ in range(4)]; BAR.wait()",
    "BIG = [bytearray(size) for size in (200000, 1 << 20, 5 << 20)]",
    "BIG[1].extend(bytes(3 << 20)); del BIG[0]",
    "END.set(); [one.join() for one in threading.enumerate()[1:]]",
    "import sqlite3",
)


def counted(memext, pid):
    target = memext.open_process(pid)
    info = target.heap().info()
    target.close()
    return {"blocks": info["pool_used_blocks"] + info["chunks"],
            "bytes": info["pool_used_bytes"] + info["chunk_bytes"]}


def run_with(results, prefix, memext, python, allocator):
    """One process, with one target that is kept as long as the same libraries are there."""
    env = {"PYTHONMALLOC": allocator} if allocator else {}
    with harness.Folder() as folder, harness.Workload(harness.workload(python, "changing.py"), folder, env) as work:
        target = None
        for number, step in enumerate(STEPS):
            work.send("exec(%r)" % step)
            work.wait_for("DONE")
            work.stop()
            if not target or not target.reread():
                target = memext.open_process(work.pid)
            usage, count = target.usage(), counted(memext, work.pid)
            work.resume()
            if not usage["exact"]:
                return results.skip(prefix, "this interpreter's allocator has no such books")
            results.check("%s/step %d" % (prefix, number), [
                "after %s: %d %s instead of %d" % (step, usage[key], key, count[key])
                for key in count if usage[key] != count[key]])


def run(results, prefix, memext, python):
    for allocator in ALLOCATORS:
        run_with(results, "%s/%s" % (prefix, allocator or "as it is"), memext, python, allocator)


if __name__ == "__main__":
    sys.exit(script.main_with_binding("usage", run))
