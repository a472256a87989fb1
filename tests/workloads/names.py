"""A process with many interned strings of which few can die: since 3.12 those that code is made of cannot.

  python names.py        prints READY {...}, obeys truth.serve's commands
"""
import marshal
import sys

from truth import serve

NAMES = 200000
# What marshal reads is taken for a part of code.
LASTING = marshal.loads(marshal.dumps([sys.intern("lasting name %d" % n) for n in range(NAMES)]))
PASSING = [sys.intern("passing name %d" % n) for n in range(NAMES // 100)]

if __name__ == "__main__":
    serve(globals())
