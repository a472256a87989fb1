"""Damages small cores in thousands of seeded ways, cuts them, and refuses memory; none may crash, hang or upset a
sanitizer.

  run.py --build build/release [--count 1800] [--cuts 150] [--refusals 25]

One core each of the oldest, Debian's and the newest interpreter found; fuzz_core.c makes the damage. The small core is
cut at so many lengths, and so many allocations of each stage are refused (fail_alloc.c).
To see one mutation again: MEMEXT_KEEP=1, then fuzz_core CORE SCRATCH NUMBER 1.
"""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cores  # noqa: E402
import harness  # noqa: E402
import interpreters  # noqa: E402


def chosen():
    usable = [one for one in interpreters.find() if not one.refused]
    debian = [one for one in usable if one.name.startswith("debian")]
    return sorted(set(usable[:1] + debian[:1] + usable[-1:]), key=lambda one: one.version)


def problems_of(run, count):
    """What went wrong in a run of fuzz_core over `count` cores."""
    lines = run.stdout.decode().splitlines()
    wrong = [line for line in lines if not line.startswith("done ")]
    closing = lines[-1] if lines and lines[-1].startswith("done ") else "done 0 refused 0 answered 0"
    done = closing.split()
    if int(done[1]) != count:
        wrong.append("only %s of %d were tried" % (done[1], count))
    # Cores that are all refused at once would prove nothing about the walks behind the door.
    if int(done[5]) < count // 4:
        wrong.append("only %s of %d damaged cores got an answer" % (done[5], count))
    return wrong + run.stderr.decode(errors="replace").splitlines()[:30] if wrong else []


def fuzz_core(build, core, scratch, *arguments):
    """Of the arguments, the second is how many."""
    return subprocess.run([os.path.join(build, "fuzz_core"), core, scratch] + [str(one) for one in arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=800 + arguments[1])


def fuzz(results, build, one, first, count):
    with harness.Folder() as folder:
        run = fuzz_core(build, cores.take_core(one.path, folder), os.path.join(folder, "scratch"), first, count)
    results.check("fuzz/%s mutations %d-%d" % (one.name, first, first + count - 1), problems_of(run, count))


def cut(results, build, core, folder, count):
    run = fuzz_core(build, core, os.path.join(folder, "scratch"), 0, count, "cut")
    results.check("fuzz/%d lengths" % count, problems_of(run, count))


def refuse_memory(results, build, core, folder, most):
    run = subprocess.run([os.path.join(build, "fail_alloc"), core, os.path.join(folder, "scratch"), str(most)],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=800 + most)
    lines = run.stdout.decode(errors="replace").replace("\r", "\n").splitlines()
    good = run.returncode == 0 and lines and lines[-1].startswith("done ")
    results.check("fuzz/allocations refused", [] if good else ["it ended with %d" % run.returncode] + lines[-12:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--count", type=int, default=1800)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--cuts", type=int, default=150)
    parser.add_argument("--refusals", type=int, default=25)
    a = parser.parse_args()
    results, build = harness.Results(), os.path.abspath(a.build)
    targets = chosen()
    if not targets:
        results.skip("fuzz", "no interpreter found")
    share = -(-a.count // max(1, len(targets)))
    for i, one in enumerate(targets):
        fuzz(results, build, one, a.first + i * share, share)
    with harness.Folder() as folder:
        core = cores.take_small_core(folder)
        cut(results, build, core, folder, a.cuts)
        refuse_memory(results, build, core, folder, a.refusals)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
