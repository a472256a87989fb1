# SPDX-License-Identifier: Apache-2.0
"""Reads V8 heap snapshots and says what is wrong with them, sharing nothing with memext's writer.

Retained sizes are computed once more, by a slow iterative algorithm (Cooper,
Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
"""
import json

WEAK, ELEMENT, HIDDEN = "weak", "element", "hidden"


class Snapshot:
    """The file's tables by name. Raises AssertionError with a sentence where they contradict each other."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = json.loads(file.read().decode("utf-8", "strict"))
        head = data["snapshot"]
        meta = head["meta"]
        self.strings = data["strings"]
        self.edge_types = meta["edge_types"][0]
        fields = meta["node_fields"]
        self.width = len(fields)
        self.kinds = meta["node_types"][0]
        nodes, edges = data["nodes"], data["edges"]
        assert len(nodes) == head["node_count"] * self.width, "node_count is not how many nodes there are"
        assert len(edges) == head["edge_count"] * 3, "edge_count is not how many edges there are"
        column = {name: nodes[index::self.width] for index, name in enumerate(fields)}
        self.types, self.names, self.ids = column["type"], column["name"], column["id"]
        self.sizes, self.edge_counts = column["self_size"], column["edge_count"]
        self.edge_type, self.edge_name, self.to_node = edges[0::3], edges[1::3], edges[2::3]
        self.first = [0]
        for count in self.edge_counts:
            self.first.append(self.first[-1] + count)
        self.check()
        self.targets = [offset // self.width for offset in self.to_node]

    def check(self):
        assert self.first[-1] == len(self.to_node), "the nodes' edge counts do not add up to the edges"
        assert all(offset % self.width == 0 and 0 <= offset // self.width < len(self.ids)
                   for offset in self.to_node), "an edge leads into the middle of a node"
        assert all(0 <= kind < len(self.kinds) for kind in self.types), "a node of no type"
        assert all(0 <= name < len(self.strings) for name in self.names), "a node's name is no string"
        assert len(set(self.ids)) == len(self.ids), "an id is there twice"
        assert all(one % 2 == 1 and one < 2 ** 32 for one in self.ids), "an id is not odd, or has more than 32 bits"
        for kind, name in zip(self.edge_type, self.edge_name):
            assert 0 <= kind < len(self.edge_types), "an edge of no type"
            if self.edge_types[kind] not in (ELEMENT, HIDDEN):
                assert 0 <= name < len(self.strings), "an edge's name is no string"
        assert all(text == text.encode("utf-8", "strict").decode() for text in self.strings), "surrogates"

    def kind(self, node):
        return self.kinds[self.types[node]]

    def name(self, node):
        return self.strings[self.names[node]]

    def strong(self, node):
        """Nodes that this one keeps alive."""
        weak = self.edge_types.index(WEAK)
        return [self.targets[edge] for edge in range(self.first[node], self.first[node + 1])
                if self.edge_type[edge] != weak]

    def order(self):
        """Nodes that the root reaches, each after all that it leads to, save through cycles."""
        seen, done, stack = {0}, [], [(0, iter(self.strong(0)))]
        while stack:
            node, following = stack[-1]
            for target in following:
                if target not in seen:
                    seen.add(target)
                    stack.append((target, iter(self.strong(target))))
                    break
            else:
                done.append(node)
                stack.pop()
        return done

    def dominators(self):
        """(immediate dominator by node, nodes in postorder); every node must be reached."""
        postorder = self.order()
        assert len(postorder) == len(self.ids), "%d nodes are not reached" % (len(self.ids) - len(postorder))
        number = {node: index for index, node in enumerate(postorder)}
        sources = [[] for _ in self.ids]
        for node in postorder:
            for target in self.strong(node):
                sources[target].append(node)
        idom = [None] * len(self.ids)
        idom[0] = 0
        changed = True
        while changed:
            changed = False
            for node in reversed(postorder):
                if node == 0:
                    continue
                known = [source for source in sources[node] if idom[source] is not None]
                best = known[0]
                for other in known[1:]:
                    while best != other:
                        while number[best] < number[other]:
                            best = idom[best]
                        while number[other] < number[best]:
                            other = idom[other]
                if idom[node] != best:
                    idom[node] = best
                    changed = True
        return idom, postorder

    def retained(self):
        """Bytes by node."""
        idom, postorder = self.dominators()
        result = list(self.sizes)
        for node in postorder:
            if node:
                result[idom[node]] += result[node]
        return result
