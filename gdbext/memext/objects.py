# SPDX-License-Identifier: Apache-2.0
"""Objects of the target for commands: found by what the user wrote, and as rows of an answer."""
import gdb

import _memext

from . import objref, typenames
from .answer import address
from .options import UsageError
from .session import SESSION

NOT_SEEN = "GDB does not see the saved target's memory: give an address, a path of names, or TYPE#N"
CELL = {"depth": 2, "items": 3, "characters": 40, "one_line": True, "attributes": True}


def gdb_address(text):
    """The address that an expression of GDB gives: a pointer or number, or where a struct lies."""
    value = gdb.parse_and_eval(text)
    if value.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        value = value.address
    return objref.to_address(int(value) & (2 ** 64 - 1))


def evaluate(text):
    """The address of what GDB or Python knows under this expression; GDB is asked first.

    A name may stand for something else in C: `time` is a module and a function.
    """
    try:
        addr = gdb_address(text)
    except (gdb.error, TypeError, ValueError, OverflowError) as error:
        if objref.is_name_path(text):
            return resolve(text)
        if SESSION.is_saved:
            error = "%s; %s" % (error, NOT_SEEN)
        raise UsageError("`%s' is no object: %s" % (text, error))
    if is_object(addr) or not objref.is_name_path(text):
        return addr
    try:
        return SESSION.target().resolve(text)
    except _memext.Error:
        # What the address is, the command will say.
        return addr


def is_object(addr):
    try:
        return bool(SESSION.target().object(addr))
    except _memext.Error:
        return False


def resolve(text):
    """The address of what Python has under a path of names that GDB does not know."""
    try:
        return SESSION.target().resolve(text)
    except _memext.Error as error:
        if not text.isidentifier():
            raise
        raise UsageError("%s, and GDB knows no symbol of that name" % error)


def candidates(typed):
    """Completions of OBJ: types to be numbered, and paths of names where one is begun."""
    names = [name + "#" for name in SESSION.known_names()]
    return names + (SESSION.known_paths(typed) if objref.is_begun_path(typed) else [])


def nth(name, n, progress):
    """The address of the N-th object of a type."""
    full = typenames.require_one(name, SESSION.names(progress))
    target, heap = SESSION.target(), SESSION.heap()
    found, total, _ = target.objects(heap, full, limit=1, skip=max(n, 0), progress=progress)
    index = objref.nth_index(name, n, total)
    if n < 0:
        found, _, _ = target.objects(heap, full, limit=1, skip=index, progress=progress)
    return found[0][0]


def find(text, progress):
    """The address of OBJ."""
    parsed = objref.parse(text)
    SESSION.target(progress)
    if parsed[0] == "address":
        return parsed[1]
    return nth(parsed[1], parsed[2], progress) if parsed[0] == "nth" else evaluate(parsed[1])


def row(target, addr, value=None):
    """A row of JSON. A listing goes on past an object that is damaged."""
    try:
        info = target.object(addr)
        value = target.show(addr, **CELL) if value is None else value
    except _memext.Error as error:
        return {"addr": address(addr), "type": None, "size": 0, "refcount": None, "value": "<%s>" % error}
    return {"addr": address(addr), "type": info["type"], "size": info["size"],
            "refcount": None if info["immortal"] else info["refcount"], "value": value}


def refcount_text(object_row):
    """Immortal objects have no meaningful count."""
    return "immortal" if object_row["refcount"] is None else "%d" % object_row["refcount"]


def value_text(object_row):
    """The value for a table that has type and address already: of an instance, its attributes alone."""
    return object_row["value"].replace("<%s at %s> {" % (object_row["type"], object_row["addr"]), "{", 1)
