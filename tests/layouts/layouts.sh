#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes the rows of lib/cpython/rows/. Each argument is
#   - an interpreter that runs here: it is asked where its libpython and its extension modules are; or
#   - a folder named after the version (.../3.14.10) with Debian's packages python3.X-minimal, libpython3.X-stdlib and
#     python3.X-dbg unpacked into it, for an interpreter that does not run here; or
#   - NAME=INCLUDE, such as 3.14.10t=/tmp/3.14/usr/include/python3.14: the headers of a free-threaded build that cannot be
#     had, once the rows of the same release with a GIL and of another free-threaded one are there (headers.py).
# What is read is only the debug information.
#
#   layouts.sh MEASURE DEBUG_FOLDER PYTHON|FOLDER...
set -eu
measure=$1 debug_folder=$2
shift 2
rows=lib/cpython/rows
modules='_collections array _io _elementtree _struct _decimal itertools _queue _functools _operator _asyncio _sqlite3 _ssl _json
    _csv _datetime _abc _pickle _ctypes pyexpat _zoneinfo'
facts='
import importlib, os, sys, sysconfig
debug = hasattr(sys, "gettotalrefcount")
print("%d.%d.%d" % sys.version_info[:3] + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "") + "d" * debug)
print("0x%08x" % sys.hexversion)
print(int(debug))
shared = os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME") or "")
used = sysconfig.get_config_var("Py_ENABLE_SHARED") and os.path.exists(shared)
print(shared if used else os.path.realpath(sys.executable))
for name in sys.argv[1:]:
    try:
        path = getattr(importlib.import_module(name), "__file__", None)
    except ImportError:  # of a later version
        continue
    if path:
        print(path)
'

# write_row NAME VERSION_HEX DEBUG DEBUG_FOLDER ELF [EXTENSION.so ...]
write_row() {
    "$measure" row "$@" >"$rows/$1.inc.new"
    mv "$rows/$1.inc.new" "$rows/$1.inc"
    echo "$rows/$1.inc"
}

# row_of_folder FOLDER: the same files by Debian's names; built-in modules have none.
row_of_folder() {
    folder=$1
    version=$(basename "$folder")
    minor=${version%.*}
    set -- "$folder/usr/bin/python$minor"
    for module in $modules; do
        for file in "$folder/usr/lib/python$minor/lib-dynload/$module".*.so; do
            [ -e "$file" ] && set -- "$@" "$file"
        done
    done
    micro=${version##*.}
    write_row "$version" "$(printf '0x03%02x%02xf0' "${minor#3.}" "$micro")" 0 "$folder/usr/lib/debug" "$@"
}

# row_of_headers NAME INCLUDE
row_of_headers() {
    micro=${1##*.}
    minor=${1#3.}
    version=$(printf '0x03%02x%02xf0' "${minor%%.*}" "${micro%t}")
    python3 tests/layouts/headers.py "$measure" "$1" "$version" "$2" >"$rows/$1.inc.new"
    mv "$rows/$1.inc.new" "$rows/$1.inc"
    echo "$rows/$1.inc"
}

for python in "$@"; do
    case $python in
    *t=*)
        row_of_headers "${python%%=*}" "${python#*=}"
        continue
        ;;
    esac
    if [ -d "$python" ]; then
        row_of_folder "$python"
        continue
    fi
    # Paths with blanks are not for this tool: the words of the answer are its arguments.
    # shellcheck disable=SC2046,SC2086
    set -- $("$python" -I -c "$facts" $modules)
    name=$1 version=$2 debug=$3
    shift 3
    write_row "$name" "$version" "$debug" "$debug_folder" "$@"
done
