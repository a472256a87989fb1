"""References: who refers to whom and by which way, against one interpreter's own answers.

  references.py --build build/release --python /usr/bin/python3.11

  referrers   of the workloads' targets: as gc.get_referrers() says
  paths       of 200 random objects: walked with eval() in the process they lead to the object, and given back to
              memext as a name path they do too
  labels      of one object of every kind: what is named as an attribute is what the attribute gives

Each process is looked at live and through a gcore core; labels live alone.
"""
import array
import collections
import json
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402

TRAVERSED = "0"
PATHS = 200
ASKED = 1500                          # many objects have no path that is an expression: locals, parts of code objects

PROBE = """
import json, sys
wrong = []
for expression, address in json.load(open(%(questions)r)):
    try:
        found = eval(expression, {"sys": sys})
    except Exception as error:
        wrong.append([expression, hex(address), repr(error)])
        continue
    if id(found) != address:
        wrong.append([expression, hex(address), hex(id(found)) + " " + type(found).__name__])
    del found
with open(%(answers)r, "w") as f:
    json.dump(wrong, f)
"""


OF_EACH = 3                           # objects of a type whose attribute is tried
LABELS = """
import ctypes, json
wrong = []
for address, label, target, what in json.load(open(%(questions)r)):
    holder = ctypes.cast(address, ctypes.py_object).value
    try:
        found = getattr(holder, label)
    except Exception as error:
        found = error
    if id(found) != target:
        wrong.append([what, label, type(found).__name__])
    del found, holder
with open(%(answers)r, "w") as f:
    json.dump(wrong, f)
"""


def is_other_view(label, found):
    """A class's dict is given as a proxy, no type has to show its instances' at all, and some things are made when they
    are first asked for."""
    return (label, found) in (("__dict__", "mappingproxy"), ("__dict__", "AttributeError"), ("__annotations__", "dict"),
                              ("attrib", "dict"))


class Graph:
    """A session with the graph tool."""

    def __init__(self, build, how, what, processors=None):
        """`processors` are those that it may run on, as taskset has them."""
        command = (["taskset", "-c", processors] if processors else []) + [os.path.join(build, "graph"), how, str(what)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
                                        env=dict(os.environ, **harness.sanitizer_environment(build)))

    def ask(self, question):
        """The answer's lines as lists of fields."""
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the graph tool ended at: " + question)
            if line == "\n":
                return lines
            lines.append(line.rstrip("\n").split("\t"))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


def pick(lines, word):
    return [line[1:] for line in lines if line[0] == word]


def referrers(graph, truth):
    """Sentences about targets whose referrers differ."""
    problems = []
    skip = set(truth["measuring"])
    for label, target in sorted(truth["targets"].items()):
        lines = graph.ask("referrers %s 1 0" % target["addr"])
        types = {node[0]: node[3] for node in pick(lines, "node")}
        got = {line[0] for line in pick(lines, "reference") if line[2] == TRAVERSED and line[3] == "1"}
        got = {address for address in got if types[address] != "frame"} - skip
        want = set(target["referrers"])
        if not lines or pick(lines, "error"):
            problems.append("%s: %s" % (label, lines))
        for address in sorted(want - got):
            problems.append("%s at %s: the referrer %s is missing" % (label, target["addr"], address))
        for address in sorted(got - want):
            problems.append("%s at %s: %s (%s) is no referrer" % (label, target["addr"], address, types[address]))
    return problems


def random_objects(path):
    words = array.array("Q")
    with open(path, "rb") as f:
        words.frombytes(f.read())
    addresses = list(words[0::3])
    random.Random(7).shuffle(addresses)
    return addresses


def expressions(graph, addresses):
    found = []
    for address in addresses[:ASKED]:
        for line in pick(graph.ask("path %#x" % address), "expression"):
            found.append((line[0], address))
        if len(found) == PATHS:
            break
    return found


def resolved(graph, paths):
    """Sentences about expressions that do not lead back."""
    problems = []
    for expression, address in paths:
        lines = graph.ask("resolve " + expression)
        if pick(lines, "address") != [[hex(address)]]:
            problems.append("%s is %#x, memext resolves it to %s" % (expression, address, lines))
    return problems


def answered(work, folder, probe, asked):
    """What a probe that runs in the process itself says to what it is asked."""
    questions, answers, path = (os.path.join(folder, name) for name in ("questions", "answers", "probe.py"))
    with open(questions, "w") as f:
        json.dump(asked, f)
    with open(path, "w") as f:
        f.write(probe % {"questions": questions, "answers": answers})
    work.command("exec " + path)
    with open(answers) as f:
        return json.load(f)


def evaluated(work, folder, paths):
    """Sentences about expressions that mean something else in the process itself."""
    return ["%s should be %s, but is %s" % tuple(one) for one in answered(work, folder, PROBE, paths)]


def attributes(graph, objects):
    """(address, attribute, what it is said to be, who and whom for people), a few of each type and attribute."""
    tried, found = collections.Counter(), []
    for address in objects:
        lines = graph.ask("referents %#x 1 0" % address)
        types = {node[0]: node[3] for node in pick(lines, "node")}
        for holder, target, _, exact, label in pick(lines, "reference"):
            if int(holder, 16) != address or exact != "1" or not label.isidentifier():
                continue
            tried[types[holder], label] += 1
            if tried[types[holder], label] <= OF_EACH:
                found.append((address, label, int(target, 16), "%s (%s)" % (types[holder], types[target])))
    return found


def labels(results, build, interpreter):
    """What is named as an attribute, asked of the process itself."""
    with harness.Folder() as folder, harness.Workload(harness.workload(interpreter.path, "zoo.py"), folder) as work:
        work.truth(os.path.join(folder, "truth"))
        work.stop()
        graph = Graph(build, "live", work.pid)
        asked = attributes(graph, random_objects(os.path.join(folder, "truth.objects")))
        graph.close()
        work.resume()
        work.release()
        wrong = ["%s.%s is a %s of its own" % (what, label, found)
                 for what, label, found in answered(work, folder, LABELS, asked) if not is_other_view(label, found)]
        results.check("truth/%s/references/zoo/labels" % interpreter.name,
                      sorted(set(wrong)) if len(asked) > PATHS else ["only %d attributes" % len(asked)])


def nth_paths(graph, truth):
    """Sentences about next-best paths that are no paths, or the same ones."""
    problems = []
    for label, target in sorted(truth["targets"].items()):
        seen = set()
        for nth in range(4):
            lines = graph.ask("path %s %d" % (target["addr"], nth))
            if pick(lines, "error"):
                break
            steps = [(line[0], line[1]) for line in pick(lines, "reference")]
            if steps[0][0] != "0x0" or steps[-1][1] != target["addr"]:
                problems.append("%s: path %d does not lead from a root to the object: %s" % (label, nth, lines))
            if any(one[1] != other[0] for one, other in zip(steps, steps[1:])):
                problems.append("%s: path %d is broken: %s" % (label, nth, lines))
            last = (steps[-1][0], pick(lines, "reference")[-1][4])
            if last in seen:
                problems.append("%s: path %d ends as another one does" % (label, nth))
            seen.add(last)
    return problems


def size_of(graph):
    """Nodes, edges and roots (words on the stacks of all threads among them)."""
    lines = dict(graph.ask("info"))
    return {key: lines[key] for key in ("nodes", "edges", "roots")}


def look(results, prefix, graph, truth, objects):
    """Checks one form of the stop; returns its size and the paths found in it."""
    size = size_of(graph)
    results.check(prefix + "/referrers", referrers(graph, truth))
    results.check(prefix + "/next paths", nth_paths(graph, truth))
    paths = expressions(graph, objects)
    results.check(prefix + "/paths found",
                  [] if len(paths) == PATHS else ["only %d paths of random objects" % len(paths)])
    results.check(prefix + "/resolved", resolved(graph, paths))
    results.check(prefix + "/ends well", ["exit status %d" % code for code in [graph.close()] if code])
    return size, paths


def run_workload(results, build, interpreter, arguments):
    prefix = "truth/%s/references/%s" % (interpreter.name, arguments[0][:-3])
    with harness.Folder() as folder:
        command = harness.workload(interpreter.path, *arguments)
        with harness.Workload(command, folder) as work:
            prefix_of_truth = os.path.join(folder, "truth")
            work.truth(prefix_of_truth)
            work.stop()
            with open(prefix_of_truth + ".json") as f:
                truth = json.load(f)
            objects = random_objects(prefix_of_truth + ".objects")
            size, paths = look(results, prefix + "/live", Graph(build, "live", work.pid), truth, objects)
            core = work.gcore(os.path.join(folder, "gcore"))
            core_size, of_core = look(results, prefix + "/gcore", Graph(build, "core", core), truth, objects)
            if work.gcore_lacks:
                results.skip(prefix + "/gcore/same graph as live", "GDB left out " + work.gcore_lacks)
            else:
                results.check(prefix + "/gcore/same graph as live",
                              [] if size == core_size else ["live %s, core %s" % (size, core_size)])
            results.check(prefix + "/gcore/same paths as live",
                          ["%s is %#x, but live %s is %#x" % (two + one)
                           for one, two in zip(paths, of_core) if one != two])
            work.resume()
            work.release()
            results.check(prefix + "/live/evaluated", evaluated(work, folder, paths))


def run(results, build, interpreter):
    small = os.path.basename(build) == "asan"
    run_workload(results, build, interpreter, ["mixed.py", "--units", "300" if small else "2000", "--threads", "2"])
    run_workload(results, build, interpreter, ["app.py", "--rows", "500" if small else "4000"])
    labels(results, build, interpreter)


if __name__ == "__main__":
    sys.exit(script.main(run))
