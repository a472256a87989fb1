"""The process behind the truth about malloc: many threads malloc and free, then it stops itself.

  LD_PRELOAD=malloclog.so mallocs.py malloclog.so FILE
"""
import ctypes
import random
import sys
import threading

SIZES = (1, 24, 25, 100, 520, 1032, 1040, 5000, 40000, 140000, 700000, 4000000)

libc = ctypes.CDLL(None)
for name, arguments in (("malloc", [ctypes.c_size_t]), ("calloc", [ctypes.c_size_t] * 2),
                        ("realloc", [ctypes.c_void_p, ctypes.c_size_t])):
    getattr(libc, name).restype = ctypes.c_void_p
    getattr(libc, name).argtypes = arguments
libc.free.argtypes = [ctypes.c_void_p]
libc.posix_memalign.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_size_t]


def aligned(pick, size):
    block = ctypes.c_void_p()
    libc.posix_memalign(ctypes.byref(block), 32 << pick.randrange(12), size)
    return block.value


def one(pick):
    size = pick.randrange(1, pick.choice(SIZES) + 1)
    return pick.choice((lambda: libc.malloc(size), lambda: libc.calloc(1, size), lambda: aligned(pick, size),
                        lambda: libc.realloc(libc.malloc(size // 2 + 1), size)))()


def churn(seed, done, leave):
    pick = random.Random(seed)
    blocks = [one(pick) for _ in range(600)]
    pick.shuffle(blocks)
    for block in blocks[:300]:
        libc.free(block)
    done.release()
    leave.wait()


def main():
    done, stay, go = threading.Semaphore(0), threading.Event(), threading.Event()
    go.set()
    threads = [threading.Thread(target=churn, args=(seed, done, go if seed % 2 else stay), daemon=True)
               for seed in range(12)]
    for thread in threads:
        thread.start()
    for _ in threads:
        done.acquire()
    for thread in threads[1::2]:
        thread.join()
    ctypes.PyDLL(sys.argv[1]).malloclog_stop(sys.argv[2].encode())


if __name__ == "__main__":
    main()
