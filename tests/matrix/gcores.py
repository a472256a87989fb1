"""The cores of other GDBs' gcore, against the process that they are of.

  gcores.py --build build/release --folder build/matrix [--python /usr/bin/python3.11]

Obtains the GDBs of other Debian suites (provision.py: unpacked, no chroot); each takes a core of one stopped process,
which must show the very objects that the live process does. What cannot be had is skipped by name.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(TESTS, "truth"), TESTS, HERE]
import apt  # noqa: E402
import compare  # noqa: E402
import harness  # noqa: E402
import provision  # noqa: E402


def version(gdb):
    done = subprocess.run([gdb, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return done.stdout.decode().splitlines()[0].rpartition(" ")[2]


def take(gdb, pid, path):
    """A core by that GDB; the process stands as it did before."""
    done = subprocess.run([gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off", "-p", str(pid), "-ex",
                           "gcore " + path, "-ex", "detach"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=harness.ambient({"HOME": "/nonexistent"}), timeout=300)
    if not os.path.exists(path):
        raise RuntimeError("no core was made: " + done.stdout.decode(errors="replace")[-500:])


def problems(build, work, live, gdb, path):
    try:
        take(gdb, work.pid, path)
        work.stop()
        core = compare.Census(os.path.join(build, "census"), "core", path, path + ".objects")
    except RuntimeError as error:
        return [str(error)]
    return compare.same(live, core)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--python", default="/usr/bin/python3")
    a = parser.parse_args()
    results, build = harness.Results(), os.path.abspath(a.build)
    with harness.Folder() as folder:
        command = harness.workload(a.python, "mixed.py", "--units", "300", "--threads", "3")
        with harness.Workload(command, folder) as work:
            work.stop()
            live = compare.Census(os.path.join(build, "census"), "live", work.pid, os.path.join(folder, "objects"))
            for debugger in provision.debuggers(a.folder):
                try:
                    gdb = debugger.obtain()
                    name = "matrix/gcore of GDB %s (%s)" % (version(gdb), debugger.suite.name)
                except (apt.Unobtainable, OSError, subprocess.SubprocessError) as error:
                    results.skip("matrix/gcore of %s" % debugger.name, str(error))
                    continue
                path = os.path.join(folder, debugger.name + ".core")
                results.check(name, problems(build, work, live, gdb, path))
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
