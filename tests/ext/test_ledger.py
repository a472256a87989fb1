# SPDX-License-Identifier: Apache-2.0
"""The ledger as a tree and a verdict."""
import unittest

from memext import ledger, table

MB = 1 << 20
ROWS = [("malloc/free/bins", 600 * MB, 640 * MB, 900), ("python/objects/str", 200 * MB, 200 * MB, 4000),
        ("python/objects/a/b.C", 20 * MB, 20 * MB, 10), ("python/objects/app.Tiny", MB, MB, 5),
        ("python/objects/app.Small", MB, MB, 5), ("python/buffers/dict", 80 * MB, 80 * MB, 70),
        ("python/buffers/instances", 20 * MB, 20 * MB, 70), ("malloc/used/globals", 50 * MB, 50 * MB, 3),
        ("modules/libc.so.6/text", 2 * MB, 3 * MB, 1), ("modules/libc.so.6/data", 6 * MB, 6 * MB, 1),
        ("modules/a/b.so/text", 12 * MB, 12 * MB, 1), ("stacks/unused", 0, 8 * MB, 1),
        ("other/anonymous", 8 * MB, 9 * MB, 2)]


def found(trimmable=590 * MB, rows=ROWS):
    total = [sum(row[i] for row in rows) for i in (1, 2)]
    return {"rows": rows, "guessed": 0, "parts": [("total", total[0], total[1], 9), ("pymalloc", 0, 0, 0),
                                                  ("trimmable", trimmable, trimmable, 3)],
            "figures": [("rss", total[0], "exactly"), ("vms", 5 * MB, "at least"), ("swap", 0, "not")]}


class Groups(unittest.TestCase):
    def test_every_row_is_in_one_group(self):
        book = ledger.Ledger(found(), "live")
        self.assertEqual(sum(group.resident for group in book.groups.values()), book.total["resident"])
        self.assertEqual(sum(group.virtual for group in book.groups.values()), book.total["virtual"])
        for group in book.groups.values():
            self.assertEqual(sum(line.resident for line in group.children), group.resident)
        self.assertEqual(book.total["rest"], 8 * MB)
        self.assertEqual(book.rows[0], {"kind": "malloc/free/bins", "resident": 600 * MB, "virtual": 640 * MB,
                                        "count": 900})

    def test_modules_are_put_together(self):
        lines = ledger.Ledger(found(), "live").groups["modules"].children
        self.assertEqual([(line.name, line.resident) for line in lines], [("a/b.so", 12 * MB), ("libc.so.6", 8 * MB)])

    def test_names(self):
        cases = {"python/objects/a/b.C": "a/b.C", "python/buffers/dict": "of dict", "kernel/vdso": "vdso",
                 "python/buffers/instances": "of instances (attributes)", "python/buffers/other": "of other objects",
                 "malloc/free/top": "behind the last chunks (top)", "files/LC_CTYPE": "LC_CTYPE",
                 "modules/x.so/bss": "x.so", "malloc/used/nobody": "reached by no address",
                 "malloc/mapped/objects": "reached from Python objects, mapped one by one",
                 "python/raw/stacks": "reached from C stacks only", "python/objects/nobody": "nobody"}
        self.assertEqual({kind: ledger.child_name(kind) for kind in cases}, cases)


class Text(unittest.TestCase):
    def test_verdict(self):
        text = ledger.verdict(ledger.Ledger(found(), "live"), table.size)
        self.assertEqual(text, "RSS 1000 MiB: 600 MiB free inside malloc (fragmentation: malloc_trim would return "
                               "590 MiB), 322 MiB live Python objects with their buffers, 50.0 MiB C data in malloc, "
                               "28.0 MiB other")

    def test_verdict_of_small_holes_in_a_core(self):
        text = ledger.verdict(ledger.Ledger(found(5 * MB), "core"), table.size)
        self.assertTrue(text.startswith("the core holds 1000 MiB: 600 MiB free inside malloc (fragmentation: in holes "
                                        "smaller than a page, malloc_trim would return 5.00 MiB), "), text)

    def test_zeros_of_a_core_are_no_memory(self):
        rows = ROWS + [("untouched/arenas", 3000 * MB, 3000 * MB, 50), ("untouched/stacks", 500 * MB, 500 * MB, 50)]
        book = ledger.Ledger(found(rows=rows), "core")
        text = ledger.verdict(book, table.size)
        self.assertTrue(text.startswith("the core holds 1000 MiB (and 3.42 GiB of zeros, threads' reserves that took "
                                        "no memory): 600 MiB free inside malloc "), text)
        self.assertEqual(book.in_use(), 1000 * MB)
        lines = list(ledger.tree(book, 3, table.size).lines(200))
        self.assertIn("60.0 %", lines[1])
        self.assertEqual(["reserves never used" in line for line in lines[-4:]], [True, False, False, False])

    def test_what_leads_to_c_data(self):
        rows = [("malloc/used/nobody", 30 * MB, 30 * MB, 9), ("malloc/mapped/nobody", 20 * MB, 20 * MB, 1),
                ("malloc/used/objects", 40 * MB, 40 * MB, 9), ("python/raw/nobody", 5 * MB, 5 * MB, 9)]
        text = ledger.verdict(ledger.Ledger(found(0, rows), "live"), table.size)
        self.assertEqual(text, "RSS 95.0 MiB: 90.0 MiB C data in malloc (50.0 MiB of it reached by no address: "
                               "py-leaks), 5.00 MiB C data in Python's blocks")
        rows[0] = ("malloc/used/nobody", 10 * MB, 10 * MB, 9)
        text = ledger.verdict(ledger.Ledger(found(0, rows), "live"), table.size)
        self.assertIn("C data in malloc (40.0 MiB of it reached from Python objects), ", text)

    def test_figures(self):
        self.assertEqual(ledger.figure_lines(ledger.Ledger(found(), "core"), table.size),
                         ["rss 1000 MiB  vms >= 5.00 MiB",
                          "a core does not tell swap; resident is what it holds"])
        book = ledger.Ledger(found(), "core")
        self.assertEqual((book.process(), book.at_least()), ({"rss": 1000 * MB, "vms": 5 * MB, "swap": None}, ["vms"]))

    def test_tree(self):
        lines = list(ledger.tree(ledger.Ledger(found(), "live"), 1, table.size).lines())
        whats = [line[line.index("  ", 30):].strip() if "  " in line[30:] else line for line in lines]
        self.assertEqual([what.split("  ")[-1] for what in whats][:6],
                         ["what", "free inside malloc", "live Python objects", "str", "3 more types",
                          "buffers of Python objects"])
        self.assertTrue(lines[-1].endswith("total"))
        every = list(ledger.tree(ledger.Ledger(found(), "live"), 0, table.size).lines())
        self.assertTrue(any(line.endswith("    app.Tiny") for line in every))

    def test_nothing_resident(self):
        book = ledger.Ledger(found(0, [("stacks/unused", 0, 8 * MB, 1)]), "core")
        self.assertEqual(ledger.verdict(book, table.size), "the core holds 0 B")
        self.assertTrue(list(ledger.tree(book, 6, table.size).lines()))


if __name__ == "__main__":
    unittest.main()
