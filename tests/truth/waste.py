"""py-strings against what one interpreter says of a program that wastes memory in known ways.

  waste.py --build build/release --python /usr/bin/python3.11

  texts        equal str and bytes that the program made: how many, their bytes, who holds them
  containers   each list, dict and set of the program: sys.getsizeof() of it less that of the same built anew
  empty dicts  by type of instance
  twin         all str of the process counted once more by their values

The process is looked at live and through a gcore core.
"""
import ast
import collections
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402

CHARACTERS = 60                       # of a value in a row


def value_of(text):
    value = ast.literal_eval(text)
    return ascii(value[:CHARACTERS])


def texts(truth, rows):
    """Every object of a text but one, the constant in the program's code, was made anew."""
    got = {}
    for kind, _addr, value, count, size, wasted, holder in rows:
        if kind in ("strings", "bytes"):
            head = value.rpartition("…")[0] or value
            got[ascii(ast.literal_eval(head))] = (count, size, wasted, holder)
    problems = []
    for text in truth["texts"]:
        count = text["count"] + 1
        want = (count, count * text["size"], (count - 1) * text["size"], text["holder"])
        if got.get(value_of(text["value"])) != want:
            problems.append("%s: %s, not %s" % (text["value"][:40], got.get(value_of(text["value"])), want))
    return problems


def containers(truth, rows, kind):
    got = {hex(row[1]): row[5] for row in rows if row[0] == kind}
    return ["%s at %s: %d bytes to spare, not %d" % (kind, addr, got.get(addr, 0), want)
            for addr, want in sorted(truth[kind].items()) if got.get(addr, 0) != want]


def empty_dicts(truth, rows):
    got = {row[2]: [row[3], row[5]] for row in rows if row[0] == "empty-dicts"}
    return ["%s: %s, not %s" % (name, got.get(name), want)
            for name, want in sorted(truth["empty"].items()) if got.get(name) != want]


def twin(target, heap, rows):
    """Counts every str by its repr()."""
    found, _total, _bytes = target.objects(heap, "str")
    counts = collections.Counter(target.show(addr) for addr, _size, _retained in found)
    want = sorted(count for count in counts.values() if count > 1)
    got = sorted(row[3] for row in rows if row[0] == "strings")
    return [] if got == want else ["%d values of %d equal str, not %d of %d"
                                   % (len(got), sum(got), len(want), sum(want))]


def sums(rows, kinds, total):
    """Of texts and instances the rows add up to the sums; of containers the first row is the sum."""
    problems = []
    for kind, count, wasted in kinds:
        parts = [row for row in rows if row[0] == kind and row[1]]
        if (sum(row[3] for row in parts), sum(row[5] for row in parts)) != (count, wasted):
            problems.append("the rows of %s do not add up to %d bytes of %d objects" % (kind, wasted, count))
    return problems + ([] if sum(wasted for _, _, wasted in kinds) == total else ["kinds do not add up to the total"])


def limited(target, heap, graph, rows):
    """The rows of a limit are the first ones of all."""
    some = target.waste(heap, graph, limit=5)[0]
    want = [row for kind in dict.fromkeys(row[0] for row in rows)
            for row in ([one for one in rows if one[0] == kind and not one[1]]
                        + [one for one in rows if one[0] == kind and one[1]][:5])]
    return [] if some == want else ["with a limit the rows are others"]


def look(results, prefix, target, truth):
    heap = target.heap()
    graph = target.graph(heap)
    rows, kinds, total = target.waste(heap, graph)
    results.check(prefix + "/texts", texts(truth, rows))
    for kind in ("lists", "dicts", "sets"):
        results.check("%s/%s" % (prefix, kind), containers(truth, rows, kind))
    results.check(prefix + "/empty dicts", empty_dicts(truth, rows))
    results.check(prefix + "/sums", sums(rows, kinds, total))
    results.check(prefix + "/limit", limited(target, heap, graph, rows))
    results.check(prefix + "/twin", twin(target, heap, rows))
    without = target.waste(heap)
    results.check(prefix + "/without a graph", [] if without[1:] == (kinds, total) else ["the sums are others"])
    graph.close()
    target.close()
    return rows


def run(results, prefix, memext, python):
    with harness.Folder() as folder:
        path = os.path.join(folder, "waste")
        with harness.Workload(harness.workload(python, "waste.py", path), folder) as work:
            work.stop()
            with open(path) as f:
                truth = json.load(f)
            core = work.gcore(os.path.join(folder, "gcore"))
            live = look(results, prefix + "/live", memext.open_process(work.pid), truth)
            same = look(results, prefix + "/gcore", memext.open_core(core), truth) == live
            results.check(prefix + "/gcore/same as live", [] if same else ["other rows than of the live process"])


if __name__ == "__main__":
    sys.exit(script.main_with_binding("waste", run))
