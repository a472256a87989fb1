# SPDX-License-Identifier: Apache-2.0
"""Tables and numbers, type names, OBJ, and answers as JSON and back."""
import json
import os
import tempfile
import unittest

from memext import answer, objref, table, typenames
from memext.options import UsageError


class Numbers(unittest.TestCase):
    def test_sizes(self):
        cases = {0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 10239: "10.0 KiB", 102290: "99.9 KiB", 102400: "100 KiB",
                 1023 * 1024: "1023 KiB", 1047552 + 512: "1.00 MiB", 5 << 30: "5.00 GiB", 1 << 60: "1048576 TiB"}
        self.assertEqual({value: table.size(value) for value in cases}, cases)

    def test_exact_sizes(self):
        self.assertEqual(table.size(1234567, "bytes"), "1,234,567")
        self.assertEqual(table.size(12, "bytes"), "12")

    def test_deltas(self):
        self.assertEqual([table.delta(value) for value in (1234, 0, -5)], ["+1,234", "0", "-5"])
        self.assertEqual([table.size_delta(value) for value in (2048, 0, -2048)], ["+2.00 KiB", "0", "-2.00 KiB"])

    def test_plural(self):
        self.assertEqual(table.plural(1, "type"), "1 type")
        self.assertEqual(table.plural(1000, "type"), "1,000 types")


class Columns(unittest.TestCase):
    def table(self):
        result = table.Table("count", "type")
        result.add("5", "app.models.billing.internal.Order")
        result.add("1,234", "dict")
        return result

    def test_alignment(self):
        self.assertEqual(list(self.table().lines()),
                         ["count  type", "    5  app.models.billing.internal.Order", "1,234  dict"])

    def test_narrow_terminals_shorten_the_middle_of_names(self):
        lines = list(self.table().lines(30))
        self.assertLessEqual(max(map(len, lines)), 30)
        self.assertRegex(lines[1], r"^    5  app\.models.+….+l\.Order$")

    def test_shorten_never_exceeds_its_width(self):
        for width in range(1, 12):
            self.assertEqual(len(table.shorten("abcdefghijkl", width)), width)
        self.assertEqual(table.shorten("abc", 0), "abc")

    def test_values_lose_their_end(self):
        result = table.Table("n", "value", cut=table.clip)
        result.add("1", "abcdefghijklmnopqrstuvwxyz")
        self.assertEqual(list(result.lines(19))[1], "1  abcdefghijklmno…")

    def test_fields_leave_out_what_is_empty(self):
        self.assertEqual(table.fields([("a", "1"), ("long", None), ("bc", "0")]), ["a   1", "bc  0"])
        self.assertEqual(table.fields([]), [])


NAMES = ["dict", "app.Order", "shop.Order", "app.OrderLine", "app.load.<locals>.Row", "collections.OrderedDict"]


class Names(unittest.TestCase):
    def test_exact_name_wins(self):
        self.assertEqual(typenames.match("dict", NAMES), {"dict"})

    def test_last_component(self):
        self.assertEqual(typenames.match("Order", NAMES), {"app.Order", "shop.Order"})
        self.assertEqual(typenames.match("Row", NAMES), {"app.load.<locals>.Row"})

    def test_globs_mean_whole_names_first(self):
        self.assertEqual(typenames.match("app.Order*", NAMES), {"app.Order", "app.OrderLine"})
        self.assertEqual(typenames.match("Order?*", NAMES), {"app.OrderLine", "collections.OrderedDict"})

    def test_nothing_matches_says_what_is_near(self):
        with self.assertRaisesRegex(UsageError, "no object here has a type named `Ordr'; did you mean app.Order"):
            typenames.require("Ordr", NAMES)
        with self.assertRaisesRegex(UsageError, "`zzzzzz'; py-count lists the types"):
            typenames.require("zzzzzz", NAMES)

    def test_one_is_wanted(self):
        self.assertEqual(typenames.require_one("OrderLine", NAMES), "app.OrderLine")
        with self.assertRaisesRegex(UsageError, "several types; give one of app.Order, shop.Order$"):
            typenames.require_one("Order", NAMES)


class Objects(unittest.TestCase):
    def test_addresses(self):
        self.assertEqual(objref.parse(" 0x7f00 "), ("address", 0x7f00))
        self.assertEqual(objref.parse("1234"), ("address", 1234))
        self.assertEqual(objref.parse("0123"), ("address", 123))

    def test_impossible_addresses(self):
        for text in ("0", "0x0", "99999999999999999999"):
            with self.assertRaisesRegex(UsageError, "no address"):
                objref.parse(text)

    def test_nth(self):
        self.assertEqual(objref.parse("app.Order#-1"), ("nth", "app.Order", -1))
        self.assertEqual(objref.parse("'app.load.<locals>.Row#3'"), ("nth", "app.load.<locals>.Row", 3))

    def test_expressions(self):
        for text in ("$py", "(long)$rdi + 8", '$f("a#1") ', "app.CACHE['k'][3]", "0x12g", "0x" + "f" * 17):
            self.assertEqual(objref.parse(text), ("expression", text.strip()))

    def test_nothing(self):
        with self.assertRaisesRegex(UsageError, "which object"):
            objref.parse("  ")

    def test_name_paths(self):
        self.assertTrue(objref.is_name_path("app.CACHE['k']"))
        self.assertTrue(objref.is_name_path("__main__"))
        self.assertFalse(objref.is_name_path("$py"))
        self.assertFalse(objref.is_name_path("f(3)"))

    def test_places(self):
        self.assertEqual([objref.nth_index("T", n, 3) for n in (0, 2, -1, -3)], [0, 2, 2, 0])
        for n in (3, -4):
            with self.assertRaisesRegex(UsageError, "3 objects of that type, #0 to #2"):
                objref.nth_index("T", n, 3)


def counts(rows, glob=None, gc=False, total=None):
    result = answer.Answer("py-count", {"pid": 7}, True, [])
    result.rows = rows
    result.total = {"rows": len(rows) if total is None else total, "glob": glob, "gc": gc}
    return result


ROW = {"type": "app.Order", "type_addr": "0x10", "count": 2, "bytes": 96}


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "counts.json")

    def saved(self, result):
        sentence = result.write(self.path, True)
        return sentence, lambda tracked=False: answer.read_counts(self.path, tracked)

    def test_keys_of_json(self):
        result = json.loads(counts([ROW]).json())
        self.assertEqual(list(result), ["schema", "target", "complete", "warnings", "rows", "total"])
        self.assertEqual(result["schema"], "memext/py-count/1")
        self.assertEqual(json.loads(counts([]).json())["rows"], [])

    def test_there_and_back(self):
        sentence, read = self.saved(counts([ROW, dict(ROW, type_addr="0x20", count=1, bytes=48)]))
        self.assertEqual(sentence, "wrote %s (2 rows)" % self.path)
        self.assertEqual(read(), ([("app.Order", 0x10, 2, 3, 144)], {"pid": 7}))

    def test_part_of_the_types_is_refused(self):
        for result in (counts([ROW], total=2), counts([ROW], glob="app.*")):
            with self.assertRaisesRegex(UsageError, "some of the types only"):
                self.saved(result)[1]()

    def test_other_objects_are_refused(self):
        with self.assertRaisesRegex(UsageError, "with -gc: compare it with -gc"):
            self.saved(counts([ROW], gc=True))[1](False)
        with self.assertRaisesRegex(UsageError, "without -gc: compare it without -gc"):
            self.saved(counts([ROW]))[1](True)

    def test_damaged_files(self):
        bad_rows = [{}, dict(ROW, count=-1), dict(ROW, count="5"), dict(ROW, type=5), dict(ROW, bytes=2 ** 64), 7]
        for row in bad_rows:
            with self.assertRaisesRegex(UsageError, "damaged"):
                self.saved(counts([row]))[1]()

    def test_other_files(self):
        for text in ("", "[]", "{}", '{"schema": 1}', "\0\1", "[" * 100000):
            with open(self.path, "w") as file:
                file.write(text)
            with self.assertRaises(UsageError):
                answer.read_counts(self.path, False)
        with self.assertRaisesRegex(UsageError, "No such file"):
            answer.read_counts(self.path + "x", False)

    def test_a_folder_that_is_not_there(self):
        with self.assertRaisesRegex(UsageError, "cannot write .*No such file"):
            counts([ROW]).write("/nonexistent/x.json", True)

    def test_text_files(self):
        result = counts([ROW])
        result.lines = ["a", "…"]
        result.write(self.path, False)
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "a\n…\n")
