# SPDX-License-Identifier: Apache-2.0
"""py-export: the heap as a file for other tools."""
import os

from .. import exporting, parameters
from ..command import Command
from ..options import Option, UsageError
from ..session import SESSION


class Export(Command):
    name = "py-export"
    summary = "Write the heap to FILE for other tools; the ending says in which format."
    operand = "FILE"
    details = ("  .heapsnapshot  Chrome DevTools (Memory, Load profile) and memlab: summary, comparison,\n"
               "                 containment, retainers. Ids of one process stay the same from file to file\n"
               "  .sqlite        the tables of py-sql as a database\n"
               "  .json          a record a line (nodes, edges, roots): Spark, DuckDB, BigQuery; docs/fleet.md\n"
               "  .collapsed     folded stacks of what retains what: flame graphs, speedscope\n"
               "  .dot           the objects that retain most, for Graphviz\n"
               "A file that is there is replaced once the new one is complete.")
    examples = ("py-export heap.heapsnapshot", "py-export /tmp/heap.sqlite", "py-export nodes.txt -format json")
    options = (Option("format", "choice", "what to write, whatever the ending", None, exporting.FORMATS),)

    def candidates(self):
        """A file's name."""

    def run(self, arguments):
        if len(arguments.operands) != 1:
            raise UsageError("py-export takes one FILE, such as heap.heapsnapshot")
        path = os.path.expanduser(arguments.operands[0])
        kind = arguments.format or exporting.format_of(path)
        retained = SESSION.retained(self.progress)
        done = SESSION.target().export(SESSION.heap(), SESSION.graph(), retained, kind, path, progress=self.progress)
        answer = self.new_answer()
        answer.rows = [dict(file=path, format=kind, **done)]
        answer.total = {"files": 1}
        answer.lines = exporting.lines(answer.rows[0], parameters.size)
        return answer
