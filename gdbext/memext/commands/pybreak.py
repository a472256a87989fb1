# SPDX-License-Identifier: Apache-2.0
"""py-break: stop at a Python function."""
import gdb

import _memext

from .. import places, pybreaks, registers, table
from ..answer import Answer, address
from ..command import Command
from ..options import Option, UsageError
from ..session import SESSION


def traits(one):
    """In words, what tells it from one that always stops."""
    parts = ["disabled"] if not one.enabled else []
    parts += ["if `%s'" % one.when] if one.when else []
    parts += ["%s, then disabled" % table.plural(one.left, "stop")] if one.left else []
    parts += ["does `%s' and goes on" % "; ".join(one.does)] if one.does else []
    return " (%s)" % ", ".join(parts) if parts else ""


def commands_of(text):
    return [part.strip() for part in (text or "").split(";") if part.strip()]


class Break(Command):
    name = "py-break"
    summary = "Stop where a Python function is called."
    operand = "[FILE.py:]FUNCTION | MODULE:FUNCTION | FILE.py:LINE"
    details = ("FUNCTION may be qualified (Order.total, outer.inner); LINE is where it starts.\n"
               "One stop a call, before its first line, by a hardware watchpoint: other code runs at full speed.\n"
               "What is not imported yet is looked for at each import. GDB's own commands list, disable and delete\n"
               "it (info breakpoints, disable N, delete N), and `commands N' says what to do there.\n"
               "A generator stops when it is made (to 3.10: when it begins). Four at most; without operand: a list.")
    examples = ("py-break app.Order.total", "py-break app.py:load -count 3",
                "py-break app:load -if '$py_count(\"app.Order\") > 1000'",
                "py-break tests/test_app.py:12 -do py-growth")
    options = (Option("if", "word", "stop only when this is true", value="EXPRESSION"),
               Option("do", "word", "print what this command says, and go on; several by `;'", value="COMMAND"),
               Option("count", "number", "stop so many times, then disable it"))
    kind = gdb.COMMAND_BREAKPOINTS
    counting = False

    def run(self, arguments):
        if len(arguments.operands) > 1:
            raise UsageError("py-break takes one function, and a condition behind -if: "
                             "py-break app:load -if 'EXPRESSION'")
        process = pybreaks.current_process()
        if arguments.operands:
            made = [self.make(places.Place(arguments.operands[0]), arguments, process)]
        else:
            made = sorted(pybreaks.all_breaks(), key=lambda one: one.number)
        info = SESSION.info()
        answer = self.new_answer() if info else None
        # Before there is a process there is nothing to tell of it.
        return self.fill(answer or Answer(self.name, None, True, []), made, bool(info) and pybreaks.copies_code(info))

    def make(self, place, arguments, process):
        condition = getattr(arguments, "if")
        pybreaks.require_hardware()
        found = self.look(place) if process else []
        if len(found) > 1:
            raise UsageError(places.ambiguous(place, found))
        one = pybreaks.quietly(lambda: pybreaks.PyBreak(place, self.label(place, condition), condition,
                                                        arguments.count or 0, commands_of(arguments.do)))
        if one.does:
            one.commands = "silent\npython import memext.pybreaks; memext.pybreaks.do(%d)\ncontinue" % one.number
        if found:
            one.set_function(found[0], self.is_running(found[0]))
        pybreaks.arm()
        return one

    @staticmethod
    def label(place, condition):
        """What `info breakpoints' shows, and is told apart by."""
        text = place.text + (" if %s" % condition if condition else "")
        text = text.replace("\\", "/").replace('"', "'")
        taken = [one.label for one in pybreaks.all_breaks()]
        return next(label for label in [text] + ["%s #%d" % (text, n) for n in range(2, 9)] if label not in taken)

    def look(self, place):
        """The functions of this process that are meant: none before Python runs in it."""
        try:
            heap = SESSION.heap(self.progress)
            pybreaks.FINDER.open()
        except _memext.Error:
            return []
        return place.find(pybreaks.functions(SESSION.target().functions(heap, progress=self.progress)))

    @staticmethod
    def is_running(function):
        return any(frame[3] == function.code for thread in SESSION.target().stacks() for frame in thread["frames"])

    @staticmethod
    def fill(answer, made, first_only):
        answer.rows = [{"number": one.number, "place": one.place.text, "pending": one.is_pending,
                        "function": None if one.is_pending else one.function.name,
                        "file": None if one.is_pending else one.function.file,
                        "line": None if one.is_pending else one.function.line,
                        "addr": address(one.address()), "hits": one.hit_count, "enabled": one.enabled} for one in made]
        answer.total = {"breakpoints": len(made), "first_thread_only": first_only}
        for one in made:
            where = "pending: `%s' is looked for at each import" % one.place.text
            answer.lines.append("py-break %d: %s%s" % (one.number, where if one.is_pending else one.function.title,
                                                       traits(one)))
        if made and first_only:
            answer.lines.append(pybreaks.FIRST_ONLY)
        if not made:
            most = registers.target_machine().watchpoints
            answer.lines.append("no py-break is set (%s at most): py-break FUNCTION" % table.number(most))
        return answer
