"""Used malloc chunks against a log of live mallocs.

  glibc.py --build build/release

The log (malloclog.c, preloaded) and the process (mallocs.py) are of one stop.
Every live block must begin a used chunk that is large enough. Chunks that are
not in the log may only be glibc's own: one tcache a thread.
"""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import harness  # noqa: E402

TCACHE_SIZES = (0x288, 0x298)          # malloc_usable_size of struct tcache_perthread_struct, by glibc version
PYTHON = "/usr/bin/python3"
FEWEST = 3600                          # mallocs.py alone leaves as many live


def read_pairs(text):
    return {int(a, 16): int(b, 16) for a, b in (line.split() for line in text.splitlines())}


def stopped(process, seconds=60):
    for _ in range(seconds * 100):
        with open("/proc/%d/stat" % process.pid) as f:
            if f.read().rpartition(")")[2].split()[0] == "T":
                return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError("the process did not stop")


def compare(log, chunks):
    missing = [block for block in log if block not in chunks]
    small = [block for block in log if block in chunks and chunks[block] < log[block]]
    more = sorted(chunk for chunk in chunks if chunk not in log and chunks[chunk] not in TCACHE_SIZES)
    if len(log) < FEWEST:
        return ["the log has %d blocks only" % len(log)]
    return ["%d of %d blocks %s, such as %s" % (len(those), len(log), what, " ".join(hex(b) for b in those[:6]))
            for those, what in ((missing, "are missing"), (small, "are larger than their chunk"),
                                (more, "are used chunks that nobody allocated")) if those]


def look(results, build, form, what, log):
    run = subprocess.run([os.path.join(build, "chunks"), "live" if form == "live" else "core", str(what)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    problems = [run.stderr.decode()] if run.returncode else compare(log, read_pairs(run.stdout.decode()))
    results.check("truth/glibc/%s/chunks" % form, problems)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    results = harness.Results()
    with harness.Folder() as folder:
        logged, library = os.path.join(folder, "log"), os.path.join(folder, "malloclog.so")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library,
                        os.path.join(HERE, "malloclog.c")], check=True)
        process = subprocess.Popen([PYTHON, os.path.join(HERE, "mallocs.py"), library, logged], cwd=folder,
                                   env=dict(harness.ambient(), LD_PRELOAD=library), preexec_fn=harness.allow_cores)
        try:
            stopped(process)
            with open(logged) as f:
                log = read_pairs(f.read())
            look(results, build, "live", process.pid, log)
            subprocess.run(["gcore", "-o", os.path.join(folder, "g"), str(process.pid)], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env=harness.ambient(), timeout=120)
            look(results, build, "gcore", os.path.join(folder, "g.%d" % process.pid), log)
        finally:
            process.kill()
            process.wait()
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
