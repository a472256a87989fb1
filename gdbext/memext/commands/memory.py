# SPDX-License-Identifier: Apache-2.0
"""py-memory: where every byte of the process is."""
from .. import ledger, parameters
from ..command import LIMIT, Command
from ..options import UsageError
from ..session import SESSION

CHILDREN = 6  # lines below a group, where the user does not say


class Memory(Command):
    name = "py-memory"
    summary = "Show where every byte of the process is: objects, allocators, stacks, modules, files; lines add up."
    details = ("Resident is what is in RAM, and adds up to the kernel's Rss; of a core, what the core holds.\n"
               "Live Python objects are their blocks; tables, items and values that belong to them are their buffers.\n"
               "-limit is of the lines below each group; JSON has a row for each type, module and mapping.")
    examples = ("py-memory", "py-memory -limit 20", "py-memory -json -o memory.json")
    options = (LIMIT,)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-memory takes options only: py-count TYPE counts one type")
        heap = SESSION.heap(self.progress)
        found = SESSION.target().ledger(heap, progress=self.progress)
        book = ledger.Ledger(found, SESSION.info()["kind"])
        limit = CHILDREN if arguments.limit is None else arguments.limit
        answer = self.new_answer()
        answer.rows = book.rows
        answer.beside = {"process": book.process(), "at_least": book.at_least(), "allocators":
                         {name: part for name, part in book.parts.items() if name != "total"}}
        answer.total = dict(book.total, verdict=ledger.verdict(book, parameters.size))
        answer.lines = [answer.total["verdict"]] + ledger.figure_lines(book, parameters.size) + [""]
        answer.lines += ledger.tree(book, limit, parameters.size).lines(self.line_width(arguments))
        if book.guessed:
            answer.lines.append("of this, the place of %s within its mapping is a guess"
                                % parameters.size(book.guessed))
        return answer
