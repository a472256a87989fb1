# SPDX-License-Identifier: Apache-2.0
"""A tree of references as a picture: DOT text, drawn by Graphviz. Knows nothing of GDB.

Arrows go from an object to what it refers to, as in objgraph's pictures. The
start has a red border, modules are blue, types violet, functions and frames
green, roots orange; uncounted references are dashed, uncertain ones dotted.
"""
import os
import signal
import subprocess

from . import reftree, table
from .options import UsageError

FORMATS = ("svg", "png", "pdf")
HEAD = """digraph memext {
  graph [charset="UTF-8", rankdir=TB, bgcolor="white", fontname="sans-serif", nodesep=0.3, ranksep=0.5]
  node [shape=box, style="filled", fontname="sans-serif", fontsize=10, margin="0.12,0.06", color="#5f6b7a", \
fillcolor="#f5f7fa", fontcolor="#101418"]
  edge [fontname="sans-serif", fontsize=9, color="#4a5563", fontcolor="#1d2733", arrowsize=0.7]
"""
MODULE = 'color="#1f5fbf", fillcolor="#cfe2ff"'
TYPE = 'color="#7a3fb0", fillcolor="#eadcf8"'
CODE = 'color="#2f7d4f", fillcolor="#d9f2e1"'
ROOT = 'shape=ellipse, color="#b26a00", fillcolor="#ffe6bf"'
MORE = 'shape=note, style="filled,dashed", color="#8a94a3", fillcolor="#ffffff", fontcolor="#3c4652"'
START = 'color="#d00000", penwidth=3'
COLOURS = {"module": MODULE, "type": TYPE, "function": CODE, "builtin_function_or_method": CODE, "method": CODE,
           "code": CODE, "frame": CODE, "generator": CODE, "coroutine": CODE}
EDGES = {"borrowed": "style=dashed", "buffer": "style=dashed", "owned": "", "traversed": "", "root": ""}


def visible(text):
    """Nothing that a terminal, an SVG or a reader would choke on: as repr() escapes it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
                   for char in text)


def quoted(lines):
    """A DOT string of `lines`. Graphviz would take an ampersand for the start of an entity."""
    return '"%s"' % "\\n".join(visible(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
                               for line in lines)


def node_lines(node):
    """The label: type, value, refcount."""
    row = node.row
    lines = [table.shorten(row["type"] or "?", 40)]
    lines += [table.clip(node.text, 44)] if node.text else []
    return lines + (["refcount %d" % row["refcount"]] if row["refcount"] is not None else [])


def node_attributes(tree, node):
    """Graphviz goes by the last of two equal attributes: the start keeps what fills it, and has its own border."""
    colours = MODULE if node.is_module else COLOURS.get(node.row["type"], "")
    return ", ".join(part for part in (colours, START if node.addr == tree.start else "") if part)


def edge_attributes(tree, edges):
    name, folded = reftree.label(edges), reftree.count(edges)
    # Blanks keep the letters off the arrow's line.
    lines = [" %s " % table.shorten(name, 48)] + ["(%s)" % mark for mark in reftree.marks(tree, edges)]
    if folded > 1:
        lines[0] = " %s ×%s" % (table.number(folded), lines[0])
    style = EDGES.get(edges[0].kind, "") if edges[0].exact else "style=dotted"
    return ", ".join(part for part in ("label=" + quoted(lines), style) if part)


def dot(tree, title):
    """The DOT text, in pieces."""
    yield HEAD
    yield "  label=%s; labelloc=t; fontsize=11;\n" % quoted([title])
    for node in tree.nodes.values():
        attributes = node_attributes(tree, node)
        yield "  n%x [label=%s%s];\n" % (node.addr, quoted(node_lines(node)), ", " + attributes if attributes else "")
    for number, node in enumerate(tree.nodes.values()):
        yield from edges_of(tree, node, number)
    yield "}\n"


def edges_of(tree, node, number):
    """The edges away from `node`, with its roots and the box that stands for what was cut off."""
    for index, edges in enumerate(tree.outward(node.addr)):
        far = tree.far(edges[0])
        if far:
            yield arrow(tree, "n%x" % node.addr, "n%x" % far, edge_attributes(tree, edges))
            continue
        name = "root%d_%d" % (number, index)
        yield "  %s [label=%s, %s];\n" % (name, quoted([table.shorten(reftree.label(edges), 60)]), ROOT)
        yield arrow(tree, "n%x" % node.addr, name, "" if edges[0].exact else "style=dotted")
    if node.hidden:
        name = "more%d" % number
        yield "  %s [label=%s, %s];\n" % (name, quoted(["%s more" % table.number(node.hidden)]), MORE)
        yield arrow(tree, "n%x" % node.addr, name, "style=dashed")


def arrow(tree, near, far, attributes):
    ends = (far, near) if tree.referrers else (near, far)
    return "  %s -> %s%s;\n" % (ends + (" [%s]" % attributes if attributes else "",))


def write(path, text):
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError("cannot write %s: %s" % (path, error.strerror))


def draw(path, text, run=subprocess.run):
    """Has Graphviz draw `text` to `path`, in the format that its ending tells; where it cannot, keeps the DOT."""
    stem, ending = os.path.splitext(path)
    kept = stem + ".dot"
    try:
        done = run(["dot", "-T" + ending[1:], "-o", path], input=text.encode("utf-8", "backslashreplace"),
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except FileNotFoundError:
        write(kept, text)
        raise UsageError("%s was not drawn, for Graphviz is not here: apt install graphviz, then: "
                         "dot -T%s -o %s %s (the picture is kept there)" % (path, ending[1:], path, kept))
    if done.returncode == -signal.SIGINT:
        # GDB's own handler took this Ctrl-C, so Python has not seen it.
        raise KeyboardInterrupt
    if done.returncode:
        write(kept, text)
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it ended with %d" % done.returncode]
        raise UsageError("Graphviz did not draw %s: %s (the picture is kept in %s)" % (path, reason[0], kept))
