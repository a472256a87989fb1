"""Writes a suite of 300 tests: 12 leak, 3 each by a module global, a class attribute, memoization and C; 30 only fill
caches at first use; the others leave nothing, though some print and some use much memory for a while.

  make.py FOLDER [unittest]     prints the names of the tests that leak
"""
import os
import sys

LIBRARY = '''"""The code under test."""
import ctypes
import functools
import re

JOURNAL = []
CACHE = {}


class Client:
    known = {}

    def __init__(self, name):
        self.name = name
        self.buffer = bytearray(200)


@functools.lru_cache(maxsize=None)
def squares(number):
    return [number * step for step in range(20)]


allocate = ctypes.CDLL(None).malloc
allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
FRESH = iter(range(0, 10 ** 9, 1000))


def leak_global():
    JOURNAL.extend({"entry": number, "text": "line %d" % number} for number in range(500))


def leak_class():
    for number in range(400):
        Client.known[next(FRESH), number] = Client("client %d" % number)


def leak_memo():
    first = next(FRESH)
    for number in range(first, first + 600):
        squares(number)


def leak_native():
    for _ in range(200):
        ctypes.memset(allocate(1000), 65, 1000)


def warm(number):
    if number not in CACHE:
        CACHE[number] = [str(value) * 5 for value in range(1500)]
    re.compile("(a|b)%d*c+[d-z]{1,%d}" % (number, number + 2))


def clean(number):
    return sum(len(str(value)) for value in range(number * 10))
'''
CAUSES = ("global", "class", "memo", "native")
FILES, EACH = 10, 30


def body(number):
    """What the test of this number does: every 25th leaks, every tenth warms."""
    if number % 25 == 7:
        return "library.leak_%s()" % CAUSES[number // 25 % 4]
    if number % 10 == 3:
        return "library.warm(%d)" % number
    if number % 10 == 5:
        return "print('x' * 200)"
    return "library.clean(%d)" % number


def source(first, is_unittest):
    lines = ["import library"] + (["import unittest"] if is_unittest else [])
    lines.append("\n\nclass TestPart%s:" % ("(unittest.TestCase)" if is_unittest else ""))
    for number in range(first, first + EACH):
        lines.append("    def test_%03d(self):\n        %s\n" % (number, body(number)))
    return "\n".join(lines)


def name_of(number, is_unittest):
    part = number // EACH
    return ("test_part%d.TestPart.test_%03d" if is_unittest else "test_part%d.py::TestPart::test_%03d") % (part, number)


def make(folder, is_unittest=False):
    """The names of the tests that leak."""
    with open(os.path.join(folder, "library.py"), "w") as file:
        file.write(LIBRARY)
    for part in range(FILES):
        with open(os.path.join(folder, "test_part%d.py" % part), "w") as file:
            file.write(source(part * EACH, is_unittest))
    return [name_of(number, is_unittest) for number in range(FILES * EACH) if "leak" in body(number)]


if __name__ == "__main__":
    print("\n".join(make(sys.argv[1], "unittest" in sys.argv[2:])))
