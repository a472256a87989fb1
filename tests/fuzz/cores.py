"""The cores that the fuzzers damage, and how to write into one."""
import glob
import os
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402

SMALL = "import os; x = [object() for i in range(9)]; y = {'a': x, 'b': {1, 2}}; os.abort()"
HEADER, SEGMENT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
PT_LOAD, PT_NOTE = 1, 4


def take_core(python, folder):
    """Of a program that has a bit of everything."""
    with harness.Workload(harness.workload(python, "mixed.py", "--units", "20", "--threads", "1"), folder) as work:
        work.stop()
        core = os.path.join(folder, "mixed.core")
        return work.gcore(core) if harness.kernel_cores() else work.abort(core)


def leave_core(command, folder, path, env=None):
    """Of a program that kills itself, by the kernel."""
    place = os.path.join(folder, "dying")
    os.makedirs(place, exist_ok=True)
    subprocess.run(command, cwd=place, stderr=subprocess.DEVNULL, env=harness.ambient(env),
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 31, 1 << 31)))
    os.rename(glob.glob(os.path.join(place, "core*"))[0], path)
    return path


def take_small_core(folder):
    """Of an interpreter that has imported next to nothing: small enough to be looked at ten times a second."""
    path = os.path.join(folder, "small.core")
    if os.path.exists(path):
        return path
    if harness.kernel_cores():
        return take_core("/usr/bin/python3", folder)
    return leave_core(["/usr/bin/python3", "-I", "-S", "-c", SMALL], folder, path)


def take_specimen(python, folder, name, env=None, *arguments):
    """Of one object of many kinds and two threads (specimen.py); None where the kernel leaves no cores."""
    path = os.path.join(folder, name + ".core")
    if os.path.exists(path) or harness.kernel_cores():
        return path if os.path.exists(path) else None
    program = harness.workload(python, "specimen.py", *arguments)
    return leave_core(program[:1] + ["-S"] + program[1:], folder, path, env)


class Core:
    """The bytes of a core, to be changed at the process's addresses."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = bytearray(file.read())
        fields = HEADER.unpack_from(self.bytes)
        self.headers = [SEGMENT.unpack_from(self.bytes, fields[5] + i * SEGMENT.size) for i in range(fields[10])]

    def offset(self, address):
        """Where the byte at `address` is; None when it is not there."""
        for kind, _, offset, start, _, size, _, _ in self.headers:
            if kind == PT_LOAD and start <= address < start + size:
                return offset + address - start
        return None

    def word(self, address):
        at = self.offset(address)
        return struct.unpack_from("<Q", self.bytes, at)[0] if at is not None else 0

    def put(self, address, word, form="<Q"):
        at = self.offset(address)
        if at is not None and at + struct.calcsize(form) <= len(self.bytes):
            struct.pack_into(form, self.bytes, at, word)

    def notes(self):
        """The bytes of its notes."""
        for kind, _, offset, _, _, size, _, _ in self.headers:
            if kind == PT_NOTE:
                return bytes(self.bytes[offset:offset + size])
        return b""

    def rebuilt(self, notes, segments=()):
        """The same memory with other notes, and further segments (address, size in memory) without bytes."""
        loads = [header for header in self.headers if header[0] == PT_LOAD]
        count = len(loads) + len(segments) + 1
        start = HEADER.size + SEGMENT.size * count + 64
        base = start + len(notes)
        fields = list(HEADER.unpack_from(self.bytes))
        fields[5], fields[10], fields[11] = HEADER.size + 64, min(count, 0xffff), 64
        # As many segments as do not fit into the header's field: their number is in a section header.
        fields[6], fields[12], fields[13] = HEADER.size, 1, 0
        section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0)
        parts = [HEADER.pack(*fields), section, SEGMENT.pack(PT_NOTE, 0, start, 0, 0, len(notes), 0, 4)]
        parts += [SEGMENT.pack(*header[:2], header[2] + base, *header[3:]) for header in loads]
        parts += [SEGMENT.pack(PT_LOAD, 6, base, address, 0, 0, size, 4096) for address, size in segments]
        return b"".join(parts) + notes + bytes(self.bytes)

    def write(self, path, data=None):
        with open(path, "wb") as file:
            file.write(self.bytes if data is None else data)
        return path
