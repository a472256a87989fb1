"""Leaked references against those that were planted.

  refcounts.py --build build/release --python /usr/bin/python3.11

  planted   by ctypes and by a faulty C extension: at least 95 % must be listed, as unexplained
  others    no other list, dict or instance may be, and of the rest a handful
  well      programs without a leak: at most a handful of objects, none of them a list, dict or instance
  guests    the same where sub-interpreters have a part of the objects
  names     the same where next to none of the interned strings can die
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import planting  # noqa: E402
import script  # noqa: E402
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
    if len(others) > FEW:
        problems.append("%d others are listed: %s" % (len(others), sorted(set(others.values()))))
    problems += ["%#x: a %s that nobody leaked" % (address, name) for address, name in sorted(others.items())
                 if name in PLAIN]
    return problems


def judge_well(audit):
    figures = audit.figures
    problems = list(audit.errors)
    if figures["exact"] < EXACT * figures["objects"]:
        problems.append("%(exact)d of %(objects)d objects have the references that they count" % figures)
    if figures["deficit"] > FEW:
        problems.append("%(deficit)d objects have more references than they count" % figures)
    if len(audit.types) > max(FEW, SHARE * figures["objects"]):
        problems.append("%d objects are listed: %s" % (len(audit.types), sorted(set(audit.types.values()))))
    return problems + ["%#x: a %s that nobody leaked" % (address, name) for address, name in audit.types.items()
                       if name in PLAIN]


def run(results, build, interpreter):
    prefix = "truth/refcounts/%s/" % interpreter.name
    planting.look_at_both(results, prefix, interpreter.path, "refleaks.py", lambda *of: Audit(build, *of),
                         judge_planted, judge_well, lambda core: planting.differ_by_threads(build, core, "audit"))
    for name, workload in ("guests", "subinterpreters.py"), ("names", "names.py"):
        planting.look(results, prefix + name, lambda _, workload=workload: harness.workload(interpreter.path, workload),
                      lambda *of: Audit(build, *of), lambda _, audit: judge_well(audit))


if __name__ == "__main__":
    sys.exit(script.main(run))
