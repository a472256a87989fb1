# SPDX-License-Identifier: Apache-2.0
"""Wasted memory as text."""
import unittest

from memext import table, waste

FOUND = [("strings", 0x20, "'EUR'", 1000, 52000, 51948, "app.Order.currency"), ("lists", 0, "", 9, 900, 400, ""),
         ("lists", 0x40, "list, 1 of 4 places used: [7]", 1, 88, 24, ""),
         ("empty-dicts", 0x60, "app.Order", 5, 320, 320, "")]


class Rows(unittest.TestCase):
    def test_order_and_limit(self):
        rows, left_out = waste.json_rows(FOUND, None, 0)
        self.assertEqual([row["addr"] for row in rows], ["0x20", "0x60", "0x40"])
        self.assertEqual(left_out, 0)
        rows, left_out = waste.json_rows(FOUND, None, 1)
        self.assertEqual((rows, left_out), ([{"kind": "strings", "addr": "0x20", "value": "'EUR'", "count": 1000,
                                              "bytes": 52000, "wasted": 51948, "holder": "app.Order.currency"}], 2))
        self.assertEqual([row["addr"] for row in waste.json_rows(FOUND, "lists", 0)[0]], ["0x40"])

    def test_tables(self):
        rows, _ = waste.json_rows(FOUND, None, 0)
        self.assertEqual(list(waste.row_table(rows, table.size).lines()), [
            "  wasted  objects         kind  address  held by = value",
            "50.7 KiB    1,000      strings     0x20  app.Order.currency = 'EUR'",
            "   320 B        5  empty-dicts     0x60  __dict__ of app.Order instances",
            "    24 B        1        lists     0x40  list, 1 of 4 places used: [7]"])
        kinds = [{"kind": "sets", "count": 1, "wasted": 5}, {"kind": "lists", "count": 1234, "wasted": 2048}]
        self.assertEqual(list(waste.kind_table(kinds, table.size).lines()), [
            "  wasted  objects   kind  what",
            "2.00 KiB    1,234  lists  lists with room to spare",
            "     5 B        1   sets  sets with sparse tables"])

    def test_totals(self):
        self.assertEqual(waste.total_line(1024, 2048, table.size),
                         "total: 1.00 KiB could be saved, 50.0 % of the 2.00 KiB in objects")
        self.assertEqual(waste.total_line(1, 1000000, table.size), "total: 1 B could be saved")
        self.assertEqual(waste.total_line(0, 0, table.size), "total: 0 B could be saved")


if __name__ == "__main__":
    unittest.main()
