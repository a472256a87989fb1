# SPDX-License-Identifier: Apache-2.0
"""The commands in GDB/MI: -memext-count and the like give what -json prints, as MI's own tuples and lists.

Knows GDB's differences by version and what MI can hold; knows nothing of what the commands do.
"""
import re

import gdb

from . import command, options, parameters

NEEDED = ("memext: the MI commands (-memext-count ...) need GDB 12 or newer, this is GDB %s: -interpreter-exec console "
          "\"py-count -json\" gives the same\n")


def key_of(name, taken):
    """`name` as MI can hold it: letters, digits, - and _, a letter first; unlike those that are taken."""
    key = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    key = key if re.match("[A-Za-z]", key) else "c" + key
    return key if key not in taken else next(other for other in ("%s-%d" % (key, n) for n in range(2, len(taken) + 3))
                                             if other not in taken)


def value_of(value):
    """What MI can hold of a value of JSON: texts, lists, tuples with names. What is null is left out."""
    if isinstance(value, dict):
        found = {}
        for name, one in value.items():
            if one is not None:
                found[key_of(name, found)] = value_of(one)
        return found
    if isinstance(value, (list, tuple)):
        return [value_of(one) for one in value if one is not None]
    if isinstance(value, bool):
        return "true" if value else "false"
    return command.for_host(str(value))


class Notifier:
    """Progress as =memext-progress records; the library calls it."""

    def __call__(self, stage, done, total):
        gdb.notify_mi("memext-progress", value_of({"stage": stage, "done": done, "total": total}))

    def clear(self):
        """A record that was sent stays."""


def new_progress():
    """GDB 14 is the first that can send records of our own."""
    return Notifier() if hasattr(gdb, "notify_mi") and parameters.flag("progress") else command.Silence()


def result(one, answer, arguments):
    """The Answer of the command `one` as a dict; its rows are in the file where one was asked for."""
    found = dict(answer.head())
    if arguments.o:
        found["wrote"] = one.write_file(answer, arguments)
    else:
        found.update(rows=answer.rows, **answer.beside)
    found["total"] = answer.total
    return value_of(found)


def define(one):
    """Makes GDB know the MI command of `one`, a command.Command."""
    class MI(gdb.MICommand):
        """Its words are parsed by GDB already."""

        def invoke(self, words):
            def parse():
                arguments = options.parse_words(one.options, words, one.raw)
                arguments.json = arguments.json or not one.writes_file(arguments)
                return arguments
            return one.attempt(new_progress(), parse, lambda answer, arguments: result(one, answer, arguments))

    return MI("-memext-" + one.name[len("py-"):])


def is_wanted():
    """Whether GDB was started for a program that speaks MI."""
    with open("/proc/self/cmdline", "rb") as file:
        line = b" ".join(file.read().split(b"\0")).decode(errors="replace")
    return re.search(r" --?i(nterpreter)?[= ]mi", line) is not None


def register(commands):
    """The MI commands of `commands`; one sentence where GDB is too old and somebody may miss them."""
    if hasattr(gdb, "MICommand"):
        # MI's answer to what lets the process run is ^running, at once: a result has no place after that.
        return [define(one) for one in commands if isinstance(one, command.Command) and not one.resumes]
    if is_wanted():
        gdb.write(NEEDED % gdb.VERSION, gdb.STDERR)
    return []
