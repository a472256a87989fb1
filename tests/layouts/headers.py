"""Writes the row of a free-threaded build that cannot be had with debug information, from CPython's own headers.

  headers.py MEASURE NAME VERSION_HEX INCLUDE

NAME is such as 3.14.10t, INCLUDE such as /tmp/3.14/usr/include/python3.14.

All internal headers of that release are compiled for a free-threaded build, and the compiler's debug information
is measured as an interpreter's would be. Half of the structures are in CPython's C files instead. These are
those of the nearest free-threaded row, where they differ from the row of the same release with a GIL by the longer head
of objects alone; where by more, by as much as they moved there since the release before (and it is told).
Done for 3.14.7t, of which there is a build, this gives what its debug information gives.
"""
import os
import re
import subprocess
import sys
import tempfile

ROWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib", "cpython", "rows")
# Only for another header to include.
PARTS = ("pycore_crossinterp_data_registry.h",)
FIELD = re.compile(r"^(\s+\.(\w+)\.(\w+) = )(MX_ABSENT|-?\d+),$")
HEADS = (0, 16)  # what is no object, and how much longer an object's head is


def compile_headers(include, folder):
    """A shared object whose debug information has all structures of the headers."""
    internal = os.path.join(include, "internal")
    names = sorted(name for name in os.listdir(internal) if name.startswith("pycore_") and name not in PARTS)
    source, library = os.path.join(folder, "headers.c"), os.path.join(folder, "headers.so")
    with open(source, "w", encoding="ascii") as file:
        file.write("#define Py_BUILD_CORE 1\n")
        file.writelines('#include "%s"\n' % name for name in ["Python.h", "structmember.h", "frameobject.h"] + names)
        file.write("_PyRuntimeState _PyRuntime;\n")
    places = include, internal, os.path.join(internal, "mimalloc"), os.path.dirname(include)
    subprocess.run(["gcc", "-std=gnu11", "-g", "-w", "-fPIC", "-shared", "-fno-eliminate-unused-debug-types",
                    "-DPy_GIL_DISABLED=1"] + ["-I" + path for path in places] + ["-o", library, source], check=True)
    return library


def read_row(text):
    """{group: {member: offset, or None}}."""
    row = {}
    for line in text.splitlines():
        found = FIELD.match(line)
        if found:
            row.setdefault(found[2], {})[found[3]] = None if found[4] == "MX_ABSENT" else int(found[4])
    return row


def stored_row(name):
    with open(os.path.join(ROWS, name + ".inc"), encoding="ascii") as file:
        return read_row(file.read())


def micro(name):
    return int(re.match(r"\d+\.\d+\.(\d+)", name)[1])


def nearest(name, threaded):
    """Of the stored release rows of its minor version, but not of itself."""
    minor, suffix = name.rsplit(".", 1)[0], "t" if threaded else ""
    names = [file[:-len(".inc")] for file in os.listdir(ROWS)
             if re.fullmatch(re.escape(minor) + r"\.\d+%s\.inc" % suffix, file)]
    others = [one for one in names if micro(one) != micro(name)]
    return min(others, key=lambda one: abs(micro(one) - micro(name))) if others else None


def differences(left, right):
    """By member; None where only one has it."""
    known = [member for member in left if (left[member], right[member]) != (None, None)]
    return {member: None if None in (left[member], right[member]) else left[member] - right[member] for member in known}


def fill(name, row):
    """Takes the structures that no header has from the rows beside it."""
    near, twin, before = nearest(name, True), name.rstrip("t"), nearest(name.rstrip("t"), False)
    beside = {one: stored_row(one) for one in (near, twin, before) if one}
    for group, members in row.items():
        if members["size"] is not None:
            continue
        members.update(beside[near][group])
        shift = set(differences(beside[near][group], beside[twin][group]).values())
        if not shift or (len(shift) == 1 and shift <= set(HEADS)):
            continue
        moved = differences(beside[twin][group], beside[before][group]) if before else {}
        for member, by in moved.items():
            members[member] += by
        print("%s: %s is that of %s, moved by %s" % (
            name, group, near, {member: by for member, by in moved.items() if by} or "nothing"), file=sys.stderr)


def main():
    measure, name, version, include = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        library = compile_headers(include, folder)
        text = subprocess.run([measure, "row", name, version, "0", "/nonexistent", library], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
    row = read_row(text)
    fill(name, row)
    text = text.replace("from the DWARF of CPython", "from the headers of CPython")
    for line in text.splitlines():
        found = FIELD.match(line)
        value = row[found[2]][found[3]] if found else None
        print("%s%s," % (found[1], "MX_ABSENT" if value is None else value) if found else line)


if __name__ == "__main__":
    main()
