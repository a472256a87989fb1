# SPDX-License-Identifier: Apache-2.0
"""`set memext growth-at-stop on`: py-growth by itself wherever the process stops."""
import gdb

from . import parameters


def show_growth(_event):
    """Never fails: a stop in a process without Python is none of its business."""
    if not parameters.flag("growth-at-stop"):
        return
    try:
        gdb.execute("py-growth")
    except gdb.error as error:
        gdb.write("%s\n" % error)


def register():
    gdb.events.stop.connect(show_growth)
