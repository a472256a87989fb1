# SPDX-License-Identifier: Apache-2.0
"""py-show: the value of an object."""
from .. import objects, objref, parameters
from ..command import ObjectCommand, remember_object
from ..options import Option
from ..session import SESSION


class Show(ObjectCommand):
    name = "py-show"
    summary = "Show the value of an object as repr() would, and the attributes of an instance."
    operand = "OBJ"
    details = objref.HELP
    examples = ("py-show app.Order#-1", "py-show 0x7f1a2b3c4d50 -depth 5 -width 0", "py-show app.CACHE['k'][3].parent")
    options = (Option("depth", "number", "of containers inside containers, 0 for all (default: show memext depth)"),
               Option("width", "number", "items of each container, 0 for all (default: show memext width)"),
               Option("characters", "number", "of each str and bytes, 0 for all (default: 200)", 200))
    counting = False

    def run(self, arguments):
        addr = objects.find(arguments.operands, self.progress)
        target = SESSION.target()
        info = target.object(addr)
        value = target.show(addr, depth=parameters.given(arguments.depth, "depth"),
                            items=parameters.given(arguments.width, "width"), characters=arguments.characters,
                            attributes=True)
        answer = self.new_answer()
        answer.rows = [dict(objects.row(target, addr, value), owned=None, retained=None)]
        answer.total = {"count": 1, "bytes": info["size"]}
        answer.lines = ["%s: %s, %s, refcount %s" % (answer.rows[0]["addr"], info["type"],
                                                     parameters.size(info["size"]),
                                                     objects.refcount_text(answer.rows[0])), value]
        remember_object(addr)
        return answer
