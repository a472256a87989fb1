"""References: who refers to whom and by which way, against one interpreter's own answers.

  references.py --build build/release --python /usr/bin/python3.11

  referrers   of the workloads' targets: as gc.get_referrers() says
  paths       of 200 random objects: walked with eval() in the process they lead to the object, and given back to
              memext as a name path they do too

Each process is looked at live and through a gcore core.
"""
import array
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


def evaluated(work, folder, paths):
    """Sentences about expressions that mean something else in the process itself."""
    questions, answers, probe = (os.path.join(folder, name) for name in ("questions", "answers", "probe.py"))
    with open(questions, "w") as f:
        json.dump(paths, f)
    with open(probe, "w") as f:
        f.write(PROBE % {"questions": questions, "answers": answers})
    work.command("exec " + probe)
    with open(answers) as f:
        return ["%s should be %s, but is %s" % tuple(one) for one in json.load(f)]


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


if __name__ == "__main__":
    sys.exit(script.main(run))
