"""Memory that C code lost, planted in a program that is well.

  cleaks.py [--blocks N] [--linked N] [--extension FOLDER] [--damage] PLANTED

READY comes when PLANTED was written: how many blocks there are of each kind, as JSON.
  dropped   mallocs of 100 to 400 bytes whose addresses were forgotten
  linked    mallocs of 48 bytes, each with the address of the one before; the last one's is forgotten
  kept      mallocs of 5000 bytes whose addresses stand in an array of C's
  parse     records of 144 bytes that begin with a text: by the faulty extension, where FOLDER has one
  build     a list of nodes of 48 bytes, by it too: the head is lost
  keep      blocks of 100 bytes that its data leads to
With --damage something wrote over the end of a block before, into the header of the one behind it.
"""
import argparse
import ctypes
import json
import sys

from truth import serve

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
KEPT = (ctypes.c_void_p * 1000)()


def allocate(size):
    address = LIBC.malloc(size)
    LIBC.memset(address, 0, size)
    return address


def drop(count):
    for i in range(count):
        allocate(100 + 10 * (i % 30))


def link(count):
    last = 0
    for _ in range(count):
        address = allocate(48)
        ctypes.c_uint64.from_address(address).value = last
        last = address


def keep():
    for i in range(len(KEPT)):
        KEPT[i] = allocate(5000)


def damage():
    block, _ = allocate(400), allocate(400)
    LIBC.memset(block + 400, 0xee, 24)


def misuse(folder, count):
    sys.path.insert(0, folder)
    import faulty
    failed = 0
    for i in range(count):
        try:
            faulty.parse("record %d!" % i)
        except ValueError:
            failed += 1
    faulty.build(count)
    faulty.keep(count)
    return {"parse": failed, "build": count, "keep": count}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=100000)
    parser.add_argument("--linked", type=int)
    parser.add_argument("--extension")
    parser.add_argument("--damage", action="store_true")
    parser.add_argument("planted")
    a = parser.parse_args()
    drop(a.blocks)
    linked = a.blocks if a.linked is None else a.linked
    link(linked)
    keep()
    planted = {"dropped": a.blocks, "linked": linked, "kept": len(KEPT)}
    planted.update(misuse(a.extension, 1000) if a.extension else {})
    if a.damage:
        damage()
    with open(a.planted, "w") as f:
        json.dump(planted, f)
    # What the C stack still holds of the last calls is overwritten by these.
    sorted(range(1000), key=lambda i: -i)
    serve(globals())


if __name__ == "__main__":
    main()
