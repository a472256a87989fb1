"""py-break on every interpreter: one stop a call, however it is called."""
import json
import os
import re

import debugger
import harness
import interpreters
import protocols
import terminal
from stage import Skip

CHECKS = {}
CALLS = 12
# Where two functions have the name, or the name is a method's, the place says which.
PLACES = {"constructor": "callees:Thing.__init__", "property": "callees.py:double", "nested": "outer.nested",
          "threaded": "callees.threaded", "coroutine": "callees:coroutine", "decorated": "callees:decorated"}
EXPECTED = {"threaded": 4 * 10 * CALLS}
KINDS = ("direct", "mapped", "key", "partial", "generator", "coroutine", "constructor", "property", "recursive",
         "threaded", "decorated", "nested", "raising", "looping")
PROGRAM = os.path.join(harness.WORKLOADS, "calls.py")


def hardware(stage):
    text = stage.gdb(["--args", stage.python, "-c", "pass"], "py-break nothing.of.this.name", "run")
    for line in text.splitlines():
        if "no hardware watchpoints" in line or "Could not insert hardware" in line:
            raise Skip("this machine has no hardware watchpoints: " + line)


def hits(stage, python, kinds, *before, switches=()):
    """{kind: stops} of one run of the program with a py-break for each kind."""
    breaks = ["py-break %s -do 'echo'" % PLACES.get(kind, kind) for kind in kinds]
    text = stage.gdb_typed(["--args", python] + list(switches) + [PROGRAM] + list(kinds),
                           *(breaks + list(before) + ["run", "py-break -json"]))
    answer = json.loads(text[text.rindex("(gdb) py-break -json") + len("(gdb) py-break -json"):])
    return dict(zip(kinds, [row["hits"] for row in answer["rows"]]))


def usable():
    return [one for one in interpreters.find() if not one.refused]


def one_stop_a_call(stage, interpreter):
    """Where threads have bytecode of their own it says so, and how they share it."""
    hardware(stage)
    problems, switches = [], []
    if interpreter.free_threaded and interpreter.version >= (3, 14):
        switches = ["-X", "tlbc=0"]
        target, said = ["--args", interpreter.path, PROGRAM, "direct"], "only calls in the first thread are noticed"
        for commands in (["break getppid", "run", "py-break direct"], ["py-break direct", "py-break mapped", "run"]):
            text = stage.gdb(target, *commands)
            problems += [] if text.count(said) == 1 else [text[-1000:]]
    for start in range(0, len(KINDS), 4):
        kinds = KINDS[start:start + 4]
        for kind, count in hits(stage, interpreter.path, kinds, switches=switches).items():
            if count != EXPECTED.get(kind, CALLS):
                problems.append("%s: %d stops instead of %d" % (kind, count, EXPECTED.get(kind, CALLS)))
    return problems


for _one in usable():
    CHECKS["py_break_%s" % _one.name] = lambda stage, one=_one: one_stop_a_call(stage, one)


def check(function):
    CHECKS[function.__name__] = function
    return function


@check
def py_break_in_an_attached_process(stage):
    """The functions of what is imported are found in the heap; what comes later, at its import."""
    hardware(stage)
    work = stage.leak()
    text = stage.gdb(["-p", str(work.pid)], "py-break __main__:Basket.__init__", "py-break -json", "detach")
    answer = json.loads(text[text.index("{\"schema\""):text.rindex("}") + 1])
    row = answer["rows"][0]
    return [] if not row["pending"] and row["function"] == "Basket.__init__" else ["%r" % row]


def stops(text, number):
    return len(re.findall(r"^py-break %d: .*, called by " % number, text, re.M))


@check
def py_break_is_one_of_gdbs_breakpoints(stage):
    """Disabled it does not stop, deleted it is gone; a second run finds the function again."""
    hardware(stage)
    target = ["--args", stage.python, PROGRAM, "direct"]
    text = stage.gdb(target, "py-break direct", "run", "continue", "disable 1", "continue", "py-break -json",
                     "enable 1", "run", "delete 1", "continue", "py-break -json")
    answers = [json.loads(part) for part in re.findall(r"^\{\"schema\".*?^\"total\": .*?\}\}$", text, re.M | re.S)]
    problems = [] if stops(text, 1) == 3 else ["%d stops instead of 3: %s" % (stops(text, 1), text)]
    if [len(answer["rows"]) for answer in answers] != [1, 0]:
        problems.append("listed are %r" % [answer["rows"] for answer in answers])
    return problems


@check
def py_break_with_a_condition_and_a_count(stage):
    hardware(stage)
    target = ["--args", stage.python, PROGRAM, "direct", "mapped", "constructor"]
    text = stage.gdb_typed(target, "py-break direct -count 3 -do 'echo'", "py-break mapped -if 0 -do 'echo'",
                           "py-break callees:Thing.__init__ -if '$py_count(\"callees.Thing\") > 4' -do 'echo'",
                           "run", "py-break -json")
    rows = json.loads(text[text.index("{\"schema\""):])["rows"]
    found = [(row["hits"], row["enabled"]) for row in rows]
    # Each Thing is freed before the next is made.
    return [] if found == [(3, False), (0, True), (0, True)] else ["hits are %r" % found]


@check
def py_break_growth_at_each_stop(stage):
    hardware(stage)
    target = ["--args", stage.python, PROGRAM, "direct"]
    text = stage.gdb_typed(target, "py-break direct -count 2 -do py-growth", "run")
    problems = [] if text.count("\npy-growth: remembered ") == 1 else ["the first stop: " + text]
    if text.count("total: ") != 1:
        problems.append("the second stop: " + text)
    text = stage.gdb(target, "set memext growth-at-stop on", "py-break direct -count 2", "run", "continue")
    if text.count("\npy-growth: remembered ") != 1 or text.count("total: ") != 1:
        problems.append("growth-at-stop: " + text)
    return problems


@check
def py_break_whose_commands_go_on(stage):
    """At a terminal, which GDB gives to the process and takes back: a command executed while a stop is announced would
    run `continue` too early, and GDB would never be back."""
    hardware(stage)
    problems = []
    for before in ([], ["set memext growth-at-stop on"], ["py-break direct -do 'py-count -limit 1'"]):
        gdb = terminal.Terminal(stage, ["--args", stage.python, PROGRAM, "direct"])
        try:
            for command in before + ["py-break direct"]:
                gdb.ask(command)
            gdb.send(b"commands\npy-growth -limit 1\ncontinue\nend\n")
            gdb.read_until(terminal.PROMPT, 10)
            text = gdb.ask("run", 60)[0].decode()
        except RuntimeError as late:
            text = str(late)
        finally:
            gdb.close()
        number = 1 + sum(command.startswith("py-break") for command in before)
        # Once more when it is found; who calls it is not told by GDB < 12.
        told = text.count("py-break %d: callees.direct (" % number), text.count(", called by ")
        if told != (CALLS + 1, CALLS if protocols.version(stage) >= (12, 0) else 0) or "exited normally" not in text:
            problems.append("%s: %s" % (before, text[-1500:]))
    return problems


@check
def py_break_that_goes_on_whatever_is_said(stage):
    """A type that is not there yet is no reason to leave a service standing."""
    hardware(stage)
    text = stage.gdb_typed(["--args", stage.python, PROGRAM, "direct"],
                           "py-break direct -do 'py-count no.such.Type; print 4711'", "run", "py-break")
    found = [text.count("has a type named `no.such.Type'"), len(re.findall(r"^\$\d+ = 4711$", text, re.M)),
             text.count("(does `py-count no.such.Type; print 4711' and goes on)")]
    return [] if found == [CALLS, CALLS, 2] else ["%r: %s" % (found, text[-1500:])]


@check
def py_break_with_a_condition_that_cannot_be_told(stage):
    hardware(stage)
    text = stage.gdb(["--args", stage.python, PROGRAM, "direct"], "py-break direct -if 'nonsense > 1'", "run")
    return [] if "its condition `nonsense > 1' cannot be told" in text and stops(text, 1) == 1 else [text[-1000:]]
