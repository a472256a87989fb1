"""Compares the library with one interpreter's own answers.

  run.py --build build/release --python /usr/bin/python3.11 [--case NAME]
  run.py --build build/release --refused         names the interpreters that cannot be used, and why

Each case is one process at one stop, looked at live, through a gcore core and
through a kernel core.
"""
import argparse
import copy
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import interpreters  # noqa: E402
import compare  # noqa: E402
import extension  # noqa: E402
import exactness  # noqa: E402
import saving  # noqa: E402


# Of a core's length, where there is more in it than the interpreter's own texts and code.
SAVED_SHARE, SAVED_LEAST = 0.1, 64 << 20


class Case:
    def __init__(self, name, arguments, env=None, options=(), allocator="pymalloc", expect=None,
                 counts=compare.gc_counts, classes=compare.size_classes):
        self.name, self.arguments, self.env, self.options = name, arguments, env, list(options)
        self.counts, self.classes = counts, classes
        self.expect = dict(expect or {}, allocator=allocator)

    def command(self, python):
        return [python] + self.options + harness.workload(python, *self.arguments)[1:]


def threaded_cases(units, rows):
    """Of free-threaded interpreters, which have one allocator for all."""
    return [
        Case("mixed", ["mixed.py", "--units", units, "--threads", "2"], allocator="mimalloc",
             expect={"python_threads": "3"}, classes=compare.no_classes),
        Case("app", ["app.py", "--rows", rows], allocator="mimalloc", classes=compare.no_classes),
        Case("zoo", ["zoo.py"], allocator="mimalloc", classes=compare.no_classes),
        Case("debug", ["mixed.py", "--units", "300", "--threads", "0"], {"PYTHONMALLOC": "debug"},
             allocator="mimalloc + debug hooks", classes=compare.no_classes),
        Case("dev", ["mixed.py", "--units", "300", "--threads", "0"], options=["-X", "dev"],
             allocator="mimalloc + debug hooks", classes=compare.no_classes),
        Case("threads", ["mixed.py", "--units", "300", "--threads", "20"], allocator="mimalloc",
             expect={"python_threads": "21"}, classes=compare.no_classes),
        Case("subinterpreters", ["subinterpreters.py"], allocator="mimalloc", expect={"interpreters": "4"},
             counts=compare.gc_counts_at_least, classes=compare.no_classes),
    ]


def mimalloc_cases():
    """Of those with the GIL that bring mimalloc (3.13+)."""
    small = ["mixed.py", "--units", "300", "--threads", "2"]
    return [
        Case("mimalloc", small, {"PYTHONMALLOC": "mimalloc"}, allocator="mimalloc", classes=compare.no_classes),
        Case("mimalloc_debug", small, {"PYTHONMALLOC": "mimalloc_debug"}, allocator="mimalloc + debug hooks",
             classes=compare.no_classes),
    ]


def cases(small, interpreter):
    """`small` is for sanitizer builds, which are several times slower."""
    units, rows = ("300", "500") if small else ("2000", "4000")
    if interpreter.free_threaded:
        return threaded_cases(units, rows)
    return (mimalloc_cases() if interpreter.version >= (3, 13) else []) + [
        Case("mixed", ["mixed.py", "--units", units, "--threads", "2"], expect={"python_threads": "3"}),
        Case("app", ["app.py", "--rows", rows]),
        Case("zoo", ["zoo.py"]),
        Case("malloc", ["mixed.py", "--units", "300", "--threads", "0"], {"PYTHONMALLOC": "malloc"},
             allocator="malloc"),
        Case("malloc_debug", ["mixed.py", "--units", "300", "--threads", "0"], {"PYTHONMALLOC": "malloc_debug"},
             allocator="malloc + debug hooks"),
        Case("debug", ["mixed.py", "--units", "300", "--threads", "0"], {"PYTHONMALLOC": "debug"},
             allocator="pymalloc + debug hooks"),
        Case("dev", ["mixed.py", "--units", "300", "--threads", "0"], options=["-X", "dev"],
             allocator="pymalloc + debug hooks"),
        Case("threads", ["mixed.py", "--units", "300", "--threads", "20"], expect={"python_threads": "21"}),
        Case("subinterpreters", ["subinterpreters.py"], expect={"interpreters": "4"}, counts=compare.gc_counts_at_least,
             classes=compare.size_classes_at_least),
    ]


class Stop:
    """One process at one stop, and its censuses."""

    def __init__(self, results, build, interpreter, case):
        self.results, self.build, self.case = results, build, case
        self.program = os.path.join(build, "census")
        self.prefix = "truth/%s/%s" % (interpreter.name, case.name)
        self.interpreter = interpreter

    def run(self):
        """The child prints its statistics a few bytecodes after the fork, when now and then it holds a tuple or list or
        two more or less than the parent. Such a stop is taken anew; an error of memext's would be there each time."""
        for last in (False, False, False, False, True):
            if self.run_once(last):
                break

    def run_once(self, last):
        with harness.Folder() as folder:
            self.folder = folder
            with harness.Workload(self.case.command(self.interpreter.path), folder, self.case.env) as work:
                work.truth(os.path.join(folder, "truth"))
                work.stop()
                self.truth = compare.Truth(os.path.join(folder, "truth"))
                if not last and self.is_off_by_few(work):
                    return False
                self.check("live", "born before the fork", self.truth.drop_unborn(work.pid))
                self.look(work)
        return True

    def is_off_by_few(self, work):
        try:
            census = compare.Census(self.program, "live", work.pid, os.path.join(self.folder, "objects"))
        except RuntimeError:
            return False
        return compare.off_by_few(self.truth, census)

    def look(self, work):
        live = self.judge("live", "live", work.pid)
        if live:
            self.check("live", "no false objects", compare.false_objects(self.truth, live, work.pid))
            self.check("live", "saved", saving.problems(self.build, "live", work.pid, self.folder))
        others = [("gcore", self.judge("gcore", "core", work.gcore(os.path.join(self.folder, "gcore"))))]
        refusal = harness.kernel_cores()
        if refusal:
            self.results.skip("%s/kernel core" % self.prefix, refusal)
        else:
            others.append(("kernel core", self.judge("kernel core", "core",
                                                     work.abort(os.path.join(self.folder, "kernel")))))
        for form, census in others:
            if live and census:
                self.check(form, "same as live", compare.same(live, census))

    def judge(self, form, how, what):
        try:
            census = compare.Census(self.program, how, what, os.path.join(self.folder, "objects"))
        except RuntimeError as error:
            self.check(form, "opens", [str(error)])
            return None
        truth = self.truth
        wrong, notes = compare.sizes(truth, census)
        self.check(form, "whole", compare.whole(census))
        self.check(form, "facts", self.facts(census))
        self.check(form, "gc counts", self.case.counts(truth, census))
        self.check(form, "type names", compare.type_names(truth, census))
        self.check(form, "closure", compare.closure(truth, census))
        self.check(form, "sizes", wrong)
        self.check(form, "references", self.references(how, what))
        if how == "core":
            most = SAVED_SHARE if form == "gcore" and os.path.getsize(what) >= SAVED_LEAST else None
            self.check(form, "saved", saving.problems(self.build, how, what, self.folder, most))
        self.check(form, "size classes", self.case.classes(truth, census))
        for what, right, of in compare.figures(truth, census):
            # With sub-interpreters gc.get_objects() tells of its own only.
            if what != "counts" or self.case.counts is compare.gc_counts:
                self.results.figure(what, right, of)
        for note in notes:
            print("size: " + note)
        return census

    def references(self, how, what):
        try:
            found = exactness.Exactness(self.truth, self.build, how, what, self.folder)
        except RuntimeError as error:
            return [str(error)]
        self.results.figure("edges", found.all.exact, found.all.objects)
        return found.problems()

    def facts(self, census):
        # Between releases Python adds "+" or "+dev" to its version, which the version's number does not have.
        want = dict(self.case.expect, python_version=self.interpreter.text.partition("+")[0])
        if self.interpreter.debug and want["allocator"] == "pymalloc":
            want["allocator"] = "pymalloc + debug hooks"
        return ["%s is %s, memext says %s" % (key, want[key], census.info.get(key))
                for key in sorted(want) if census.info.get(key) != want[key]]

    def check(self, form, what, problems):
        self.results.check("%s/%s/%s" % (self.prefix, form, what), problems)


def embedded(results, build, interpreter):
    """A program that is linked with libpython instead of the interpreter's own."""
    with harness.Folder() as folder:
        refusal = extension.embed(interpreter.path, folder)
        if refusal:
            results.skip("truth/%s/embedded" % interpreter.name, refusal)
            return
        host = copy.copy(interpreter)
        host.path = os.path.join(folder, "embedded")
        case = next(one for one in cases(True, interpreter) if one.name == "mixed")
        case.name = "embedded"
        stop = Stop(results, build, host, case)
        stop.prefix = "truth/%s/embedded" % interpreter.name
        stop.run()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python")
    parser.add_argument("--case")
    parser.add_argument("--refused", action="store_true")
    a = parser.parse_args()
    results = harness.Results()
    if a.refused:
        for one in interpreters.find():
            if one.refused:
                results.skip("truth/%s" % one.name, one.refused)
        results.ok("truth/interpreters searched")
        return results.exit_status()
    build = os.path.abspath(a.build)
    interpreter = interpreters.Interpreter(a.python)
    for case in cases(os.path.basename(build) == "asan", interpreter):
        if a.case in (None, case.name):
            Stop(results, build, interpreter, case).run()
    if a.case in (None, "embedded"):
        embedded(results, build, interpreter)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
