"""A process whose allocators keep free memory, which tells what they say of themselves.

  arenas.py FILE [busy]

Survivors of many objects keep pymalloc's arenas; threads, of which some have ended, leave holes in malloc's.
`truth PATH` forks (see truth.py for why and how); the child writes PATH.malloc, what sys._debugmallocstats() prints,
PATH.mallinfo, the members of mallinfo(), and to the end of FILE what malloc_info() prints. The parent stays in that
state until an empty line comes. `trim` calls malloc_trim(0) and prints how many resident bytes went.
With `busy` it does nothing but malloc and free, in four threads.
"""
import ctypes
import gc
import json
import os
import sys
import threading

from ledger import MB, fragment, libc
from mallinfo import Mallinfo
from truth import fork, read_command

STAYING, ENDING = 3, 4
ONE_OF = 2000                          # objects survives
FULLY_BUFFERED = 0                     # _IOFBF

libc.fopen.restype = ctypes.c_void_p


class Survivor:
    # With one slot, debug hooks would make it as large as an int, and the ints of fragment() move in beside it.
    __slots__ = ("value", "second", "third", "fourth")

    def __init__(self, value):
        self.value = value


def sparse():
    """Arenas that were full of one class, of which a few objects are left."""
    objects = [Survivor(None) for _ in range(200000)]
    return objects[::ONE_OF]


def work(seed, kept, gate, leave):
    gate.wait()                        # at once, so that each gets an arena of its own
    fragment(seed, kept, 3000)
    kept.append([libc.malloc(3000 + seed) for _ in range(200)])
    gate.wait()
    leave.wait()


def start_threads(kept):
    gate, stay, go = threading.Barrier(STAYING + ENDING + 1), threading.Event(), threading.Event()
    go.set()
    threads = [threading.Thread(target=work, args=(n, kept, gate, go if n < ENDING else stay), daemon=True)
               for n in range(STAYING + ENDING)]
    for thread in threads:
        thread.start()
    gate.wait()
    gate.wait()
    for thread in threads[:ENDING]:
        thread.join()


def resident():
    with open("/proc/self/smaps_rollup") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("Rss:"))


class Teller:
    """Everything is looked up beforehand, so that the child changes nothing before it has told."""

    def __init__(self, path):
        self.mallinfo, library = Mallinfo(), ctypes.PyDLL(None)
        self.malloc_info, self.fflush = library.malloc_info, library.fflush
        self.malloc_info.argtypes, self.fflush.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
        self.room = ctypes.create_string_buffer(MB)
        self.file = libc.fopen(path.encode(), b"w")
        libc.setvbuf(ctypes.c_void_p(self.file), self.room, FULLY_BUFFERED, ctypes.c_size_t(MB))

    def ask(self):
        self.mallinfo.ask()
        self.malloc_info(0, self.file)
        self.fflush(self.file)

    def tell(self, path):
        gc.collect()
        gc.disable()
        statistics = os.open(path + ".malloc", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        self.ask()                         # what a first call leaves behind is there before the fork
        pid = fork()
        if pid == 0:
            self.ask()
            pid = os.getpid()              # an int as large as the parent has
            os.dup2(statistics, 2)
            sys._debugmallocstats()
            with open(path + ".mallinfo", "w") as f:
                json.dump(self.mallinfo.members(), f)
            os.write(1, b"DONE truth\n")
            while os.read(0, 1) not in (b"\n", b""):
                pass
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(statistics)
        print("DONE truth", flush=True)


def churn(seed):
    while True:
        kept = []
        fragment(seed, kept, 2000)
        for block in kept[0]:
            libc.free(block)


def be_busy():
    for seed in range(3):
        threading.Thread(target=churn, args=(seed,), daemon=True).start()
    print("READY", json.dumps({"pid": os.getpid()}), flush=True)
    churn(9)


def main():
    if sys.argv[2:] == ["busy"]:
        be_busy()
    kept, mapped = [], [libc.malloc(size << 20) for size in (1, 3, 64)]
    few = sparse()
    start_threads(kept)
    fragment(9, kept, 6000)
    teller = Teller(sys.argv[1])
    print("READY", json.dumps({"pid": os.getpid(), "ended": ENDING, "threads": STAYING, "survivors": len(few),
                               "mapped": len(mapped)}), flush=True)
    while True:
        command = read_command()
        if command is None:
            break
        if command[0] == "truth":
            teller.tell(command[2])
        elif command[0] == "trim":
            before = resident()
            libc.malloc_trim(0)
            print("DONE trim %d" % (before - resident()), flush=True)


if __name__ == "__main__":
    main()
