# SPDX-License-Identifier: Apache-2.0
"""py-sizeof: the size of an object."""
from .. import objects, objref, table
from ..command import Command, remember_object
from ..session import SESSION


class Sizeof(Command):
    name = "py-sizeof"
    summary = "Show the size of an object in bytes, as sys.getsizeof gives it."
    operand = "OBJ"
    details = objref.HELP
    examples = ("py-sizeof dict#0", "py-sizeof $py -json")
    raw = True
    counting = False

    def candidates(self):
        return objects.candidates()

    def run(self, arguments):
        addr = objects.find(arguments.operands, self.progress)
        row = objects.row(SESSION.target(), addr, SESSION.target().show(addr, **objects.CELL))
        answer = self.new_answer()
        answer.rows = [dict(row, owned=None, retained=None)]
        answer.total = {"count": 1, "bytes": row["size"]}
        answer.lines = ["%s bytes: %s at %s, %s" % (table.number(row["size"]), row["type"], row["addr"], row["value"])]
        remember_object(addr)
        return answer
