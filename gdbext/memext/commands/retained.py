# SPDX-License-Identifier: Apache-2.0
"""py-retained: what keeps how much alive."""
import _memext

from .. import objects, objref, parameters, retaining, table
from ..answer import address
from ..command import LIMIT, ObjectCommand, remember_object
from ..options import Option, UsageError
from ..references import short_value
from ..session import SESSION

# Each takes milliseconds: a program that asks for a million rows wants no paths.
PATHS_AT_MOST = 100


class Retained(ObjectCommand):
    name = "py-retained"
    summary = "Show what keeps most memory alive: objects, types, modules or roots; of OBJ, what it consists of."
    operand = "[OBJ]"
    details = ("An object retains all that would be freed with it: what can be reached by way of it only.\n"
               "A module, its dict and a cache in it retain the cache's contents each; rows by root\n"
               "add up to the total. Sizes are those of the allocator's blocks.\n" + objref.HELP)
    examples = ("py-retained -limit 5", "py-retained -by root", "py-retained app.CACHE -limit 10 -json")
    options = (Option("by", "choice", "rows (default: object)", "object", ("object", "type", "module", "root")), LIMIT)

    def run(self, arguments):
        within = objects.find(arguments.operands, self.progress) if arguments.operands else 0
        if within and arguments.by != "object":
            raise UsageError("py-retained OBJ lists what hangs on OBJ by object: leave out OBJ or -by")
        retained = SESSION.retained(self.progress)
        own = retained.of(within) if within else None
        found, total = retained.rows(by=arguments.by, within=within, limit=self.limit_for(arguments),
                                     progress=self.progress)
        answer = self.new_answer()
        info = retained.info()
        answer.total = {"by": arguments.by, "rows": total, "retained": info["total"],
                        "unreachable": info["unreachable"], "unowned": info["unowned"], "blocks": info["blocks"]}
        if arguments.by == "object":
            self.fill_objects(answer, found, within)
        else:
            answer.rows = [{"name": name, "addr": address(addr), "retained": kept, "share": share, "size": size,
                            "count": count} for addr, name, kept, size, share, count in found]
        answer.lines = self.text_lines(answer, arguments, info)
        if within:
            self.tell_object(answer, within, own, info)
        elif found and found[0][0]:
            remember_object(found[0][0])
        return answer

    def limit_for(self, arguments):
        """There are as many objects as the heap has: programs get all only when they ask for them."""
        if arguments.by == "object" and arguments.limit is None:
            return parameters.number("limit")
        return self.row_limit(arguments)

    def fill_objects(self, answer, found, within):
        graph = SESSION.graph()
        for index, (addr, name, kept, size, share, _count) in enumerate(found):
            row = object_row(addr, name, size)
            row.update(retained=kept, share=share, path=None, reachable=None)
            if not within and index < PATHS_AT_MOST:
                row["reachable"], row["path"] = path_to(graph, addr)
            answer.rows.append(row)

    def text_lines(self, answer, arguments, info):
        rows, by = answer.rows, arguments.by
        if by == "object":
            shown = retaining.object_table(rows, parameters.size)
        else:
            shown = retaining.group_table(rows, by, parameters.size)
        lines = list(shown.lines(self.line_width(arguments))) if rows else []
        more = retaining.more_line(answer.total["rows"], len(rows), by)
        return lines + ([more] if more else []) + [retaining.total_line(info, parameters.size)]

    def tell_object(self, answer, addr, own, info):
        """OBJ itself above what hangs on it."""
        row = object_row(addr, None, own[0])
        answer.total.update(addr=row["addr"], block=own[0], owned=own[1], object_retained=own[2])
        head = "%s at %s %s" % (row["type"] or "buffer", row["addr"],
                                retaining.sizeof_line(own, info["total"], parameters.size))
        last = "total: %s directly below, %s with itself" % (
            table.plural(answer.total["rows"], "object or buffer") if answer.total["rows"] == 1 else
            "%s objects and buffers" % table.number(answer.total["rows"]), parameters.size(own[2]))
        answer.lines = [head] + answer.lines[:-1] + [last]
        remember_object(addr)


def object_row(addr, name, size):
    if name == retaining.RAW:
        return {"addr": address(addr), "type": name, "size": size, "refcount": None, "value": ""}
    row = objects.row(SESSION.target(), addr)
    row["value"] = short_value(row)
    return row


def path_to(graph, addr):
    """(reachable, the way there or None)."""
    try:
        _nodes, references, expression = graph.path(addr)
        return True, retaining.way_text([reference[4] for reference in references], expression)
    except _memext.Error as error:
        if error.code != "not-found":
            raise
        return False, None
