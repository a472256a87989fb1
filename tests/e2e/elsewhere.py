"""Targets whose files or bytes lie elsewhere: packed cores, namespaces, moved files. Each check returns problems."""
import glob
import os
import re
import shutil
import subprocess

import harness
import interpreters
from remotes import child_of, namespaces, rows
from stage import Skip

CHECKS = {}
LEAK = os.path.join(harness.TESTS, "demo", "leak.py")
PACKERS = {"zst": ["zstd", "-q", "-T0", "-c"], "gz": ["gzip", "-c"], "xz": ["xz", "-0", "-c"]}


def check(function):
    CHECKS[function.__name__] = function
    return function


def missing(text, *wanted):
    return ["%r is not in: %s" % (one, text[-2000:]) for one in wanted if one not in text]


def pack(stage, path, form):
    if not shutil.which(PACKERS[form][0]):
        raise Skip("there is no %s here" % PACKERS[form][0])
    packed = "%s.%s" % (path, form)
    if not os.path.exists(packed):
        with open(packed, "wb") as file:
            subprocess.run(PACKERS[form] + [path], stdout=file, check=True)
    return packed


# ---- packed cores ----

@check
def packed_cores(stage):
    """The counts of the plain core, whether opened or compared with; nothing is left behind."""
    folder = stage.path("unpacking")
    os.mkdir(folder)
    plain, problems = rows(stage.gdb(["-c", stage.core()], "py-count -json")), []
    for form in PACKERS:
        packed = pack(stage, stage.core(), form)
        text = stage.gdb([], "py-open " + packed, "py-count -json", extra={"TMPDIR": folder})
        problems += ["%s: other counts" % form] if rows(text) != plain else []
        text = stage.gdb(["-c", stage.core()], "py-growth -since " + packed, extra={"TMPDIR": folder})
        problems += missing(text, "no type grew since")
    return problems + ["left behind: %s" % name for name in os.listdir(folder)]


@check
def packed_cores_that_are_damaged(stage):
    """A cut one is a cut core; noise is one sentence."""
    packed, cut, noise = pack(stage, stage.core(), "zst"), stage.path("cut.core.zst"), stage.path("noise.zst")
    with open(packed, "rb") as whole, open(cut, "wb") as part:
        part.write(whole.read()[:os.path.getsize(packed) * 6 // 10])
    with open(noise, "wb") as file:
        file.write(b"\x28\xb5\x2f\xfd" + b"noise" * 1000)
    problems = missing(stage.gdb([], "py-open " + noise), "memext: ", "begins as zstd does")
    text = stage.gdb([], "py-open " + cut, "py-info")
    return problems + ([] if "are there" in text or "memext: the core is cut" in text else [text[-1000:]])


@check
def a_full_disk_under_a_packed_core(stage):
    """One sentence that says which disk, and what to do."""
    folder = stage.path("tiny")
    os.mkdir(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], stderr=subprocess.DEVNULL).returncode:
        raise Skip("a small file system cannot be mounted here")
    try:
        text = stage.gdb([], "py-open " + pack(stage, stage.core(), "gz"), extra={"TMPDIR": folder})
    finally:
        subprocess.run(["umount", folder])
    return missing(text, "memext: %s is full" % folder, "TMPDIR names another folder")


# ---- processes of another namespace ----

def in_namespaces(stage, name, more):
    """A process in mount and PID namespaces of its own, whose interpreter is seen nowhere else; its host's pid."""
    folder = stage.path(name)
    os.mkdir(folder)
    home = subprocess.check_output([stage.python, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
    inside = "mount -t tmpfs none %s && cp %s %s/boxed && %s exec %s/boxed \"$@\"" % (
        folder, os.path.realpath(stage.python), folder, more, folder)
    work = stage.start(*namespaces(), "--pid", "--mount-proc", "sh", "-c", inside, "sh", LEAK, "2",
                       env={"PYTHONHOME": home})
    return work, child_of(work.pid)


@check
def process_of_another_namespace(stage):
    """Attached from outside, and its gcore while it lives."""
    work, pid = in_namespaces(stage, "boxed", "")
    text = stage.gdb(["-p", str(pid)], "py-info", "py-count Session", "py-path Session#7")
    return missing(text, "boxed/boxed", "found, and the same as in the target", "2,000", "CACHE['session-")


@check
def executable_that_was_replaced_under_a_process(stage):
    """Another program of its name is there now: the kernel's link leads to the one that runs."""
    copy = stage.path("upgraded")
    shutil.copy(os.path.realpath(stage.python), copy)
    home = subprocess.check_output([stage.python, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
    work = stage.leak(python=copy, env={"PYTHONHOME": home})
    os.remove(copy)
    shutil.copy("/bin/true", copy)
    text = stage.gdb(["-p", str(work.pid)], "py-info", "py-count Session")
    return missing(text, "found, and the same as in the target", "2,000")


# ---- cores whose files lie elsewhere ----

@check
def files_of_a_core_lie_elsewhere(stage):
    """By a sysroot, memext's or GDB's, by folders; a file of another build is told from the right one."""
    core, copy = stage.core_of_copied_python("moved-python")
    root, folder, wrong = stage.path("root"), stage.path("libraries"), stage.path("wrong")
    for place in (root + os.path.dirname(copy), folder, wrong):
        os.makedirs(place)
    shutil.copy(copy, root + copy)
    shutil.copy(copy, folder)
    os.remove(copy)
    shutil.copy("/bin/true", os.path.join(wrong, "moved-python"))
    found = ("found, and the same as in the target", "2,000")
    problems = []
    for setting in ("set memext sysroot " + root, "set sysroot " + root, "set solib-search-path " + folder,
                    "set memext library-path %s:%s" % (wrong, folder)):
        problems += missing(stage.gdb([], setting, "core-file " + core, "py-info", "py-count Session"), *found)
    text = stage.gdb(["-c", core], "py-info", "set memext library-path " + wrong, "py-info",
                     "set memext library-path " + folder, "py-info", "py-count Session")
    return problems + missing(text, "not found: set memext sysroot or library-path",
                              "differs from the one in the target",
                              "here is of another build: Python was found by its looks",
                              *found)


# ---- cores without any file ----

def without_files(stage, interpreter, name):
    """(target without the interpreter's files, its counts while they were there); a shared one's library goes too."""
    folder = stage.path(name)
    os.mkdir(folder)
    real = os.path.realpath(interpreter.path)
    copy = os.path.join(folder, "lost")
    shutil.copy(real, copy)
    for library in glob.glob(os.path.join(os.path.dirname(real), "..", "lib", "libpython3.*.so.1.0")):
        shutil.copy(library, folder)
    home = subprocess.check_output([interpreter.path, "-c", "import sys; print(sys.base_prefix)"]).decode().strip()
    work = stage.leak(python=copy, env={"PYTHONHOME": home, "LD_LIBRARY_PATH": folder})
    core = work.gcore(stage.path(name + ".core"))
    whole = rows(stage.gdb(["-c", core], "py-count -json"))
    work.close()
    shutil.rmtree(folder)
    return ["-c", core], whole


@check
def core_without_any_file(stage):
    """Each supported interpreter is found by its looks: as many objects, nine of ten under their type's name."""
    problems = []
    for interpreter in interpreters.find():
        if interpreter.refused:
            continue
        target, whole = without_files(stage, interpreter, "lost-" + interpreter.name)
        found = rows(stage.gdb(target, "py-count -json"))
        total, left = sum(row[1] for row in whole), sum(row[1] for row in found)
        named = sum(row[1] for row in found if not row[0].startswith("<type at "))
        if total != left or named < 0.9 * total:
            problems.append("%s: %d of %d objects, %d with names" % (interpreter.name, left, total, named))
        text = stage.gdb(target, "py-info", "py-path Session#7")
        problems += missing(text, "Python was found by its looks", "CACHE['session-")
    return problems


# ---- kernel cores by filter ----

@check
def kernel_cores_of_each_filter(stage):
    """Bits: 0 anonymous private, 1 anonymous shared, 2 and 3 file-backed, 4 ELF headers. Bit 0 has the heap."""
    problems = []
    for value in (0x33, 0x3f, 0x23, 0x31, 0x13, 0x03, 0x01):
        work = stage.leak()
        with open("/proc/%d/coredump_filter" % work.pid, "w") as file:
            file.write("%#x" % value)
        core = stage.kernel_core_of(work, "filter%02x.core" % value)
        text = stage.gdb([stage.python, "-c", core], "py-count Session", "py-path Session#7")
        problems += ["%#x: %s" % (value, one) for one in missing(text, "2,000", "CACHE['session-")]
    work = stage.leak()
    with open("/proc/%d/coredump_filter" % work.pid, "w") as file:
        file.write("0x12")
    text = stage.gdb([stage.python, "-c", stage.kernel_core_of(work, "filter12.core")], "py-count Session")
    return problems + (["0x12: " + text[-500:]] if not re.search("^memext: ", text, re.MULTILINE) else [])


# ---- other mallocs ----

PRELOADS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2.0"}


def counts(text, least=20):
    """{type: count} of types with many instances: what start-up leaves of the others differs from run to run."""
    return {name: count for name, count, _ in rows(text) if count >= least}


@check
def preloaded_mallocs(stage):
    """Named, and said to be not walked; what the collector tracks is counted as above glibc's, large ones too."""
    plain = counts(stage.gdb(["-p", str(stage.leak().pid)], "py-count -gc -json"))
    problems, tried = [], 0
    for name, library in PRELOADS.items():
        path = os.path.join("/usr/lib/x86_64-linux-gnu", library)
        if not os.path.exists(path):
            continue
        tried += 1
        for malloc in ("pymalloc", "malloc"):
            work = stage.leak(env={"LD_PRELOAD": path, "PYTHONMALLOC": malloc})
            target = ["-p", str(work.pid)]
            found = counts(stage.gdb(target, "py-count -gc -json"))
            other = {key: (plain.get(key), found.get(key)) for key in set(plain) | set(found)
                     if plain.get(key) != found.get(key)}
            problems += ["%s, %s: %s" % (name, malloc, other)] if other else []
            text = stage.gdb(target, "py-info", "py-count Session", "py-path Session#7", "py-suspects", "py-memory")
            problems += missing(text, name + " (not walked)", "2,000", "CACHE['session-", "__main__.CACHE",
                                "the garbage collector does not track are not counted")
    if not tried:
        raise Skip("none of %s is here" % ", ".join(sorted(PRELOADS.values())))
    return problems


# ---- another C library ----

@check
def interpreter_with_musl(stage):
    """Objects of pymalloc are counted as ever; malloc is named, and said to be not walked. Live and in a core."""
    found = glob.glob(os.path.join(harness.ROOT, "build", "matrix", "bin", "*-musl"))
    if not found:
        raise Skip("no interpreter with musl is here: make matrix builds one")
    work = stage.leak(python=found[0])
    asked = ("py-info", "py-count Session", "py-path Session#7", "py-suspects", "py-stacks", "py-malloc", "py-memory")
    live = stage.gdb(["-p", str(work.pid)], *asked)
    core = stage.gdb(["-c", work.gcore(stage.path("musl.core"))], *asked)
    problems = ["%s: %s" % (form, one) for form, text in (("live", live), ("core", core)) for one in missing(
        text, "musl (not walked)", "2,000", "CACHE['session-", "__main__.CACHE", "the garbage collector does not track",
        "this process's malloc is musl (not walked): memext walks glibc's only")]
    tracked = [counts(stage.gdb(target, "py-count -gc -json")) for target in
               (["-p", str(work.pid)], ["-p", str(stage.leak().pid)])]
    own = {name: tuple(count.get(name) for count in tracked) for name in tracked[0] if name.startswith("__main__.")}
    return problems + ["counted are %s" % own for _ in (0,) if not own or any(a != b for a, b in own.values())]
