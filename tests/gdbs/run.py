"""memext in the GDBs of other Debian suites: `make gdbs`.

  run.py [SUITE]...           bullseye (GDB 10), trixie (GDB 16), sid (the newest); all of them where none is named
  run.py [SUITE]... NAME...   only these end-to-end tests

Each suite is a chroot under build/gdbs, made at the first run and kept. memext is built in it, against its Python,
libdwarf and SQLite, and tested twice:

  here    its GDB, with its libraries and its Python, on this machine's files and processes: one thing is new, and so
          the whole expected outputs hold
  inside  all of it in the chroot, that suite's interpreters as targets; whole outputs are of another interpreter, and
          are left out
"""
import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import chroot  # noqa: E402
import harness  # noqa: E402

SUITES = ("bullseye", "trixie", "sid")
PACKAGES = ("gcc", "libc6-dev", "make", "libelf-dev", "libdwarf-dev", "libsqlite3-dev", "libzstd-dev", "liblzma-dev",
            "zlib1g-dev", "libcunit1-dev", "python3", "python3-dev", "gdb", "procps", "graphviz", "node-d3-hierarchy",
            "python3-pytest")
# What of CPython loads itself into GDB beside memext. Of its package only this: debug information would change the
# interpreter that is looked at.
PYTHON_GDB = ("cd /tmp; name=$(basename $(readlink -f /usr/bin/python3)); rm -f *.deb; apt-get -q download $name-dbg; "
              "dpkg-deb --fsys-tarfile *.deb | tar x -C / --wildcards './usr/share/gdb/auto-load/*'; rm -f *.deb")
# memext lags behind sid's newest interpreter.
OTHER_PYTHON = "apt-get -q install -y --no-install-recommends python3.13 || true"
WRAPPER = """#!/bin/sh
# The GDB of Debian {suite} with its own libraries. GDB finds its Python and its data beside itself.
export GCONV_PATH={root}/usr/lib/x86_64-linux-gnu/gconv
exec {loader} --library-path {root}/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu {root}/usr/bin/gdb \\
    -iex 'add-auto-load-safe-path /usr/lib:/lib' "$@"
"""


class Suite:
    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(harness.ROOT, "build", "gdbs", name)
        self.build = os.path.join("build", "gdbs", name, "build")
        self.chroot = chroot.Chroot(name, self.folder)

    def prepare(self):
        commands = (PYTHON_GDB,) + ((OTHER_PYTHON,) if self.name == "sid" else ())
        self.chroot.make(PACKAGES, commands)
        self.make_wrappers()

    def make_wrappers(self):
        """A folder for PATH: gdb, and the gcore that calls it."""
        root = self.chroot.root
        bin_folder = os.path.join(self.folder, "bin")
        os.makedirs(bin_folder, exist_ok=True)
        # Inside, ld.so is an absolute link: it would lead out of the chroot.
        loaders = glob.glob(root + "/usr/lib/x86_64-linux-gnu/ld-*.so*") + glob.glob(
            root + "/lib/x86_64-linux-gnu/ld-*.so*")
        path = os.path.join(bin_folder, "gdb")
        with open(path, "w") as f:
            f.write(WRAPPER.format(suite=self.name, root=root, loader=os.path.realpath(loaders[0])))
        os.chmod(path, 0o755)
        with open(os.path.join(root, "usr/bin/gcore"), "rb") as theirs, open(os.path.join(bin_folder, "gcore"),
                                                                           "wb") as ours:
            ours.write(theirs.read())
        os.chmod(ours.name, 0o755)

    def inside(self, command):
        return ["nice", "-n", "19"] + self.chroot.line(command, [harness.ROOT], harness.ROOT)

    def version(self):
        text = subprocess.run(self.inside(["gdb", "--version"]), stdout=subprocess.PIPE, check=True).stdout.decode()
        return text.split("\n")[0].rpartition(" ")[2]

    def environment(self):
        found = glob.glob(self.chroot.root + "/usr/share/gdb/auto-load/usr/bin/python3*[0-9]-gdb.py")
        return dict(os.environ, PATH=os.path.join(self.folder, "bin") + ":" + os.environ["PATH"],
                    MEMEXT_PYTHON_GDB=found[0] if found else "")


class Tally:
    """Prints what test programs print, each name with its suite before it, and counts."""

    def __init__(self):
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}

    def line(self, kind, text):
        self.counts[kind] += 1
        print(kind, text)
        sys.stdout.flush()

    def run(self, label, command, env=None):
        process = subprocess.Popen(command, cwd=harness.ROOT, env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        reported = 0
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            kind = next((kind for kind in self.counts if text.startswith(kind + " ")), None)
            reported += kind is not None
            if kind:
                self.line(kind, "%s/%s" % (label, text[len(kind) + 1:]))
            elif text.startswith("#"):
                print(text)
        if process.wait() not in (0, 1) or not reported:
            self.line("not ok", "%s - ended with status %d after %d tests" % (label, process.returncode, reported))


def test(tally, name, wanted):
    suite = Suite(name)
    try:
        suite.prepare()
        label = "%s-gdb-%s" % (name, suite.version())
    except (chroot.Refused, OSError, subprocess.SubprocessError) as why:
        tally.line("skip", "gdbs/%s - %s" % (name, why))
        return
    make = subprocess.run(suite.inside(["make", "-s", "-j2", "BUILD=" + suite.build, "all", suite.build + "/unit"]),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if make.returncode:
        tally.line("not ok", "%s/build - %s" % (label, make.stdout.decode(errors="replace")[-2000:]))
        return
    tally.line("ok", label + "/build")
    e2e = ["tests/e2e/run.py", "--build", suite.build]
    if not wanted:
        tally.run(label, suite.inside([suite.build + "/unit"]))
        tally.run(label, suite.inside(["python3", "tests/ext/run.py"]))
    tally.run(label + "/here", ["nice", "-n", "19", sys.executable] + e2e + wanted, suite.environment())
    tally.run(label + "/inside", suite.inside(["python3"] + e2e + ["--any-python"] + wanted))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*", metavar="SUITE|NAME")
    words = parser.parse_args().words
    suites = [word for word in words if word in SUITES]
    tally = Tally()
    for name in suites or SUITES:
        test(tally, name, [word for word in words if word not in SUITES])
    print("%d passed, %d failed, %d skipped" % tuple(tally.counts.values()))
    return 1 if tally.counts["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
