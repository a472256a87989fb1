"""Ten thousand random values of the simple kinds, and what repr() says of each.

  values.py [--count 10000] [--seed N] REPRS

READY comes when REPRS was written: lines of address, tab, repr() as JSON.
"""
import argparse
import json
import random
import struct
import sys
import unicodedata

from truth import serve

VALUES = []
PLANES = ((0x20, 0x7f), (0x00, 0x100), (0x100, 0x3000), (0x3000, 0xd800), (0xd800, 0xe000), (0xe000, 0x10000),
          (0x10000, 0x20000), (0x20000, 0x110000))
CORNERS = [0, 1, -1, True, False, None, 2 ** 30 - 1, 2 ** 30, -2 ** 30, 2 ** 60, 10 ** 18, 10 ** 18 - 1, -10 ** 4000,
           0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e16, 1e15, 123456789012345680.0, 5e-324,
           1.7976931348623157e308, 0.1, 1e22, 1e-5, 0.0001, 2.0 ** -44, "",
           "'", '"', "'\"", "\\", "\n\r\t\0\x7f\x85\xa0\xad",
           b"", b"'", b'"', b"'\"", bytes(range(256)), "\ud800", "\udfff\ue000", "\u2028\u200b\ufeff", "e\u0301"]


def assigned(point):
    """Which unassigned code points are printable depends on a release's Unicode tables: leave them out."""
    return 0xd800 <= point < 0xe000 or unicodedata.ucd_3_2_0.category(chr(point)) != "Cn"


def random_text(rng):
    low, high = rng.choice(PLANES)
    points = [point for point in (rng.randrange(low, high) for _ in range(rng.randrange(1, 40))) if assigned(point)]
    return "".join(map(chr, points + [ord(c) for c in rng.choice(("", "'", '"', "a'\"", "\\", "x"))]))


def random_value(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return random_text(rng)
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(60)))
    if kind == 2:
        value = rng.getrandbits(rng.choice((8, 30, 31, 60, 64, 200, 2000, 14000)))
        return -value if rng.random() < 0.5 else value
    if rng.random() < 0.5:
        return struct.unpack("d", struct.pack("Q", rng.getrandbits(64)))[0]
    return rng.choice((rng.random(), rng.uniform(-1e20, 1e20), round(rng.uniform(-1000, 1000), rng.randrange(6)),
                       2.0 ** rng.randrange(-1074, 1024)))


def write(path):
    with open(path, "w") as f:
        for value in VALUES:
            f.write("%d\t%s\n" % (id(value), json.dumps(repr(value))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("reprs")
    a = parser.parse_args()
    rng = random.Random(a.seed)
    VALUES.extend(CORNERS)
    while len(VALUES) < a.count:
        VALUES.append(random_value(rng))
    write(a.reprs)
    sys.stdout.flush()
    serve(globals())


if __name__ == "__main__":
    main()
