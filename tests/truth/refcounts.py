"""Leaked references against those that were planted.

  refcounts.py --build build/release --python /usr/bin/python3.11

  planted   by ctypes and by a faulty C extension: at least 95 % must be listed, as unexplained
  others    no other list, dict or instance may be
  well      programs without a leak: at most a handful of objects, none of them a list, dict or instance
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import extension  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402
from references import Graph, pick  # noqa: E402

LISTED = 0.95
FEW = 20                               # objects that the interpreter's own C modules leaked,
SHARE = 0.005                          # or of all, where numpy and its like are there to leak some
EXACT = 0.97
PLAIN = ("list", "dict", "__main__.Thing")


class Audit:
    """The rows and figures of one audit."""

    def __init__(self, build, how, what):
        graph = Graph(build, how, what)
        try:
            lines = graph.ask("audit")
        finally:
            graph.close()
        self.errors = [" ".join(line[2:]) for line in pick(lines, "error")] if pick(lines, "error") else []
        self.types = {int(row[0], 16): row[4] for row in pick(lines, "row")}
        self.figures = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[0] not in ("us",)}


def judge_planted(audit, planted):
    problems = list(audit.errors)
    known = {address for those in planted.values() for address in those}
    for name, those in sorted(planted.items()):
        listed = sum(address in audit.types for address in those)
        if listed < LISTED * len(those):
            problems.append("%s: %d of %d are listed" % (name, listed, len(those)))
    others = {address: audit.types[address] for address in audit.types if address not in known}
    problems += ["%#x: a %s that nobody leaked" % (address, name) for address, name in sorted(others.items())
                 if name in PLAIN]
    return problems


def judge_well(audit):
    figures = audit.figures
    problems = list(audit.errors)
    if figures["exact"] < EXACT * figures["objects"]:
        problems.append("%(exact)d of %(objects)d objects have the references that they count" % figures)
    if len(audit.types) > max(FEW, SHARE * figures["objects"]):
        problems.append("%d objects are listed: %s" % (len(audit.types), sorted(set(audit.types.values()))))
    return problems + ["%#x: a %s that nobody leaked" % (address, name) for address, name in audit.types.items()
                       if name in PLAIN]


def look(results, build, name, command, judge):
    with harness.Folder() as folder, harness.Workload(command(folder), folder) as work:
        work.stop()
        results.check(name + "/live", judge(folder, Audit(build, "live", work.pid)))
        core = work.gcore(os.path.join(folder, "gcore"))
        if work.gcore_lacks:
            results.skip(name + "/gcore", "GDB left out " + work.gcore_lacks)
        else:
            results.check(name + "/gcore", judge(folder, Audit(build, "core", core)))


def read_planted(folder):
    with open(os.path.join(folder, "planted")) as f:
        return json.load(f)


def run(results, build, interpreter):
    prefix = "truth/refcounts/%s/" % interpreter.name

    def command(folder):
        refusal = extension.build(interpreter.path, folder)
        if refusal:
            results.skip(prefix + "extension", refusal)
        return harness.workload(interpreter.path, "refleaks.py", os.path.join(folder, "planted"),
                                *([] if refusal else ["--extension", folder]))

    look(results, build, prefix + "planted", command, lambda folder, audit: judge_planted(audit, read_planted(folder)))
    look(results, build, prefix + "well", lambda _: harness.workload(interpreter.path, "app.py", "--rows", "1000"),
         lambda _, audit: judge_well(audit))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", required=True)
    a = parser.parse_args()
    results = harness.Results()
    run(results, os.path.abspath(a.build), interpreters.Interpreter(a.python))
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
