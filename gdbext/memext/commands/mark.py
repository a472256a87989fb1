# SPDX-License-Identifier: Apache-2.0
"""py-mark: stops to compare with later."""
from .. import parameters, table
from ..answer import Answer
from ..command import Command
from ..options import Option, UsageError
from ..session import SESSION


class Mark(Command):
    name = "py-mark"
    summary = "Remember this stop under a name, to compare with later; without a name, list the marks."
    operand = "[NAME]"
    details = "A mark keeps its counts and addresses in GDB until it is deleted; it survives the process."
    examples = ("py-mark start", "py-mark -delete start")
    options = (Option("delete", "flag", "forget the mark NAME"),)

    def candidates(self):
        return SESSION.marks.names()

    def run(self, arguments):
        if len(arguments.operands) > 1:
            raise UsageError("a mark's name is one word")
        if not arguments.operands:
            if arguments.delete:
                raise UsageError("which mark? py-mark -delete NAME")
            return self.listing()
        name = arguments.operands[0]
        if arguments.delete:
            SESSION.marks.delete(name)
            return self.listing("py-mark: forgot %s" % name)
        stop = SESSION.stop(name, self.progress)
        SESSION.marks.set(stop)
        row = row_of(stop)
        return self.listing("py-mark: %s is this stop: %s, %s (kept in %s of GDB's memory)" % (
            name, table.plural(row["count"], "object"), parameters.size(row["bytes"]), parameters.size(row["memory"])))

    def listing(self, line=None):
        """The marks as rows; as lines only where nothing else is to be said."""
        answer = self.new_answer() if SESSION.info() else Answer(self.name, {}, True, [])
        answer.rows = [row_of(stop) for stop in SESSION.marks.all()]
        answer.total = {"marks": len(answer.rows)}
        answer.lines = [line] if line else list(mark_lines(answer.rows))
        return answer


def row_of(stop):
    info = stop.heap.info()
    return {"mark": stop.name, "pid": stop.pid, "count": info["objects"], "bytes": info["object_bytes"],
            "memory": info["memory"]}


def mark_lines(rows):
    if not rows:
        return ["py-mark: no marks yet; py-mark NAME makes one"]
    result = table.Table("process", "objects", "bytes", "mark")
    for row in rows:
        result.add(row["pid"], table.number(row["count"]), parameters.size(row["bytes"]), row["mark"])
    return result.lines()
