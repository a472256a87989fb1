# SPDX-License-Identifier: Apache-2.0
"""What is meant by the place of a py-break."""
import unittest

from memext import places
from memext.options import UsageError

APP, OTHER, LIBRARY = "/srv/shop/app.py", "/srv/shop/pkg/__init__.py", "/usr/lib/python3.11/json/__init__.py"
ROWS = [("load", "app", APP, 3), ("Order.total", "app", APP, 12), ("Cart.total", "app", APP, 40),
        ("outer", "app", APP, 50), ("outer.<locals>.inner", "app", APP, 51),
        ("outer.<locals>.<lambda>", "app", APP, 52),
        ("load", "json", LIBRARY, 274), ("dumps", "json", LIBRARY, 183), ("start", "", OTHER, 7)]
FUNCTIONS = [places.Function(name, module, file, line, True, 0x10 + line, 0x1000 + line)
             for name, module, file, line in ROWS]
UNKNOWN = places.Function("inner", "", APP, 90, False, 1, 2)


def lines(text, functions=FUNCTIONS, **options):
    return [function.line for function in places.Place(text).find(functions, **options)]


class Names(unittest.TestCase):
    def test_qualified(self):
        cases = {"Order.total": [12], "total": [12, 40], "app.Order.total": [12], "app:Cart.total": [40],
                 "outer.inner": [51], "outer.<locals>.inner": [51], "inner": [51], "otal": [], "app:none": [],
                 "other:load": [], "pkg:start": [7], "hop:start": [], "app.py:total": [12, 40]}
        self.assertEqual({text: lines(text) for text in cases}, cases)

    def test_files_by_the_end_of_their_path(self):
        cases = {"app.py:load": [3], "shop/app.py:load": [3], "/srv/shop/app.py:load": [3], "./app.py:load": [3],
                 "pp.py:load": [], "json/__init__.py:load": [274]}
        self.assertEqual({text: lines(text) for text in cases}, cases)

    def test_a_bare_name_is_the_users_first(self):
        self.assertEqual(lines("load"), [3])
        self.assertEqual(lines("dumps"), [183])
        self.assertEqual(lines("dumps", importing=True), [])
        self.assertEqual(lines("json:dumps", importing=True), [183])

    def test_names_that_are_not_qualified(self):
        self.assertEqual(lines("outer.inner", [UNKNOWN]), [90])
        self.assertEqual(lines("outer.inner", [UNKNOWN] + FUNCTIONS), [51])


class Lines(unittest.TestCase):
    def test_where_a_function_starts_or_the_one_around(self):
        cases = {"app.py:12": [12], "app.py:13": [12], "app.py:2": [], "app.py:52": [52], "app.py:60": [51],
                 "other.py:12": []}
        self.assertEqual({text: lines(text) for text in cases}, cases)


class Wrong(unittest.TestCase):
    def test_sentences(self):
        for text in ("app:", ":load", "app:12", ""):
            with self.assertRaises(UsageError):
                places.Place(text)

    def test_ambiguous(self):
        place = places.Place("total")
        self.assertEqual(places.ambiguous(place, place.find(FUNCTIONS)),
                         "`total' means 2 functions: app.Order.total (/srv/shop/app.py:12), "
                         "app.Cart.total (/srv/shop/app.py:40): say which by FILE.py:LINE or MODULE:FUNCTION")


if __name__ == "__main__":
    unittest.main()
