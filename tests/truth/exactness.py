"""References: what memext reads against gc.get_referents(), by type.

  exactness.py --build build/release --write         measures every interpreter found, live, and writes the table of
                                                     docs/exactness.md
"""
import argparse
import array
import collections
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import compare  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402

EXACT = 0.998                         # of all objects have exactly the edges that the interpreter shows
WHOLE = 0.9995                        # of all objects lack none of them
EXACT_OF_TYPE = 0.99                  # of a type that is CPython's own
INEXACT = 1 << 63


def read_lists(path):
    """{address: (flagged as inexact, [targets])} of a file of address, count, targets."""
    words = array.array("Q")
    with open(path, "rb") as f:
        words.frombytes(f.read())
    lists, at = {}, 0
    while at < len(words):
        count = words[at + 1] & ~INEXACT
        lists[words[at]] = (bool(words[at + 1] & INEXACT), words[at + 2:at + 2 + count])
        at += 2 + count
    return lists


class Tally:
    def __init__(self):
        self.objects = self.exact = self.missing = self.scanned = 0
        self.example = None

    def add(self, address, want, got, scanned):
        self.objects += 1
        self.scanned += scanned
        if want == got or sorted(want) == sorted(got):
            self.exact += 1
            return
        lost = collections.Counter(want) - collections.Counter(got)
        self.missing += bool(lost)
        if self.example is None or lost and not self.example[1]:
            self.example = (address, lost, collections.Counter(got) - collections.Counter(want))


class Exactness:
    """Tallies by type name of one stop."""

    def __init__(self, truth, build, how, what, folder):
        asked, answer = os.path.join(folder, "asked"), os.path.join(folder, "answer")
        want = read_lists(os.path.join(folder, "truth.edges"))
        with open(asked, "wb") as f:
            array.array("Q", want).tofile(f)
        run = subprocess.run([os.path.join(build, "edges"), how, str(what), asked, answer], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=300)
        if run.returncode:
            raise RuntimeError("edges %s ended with %d: %s" % (how, run.returncode, run.stdout.decode()[-2000:]))
        got = read_lists(answer)
        self.truth, self.by_type, self.all = truth, collections.defaultdict(Tally), Tally()
        for address, (_, targets) in want.items():
            record = truth.objects.get(address)
            if record is None:
                continue              # made by the measuring
            scanned, mine = got.get(address, (False, ()))
            for tally in (self.by_type[truth.types[record[0]]], self.all):
                tally.add(address, targets, mine, scanned)

    def problems(self):
        total = self.all
        out = []
        if total.exact < EXACT * total.objects:
            out.append("%.3f %% of %d objects are exact" % (100 * total.exact / total.objects, total.objects))
        if total.objects - total.missing < WHOLE * total.objects:
            out.append("%d of %d objects lack an edge" % (total.missing, total.objects))
        for name, tally in self.rows():
            if is_cpythons_own(name) and tally.exact < EXACT_OF_TYPE * tally.objects:
                out.append("%s: %d of %d are exact; %s" % (name, tally.exact, tally.objects, self.explain(tally)))
        return out + ["%s: %d of %d lack an edge; %s" % (name, tally.missing, tally.objects, self.explain(tally))
                      for name, tally in self.rows() if out and tally.missing]

    def rows(self):
        return sorted(self.by_type.items(), key=lambda item: (item[1].exact / item[1].objects, -item[1].objects))

    def explain(self, tally):
        if not tally.example:
            return ""
        address, lost, extra = tally.example
        return "such as %#x, lacking %s, too much %s" % (address, self.describe(lost), self.describe(extra))

    def describe(self, targets):
        return "[%s]" % ", ".join("%#x %s" % (a, self.truth.types.get(self.truth.objects.get(a, (0,))[0], "?"))
                                  for a in list(targets.elements())[:4])


# The names of types have no module where they are builtins'.
OWN = set(getattr(sys, "stdlib_module_names", ()))


def is_cpythons_own(name):
    return "." not in name or name.split(".")[0] in OWN


PAGE = os.path.join(harness.ROOT, "docs", "exactness.md")
BEGIN, END = "<!-- begin: tests/truth/exactness.py --write -->", "<!-- end -->"
CASES = (("mixed.py", "--units", "2000", "--threads", "2"), ("app.py", "--rows", "4000"), ("zoo.py",))


def measure(build, interpreter, arguments):
    with harness.Folder() as folder:
        with harness.Workload([interpreter.path] + harness.workload(interpreter.path, *arguments)[1:], folder) as work:
            work.truth(os.path.join(folder, "truth"))
            work.stop()
            return Exactness(compare.Truth(os.path.join(folder, "truth")), build, "live", work.pid, folder)


def percent(part, whole):
    return "100 %" if part == whole else "%.3f %%" % (100 * part / whole)


def page(build):
    """The generated part: a line a stop, and a line for each type that is not exact in some of them."""
    total = ["| interpreter | program | objects | exact | lack an edge | types | found by scanning |",
             "|---|---|--:|--:|--:|--:|--:|"]
    types = ["| type | interpreter, program | objects | inexact | of these, lack an edge |", "|---|---|--:|--:|--:|"]
    for interpreter in interpreters.find():
        for arguments in CASES if not interpreter.refused else ():
            seen = measure(build, interpreter, arguments)
            a, where = seen.all, "%s | %s" % (interpreter.name, arguments[0])
            total.append("| %s | %d | %s | %s | %d | %d |" % (where, a.objects, percent(a.exact, a.objects),
                                                              percent(a.missing, a.objects) if a.missing else "0",
                                                              len(seen.by_type), a.scanned))
            types += ["| %s | %s | %d | %d | %d |" % (name, where.replace(" |", ","), t.objects, t.objects - t.exact,
                                                      t.missing)
                      for name, t in seen.rows() if t.exact < t.objects]
    return total, types


def write(build):
    with open(PAGE) as f:
        before, _, rest = f.read().partition(BEGIN)
    total, types = page(build)
    lines = ["", ""] + total + ["", "Not exact:", ""] + types + ["", ""]
    with open(PAGE, "w") as f:
        f.write(before + BEGIN + "\n".join(lines) + END + rest.partition(END)[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--write", action="store_true")
    a = parser.parse_args()
    if a.write:
        write(os.path.abspath(a.build))
        return 0
    total, types = page(os.path.abspath(a.build))
    sys.stdout.write("\n".join(total + [""] + types) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
