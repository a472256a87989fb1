# SPDX-License-Identifier: Apache-2.0
"""Stacks as text."""
import unittest

from memext import stacks
from memext.options import UsageError

MAIN = {"address": 1, "interpreter": 0, "thread_id": 0x7f00, "native_id": 41, "gil": True, "raised": 0, "handled": 9,
        "hidden": 3, "frames": [("Order.total", "/srv/app.py", 12, 5, [("self", 16, "app.Order", 56),
                                                                      ("rows", 32, "list", 88)]),
                                ("<module>", "/srv/app.py", 40, 6, [])]}
OLD = dict(MAIN, native_id=0, gil=False, handled=0, hidden=0, frames=[], interpreter=1, raised=7)


def value_of(addr):
    return "<%d>" % addr


class Text(unittest.TestCase):
    def rows(self):
        return [stacks.thread_row(MAIN, "MainThread", value_of), stacks.thread_row(OLD, None, value_of)]

    def test_lines(self):
        main, old = self.rows()
        main["native"] = [{"function": "select", "pc": "0x1", "place": "libc.so.6"},
                          {"function": None, "pc": "0x2", "place": None}]
        self.assertEqual(stacks.thread_lines(main, lambda size: "%d B" % size, 40), [
            'thread 41 "MainThread", holds the GIL, handles <9>',
            "  #0  Order.total (/srv/app.py:12)",
            "        self  app.Order, 56 B: <16>",
            "        rows  list, 88 B: <32>",
            "  #1  <module> (/srv/app.py:40)",
            "  … and 3 more frames (-limit 0 shows all)",
            "  C0  select in libc.so.6",
            "  C1  ??"])
        self.assertEqual(stacks.thread_lines(old, str, 0),
                         ["thread 0x7f00, interpreter 1, raises <7>", "  no Python frame"])

    def test_pick(self):
        rows = self.rows()
        for wanted, count in (("41", 1), ("MainThread", 1), ("0x7f00", 2), (None, 2)):
            self.assertEqual(len(stacks.pick(rows, wanted)), count, wanted)
        with self.assertRaisesRegex(UsageError, r"no Python thread `x': there are 41 \(MainThread\), 0x7f00$"):
            stacks.pick(rows, "x")

    def test_order(self):
        made = [dict(MAIN, interpreter=number, native_id=native) for number, native in ((1, 9), (0, 8), (0, 7))]
        self.assertEqual([thread["native_id"] for thread in stacks.in_order(made)], [7, 8, 9])

    def test_total(self):
        total = {"threads": 2, "interpreters": 1, "gil": 41, "free_threaded": False}
        self.assertEqual(stacks.total_line(total),
                         "total: 2 Python threads of 1 interpreter; thread 41 holds the GIL")
        self.assertTrue(stacks.total_line(dict(total, gil=None)).endswith("; nobody holds the GIL"))
        self.assertIn("free-threaded", stacks.total_line(dict(total, gil=None, free_threaded=True)))
