"""Memory that C code lost, planted in a program that is well.

  cleaks.py [--blocks N] [--extension FOLDER] PLANTED

READY comes when PLANTED was written: a JSON object of lists of addresses, or counts where the addresses are not known.
  dropped   mallocs of 100 to 400 bytes whose addresses were forgotten
  linked    mallocs of 48 bytes, each with the address of the one before; the last one's is forgotten
  kept      mallocs whose addresses stand in an array of C's
  parse, build, keep   calls of the faulty extension, where FOLDER has one
"""
import argparse
import array
import ctypes
import json
import sys

from truth import serve

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
KEPT = (ctypes.c_void_p * 1000)()
MASK = 0x5a5a5a5a5a5a5a5a  # so that the list of addresses in PLANTED's making is no list of addresses


def allocate(size):
    address = LIBC.malloc(size)
    LIBC.memset(address, 0, size)
    return address


def drop(count):
    hidden = array.array("Q")
    for i in range(count):
        hidden.append(allocate(100 + 10 * (i % 30)) ^ MASK)
    return hidden


def link(count):
    hidden = array.array("Q")
    last = 0
    for _ in range(count):
        address = allocate(48)
        ctypes.c_uint64.from_address(address).value = last
        hidden.append(address ^ MASK)
        last = address
    return hidden


def keep():
    for i in range(len(KEPT)):
        KEPT[i] = allocate(200)
    return array.array("Q", (KEPT[i] ^ MASK for i in range(len(KEPT))))


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


def write(path, planted, counts):
    with open(path, "w") as f:
        f.write("{")
        for name, hidden in planted.items():
            f.write('"%s": [' % name)
            f.write(", ".join(str(word) for word in hidden))
            f.write("], ")
        f.write('"mask": %d, "counts": %s}' % (MASK, json.dumps(counts)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=100000)
    parser.add_argument("--extension")
    parser.add_argument("planted")
    a = parser.parse_args()
    planted = {"dropped": drop(a.blocks), "linked": link(a.blocks), "kept": keep()}
    counts = misuse(a.extension, 1000) if a.extension else {}
    write(a.planted, planted, counts)
    # What the C stack still holds of the last calls is overwritten by these.
    sorted(range(1000), key=lambda i: -i)
    serve(globals())


if __name__ == "__main__":
    main()
