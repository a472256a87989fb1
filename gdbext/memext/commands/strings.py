# SPDX-License-Identifier: Apache-2.0
"""py-strings: memory that holds the same again, or nothing."""
from .. import parameters, waste
from ..command import LIMIT, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION


class Strings(Command):
    name = "py-strings"
    summary = "Show wasted memory: equal strings and bytes, room to spare in lists, dicts and sets, empty __dict__s."
    details = ("Wasted is what would be saved: all but one of equal objects; what x[:], set(x) or a dict built\n"
               "anew would not allocate. A holder is named where most of some objects looked at have it.\n"
               "sys.intern() makes equal strings one, so that no two interned ones are ever equal.")
    examples = ("py-strings", "py-strings -kind strings -limit 5", "py-strings -min 1M -json")
    options = (Option("kind", "choice", "of this kind only", None, tuple(waste.KINDS)),
               Option("min", "size", "only rows that waste so much: 500, 64K, 1.5M", 0), LIMIT)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-strings takes options only: py-objects str lists strings")
        least = arguments.min
        # There may be a million rows: programs get all only when they ask for them.
        limit = parameters.given(arguments.limit, "limit")
        graph = SESSION.graph(self.progress)
        # One more than is shown tells whether there are more.
        found, kinds, _total = SESSION.target().waste(SESSION.heap(), graph, limit=limit + 1 if limit else 0,
                                                      least=least, progress=self.progress)
        answer = self.new_answer()
        answer.rows, left_out = waste.json_rows(found, arguments.kind, limit)
        answer.beside["kinds"] = [{"kind": kind, "count": count, "wasted": wasted} for kind, count, wasted in kinds
                                  if arguments.kind in (None, kind)]
        answer.total = {"wasted": sum(kind["wasted"] for kind in answer.beside["kinds"]),
                        "object_bytes": SESSION.heap_info()["object_bytes"], "kind": arguments.kind}
        answer.lines = self.text_lines(answer, left_out, self.line_width(arguments))
        if answer.rows:
            remember_object(int(answer.rows[0]["addr"], 16))
        return answer

    def text_lines(self, answer, left_out, width):
        lines = list(waste.kind_table(answer.beside["kinds"], parameters.size).lines(width))
        if answer.rows:
            lines += [""] + list(waste.row_table(answer.rows, parameters.size).lines(width))
            lines += ["… and more (-limit 0 shows all)"] if left_out else []
            lines += ["", "next: py-backrefs $py shows who holds the object of the first row"]
        return lines + [waste.total_line(answer.total["wasted"], answer.total["object_bytes"], parameters.size)]
