"""What the test programs share: results, workloads in other processes, cores.

A test program prints one line a test and run.py counts them:

  ok NAME
  not ok NAME - what is wrong
  skip NAME - why
  figure WHAT RIGHT OF          for a table: so many are right
"""
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)
WORKLOADS = os.path.join(TESTS, "workloads")
CORE_PATTERN = "/proc/sys/kernel/core_pattern"


class Results:
    """Prints results as they come; exit_status() says whether all went well."""

    def __init__(self):
        self.failed = 0

    def ok(self, name):
        sys.stdout.write("ok %s\n" % name)
        sys.stdout.flush()

    def fail(self, name, why):
        self.failed += 1
        first, *rest = str(why).splitlines() or [""]
        sys.stdout.write("not ok %s - %s\n%s" % (name, first, "".join("# %s\n" % line for line in rest)))
        sys.stdout.flush()

    def skip(self, name, why):
        sys.stdout.write("skip %s - %s\n" % (name, why))
        sys.stdout.flush()

    def figure(self, what, right, of):
        sys.stdout.write("figure %s %d %d\n" % (what, right, of))

    def check(self, name, problems):
        """One test: problems is a list of sentences, empty when all is well."""
        if problems:
            self.fail(name, "\n".join([problems[0]] + problems[1:16]))
        else:
            self.ok(name)

    def exit_status(self):
        return 1 if self.failed else 0


class Folder:
    """A temporary folder, removed at the end unless MEMEXT_KEEP is set."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="memext-")
        return self.path

    def __exit__(self, *_):
        if os.environ.get("MEMEXT_KEEP"):
            sys.stderr.write("kept: %s\n" % self.path)
        else:
            shutil.rmtree(self.path, ignore_errors=True)


def kernel_cores():
    """None when a dying process leaves a core where it ran; else the reason why not."""
    with open(CORE_PATTERN) as f:
        pattern = f.read().strip()
    if pattern.startswith("|"):
        return "the kernel pipes cores to a program: %s is %r" % (CORE_PATTERN, pattern)
    if "/" in pattern:
        return "the kernel puts cores elsewhere: %s is %r" % (CORE_PATTERN, pattern)
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return "the hard limit for core files is 0"
    return None


def allow_cores():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def ambient(extra=None):
    """The environment for a target or a GDB: nothing of a sanitizer, a venv or a user's Python settings leaks in."""
    drop = ("LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "PYTHONMALLOC", "PYTHONDEVMODE", "ASAN_OPTIONS", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if key not in drop}
    env.update(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8", TERM="dumb", **(extra or {}))
    return env


def find_core(folder, pid):
    for name in ("core", "core.%d" % pid):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise RuntimeError("no core in %s; %s" % (folder, sorted(os.listdir(folder))))


class Workload:
    """A workload that runs in `folder` and obeys commands (truth.serve)."""

    def __init__(self, command, folder, env=None, seconds=120):
        self.folder, self.seconds = folder, seconds
        self.log = open(os.path.join(folder, "stderr"), "wb")
        self.process = subprocess.Popen(command, cwd=folder, env=ambient(env), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, bufsize=0, preexec_fn=allow_cores)
        self.pid = self.process.pid
        self.buffer = b""
        try:
            self.info = json.loads(self.wait_for("READY").split(" ", 1)[1])
        except BaseException:
            self.close()
            raise

    def wait_for(self, word):
        end = time.monotonic() + self.seconds
        while True:
            line, found, rest = self.buffer.partition(b"\n")
            if found:
                self.buffer = rest
                if line.decode().startswith(word):
                    return line.decode()
                continue
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError("the workload did not say %s in %d s" % (word, self.seconds))
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                with open(self.log.name, errors="replace") as f:
                    raise RuntimeError("the workload ended before it said %s: %s" % (word, f.read()[-2000:]))
            self.buffer += data

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def command(self, line):
        self.send(line)
        return self.wait_for(("DONE " + line.partition(" ")[0]).strip())

    def truth(self, path):
        """Writes the truth; the process stays in the state it describes until release()."""
        self.command("truth " + path)
        # The child has said so; the process itself is in that state once it sleeps, in waitpid().
        while self.state() != "S":
            time.sleep(0.005)

    def release(self):
        self.send("")
        self.wait_for("DONE truth")

    def stop(self):
        """Stops the process; returns when all its threads stand."""
        os.kill(self.pid, signal.SIGSTOP)
        for _ in range(1000):
            states = set(self.thread_state(tid) for tid in os.listdir("/proc/%d/task" % self.pid))
            if states <= {"T", "t"}:
                return
            time.sleep(0.005)
        raise RuntimeError("process %d does not stop: %s" % (self.pid, states))

    def thread_state(self, tid):
        """As the kernel names it; "-" of a thread that has just ended."""
        try:
            with open("/proc/%d/task/%s/stat" % (self.pid, tid)) as f:
                return f.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "-"

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def gcore(self, path):
        """A core by GDB's gcore; the process lives on (and stays stopped if it was). What .gcore_lacks names is not
        in it: of a mapping with a guard page inside, as threads' stacks have since glibc 2.42, GDB 13 takes nothing."""
        stopped = self.state() == "T"
        run = subprocess.run(["gcore", "-o", path, str(self.pid)], env=ambient(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=self.seconds)
        made = "%s.%d" % (path, self.pid)
        if not os.path.exists(made):
            raise RuntimeError("gcore failed: " + run.stdout.decode(errors="replace")[-1000:])
        os.rename(made, path)
        lost = re.findall(rb"Memory read failed for corefile section, (\d+) bytes at (0x[0-7][0-9a-f]*)\.", run.stdout)
        self.gcore_lacks = ", ".join("%s bytes at %s" % (size.decode(), at.decode()) for size, at in lost)
        if stopped:
            self.stop()
        return path

    def abort(self, path):
        """A core by the kernel: SIGABRT, delivered before the process does anything else."""
        os.kill(self.pid, signal.SIGABRT)
        os.kill(self.pid, signal.SIGCONT)
        self.process.wait(self.seconds)
        os.rename(find_core(self.folder, self.pid), path)
        return path

    def state(self):
        with open("/proc/%d/stat" % self.pid) as f:
            return f.read().rpartition(")")[2].split()[0]

    def close(self):
        """Ends it; its truth-telling child ends when its stdin does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def workload(python, name, *arguments):
    """The command line of one of tests/workloads."""
    return [python, os.path.join(WORKLOADS, name)] + list(arguments)


def sanitizer_environment(build):
    """What a sanitizer build needs: no leak check (GDB and Python keep much), a distinct exit code."""
    if os.path.basename(build) != "asan":
        return {}
    return {"ASAN_OPTIONS": "detect_leaks=0:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}
