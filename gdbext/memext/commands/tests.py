# SPDX-License-Identifier: Apache-2.0
"""py-tests: what each test of a session leaves in memory."""
import os
import shlex

import gdb

import _memext

from .. import parameters, table, testdrive, testgrowth, testpage
from ..answer import Answer
from ..command import Command, emit
from ..options import Option, UsageError
from ..session import AWAY, CONNECTIONS, SESSION, connection_type
from ..testcount import Moment

LEAST = 32 * 1024
TOP = 20
# Holders are looked for among the objects of one test; what keeps less of them than this is left out.
LEAST_SHARE = 0.05
# So many times -least the tests since a count may leave until the heap is counted again.
DRIFT = 4
NO_CORE = ("py-tests runs a test session, and this is a core: gdb -x memext.py --args python3 -m pytest ..., "
           "then py-tests")
NO_PROGRAM = "there are no tests to run: gdb -x memext.py --args python3 -m pytest ..., then py-tests"
NO_BINARY = ("GDB has no program for `%s', for it runs programs, not scripts (pytest, or the python3 of pyenv, is "
             "one): gdb -x memext.py --args \"$(python3 -c 'import sys; print(sys.executable)')\" %s")
XDIST = ("pytest-xdist runs the tests in other processes, which GDB does not follow: run with -n0 "
         "(set args -m pytest -n0 ...)")
NONE_SEEN = ("no test began in this process. Is it pytest or unittest, and do the tests run in it? With pytest-xdist, "
             "run with -n0")
ENDINGS = {
    "exit": "the process ended with status %s before the session did%s",
    "interrupt": "interrupted%s: the process stands there; continue runs on, py-tests measures the tests that follow",
    "timeout": "no end after the %s s of -timeout%s: the process stands there; py-stacks shows where",
    "signal": "%s%s: the process stands there; py-stacks and bt show where",
    "killed": "the process was killed by signal %s%s",
    "error": "%s",
    "breakpoint": "a breakpoint of yours stopped the process%s; py-tests measures the tests that follow",
    "leak": "stopped behind it, before the next test; py-suspects -since before-test tells more",
}


class Session:
    """What is measured of one run of the tests."""

    def __init__(self, arguments, holders, progress):
        self.arguments, self.wants_holders, self.progress = arguments, holders, progress
        self.tests = []
        self.before = self.base = self.name = self.info = None
        self.shares = {}
        self.warnings, self.complete = [], True
        self.drive = testdrive.Drive(self.measure, arguments.timeout or 0, testdrive.is_shown(),
                                     testgrowth.names_pytest(shlex.split(testdrive.program_arguments())))

    def run(self):
        SESSION.remember(_memext.recall())
        try:
            self.drive.run()
        finally:
            SESSION.remember(None)
        return self

    def measure(self, name):
        """Ends the test before, and begins `name`; False when that left too much."""
        if self.arguments.gc:
            testdrive.collect_garbage()
        now = Moment(self.progress)
        test = self.end(now) if self.name else None
        if self.wants_holders and self.is_count_due(now):
            now.counted()
        if now.count:
            self.counted(now)
        self.complete = self.complete and now.complete
        too_much = test and self.arguments.stop_on_leak and test.kept >= self.arguments.stop_on_leak
        self.before, self.name = now, name
        return not too_much

    def is_count_due(self, now):
        """Who stops behind a leak wants to compare with the state before that very test."""
        return (not self.base or self.arguments.stop_on_leak is not None
                or self.drift(now) > DRIFT * self.arguments.least)

    def drift(self, now):
        """Bytes that the tests since the last count left."""
        return now.bytes - self.base.bytes

    def counted(self, now):
        """From now on what grows is compared with this count."""
        self.info = self.info or dict(SESSION.info())
        if self.base and not self.is_explained:
            self.shares = testgrowth.shares(_memext.growth(self.base.histogram, now.count.histogram)) or self.shares
        self.base, self.is_explained = now.count, False

    def end(self, now):
        test = testgrowth.Test(self.name, self.drive.framework, now.came - self.drive.watch.since)
        before = self.before
        test.rss, test.bytes, test.blocks = now.rss - before.rss, now.bytes - before.bytes, now.blocks - before.blocks
        self.is_explained = (self.wants_holders
                             and test.bytes - testgrowth.usual_so_far(self.tests[-100:]) >= self.arguments.least)
        if self.is_explained:
            self.explain(test, now.counted())
        self.tests.append(test)
        return test

    def explain(self, test, count):
        """What grew in a test, and who holds it: what is new since the last count, less what the tests left that ended
        between that and the beginning of this one."""
        drift = self.drift(self.before)
        grown = _memext.growth(self.base.histogram, count.histogram)
        test.grown = testgrowth.grown_types(testgrowth.without_drift(grown, self.shares, drift))
        test.objects = testgrowth.objects_of(test.blocks, count.objects - self.base.objects,
                                             count.blocks - self.base.blocks)
        test.holders, new = SESSION.retained(self.progress).suspects(
            since=self.base.stop.heap, least_share=LEAST_SHARE, progress=self.progress)
        own, garbage = (sum(row["retained"] for row in test.holders if row["cause"] == cause)
                        for cause in (testgrowth.FRAMEWORK, testgrowth.CYCLES))
        test.own, test.other = max(0, own - max(0, drift)), new - own
        # It may be of the tests since the last count: then this one left something else.
        test.garbage = max(0, garbage - max(0, drift))
        if self.arguments.stop_on_leak and test.kept >= self.arguments.stop_on_leak:
            self.base.stop.name = "before-test"
            SESSION.marks.set(self.base.stop)


def no_program(words):
    """Why there is none: GDB keeps the arguments of what it could not load."""
    return NO_BINARY % (words, words if "-m" in words.split() else "-m pytest " + words) if words else NO_PROGRAM


class Tests(Command):
    name = "py-tests"
    resumes = True
    summary = "Run a pytest or unittest session, and show which tests leave memory behind, and what holds it."
    details = ("Start with gdb -x memext.py --args python3 -m pytest ... (or -m unittest). Nothing is installed in\n"
               "the process. A test is measured from its beginning to the next one's, setup and teardown included;\n"
               "what every test leaves, and what pytest itself keeps of it, is not counted as left.\n"
               "Grows: `every time' where later runs of the same test (its parameters, or -repeat) grow, too,\n"
               "`?' where it ran once. What grew once only filled caches, and is not listed.")
    examples = ("py-tests", "py-tests -repeat 2 -top 10", "py-tests -by file -o tests.html", "py-tests -fail-above 1M")
    options = (Option("gc", "flag", "collect garbage before each measuring: calls PyGC_Collect() in the process"),
               Option("top", "number", "tests to list, 0 for all (default: %d)" % TOP, TOP),
               Option("by", "choice", "a row a test, class or file (default: test)", "test", ("test", "class", "file")),
               Option("least", "size", "what a test must leave to be listed (default: 32K)", LEAST),
               Option("repeat", "number", "run the tests that grew so many times again, to tell leaks from caches", 0),
               Option("stop-on-leak", "size", "stop behind the first test that leaves so much"),
               Option("fail-above", "size", "end with an error, and gdb -batch with status 1, when a test leaves more"),
               Option("timeout", "number", "seconds after which a test is taken to hang: stop there", 0))
    output = Option("o", "file", "write to FILE: a page if .html, all tests if .json or .csv, else text")

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-tests takes options only; the tests are those of the command line "
                             "(gdb -x memext.py --args python3 -m pytest %s)" % arguments.operands[0])
        if connection_type(gdb.selected_inferior()) == "core":
            raise UsageError(NO_CORE)
        if connection_type(gdb.selected_inferior()) in CONNECTIONS:
            raise UsageError(AWAY % "py-tests")
        if not gdb.selected_inferior().pid and not gdb.current_progspace().filename:
            raise UsageError(no_program(testdrive.program_arguments()))
        words = testdrive.program_arguments()
        if testgrowth.uses_xdist(shlex.split(words)):
            raise UsageError(XDIST)
        session = Session(arguments, True, None).run()
        if not session.tests:
            raise UsageError(NONE_SEEN if session.drive.ending[0] == "exit" else self.ending(session))
        testgrowth.take_off_usual(session.tests)
        testgrowth.judge(session.tests, arguments.least)
        notes = self.repeat(session, words) if arguments.repeat else []
        return self.answer(session, arguments, notes)

    def repeat(self, session, words):
        """Runs the tests that left something again, each several times in one new process."""
        found = [test for test in session.tests if test.verdict not in (None, testgrowth.GARBAGE)]
        if not found:
            return []
        if gdb.selected_inferior().pid:
            return ["not repeated, for the process has not ended"]
        text = testgrowth.repeat_arguments(words, found, session.arguments.repeat + 1, os.path.exists)
        if not text:
            return ["not repeated: how to run single tests by `%s' is not known" % words]
        gdb.execute("set args " + text)
        try:
            again = Session(session.arguments, False, None)
            again.arguments.stop_on_leak = None
            again.run()
        finally:
            gdb.execute("set args " + words)
        testgrowth.note_again(session.tests, again.tests, session.tests[0].usual)
        testgrowth.judge(session.tests, session.arguments.least)
        missing = [test.name for test in found if len(test.again) < 2]
        return ["not repeated: %s" % ", ".join(missing[:5])] if missing else []

    def ending(self, session):
        """How the session ended, in words, unless it went through."""
        kind, detail = session.drive.ending
        if kind == "exit" and session.drive.is_complete:
            return "the session itself ended with status %d" % detail if detail else None
        where = " in %s" % session.drive.test if session.drive.test else ""
        if session.drive.phase and where and kind != "leak":
            where += " (%s)" % session.drive.phase
        text = ENDINGS[kind]
        values = [value for value in (detail, where) if value is not None][:text.count("%s")]
        return text % tuple(values if text.count("%s") > 1 or detail is None else (detail,))

    def answer(self, session, arguments, notes):
        answer = Answer(self.name, session.info, session.complete, session.info.pop("warnings", []))
        tests = session.tests
        found = testgrowth.leaving(tests)
        kind, detail = session.drive.ending
        answer.rows = [test.json_row() for test in tests]
        answer.beside = {name: [{by: group, "tests": sums[0], "rss_delta": sums[1], "bytes_delta": sums[2],
                                 "blocks_delta": sums[3], "left": sums[4]}
                                for group, sums in testgrowth.grouped(tests, by).items()]
                         for name, by in (("files", "file"), ("classes", "class"))}
        answer.total = {"tests": len(tests), "leaving": len(found), "left": sum(test.left for test in found),
                        "usual": tests[0].usual, "ending": kind, "status": detail if kind == "exit" else None}
        width = self.line_width(arguments)
        answer.lines = testgrowth.table_lines(tests, arguments.top, arguments.by, parameters.size,
                                              parameters.size_delta, width)
        if not session.drive.is_complete and not arguments.o:
            answer.lines.insert(0, "")  # the tests' own output stands in the middle of a line
        self.closing = self.remarks(session, found, arguments, notes)
        self.closing.append(testgrowth.summary(tests, arguments.least, parameters.size))
        answer.lines += self.closing
        self.tests, self.worst = tests, max([test.left for test in found] or [0])
        return answer

    def remarks(self, session, found, arguments, notes):
        lines = []
        if arguments.by == "test" and arguments.top and len(found) > arguments.top:
            lines.append("… and %s (-top 0 shows all)" % table.plural(len(found) - arguments.top, "more test"))
        lines += testgrowth.once_lines(session.tests, parameters.size)
        lines += testgrowth.garbage_lines(session.tests, parameters.size)
        own = sum(test.own for test in session.tests)
        lines += ["pytest's own holders keep %s more of these tests' memory" % parameters.size(own)] if own else []
        lines += notes + [line for line in [self.ending(session)] if line]
        if session.drive.lacks_hardware:
            lines.append("the last test was measured at the interpreter's end: " + session.drive.lacks_hardware)
        return lines

    def write(self, answer, path, as_json):
        if as_json or not path.endswith((".html", ".csv")):
            return super().write(answer, path, as_json)
        lines = testpage.lines(answer, self.tests, self.closing[:-1], parameters.size_delta) if path.endswith(
            ".html") else testgrowth.csv_lines(self.tests)
        copy = Answer(answer.command, answer.target, answer.complete, answer.warnings)
        copy.rows, copy.lines = answer.rows, list(lines)
        return copy.write(path, False)

    def deliver(self, answer, arguments):
        super().deliver(answer, arguments)
        if arguments.o:
            emit("".join(line + "\n" for line in self.closing))
        if arguments.fail_above is not None and self.worst > arguments.fail_above:
            raise UsageError("a test leaves %s behind, more than -fail-above %s" % (
                parameters.size(self.worst), parameters.size(arguments.fail_above)))
