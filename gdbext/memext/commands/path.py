# SPDX-License-Identifier: Apache-2.0
"""py-path: how an object is reached from a root."""
import _memext

from .. import objects, objref, reftree, treetext
from ..command import remember_object
from ..options import Option, UsageError
from ..references import References, describer, ending_of
from ..session import SESSION


class Path(References):
    name = "py-path"
    summary = "Show the shortest path from a root to an object, as a Python expression and step by step."
    operand = "OBJ"
    details = objref.HELP + "\nThe expression can be given as OBJ again. A root is a module, a local of a running\n" \
        "function, a thread's or an interpreter's state, or a global of C code."
    examples = ("py-path Order#-1", "py-path Order#-1 -all 3 -from local", "py-path $py -o path.svg")
    options = (Option("all", "number", "the N shortest paths (default: 1)", 1),
               Option("from", "word", "only from roots whose name begins so: app, 'module app', 'local x'",
                      value="ROOT"))

    def run(self, arguments):
        self.check_output(arguments)
        if not arguments.all:
            raise UsageError("-all takes the number of paths to show, 1 or more: there may be endlessly many")
        addr = objects.find(arguments.operands, self.progress)
        graph = SESSION.graph(self.progress)
        try:
            paths = find_paths(graph, addr, arguments.all, getattr(arguments, "from"), self.progress)
        except _memext.Error as error:
            if error.code != "not-found" or self.new_answer().complete:
                raise
            raise UsageError("%s; %s" % (error, treetext.MISSING))
        tree = reftree.of_paths(paths, describer(SESSION.target()))
        answer = self.tree_answer(tree, "How %s at 0x%x is reached" % (tree.nodes[addr].row["type"], addr))
        answer.beside["expression"] = paths[0][2]
        answer.beside["paths"] = [{"expression": expression, "nodes": ["0x%x" % node[0] for node in nodes]}
                                  for nodes, _, expression in paths]
        if not arguments.json and ending_of(arguments.o or "") in ("", "txt"):
            answer.lines = text_lines(tree, paths, self.line_width(arguments))
        remember_object(addr)
        return answer


def find_paths(graph, addr, count, root, progress=None):
    """[(nodes, references, expression)]; at least one, or the library's sentence."""
    root = full_root(graph, addr, root, progress)
    paths = []
    while len(paths) < count:
        try:
            paths.append(graph.path(addr, nth=len(paths), from_=root, progress=progress))
        except _memext.Error as error:
            if not paths or error.code != "not-found":
                raise
            break
    return paths


def full_root(graph, addr, root, progress):
    """`app` stands for `module app` where no root is called so."""
    for name in (root, "module %s" % root) if root else ():
        try:
            graph.path(addr, from_=name, progress=progress)
            return name
        except _memext.Error as error:
            if error.code != "not-found":
                raise
    return root


def text_lines(tree, paths, width):
    lines = []
    for nodes, references, expression in paths:
        lines += [""] if lines else []
        lines += [expression or " → ".join(reference[4] for reference in references)]
        lines += step_lines(tree, nodes, references, width)
    return lines + treetext.footer(tree)


def step_lines(tree, nodes, references, width):
    """One line a step: its name, and the object that it leads to."""
    steps = [(reftree.edge_of(reference), tree.nodes[node[0]]) for node, reference in zip(nodes, references)]
    column = min(40, max(len(edge.name) for edge, _ in steps))
    return [treetext.fit(lambda value_width: "  %s  %s" % (
        edge.name.ljust(column), treetext.node_text(node, False, value_width)), node, width) for edge, node in steps]
