# SPDX-License-Identifier: Apache-2.0
"""OBJ, the way a user names an object: an address, TYPE#N, or an expression of GDB.

Sorts out which one it is; what TYPE#N and expressions mean is asked of the
caller. Knows nothing of GDB.
"""
import re

from .options import UsageError

HELP = ("OBJ is an address, an expression or $variable of GDB ($py is the object that\n"
        "memext printed last), a path of names from a module (app.CACHE[\"k\"][3].parent,\n"
        "__main__.x), or TYPE#N: the N-th object of a type in address order, from 0, or from\n"
        "the end: Order#-1 is the last.")


def parse(text):
    """("address", int), ("nth", type, n) or ("expression", text)."""
    text = text.strip()
    if not text:
        raise UsageError("which object? give an address, a path of names such as app.CACHE, a GDB expression, "
                         "or TYPE#N such as dict#0")
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}", text):
        return "address", to_address(int(text, 0 if text[1:2] in "xX" and len(text) > 1 else 10))
    nth = re.fullmatch(r"[\"']?([^#\"']+)#([+-]?[0-9]{1,18})[\"']?", text)
    if nth:
        return "nth", nth.group(1).strip(), int(nth.group(2))
    return "expression", text


def to_address(value):
    if not 0 < value < 2 ** 64:
        raise UsageError("%s is no address" % (hex(value) if value else "0"))
    return value


def is_name_path(text):
    """Whether `text` could be a path of Python names: `app.CACHE["k"][3].parent`."""
    return re.match(r"[^\W\d]\w*\s*([.\[]|$)", text) is not None


def is_begun_path(text):
    """Whether `text` ends where a name of a path may be completed: `app.CA`, `app.CACHE["k"].`."""
    return re.fullmatch(r"[^\W\d]\w*(\.\w+|\[[^\]]*\])*\.?", text) is not None


def nth_index(name, n, total):
    """The place of the N-th of `total` objects, counted from the start."""
    index = n if n >= 0 else total + n
    if not 0 <= index < total:
        raise UsageError("there is no %s#%d: there %s" % (
            name, n, "is 1 object of that type, #0" if total == 1 else
            "are %d objects of that type, #0 to #%d" % (total, total - 1)))
    return index
