"""Runs all kinds of tests and counts them; `make check` calls it.

  run.py --build build/release [--only KIND]... [--jobs N] [--verbose]

Kinds: unit (CUnit, and Python's unittest for what needs no GDB), fuzz, truth
(one job an interpreter), e2e. Every job is a program that prints lines in the
form harness.Results gives; its whole output is kept in BUILD/log. A job that
dies, hangs or says nothing counts as one failure. Printed are the failures,
the skips with their reasons, and one closing line.
"""
import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import harness
import interpreters

KINDS = ("unit", "truth", "e2e", "fuzz")
LONG = 1500                            # seconds for the jobs of many tests, also on a slow machine
TRUTH = ("run", "references", "causes", "values", "retained", "waste", "leaks", "refcounts", "ledger", "recall",
         "usage", "stacks", "arenas")   # the scripts in tests/truth that judge one interpreter


class Job:
    def __init__(self, name, command, seconds=600):
        self.name, self.command, self.seconds = name, command, seconds
        self.passed, self.failed, self.skipped, self.figures = 0, [], [], []

    def run(self, log_folder, env):
        start = time.monotonic()
        log = os.path.join(log_folder, self.name.replace("/", "_") + ".log")
        with open(log, "wb") as f:
            process = subprocess.Popen(self.command, cwd=harness.ROOT, stdin=subprocess.DEVNULL, stdout=f,
                                       stderr=subprocess.STDOUT, env=env, start_new_session=True)
            try:
                status = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                status = "no end after %d s" % self.seconds
            # Whatever the job started and did not end is of its session: nothing else is.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.read(log, status)
        self.took = time.monotonic() - start
        return self

    def read(self, log, status):
        with open(log, errors="replace") as f:
            for line in f:
                line = line.rstrip("\n")
                if line.startswith("ok "):
                    self.passed += 1
                elif line.startswith("not ok "):
                    self.failed.append([line[len("not ok "):]])
                elif line.startswith("skip "):
                    self.skipped.append(line[len("skip "):])
                elif line.startswith("figure "):
                    self.figures.append(line.split()[1:])
                elif line.startswith("# ") and self.failed:
                    self.failed[-1].append("    " + line[2:])
        if isinstance(status, str):
            self.failed.append(["%s - %s, see %s" % (self.name, status, log)])
        elif status and not self.failed:
            self.failed.append(["%s - ended with status %d, see %s" % (self.name, status, log)])
        elif not self.passed and not self.failed and not self.skipped:
            self.failed.append(["%s - reported no test, see %s" % (self.name, log)])


def truth_jobs(python, build):
    """A job a script and usable interpreter, slowest first; one more reports those that cannot be used."""
    def job(name, script, *arguments):
        return Job("truth/" + name, [python, "tests/" + script, "--build", build] + list(arguments))

    jobs = [job("others", "truth/run.py", "--refused"),
            job("retained/large", "truth/retained.py", "--python", python, "--large")]
    found = [one for one in interpreters.find() if not one.refused]
    for script in TRUTH:
        name = "" if script == "run" else script + "/"
        jobs += [job(name + one.name, "truth/%s.py" % script, "--python", one.path) for one in found]
    return jobs + [job("export", "export/run.py"), job("glibc", "truth/glibc.py")]


def plan(kinds, build):
    """All jobs, the long ones first so that two workers end at about the same time."""
    python = sys.executable
    jobs = []
    if "e2e" in kinds:
        jobs.append(Job("e2e", [python, "tests/e2e/run.py", "--build", build], LONG))
    if "fuzz" in kinds:
        jobs.append(Job("fuzz", [python, "tests/fuzz/run.py", "--build", build], LONG))
        jobs.append(Job("fuzz/slow", [python, "tests/fuzz/slow.py", "--build", build], LONG))
    if "truth" in kinds:
        jobs += truth_jobs(python, build)
    if "unit" in kinds:
        jobs.append(Job("unit/c", [os.path.join(build, "unit")]))
        jobs.append(Job("unit/python", [python, "tests/ext/run.py"]))
    return jobs


def report(job, verbose):
    for lines in job.failed:
        print("FAILED  " + "\n".join(lines))
    for line in job.skipped:
        print("skipped " + line)
    if verbose or job.failed:
        print("%-24s %d passed, %d failed, %d skipped in %.0f s"
              % (job.name, job.passed, len(job.failed), len(job.skipped), job.took))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    a = parser.parse_args()
    build = os.path.abspath(a.build)
    log_folder = os.path.join(build, "log")
    os.makedirs(log_folder, exist_ok=True)
    env = dict(os.environ, **harness.sanitizer_environment(build))
    jobs = plan(a.only or KINDS, build)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(job.run, log_folder, env) for job in jobs]):
            report(done.result(), a.verbose)
    failed = sum(len(job.failed) for job in jobs)
    print("%d passed, %d failed, %d skipped" % (sum(job.passed for job in jobs), failed,
                                                sum(len(job.skipped) for job in jobs)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
