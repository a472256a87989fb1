"""gdbext/memext/sqltext.py: rows of statements as text."""
import os
import tempfile
import unittest

from memext import sqltext
from memext.options import UsageError


class Aligning(unittest.TestCase):
    def test_numbers_go_right_and_texts_left(self):
        lines = list(sqltext.aligned(["n", "type", "size"], [(1, "a", 10), (200, "long", None)]))
        self.assertEqual(lines, ["  n  type  size", "  1  a       10", "200  long  NULL"])

    def test_addresses_are_numbers(self):
        lines = list(sqltext.aligned(["a", "t"], [("0x10", "x"), ("0x7f10", "y")]))
        self.assertEqual(lines, ["     a  t", "  0x10  x", "0x7f10  y"])

    def test_texts_stay_in_their_line(self):
        lines = list(sqltext.aligned(["t", "u"], [("a\nb\x1b[0m", "é")]))
        self.assertEqual(lines[1], "a\\nb\\x1b[0m  é")

    def test_lines_fit_the_screen(self):
        rows = [("x" * 200, "y" * 200)]
        self.assertEqual(max(len(line) for line in sqltext.aligned(["a", "b"], rows, 100)), 100)
        self.assertEqual(max(len(line) for line in sqltext.aligned(["a", "b"], rows)), 402)

    def test_no_rows(self):
        self.assertEqual(list(sqltext.aligned(["a", "b"], [], 80)), ["a  b"])


class Formats(unittest.TestCase):
    def test_csv_quotes_what_needs_it(self):
        self.assertEqual(sqltext.csv_lines(["a", "b"], [("x,y", None), ('"', "1\n2"), (1, 2.5)]),
                         ['a,b\n"x,y",\n"""","1\n2"\n1,2.5'])

    def test_files_are_whole_or_not_there(self):
        def broken():
            yield [(1, 2)]
            raise KeyboardInterrupt

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.csv")
            self.assertEqual(sqltext.write_csv(path, ["a", "b"], iter([[(1, None)], [("x\n", 3)]])), 2)
            with self.assertRaises(KeyboardInterrupt):
                sqltext.write_csv(path, ["a", "b"], broken())
            with open(path, newline="") as file:
                self.assertEqual(file.read(), 'a,b\n1,\n"x\n",3\n')
            self.assertEqual(os.listdir(folder), ["rows.csv"])
            with self.assertRaisesRegex(UsageError, "cannot write .*: No such file"):
                sqltext.write_csv(os.path.join(folder, "no", "rows.csv"), ["a"], iter([]))
        with self.assertRaisesRegex(UsageError, "cannot write /dev/full: No space"):
            sqltext.write_csv("/dev/full", ["a"], iter([[(1,)]]))

    def test_equal_names_become_different_keys(self):
        self.assertEqual(sqltext.unique(["id", "id", "x", "id", "id_2"]), ["id", "id_2", "x", "id_3", "id_2_2"])
        self.assertEqual(sqltext.json_rows(["a", "a"], [(1, 2)]), [{"a": 1, "a_2": 2}])

    def test_quotes_around_a_whole_statement_go(self):
        self.assertEqual(sqltext.unwrap("'SELECT 1'"), "SELECT 1")
        self.assertEqual(sqltext.unwrap('"SELECT \'a\'"'), "SELECT 'a'")
        for whole in ("", "'", "SELECT 'a'", "'a' || 'b'"):
            self.assertEqual(sqltext.unwrap(whole), whole)


if __name__ == "__main__":
    unittest.main()
