# SPDX-License-Identifier: Apache-2.0
"""py-growth: what changed between two stops."""
import _memext

from .. import parameters, table
from ..answer import address
from ..command import GC, LIMIT, SINCE, Command
from ..options import Option, UsageError
from ..session import SESSION


ADVICE = {"core": "open the next core", "saved": "open the next saved target", "live": "run on, stop again,",
          "remote": "run on, stop again,"}


class Growth(Command):
    name = "py-growth"
    summary = "Show which types grew since the last py-growth, or since a mark, another core, a saved target or counts."
    details = ("The first py-growth of a process only remembers; asked again at one stop, the answer is the same.\n"
               "With cores: open one, py-growth, open the next (core-file CORE), py-growth; or -since CORE.")
    examples = ("py-growth", "py-growth -since start -sort bytes", "py-growth -since before.json -shrunk")
    options = (SINCE,
               Option("sort", "choice", "the order of rows (default: delta, of the count)", "delta",
                      ("delta", "bytes")),
               Option("shrunk", "flag", "show what shrank, too; largest change first"),
               Option("peek", "flag", "do not remember this stop for the next py-growth"),
               GC, LIMIT)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-growth takes options only; -since %s compares with a mark or file"
                             % arguments.operands[0])
        now = SESSION.stop("this stop", self.progress)
        base = before = SESSION.marks.growth_base(now)
        if arguments.since:
            before = SESSION.marks.find(arguments.since, arguments.gc, parameters.paths(), self.progress)
        answer = self.compare(before, now, arguments) if before else self.first(now, arguments)
        if not arguments.peek:
            now.name = "the last py-growth"
            SESSION.marks.set_grown(now, base)
        return answer

    def first(self, now, arguments):
        answer = self.new_answer()
        answer.total = totals(now.histogram(arguments.gc).rows(), [])
        verb = "counted" if arguments.peek else "remembered"
        advice = ADVICE[answer.target["kind"]]
        answer.lines = ["py-growth: %s %s of %s; %s and call py-growth to see what changed" % (
            verb, table.plural(answer.total["count"], "object"), table.plural(answer.total["types"], "type"), advice)]
        return answer

    def compare(self, before, now, arguments):
        old, new = before.histogram(arguments.gc), now.histogram(arguments.gc)
        answer = self.new_answer()
        changed = [{"type": row[0], "type_addr": address(row[1]), "count": row[2], "bytes": row[3],
                    "count_delta": row[4], "bytes_delta": row[5]} for row in _memext.growth(old, new)]
        wanted = order(changed, arguments.sort, arguments.shrunk)
        limit = self.row_limit(arguments)
        answer.rows = wanted[:limit] if limit else wanted
        answer.total = totals(new.rows(), old.rows())
        answer.total["rows"] = len(wanted)
        answer.lines = text_lines(answer, before.name, self.line_width(arguments))
        if before.pid != now.pid:
            answer.lines.append("note: %s is of process %s, this is process %s" % (before.name, before.pid, now.pid))
        return answer


def order(rows, sort, shrunk):
    """The rows to show: those that grew, or all by the size of their change."""
    first, second = ("count_delta", "bytes_delta") if sort == "delta" else ("bytes_delta", "count_delta")
    if shrunk:
        return sorted(rows, key=lambda row: (-abs(row[first]), -abs(row[second]), row["type"]))
    return sorted((row for row in rows if row[first] > 0), key=lambda row: (-row[first], -row[second], row["type"]))


def totals(now, before):
    count, size = sum(row[3] for row in now), sum(row[4] for row in now)
    return {"types": len(now), "count": count, "bytes": size, "count_delta": count - sum(row[3] for row in before),
            "bytes_delta": size - sum(row[4] for row in before)}


def text_lines(answer, since, width):
    total = answer.total
    lines = list(growth_table(answer.rows).lines(width)) if answer.rows else ["no type grew since %s" % since]
    if len(answer.rows) < total["rows"]:
        lines.append("… and %s (-limit 0 shows all)" % table.plural(total["rows"] - len(answer.rows), "more type"))
    lines.append("total: %s (%s), %s (%s) since %s" % (
        table.plural(total["count"], "object"), table.delta(total["count_delta"]), parameters.size(total["bytes"]),
        parameters.size_delta(total["bytes_delta"]), since))
    return lines


def growth_table(rows):
    result = table.Table("count", "+count", "bytes", "+bytes", "type")
    for row in rows:
        result.add(table.number(row["count"]), table.delta(row["count_delta"]), parameters.size(row["bytes"]),
                   parameters.size_delta(row["bytes_delta"]), row["type"])
    return result
