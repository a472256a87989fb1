# SPDX-License-Identifier: Apache-2.0
"""Retained sizes as text."""
import unittest

from memext import retaining, table

INFO = {"total": 2048000, "static_bytes": 1000, "unreachable": 1124, "unowned": 100,
        "blocks": 2000, "unreachable_blocks": 3}


def row(**changes):
    made = {"addr": "0x10", "type": "dict", "value": "{…}", "size": 64, "retained": 1024000, "share": 0.5,
            "path": "sys.modules['app'].CACHE", "reachable": True}
    made.update(changes)
    return made


class Texts(unittest.TestCase):
    def test_percent(self):
        cases = {0: "0.0 %", 0.00004: "0.00 %", 0.0004: "0.04 %", 0.0999: "10.0 %", 0.711: "71.1 %", 1: "100.0 %"}
        self.assertEqual({share: retaining.percent(share) for share in cases}, cases)

    def test_objects(self):
        self.assertEqual(retaining.object_text(row()), "sys.modules['app'].CACHE = dict {…}")
        self.assertEqual(retaining.object_text(row(path=None, reachable=None)), "dict {…}")
        self.assertEqual(retaining.object_text(row(path=None, reachable=False)), "(unreachable) = dict {…}")
        self.assertEqual(retaining.object_text(row(type=None, value="<gone>", path=None)), "? <gone>")

    def test_ways(self):
        self.assertEqual(retaining.way_text(["local x in f (a.py:1)", ".b"], None), "local x in f (a.py:1) → .b")
        self.assertEqual(retaining.way_text(["a", "b"], "sys.path"), "sys.path")
        self.assertEqual(retaining.way_text(list("abcdefg"), None), "a → b → … → f → g")

    def test_tables(self):
        self.assertEqual(list(retaining.object_table([row()], table.size).lines()),
                         ["retained   share  size  address  object",
                          "1000 KiB  50.0 %  64 B     0x10  sys.modules['app'].CACHE = dict {…}"])
        group = {"name": "module app", "retained": 2048, "share": 0.001, "size": 10, "count": 1234}
        self.assertEqual(list(retaining.group_table([group], "root", table.size).lines()),
                         ["retained   share  size  objects  root", "2.00 KiB  0.10 %  10 B    1,234  module app"])

    def test_totals(self):
        self.assertEqual(retaining.total_line(INFO, table.size), "total: 1.95 MiB in 2,000 blocks; 1.00 KiB "
                         "(0.05 %) unreachable: garbage; 100 B (0.00 %) C data of unknown owners")
        self.assertEqual(retaining.total_line(dict(INFO, unreachable=0, unowned=0), table.size),
                         "total: 1.95 MiB in 2,000 blocks")

    def test_more(self):
        self.assertEqual(retaining.more_line(1005, 5, "type"), "… and 1,000 more types (-limit 0 shows all)")
        self.assertIsNone(retaining.more_line(5, 5, "type"))

    def test_sizeof(self):
        self.assertEqual(retaining.sizeof_line((64, 0, 1024), 2048, table.size), "retains 1.00 KiB, 50.0 % of the heap")
        self.assertEqual(retaining.sizeof_line((64, 32, 1024), 2048, table.size),
                         "retains 1.00 KiB, 50.0 % of the heap; its buffers: 32 B")
        self.assertEqual(retaining.sizeof_line((0, 0, 0), 0, table.size), "retains 0 B, 0.0 % of the heap")


if __name__ == "__main__":
    unittest.main()
