"""memext.suspects: rows and lines from what the library found."""
import unittest

from memext import suspects, table

ROW = {"addr": 0x1000, "type": "dict", "path": "app.CACHE", "is_expression": True, "cause": "module-global",
       "why": "global `CACHE` of module app", "retained": 2048, "alone": 2048, "share": 0.5,
       "holds": {"type": "app.Order", "count": 2000, "bytes": 1024}, "example": 0x2000, "example_path": "['k']",
       "next": "py-refs app.CACHE -depth 2"}


def lines(**changes):
    return list(suspects.lines([dict(ROW, **changes)], lambda addr: "app.Order at %x" % addr, table.size))


class Rows(unittest.TestCase):
    def test_json(self):
        row = suspects.json_row(ROW)
        self.assertEqual((row["addr"], row["example"]), ("0x1000", "0x2000"))
        self.assertNotIn("is_expression", row)
        self.assertEqual(ROW["addr"], 0x1000)
        self.assertIsNone(suspects.json_row(dict(ROW, addr=0))["addr"])


class Lines(unittest.TestCase):
    def test_all_facts(self):
        self.assertEqual(lines(), [
            "1. 2.00 KiB, 50.0 %: app.CACHE, a dict",
            "   cause  module-global: global `CACHE` of module app",
            "   holds  2,000 app.Order (1.00 KiB)",
            "   e.g.   ['k'] = app.Order at 2000",
            "   next   py-refs app.CACHE -depth 2"])

    def test_without_an_expression(self):
        text = lines(is_expression=False, path="local x in f (app.py:1)")
        self.assertEqual(text[0], "1. 2.00 KiB, 50.0 %: dict at 0x1000")
        self.assertIn("   path   local x in f (app.py:1)", text)

    def test_garbage(self):
        text = lines(addr=0, type="", path="", is_expression=False, cause="garbage", why="unreachable cycles")
        self.assertEqual(text[:2], ["1. 2.00 KiB, 50.0 %: unreachable cycles", "   cause  garbage"])

    def test_shared(self):
        self.assertIn("   shared others refer to parts of it, too: 100 B would be freed with it alone",
                      lines(alone=100))
        self.assertFalse([line for line in lines(alone=1900) if "shared" in line])

    def test_nothing_below(self):
        text = lines(holds=None, example=0, example_path="")
        self.assertEqual([line.split()[0] for line in text], ["1.", "cause", "next"])

    def test_its_own_buffer(self):
        buffer = {"type": "raw block", "count": 1, "bytes": 100}
        self.assertIn("   holds  its own buffer (100 B)", lines(holds=buffer))
        self.assertIn("   holds  2 buffers (100 B)", lines(holds=dict(buffer, count=2)))


class Head(unittest.TestCase):
    def test_head(self):
        self.assertEqual(suspects.head_line([ROW], 4096, "", table.size), "1 holder explains 50.0 % of the 4.00 KiB")
        self.assertEqual(suspects.head_line([ROW, ROW], 4096, "new since x", table.size),
                         "2 holders explain 100.0 % of the 4.00 KiB that are new since x")
        self.assertEqual(suspects.head_line([], 0, "new since x", table.size), "nothing is new since x")
        self.assertEqual(suspects.head_line([], 4096, "", table.size),
                         "nothing stands out: no holder keeps 1 % of the 4.00 KiB")


if __name__ == "__main__":
    unittest.main()
