# SPDX-License-Identifier: Apache-2.0
"""What py-refs, py-backrefs and py-path share: the graph of this stop as trees, and the files they are written to."""
import os
import re

from . import objects, objref, page, parameters, picture, reftree, table, treetext
from .command import ObjectCommand, remember_object
from .options import Option, UsageError
from .session import SESSION

ENDINGS = ("",) + picture.FORMATS + ("dot", "html", "json", "txt")

DEPTH = Option("depth", "number", "steps away from OBJ, 0 for all (default: show memext depth)")
WIDTH = Option("width", "number", "references shown of each object, 0 for all (default: show memext width)")
ALL = Option("all", "flag", "also references that nobody counts: weak ones, caches")
GROUP = Option("group", "flag", "fold references of one type and kind of name into one line with their number")


def ending_of(path):
    return os.path.splitext(path)[1][1:].lower()


def describer(target):
    """A function that makes the reftree.Node of a node of _memext.Graph."""
    def describe(found):
        addr, type_name, size, _depth, hidden, _repeated, is_module = found
        if type_name == "raw block":
            row = {"addr": "0x%x" % addr, "type": type_name, "size": size, "refcount": None, "value": ""}
        else:
            row = objects.row(target, addr)
        return reftree.Node(addr, row, short_value(row), is_module, hidden)
    return describe


def short_value(row):
    """The value beside the type: of instances the attributes, of modules and classes only the name."""
    text = objects.value_text(row) if row["type"] else row["value"]
    return re.sub(r"^(<(?:module|class) .*?>) \{.*$", r"\1", text, flags=re.DOTALL)


class References(ObjectCommand):
    """The base of commands whose answer is a reftree.Tree."""

    output = Option("o", "file", "write to FILE.svg, .png, .pdf (drawn by Graphviz), .dot, .html, .json or .txt")

    def check_output(self, arguments):
        """Before the work is done, not after it."""
        ending = ending_of(arguments.o or "")
        if ending not in ENDINGS and not arguments.json:
            raise UsageError("FILE ends in %s: not in .%s" % (
                ", ".join("." + known for known in ENDINGS[1:-1]) + " or .txt", ending))

    def tree_answer(self, tree, title):
        """An Answer of `tree` without lines."""
        answer = self.new_answer()
        answer.rows = tree.rows()
        answer.beside = {"edges": [edge.json() for edge in tree.edges]}
        answer.total = {"nodes": len(answer.rows), "edges": len(tree.edges), "hidden": tree.hidden()}
        answer.tree = tree
        answer.title = title
        return answer

    def write(self, answer, path, as_json):
        ending = ending_of(path)
        if as_json or ending in ("", "txt"):
            return super().write(answer, path, as_json)
        if ending == "html":
            picture.write(path, "".join(page.page(answer.tree, answer.title, about(answer),
                                                  treetext.footer(answer.tree, answer.complete) + self.notes(answer))))
        else:
            self.draw(path, ending, "".join(picture.dot(answer.tree, answer.title)))
        return "wrote %s (%s, %s)" % (path, table.plural(len(answer.rows), "object"),
                                      table.plural(len(answer.tree.edges), "reference"))

    def draw(self, path, ending, text):
        if ending == "dot":
            picture.write(path, text)
            return
        if self.progress:
            self.progress("drawing with Graphviz", 0, 0)
        picture.draw(path, text)
        self.clear_progress()


def about(answer):
    """Where a page comes from."""
    target = answer.target
    place = "core %s of process %d" % (target["path"], target["pid"]) if target["kind"] == "core" else \
        "process %d" % target["pid"]
    return "%s by memext: %s, %s; %s, Python %s" % (
        answer.command, table.plural(len(answer.rows), "object"),
        table.plural(len(answer.tree.edges), "reference"), place, target["python_version"])


class TreeCommand(References):
    """py-refs and py-backrefs; a class tells the direction and how a picture is called."""

    operand = "OBJ"
    details = objref.HELP
    options = (DEPTH, WIDTH, ALL, GROUP)
    referrers = False
    title = ""

    def run(self, arguments):
        self.check_output(arguments)
        start = objects.find(arguments.operands, self.progress)
        graph = SESSION.graph(self.progress)
        query = reftree.Query(self.referrers, parameters.given(arguments.depth, "depth"),
                              parameters.given(arguments.width, "width"), arguments.all, arguments.group)
        tree = reftree.load(graph, start, query, describer(SESSION.target()), self.progress)
        answer = self.tree_answer(tree, self.title % (tree.nodes[start].row["type"], "0x%x" % start))
        if not arguments.json and ending_of(arguments.o or "") in ("", "txt"):
            answer.lines = list(treetext.lines(tree, self.line_width(arguments)))
            answer.lines += treetext.footer(tree, answer.complete)
        remember_object(start)
        return answer
