"""Starts a workload, waits for READY, writes its truth, takes a core, ends it.

  takecore.py OUTDIR [--how gcore|abort] [--no-truth] -- PYTHON WORKLOAD ARGUMENTS
  takecore.py cores/m100 -- /usr/bin/python3.11 mixed.py --mb 100

OUTDIR gets core, truth.json, truth.objects, truth.malloc and info.json. The
truth is of the very state that the core shows. 'abort' uses the kernel's core
dump and needs a plain name in /proc/sys/kernel/core_pattern.
"""
import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--how", choices=("gcore", "abort"), default="gcore")
    parser.add_argument("--no-truth", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main():
    a = arguments()
    out = os.path.abspath(a.out)
    os.makedirs(out, exist_ok=True)
    command = [os.path.abspath(part) if part.endswith(".py") else part for part in a.command]
    with harness.Workload(command, out, seconds=900) as work:
        info = dict(work.info, command=command, how=a.how)
        if not a.no_truth:
            work.truth(os.path.join(out, "truth"))
        work.stop()
        start = time.monotonic()
        path = getattr(work, a.how)(os.path.join(out, "core"))
        info["dump_s"] = round(time.monotonic() - start, 2)
    stat = os.stat(path)
    info.update(core_bytes=stat.st_size, core_disk_bytes=stat.st_blocks * 512)
    with open(os.path.join(out, "info.json"), "w") as f:
        json.dump(info, f, indent=1)
    print(json.dumps(info))


if __name__ == "__main__":
    main()
