"""Obtains every CPython that can be had for `make matrix`, into build/matrix, and keeps it there between runs.

  provision.py --folder build/matrix [--only NAME]... [--list]

Three ways, in this order:
- packages of other Debian suites, unpacked into build/matrix/SUITE. What runs there uses the suite's own C library:
  the path of the program's ELF interpreter is overwritten in place with a short link to the suite's, and
  LD_LIBRARY_PATH names its libraries. Nothing else differs from an installed one; no chroot, no special rights.
- CPython built from Debian's source packages, for what has no binary package (free-threaded; PIE; musl). A mirror may
  lack the newest sources that its lists name, and have those of the suite before;
- CPython built from the source trees that $MEMEXT_SOURCES names (':' between them), with and without the GIL.

Each that cannot be had is a line with the reason.
"""
import argparse
import hashlib
import os
import re
import shutil
import stat
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import apt  # noqa: E402
import interpreters  # noqa: E402

# Suite, and the interpreters to take from there. A package that the suite does not have is skipped by name.
PACKAGES = (
    ("bullseye", ("python3.9", "python3.9-dbg")),
    ("bookworm", ("python3.11-dbg",)),
    ("trixie", ("python3.13", "python3.13-dbg")),
    ("sid", ("python3.13", "python3.13-dbg", "python3.14", "python3.14-dbg", "python3.15", "python3.15-dbg")),
)
# Stands for CC=... in what follows.
MUSL = "musl-gcc"
# Suite, source package, what is special, the options.
SOURCES = (
    ("trixie", "python3.13", "musl", (MUSL,)),
    ("trixie", "python3.13", "pie", ()),
    ("trixie", "python3.13", "t", ("--disable-gil",)),
    ("trixie", "python3.13", "td", ("--disable-gil", "--with-pydebug")),
    ("sid", "python3.13", "t", ("--disable-gil",)),
    ("sid", "python3.14", "t", ("--disable-gil",)),
    ("sid", "python3.14", "td", ("--disable-gil", "--with-pydebug")),
    ("sid", "python3.15", "t", ("--disable-gil",)),
    ("forky", "python3.13", "t", ("--disable-gil",)),
    ("forky", "python3.14", "t", ("--disable-gil",)),
    ("forky", "python3.15", "t", ("--disable-gil",)),
)
# Of these, GDB: 10, 16 and the newest.
DEBUGGERS = ("bullseye", "trixie", "sid")
# What is built from a source tree of $MEMEXT_SOURCES.
TREES = (("", ()), ("t", ("--disable-gil",)))
# Of an interpreter's library: what no workload imports, and what has wrong syntax on purpose.
NOT_COMPILED = r"/(test|tests|idlelib|lib2to3|ensurepip|tkinter|turtledemo|config-[^/]*)/"
# Packages that an unpacked interpreter does not need; the C library's headers would be taken for the machine's.
WITHOUT = ("libc6-dev", "libc-dev-bin", "linux-libc-dev", "libcrypt-dev", "debconf", "sysvinit-utils")
LOADER, LIBRARIES = "/lib64/ld-linux-x86-64.so.2", ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")


class Wanted:
    """One interpreter: its name, and how to get it. obtain() gives the path of a program that runs it."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.bin = os.path.join(folder, "bin")

    def path(self):
        return os.path.join(self.bin, self.name)

    def obtain(self):
        if not os.access(self.path(), os.X_OK):
            self.make()
        refused = interpreters.Interpreter(self.path()).refused
        if refused:
            raise apt.Unobtainable(refused)
        return self.path()

    def wrap(self, lines, library=None):
        """A program of that name. Written last and moved into its place: it is there when all else is.

        The interpreter's library is compiled, as it is where the package is installed: else every process would compile
        what it imports, and its blocks would stand where the compiler's were, whose stale addresses lead to them."""
        os.makedirs(self.bin, exist_ok=True)
        new = self.path() + ".new"
        with open(new, "w") as f:
            f.write("#!/bin/sh\n" + lines)
            os.fchmod(f.fileno(), 0o755)
        if library:
            apt.run([new, "-m", "compileall", "-q", "-x", NOT_COMPILED, library], "compileall")
        os.rename(new, self.path())


class Unpacked(Wanted):
    def __init__(self, folder, suite, package):
        super().__init__(folder, "%s-%s" % (suite.name, package))
        self.suite, self.package = suite, package
        self.root = os.path.join(folder, suite.name)

    def make(self):
        version = self.package.split("-")[0]
        extra = self.suite.known(["lib%s-stdlib" % version, "lib%s-dev" % version, "lib%s" % version])
        if not self.suite.known([self.package]):
            raise apt.Unobtainable("%s has no package %s" % (self.suite.name, self.package))
        self.suite.unpack([self.package, version] + extra, self.root, WITHOUT)
        include = os.path.join(self.root, "usr/include", version)
        for folder in filter(os.path.isdir, (include, include + "d")):
            link_into(os.path.join(self.root, "usr/include/x86_64-linux-gnu"), os.path.join(folder, "x86_64-linux-gnu"))
        program = os.path.realpath(os.path.join(self.root, "usr/bin", self.package))
        self.use_own_loader(program)
        libraries = ":".join(os.path.join(self.root, part) for part in LIBRARIES)
        self.wrap("LD_LIBRARY_PATH='%s' exec '%s' \"$@\"\n" % (libraries, program),
                  os.path.join(self.root, "usr/lib", version))

    def loader(self):
        loaders = [os.path.join(self.root, part, "ld-linux-x86-64.so.2") for part in LIBRARIES]
        return next(filter(os.path.exists, loaders), LOADER)

    def use_own_loader(self, program):
        """The link is in /tmp because the new path must not be longer than the old one."""
        folder = "/tmp/mx-" + hashlib.sha256(self.root.encode()).hexdigest()[:10]
        os.makedirs(folder, exist_ok=True)
        link = os.path.join(folder, "ld.so")
        link_into(self.loader(), link)
        with open(program, "rb") as f:
            data = f.read()
        old, new = LOADER.encode() + b"\0", link.encode() + b"\0"
        if data.find(new, 0, 1 << 16) >= 0:
            return
        at = data.find(old, 0, 1 << 16)
        if at < 0 or len(new) > len(old):
            raise apt.Unobtainable("%s does not name %s as its loader" % (program, LOADER))
        with open(program + ".new", "wb") as f:
            f.write(data[:at] + new.ljust(len(old), b"\0") + data[at + len(old):])
            os.fchmod(f.fileno(), stat.S_IMODE(os.stat(program).st_mode))
        os.rename(program + ".new", program)

    def obtain(self):
        # Those in /tmp may be gone since the last run, or be another checkout's.
        path = self.path()
        if os.access(path, os.X_OK) and interpreters.Interpreter(path).version is None:
            os.unlink(path)
        return super().obtain()


class Debugger(Unpacked):
    """The GDB of another suite; it finds its Python and its data beside itself."""

    def __init__(self, folder, suite):
        super().__init__(folder, suite, "gdb")
        self.root = os.path.join(folder, self.name)

    def make(self):
        self.suite.unpack(["gdb"], self.root, WITHOUT)
        program = os.path.realpath(os.path.join(self.root, "usr/bin/gdb"))
        libraries = ":".join(os.path.join(self.root, part) for part in LIBRARIES)
        # What it starts is this machine's, which must not get its libraries.
        self.wrap("PYTHONHOME='%s/usr' exec '%s' --library-path '%s' '%s' --data-directory='%s/usr/share/gdb' \"$@\"\n"
                  % (self.root, self.loader(), libraries, program, self.root))

    def obtain(self):
        if not os.access(self.path(), os.X_OK):
            self.make()
        return self.path()


def musl_options(folder):
    """musl-gcc says that it is for glibc, which configure does not believe; pkg-config names glibc's libraries."""
    path = os.path.join(folder, "musl-cc")
    with open(path, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" != --print-multiarch ] || exec echo x86_64-linux-musl\n"
                "exec %s \"$@\"\n" % MUSL)
        os.fchmod(f.fileno(), 0o755)
    return ["CC=" + path, "PKG_CONFIG=false"]


class Built(Wanted):
    """Built from a source tree: subclasses say where it is."""

    def __init__(self, folder, name, options):
        super().__init__(folder, name)
        self.options = options
        self.prefix = os.path.join(folder, "built", self.name)

    def make(self):
        for tool in ("gcc", "make") + ((MUSL,) if MUSL in self.options else ()):
            if not shutil.which(tool):
                raise apt.Unobtainable("building it needs " + tool)
        source = self.source()
        work = os.path.join(self.folder, "work", self.name)
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        options = [one for option in self.options for one in (musl_options(work) if option == MUSL else [option])]
        quiet = dict(cwd=work, env=dict(os.environ, CFLAGS="-g0", MAKEFLAGS=""))
        apt.run([os.path.join(source, "configure"), "-q", "--prefix=" + self.prefix, "--without-ensurepip",
                 "--disable-test-modules"] + options, "configure", **quiet)
        apt.run(["make", "-s", "-j2", "all"], "make", **quiet)
        # To compile all modules three times takes minutes: wrap() does it once.
        apt.run(["make", "-s", "altinstall", "COMPILEALL_OPTS=-q -x /"], "make altinstall", **quiet)
        shutil.rmtree(work)
        programs = [name for name in sorted(os.listdir(os.path.join(self.prefix, "bin")))
                    if name.startswith("python3.") and not name.endswith("-config")]
        self.wrap("exec '%s' \"$@\"\n" % os.path.join(self.prefix, "bin", programs[-1]),
                  os.path.join(self.prefix, "lib"))


class BuiltFromPackage(Built):
    def __init__(self, folder, suite, package, special, options):
        name = "%s-%s%s" % (suite.name, package, special if special[0] in "td" else "-" + special)
        super().__init__(folder, name, options)
        self.suite, self.package = suite, package

    def source(self):
        archive = self.suite.source(self.package)
        folder = os.path.join(self.folder, "source", os.path.basename(archive).partition(".orig")[0])
        if not os.path.isdir(folder):
            with tarfile.open(archive) as f:
                f.extractall(folder + ".new")
            os.rename(folder + ".new", folder)
        inside = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        return inside[0] if len(inside) == 1 else folder


class BuiltFromTree(Built):
    def __init__(self, folder, tree, special, options):
        self.tree = os.path.abspath(tree)
        with open(os.path.join(tree, "Include/patchlevel.h")) as f:
            version = re.search(r'PY_VERSION +"([^"]*)"', f.read()).group(1)
        super().__init__(folder, "tree-python%s%s" % (version, special), options)

    def source(self):
        return self.tree


def link_into(target, link):
    if os.path.islink(link):
        os.unlink(link)
    if not os.path.exists(link):
        os.symlink(target, link)


def wanted(folder):
    """All, in the order in which they are obtained."""
    folder = os.path.abspath(folder)
    suites = {name: apt.Suite(folder, name) for name in {suite for suite, *_ in PACKAGES + SOURCES}}
    found = [Unpacked(folder, suites[suite], package) for suite, packages in PACKAGES for package in packages]
    found += [BuiltFromPackage(folder, suites[suite], *rest) for suite, *rest in SOURCES]
    trees = [path for path in os.environ.get("MEMEXT_SOURCES", "").split(":") if path]
    return found + [BuiltFromTree(folder, tree, *rest) for tree in trees for rest in TREES]


def debuggers(folder):
    folder = os.path.abspath(folder)
    return [Debugger(folder, apt.Suite(folder, name)) for name in DEBUGGERS]


def obtain(folder, only=()):
    """Pairs of a wanted interpreter's name and (Interpreter, None) or (None, why not)."""
    for one in wanted(folder):
        if only and one.name not in only:
            continue
        try:
            yield one.name, interpreters.Interpreter(one.obtain()), None
        except (apt.Unobtainable, OSError) as error:
            yield one.name, None, str(error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--only", action="append", default=[], help="one of --list's names")
    parser.add_argument("--list", action="store_true")
    a = parser.parse_args()
    if a.list:
        print("\n".join(one.name for one in wanted(a.folder)))
        return 0
    for name, interpreter, why in obtain(a.folder, a.only):
        print("%-24s %s" % (name, why or "%s %s" % (interpreter.text, interpreter.path)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
