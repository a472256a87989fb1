"""A workload that plants faults, and one that has none: each judged live and through a gcore core."""
import json
import os

import extension
import harness
from references import Graph


TRIES = 3
LOW = 1 << 32


def begins_low(pid):
    """Whether the heap stands where any number of 32 bits may be an address in it, as of programs that are not PIE."""
    with open("/proc/%d/maps" % pid) as f:
        return any(line.rstrip().endswith("[heap]") and int(line.split("-")[0], 16) < LOW for line in f)


def look(results, name, command, find, judge, threads=None):
    """`find(how, what)` is what memext says of a target, `judge(folder, found)` what is wrong with that, and
    `threads(core)` what is wrong with how threads share the work.

    A number that happens to be the address of a block keeps it, and all of a chain behind it. The kernel puts the heap
    elsewhere at each start: where it is low, a process in which that may have happened is started anew."""
    for last in (False,) * (TRIES - 1) + (True,):
        if look_once(results, name, command, find, judge, threads, last):
            break


def look_once(results, name, command, find, judge, threads, last):
    with harness.Folder() as folder, harness.Workload(command(folder), folder) as work:
        work.stop()
        problems = judge(folder, find("live", work.pid))
        if problems and not last and begins_low(work.pid):
            return False
        results.check(name + "/live", problems)
        core = work.gcore(os.path.join(folder, "gcore"))
        if work.gcore_lacks:
            results.skip(name + "/gcore", "GDB left out " + work.gcore_lacks)
        else:
            results.check(name + "/gcore", judge(folder, find("core", core)))
        if threads:
            results.check(name + "/threads", threads(core))
    return True


def answer(build, core, question, processors):
    """All lines but that of the time."""
    graph = Graph(build, "core", core, processors)
    try:
        return [line for line in graph.ask(question) if line[0] != "us"]
    finally:
        graph.close()


def differ_by_threads(build, core, question):
    """Whole answers, row by row, of one thread and of as many as there are processors, twice."""
    one = answer(build, core, question, "0")
    problems = [] if len(one) > 5 else ["one thread says only %s" % one]
    for _ in range(2):
        many = answer(build, core, question, None)
        unlike = [pair for pair in zip(one, many) if pair[0] != pair[1]]
        problems += ["one thread: %s, many: %s" % pair for pair in unlike[:3]]
        if len(one) != len(many):
            problems.append("one thread gives %d lines, many give %d" % (len(one), len(many)))
    return problems


def look_at_planted(results, name, command, find, judge_planted, threads=None):
    """Of the workload `command(folder)`, which writes what it planted to `planted` in the folder."""
    def judge(folder, found):
        with open(os.path.join(folder, "planted")) as f:
            return judge_planted(found, json.load(f))

    look(results, name, command, find, judge, threads)


def look_at_both(results, prefix, python, workload, find, judge_planted, judge_well, threads):
    """The workload writes what it planted to the file that its first argument names; the faulty C extension plants more
    where it can be built."""
    def command(folder):
        refusal = extension.build(python, folder)
        if refusal:
            results.skip(prefix + "extension", refusal)
        return harness.workload(python, workload, os.path.join(folder, "planted"),
                                *([] if refusal else ["--extension", folder]))

    look_at_planted(results, prefix + "planted", command, find, judge_planted, threads)
    look(results, prefix + "well", lambda _: harness.workload(python, "app.py", "--rows", "1000"), find,
         lambda _, found: judge_well(found))
