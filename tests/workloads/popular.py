"""Objects that millions of places refer to, as a column of equal values does.

How many that are is also an address in the image of an executable that is not position-independent. os.getppid() is
called eight times, with one more reference to each object each time: a count that is a multiple of 8 is among them.
"""
import os


class Plain:
    __slots__ = ()


class Tracked:
    pass


COUNT = 4400000
COLUMNS = [[one] * COUNT for one in (None, True, Plain(), Tracked())]

if __name__ == "__main__":
    for _ in range(8):
        for column in COLUMNS:
            column.append(column[0])
        os.getppid()
