"""py-show against repr(): ten thousand random values on one interpreter.

  values.py --build build/release --python /usr/bin/python3.11
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import interpreters  # noqa: E402


def compare(target, path):
    problems = []
    with open(path) as f:
        for line in f:
            address, want = line.rstrip("\n").split("\t", 1)
            want, got = json.loads(want), target.show(int(address))
            if got != want:
                problems.append("%s is shown as %s" % (ascii(want)[:200], ascii(got)[:200]))
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", required=True)
    a = parser.parse_args()
    results = harness.Results()
    interpreter = interpreters.Interpreter(a.python)
    name = "truth/%s/values" % interpreter.name
    if os.path.basename(os.path.abspath(a.build)) == "asan":
        results.skip(name, "the binding with sanitizers cannot be imported; the unit tests show values under them")
        return results.exit_status()
    sys.path.insert(0, os.path.join(os.path.abspath(a.build), "gdbext"))
    import _memext
    with harness.Folder() as folder:
        reprs = os.path.join(folder, "reprs")
        with harness.Workload(harness.workload(a.python, "values.py", reprs), folder) as work:
            work.stop()
            target = _memext.open_process(work.pid)
            results.check(name, compare(target, reprs))
            target.close()
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
