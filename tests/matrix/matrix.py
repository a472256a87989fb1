"""The truth tests on every interpreter that can be had.

  matrix.py --build build/release --folder build/matrix [--interpreter NAME]... [--kind KIND]... [--write]
            [--obtain-only]

Obtains the interpreters (provision.py), adds those of the machine itself, and runs every kind of truth test on each:
live processes and cores. Printed are failures, skips with their reasons, and one line at the end. Results are kept in
FOLDER/results.json, so that one interpreter or kind can be run after the other, or beside it; --write puts all of them
into docs/exactness.md: tests passed of all, by interpreter and kind, and the figures of the worst stop.
"""
import argparse
import concurrent.futures
import fcntl
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [TESTS, HERE]
import harness  # noqa: E402
import interpreters  # noqa: E402
import provision  # noqa: E402
import run as runner  # noqa: E402

KINDS = ("run", "references", "values", "stacks", "retained", "causes", "waste", "leaks", "refcounts", "ledger",
         "arenas")
PAGE = os.path.join(harness.ROOT, "docs", "exactness.md")
BEGIN, END = "<!-- begin: tests/matrix/matrix.py --write -->", "<!-- end of matrix -->"


def obtained(folder, only):
    """Interpreters by name, and a line for each that is not to be had."""
    found, lines = {}, []
    for name, interpreter, why in provision.obtain(folder, only):
        if interpreter and interpreter.has_ctypes:
            found[name] = interpreter
        else:
            lines.append("matrix/%s - %s" % (name, interpreters.NO_CTYPES if interpreter else why))
    for interpreter in interpreters.find():
        if only and interpreter.name not in only:
            continue
        if interpreter.refused:
            lines.append("matrix/%s - %s" % (interpreter.name, interpreter.refused))
        else:
            found[interpreter.name] = interpreter
    return found, lines


def jobs(found, kinds, build):
    for name, interpreter in found.items():
        for kind in kinds:
            program = os.path.join("tests/truth", kind + ".py")
            job = runner.Job("matrix/%s/%s" % (name, kind),
                             [sys.executable, program, "--build", build, "--python", interpreter.path], 1800)
            job.interpreter, job.kind = name, kind
            yield job


class Results:
    """What is known of each interpreter, of this run and others: {name: {"version", "order", kind: counts,
    "figures": {what: [right, of] of the worst stop}, "stops": how many}}."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "results.json")

    def rows(self):
        if not os.path.exists(self.path):
            return {}
        with open(self.path) as f:
            return json.load(f)

    def add(self, job, interpreter):
        with open(self.path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rows = self.rows()
            row = rows.setdefault(job.interpreter, {})
            row.update({"version": interpreter.text + interpreter.flags, "order": interpreter.version,
                        job.kind: [job.passed, len(job.failed)]})
            if job.kind == "run":
                row["figures"], row["stops"] = worst(job.figures), sum(what == "edges" for what, *_ in job.figures)
            with open(self.path + ".new", "w") as f:
                json.dump(rows, f, indent=1)
            os.rename(self.path + ".new", self.path)

    def tables(self):
        """Per cent of the tests that passed, by interpreter and kind; what is below 100 has its count. Below it, the
        figures of the worst stop."""
        rows = sorted(self.rows().items(), key=lambda item: (item[1]["order"], item[0]))
        kinds = [kind for kind in KINDS if any(sum(row.get(kind, ())) for _, row in rows)]
        lines = ["| interpreter | version | %s |" % " | ".join(kinds), "|---|---|%s" % ("--:|" * len(kinds))]
        for name, row in rows:
            cells = [cell(*row.get(kind, (0, 0))) for kind in kinds]
            lines.append("| %s | %s | %s |" % (name, row["version"], " | ".join(cells)))
        lines += ["", "Of the stops of `run`, the worst:", "",
                  "| interpreter | stops | types counted right | objects missing | sizes right | edges exact |",
                  "|---|--:|--:|--:|--:|--:|"]
        return lines + [bars(name, row["stops"], row["figures"]) for name, row in rows if row.get("figures")]


def worst(figures):
    """{what: [right, of]} of the lowest share of each."""
    found = {}
    for what, right, of in figures:
        pair = [int(right), int(of)]
        if pair[1] and (what not in found or pair[0] * found[what][1] < found[what][0] * pair[1]):
            found[what] = pair
    return found


def bars(name, stops, figures):
    right, of = figures["objects"]
    return "| %s | %d | %s | %d | %s | %s |" % (
        name, stops, share(*figures["counts"]), of - right, share(*figures["sizes"]), share(*figures["edges"]))


def share(right, of):
    return "100 %" if right == of else "%.3f %%" % (100 * right / of)


def cell(passed, failed):
    if not failed:
        return "100" if passed else ""
    return "%.1f (%d of %d)" % (100 * passed / (passed + failed), passed, passed + failed)


def write(lines):
    with open(PAGE) as f:
        before, begin, rest = f.read().partition(BEGIN)
    if not begin:
        raise SystemExit("%s has no line %s" % (PAGE, BEGIN))
    with open(PAGE, "w") as f:
        f.write(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + rest.partition(END)[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--interpreter", action="append", default=[], help="a name that provision.py --list prints")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--obtain-only", action="store_true")
    a = parser.parse_args()
    found, missing = obtained(a.folder, a.interpreter)
    for line in missing:
        print("skipped " + line, flush=True)
    build = os.path.abspath(a.build)
    logs = os.path.join(build, "log")
    os.makedirs(logs, exist_ok=True)
    todo = [] if a.obtain_only else list(jobs(found, a.kind or KINDS, build))
    done, results = [], Results(a.folder)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(job.run, logs, dict(os.environ)) for job in todo]):
            done.append(future.result())
            runner.report(done[-1], True)
            results.add(done[-1], found[done[-1].interpreter])
    if a.write:
        write(results.tables())
    failed = sum(len(job.failed) for job in done)
    print("%d interpreters: %d passed, %d failed, %d skipped"
          % (len(found), sum(job.passed for job in done), failed, len(missing) + sum(len(job.skipped) for job in done)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
