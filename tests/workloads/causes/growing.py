"""Holds much, and with each line on stdin more elsewhere: the argument tells how often that was done before READY."""
import sys

import leak

OLD = leak.records(3 * leak.COUNT)
GROWN = {}


def grow():
    for record in leak.records(10000):
        GROWN[len(GROWN)] = record


for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
    grow()
for _ in leak.ready():
    grow()
