"""What is checked otherwise than by a whole expected output: JSON, files, exit status. Each returns problems."""
import json
import os
import re
import shutil

import debugger
import harness
from stage import Skip

CHECKS = {}
NODE = {"addr": str, "type": str, "size": int, "refcount": (int, type(None)), "value": str, "depth": int}
ROW_KEYS = {
    "py-count": {"type": str, "type_addr": (str, type(None)), "count": int, "bytes": int},
    "py-growth": {"type": str, "type_addr": (str, type(None)), "count": int, "bytes": int, "count_delta": int,
                  "bytes_delta": int},
    "py-objects": {"addr": str, "type": str, "size": int, "refcount": int, "value": str},
    "py-sizeof": {"addr": str, "type": str, "size": int},
    "py-show": {"addr": str, "type": str, "size": int, "value": str},
    "py-retained": {"addr": str, "type": str, "size": int, "retained": int, "share": float, "value": str},
    "py-stacks": {"thread": int, "thread_id": str, "interpreter": int, "gil": bool, "frames": list, "hidden": int},
    "py-refs": NODE, "py-backrefs": NODE, "py-path": NODE,
}
EDGE = {"from": (str, type(None)), "to": str, "name": str, "kind": str, "exact": bool}
KINDS = ("traversed", "owned", "borrowed", "buffer", "root")
TOP_KEYS = {"schema": str, "target": dict, "complete": bool, "warnings": list, "rows": list, "total": dict}


def check(function):
    CHECKS[function.__name__] = function
    return function


def keys_wrong(what, entry, wanted):
    return ["%s: %s is %r" % (what, key, entry.get(key, "missing")) for key, kind in wanted.items()
            if key not in entry or not isinstance(entry[key], kind)]


def json_of(stage, command, target=None):
    """With -json nothing but JSON is printed."""
    text = stage.gdb(target or ["-c", stage.core()], command)
    head, _, rest = text.partition("\n")
    return json.loads(rest)


def form(stage, command, rows, target=None):
    answer = json_of(stage, command, target)
    name = command.split()[0]
    problems = keys_wrong(command, answer, TOP_KEYS)
    if answer.get("schema") != "memext/%s/1" % name:
        problems.append("%s: the schema is %r" % (command, answer.get("schema")))
    if len(answer["rows"]) != rows:
        problems.append("%s: %d rows instead of %d" % (command, len(answer["rows"]), rows))
    for row in answer["rows"][:20]:
        problems += keys_wrong(command, row, ROW_KEYS[name])
        if "addr" in row and not row["addr"].startswith("0x"):
            problems.append("%s: addr is %r" % (command, row["addr"]))
    return problems


@check
def json_forms(stage):
    return (form(stage, "py-count -json -limit 7", 7) + form(stage, "py-count -json '__main__.*'", 3)
            + form(stage, "py-objects -json Session -limit 5", 5) + form(stage, "py-show -json Session#0", 1)
            + form(stage, "py-sizeof -json Session#0", 1)
            + form(stage, "py-objects -json Session -sort retained -limit 5", 5)
            + form(stage, "py-retained -json -limit 7", 7) + form(stage, "py-retained -json __main__.CACHE -limit 5", 5)
            + form(stage, "py-growth -json -limit 3 -since %s" % stage.core(), 3, ["-c", stage.later_core()]))


def ledger_problems(what, answer):
    problems = ["%s: the %s rows do not add up" % (what, key) for key in ("resident", "virtual")
                if sum(row[key] for row in answer["rows"]) != answer["total"][key]]
    if sorted(answer["process"]) != sorted(("rss", "vms", "shared", "text", "data", "uss", "pss", "swap")):
        problems.append("%s: the process has %s" % (what, sorted(answer["process"])))
    return problems


@check
def ledger_adds_up(stage):
    """To the kernel's Rss while GDB holds the process; a core says what it cannot know."""
    pid = stage.leak().pid
    text = stage.gdb(["-p", str(pid)], "py-memory -json",
                     "python print(sum(int(line.split()[1]) * 1024 for line in open('/proc/%d/smaps') "
                     "if line.startswith('Rss:')))" % pid, "py-memory -limit 2")
    _, first, kernel, last = (part.partition("\n")[2] for part in ("\n" + text).split("\n(gdb) ", 3))
    answer = json.loads(first)
    problems = ledger_problems("live", answer)
    if answer["total"]["resident"] != int(kernel):
        problems.append("live: %d bytes, %s by smaps" % (answer["total"]["resident"], kernel.strip()))
    if not last.startswith("RSS ") or "live Python objects with their buffers" not in last.splitlines()[0]:
        problems.append("live: the verdict is %r" % last.splitlines()[:1])
    core = json_of(stage, "py-memory -json")
    problems += ledger_problems("core", core)
    if core["process"]["rss"] is not None or core["at_least"] != ["vms", "text", "data"]:
        problems.append("core: %r, at least %r" % (core["process"], core["at_least"]))
    return problems


def arenas_wrong(stage, what, target):
    """Figures of py-arenas and py-malloc that do not add up."""
    arenas, malloc = (json_of(stage, command, target) for command in ("py-arenas -json", "py-malloc -json"))
    total, problems = arenas["total"], []
    parts = ("used_bytes", "free_bytes", "free_pool_bytes", "header_bytes", "tail_bytes", "alignment_bytes",
             "missing_bytes")
    if sum(total[part] for part in parts) != total["arena_bytes"]:
        problems.append("%s: arenas have %d bytes, their parts %s" % (what, total["arena_bytes"],
                                                                      [total[part] for part in parts]))
    if sum(row["bytes"] for row in arenas["rows"]) != total["arena_bytes"]:
        problems.append("%s: py-arenas' rows do not add up" % what)
    kinds = ("used", "free", "tcache", "fast", "top", "other")
    problems += ["%s: arena %d does not add up: %s" % (what, row["arena"], row) for row in malloc["rows"]
                 if sum(row[kind] for kind in kinds) != row["system"]]
    if malloc["total"]["system"] != sum(row["system"] for row in malloc["rows"]):
        problems.append("%s: py-malloc's rows do not add up" % what)
    return problems


@check
def objects_that_millions_refer_to(stage):
    """Their counts are addresses in the image of Debian's Python; every eighth one is as even as a pointer."""
    look = ["py-count NoneType", "py-count bool", "py-count '__main__.*'"]
    text = stage.gdb(["--args"] + harness.workload(stage.python, "popular.py"), "set breakpoint pending on",
                     "break getppid", "run", *(look + ["continue"]) * 8)
    wanted = {"NoneType": 1, "bool": 2, "__main__.Plain": 1, "__main__.Tracked": 1}
    found = {name: re.findall(r"^ *(\d+) .* %s$" % re.escape(name), text, re.MULTILINE) for name in wanted}
    return ["%s: %s" % (name, found[name]) for name, count in wanted.items() if found[name] != [str(count)] * 8]


@check
def arenas_add_up(stage):
    problems = arenas_wrong(stage, "core", ["-c", stage.core()])
    problems += arenas_wrong(stage, "live", ["-p", str(stage.leak().pid)])
    for percent in (5, 25, 50, 75, 95):
        try:
            problems += arenas_wrong(stage, "cut to %d %%" % percent, ["-c", stage.cut(percent)])
        except ValueError:
            # So much may be lost that there is no Python to be found; then a sentence says so, and no JSON comes.
            text = stage.gdb(["-c", stage.cut(percent)], "py-malloc")
            problems += [] if "memext: " in text else ["cut to %d %%: %s" % (percent, text[-200:])]
    return problems


@check
def retained_sizes_add_up(stage):
    """Rows by root are the whole heap; of an object, what hangs on it is no more than what it retains."""
    problems = []
    roots = json_of(stage, "py-retained -json -by root")
    added = sum(row["retained"] for row in roots["rows"])
    if added != roots["total"]["retained"]:
        problems.append("the roots hold %d bytes of %d" % (added, roots["total"]["retained"]))
    below = json_of(stage, "py-retained -json __main__.CACHE -limit 0")
    added = sum(row["retained"] for row in below["rows"]) + below["total"]["block"]
    if added != below["total"]["object_retained"] or len(below["rows"]) != below["total"]["rows"]:
        problems.append("CACHE retains %d bytes, with what hangs on it %d" % (below["total"]["object_retained"], added))
    row = json_of(stage, "py-sizeof -json -retained __main__.CACHE")["rows"][0]
    if row["retained"] != below["total"]["object_retained"] or row["owned"] != below["total"]["owned"]:
        problems.append("py-sizeof says %r" % row)
    kept = [row["retained"] for row in json_of(stage, "py-objects -json Session -sort retained")["rows"]]
    if kept != sorted(kept, reverse=True) or not kept or not kept[-1]:
        problems.append("py-objects -sort retained: %r…" % kept[:10])
    return problems


def edges_wrong(stage, command):
    """Every edge is between rows that are there, or comes from a root."""
    answer = json_of(stage, command)
    known = {row["addr"] for row in answer["rows"]}
    problems = [] if answer["edges"] else ["%s: no edges" % command]
    problems += keys_wrong(command, answer, {"total": dict, "edges": list})
    for edge in answer["edges"]:
        problems += keys_wrong(command, edge, EDGE)
        if edge["kind"] not in KINDS or (edge["kind"] == "root") != (edge["from"] is None):
            problems.append("%s: an edge of kind %r from %r" % (command, edge["kind"], edge["from"]))
        if edge["to"] not in known or edge["from"] not in known | {None}:
            problems.append("%s: an edge to nowhere: %r" % (command, edge))
    return problems


@check
def json_of_references(stage):
    problems = form(stage, "py-refs -json __main__.CACHE -depth 1 -width 5", 6)
    for command in ("py-refs -json __main__.SHOP", "py-backrefs -json Session#7", "py-backrefs -json -all Session#7",
                    "py-backrefs -json -group __main__.Session", "py-path -json __main__.SHOP -all 3"):
        problems += edges_wrong(stage, command)
    answer = json_of(stage, "py-path -json __main__.CACHE['session-7'].basket")
    if answer.get("expression") != "sys.modules['__main__'].CACHE['session-7'].basket":
        problems.append("py-path: the expression is %r" % answer.get("expression"))
    return problems


@check
def groups_count_all_referrers(stage):
    answer = json_of(stage, "py-backrefs -json -group -depth 1 __main__.Session")
    counts = [edge.get("count") for edge in answer["edges"] if edge["name"] == "__class__"]
    return [] if counts == [2000] else ["2,000 sessions refer to their class, -group counts %r" % counts]


@check
def a_path_can_be_pasted_back(stage):
    """Whatever py-path prints as an expression means the same object as OBJ."""
    wanted = ["Session#0", "Session#-1", "Basket#11", "__main__.SHOP.prices", "__main__.SHOP.motto", "function#40"]
    problems = []
    for obj in wanted:
        answer = json_of(stage, "py-path -json %s" % obj)
        if not answer["expression"]:
            problems.append("%s: no expression" % obj)
            continue
        back = json_of(stage, "py-show -json %s" % answer["expression"])
        if back["rows"][0]["addr"] != answer["paths"][0]["nodes"][-1]:
            problems.append("%s: %s is %s" % (obj, answer["expression"], back["rows"][0]["addr"]))
    return problems


@check
def references_in_cut_cores(stage):
    """Each ends in an answer that says in what it is incomplete, or in one sentence."""
    problems = []
    for percent in (10, 60, 95):
        for command in ("py-backrefs dict#0", "py-refs dict#0", "py-path dict#0", "py-backrefs __main__.SHOP"):
            lines = stage.gdb(["-c", stage.cut(percent)], command).splitlines()
            incomplete = [line for line in lines if line.startswith("incomplete: ")]
            refused = [line for line in lines if line.startswith("memext: ")]
            told_once = len(set(incomplete)) == len(incomplete) and len(refused) <= 1
            if bool(incomplete) == bool(refused) or not told_once or "internal error" in "".join(refused):
                problems.append("%d %%: %s says %r" % (percent, command, lines[-2:]))
    return problems


STARTS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph", "html": b"<!DOCTYPE html>",
          "json": b"{", "txt": b"__main__.Session"}


@check
def pictures_and_pages(stage):
    """One line says where each was written."""
    if not shutil.which("dot"):
        raise Skip("Graphviz is not installed")
    problems = []
    for ending, start in STARTS.items():
        path = stage.path("session." + ending)
        lines = stage.gdb(["-c", stage.core()], "py-backrefs Session#7 -o " + path).splitlines()
        with open(path, "rb") as f:
            text = f.read()
        if not text.startswith(start):
            problems.append("%s begins with %r" % (path, text[:20]))
        if len(lines) != 2 or not lines[1].startswith("wrote " + path):
            problems.append("-o %s prints %r" % (path, lines))
    return problems


@check
def without_graphviz(stage):
    """The error names the package, and what was to be drawn is kept."""
    path = stage.path("undrawn.svg")
    text = stage.gdb(["-c", stage.core()], "python import os; os.environ['PATH'] = '/nonexistent'",
                     "py-backrefs Session#7 -o " + path)
    problems = [] if "apt install graphviz" in text else ["the package is not named: " + text]
    with open(stage.path("undrawn.dot")) as f:
        return problems + ([] if f.read().startswith("digraph") else ["the .dot was not kept"])


@check
def json_of_stacks(stage):
    """With GDB's own C frames, whose innermost is in the library that the process waits in."""
    work = stage.leak()
    problems = form(stage, "py-stacks -json -locals", 1)
    row = json_of(stage, "py-stacks -json -native", ["-p", str(work.pid)])["rows"][0]
    problems += keys_wrong("py-stacks", row["frames"][0], {"function": str, "file": str, "line": int, "locals": list})
    problems += keys_wrong("py-stacks", row["native"][0], {"pc": str})
    if row["thread"] != work.pid or row["frames"][0]["function"] != "main" or "read" not in str(row["native"][:3]):
        problems.append("py-stacks -native: %r" % row)
    return problems


@check
def stacks_of_a_saved_target(stage):
    """py-stacks answers from it as from the core."""
    path = stage.path("stacks.memext")
    stage.gdb(["-c", stage.core()], "py-save " + path)
    want = json_of(stage, "py-stacks -json -locals")["rows"]
    text = stage.gdb([], "py-open " + path, "py-stacks -json -locals")
    got = json.loads(text[text.index('{"schema"'):])["rows"]
    return [] if got == want else ["%r instead of %r" % (got, want)]


@check
def json_of_info(stage):
    answer = json_of(stage, "py-info -json")
    return keys_wrong("py-info", answer, TOP_KEYS)


@check
def json_counts_are_exact(stage):
    rows = {row["type"]: row for row in json_of(stage, "py-count -json '__main__.*'")["rows"]}
    want = {"__main__.Session": 2000, "__main__.Basket": 2000}
    return ["%s: %s instead of %d" % (name, rows.get(name), n) for name, n in want.items()
            if rows.get(name, {}).get("count") != n]


@check
def json_of_a_cut_core_says_so(stage):
    answer = json_of(stage, "py-count -json -limit 1", ["-c", stage.cut(60)])
    return [] if answer["complete"] is False and answer["warnings"] else [
        "complete is %r, warnings are %r" % (answer["complete"], answer["warnings"])]


@check
def output_goes_to_a_file(stage):
    problems = []
    for options, name in (("-json", "count.json"), ("", "count.txt")):
        path = stage.path(name)
        text = stage.gdb(["-c", stage.core()], "py-count %s -o %s -limit 3" % (options, path))
        if not os.path.exists(path) or os.path.getsize(path) < 40:
            problems.append("%s was not written" % path)
        if len(text.splitlines()) != 2:
            problems.append("-o prints more than one line: %s" % text)
    with open(stage.path("count.json")) as f:
        json.load(f)
    return problems


@check
def python_gdb_loads_beside_it(stage):
    """None of CPython's own GDB commands is taken: they still mean what they meant."""
    text = stage.gdb([], "help py-bt")
    return [] if "Undefined command" in text else ["memext defines py-bt: " + text]


@check
def nothing_is_written_to_the_process(stage):
    """A process that was looked at goes on as if nothing had been."""
    work = stage.leak()
    stage.gdb(["-p", str(work.pid)], "py-count", "py-growth", "py-objects Session -limit 1")
    work.command("")
    return []


@check
def a_failing_last_command_fails_the_batch(stage):
    status = debugger.run(stage.build, [], ["py-count"], stage.folder)[1]
    return [] if status == 1 else ["gdb -batch ended with %d" % status]
