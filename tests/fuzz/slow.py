"""Cores that were made to take a reader for ever, or all memory: each must end soon, with counts or one sentence.

  slow.py --build build/release

The small core is written to so that all lists, tuples, dicts, strings, ints or types in it claim sizes that cannot be,
lead to themselves, or form long chains; others have a million mappings, segments or threads. The last ones name files
that must not be opened: a FIFO, a device, a file that is another one now.
"""
import argparse
import os
import struct
import subprocess
import sys

import cores
import harness
import seeds

OBJECT, VAR = 8, 16            # of ob_type, ob_size
LIST_ITEMS, LIST_ALLOCATED = 24, 32
DICT_USED, DICT_KEYS = 16, 32
KEYS_LOG2, KEYS_ENTRIES = 8, 24
TYPE_BASICSIZE, TYPE_ITEMSIZE, TYPE_BASE = 32, 40, 256
HUGE = (1 << 40, 1 << 61, (1 << 63) - 1)


def objects_of(build, core, folder):
    """{type name: [address]}"""
    dump = os.path.join(folder, "objects")
    text = subprocess.run([os.path.join(build, "census"), "core", core, dump], stdout=subprocess.PIPE,
                          universal_newlines=True, check=True).stdout
    names = {int(line.split("\t")[1]): line.rstrip("\n").split("\t")[4] for line in text.splitlines()
             if line.startswith("all\t")}
    with open(dump, "rb") as file:
        data = file.read()
    found = {}
    for address, kind, _, _ in struct.iter_unpack("<4Q", data):
        found.setdefault(names.get(kind), []).append(address)
    return found


def with_huge_counts(make, found, size):
    core = make()
    for address in found["list"]:
        core.put(address + VAR, size)
        core.put(address + LIST_ALLOCATED, size)
    for address in found["tuple"] + found["str"] + found["int"] + found["bytes"]:
        core.put(address + VAR, size)
    return core.bytes


def with_huge_dicts(make, found, log2):
    core = make()
    for address in found["dict"]:
        keys = core.word(address + DICT_KEYS)
        core.put(keys + KEYS_LOG2, log2, "<B")
        core.put(keys + KEYS_ENTRIES, 1 << 61)
        core.put(address + DICT_USED, 1 << 61)
    return core.bytes


def with_own_tables(make, found):
    """A dict whose table is itself, a list whose items are itself, and so on: sizes are then addresses."""
    core = make()
    for address in found["dict"]:
        core.put(address + DICT_KEYS, address)
    for address in found["list"]:
        core.put(address + LIST_ITEMS, address)
        core.put(address + VAR, 1 << 16)
        core.put(address + LIST_ALLOCATED, 1 << 16)
    return core.bytes


def with_rings(make, found):
    """Each type is its own base, each tracked object the next in its own list."""
    core = make()
    for address in found["type"]:
        core.put(address + TYPE_BASE, address)
    for kind in ("list", "dict", "tuple", "function"):
        for address in found[kind]:
            core.put(address - 16, address - 16)
    return core.bytes


def with_a_chain(make, found):
    """All lists in one chain, all types in one chain of bases."""
    core = make()
    for address, following in zip(found["list"], found["list"][1:]):
        core.put(core.word(address + LIST_ITEMS), following)
    for address, following in zip(found["type"], found["type"][1:]):
        core.put(address + TYPE_BASE, following)
    return core.bytes


def with_wide_types(make, found):
    """Instances that would be gigabytes each."""
    core = make()
    for address in found["type"]:
        core.put(address + TYPE_BASICSIZE, 1 << 33)
        core.put(address + TYPE_ITEMSIZE, 1 << 33)
    return core.bytes


def with_dense_types(make, found):
    """Every object's type is its own address, or the next object's."""
    core = make()
    for kind in ("list", "tuple", "dict"):
        for address, following in zip(found[kind], found[kind][1:]):
            core.put(address + OBJECT, following)
    return core.bytes


def named(count, path):
    """NT_FILE of `count` mappings, where nothing else is; # in the path is their number."""
    return seeds.files([(0x10000000000 + i * 8192, 0x10000000000 + i * 8192 + 4096, 0,
                         path.replace("#", str(i)).encode()) for i in range(count)])


def with_modules(make, _found, count):
    core = make()
    return core.rebuilt(core.notes() + named(count, "/nonexistent/#/libmany.so"))


def with_segments(make, _found, count):
    core = make()
    return core.rebuilt(core.notes(), [(0x10000000000 + i * 8192, 4096) for i in range(count)])


def with_threads(make, _found, count):
    core = make()
    stack = core.headers[-1][3]
    return core.rebuilt(core.notes() + b"".join(seeds.thread(100 + i, stack + 64, 0) for i in range(count)))


SLOW = (
    [("huge counts %d" % size.bit_length(), with_huge_counts, size) for size in HUGE]
    + [("huge dicts %d" % log2, with_huge_dicts, log2) for log2 in (30, 40, 63, 255)]
    + [("tables that are their owners", with_own_tables), ("rings", with_rings), ("chains", with_a_chain),
       ("wide types", with_wide_types), ("objects as types", with_dense_types),
       ("a million modules", with_modules, 1000000), ("a million segments", with_segments, 1000000),
       ("50,000 threads", with_threads, 50000)])


def run_one(build, core, scratch):
    """Problems of a run over `core`, which asks everything."""
    run = subprocess.run([os.path.join(build, "fuzz_core"), core, scratch, "0", "1", "whole"], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, universal_newlines=True, timeout=600)
    lines = run.stdout.splitlines()
    return [] if run.returncode == 0 else lines[-4:] or ["it ended with %d" % run.returncode]


def slow_cores(results, build, core, folder):
    found = objects_of(build, core, folder)
    for name, change, *arguments in SLOW:
        path = os.path.join(folder, "slow.core")
        with open(path, "wb") as file:
            file.write(change(lambda: cores.Core(core), found, *arguments))
        results.check("fuzz/slow: " + name, run_one(build, path, os.path.join(folder, "scratch")))


def named_files(results, build, core, folder):
    """A FIFO would make a reader wait for ever, a device could do something, a script could be run."""
    fifo, script = os.path.join(folder, "libpipe.so"), os.path.join(folder, "libscript.so")
    os.mkfifo(fifo)
    with open(script, "w") as file:
        file.write("#!/bin/sh\ntouch %s\n" % os.path.join(folder, "was-run"))
    os.chmod(script, 0o755)
    for name, path in (("a FIFO", fifo), ("a device", "/dev/zero"), ("a terminal", "/dev/tty"),
                       ("a script", script), ("a folder", folder), ("no name", ""),
                       ("a strange name", "%n%s%s\x1b[2J")):
        made = cores.Core(core)
        other = os.path.join(folder, "named.core")
        made.write(other, made.rebuilt(made.notes() + named(50, path)))
        run = subprocess.run([os.path.join(build, "census"), "core", other], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=60)
        problems = [] if run.returncode == 0 else ["it ended with %d: %r" % (run.returncode, run.stderr[-300:])]
        if os.path.exists(os.path.join(folder, "was-run")):
            problems.append("the file was run")
        results.check("fuzz/named: " + name, problems)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    a = parser.parse_args()
    results, build = harness.Results(), os.path.abspath(a.build)
    with harness.Folder() as folder:
        core = cores.take_small_core(folder)
        slow_cores(results, build, core, folder)
        named_files(results, build, core, folder)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
