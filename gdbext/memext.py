# SPDX-License-Identifier: Apache-2.0
"""What a user loads: `gdb -x memext.py`, or `source …/memext.py`.

Finds the library's binding, then hands over to the package beside this file.
Knows nothing of commands or targets; loading it twice is harmless.
"""
import importlib.machinery
import importlib.util
import os
import sys

import gdb

BINDING = "_memext.abi3.so"


def binding_candidates(folder):
    """The places of the binding: where the environment says, beside this file, in the build tree."""
    named = os.environ.get("MEMEXT_LIBRARY")
    if named:
        yield os.path.join(named, BINDING) if os.path.isdir(named) else named
        return
    flavour = os.environ.get("MEMEXT_BUILD", "release")
    yield os.path.join(folder, BINDING)
    yield os.path.join(os.path.dirname(folder), "build", flavour, "gdbext", BINDING)


def load_binding(folder):
    """Puts _memext into sys.modules."""
    if "_memext" in sys.modules:
        return
    candidates = list(binding_candidates(folder))
    path = next((path for path in candidates if os.path.exists(path)), None)
    if not path:
        raise ImportError("the library is not built: run `make` in %s (looked for %s)"
                          % (os.path.dirname(folder), " and ".join(candidates)))
    loader = importlib.machinery.ExtensionFileLoader("_memext", path)
    spec = importlib.util.spec_from_file_location("_memext", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules["_memext"] = module


def load_package(folder):
    """Imports the package without leaving `folder` on GDB's module path."""
    sys.path.insert(0, folder)
    try:
        import memext
    finally:
        sys.path.remove(folder)
    memext.register()


def load(folder):
    try:
        load_binding(folder)
    except ImportError as error:
        # Raised from a sourced file, any exception would print a traceback with it.
        gdb.write("memext: %s\n" % error, gdb.STDERR)
        return
    load_package(folder)


load(os.path.dirname(os.path.abspath(__file__)))
