# SPDX-License-Identifier: Apache-2.0
"""memext.exporting: formats by ending, and what is said afterwards."""
import unittest

from memext import exporting, table
from memext.options import UsageError


class Formats(unittest.TestCase):
    def test_endings(self):
        for path, kind in (("a.heapsnapshot", "heapsnapshot"), ("/x/b.SQLITE", "sqlite"), ("c.db", "sqlite"),
                           ("d.jsonl", "json"), ("e.folded", "collapsed"), ("f.x.gv", "dot")):
            self.assertEqual(exporting.format_of(path), kind)

    def test_unknown_ending(self):
        for path in ("heap", "heap.txt", ".json"):
            with self.assertRaisesRegex(UsageError, "heapsnapshot, .sqlite, .dot, .json or .collapsed"):
                exporting.format_of(path)

    def test_every_format_has_an_ending_and_a_next_step(self):
        self.assertEqual(set(exporting.ENDINGS.values()), set(exporting.FORMATS))
        self.assertEqual(set(exporting.NEXT), set(exporting.FORMATS))


class Lines(unittest.TestCase):
    def test_counts(self):
        row = {"file": "it's.dot", "format": "dot", "nodes": 1, "edges": 2, "bytes": 2048}
        self.assertEqual(exporting.lines(row, table.size),
                         ["wrote it's.dot: 1 node, 2 edges, 2.00 KiB",
                          "next: dot -Tsvg -o heap.svg 'it'\\''s.dot'"])

    def test_no_edges(self):
        row = {"file": "a.collapsed", "format": "collapsed", "nodes": 3, "edges": 0, "bytes": 5}
        self.assertEqual(exporting.lines(row, table.size)[0], "wrote a.collapsed: 3 nodes, 5 B")


if __name__ == "__main__":
    unittest.main()
