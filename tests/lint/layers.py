"""The house's rules that a compiler does not check (docs/design.md, section 3).

 - an #include in lib/ points into its own folder or down, never up or across
 - only lib/cpython names fields of CPython; only its layout*.c compare versions
 - lib/ neither prints, exits, aborts nor installs signal handlers
 - `gdb` is imported only in gdbext
 - sizes: .c files <= 600 lines (generated rows apart)
"""
import ast
import re
import subprocess
import sys

BELOW = {
    "base": {"base"},
    "memory": {"memory", "base"},
    "cpython": {"cpython", "memory", "base"},
    "alloc": {"alloc", "memory", "base"},
    "heap": {"heap", "cpython", "alloc", "memory", "base"},
    "report": {"report", "heap", "cpython", "alloc", "memory", "base"},
}
# What holds a target together is on top of report, beside the public API.
BELOW["target"] = set(BELOW) | {"target"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
FIELD = re.compile(r"\b(?:ob_type|ob_refcnt|ob_base|tp_[a-z]+|gc_next|gc_prev|ma_(?:keys|values|used)|ht_[a-z]+|"
                   r"co_[a-z]+|f_(?:code|back|localsplus)|interp_head|autoInterpreterState)\b")
VERSION = re.compile(r"\b(?:version_hex|PY_VERSION_HEX)\b\s*(?:<(?!<)=?|>(?!>)=?|[=!]=)|0x03[01][0-9a-f]{6}\b", re.I)
FORBIDDEN = re.compile(r"\b(?:abort|exit|_exit|printf|puts|putchar|perror|signal|sigaction|setlocale|assert)\s*\(")
MOST_LINES = 600


def tracked(*patterns):
    return subprocess.check_output(["git", "ls-files"] + list(patterns)).decode().split()


def code_of(text):
    """Without comments and string literals, lines kept: prose may name what code may not."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def places(pattern, text):
    return [(text.count("\n", 0, match.start()) + 1, match.group(0).strip()) for match in pattern.finditer(text)]


def check_c(path, text):
    layer = path.split("/")[1] if path.count("/") == 2 else None
    code = code_of(text)
    if layer is None:
        return
    if layer not in BELOW:
        yield 1, "lib/%s is no layer that tests/lint/layers.py knows" % layer
        return
    for match in INCLUDE.finditer(text):
        folder = match.group(1).split("/")[0]
        if "/" in match.group(1) and folder not in BELOW[layer]:
            yield text.count("\n", 0, match.start()) + 1, "%s must not include %s" % (layer, match.group(1))
    if layer != "cpython":
        for line, name in places(FIELD, code):
            yield line, "%s is a field of CPython: only lib/cpython names those" % name
    if not (layer == "cpython" and path.split("/")[2].startswith("layout")):
        for line, name in places(VERSION, code):
            yield line, "'%s' compares versions: switch on a shape instead" % name
    for line, name in places(FORBIDDEN, code):
        yield line, "the library runs inside a debugger: no %s)" % name
    if path.endswith(".c") and "rows" not in path and text.count("\n") > MOST_LINES:
        yield MOST_LINES, "more than %d lines" % MOST_LINES


def gdb_imports(text):
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [
            node.module] if isinstance(node, ast.ImportFrom) else []
        if "gdb" in [(name or "").split(".")[0] for name in names]:
            yield node.lineno


# Of the tests, what GDB itself runs.
INSIDE_GDB = ("tests/e2e/snapshot.py",)


def main():
    bad = 0
    for path in tracked("lib/*.c", "lib/*.h", "lib/*.def"):
        with open(path, encoding="utf-8") as f:
            for line, what in check_c(path, f.read()):
                print("%s:%d: %s" % (path, line, what))
                bad += 1
    for path in tracked("*.py"):
        with open(path, encoding="utf-8") as f:
            for line in [] if path.startswith("gdbext/") or path in INSIDE_GDB else gdb_imports(f.read()):
                print("%s:%d: only gdbext imports gdb" % (path, line))
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
