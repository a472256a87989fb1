"""End-to-end tests: memext in real GDB.

  run.py --build build/release [NAME]...            runs all, or those named
  run.py --build build/release --record [NAME]...   writes expected/NAME.txt anew: read the diff before committing it

Cases with a whole expected output are in cases.py; the others
hold those that look at an output otherwise (JSON, files, a terminal, a browser, a program).
"""
import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import breaks  # noqa: E402
import cases  # noqa: E402
import checks  # noqa: E402
import elsewhere  # noqa: E402
import expect  # noqa: E402
import harness  # noqa: E402
import hostile_checks  # noqa: E402,F401 (adds to checks.CHECKS)
import oom_checks  # noqa: E402,F401 (adds to checks.CHECKS and terminal.CHECKS)
import sql_checks  # noqa: E402,F401 (adds to checks.CHECKS)
import pages  # noqa: E402
import protocols  # noqa: E402
import remotes  # noqa: E402
import quiet  # noqa: E402
import stage  # noqa: E402
import terminal  # noqa: E402
import testing  # noqa: E402

# The numbers of the workload's own objects, and those in error messages, are known and must be exact; those of
# CPython's own objects differ by version.
EXACT = r"__main__\.|\$[0-9]+ = |^    \w+ = |^memext|\{name="
INEXACT = ("in_the_middle_of_malloc",)
ALL_EXACT = ("helps", "before_any_target", "completion", "wrong_options")


def expected_path(name):
    return os.path.join(HERE, "expected", name + ".txt")


def neutral(text, scene):
    """Without what differs from run to run."""
    for work in scene.running:
        text = re.sub(r"\b%d\b" % work.pid, "PID", text)
    return text.replace(scene.folder, "DIR").replace(harness.ROOT, "ROOT").replace(scene.python, "PYTHON")


def run_case(results, name, function, scene, record):
    text = neutral(function(scene), scene)
    path = expected_path(name)
    if record:
        with open(path, "w") as f:
            exact = ".*" if name in ALL_EXACT else "(?!)" if name in INEXACT else EXACT
            f.write(expect.generalise(text, exact))
        results.ok("e2e/%s (recorded)" % name)
        return
    if not os.path.exists(path):
        results.fail("e2e/" + name, "there is no %s; make it with --record" % path)
        return
    with open(path) as f:
        problems = expect.differences(f.read(), text)
    results.check("e2e/" + name, problems)


def run_all(results, scene, names, record, any_python):
    jobs = [] if any_python else [(name, lambda n=name, f=function: run_case(results, n, f, scene, record))
                                  for name, function in cases.CASES.items()]
    if not record:
        for group in (checks.CHECKS, terminal.CHECKS, pages.CHECKS, breaks.CHECKS, testing.CHECKS, protocols.CHECKS,
                      quiet.CHECKS, remotes.CHECKS, elsewhere.CHECKS):
            jobs += [(name, lambda n=name, f=function: results.check("e2e/" + n, f(scene)))
                     for name, function in group.items()]
    for name, job in jobs:
        if names and name not in names:
            continue
        try:
            job()
        except stage.Skip as why:
            results.skip("e2e/" + name, why)
        except Exception as error:                     # one case must not take the others along
            results.fail("e2e/" + name, "%s: %s" % (type(error).__name__, error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--any-python", action="store_true", help="leave out whole outputs: they are of Debian 12's")
    parser.add_argument("names", nargs="*")
    a = parser.parse_args()
    results = harness.Results()
    if os.path.basename(os.path.normpath(a.build)) == "asan":
        results.skip("e2e", "GDB does not start with libasan preloaded; truth and fuzz call the same API in the census")
        return results.exit_status()
    with harness.Folder() as folder:
        scene = stage.Stage(os.path.abspath(a.build), folder)
        try:
            run_all(results, scene, a.names, a.record, a.any_python)
        finally:
            scene.close()
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
