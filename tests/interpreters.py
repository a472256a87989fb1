"""The Python interpreters of this machine that the tests run against.

Debian's (/usr/bin/python3.*), pyenv's (~/.pyenv/versions), and those that
$MEMEXT_PYTHONS names (a ':'-separated list of paths).

  interpreters.py            prints what was found
"""
import glob
import os
import subprocess
import sys

OLDEST, NEWEST = (3, 8), (3, 15)

PROBE = ("import sys, sysconfig, importlib.util; print(sys.version.split()[0], "
         "int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), "
         "int(hasattr(sys, 'gettotalrefcount')), int(bool(importlib.util.find_spec('_ctypes'))))")
NO_CTYPES = "it was built without ctypes, which the workloads need"


class Interpreter:
    """One interpreter: where it is, what it is, and why not if it cannot be a target."""

    def __init__(self, path):
        self.path = path
        self.version = None
        self.refused = None
        self.free_threaded = self.debug = self.has_ctypes = False
        try:
            out = subprocess.run([path, "-I", "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 timeout=60, check=True).stdout.decode().split()
        except (OSError, subprocess.SubprocessError) as error:
            self.refused = "does not run: %s" % error
            return
        text, (self.free_threaded, self.debug, self.has_ctypes) = out[0], [word == "1" for word in out[1:]]
        self.version = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in text.split(".")[:3])
        self.text = text
        if not OLDEST <= self.version[:2] <= NEWEST:
            self.refused = "%s is outside of %d.%d-%d.%d" % ((text,) + OLDEST + NEWEST)

    @property
    def flags(self):
        """As in CPython's own file names."""
        return ("t" if self.free_threaded else "") + ("d" if self.debug else "")

    @property
    def name(self):
        if "/matrix/bin/" in self.path:
            where = os.path.basename(self.path).partition("-")[0]
        else:
            where = "debian" if self.path.startswith("/usr/bin/") else "pyenv" if "/.pyenv/" in self.path else "given"
        return "%s-%s%s" % (where, getattr(self, "text", os.path.basename(self.path)), self.flags)


def candidates():
    """Paths, without the same file twice."""
    paths = sorted(glob.glob("/usr/bin/python3.[0-9]*"))
    paths += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
    paths += [path for path in os.environ.get("MEMEXT_PYTHONS", "").split(":") if path]
    seen = set()
    for path in paths:
        real = os.path.realpath(path)
        if path.endswith("-config") or real in seen or not os.access(path, os.X_OK):
            continue
        seen.add(real)
        yield path


def find():
    """All of them, those that cannot be targets included (see .refused), oldest first."""
    found = sorted(map(Interpreter, candidates()), key=lambda one: one.version or (0,))
    for one in found:
        one.refused = one.refused or (None if one.has_ctypes else NO_CTYPES)
    return found


if __name__ == "__main__":
    for one in find():
        sys.stdout.write("%-18s %-45s %s\n" % (one.name, one.path, one.refused or "ok"))
