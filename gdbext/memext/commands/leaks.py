# SPDX-License-Identifier: Apache-2.0
"""py-leaks: memory of C code that nothing reaches any more."""
from .. import lost, parameters, table
from ..command import LIMIT, SINCE, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION


class Leaks(Command):
    name = "py-leaks"
    summary = "Find memory that C code allocated and lost: no address leads to it any more."
    details = ("Looks for each block of malloc's and pymalloc's that is no Python object: in objects,\n"
               "modules' data, threads, and blocks that these lead to. definite: no address anywhere.\n"
               "indirect: only lost blocks lead to it. possible: only a word on a C stack does, or an odd\n"
               "address, which may be chance.\n"
               "Alike blocks are one line: size, content, what hangs on them; x/8gx EXAMPLE shows one.")
    examples = ("py-leaks", "py-leaks -class definite -min 100K", "py-leaks -since start -json")
    options = (Option("class", "choice", "only these", "all", ("all", "definite", "indirect", "possible")),
               Option("min", "size", "only groups of so much, with what they hold: 500, 64K, 1.5M", 0), SINCE, LIMIT)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-leaks takes options only, such as: py-leaks -class definite")
        graph = SESSION.graph(self.progress)
        since = SESSION.earlier_stop(arguments.since, self.progress) if arguments.since else None
        found, info = graph.leaks(since=since.heap if since else None, progress=self.progress)
        rows = [row for row in map(lost.row, found) if self.is_wanted(row, arguments)]
        limit = self.row_limit(arguments)
        answer = self.new_answer()
        answer.rows = rows[:limit] if limit else rows
        answer.total = dict(info, groups=len(rows), since=since.name if since else None)
        answer.lines = [lost.verdict(rows, info, parameters.size, answer.total["since"])]
        if answer.rows:
            answer.lines += lost.group_table(answer.rows, parameters.size).lines(self.line_width(arguments))
            remember_object(int(answer.rows[0]["example"], 16))
        if len(answer.rows) < len(rows):
            answer.lines.append("… and %s (-limit 0 shows all)" % table.plural(len(rows) - len(answer.rows),
                                                                             "more group"))
        answer.lines.append(lost.total_line(info, parameters.size))
        return answer

    @staticmethod
    def is_wanted(row, arguments):
        wanted = getattr(arguments, "class")
        return (wanted in ("all", row["class"]) and
                row["bytes"] + row["held_bytes"] >= arguments.min)
