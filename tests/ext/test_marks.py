# SPDX-License-Identifier: Apache-2.0
"""Which stop is compared with which; the binding is a stub, for no heap is read."""
import os
import sys
import tempfile
import types
import unittest

STUB = types.SimpleNamespace(Error=type("Error", (Exception,), {}))


def import_marks():
    """The module, with the stub as its binding."""
    sys.modules["_memext"] = STUB
    try:
        from memext import marks
    finally:
        del sys.modules["_memext"]
    return marks


marks = import_marks()


def stop(name, pid=7):
    return marks.Stop(name, pid, heap=object())


class Growth(unittest.TestCase):
    def setUp(self):
        self.marks = marks.Marks()
        self.first, self.second, self.third = stop("first"), stop("second"), stop("third")

    def grow(self, now):
        base = self.marks.growth_base(now)
        self.marks.set_grown(now, base)
        return base

    def test_each_stop_is_compared_with_the_one_before(self):
        self.assertEqual([self.grow(now) for now in (self.first, self.second, self.third)],
                         [None, self.first, self.second])

    def test_asked_twice_at_one_stop_the_answer_is_the_same(self):
        self.grow(self.first)
        self.grow(self.second)
        again = marks.Stop("second again", 7, heap=self.second.heap)
        self.assertIs(self.grow(again), self.first)
        self.assertIs(self.grow(self.third), again)

    def test_only_one_stop_before_the_last_is_kept(self):
        for now in (self.first, self.second, self.third):
            self.grow(now)
        self.assertIs(self.third.before, self.second)
        self.assertIsNone(self.second.before)

    def test_processes_do_not_mix(self):
        self.grow(self.first)
        self.assertIsNone(self.grow(stop("other", pid=8)))

    def test_new_objects_are_those_that_growth_has_shown(self):
        self.grow(self.first)
        self.marks.set(stop("between"))
        self.grow(self.second)
        self.assertIs(self.marks.latest_before(self.second), self.first)

    def test_new_objects_are_newer_than_the_last_stop_remembered(self):
        self.grow(self.first)
        mark = stop("mark")
        self.marks.set(mark)
        self.assertIs(self.marks.latest_before(self.second), mark)
        self.marks.delete("mark")
        self.assertIs(self.marks.latest_before(self.second), self.first)

    def test_a_stop_is_not_before_itself(self):
        self.marks.set(self.first)
        self.assertIsNone(self.marks.latest_before(self.first))


class Since(unittest.TestCase):
    def find(self, name, all_marks=None):
        return (all_marks or marks.Marks()).find(name, False, {}, None)

    def test_marks_come_before_files(self):
        known, mark = marks.Marks(), stop("/etc/passwd")
        known.set(mark)
        self.assertIs(self.find("/etc/passwd", known), mark)

    def test_nothing_of_that_name(self):
        known = marks.Marks()
        with self.assertRaisesRegex(marks.UsageError, "no mark and no file `x': py-mark NAME makes one"):
            self.find("x", known)
        known.set(stop("y"))
        with self.assertRaisesRegex(marks.UsageError, "no mark and no file `x': the marks are y"):
            self.find("x", known)
        with self.assertRaisesRegex(marks.UsageError, "no mark `x'"):
            known.delete("x")

    def test_errors_of_a_core_name_the_file_and_close_the_target(self):
        closed = []

        def fail(progress):
            raise STUB.Error("no Python in this process")

        target = types.SimpleNamespace(info=lambda: {"pid": 7}, heap=fail, close=lambda: closed.append(1))
        STUB.open_core = lambda path, progress, **paths: target
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\x7fELF")
            file.flush()
            with self.assertRaisesRegex(marks.UsageError, os.path.basename(file.name) + ": no Python"):
                self.find(file.name)
        self.assertEqual(closed, [1])
