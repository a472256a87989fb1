"""What the cases look at: processes, cores, damaged files. Each is made at the first need, once."""
import functools
import os
import shutil
import subprocess

import debugger
import harness
import interpreters

LEAK = os.path.join(harness.TESTS, "demo", "leak.py")


class Skip(Exception):
    """Why a case cannot run here."""


class Stage:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.running = []

    # ---- interpreters ----

    @property
    @functools.lru_cache(maxsize=None)
    def python(self):
        """Debian's, else any: expected outputs hold for all."""
        usable = [one for one in interpreters.find() if not one.refused]
        usable.sort(key=lambda one: not one.name.startswith("debian"))
        if not usable:
            raise Skip("no interpreter of the supported range is here")
        return usable[0].path

    def python_version(self):
        return next(one.version for one in interpreters.find() if one.path == self.python)

    def outside_range(self):
        """Two interpreters that are too old; the newer of them has a _PyRuntime already."""
        found = [one.path for one in interpreters.find() if one.version and (3, 6) <= one.version < interpreters.OLDEST]
        if len(found) < 2:
            raise Skip("there are no two interpreters of 3.6 and 3.7 here")
        return found

    # ---- processes ----

    def start(self, *command, **options):
        folder = os.path.join(self.folder, "process%d" % len(self.running))
        os.mkdir(folder)
        work = harness.Workload(list(command), folder, **options)
        self.running.append(work)
        return work

    def leak(self, rounds=2, python=None, **options):
        return self.start(python or self.python, LEAK, str(rounds), **options)

    def other_program(self):
        """A process without Python."""
        process = subprocess.Popen(["sleep", "600"], cwd=self.folder, preexec_fn=harness.allow_cores)
        self.running.append(process)
        return process

    # ---- cores ----

    def path(self, name):
        return os.path.join(self.folder, name)

    def kernel_core_of(self, work, name):
        refusal = harness.kernel_cores()
        if refusal:
            raise Skip(refusal)
        work.stop()
        return work.abort(self.path(name))

    @functools.lru_cache(maxsize=None)
    def kernel_core(self):
        return self.kernel_core_of(self.leak(), "kernel.core")

    @functools.lru_cache(maxsize=None)
    def gcore(self):
        work = self.leak()
        path = work.gcore(self.path("gcore.core"))
        work.close()
        return path

    @functools.lru_cache(maxsize=None)
    def core(self):
        """The kernel's if it leaves any here, else GDB's."""
        return self.gcore() if harness.kernel_cores() else self.kernel_core()

    @functools.lru_cache(maxsize=None)
    def later_core(self):
        """Another process, one round further."""
        work = self.leak(3)
        path = work.gcore(self.path("later.core"))
        work.close()
        return path

    @functools.lru_cache(maxsize=None)
    def grown_cores(self):
        """Two of one process: before and after a round."""
        work = self.leak()
        before = work.gcore(self.path("growing.core"))
        work.command("")
        after = work.gcore(self.path("grown.core"))
        work.close()
        return before, after

    def cut(self, percent):
        path = self.path("cut%d.core" % percent)
        size = os.path.getsize(self.core())
        with open(self.core(), "rb") as whole, open(path, "wb") as part:
            part.write(whole.read(size * percent // 100))
        return path

    def forged(self, name, offset, value):
        """A core with other bytes in its ELF header."""
        path = self.path(name)
        shutil.copy(self.core(), path)
        with open(path, "r+b") as f:
            f.seek(offset)
            f.write(value)
        return path

    def core_of_copied_python(self, name):
        """A core and the copy of the interpreter that it was made by, to be removed or replaced."""
        copy = self.path(name)
        shutil.copy(self.python, copy)
        home = subprocess.check_output([self.python, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
        work = self.leak(python=copy, env={"PYTHONHOME": home})
        core = work.gcore(self.path(name + ".core"))
        work.close()
        return core, copy

    # ---- GDB ----

    def gdb(self, target, *commands, **options):
        return debugger.run(self.build, target, commands, self.folder, **options)[0]

    def gdb_typed(self, target, *commands):
        return debugger.run_typed(self.build, target, commands, self.folder)[0]

    def close(self):
        for one in self.running:
            if isinstance(one, harness.Workload):
                one.close()
            else:
                one.kill()
                one.wait()
