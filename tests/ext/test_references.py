# SPDX-License-Identifier: Apache-2.0
"""Trees of references as text, DOT, HTML and JSON. The graph is a fake: dicts instead of a heap."""
import html.parser
import os
import re
import subprocess
import tempfile
import types
import unittest

from memext import page, picture, reftree, treetext
from memext.options import UsageError


class FakeGraph:
    """Answers as _memext.Graph does, over {addr: (type, [(target, name)])}; addr 0 holds the roots."""

    def __init__(self, objects, modules=(), kinds=None, inexact=()):
        self.objects = objects
        self.modules = modules
        self.kinds = kinds or {}
        self.inexact = inexact

    def references(self, addr, direction):
        for source, (_type, references) in sorted(self.objects.items()):
            for target, name in references:
                if addr == (source if direction == "referents" else target):
                    kind = "root" if not source else self.kinds.get((source, target), "traversed")
                    yield source, target, kind, (source, target) not in self.inexact, name

    def tree(self, start, direction, depth, width, borrowed, stop_at_modules, grouped, progress):
        found, level, edges, hidden = {start: 0}, [start], [], {}
        while level and (not depth or found[level[0]] < depth):
            following = []
            for addr in level:
                all_edges = [edge for edge in self.references(addr, direction) if borrowed or edge[2] != "borrowed"]
                edges_here = self.fold(all_edges, direction) if grouped else [edge + (1,) for edge in all_edges]
                shown = edges_here[:width] if width else edges_here
                hidden[addr] = len(all_edges) - sum(edge[5] for edge in shown)
                edges += shown
                for edge in shown:
                    far = edge[1] if direction == "referents" else edge[0]
                    if far and far not in found:
                        found[far] = found[addr] + 1
                        following += [] if stop_at_modules and far in self.modules else [far]
            level = following
        return [(addr, self.objects[addr][0], 48, at, hidden.get(addr, 0), False, addr in self.modules)
                for addr, at in found.items()], edges


    def fold(self, edges, direction):
        """As _memext.Graph does: one edge for those of one type and form."""
        groups = {}
        for edge in edges:
            far = edge[1] if direction == "referents" else edge[0]
            form = re.sub(r"\[[0-9]+\]", "[#]", re.sub(r"\['.*'\]", "[key]", edge[4]))
            groups.setdefault((self.objects[far][0], edge[2], form) if far else edge[4], []).append((edge, form))
        folded = [edges[0][0] + (1,) if len(edges) == 1 else edges[0][0][:4] + (edges[0][1], len(edges))
                  for edges in groups.values()]
        return sorted(folded, key=lambda edge: (not edge[3], -edge[5]))


def describe(found):
    addr, type_name = found[:2]
    row = {"addr": "0x%x" % addr, "type": type_name, "size": found[2], "refcount": addr % 10, "value": "v%d" % addr}
    return reftree.Node(addr, row, "v%d" % addr, found[6], found[4])


def load(objects, start, referrers=True, depth=3, width=10, borrowed=False, grouped=False, **fake):
    return reftree.load(FakeGraph(objects, **fake), start, reftree.Query(referrers, depth, width, borrowed, grouped),
                        describe)


def text(*arguments, **keywords):
    tree = load(*arguments, **keywords)
    return list(treetext.lines(tree)) + treetext.footer(tree)


CACHE = {0: ("", [(1, "module app"), (4, "local x in f (app.py:12)")]), 1: ("module", [(2, ".CACHE")]),
         2: ("dict", [(3, "['k']")]), 3: ("list", [(4, "[0]")]), 4: ("app.Order", [])}


class Text(unittest.TestCase):
    def test_referrers_up_to_their_roots(self):
        self.assertEqual(text(CACHE, 4, modules=(1,)), [
            "app.Order v4  refcount 4  0x4",
            "├─ local x in f (app.py:12)",
            "└─ [0] of list v3  refcount 3  0x3",
            "   └─ ['k'] of dict v2  refcount 2  0x2",
            "      └─ .CACHE of module v1  refcount 1  0x1"])

    def test_referents(self):
        self.assertEqual(text(CACHE, 2, referrers=False), [
            "dict v2  refcount 2  0x2", "└─ ['k'] = list v3  refcount 3  0x3",
            "   └─ [0] = app.Order v4  refcount 4  0x4"])

    def test_depth(self):
        self.assertEqual(len(text(CACHE, 4, depth=1)), 3)

    def test_what_the_width_cut_off(self):
        many = {addr: ("list", [(1, "[0]")]) for addr in range(2, 1003)}
        many[1] = ("str", [])
        lines = text(many, 1, width=2)
        self.assertEqual(lines[1:], ["├─ [0] of list v2  refcount 2  0x2", "├─ [0] of list v3  refcount 3  0x3",
                                     "└─ … 999 more (-width 0 shows all)"])

    def test_cycles_are_closed(self):
        ring = {1: ("a", [(2, ".b")]), 2: ("b", [(1, ".a")])}
        self.assertEqual(text(ring, 1, depth=0)[1:], ["└─ .a of b v2  refcount 2  0x2",
                                                      "   └─ .b of a v1  0x1  (cycle)"])

    def test_an_object_is_expanded_once_and_nearest_to_the_start(self):
        # 5 is reached through 2 and 3 first, but is nearest to the start through 4.
        objects = {1: ("s", [(2, ".a"), (5, ".b"), (6, ".c")]), 2: ("x", [(3, ".d")]), 3: ("x", [(5, ".e")]),
                   5: ("y", [(7, ".f")]), 6: ("x", [(5, ".g")]), 7: ("z", [])}
        lines = [line for line in text(objects, 1, referrers=False, depth=0) if "0x5" in line]
        self.assertEqual(lines, ["│     └─ .e = y v5  0x5  (see below)", "├─ .b = y v5  refcount 5  0x5",
                                 "   └─ .g = y v5  0x5  (see above)"])

    def test_parallel_references_are_one_line(self):
        objects = {1: ("list", [(2, "[%d]" % i) for i in range(1000)]), 2: ("str", [])}
        self.assertEqual(text(objects, 2, width=0)[1:],
                         ["└─ [0], [1], [2], … (1,000 in all) of list v1  refcount 1  0x1"])

    def test_parallel_references_of_one_name_are_counted(self):
        objects = {0: ("", [(1, "stack"), (1, "stack")]), 1: ("str", [])}
        self.assertEqual(text(objects, 1)[1:], ["└─ stack (2 times)"])

    def test_weak_and_uncertain_references(self):
        objects = {1: ("weakref.ReferenceType", [(3, "wr_object")]), 2: ("lib.Opaque", [(3, "+0x18?")]),
                   3: ("app.Order", [])}
        fake = {"kinds": {(1, 3): "borrowed"}, "inexact": {(2, 3)}}
        self.assertEqual(text(objects, 3, **fake)[1:], ["└─ +0x18? of lib.Opaque v2  refcount 2  0x2",
                                                        treetext.INEXACT])
        self.assertEqual(text(objects, 3, borrowed=True, **fake)[1],
                         "├─ wr_object of weakref.ReferenceType v1  refcount 1  0x1  (weak)")

    def test_uncertain_references_have_one_question_mark(self):
        names = [reftree.Edge(1, 2, "traversed", exact, name).name for exact, name in
                 ((False, "x"), (False, "+0x18?"), (True, "x"))]
        self.assertEqual(names, ["x?", "+0x18?", "x"])

    def test_nothing(self):
        self.assertEqual(text({1: ("int", [])}, 1)[1:], [
            "nothing refers to it: no object, no root; it is garbage, or held by C code alone"])
        self.assertEqual(text({1: ("int", [])}, 1, referrers=False)[1:], ["it refers to nothing"])
        self.assertEqual(treetext.footer(load({1: ("int", [])}, 1), complete=False),
                         ["nothing that could be read refers to it; " + treetext.MISSING])

    def test_a_chain_of_many_thousand_objects(self):
        chain = {addr: ("n", [(addr + 1, ".next")]) for addr in range(1, 3000)}
        chain[3000] = ("n", [])
        tree = reftree.Tree(1, False)
        reftree.add_nodes(tree, [(addr, "n", 1, 0, 0, False, False) for addr in chain], describe)
        for addr in range(1, 3000):
            tree.add_edge(reftree.Edge(addr, addr + 1, "traversed", True, ".next"))
        lines = list(treetext.lines(tree))
        self.assertEqual(len(lines), 3000)
        self.assertLess(max(map(len, lines)), 220)
        self.assertIn("[2999] ", lines[-1])
        self.assertEqual("".join(page.page(tree, "t", "a", [])).count(".next"), 2999)

    def test_the_terminal_is_not_overrun(self):
        tree = load(CACHE, 4)
        self.assertLessEqual(max(map(len, treetext.lines(tree, 20))), 20)

    def test_values_yield_to_what_stands_at_the_end(self):
        ring = {1: ("a", [(2, ".b")]), 2: ("b", [(1, ".a")])}
        tree = load(ring, 1, depth=0)
        tree.nodes[1].text = tree.nodes[2].text = "v" * 500
        for width in (50, 70, 90):
            lines = list(treetext.lines(tree, width))
            self.assertLessEqual(max(map(len, lines)), width)
            self.assertRegex(lines[1], r"v…  refcount 2  0x2$")
            self.assertRegex(lines[2], r"v…  0x1  \(cycle\)$")


class Grouped(unittest.TestCase):
    objects = {0: ("", [(1, "module app")]), 1: ("app.Order", [])}
    objects.update({addr: ("list", [(1, "[%d]" % addr)]) for addr in range(2, 52)})
    objects.update({addr: ("dict", [(1, "['key %d']" % addr)]) for addr in range(52, 60)})
    objects.update({60: ("app.A", [(2, ".items")]), 61: ("app.A", [(2, ".items")])})

    def test_one_line_a_type_and_form(self):
        self.assertEqual(text(self.objects, 1, grouped=True)[1:], [
            "├─ 50 × [#] of list v2  refcount 2  0x2  (the first of them)",
            "│  └─ 2 × .items of app.A v60  refcount 0  0x3c  (the first of them)",
            "├─ 8 × [key] of dict v52  refcount 2  0x34  (the first of them)",
            "└─ module app"])

    def test_two_groups_with_the_same_first_member_stay_apart(self):
        objects = {1: ("str", [])}
        objects.update({addr: ("app.A", [(1, ".x"), (1, ".y")]) for addr in range(2, 5)})
        self.assertEqual(text(objects, 1, grouped=True)[1:], [
            "├─ 3 × .x of app.A v2  refcount 2  0x2  (the first of them)",
            "└─ 3 × .y of app.A v2  0x2  (the first of them)  (see above)"])

    def test_the_width_counts_groups(self):
        self.assertEqual(text(self.objects, 1, grouped=True, width=1)[-1], "└─ … 9 more (-width 0 shows all)")

    def test_json_has_the_number(self):
        edges = [edge.json() for edge in load(self.objects, 1, grouped=True).edges]
        self.assertEqual(edges[0], {"from": "0x2", "to": "0x1", "name": "[#]", "kind": "traversed", "exact": True,
                                    "count": 50})
        self.assertEqual(edges[2], {"from": None, "to": "0x1", "name": "module app", "kind": "root", "exact": True})


class Paths(unittest.TestCase):
    def test_of_two_paths_what_they_share_is_there_once(self):
        def node(addr, kind):
            return addr, kind, 8, 0, 0, False, kind == "module"
        shared = (3, 4, "traversed", True, "[0]")
        paths = [([node(1, "module"), node(3, "list"), node(4, "x")],
                  [(0, 1, "root", True, "module app"), (1, 3, "traversed", True, ".a"), shared], "app.a[0]"),
                 ([node(2, "frame"), node(3, "list"), node(4, "x")],
                  [(0, 2, "root", True, "thread 1"), (2, 3, "traversed", True, ".b"), shared], None)]
        tree = reftree.of_paths(paths, describe)
        self.assertEqual([tree.start, list(tree.nodes), len(tree.edges)], [4, [1, 3, 4, 2], 5])
        self.assertEqual([row["depth"] for row in tree.rows()], [0, 1, 2, 0])


NASTY = ['a"b', "back\\slash", "new\nline", "tab\t", "nul\0", "\x1b[31m", "\u202e", "\ud800", "\U0001f600", "\uffff",
         "<b>&amp;</b>", "&lt;", "'", "\\", '\\"', "</script>", "{|}", "%s %", "\x85", "é漢"]


def nasty_tree():
    objects = {addr: (name, [(addr + 1, name)]) for addr, name in enumerate(NASTY, 1)}
    objects[len(NASTY) + 1] = ("end", [])
    tree = load(objects, len(NASTY) + 1, depth=0)
    for node, name in zip(tree.nodes.values(), NASTY):
        node.text = name
    return tree


class Pictures(unittest.TestCase):
    def drawn(self, tree, kind="plain"):
        done = subprocess.run(["dot", "-T" + kind], input="".join(picture.dot(tree, "title")).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def test_arrows_go_to_what_is_referred_to(self):
        for referrers, start in ((True, 4), (False, 2)):
            arrows = re.findall(r"(n\w+) -> (n\w+)", "".join(picture.dot(load(CACHE, start, referrers), "t")))
            self.assertIn(("n3", "n4"), arrows)
            self.assertIn(("n2", "n3"), arrows)

    def test_start_module_roots_and_more_are_marked(self):
        many = dict(CACHE)
        many.update({addr: ("tuple", [(4, "[0]")]) for addr in range(10, 30)})
        dot = "".join(picture.dot(load(many, 4, modules=(1,), width=5), "t"))
        self.assertRegex(dot, r'n4 \[label="app.Order\\nv4\\nrefcount 4", .*penwidth=3\]')
        self.assertRegex(dot, r'n1 \[.*fillcolor="#cfe2ff"\]')
        self.assertRegex(dot, r'root0_0 \[label="local x in f \(app.py:12\)", shape=ellipse')
        self.assertRegex(dot, r'more0 \[label="17 more"')

    def test_long_labels_are_cut(self):
        tree = load({1: ("t" * 200, [(2, ".n" * 200)]), 2: ("u", [])}, 2)
        tree.nodes[2].text = "v" * 1000
        self.assertLess(max(map(len, re.findall(r'"([^"]*)"', "".join(picture.dot(tree, "t"))))), 80)

    def test_any_text_is_valid(self):
        dot = "".join(picture.dot(nasty_tree(), "title \"\\"))
        dot.encode()
        self.assertFalse(set(dot) & {chr(i) for i in range(32) if i != 10})
        self.assertIn('label="a\\"b', dot)
        self.assertIn("&amp;lt;", dot)

    def test_graphviz_reads_it(self):
        try:
            svg = self.drawn(nasty_tree(), "svg")
        except FileNotFoundError:
            self.skipTest("Graphviz is not installed")
        import xml.dom.minidom
        shown = [node.firstChild.data for node in xml.dom.minidom.parseString(svg.encode()).getElementsByTagName("text")
                 if node.firstChild]
        for name in NASTY:
            self.assertIn(picture.visible(name), [text.replace("\xa0", " ") for text in shown])

    def test_without_graphviz_the_dot_is_kept(self):
        def run(*_arguments, **_keywords):
            raise FileNotFoundError("dot")
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(UsageError, "apt install graphviz.*dot -Tsvg -o .*x.svg .*x.dot"):
                picture.draw(os.path.join(folder, "x.svg"), "digraph {}", run)
            with open(os.path.join(folder, "x.dot"), encoding="utf-8") as file:
                self.assertEqual(file.read(), "digraph {}")

    def test_what_graphviz_complains_of(self):
        done = types.SimpleNamespace(returncode=1, stderr=b"Error: <stdin>: syntax error\nmore\n")
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(UsageError, "did not draw .*x.png: Error: <stdin>: syntax error .*x.dot"):
                picture.draw(os.path.join(folder, "x.png"), "digraph {", lambda *_, **__: done)

    def test_no_such_folder(self):
        with self.assertRaisesRegex(UsageError, "cannot write /nonexistent/x.dot: No such file"):
            picture.write("/nonexistent/x.dot", "")


class Checker(html.parser.HTMLParser):
    """Whether tags are balanced, and what the page refers to."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.ids, self.links, self.texts = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag != "meta":
            self.open.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[key] for key in ("href", "src") if key in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


class Page(unittest.TestCase):
    def checked(self, tree):
        checker = Checker()
        checker.feed("".join(page.page(tree, "title <&>", "about", ["a note"])))
        checker.close()
        self.assertEqual((checker.problems, checker.open), ([], []))
        return checker

    def test_links_stay_inside(self):
        ring = {1: ("a", [(2, ".b")]), 2: ("b", [(1, ".a"), (3, ".c")]), 3: ("c", [(1, ".d")])}
        checker = self.checked(load(ring, 1, depth=0))
        self.assertTrue(checker.links)
        self.assertEqual(len(set(checker.ids)), len(checker.ids))
        self.assertEqual([link for link in checker.links if link[1:] not in checker.ids or link[0] != "#"], [])

    def test_any_text_is_text(self):
        shown = "".join(self.checked(nasty_tree()).texts)
        for name in NASTY:
            self.assertIn(picture.visible(name), shown)

    def test_siblings_stand_beside_what_is_unfolded(self):
        objects = {1: ("a", [(2, ".x"), (3, ".y")]), 2: ("b", [(4, ".z")]), 3: ("c", []), 4: ("d", [])}
        text = "".join(page.page(load(objects, 1, referrers=False), "t", "a", []))
        self.assertIn('</ul></details></li>\n<li class="leaf" id="n3">', text)

    def test_nothing_comes_from_elsewhere(self):
        self.assertNotRegex("".join(page.page(load(CACHE, 4), "t", "a", [])), r"https?:|//\w|@import|url\(")
