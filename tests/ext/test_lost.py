# SPDX-License-Identifier: Apache-2.0
"""Lost memory as a verdict and rows."""
import unittest

from memext import lost, table

INFO = {"blocks": 40, "bytes": 4000, "definite_blocks": 2, "definite_bytes": 300, "indirect_blocks": 1,
        "indirect_bytes": 100, "possible_blocks": 3, "possible_bytes": 30}
WELL = dict(INFO, definite_blocks=0, definite_bytes=0, indirect_blocks=0, indirect_bytes=0)


def group(kind="definite", module="", **more):
    made = lost.row((kind, 100, 2, 200, 1, 100, "block, 0", module, 0x1000, ""))
    made.update(more)
    return made


class Verdict(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(lost.verdict([], WELL, table.size),
                         "nothing is definitely lost: an address leads to each of 37 blocks of C data")
        self.assertEqual(lost.verdict([], WELL, table.size, "a"),
                         "nothing was definitely lost since a: an address leads to each new block of C data")

    def test_lost(self):
        self.assertEqual(lost.verdict([group()], INFO, table.size), "400 B in 3 blocks definitely lost")
        self.assertEqual(lost.verdict([group()], INFO, table.size, "a"), "400 B in 3 blocks definitely lost since a")

    def test_by_whom(self):
        rows = [group(module="/lib/small.so", held_bytes=0), group(module="/lib/big.so"),
                group("possible", "/lib/possible.so", bytes=9000)]
        self.assertEqual(lost.verdict(rows, INFO, table.size),
                         "400 B in 3 blocks definitely lost; what leads to big.so: 300 B")


class Rows(unittest.TestCase):
    def test_what_is_not_there_is_none(self):
        made = group()
        self.assertEqual((made["module"], made["place"], made["example"]), (None, None, "0x1000"))

    def test_place_of_the_word(self):
        self.assertEqual(lost.cell(group(place="C stack of thread 7, at 0x10")),
                         "block, 0  (held by a word at C stack of thread 7, at 0x10)")
        self.assertEqual(lost.cell(group(content="")), "nothing")


if __name__ == "__main__":
    unittest.main()
