"""Damages small cores in thousands of seeded ways; none may crash, hang or upset a sanitizer.

  run.py --build build/release [--count 2100]

One core each of the oldest, Debian's and the newest interpreter found; fuzz_core.c makes the damage.
To see one mutation again: MEMEXT_KEEP=1, then fuzz_core CORE SCRATCH NUMBER 1.
"""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402
import interpreters  # noqa: E402


def chosen():
    usable = [one for one in interpreters.find() if not one.refused]
    debian = [one for one in usable if one.name.startswith("debian")]
    return sorted(set(usable[:1] + debian[:1] + usable[-1:]), key=lambda one: one.version)


def take_core(python, folder):
    with harness.Workload(harness.workload(python, "mixed.py", "--units", "20", "--threads", "1"), folder) as work:
        work.stop()
        core = os.path.join(folder, "small.core")
        return work.gcore(core) if harness.kernel_cores() else work.abort(core)


def fuzz(results, build, one, first, count):
    name = "fuzz/%s mutations %d-%d" % (one.name, first, first + count - 1)
    with harness.Folder() as folder:
        core = take_core(one.path, folder)
        run = subprocess.run([os.path.join(build, "fuzz_core"), core, os.path.join(folder, "scratch"), str(first),
                              str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=800)
    lines = run.stdout.decode().splitlines()
    wrong = [line for line in lines if not line.startswith("done ")]
    closing = lines[-1] if lines and lines[-1].startswith("done ") else "done 0 refused 0 answered 0"
    done = closing.split()
    if int(done[1]) != count:
        wrong.append("only %s of %d mutations were tried" % (done[1], count))
    # Cores that are all refused at once would prove nothing about the walks behind the door.
    if int(done[5]) < count // 4:
        wrong.append("only %s of %d damaged cores got an answer" % (done[5], count))
    results.check(name, wrong + run.stderr.decode(errors="replace").splitlines()[:30] if wrong else [])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--count", type=int, default=2100)
    parser.add_argument("--first", type=int, default=1)
    a = parser.parse_args()
    results = harness.Results()
    targets = chosen()
    if not targets:
        results.skip("fuzz", "no interpreter found")
    share = -(-a.count // max(1, len(targets)))
    for i, one in enumerate(targets):
        fuzz(results, os.path.abspath(a.build), one, a.first + i * share, share)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
