"""A process with something on each line of the ledger, which tells what its allocators say of themselves.

  ledger.py

`truth PATH` forks (see truth.py for why and how); the child writes PATH.malloc, what sys._debugmallocstats() prints,
and PATH.mallinfo, the members of mallinfo(); the parent stays in that state until an empty line comes. `trim` calls
malloc_trim() and prints how many resident bytes went.
"""
import array
import collections
import ctypes
import gc
import json
import mmap
import os
import random
import sys
import threading

from mallinfo import Mallinfo
from truth import fork, read_command

MB = 1 << 20

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]


class Plain:
    def __init__(self, n):
        self.n, self.text = n, "plain %d" % n


def fragment(seed, kept, count):
    """Leaves holes of all sizes: in bins, tcache and fastbins."""
    pick = random.Random(seed)
    blocks = [libc.malloc(pick.choice((24, 40, 100, 600, 1500, 5000))) for _ in range(count)]
    pick.shuffle(blocks)
    for block in blocks[:count * 2 // 3]:
        libc.free(block)
    kept.append(blocks[count * 2 // 3:])


def mappings():
    """Pages that were never touched, that were only read, that are shared, that are of a file."""
    private = mmap.mmap(-1, 4 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    private[:MB // 4]                     # of nothing but zeros: present, but counted to nobody
    private[MB:MB + 5] = b"a page"[:5]
    shared = mmap.mmap(-1, MB)
    shared[:MB // 2] = b"s" * (MB // 2)
    with open(__file__, "rb") as f:
        text = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    text[:10]
    return private, shared, text


def build():
    heap = [[Plain(n) for n in range(3000)], {n: str(n) for n in range(5000)}, set(range(3000)),
            [bytes(n) for n in range(0, 4000, 7)], collections.deque(range(2000)), array.array("d", range(4000)),
            bytearray(3 * MB), [[] for _ in range(9000)], [str(n) * 20 for n in range(6000)]]
    del heap[7][::2], heap[8][1::3]
    heap[8] = [text for n, text in enumerate(heap[8]) if n % 5]
    return heap


def work(seed, kept, ready):
    fragment(seed, kept, 3000)
    ready.release()
    threading.Event().wait()


def tell(path, mallinfo):
    gc.collect()
    gc.disable()
    statistics = os.open(path + ".malloc", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    old = os.dup(2)
    mallinfo.ask()
    pid = fork()
    if pid == 0:
        mallinfo.ask()
        pid = os.getpid()
        os.dup2(statistics, 2)
        sys._debugmallocstats()
        os.dup2(old, 2)
        with open(path + ".mallinfo", "w") as f:
            json.dump(mallinfo.members(), f)
        os.write(1, b"DONE truth\n")
        while os.read(0, 1) not in (b"\n", b""):
            pass
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(statistics)
    os.close(old)


def resident():
    with open("/proc/self/smaps_rollup") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("Rss:"))


def main():
    mallinfo = Mallinfo()
    heap, mapped, kept, ready = build(), mappings(), [], threading.Semaphore(0)
    for seed in range(4):
        threading.Thread(target=work, args=(seed, kept, ready), daemon=True).start()
    for _ in range(4):
        ready.acquire()
    fragment(9, kept, 4000)
    print("READY", json.dumps({"pid": os.getpid(), "kept": len(heap) + len(mapped) + len(kept)}), flush=True)
    while True:
        command = read_command()
        if command is None:
            break
        if command[0] == "truth":
            tell(command[2], mallinfo)
        elif command[0] == "trim":
            before = resident()
            libc.malloc_trim(0)
            print("DONE trim %d" % (before - resident()), flush=True)


if __name__ == "__main__":
    main()
