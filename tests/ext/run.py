"""Runs tests/ext/test_*.py (what of gdbext needs no GDB), and prints one line a test."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(os.path.dirname(HERE)), "gdbext")]
import harness  # noqa: E402


class Lines(unittest.TestResult):
    def __init__(self, results):
        super().__init__()
        self.results = results

    def addSuccess(self, test):
        self.results.ok(test.id())

    def addSkip(self, test, reason):
        self.results.skip(test.id(), reason)

    def addFailure(self, test, err):
        self.results.fail(test.id(), self._exc_info_to_string(err, test).strip().splitlines()[-1])

    def addError(self, test, err):
        self.results.fail(test.id(), self._exc_info_to_string(err, test).strip())


def main():
    results = harness.Results()
    unittest.defaultTestLoader.discover(HERE).run(Lines(results))
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
