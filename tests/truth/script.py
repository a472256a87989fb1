"""What the scripts that judge one interpreter have in common: their arguments, and the binding for those that look
through it. Nothing here knows what is judged."""
import argparse
import os
import sys

import harness
import interpreters


def mapped_bytes(mallinfo):
    """Of chunks with a mapping of their own: pages. glibc 2.43's sum grows by a header with each of them."""
    return mallinfo["hblkhd"] & ~4095


def main(judge):
    """The exit status after judge(results, build, interpreter)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", required=True)
    a = parser.parse_args()
    results = harness.Results()
    judge(results, os.path.abspath(a.build), interpreters.Interpreter(a.python))
    return results.exit_status()


def main_with_binding(kind, judge):
    """The exit status after judge(results, prefix, memext, python): the module _memext, the interpreter's path."""
    def look(results, build, interpreter):
        prefix = "truth/%s/%s" % (interpreter.name, kind)
        if os.path.basename(build) == "asan":
            results.skip(prefix, "the binding with sanitizers cannot be imported; the fuzzer and the unit tests run it")
            return
        sys.path.insert(0, os.path.join(build, "gdbext"))
        import _memext
        judge(results, prefix, _memext, interpreter.path)
    return main(look)
