# SPDX-License-Identifier: Apache-2.0
"""The neighbourhood of an object, or a path to it: nodes and edges as the commands show them.

Made from the tuples of _memext.Graph, walked in the order of reading. Knows
nothing of GDB, nor of how a tree looks on paper.

    start -- edge -- node -- edge -- node …      each edge away from the start: to referents, or to referrers
"""
from collections import namedtuple

# Parallel references are named up to this one.
NAMES_SHOWN = 3


class Query:
    """What part of the graph is wanted. 0 is no limit."""

    def __init__(self, referrers, depth, width, borrowed=False, grouped=False):
        self.referrers = referrers
        self.depth = depth
        self.width = width
        self.borrowed = borrowed
        self.grouped = grouped

    def arguments(self):
        return {"direction": "referrers" if self.referrers else "referents", "depth": self.depth,
                "width": self.width, "borrowed": self.borrowed, "stop_at_modules": True, "grouped": self.grouped}


class Edge:
    """A reference, or `count` alike ones. `source` 0 is a root, told by the name."""

    def __init__(self, source, target, kind, exact, name, count=1):
        self.source = source
        self.target = target
        self.kind = kind
        self.exact = exact
        self.name = name if exact or name.endswith("?") else name + "?"
        self.count = count

    def json(self):
        """As documented; `count` where -group folded several."""
        result = {"from": "0x%x" % self.source if self.source else None, "to": "0x%x" % self.target,
                  "name": self.name, "kind": self.kind, "exact": self.exact}
        return dict(result, count=self.count) if self.count > 1 else result


class Node:
    """An object or raw block. `row` is its row of JSON, `text` its value without type and address."""

    def __init__(self, addr, row, text, is_module=False, hidden=0):
        self.addr = addr
        self.row = row
        self.text = text
        self.is_module = is_module
        self.hidden = hidden


class Tree:
    """Nodes by address, the start first, and edges in the order they were found."""

    def __init__(self, start, referrers):
        self.start = start
        self.referrers = referrers
        self.nodes = {}
        self.edges = []
        self._outward = {}
        self._expanded_by = {start: None}

    def add_edge(self, edge):
        self.edges.append(edge)
        self._outward.setdefault(self.near(edge), []).append(edge)
        self._expanded_by.setdefault(self.far(edge), edge)

    def near(self, edge):
        """The end of the edge on the start's side."""
        return edge.target if self.referrers else edge.source

    def far(self, edge):
        return edge.source if self.referrers else edge.target

    def outward(self, addr):
        """The edges that lead away from the start, parallel ones together: lists of edges."""
        together = {}
        for edge in self._outward.get(addr, ()):
            key = (self.far(edge) or edge.name) if edge.count == 1 else edge
            together.setdefault(key, []).append(edge)
        return list(together.values())

    def expands(self, edges):
        """Whether what lies behind is shown here: where the node was found first, nearest to the start."""
        return any(self._expanded_by.get(self.far(edge)) is edge for edge in edges)

    def hidden(self):
        return sum(node.hidden for node in self.nodes.values())

    def rows(self):
        return [node.row for node in self.nodes.values()]


def edge_of(reference):
    return Edge(*reference)


def add_nodes(tree, nodes, describe):
    """Adds those of the Graph's `nodes` that are new; `describe` makes a Node of a tuple."""
    for found in nodes:
        if found[0] not in tree.nodes:
            tree.nodes[found[0]] = describe(found)
            tree.nodes[found[0]].row["depth"] = found[3]


def load(graph, start, query, describe, progress=None):
    """The Tree around `start`."""
    nodes, references = graph.tree(start, progress=progress, **query.arguments())
    tree = Tree(nodes[0][0], query.referrers)
    add_nodes(tree, nodes, describe)
    for reference in references:
        tree.add_edge(edge_of(reference))
    return tree


def of_paths(paths, describe):
    """The Tree that paths to one object are; its nodes come in the order of the paths, `depth` counts from a root."""
    tree = Tree(paths[0][0][-1][0], True)
    known = set()
    for nodes, references, _expression in paths:
        add_nodes(tree, [node[:3] + (index,) + node[4:] for index, node in enumerate(nodes)], describe)
        for reference in references:
            if reference not in known:
                known.add(reference)
                tree.add_edge(edge_of(reference))
    return tree


# One line of a tree. `edges` lead to `node`, None for a root; `more` references that were cut off end a list.
# `state`: "" where the node's own edges follow, "above", "below" or "cycle" where they do not.
Step = namedtuple("Step", "level last edges node state more")


def walk(tree):
    """Steps in the order of reading, without recursion: chains of a million objects are no accident."""
    seen, path, on_path = {tree.start}, [tree.start], {tree.start}
    pending = steps_from(tree, tree.start, 1)
    while pending:
        step = pending.pop()
        on_path.difference_update(path[step.level:])
        del path[step.level:]
        if not step.node:
            yield step
        elif tree.expands(step.edges):
            yield step
            addr = step.node.addr
            seen.add(addr)
            path.append(addr)
            on_path.add(addr)
            pending += steps_from(tree, addr, step.level + 1)
        else:
            addr = step.node.addr
            yield step._replace(state="cycle" if addr in on_path else "above" if addr in seen else "below")


def steps_from(tree, addr, level):
    """The Steps below a node, the first of them last, as a stack wants them."""
    steps = [Step(level, False, edges, tree.nodes.get(tree.far(edges[0])), "", 0) for edges in tree.outward(addr)]
    if tree.nodes[addr].hidden:
        steps.append(Step(level, False, [], None, "", tree.nodes[addr].hidden))
    if steps:
        steps[-1] = steps[-1]._replace(last=True)
    return steps[::-1]


def label(edges):
    """The name of parallel edges: `[0], [1], [2], … (1,000 in all)`, or `thread 7: its C stack (2 times)`."""
    names = [edge.name for edge in edges]
    unique = list(dict.fromkeys(names))
    if len(unique) == 1 and len(names) > 1:
        return "%s (%s times)" % (names[0], format(len(names), ",d"))
    if len(names) <= NAMES_SHOWN:
        return ", ".join(names)
    return "%s, … (%s in all)" % (", ".join(names[:NAMES_SHOWN]), format(len(names), ",d"))


def marks(tree, edges):
    """What is unusual about a reference: `weak`, `borrowed`, `buffer`; each once."""
    result = []
    for edge in edges:
        if edge.kind == "borrowed":
            source = tree.nodes.get(edge.source)
            weak = source and "weak" in (source.row["type"] or "").lower()
            result.append("weak" if weak else "borrowed")
        elif edge.kind == "buffer":
            result.append("buffer")
    return list(dict.fromkeys(result))


def count(edges):
    """How many references stand in one line because -group folded them; 1 for parallel ones."""
    return max([edge.count for edge in edges] or [1])
