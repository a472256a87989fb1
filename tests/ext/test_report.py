# SPDX-License-Identifier: Apache-2.0
"""The diagnosis: what its verdict says, that it stays on two screens, and that its page is safe and small."""
import json
import os
import re
import unittest
from unittest import mock

from memext import document, reftree, report, reportpage

EVIL = "</script><img src=x onerror=alert(1)>\"'&\x00\x1b\u2028\ud800"


def suspect(**changes):
    made = {"addr": "0x10", "type": "dict", "path": "app.CACHE", "is_expression": True, "cause": "module-global",
            "why": "global `CACHE` of module app", "retained": 1420 << 20, "alone": 1420 << 20, "share": 0.71,
            "holds": {"type": "app.Order", "count": 1200000, "bytes": 1400 << 20}, "example": "0x20",
            "example_path": "['k']", "next": "py-refs app.CACHE -depth 2"}
    made.update(changes)
    return dict(made, alone=changes.get("alone", made["retained"]))


def diagnosis(*suspects, **changes):
    found = report.Report("memext report: process 7", (2100 << 20, "resident memory of the process"))
    found.retained = {"total": 2000 << 20, "static_bytes": 1 << 20}
    found.total = found.used()
    found.suspects = list(suspects)
    found.remarks = ["Every block of the heap was read."]
    heap = {"objects": 5000, "static_objects": 400, "raw_bytes": 300 << 20, "raw_blocks": 70, "pool_free_blocks": 9}
    found.ledger = report.ledger(heap, found.retained, 5 << 20, found.process[0])
    for name, value in changes.items():
        setattr(found, name, value)
    return found


class Verdict(unittest.TestCase):
    def test_one_holder(self):
        self.assertEqual(report.verdict(diagnosis(suspect())),
                         "1.39 GiB of 1.95 GiB, 71 %, is held by the module global app.CACHE, a dict of 1.2 million "
                         "app.Order.")

    def test_holders_without_a_name(self):
        cases = {"the functools.lru_cache of app.load, a cache of 3 str objects":
                 suspect(cause="memoization", why="functools.lru_cache of app.load", path="app.load",
                         type="functools._lru_cache_wrapper", holds={"type": "str", "count": 3, "bytes": 9}),
                 "the local `rows` of app.main (app.py:12) in thread 3, a list":
                 suspect(cause="frame-local", why="local `rows` of app.main (app.py:12) in thread 3", path="",
                         is_expression=False, type="list", holds=None),
                 "the class attribute app.Order.all, an app.Registry that holds 12 app.Order":
                 suspect(cause="class-attribute", why="attribute `all` of class app.Order",
                         path="sys.modules['app'].Order.all", type="app.Registry",
                         holds={"type": "app.Order", "count": 12, "bytes": 9}),
                 "the suspended generator app.rows, a generator that holds 3 str objects":
                 suspect(cause="generator", why="held by the suspended generator app.rows", path="",
                         is_expression=False, type="generator", holds={"type": "str", "count": 3, "bytes": 9})}
        for text, one in cases.items():
            self.assertIn("is held by %s." % text, report.verdict(diagnosis(one)))

    def test_what_nobody_holds(self):
        one = suspect(addr=None, type="", cause="garbage", path="", is_expression=False, why="unreachable cycles",
                      holds={"type": "app.Node", "count": 5, "bytes": 9})
        self.assertIn("71 %: unreachable cycles (5 app.Node).", report.verdict(diagnosis(one)))
        one.update(why="memory of C code", holds={"type": "raw block", "count": 316, "bytes": 9})
        self.assertIn("71 %: memory of C code (316 raw blocks).", report.verdict(diagnosis(one)))

    def test_several_holders(self):
        parts = [suspect(share=0.2, path="app.A", retained=400 << 20),
                 suspect(share=0.1, path="app.B", retained=200 << 20)]
        self.assertEqual(report.verdict(diagnosis(*parts)),
                         "No holder explains most of the 1.95 GiB; the largest 2 hold 600 MiB, 30 %: the module global "
                         "app.A (20 %); the module global app.B (10 %).")

    def test_growth(self):
        text = report.verdict(diagnosis(suspect(retained=90 << 20, share=0.9), since="start", total=100 << 20))
        self.assertIn("90.0 MiB of the 100 MiB that came since start, 90 %, is held by the module global", text)
        text = report.verdict(diagnosis(suspect(share=1.0), since="start", total=100 << 20))
        self.assertIn("Nearly all of the 100 MiB that came since start is held by", text)
        self.assertEqual(report.verdict(diagnosis(since="start")), "Nothing that grew since start stands out.")

    def test_nothing_and_what_is_not_pythons(self):
        found = diagnosis(process=(20000 << 20, "resident memory of the process"), complete=False)
        self.assertEqual(report.verdict(found), "No holder stands out among the 1.95 GiB of Python's heap. Python's "
                         "heap is only 1.95 GiB of the 19.5 GiB resident memory of the process (10 %): most of that is "
                         "not Python's. Parts of the target are missing: sizes are lower bounds.")

    def test_many(self):
        cases = {0: "0", 999999: "999,999", 1000000: "1 million", 1234567: "1.2 million", 250000000: "250 million",
                 3 * 10 ** 9: "3 billion"}
        self.assertEqual({count: report.many(count) for count in cases}, cases)


class Parts(unittest.TestCase):
    def test_the_ledger_adds_up(self):
        found = diagnosis()
        self.assertEqual(sum(row["bytes"] for row in found.ledger), found.process[0])
        self.assertEqual(found.ledger[-1]["kind"], "rest")

    def test_a_ledger_without_the_process(self):
        heap = {"objects": 1, "static_objects": 0, "raw_bytes": 0, "raw_blocks": 0, "pool_free_blocks": 0}
        rows = report.ledger(heap, {"total": 10, "static_bytes": 0}, 0, 0)
        self.assertNotIn("rest", [row["kind"] for row in rows])
        self.assertTrue(list(report.ledger_lines(diagnosis(ledger=rows, process=(0, "")))))

    def test_steps(self):
        commands = [step["command"] for step in report.steps(diagnosis(suspect()))]
        self.assertEqual(commands, ["py-refs app.CACHE -depth 2", "py-mark before"])
        commands = [step["command"] for step in report.steps(diagnosis(suspect(), live=False))]
        self.assertEqual(commands, ["py-refs app.CACHE -depth 2", "py-report -since CORE"])
        commands = [step["command"] for step in report.steps(diagnosis(process=(9 << 30, "resident"), growth={}))]
        self.assertIn("py-leaks", commands)
        wasteful = diagnosis(growth={"rows": []}, waste={"rows": [], "kinds": [], "wasted": 500 << 20})
        self.assertEqual([step["command"] for step in report.steps(wasteful)], ["py-strings", "py-retained"])


def crowded(name):
    """Of all parts more than can be shown, with long names."""
    wide = name * 40
    kinds = ("strings", "bytes", "lists", "dicts", "sets", "empty-dicts")
    types = [{"type": wide, "type_addr": "0x1", "count": 10 ** 9, "bytes": 10 ** 12, "retained": 10 ** 12}] * 50
    growth = [dict(types[0], count_delta=10 ** 9, bytes_delta=10 ** 12)] * 50
    return diagnosis(
        *[suspect(why=wide, path=wide, type=wide, is_expression=False, next=wide, share=0.1, example_path=wide,
                  holds={"type": wide, "count": 10 ** 9, "bytes": 1})] * 20,
        since=name, types=types, growth={"since": name, "rows": growth, "total": growth[0]}, complete=False,
        waste={"rows": [{"kind": kind, "addr": "0x1", "value": wide, "count": 10 ** 9, "bytes": 10 ** 12,
                         "wasted": 10 ** 12, "holder": wide} for kind in kinds],
               "kinds": [{"kind": kind, "count": 10 ** 9, "wasted": 10 ** 12} for kind in kinds], "wasted": 10 ** 12})


class Text(unittest.TestCase):
    def test_two_screens_whatever_the_heap(self):
        lines = list(report.lines(crowded("app.Long_name")))
        self.assertLessEqual(len(lines), 62)
        # Commands alone are never cut.
        self.assertLessEqual(max(map(len, lines[:lines.index("Next")])), report.WIDTH)

    def test_empty_parts_are_left_out(self):
        lines = list(report.lines(diagnosis()))
        self.assertNotIn("Growth since None", lines)
        self.assertNotIn("Suspects", lines)
        self.assertIn("Completeness", lines)

    def test_a_number_stays_with_its_unit(self):
        for line in report.wrap("is of 71 % and 12.5 MiB " * 30):
            self.assertNotRegex(line, r"^\s*(%|MiB)|[0-9]$")
            self.assertNotIn("\xa0", line)


def tree():
    result = reftree.Tree(0x10, True)
    row = {"addr": "0x10", "type": EVIL, "size": 8, "refcount": 1, "value": EVIL}
    result.nodes[0x10] = reftree.Node(0x10, row, EVIL)
    result.nodes[0x20] = reftree.Node(0x20, dict(row, addr="0x20"), EVIL)
    result.add_edge(reftree.Edge(0x20, 0x10, "traversed", True, EVIL))
    return result


def nodes(count):
    return [(0, 1, 0, "heap", "", 0, count)] + [(0, 1, 16 * n, EVIL + str(n), EVIL, 1, 1) for n in range(1, count)]


class Page(unittest.TestCase):
    def page(self, found, outline=(), layout="var d3;"):
        return reportpage.render(found, {"0x10": [tree()]}, outline or nodes(3), layout)

    def test_nothing_of_the_target_is_markup(self):
        text = self.page(crowded(EVIL))
        self.assertNotIn("<img", text)
        self.assertEqual(text.count("</script>"), text.count("<script"))
        self.assertEqual(text.count("<script"), 3)
        for sign in "\x00\x1b\u2028":
            self.assertNotIn(sign, text)
        text.encode("utf-8", "backslashreplace")

    def test_every_element_is_closed(self):
        text = self.page(diagnosis(suspect()))
        for tag in ("section", "article", "details", "table", "ul", "li", "div", "p", "dl"):
            self.assertEqual(len(re.findall(r"<%s\b" % tag, text)), text.count("</%s>" % tag), tag)

    def test_ids_are_unique(self):
        found = diagnosis(suspect(), suspect())
        ids = re.findall(r' id="([^"]+)"', self.page(found))
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_outline_comes_through(self):
        text = self.page(diagnosis(), nodes(5))
        found = re.search(r'<script id="outline" type="application/json">(.*?)</script>', text, re.DOTALL).group(1)
        data = json.loads(found)
        self.assertEqual(data["parent"], [0] * 5)
        self.assertEqual(data["address"][:2], ["", "0x10"])
        self.assertEqual([data["types"][index] for index in data["type"]][0], "heap")
        self.assertNotIn("<", found)

    def test_no_address_of_the_network(self):
        text = self.page(diagnosis(suspect()))
        self.assertEqual(re.findall(r"""(?:src|href)=["'](?!#)[^"']*""", text), [])
        self.assertNotIn("@import", text)

    def test_without_the_library(self):
        text = self.page(diagnosis(suspect()), layout=None)
        self.assertIn("apt install node-d3-hierarchy", text)
        self.assertNotIn('id="outline"', text)
        with mock.patch.object(reportpage, "LIBRARY", "/nonexistent"):
            self.assertIsNone(reportpage.library())

    def test_pages_are_small_whatever_the_heap(self):
        asked = []

        def make(scale):
            asked.append(scale)
            return self.page(diagnosis(), nodes(max(2, int(400000 * scale))))
        self.assertLessEqual(len(reportpage.fitting(make).encode("utf-8", "backslashreplace")), 5000000)
        self.assertEqual(asked[:2], [1, 0.5])

    def test_the_last_resort(self):
        with mock.patch.object(reportpage, "MOST_BYTES", 10):
            self.assertEqual(reportpage.fitting(lambda scale: "x" * (20 if scale else 15)), "x" * 15)

    def test_assets_are_there(self):
        for name in os.listdir(os.path.join(os.path.dirname(reportpage.__file__), "web")):
            self.assertTrue(document.asset(name))


if __name__ == "__main__":
    unittest.main()
