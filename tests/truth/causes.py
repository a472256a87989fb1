"""Suspects: small programs with one leak each, whose holder and cause py-suspects must name first.

  causes.py --build build/release --python /usr/bin/python3.11 [--case NAME]

Each is looked at live; a few also through a gcore core. Programs are in tests/workloads/causes; leaky_pytest is run
where the interpreter has pytest.
"""
import argparse
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import extension  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402
from references import Graph, pick  # noqa: E402

FOLDER = os.path.join(harness.WORKLOADS, "causes")
LEAKY = os.path.join(harness.WORKLOADS, "leaky_pytest")
FIELDS = ("cause", "retained", "alone", "share", "addr", "type", "path", "why", "holds", "count", "next")

# program -> what the first row must say: equal where it is a str, contained where it is in a list; `at_least` is for
# what its count is.
CASES = {
    "module_global": {"cause": "module-global", "path": "__main__.CACHE", "holds": "leak.Record"},
    "class_attribute": {"cause": "class-attribute", "path": "__main__.Connection.pool",
                        "why": ["attribute `pool` of class __main__.Connection"], "holds": "__main__.Connection"},
    "lru_cache": {"cause": "memoization", "path": "__main__.load", "holds": "leak.Record"},
    "lru_cache_limited": {"cause": "memoization", "why": ["functools.lru_cache of __main__.Store.load"]},
    "functools_cache": {"cause": "memoization", "path": "__main__.load", "holds": "leak.Record"},
    "default_argument": {"cause": "memoization", "path": "__main__.load.__defaults__[1]",
                         "why": ["default of argument `memo` of function __main__.load"], "holds": "leak.Record"},
    "keyword_default": {"cause": "memoization", "why": ["argument `memo` of function __main__.load"]},
    "closure": {"cause": "memoization", "why": ["variable `results` in the closure of function __main__.load"],
                "holds": "leak.Record"},
    "function_attribute": {"cause": "memoization", "path": "__main__.load.memo",
                           "why": ["attribute `memo` of function __main__.load"], "holds": "leak.Record"},
    "frame_local": {"cause": "frame-local", "type": "list", "why": ["local rows in collect (frame_local.py:", "thread"],
                    "holds": "leak.Record"},
    "thread_local": {"cause": "thread-local", "why": ["`rows`", "__main__.LOCAL"], "holds": "leak.Record"},
    "exception": {"cause": "exception", "why": ["local `rows` of work (exception.py:", "__main__.FAILURES[0]"],
                  "holds": "leak.Record"},
    "generator": {"cause": "generator", "why": ["local `rows` of the suspended generator produce (generator.py:"],
                  "holds": "leak.Record"},
    "coroutine": {"cause": "generator", "why": ["local `rows` of the suspended coroutine handle (coroutine.py:"],
                  "holds": "leak.Record"},
    "extension_global": {"cause": "extension-module", "why": ["C global in hold."], "type": "list",
                         "holds": "leak.Record"},
    "extension_state": {"cause": "extension-module", "why": ["module hold"], "type": "list", "holds": "leak.Record"},
    "leaked_reference": {"cause": "extension-module", "addr": "0x0", "holds": "leak.Record", "at_least": 39900},
    "garbage": {"cause": "garbage", "addr": "0x0", "holds": "leak.Record", "at_least": 39900},
    "shared": {"cause": "module-global", "path": "__main__.CACHE", "why": ["also held by"], "holds": "leak.Record"},
    "two_indices": {"cause": "module-global", "path": "__main__.BY_NUMBER", "holds": "leak.Record"},
    "wide_module": {"cause": "module-global", "type": "module", "path": "__main__", "holds": "list"},
    "linked_list": {"cause": "module-global", "path": "__main__.HEAD"},
    "registry": {"cause": "module-global", "path": "__main__.REGISTRY.orders", "holds": "leak.Record"},
}
ALSO_AS_CORE = ("lru_cache", "frame_local", "exception", "extension_global")
SECOND = {"registry": {"path": "__main__.REGISTRY.events"}}

# The same for programs that pytest runs.
PYTEST_CASES = {
    "test_fixture": {"cause": "test-framework", "type": "dict", "why": ["fixture"], "holds": "leak.Record"},
    "test_caplog": {"cause": "test-framework", "type": "list", "why": ["caplog"], "holds": "logging.LogRecord"},
    "test_report": {"cause": "test-framework", "type": "str", "why": ["failed test"]},
}

# What the leaks of leaky_pytest are held by; the first two hold most, in whichever order.
LEAKY_ROWS = [
    {"cause": "module-global", "path": "service._audit_log", "holds": "service.AuditRecord"},
    {"cause": "class-attribute", "path": "service.Connection.pool", "holds": "service.Connection"},
    {"cause": "memoization", "why": ["functools.lru_cache of service.load_row"], "holds": "service.Row"},
]


def differs(row, want):
    """Sentences."""
    problems = []
    for key, value in want.items():
        if key == "at_least":
            problems += [] if int(row["count"]) >= value else ["count is only " + row["count"]]
            continue
        parts = value if isinstance(value, list) else [value]
        good = all(part in row[key] for part in parts) if isinstance(value, list) else row[key] == value
        if not good:
            problems.append("%s is %r, not %r" % (key, row[key], value))
    return problems + ([row_text(row)] if problems else [])


def row_text(row):
    return "; ".join("%s=%s" % item for item in row.items())


def suspects(build, how, what, since=""):
    """(rows, bytes to be explained)."""
    graph = Graph(build, how, what)
    try:
        lines = graph.ask(("suspects " + since).strip())
    finally:
        status = graph.close()
    errors = pick(lines, "error")
    if errors or status:
        raise RuntimeError("suspects: %s, status %s" % (errors, status))
    return [dict(zip(FIELDS, line)) for line in pick(lines, "row")], int(pick(lines, "total")[0][0])


def judge(found, want, second=None, grown=False):
    rows, total = found
    if not rows:
        return ["no suspects among %d bytes" % total]
    problems = differs(rows[0], want)
    if second:
        problems += differs(rows[1], second) if len(rows) > 1 else ["there is no second suspect"]
    if not grown and sum(int(row["retained"]) for row in rows) > total:
        problems.append("the rows hold more than the %d bytes there are" % total)
    return problems


def run_case(results, build, one, name):
    prefix = "truth/%s/causes/%s" % (one.name, name)
    with harness.Folder() as folder:
        refusal = extension.build(one.path, folder, "causes/hold") if name.startswith("extension") else None
        if refusal:
            results.skip(prefix, refusal)
            return
        command = [one.path, os.path.join(FOLDER, name + ".py")]
        with harness.Workload(command, folder, {"PYTHONPATH": folder}) as work:
            work.stop()
            want, second = CASES[name], SECOND.get(name)
            results.check(prefix + "/live", judge(suspects(build, "live", work.pid), want, second))
            if name in ALSO_AS_CORE:
                core = work.gcore(os.path.join(folder, "core"))
                results.check(prefix + "/core", judge(suspects(build, "core", core), want, second))


def run_growth(results, build, one):
    """Two runs of one program, the second one further: what has grown comes first, though much more is held."""
    prefix = "truth/%s/causes/growing" % one.name
    want = {"cause": "module-global", "path": "__main__.GROWN", "holds": "leak.Record"}
    command = [one.path, os.path.join(FOLDER, "growing.py")]
    with harness.Folder() as folder, harness.Workload(command + ["1"], folder) as before, \
            harness.Workload(command + ["3"], folder) as after:
        core = before.gcore(os.path.join(folder, "before"))
        after.stop()
        rows, total = suspects(build, "live", after.pid, core)
        problems = judge((rows, total), want, grown=True)
        if rows and not 0.8 < float(rows[0]["share"]) < 1.2:
            problems.append("its share of the growth is %s" % rows[0]["share"])
        results.check(prefix + "/more than in another run", problems)
        same, total = suspects(build, "core", core, core)
        results.check(prefix + "/not more than in itself", [row_text(row) for row in same])


def pytest_environment(one):
    """None where the interpreter has no pytest."""
    path = os.environ.get("MEMEXT_PYTEST_PATH")
    env = {"PYTHONPATH": path} if path else {}
    asked = subprocess.run([one.path, "-c", "import pytest"], env=harness.ambient(env), stderr=subprocess.DEVNULL)
    return None if asked.returncode else env


def pytest_command(one, *paths):
    return [one.path, "-B", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"] + list(paths)


def run_pytest(results, build, one):
    prefix = "truth/%s/causes/pytest" % one.name
    env = pytest_environment(one)
    if env is None:
        results.skip(prefix, "this interpreter has no pytest")
        return
    for name, want in PYTEST_CASES.items():
        command = pytest_command(one, os.path.join(FOLDER, "pytest", name + ".py"))
        with harness.Folder() as folder, harness.Workload(command, folder, env, seconds=60) as work:
            work.stop()
            results.check("%s/%s" % (prefix, name), judge(suspects(build, "live", work.pid), want))
    run_leaky(results, build, one, env)


def run_leaky(results, build, one, env):
    env = dict(env, LEAK_STOPS="end", LEAK_N="20000")
    with harness.Folder() as folder:
        process = subprocess.Popen(pytest_command(one, "--rootdir", LEAKY, LEAKY), cwd=folder, stdin=subprocess.PIPE,
                                   env=harness.ambient(env), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            line = process.stderr.readline().decode()
            os.kill(process.pid, signal.SIGSTOP)
            results.check("truth/%s/causes/pytest/leaky_pytest" % one.name,
                          judge_leaky(line, suspects(build, "live", process.pid)))
        finally:
            process.kill()
            process.communicate()


def judge_leaky(line, found):
    rows, _total = found
    if not line.startswith("STOP end"):
        return ["pytest did not come to its end: " + line]
    problems = []
    for want in LEAKY_ROWS:
        fits = [index for index, row in enumerate(rows) if not differs(row, want)]
        if not fits:
            problems.append("none of the suspects is %r" % want)
        elif fits[0] >= len(LEAKY_ROWS) + 2:
            problems.append("%r comes only as number %d" % (want, fits[0] + 1))
    return problems + ([row_text(row) for row in rows[:8]] if problems else [])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--case")
    a = parser.parse_args()
    results = harness.Results()
    one = interpreters.Interpreter(a.python)
    build = os.path.abspath(a.build)
    jobs = {name: lambda name=name: run_case(results, build, one, name) for name in CASES}
    jobs["growing"] = lambda: run_growth(results, build, one)
    jobs["pytest"] = lambda: run_pytest(results, build, one)
    for name, job in jobs.items():
        if a.case not in (None, name):
            continue
        try:
            job()
        except (RuntimeError, OSError) as error:
            results.fail("truth/%s/causes/%s" % (one.name, name), error)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
