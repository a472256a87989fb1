# SPDX-License-Identifier: Apache-2.0
"""py-stacks: what every thread is at."""
import _memext

from .. import nativestacks, parameters, stacks
from ..command import Command
from ..objects import CELL
from ..options import Option, UsageError
from ..session import SESSION


def value_of(addr):
    """A value in short; a stack is shown as far as it can be read."""
    try:
        return SESSION.target().show(addr, **CELL)
    except _memext.Error as error:
        return "<%s>" % error


def name_of(thread):
    """What threading calls the thread, or would call the main one."""
    if thread["interpreter"]:
        return None
    try:
        path = "threading._active[%d]._name" % thread["thread_id"]
        return SESSION.target().show(SESSION.target().resolve(path))[1:-1] or None
    except _memext.Error:
        return "MainThread" if thread["native_id"] == SESSION.info()["pid"] else None


class Stacks(Command):
    name = "py-stacks"
    summary = "Show where every Python thread is: functions, files, lines, locals."
    operand = "[THREAD]"
    details = ("All threads of all interpreters, innermost frame first; of THREAD only: its Linux id or name.\n"
               "Says which thread holds the GIL, and which exception it raises or handles.\n"
               "Needs no debug information, and reads a core as well as a process.")
    examples = ("py-stacks", "py-stacks MainThread -locals", "py-stacks -native -limit 5", "py-stacks -json -locals")
    options = (Option("locals", "flag", "local variables too, with type, size and value"),
               Option("native", "flag", "GDB's own C frames beside them"),
               Option("limit", "number", "frames of a thread at most, 0 for all (default: show memext limit)"))
    counting = False

    def run(self, arguments):
        if len(arguments.operands) > 1:
            raise UsageError("py-stacks takes one thread, by its Linux id or name: py-stacks MainThread")
        limit = self.row_limit(arguments)
        target = SESSION.target(self.progress)
        threads = stacks.in_order(target.stacks(frames=limit, locals=arguments.locals))
        rows = [stacks.thread_row(thread, name_of(thread), value_of) for thread in threads]
        nativestacks.identify(rows)
        answer = self.new_answer()
        answer.total = {"threads": len(rows), "interpreters": len({row["interpreter"] for row in rows}),
                        "gil": next((row["thread"] or row["thread_id"] for row in rows if row["gil"]), None),
                        "free_threaded": SESSION.info()["free_threaded"]}
        answer.rows = stacks.pick(rows, arguments.operands[0] if arguments.operands else None)
        if arguments.native:
            nativestacks.add_to(answer.rows, limit)
        for row in answer.rows:
            answer.lines += stacks.thread_lines(row, parameters.size, self.line_width(arguments))
        answer.lines.append(stacks.total_line(answer.total))
        return answer
