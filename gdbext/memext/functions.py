# SPDX-License-Identifier: Apache-2.0
"""$py_count("T"), $py_bytes("T") and $py_rss(), for expressions and breakpoint conditions."""
import gdb

from . import typenames
from .command import explain
from .session import SESSION


def counts(pattern):
    """(count, bytes) of the types that `pattern` means; none is 0, since a type may appear later."""
    rows = SESSION.heap(may_run=True).histogram().rows()
    names = typenames.match(pattern, {row[0] for row in rows})
    rows = [row for row in rows if row[0] in names]
    return sum(row[3] for row in rows), sum(row[4] for row in rows)


def rss():
    """Resident bytes of the process, from the kernel."""
    SESSION.target(may_run=True)
    if not SESSION.is_running_kind():
        raise gdb.GdbError("memext: the resident size is not in cores and saved targets: $py_rss() is for live "
                           "processes")
    found = SESSION.resident()
    if found is None:
        raise gdb.GdbError("memext: GDB's connection does not tell the resident size")
    return found


class Function(gdb.Function):
    """A convenience function made of a Python function and its help."""

    def __init__(self, name, text, function):
        self.__doc__ = text
        self.function = function
        super().__init__(name)

    def invoke(self, *arguments):
        try:
            return self.function(*(argument.string() for argument in arguments))
        except (gdb.GdbError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise explain(error) from None


def register():
    """Makes GDB know the functions."""
    Function("py_count", """The number of objects of a Python type.

Usage: $py_count("TYPE|GLOB")

Example: break do_work if $py_count("app.Order") > 1000""", lambda pattern: counts(pattern)[0])
    Function("py_bytes", """The bytes of the objects of a Python type.

Usage: $py_bytes("TYPE|GLOB")

Example: print $py_bytes("str") / 1024""", lambda pattern: counts(pattern)[1])
    Function("py_rss", """The resident size of the process in bytes.

Usage: $py_rss()

Example: break do_work if $py_rss() > 600 * 1024 * 1024""", rss)
