# SPDX-License-Identifier: Apache-2.0
"""py-arenas: how full pymalloc's arenas are, and what keeps those that are nearly empty."""
from .. import arenas, parameters, table
from ..command import LIMIT, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION

KEEPERS = 5  # lines, where the user does not say


class Arenas(Command):
    name = "py-arenas"
    summary = "Show pymalloc's arenas: what is used and free in them, and which objects keep nearly empty ones."
    details = ("pymalloc gives an arena back once nothing in it is used: a few objects keep 1 MiB (256 KiB to 3.9).\n"
               "Nearly empty: it was full once, and at most a tenth of it is used now. alone: arenas that would go if\n"
               "the objects of that type went. -classes lists pools by the size of their blocks instead.")
    examples = ("py-arenas", "py-arenas -classes", "py-arenas -limit 0 -o arenas.txt")
    options = (Option("classes", "flag", "by size of blocks"), LIMIT)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-arenas takes options only, such as: py-arenas -classes")
        heap = SESSION.heap(self.progress)
        found = arenas.Arenas(SESSION.target().pymalloc(heap, progress=self.progress), heap.size_classes())
        answer = self.new_answer()
        limit = self.row_limit(arguments)
        rows = found.classes if arguments.classes else found.by_emptiness()
        answer.rows = rows[:limit] if limit and not arguments.classes else rows
        answer.beside["keepers"] = found.keepers
        answer.total = dict(found.info, allocator=SESSION.info()["allocator"])
        answer.lines = self.text(found, arguments, answer.rows)
        if found.keepers:
            remember_object(int(found.keepers[0]["example"], 16))
        return answer

    def text(self, found, arguments, rows):
        size, width = parameters.size, self.line_width(arguments)
        if not found.rows:
            return arenas.no_arenas(SESSION.info()["allocator"])
        lines = [arenas.verdict(found, size), ""]
        if arguments.classes:
            lines += list(arenas.class_table(rows, size).lines(width))
        else:
            lines += self.keepers(found, arguments, width) + list(arenas.arena_table(rows, size).lines(width))
        if not arguments.classes and len(rows) < len(found.rows):
            lines.append("… and %s (-limit 0 shows all)" % table.plural(len(found.rows) - len(rows), "more arena"))
        return lines + ["", arenas.sum_line(found, size), arenas.next_command(found)]

    def keepers(self, found, arguments, width):
        """What keeps nearly empty arenas, if there are any."""
        limit = KEEPERS if arguments.limit is None else arguments.limit
        shown = found.keepers[:limit] if limit else found.keepers
        lines = list(arenas.keeper_table(shown, parameters.size).lines(width)) if shown else []
        if len(shown) < len(found.keepers):
            lines.append("… and %s" % table.plural(len(found.keepers) - len(shown), "more type"))
        return lines + [""] if lines else []
