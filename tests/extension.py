"""Builds C of tests/workloads for an interpreter, which is asked where its headers are: extension modules, a program
that has the interpreter inside."""
import os
import subprocess

import harness

PROBE = "import sysconfig; print(sysconfig.get_paths()['include']); print(sysconfig.get_config_var('EXT_SUFFIX'))"


def build(python, folder, name="faulty"):
    """The reason why not, or None: then `folder` holds the extension. `name` may have a folder before it."""
    include, suffix = subprocess.run([python, "-I", "-c", PROBE], stdout=subprocess.PIPE,
                                     universal_newlines=True, check=True).stdout.split()
    if not os.path.exists(os.path.join(include, "Python.h")):
        return "its headers are not installed (%s)" % include
    run = subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-isystem", include, "-o",
                          os.path.join(folder, os.path.basename(name) + suffix),
                          os.path.join(harness.WORKLOADS, name + ".c")],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return "gcc failed: " + run.stdout[-500:] if run.returncode else None


LINK_PROBE = """
import sys, sysconfig
value = sysconfig.get_config_var
print(sysconfig.get_paths()["include"])
print(value("LIBDIR"))
print("python" + value("LDVERSION"))
"""


def embed(python, folder):
    """The reason why not, or None: then `folder` holds the program `embedded`, which is linked with libpython."""
    include, libraries, name = subprocess.run([python, "-I", "-c", LINK_PROBE], stdout=subprocess.PIPE,
                                              universal_newlines=True, check=True).stdout.split()
    if not os.path.exists(os.path.join(include, "Python.h")):
        return "its headers are not installed (%s)" % include
    if not os.path.exists(os.path.join(libraries, "lib%s.so" % name)):
        return "it has no shared library in %s" % libraries
    run = subprocess.run(["gcc", "-O1", "-isystem", include, "-o", os.path.join(folder, "embedded"),
                          os.path.join(harness.WORKLOADS, "embedded.c"), "-L" + libraries, "-l" + name,
                          "-Wl,-rpath," + libraries],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return "gcc failed: " + run.stdout[-500:] if run.returncode else None
