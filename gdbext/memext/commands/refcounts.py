# SPDX-License-Identifier: Apache-2.0
"""py-refcounts: objects whose reference counts are not the references that there are."""
from .. import auditing, objects, parameters, table, typenames
from ..answer import address
from ..command import LIMIT, SINCE, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION

# Values are shown of so many; the others are told by type.
SHOWN_AT_MOST = 2000


class Refcounts(Command):
    name = "py-refcounts"
    summary = "Find objects kept alive by a reference that nobody holds: a C extension forgot a Py_DECREF."
    operand = "[TYPE]"
    details = ("Compares ob_refcnt with the references found in objects, frames and the interpreter. A word on a C\n"
               "stack or in C data that looks like a further one explains a surplus; what is left is listed, alike\n"
               "objects together. Immortal and static objects are not counted by the interpreter and not audited.")
    examples = ("py-refcounts", "py-refcounts dict -list -limit 20", "py-refcounts -missing")
    options = (Option("missing", "flag", "the reverse: more references found than counted (a Py_INCREF is missing)"),
               Option("list", "flag", "one line an object instead of one a group of like ones"), SINCE, LIMIT)

    def candidates(self):
        return SESSION.known_names()

    def run(self, arguments):
        if len(arguments.operands) > 1:
            raise UsageError("py-refcounts takes one TYPE at most, such as: py-refcounts dict")
        graph = SESSION.graph(self.progress)
        name = (typenames.require_one(arguments.operands[0], SESSION.names(self.progress))
                if arguments.operands else None)
        since = SESSION.earlier_stop(arguments.since, self.progress) if arguments.since else None
        found, figures = graph.audit(type=name, deficits=arguments.missing, since=since.heap if since else None,
                                     progress=self.progress)
        answer = self.new_answer()
        limit = self.row_limit(arguments)
        by_group = not (arguments.list or arguments.json or (arguments.o or "").endswith(".json"))
        rows = found if by_group or not limit else found[:limit]
        answer.rows = [audit_row(one, index < SHOWN_AT_MOST) for index, one in enumerate(rows)]
        answer.total = dict(figures, type=name, listed=len(found), since=since.name if since else None)
        answer.lines = self.group_lines(answer, limit, arguments) if by_group else self.object_lines(answer, arguments)
        answer.lines.append(auditing.summary(figures, arguments.missing))
        if found:
            remember_object(found[0][0])
        return answer

    def group_lines(self, answer, limit, arguments):
        found = auditing.groups(answer.rows)
        shown = found[:limit] if limit else found
        lines = list(auditing.group_table(shown).lines(self.line_width(arguments))) if shown else []
        if len(shown) < len(found):
            lines.append("… and %s (-limit 0 shows all)" % table.plural(len(found) - len(shown), "more group"))
        if shown:
            lines.append("next: py-refcounts -list TYPE; py-show and py-backrefs on an example")
        return lines

    def object_lines(self, answer, arguments):
        result = table.Table("address", "refcount", "found", "explained", "type and value", cut=table.clip)
        for row in answer.rows:
            result.add(row["addr"], table.number(row["refcount"]), table.number(row["found"]),
                       table.number(row["explained"]), "%s %s" % (row["type"], row["value"] or ""))
        lines = list(result.lines(self.line_width(arguments))) if answer.rows else []
        more = answer.total["listed"] - len(answer.rows)
        return lines + (["… and %s (-limit 0 shows all)" % table.plural(more, "more object")] if more else [])


def audit_row(found, with_value):
    addr, name, refcount, references, explained = found
    value = objects.value_text(objects.row(SESSION.target(), addr)) if with_value else ""
    return {"addr": address(addr), "type": name, "value": value, "refcount": refcount, "found": references,
            "explained": explained}
