#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes the rows of lib/cpython/rows/ for the interpreters named on the
# command line. Each is asked where its libpython and its extension modules
# are; what is read is only their debug information.
#
#   layouts.sh MEASURE DEBUG_FOLDER PYTHON...
set -eu
measure=$1 debug_folder=$2
shift 2
rows=lib/cpython/rows
facts='
import importlib, os, sys, sysconfig
suffix = ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "") + ("d" if hasattr(sys, "gettotalrefcount") else "")
print("%d.%d.%d" % sys.version_info[:3] + suffix)
print("0x%08x" % sys.hexversion)
print(int(hasattr(sys, "gettotalrefcount")))
shared = os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME") or "")
print(shared if sysconfig.get_config_var("Py_ENABLE_SHARED") else os.path.realpath(sys.executable))
for name in "_collections array _io _elementtree _struct _decimal itertools _queue".split():
    path = getattr(importlib.import_module(name), "__file__", None)
    if path:
        print(path)
'
for python in "$@"; do
    # Paths with blanks are not for this tool: the words of the answer are its arguments.
    set -- $("$python" -I -c "$facts")
    name=$1 version=$2 debug=$3
    shift 3
    "$measure" row "$name" "$version" "$debug" "$debug_folder" "$@" >"$rows/$name.inc.new"
    mv "$rows/$name.inc.new" "$rows/$name.inc"
    echo "$rows/$name.inc"
done
