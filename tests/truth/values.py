"""py-show against repr(): ten thousand random values on one interpreter.

  values.py --build build/release --python /usr/bin/python3.11
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402


def compare(target, path):
    problems = []
    with open(path) as f:
        for line in f:
            address, want = line.rstrip("\n").split("\t", 1)
            want, got = json.loads(want), target.show(int(address))
            if got != want:
                problems.append("%s is shown as %s" % (ascii(want)[:200], ascii(got)[:200]))
    return problems


def run(results, name, memext, python):
    with harness.Folder() as folder:
        reprs = os.path.join(folder, "reprs")
        with harness.Workload(harness.workload(python, "values.py", reprs), folder) as work:
            work.stop()
            target = memext.open_process(work.pid)
            results.check(name, compare(target, reprs))
            target.close()


if __name__ == "__main__":
    sys.exit(script.main_with_binding("values", run))
