# SPDX-License-Identifier: Apache-2.0
"""Exports against other readers: our own of snapshots, Chrome DevTools', Python's of JSON, SQLite's.

  run.py --build build/release [--python /usr/bin/python3.11]

The exported process is tests/workloads/shop.py, at two stops, so that what grew in between is known. DevTools' part
is skipped where there is no Chromium.
"""
import argparse
import collections
import json
import os
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import browser  # noqa: E402
import devtools  # noqa: E402
import harness  # noqa: E402
import snapshot  # noqa: E402

ORDERS, MORE = 1500, 400
GROUPS = 10  # nodes that are no blocks: the root, and kinds of roots


class Stop:
    """One core, opened with the binding, and its exports."""

    def __init__(self, binding, core, folder, name):
        self.target = binding.open_core(core)
        self.heap = self.target.heap()
        self.graph = self.target.graph(self.heap)
        self.retained = self.graph.retained()
        self.folder, self.name = folder, name

    def export(self, kind):
        """(path, what the library says)"""
        path = os.path.join(self.folder, "%s.%s" % (self.name, kind))
        return path, self.target.export(self.heap, self.graph, self.retained, kind, path)

    def objects(self):
        """[(address, type, retained)]"""
        return [(row[0], row[1], row[2]) for row in self.retained.rows(limit=0)[0]]

    def count(self):
        """{type: (count, bytes)}, as py-count shows it."""
        return {row[0]: (row[3], row[4]) for row in self.heap.histogram().rows()}


def differences(found, wanted, what):
    """Sentences on two mappings or counters."""
    keys = [key for key in set(found) | set(wanted) if found.get(key) != wanted.get(key)]
    return ["%s of %s: %s, memext says %s" % (what, key, found.get(key), wanted.get(key))
            for key in sorted(keys, key=str)]


def by_type_and_retained(stop):
    """How many objects of a type retain so much; a str's name in a snapshot is its value."""
    return collections.Counter((None if kind == "str" else kind, kept) for _address, kind, kept in stop.objects())


def check_snapshot(stop):
    path, told = stop.export("heapsnapshot")
    one = snapshot.Snapshot(path)
    retained = one.retained()
    found = collections.Counter((None if one.kind(node) == "string" else one.name(node), retained[node])
                                for node in range(GROUPS, len(one.ids)) if one.kind(node) != "native")
    problems = differences(found, by_type_and_retained(stop), "(type, retained bytes) in the snapshot")
    total = stop.retained.info()["total"]
    if retained[0] != total:
        problems.append("the root retains %d bytes, memext says %d" % (retained[0], total))
    if (told["nodes"], told["edges"]) != (len(one.ids), len(one.to_node)):
        problems.append("%d nodes and %d edges, memext says %s" % (len(one.ids), len(one.to_node), told))
    return problems


def check_names(stop):
    """The way from the module to an order's line, as names of edges; awkward texts."""
    one = snapshot.Snapshot(stop.export("heapsnapshot")[0])
    at = next(node for node in range(len(one.ids)) if one.name(node) == "(modules)")
    for name in ("module __main__", "__dict__", "ORDERS", 7, "lines", 2):
        # An instance has its attributes in a dict, or in itself since 3.11.
        step = follow(one, at, name) or follow(one, follow(one, at, "__dict__") or at, name)
        if step is None:
            return ["there is no edge %r on the way" % name]
        at = step
    if (one.kind(at), one.name(at)) != ("string", "item 2 of order 7"):
        return ["ORDERS[7].lines[2] is the %s %r" % (one.kind(at), one.name(at))]
    return [] if 'session "3" é\n' in one.strings else ["a key with a quote, a line's end and an accent is not there"]


def follow(one, node, name):
    for edge in range(one.first[node], one.first[node + 1]):
        is_number = one.edge_types[one.edge_type[edge]] in (snapshot.ELEMENT, snapshot.HIDDEN)
        if name == (one.edge_name[edge] if is_number else one.strings[one.edge_name[edge]]):
            return one.targets[edge]
    return None


def check_ids(before, after):
    """An object that is there at both stops has one id in both."""
    first, second = (snapshot.Snapshot(stop.export("heapsnapshot")[0]) for stop in (before, after))
    old = {first.ids[node]: first.name(node) for node in range(len(first.ids))}
    kept = sum(1 for node in range(GROUPS, len(second.ids)) if old.get(second.ids[node]) == second.name(node))
    if kept < 0.95 * len(old):
        return ["only %d of %d nodes have their id again" % (kept, len(old))]
    return []


def check_devtools(results, before, after):
    if not browser.find():
        results.skip("export/devtools", "Chromium is not here: apt install chromium")
        return
    with browser.Browser(120) as chromium:
        tools = devtools.DevTools(chromium)
        first, second = (tools.parse(stop.export("heapsnapshot")[0]) for stop in (before, after))
        nodes = second.nodes()[GROUPS:]
        results.check("export/devtools finds nothing broken", [str(one) for one in first.problems + second.problems])
        found = collections.Counter((None if node[1] == "string" else node[2], node[4])
                                    for node in nodes if node[1] != "native")
        problems = differences(found, by_type_and_retained(after), "(type, retained bytes) in DevTools")
        if second.total != after.retained.info()["total"]:
            problems.append("DevTools' total is %d" % second.total)
        results.check("export/devtools retained sizes", problems)
        results.check("export/devtools summary", check_summary(second, after))
        grown = second.since(first).get("__main__.Order")
        results.check("export/devtools comparison", [] if grown and grown[:2] == (MORE, 0) else
                      ["%d orders were added, DevTools shows %s" % (MORE, grown)])
        an_order = next(node for node in nodes if node[2] == "__main__.Order")
        holders = second.retainers(an_order[0])
        results.check("export/devtools retainers", [] if any(one[1] == "list" for one in holders) else [str(holders)])


def check_summary(parsed, stop):
    wanted = {kind: count for kind, (count, _bytes) in stop.count().items() if kind != "str"}
    found = {kind: row[0] for kind, row in parsed.classes().items() if kind in wanted}
    strings = parsed.classes()["(string)"][0]
    problems = differences(found, wanted, "constructors")
    return problems + ([] if strings == stop.count()["str"][0] else ["%d strings" % strings])


def check_lines(stop):
    path, told = stop.export("json")
    records = collections.Counter()
    counts, sizes, kept, ids, ends = {}, 0, 0, set(), set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            records[record["record"]] += 1
            if record["record"] == "node":
                ids.add(record["id"])
                sizes += record["block"]
                if record["object"]:
                    old = counts.get(record["type"], (0, 0))
                    counts[record["type"]] = (old[0] + 1, old[1] + record["size"])
                if record["dominator"] is None:
                    kept += record["retained"]
            elif record["record"] == "edge":
                ends.update((record["from"], record["to"]))
    problems = differences(counts, stop.count(), "count and bytes")
    total = stop.retained.info()["total"]
    if sizes != total or kept != total:
        problems.append("blocks add up to %d, what roots hold to %d, memext says %d" % (sizes, kept, total))
    if not ends <= ids:
        problems.append("edges lead to nodes that are not there")
    if (records["node"], records["edge"], records["heap"]) != (told["nodes"], told["edges"], 1):
        problems.append("%s, memext says %s" % (dict(records), told))
    return problems


def check_database(stop):
    database = sqlite3.connect(stop.export("sqlite")[0])
    found = {row[0]: row[1:] for row in database.execute("SELECT type, count(*), sum(size) FROM objects GROUP BY 1")}
    retained = dict(database.execute("SELECT addr, retained FROM objects"))
    problems = differences(found, stop.count(), "count and bytes")
    problems += differences(retained, {row[0]: row[2] for row in stop.objects()}, "retained")
    edges = database.execute("SELECT count(*) FROM refs").fetchone()[0]
    if edges != stop.graph.info()["edges"]:
        problems.append("%d references, memext says %d" % (edges, stop.graph.info()["edges"]))
    if database.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
        problems.append("the database is damaged")
    return problems


def check_collapsed(stop):
    path, _told = stop.export("collapsed")
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").rpartition(" ") for line in file]
    total = sum(int(line[2]) for line in lines)
    problems = [] if total == stop.retained.info()["total"] else ["stacks add up to %d" % total]
    # A short list of small orders is no frame of its own; who holds it must be one.
    held = sum(int(line[2]) for line in lines if "__main__" in line[0])
    return problems + ([] if held > ORDERS * 300 else ["%d bytes are below __main__" % held])


def check_outline(before, after):
    """Single objects retain what they retain; bytes add up, also of what is new."""
    nodes = after.retained.outline(nodes=3000)
    problems = adds_up(nodes)
    problems += ["0x%x retains %d in the outline" % (node[2], node[6]) for node in nodes[1:]
                 if node[2] and node[1] == 1 and after.retained.of(node[2])[2] != node[6]]
    held = after.target.resolve("__main__.ORDERS")
    within = after.retained.outline(within=held)
    problems += adds_up(within)
    if within[0][6] != after.retained.of(held)[2]:
        problems.append("ORDERS retains %d in an outline of its own" % within[0][6])
    new = after.retained.outline(since=before.heap)
    problems += adds_up(new)
    # Each order is an object, a list with its items, a str or more; most blocks of the first stop are still there.
    if not MORE * 200 < new[0][6] < 0.5 * nodes[0][6]:
        problems.append("%d bytes are new" % new[0][6])
    if after.retained.outline(since=after.heap)[0][6]:
        problems.append("something is new since now")
    return problems


def adds_up(nodes):
    below = [0] * len(nodes)
    for index in range(len(nodes) - 1, 0, -1):
        below[nodes[index][0]] += nodes[index][6]
    return ["node %d: %s, its children have %d" % (index, node, below[index]) for index, node in enumerate(nodes)
            if node[5] + below[index] != node[6] or (index and node[0] >= index)]


def check_refusals(binding, stop):
    """What cannot be written is said in one sentence and leaves nothing behind."""
    problems = []
    for kind in ("heapsnapshot", "sqlite", "dot", "json", "collapsed"):
        for path in (os.path.join(stop.folder, "no such folder", "x"), "/dev/full", stop.folder):
            try:
                stop.target.export(stop.heap, stop.graph, stop.retained, kind, path)
                problems.append("%s was written to %s" % (kind, path))
            except binding.Error as error:
                if not str(error).startswith("cannot write " + path):
                    problems.append(str(error))
        problems += check_cancelled(binding, stop, kind)
    return problems


def check_cancelled(binding, stop, kind):
    """What was there stays, and no part of the new file is left."""
    path = os.path.join(stop.folder, "kept")
    with open(path, "w", encoding="utf-8") as file:
        file.write("old")
    os.chmod(path, 0o400)
    limit = harness.resource.getrlimit(harness.resource.RLIMIT_FSIZE)
    harness.resource.setrlimit(harness.resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        stop.target.export(stop.heap, stop.graph, stop.retained, kind, path)
        problems = ["%s: a file that grew too large was written" % kind]
    except binding.Error as error:
        problems = [] if str(error).startswith("cannot write " + path) else [str(error)]
    finally:
        harness.resource.setrlimit(harness.resource.RLIMIT_FSIZE, limit)
    with open(path, encoding="utf-8") as file:
        problems += [] if file.read() == "old" else ["%s: the old file is gone" % kind]
    return problems + ["%s left %s" % (kind, name) for name in os.listdir(stop.folder) if name.startswith("kept.")]


def take_cores(python, folder):
    """Before and after MORE orders."""
    command = harness.workload(python, "shop.py", "--orders", str(ORDERS), "--sessions", "20")
    with harness.Workload(command, folder) as work:
        before = work.gcore(os.path.join(folder, "before.core"))
        work.command("grow %d" % MORE)
        return before, work.gcore(os.path.join(folder, "after.core"))


def run(results, binding, python):
    with harness.Folder() as folder:
        cores = take_cores(python, folder)
        before, after = (Stop(binding, core, folder, "stop%d" % index) for index, core in enumerate(cores))
        results.check("export/snapshot retained sizes", check_snapshot(after))
        results.check("export/snapshot names", check_names(after))
        results.check("export/snapshot ids", check_ids(before, after))
        check_devtools(results, before, after)
        results.check("export/JSON lines", check_lines(after))
        results.check("export/SQLite", check_database(after))
        results.check("export/folded stacks", check_collapsed(after))
        results.check("export/outline", check_outline(before, after))
        results.check("export/what cannot be written", check_refusals(binding, after))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--python", default="/usr/bin/python3")
    a = parser.parse_args()
    results = harness.Results()
    if harness.sanitizer_environment(os.path.abspath(a.build)):
        results.skip("export", "a binding with sanitizers cannot be loaded into Python")
        return 0
    sys.path.insert(0, os.path.join(os.path.abspath(a.build), "gdbext"))
    import _memext
    run(results, _memext, a.python)
    return results.exit_status()


if __name__ == "__main__":
    sys.exit(main())
