"""Damages cores in a great many seeded ways (fuzz_core.c), and goes on where it stopped.

  mutations.py --build build/release --keep FOLDER --until 250000 CORE...
  mutations.py --keep FOLDER                 what has been done so far, and what was wrong

Of each core the mutations 1..UNTIL are made. Several of these programs may work in one folder: each takes the next
STRETCH mutations of FOLDER/mutations/CORE-BUILD.json, and what one did not finish is taken again by another.
"""
import argparse
import contextlib
import fcntl
import glob
import json
import os
import subprocess
import sys
import tempfile

STRETCH = 500
NOTHING = {"next": 1, "open": {}, "done": 0, "refused": 0, "answered": 0, "wrong": []}


@contextlib.contextmanager
def record_at(path):
    """What is known of one core's mutations: changed by one program at a time."""
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = dict(NOTHING, open={}, wrong=[])
        if os.path.exists(path):
            with open(path) as file:
                record = json.load(file)
        yield record
        with open(path + ".new", "w") as file:
            json.dump(record, file)
        os.rename(path + ".new", path)


def is_alive(pid):
    return os.path.exists("/proc/%d" % pid)


def take_stretch(path, until):
    """(first, count) of mutations that nobody else makes; None when all are done or being made."""
    with record_at(path) as record:
        for first, (count, pid) in record["open"].items():
            if not is_alive(pid):
                record["open"][first] = [count, os.getpid()]
                return int(first), count
        first, count = record["next"], min(STRETCH, until - record["next"] + 1)
        if count <= 0:
            return None
        record["next"] += count
        record["open"][str(first)] = [count, os.getpid()]
        return first, count


def put_back(path, first, count, lines):
    """The last line of fuzz_core's says how many; those before are what went wrong."""
    done = lines[-1].split() if lines and lines[-1].startswith("done ") else ["done", "0"] + ["0"] * 4
    with record_at(path) as record:
        del record["open"][str(first)]
        for key, value in (("done", done[1]), ("refused", done[3]), ("answered", done[5])):
            record[key] += int(value)
        record["wrong"] += [line for line in lines if not line.startswith("done ")]
        if int(done[1]) != count:
            record["wrong"].append("only %s of %d from %d on" % (done[1], count, first))


def run(build, core, path, until):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        while True:
            stretch = take_stretch(path, until)
            if not stretch:
                return
            command = [os.path.join(build, "fuzz_core"), core, os.path.join(folder, "scratch")]
            made = subprocess.run(command + [str(one) for one in stretch] + ["many"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            lines = made.stderr.decode(errors="replace").splitlines()[:30] + made.stdout.decode().splitlines()
            put_back(path, stretch[0], stretch[1], lines)


def tell(keep):
    total = wrong = 0
    for path in sorted(glob.glob(os.path.join(keep, "mutations", "*.json"))):
        with record_at(path) as record:
            print("%s: %s mutations, %s refused, %d wrong" % (
                os.path.basename(path)[:-len(".json")], format(record["done"], ","), format(record["refused"], ","),
                len(record["wrong"])))
            print("".join("  %s\n" % line for line in record["wrong"][:20]), end="")
            total, wrong = total + record["done"], wrong + len(record["wrong"])
    print("all: %s mutations, %d wrong" % (format(total, ","), wrong))
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("--keep", required=True)
    parser.add_argument("--until", type=int, default=0)
    parser.add_argument("cores", nargs="*", metavar="CORE")
    a = parser.parse_args()
    os.makedirs(os.path.join(a.keep, "mutations"), exist_ok=True)
    for core in a.cores:
        name = "%s-%s.json" % (os.path.splitext(os.path.basename(core))[0], os.path.basename(os.path.abspath(a.build)))
        run(os.path.abspath(a.build), core, os.path.join(a.keep, "mutations", name), a.until)
    return tell(a.keep)


if __name__ == "__main__":
    sys.exit(main())
