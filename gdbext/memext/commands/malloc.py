# SPDX-License-Identifier: Apache-2.0
"""py-malloc: what malloc's heaps hold, and what is free in them."""
from .. import mallocs, parameters, table
from ..command import LIMIT, Command
from ..options import UsageError
from ..session import SESSION


class Malloc(Command):
    name = "py-malloc"
    summary = "Show malloc's arenas: what is used, free and cached in them, and what would give memory back."
    details = ("Of glibc's malloc, as mallinfo2(3) and malloc_info(3) would tell; arenas with most free memory first.\n"
               "free: the sum of bins, caches (tcache and fastbins) and top, the end of a heap. largest: in the bins.\n"
               "trimmable: whole free pages, which malloc_trim(3) gives back. Other mallocs are named, not walked.")
    examples = ("py-malloc", "py-malloc -limit 0", "py-malloc -json -o malloc.json")
    options = (LIMIT,)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-malloc takes options only, such as: py-malloc -limit 0")
        target = SESSION.target()
        found = mallocs.Malloc(target.malloc(progress=self.progress), not SESSION.is_running_kind())
        advice = mallocs.advice(found, parameters.size) if found.is_walked else []
        answer = self.new_answer()
        limit = self.row_limit(arguments)
        rows = found.by_free()
        answer.rows = rows[:limit] if limit else rows
        answer.beside["advice"] = [{"what": what, "text": text} for what, text in advice]
        answer.total = dict(found.total, name=found.info["name"], walked=found.is_walked,
                            knows_resident=found.info["knows_resident"])
        answer.lines = self.text(found, advice, answer.rows, self.line_width(arguments))
        return answer

    @staticmethod
    def text(found, advice, rows, width):
        size = parameters.size
        if not found.is_walked:
            return mallocs.not_walked(found.info["name"])
        lines = [mallocs.verdict(found, size)] + ["- " + text for _, text in advice]
        lines += mallocs.damage(found, size) + [""]
        lines += mallocs.arena_table(rows, size).lines(width)
        if len(rows) < len(found.rows):
            lines.append("… and %s (-limit 0 shows all)" % table.plural(len(found.rows) - len(rows), "more arena"))
        return lines + [""] + mallocs.sum_lines(found, size) + [mallocs.next_command(found)]
