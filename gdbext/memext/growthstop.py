# SPDX-License-Identifier: Apache-2.0
"""`set memext growth-at-stop on`: py-growth by itself wherever the process stops."""
import gdb

from . import parameters
from .session import defers_commands

LATER = ("growth-at-stop: not at a breakpoint that has commands, in this GDB or on another machine: put py-growth "
         "among them")


def show_growth(growth, event):
    """Never fails: a stop in a process without Python is none of its business."""
    if not parameters.flag("growth-at-stop"):
        return
    if defers_commands(event):
        gdb.write("%s\n" % LATER)
        return
    try:
        growth.invoke("", False)
    except (gdb.error, gdb.GdbError) as error:
        gdb.write("%s\n" % error)


def register(growth):
    """`growth`: the command."""
    gdb.events.stop.connect(lambda event: show_growth(growth, event))
