"""memext.testgrowth: judging tests by what they left, command lines of repetitions, CSV."""
import unittest

from memext import table, testgrowth

LEAST = 1000
HOLDER = {"cause": "module-global", "path": "app.KEEP", "is_expression": True, "why": "global", "retained": 4096,
          "holds": {"type": "str", "count": 7, "bytes": 700}}


def run(name, left, framework="pytest", **facts):
    test = testgrowth.Test(name, framework, 0.01)
    test.bytes = left
    for key, value in facts.items():
        setattr(test, key, value)
    return test


def verdicts(*tests):
    testgrowth.judge(tests, LEAST)
    return [test.verdict for test in tests]


class Names(unittest.TestCase):
    def test_parts(self):
        test = run("a/test_b.py::TestC::test_d[x::y]", 0)
        self.assertEqual((test.file, test.class_name, test.function),
                         ("a/test_b.py", "a/test_b.py::TestC", "a/test_b.py::TestC::test_d"))
        test = run("pkg.test_b.TestC.test_d", 0, "unittest")
        self.assertEqual((test.file, test.class_name), ("pkg.test_b", "pkg.test_b.TestC"))


class Verdicts(unittest.TestCase):
    def test_one_run_tells_nothing(self):
        self.assertEqual(verdicts(run("f::a", 999), run("f::b", 1000)), [None, "?"])

    def test_parameters_are_repetitions(self):
        grows = [run("f::a[%d]" % number, 5000) for number in range(4)]
        warms = [run("f::b[%d]" % number, 5000 if not number else 10) for number in range(4)]
        self.assertEqual(verdicts(*grows + warms), ["every time"] * 4 + ["once", None, None, None])

    def test_repetitions(self):
        """The first of a new process fills its caches; a small cache in each of them is no leak."""
        leak = run("f::a", 5000, again=[5000, 4900, 6100])
        cache = run("f::b", 5000, again=[5000, 0, -16])
        stops = run("f::c", 5000, again=[5000, 5000, 100])
        self.assertEqual(verdicts(leak, cache, stops), ["every time", "once", "once"])

    def test_usual_is_taken_off(self):
        tests = [run("f::%d" % number, 2000) for number in range(9)] + [run("f::leak", 9000)]
        testgrowth.take_off_usual(tests)
        self.assertEqual((tests[0].left, tests[-1].left), (0, 7000))

    def test_where_most_tests_leak(self):
        tests = [run("f::%d" % number, 1 << 20) for number in range(9)]
        testgrowth.take_off_usual(tests)
        self.assertGreater(tests[0].left, 1000000)

    def test_what_the_framework_keeps(self):
        self.assertEqual(verdicts(run("f::a", 9000, own=8500)), [None])

    def test_what_the_collector_will_free(self):
        tests = [run("f::a", 9000, garbage=8500), run("f::b", 9000, garbage=8000, again=[9000, 9000]),
                 run("f::c", 9000, garbage=9100, again=[9000, 9000])]
        self.assertEqual(verdicts(*tests), ["garbage", "every time", "garbage"])
        self.assertEqual(testgrowth.leaving(tests), [tests[1]])
        self.assertEqual(list(testgrowth.garbage_lines(tests, str)),
                         ["2 other tests left 18000 in cycles that the collector had not freed yet: "
                          "-gc calls it before each measuring"])

    def test_what_the_framework_keeps_may_be_the_usual(self):
        """The record of a test is not taken off twice."""
        self.assertEqual([run("f::a", 9000, usual=700, own=own).left for own in (0, 600, 800)], [8300, 8300, 8200])

    def test_what_is_not_the_frameworks(self):
        """No more is left than there is of others' new memory."""
        self.assertEqual(run("f::a", 9000, own=1000, other=500).left, 500)


class Drift(unittest.TestCase):
    """What the tests left that ended since the count that a test is compared with."""

    USUAL = [("dict", 0, 0, 0, 10, 3000), ("str", 0, 0, 0, 20, 1000), ("set", 0, 0, 0, -1, -200)]

    def test_shares(self):
        self.assertEqual(testgrowth.shares(self.USUAL), {"dict": (10 / 4000, 0.75), "str": (20 / 4000, 0.25)})
        self.assertEqual(testgrowth.shares([]), {})

    def test_is_taken_off_by_shares(self):
        grown = [("dict", 0, 0, 0, 25, 8000), ("str", 0, 0, 0, 40, 2000), ("app.A", 0, 0, 0, 5, 500)]
        rows = testgrowth.without_drift(grown, testgrowth.shares(self.USUAL), 8000)
        self.assertEqual(testgrowth.grown_types(rows), [("dict", 5, 2000), ("app.A", 5, 500)])

    def test_nothing_is_added_where_tests_freed_memory(self):
        grown = [("dict", 0, 0, 0, 25, 8000)]
        self.assertEqual(list(testgrowth.without_drift(grown, testgrowth.shares(self.USUAL), -4000)),
                         [("dict", 25, 8000)])

    def test_objects_among_blocks(self):
        """All of them where nothing else ran since the count."""
        self.assertEqual(testgrowth.objects_of(200, 150, 200), 150)
        self.assertEqual(testgrowth.objects_of(200, 180, 240), 150)
        self.assertEqual(testgrowth.objects_of(200, 150, 90), 150)

    def test_first_tests_get_the_benefit_of_the_doubt(self):
        tests = [run("f::%d" % number, 2000) for number in range(8)]
        self.assertEqual([testgrowth.usual_so_far(tests[:count]) for count in (0, 7, 8)], [16384, 16384, 2000])


class Texts(unittest.TestCase):
    def test_summary(self):
        tests = [run("f::a", 5000, again=[1, 5000]), run("f::b", 3000), run("f::c", 2000, again=[1, 0]), run("f::d", 0)]
        testgrowth.judge(tests, LEAST)
        self.assertEqual(testgrowth.summary(tests, LEAST, table.number), (
            "2 of 4 tests leave memory behind: 8,000; 1 only filled caches; -repeat 2 tells which grow every time"))
        self.assertEqual(testgrowth.summary(tests[3:], LEAST, table.number),
                         "none of 1 test leaves 1,000 or more behind")

    def test_rows(self):
        tests = [run("f::a", 5000, again=[1, 5000], holders=[HOLDER], grown=[("str", 7, 700)], objects=9)]
        testgrowth.judge(tests, LEAST)
        lines = testgrowth.table_lines(tests, 5, "test", table.number, table.delta, 0)
        self.assertEqual([line.split() for line in lines[1:]], [
            ["+5,000", "+5,000", "+9", "0", "every", "time", "f::a"], ["grew:", "+7", "str", "(+700)"],
            ["4,096", "held", "by", "app.KEEP", "(module-global):", "7", "str"]])

    def test_groups_add_up(self):
        tests = [run("f::a", 5000), run("f::b", 10), run("g::a", 7)]
        testgrowth.judge(tests, LEAST)
        self.assertEqual(testgrowth.grouped(tests, "file"), {"f": (2, 0, 5010, 0, 5000), "g": (1, 0, 7, 0, 0)})

    def test_csv(self):
        test = run('f::a[",]', 5, holders=[HOLDER])
        self.assertIn('"f::a["",]",f,f,,5,5,0,,0,0,0.01,,app.KEEP', list(testgrowth.csv_lines([test])))


class CommandLines(unittest.TestCase):
    def test_pytest_is_known(self):
        for text in ("-m pytest", "-B -X dev -W error -m pytest -q", "-W error /usr/bin/pytest x", "py.test"):
            self.assertTrue(testgrowth.names_pytest(text.split()), text)
        for text in ("", "-m unittest pytest", "run.py -m pytest", "-X pytest", "-c pytest.main()", "-W pytest -m a"):
            self.assertFalse(testgrowth.names_pytest(text.split()), text)

    def test_xdist(self):
        for text in ("-n 4", "-n4", "-n auto", "--numprocesses=2", "--numprocesses auto"):
            self.assertTrue(testgrowth.uses_xdist(text.split()), text)
        for text in ("-n0", "-n 0", "-no-header", "--numprocesses=0", "-k n"):
            self.assertFalse(testgrowth.uses_xdist(text.split()), text)

    def test_pytest_again(self):
        tests = [run("t/test_a.py::TestA::test_b[x y]", 1), run("t/test_a.py::test_c", 1)]
        text = testgrowth.repeat_arguments("-B -m pytest -x -k old -c my.ini t/test_a.py other", tests, 2,
                                           lambda path: path in ("t/test_a.py", "my.ini", "other"))
        self.assertEqual(text, "-B -m pytest -c my.ini --keep-duplicates -k 'test_b or test_c' t/test_a.py t/test_a.py")

    def test_unittest_again(self):
        tests = [run("test_a.A.test_b", 1, "unittest")]
        self.assertEqual(testgrowth.repeat_arguments("-m unittest -q test_a", tests, 2, None),
                         "-m unittest test_a.A.test_b test_a.A.test_b")
        self.assertIsNone(testgrowth.repeat_arguments("suite.py", tests, 2, None))


if __name__ == "__main__":
    unittest.main()
