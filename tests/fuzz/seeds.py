"""Makes the seeds that libFuzzer begins with: small files of each form, written by this script or compiled.

  seeds.py FOLDER      writes FOLDER/core/*, FOLDER/elf/*, FOLDER/heap/*, FOLDER/saved/*
"""
import os
import struct
import subprocess
import sys
import tempfile

NT_PRSTATUS, NT_PRPSINFO, NT_AUXV, NT_FILE = 1, 3, 6, 0x46494c45
PT_LOAD, PT_NOTE, ET_CORE, EM_X86_64 = 1, 4, 4, 62
PAGE = 4096

STRUCTS = """
typedef struct inner { char tag; long words[4]; } inner_type;
union choice { int number; inner_type *pointer; };
struct outer {
    int first;
    const volatile inner_type inner;
    struct { union choice anonymous; long last; } array[3];
    union { short small; long large; };
    unsigned bits : 3, more : 9;
};
typedef struct outer chained;
chained _PyRuntime;
int look(inner_type *at) { return at->tag; }
"""
COMPILED = {
    "dwarf5": ["-g"],
    "dwarf4": ["-gdwarf-4"],
    "dwarf2": ["-gdwarf-2", "-gstrict-dwarf"],
    "compressed": ["-g", "-gz"],
    "stripped": ["-s"],
    "split": ["-g", "-gsplit-dwarf"],
}


PROMISES = {"dwarf5": "sections", "compressed": "bytes"}
SHT_GROUP, SHF_COMPRESSED = 17, 1 << 11


def note(kind, data):
    padded = data + b"\0" * (-len(data) % 4)
    return struct.pack("<III", 5, len(data), kind) + b"CORE\0\0\0\0" + padded


def thread(tid, stack, own):
    data = bytearray(336)
    struct.pack_into("<i", data, 32, tid)
    struct.pack_into("<Q", data, 112 + 19 * 8, stack)
    struct.pack_into("<Q", data, 112 + 21 * 8, own)
    return note(NT_PRSTATUS, bytes(data))


def process(pid, command):
    data = bytearray(136)
    struct.pack_into("<i", data, 24, pid)
    data[56:56 + len(command)] = command
    return note(NT_PRPSINFO, bytes(data))


def files(named):
    words = [len(named), PAGE] + [word for start, end, offset, _ in named for word in (start, end, offset)]
    return note(NT_FILE, struct.pack("<%dQ" % len(words), *words) + b"".join(path + b"\0" for *_, path in named))


def header(kind, segments):
    return struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", kind, EM_X86_64, 1, 0, 64, 0, 0, 64, 56, segments,
                       0, 0, 0)


def segment(kind, offset, address, size, in_memory):
    return struct.pack("<IIQQQQQQ", kind, 6, offset, address, 0, size, in_memory, 8)


def image():
    """The first page of a library in memory: header, a load and its build-id."""
    build_id = struct.pack("<III4s20s", 4, 20, 3, b"GNU\0", bytes(range(20)))
    start = header(3, 2) + segment(PT_LOAD, 0, 0, 256, 256) + segment(PT_NOTE, 176, 176, len(build_id), 0)
    return (start + build_id).ljust(256, b"\0")


def core(segments, notes):
    """Segments are (address, bytes, size in memory)."""
    offset = 64 + 56 * (len(segments) + 1)
    headers = [segment(PT_NOTE, offset, 0, len(notes), 0)]
    offset += len(notes)
    for address, data, in_memory in segments:
        headers.append(segment(PT_LOAD, offset, address, len(data), in_memory))
        offset += len(data)
    return header(ET_CORE, len(headers)) + b"".join(headers) + notes + b"".join(data for _, data, _ in segments)


def cores():
    named = [(0x400000, 0x401000, 0, b"/no/such/libthing.so"), (0x500000, 0x502000, 2, b"/no/such/data (deleted)")]
    own = struct.pack("<4Q", 3, 0x400040, 6, PAGE)
    whole = thread(11, 0x600040, 0x600080) + thread(12, 0, 0) + process(11, b"python3 app.py") \
        + note(NT_AUXV, own) + files(named)
    yield "whole", core([(0x400000, image(), PAGE), (0x500000, b"d" * 64, PAGE), (0x600000, b"s" * 128, 128)], whole)
    yield "bare", core([(0x400000, image(), 256)], b"")
    yield "no-files", core([(0x400000, b"\0" * 64, 1 << 40)], thread(1, 0x400010, 0))
    yield "cut", core([(0x400000, image(), PAGE)], whole)[:300]


def libraries():
    """Of each form; two of them also with promises that a reader must not believe."""
    for name, switches in sorted(COMPILED.items()):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "structs.c"), "w") as f:
                f.write(STRUCTS)
            subprocess.run(["gcc", "-shared", "-nostdlib", "-fPIC", "-Wl,--build-id"] + switches
                           + ["-o", "structs.so", "structs.c"], check=True, cwd=folder)
            with open(os.path.join(folder, "structs.so"), "rb") as f:
                data = f.read()
            yield name, data
            if name in PROMISES:
                yield name + "-promises", promising(data, PROMISES[name])


def promising(data, kind):
    """The file, with a section that claims more than it holds, or one that unpacks to far more than it can."""
    data = bytearray(data)
    sections, = struct.unpack_from("<Q", data, 40)
    if kind == "sections":
        struct.pack_into("<I", data, sections + 4, SHT_GROUP)
        struct.pack_into("<Q", data, sections + 32, 1 << 38)
        return bytes(data)
    for at in range(sections, len(data) - 63, 64):
        flags, _, offset = struct.unpack_from("<QQQ", data, at + 8)
        if flags & SHF_COMPRESSED:
            struct.pack_into("<Q", data, offset + 8, 1 << 36)
    return bytes(data)


def edits():
    """One question at a time, with one edit of each kind."""
    for question in range(13):
        yield "question-%d" % question, struct.pack("<H", 1 << question) + b"".join(
            struct.pack("<IB3s", 977 * question + 131 * how, how, b"\1\2\3") for how in range(6))


def saved():
    yield "whole", b"\1"
    for how in range(6):
        yield "edit-%d" % how, b"\1" + struct.pack("<IB3s", 5 * how, how, b"\1\0\0")
    yield "no-file", b"\0memext"


def write(folder, made):
    """Another campaign may be reading them: they are put there whole."""
    os.makedirs(folder, exist_ok=True)
    for name, data in made:
        new = folder.rstrip("/") + ".%d.new" % os.getpid()
        with open(new, "wb") as f:
            f.write(data)
        os.rename(new, os.path.join(folder, name))


def write_all(folder):
    write(os.path.join(folder, "core"), cores())
    write(os.path.join(folder, "elf"), libraries())
    write(os.path.join(folder, "heap"), edits())
    write(os.path.join(folder, "saved"), saved())


if __name__ == "__main__":
    write_all(sys.argv[1])
