"""For GDB: `snapshot NAME` remembers all of the process's memory and registers, `compare NAME` says what differs since.

The kernel is asked, by /proc/PID/mem, and GDB for registers only: what GDB itself has in its caches is no witness.
"""
import hashlib
import os

import gdb

TAKEN = {}
# The kernel's own pages: a clock ticks in them.
KERNEL = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
PIECE = 1 << 20


def mappings(pid):
    """[(start, end, line)] of what can be read."""
    with open("/proc/%d/maps" % pid) as file:
        for line in file:
            span, rights = line.split()[:2]
            if rights[0] == "r" and line.split()[-1] not in KERNEL:
                start, end = (int(part, 16) for part in span.split("-"))
                yield start, end, line.rstrip("\n")


def memory(pid):
    """{line of maps: digest}; pages that cannot be read are part of it as such."""
    digests = {}
    handle = os.open("/proc/%d/mem" % pid, os.O_RDONLY)
    for start, end, line in mappings(pid):
        digest = hashlib.blake2b()
        for at in range(start, end, PIECE):
            try:
                digest.update(os.pread(handle, min(PIECE, end - at), at))
            except OSError as error:
                digest.update(b"errno %d" % error.errno)
        digests[line] = digest.hexdigest()
    os.close(handle)
    return digests


def registers():
    """Of all threads; the selected one is the same afterwards."""
    selected, found = gdb.selected_thread(), {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        found[thread.ptid] = gdb.execute("info all-registers", to_string=True)
    selected.switch()
    return found


def take():
    pid = gdb.selected_inferior().pid
    return memory(pid), registers()


def differences(before, now):
    for what, old, new in zip(("memory", "registers"), before, now):
        for key in sorted(set(old) | set(new), key=str):
            if old.get(key) != new.get(key):
                yield "%s: %s" % (what, key)


class Snapshot(gdb.Command):
    def __init__(self):
        super().__init__("snapshot", gdb.COMMAND_USER)

    def invoke(self, text, from_tty):
        TAKEN[text] = take()
        mapped, held = TAKEN[text]
        print("taken: %d mappings, %d threads" % (len(mapped), len(held)))


class Compare(gdb.Command):
    def __init__(self):
        super().__init__("compare", gdb.COMMAND_USER)

    def invoke(self, text, from_tty):
        found = list(differences(TAKEN[text], take()))
        print("\n".join(found) if found else "identical")


class Scribble(gdb.Command):
    """Writes a byte of the process, so that a comparison has something to find."""

    def __init__(self):
        super().__init__("scribble", gdb.COMMAND_USER)

    def invoke(self, text, from_tty):
        inferior, address = gdb.selected_inferior(), int(text, 0)
        byte = bytes(inferior.read_memory(address, 1))[0]
        inferior.write_memory(address, bytes([byte ^ 1]))


Snapshot()
Compare()
Scribble()
