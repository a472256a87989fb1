# SPDX-License-Identifier: Apache-2.0
"""py-sizeof: the size of an object."""
from .. import objects, objref, parameters, retaining, table
from ..command import ObjectCommand, remember_object
from ..options import Option
from ..session import SESSION


class Sizeof(ObjectCommand):
    name = "py-sizeof"
    summary = "Show the size of an object in bytes, as sys.getsizeof gives it."
    operand = "OBJ"
    details = ("What it retains is told, too, once the references of this stop are known\n"
               "(py-refs, py-path, py-retained).\n" + objref.HELP)
    examples = ("py-sizeof dict#0", "py-sizeof -retained $py")
    options = (Option("retained", "flag", "also what it keeps alive: all that would be freed with it"),)
    counting = False

    def run(self, arguments):
        addr = objects.find(arguments.operands, self.progress)
        row = objects.row(SESSION.target(), addr, SESSION.target().show(addr, **objects.CELL))
        answer = self.new_answer()
        sizes = self.retained(addr, arguments.retained)
        answer.rows = [dict(row, owned=sizes and sizes[1], retained=sizes and sizes[2])]
        answer.total = {"count": 1, "bytes": row["size"]}
        answer.lines = ["%s bytes: %s at %s, %s" % (table.number(row["size"]), row["type"], row["addr"], row["value"])]
        if sizes:
            total = SESSION.retained().info()["total"]
            answer.lines.append(retaining.sizeof_line(sizes, total, parameters.size))
        remember_object(addr)
        return answer

    def retained(self, addr, wanted):
        """(block, owned, retained); None where that would mean to build the graph unasked."""
        if not wanted and not SESSION.graph_info():
            return None
        return SESSION.retained(self.progress).of(addr)
