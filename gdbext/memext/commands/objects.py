# SPDX-License-Identifier: Apache-2.0
"""py-objects: the objects of a type."""
from .. import objects, parameters, table, typenames
from ..command import LIMIT, SINCE, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION


class Objects(Command):
    name = "py-objects"
    summary = "List the objects of a type: address, size, reference count, value."
    operand = "TYPE"
    details = ("TYPE is a whole name (app.Order) or its last part (Order). #N can be used as an object:\n"
               "py-show Order#3. An object that took the place of a freed one of its type counts as old.")
    examples = ("py-objects app.Order -limit 5", "py-objects Order -new -since start -sort size")
    options = (Option("new", "flag", "only those that appeared since the last py-growth or py-mark"), SINCE,
               Option("sort", "choice", "largest first instead of by address, or by what they keep alive", "address",
                      ("address", "size", "retained")), LIMIT)

    def candidates(self):
        return SESSION.known_names()

    def run(self, arguments):
        if len(arguments.operands) != 1:
            raise UsageError("py-objects takes one TYPE, such as: py-objects dict -limit 5")
        name = typenames.require_one(arguments.operands[0], SESSION.names(self.progress))
        since = self.base(arguments) if arguments.new or arguments.since else None
        retained = SESSION.retained(self.progress) if arguments.sort == "retained" else None
        found, count, size = SESSION.target().objects(
            SESSION.heap(), name, since=since.heap if since else None, order=arguments.sort,
            limit=self.row_limit(arguments), retained=retained, progress=self.progress)
        answer = self.new_answer()
        answer.rows = [dict(objects.row(SESSION.target(), addr), retained=kept if retained else None)
                       for addr, _, kept in found]
        answer.total = {"type": name, "count": count, "bytes": size, "since": since.name if since else None}
        numbered = arguments.sort == "address" and not since
        answer.lines = text_lines(answer, numbered, self.line_width(arguments))
        if found:
            remember_object(found[0][0])
        return answer

    def base(self, arguments):
        """The Stop that `new` refers to."""
        now = SESSION.stop("this stop", self.progress)
        if arguments.since:
            stop = SESSION.marks.find(arguments.since, False, parameters.paths(), self.progress)
        else:
            stop = SESSION.marks.latest_before(now)
        if not stop:
            raise UsageError("nothing is remembered of this process from before this stop: "
                             "call py-growth or py-mark NAME, run on, stop, and ask again")
        return SESSION.comparable(stop)


def text_lines(answer, numbered, width):
    rows, total = answer.rows, answer.total
    with_retained = any(row["retained"] is not None for row in rows)
    result = table.Table(*(["#"] if numbered else []), "address", *(["retained"] if with_retained else []), "size",
                         "refcount", "value", cut=table.clip)
    for index, row in enumerate(rows):
        result.add(*(["#%d" % index] if numbered else []), row["addr"],
                   *([parameters.size(row["retained"])] if with_retained else []), parameters.size(row["size"]),
                   objects.refcount_text(row), objects.value_text(row))
    lines = list(result.lines(width)) if rows else []
    if len(rows) < total["count"]:
        lines.append("… and %s (-limit 0 shows all)" % table.plural(total["count"] - len(rows), "more object"))
    new = " new since %s" % total["since"] if total["since"] else ""
    lines.append("total: %s of %s%s, %s" % (table.plural(total["count"], "object"), total["type"], new,
                                            parameters.size(total["bytes"])))
    return lines
