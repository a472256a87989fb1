# SPDX-License-Identifier: Apache-2.0
"""Checked invariants as verdicts, a table and the line for a bug report."""
import unittest

from memext import verifying

INFO = {"python_version": "3.13.0", "free_threaded": True, "debug_build": False, "layout_origin": "row 3.13.0t",
        "allocator": "mimalloc", "native_allocator": "glibc 2.41", "kind": "saved", "saved_kind": "core",
        "python_file": "missing", "command": "secret", "executable": "/home/secret"}


def rows(**failed):
    """A thousand of each were checked."""
    checks = [(name, "must hold", "objects", 1000, failed.get(name, 0), 0x1000 if failed.get(name) else 0,
               "is broken" if failed.get(name) else "") for name in ("sizes", "types", "refcounts")]
    return verifying.rows_of(checks)


class Verdicts(unittest.TestCase):
    def test_by_share_of_the_worst(self):
        self.assertEqual(verifying.verdict(rows(), True), "consistent")
        self.assertEqual(verifying.verdict(rows(sizes=9), True), "damaged in places")
        self.assertEqual(verifying.verdict(rows(sizes=9, types=10), True), "damaged, or misread")

    def test_lost_references_are_no_damage(self):
        self.assertEqual(verifying.verdict(rows(refcounts=500), True), "consistent")

    def test_a_part_of_a_core(self):
        self.assertEqual(verifying.verdict(rows(), False), "incomplete")
        self.assertEqual(verifying.verdict(rows(types=1), False), "incomplete, or damaged")


class Texts(unittest.TestCase):
    def test_failures_say_where(self):
        self.assertEqual(verifying.failure_lines(rows(types=2)), ["types: 0x1000: is broken"])
        self.assertEqual(verifying.failure_lines(rows()), [])

    def test_the_line_has_no_names(self):
        found = rows(types=2, refcounts=3)
        line = verifying.bug_line(INFO, {"checked": 3000, "exact": 0.99999}, found, "damaged in places", "memext 1")
        self.assertEqual(line, "memext 1: damaged in places, CPython 3.13.0 free-threaded (row 3.13.0t; mimalloc; "
                               "glibc 2.41; saved core; file missing): 3,000 checks, failed: types 2 of 1,000; "
                               "refcounts 99.99 % exact, 3 unexplained")

    def test_all_is_all(self):
        self.assertEqual(verifying.percent(1), 100)
        self.assertEqual(verifying.percent(0.999999), 99.99)

    def test_what_was_not_there_is_not_checked(self):
        found = verifying.rows_of([("pools", "hold", "pools", 0, 0, 0, "")])
        self.assertEqual(list(verifying.check_table(found).lines())[1].split()[:2], ["-", "-"])
        self.assertIsNone(found[0]["example"])


if __name__ == "__main__":
    unittest.main()
