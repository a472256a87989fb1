# SPDX-License-Identifier: Apache-2.0
"""py-count: objects by type."""
from .. import parameters, table, typenames
from ..answer import address
from ..command import GC, LIMIT, Command
from ..options import Option, UsageError
from ..session import SESSION

SORT_KEYS = {
    "count": lambda row: (-row["count"], -row["bytes"], row["type"]),
    "bytes": lambda row: (-row["bytes"], -row["count"], row["type"]),
    "name": lambda row: row["type"],
}


class Count(Command):
    name = "py-count"
    summary = "Count the objects by type, with their bytes."
    operand = "[TYPE|GLOB]"
    details = ("TYPE is a whole name (app.Order), its last part (Order), or a GLOB ('app.*').\n"
               "Bytes are shallow, as sys.getsizeof gives them.")
    examples = ("py-count -limit 5", "py-count 'app.*' -sort count", "py-count -json -o before.json")
    options = (Option("sort", "choice", "the order of rows (default: bytes)", "bytes", ("count", "bytes", "name")),
               GC, LIMIT)

    def candidates(self):
        return SESSION.known_names()

    def run(self, arguments):
        if len(arguments.operands) > 1:
            raise UsageError("py-count takes one TYPE or GLOB; quote one that holds blanks")
        glob = arguments.operands[0] if arguments.operands else None
        heap = SESSION.heap(self.progress)
        as_json = arguments.json or (arguments.o or "").endswith(".json")
        rows = heap.histogram(tracked=arguments.gc, by_type_object=as_json).rows()
        if glob:
            names = typenames.require(glob, {row[0] for row in rows})
            rows = [row for row in rows if row[0] in names]
        return self.answer(rows, glob, arguments)

    def answer(self, rows, glob, arguments):
        answer = self.new_answer()
        all_rows = sorted(({"type": row[0], "type_addr": address(row[1]), "types": row[2], "count": row[3],
                            "bytes": row[4]} for row in rows), key=SORT_KEYS[arguments.sort])
        limit = self.row_limit(arguments)
        shown = all_rows[:limit] if limit else all_rows
        answer.total = {"rows": len(all_rows), "types": len({row["type"] for row in all_rows}),
                        "count": sum(row["count"] for row in all_rows), "bytes": sum(row["bytes"] for row in all_rows),
                        "glob": glob, "gc": arguments.gc}
        answer.lines = text_lines(shown, answer.total, self.line_width(arguments))
        answer.rows = [{key: value for key, value in row.items() if key != "types"} for row in shown]
        return answer


def type_text(row):
    """The name; type objects that share it are counted."""
    return "%s (%d types)" % (row["type"], row["types"]) if row["types"] > 1 else row["type"]


def text_lines(rows, total, width):
    result = table.Table("count", "bytes", "type")
    for row in rows:
        result.add(table.number(row["count"]), parameters.size(row["bytes"]), type_text(row))
    lines = list(result.lines(width))
    if len(rows) < total["rows"]:
        lines.append("… and %s (-limit 0 shows all)" % table.plural(total["rows"] - len(rows), "more type"))
    lines.append("total: %s%s of %s, %s" % (
        table.plural(total["count"], "object"), " that gc.get_objects() lists" if total["gc"] else "",
        table.plural(total["types"], "type"), parameters.size(total["bytes"])))
    return lines
