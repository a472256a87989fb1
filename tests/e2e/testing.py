"""Checks of py-tests: sessions of pytest and unittest that leak, crash, hang, fork. Each returns problems."""
import json
import os
import subprocess
import sys

import debugger
import harness
import interpreters
from stage import Skip

sys.path.insert(0, os.path.join(harness.TESTS, "workloads", "many_tests"))
import make  # noqa: E402

CHECKS = {}
LEAKY = os.path.join(harness.TESTS, "workloads", "leaky_pytest")
BAD = '''
import os, signal, subprocess, sys, time
KEEP = []
def test_first():
    KEEP.append(bytearray(300000))
def test_fork():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    subprocess.check_call([sys.executable, "-c", "pass"])
def test_much_output():
    print("x" * 2000000)
def test_bad():
    %s
def test_last():
    assert 0
'''
# What the fourth test does, and what py-tests says of it.
ENDINGS = {
    "pass": "the session itself ended with status 1",
    "os.kill(os.getpid(), signal.SIGSEGV)": "SIGSEGV in test_bad.py::test_bad (call): the process stands there",
    "os.kill(os.getpid(), signal.SIGKILL)": "the process was killed by signal 9 in test_bad.py::test_bad (call)",
    "os.kill(os.getpid(), signal.SIGINT)": "interrupted in test_bad.py::test_bad (call)",
    "time.sleep(600)": "no end after the 4 s of -timeout in test_bad.py::test_bad (call)",
    "os._exit(7)": "the process ended with status 7 before the session did in test_bad.py::test_bad (call)",
}


def check(function):
    CHECKS[function.__name__] = function
    return function


def environment(stage):
    """For GDB and what it runs; Skip where the interpreter has no pytest."""
    path = os.environ.get("MEMEXT_PYTEST_PATH")
    extra = {"PYTHONPATH": path} if path else {}
    asked = subprocess.run([stage.python, "-c", "import pytest"], env=harness.ambient(extra), stderr=subprocess.DEVNULL)
    if asked.returncode:
        raise Skip("this interpreter has no pytest (apt install python3-pytest)")
    return extra


def run(stage, folder, command, *program, **options):
    """What py-tests prints without the tests' own output, and GDB's exit status."""
    extra = options.get("extra", {})
    target = ["--args", options.get("python", stage.python), "-B"] + list(program)
    done = subprocess.run(debugger.arguments(target, [command]), cwd=folder,
                          env=dict(debugger.environment(stage.build), **extra), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    text = done.stdout.decode(errors="replace")
    return debugger.without_chatter(text), done.returncode


def run_pytest(stage, folder, command, *more):
    return run(stage, folder, command, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", *more,
               extra=environment(stage))


def new_folder(stage, name):
    path = stage.path(name)
    os.makedirs(path)
    return path


def missing(text, wanted):
    return ["%r is not in: %s" % (one, text[-3000:]) for one in wanted if one not in text]


@check
def tests_of_the_leaky_session(stage):
    """Each leak with the one who holds it; the clean tests are not named."""
    text, status = run_pytest(stage, LEAKY, "py-tests -o " + stage.path("leaky.html"))
    text = open(stage.path("leaky.html"), encoding="utf-8").read() + text
    problems = missing(text, ("service._audit_log (module-global): 2,000 service.AuditRecord",
                              "service.Connection.pool (class-attribute)", "service.load_row (memoization)",
                              "memory of C code that no Python object is known to own", "2,000 service.Token",
                              "5 of 46 tests leave memory behind"))
    return problems + (["status %d" % status] if status else [])


def judge_many(path, leaking):
    """All that leak, and at most one more."""
    with open(path, encoding="utf-8") as file:
        answer = json.load(file)
    named = {row["test"] for row in answer["rows"] if row["verdict"] == "every time"}
    problems = ["%s was not named" % name for name in leaking if name not in named]
    problems += ["%d tests were measured" % len(answer["rows"])] if len(answer["rows"]) != 300 else []
    false = named - set(leaking)
    return problems + (["wrongly named: %s" % sorted(false)] if len(false) > 1 else [])


@check
def tests_that_leak_among_300(stage):
    folder, path = new_folder(stage, "many"), stage.path("many.json")
    leaking = make.make(folder)
    run_pytest(stage, folder, "py-tests -repeat 2 -o " + path)
    return judge_many(path, leaking)


@check
def unittest_tests_that_leak_among_300(stage):
    folder, path = new_folder(stage, "many_unittest"), stage.path("many_unittest.json")
    leaking = make.make(folder, True)
    run(stage, folder, "py-tests -repeat 2 -o " + path, "-m", "unittest", "-q")
    return judge_many(path, leaking)


@check
def tests_that_end_badly(stage):
    """What was measured up to there is kept; output that pytest remembers is pytest's."""
    folder, problems = new_folder(stage, "bad"), []
    for what, said in ENDINGS.items():
        with open(os.path.join(folder, "test_bad.py"), "w") as file:
            file.write(BAD % what)
        text = run_pytest(stage, folder, "py-tests -timeout 4")[0]
        problems += missing(text, (said, "test_bad.py::test_first", "test_bad.KEEP[0] (module-global)",
                                   "pytest's own holders keep", "tests leaves memory behind"))
    return problems


@check
def tests_fail_above_a_size(stage):
    """Status 1 where a test leaves more, 0 where none does."""
    folder = new_folder(stage, "above")
    with open(os.path.join(folder, "test_bad.py"), "w") as file:
        file.write(BAD % "pass")
    problems = []
    for size, wanted in (("100K", 1), ("1M", 0)):
        status = run_pytest(stage, folder, "py-tests -fail-above " + size)[1]
        problems += ["-fail-above %s: status %d" % (size, status)] if status != wanted else []
    text = run_pytest(stage, folder, "py-tests -stop-on-leak 100K")[0]
    return problems + missing(text, ("stopped behind it, before the next test", "1 of 1 test"))


@check
def tests_that_cannot_be_run(stage):
    return (missing(stage.gdb([], "py-tests"), ("there are no tests to run",))
            + missing(stage.gdb(["-c", stage.core()], "py-tests"), ("and this is a core",))
            + missing(run(stage, stage.folder, "py-tests", "-c", "pass")[0], ("no test began in this process",))
            + missing(run(stage, stage.folder, "py-tests", "-m", "pytest", "-n", "2")[0], ("run with -n0",)))


@check
def unittest_of_every_interpreter(stage):
    """All tests are seen once each, and the four that grow are named."""
    folder, problems = new_folder(stage, "every"), []
    make.make(folder, True)
    for one in interpreters.find():
        if one.refused:
            continue
        path = stage.path("every.json")
        text = run(stage, folder, "py-tests -o " + path, "-m", "unittest", "-q", "test_part0", python=one.path)[0]
        with open(path, encoding="utf-8") as file:
            answer = json.load(file)
        os.remove(path)
        names = [row["test"] for row in answer["rows"]]
        if names != [make.name_of(number, True) for number in range(30)] or answer["total"]["leaving"] != 4:
            problems.append("%s: %d tests, %s: %s" % (one.name, len(names), answer["total"], text[-500:]))
    return problems
