"""py-stacks against sys._current_frames(): function, file, line, locals; the GIL and the exceptions.

  stacks.py --build build/release --python /usr/bin/python3.11
"""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402


def differences(name, want, got):
    problems = []
    if len(want) != len(got):
        problems.append("%s: %d frames instead of %d" % (name, len(got), len(want)))
    for (function, file, line, variables), frame in zip(want, got):
        if [function, file, line] != list(frame[:3]):
            problems.append("%s: %r instead of %r" % (name, frame[:3], (function, file, line)))
        elif variables is not None:
            found = {row[0]: [row[2].rpartition(".")[2], row[3]] for row in frame[4]}
            problems += ["%s: local %s of %s is %r instead of %r" % (name, key, function, found.get(key), value)
                         for key, value in variables.items() if found.get(key) != value]
            problems += ["%s: there is no local %s in %s" % (name, key, function)
                         for key in found if key not in variables]
    return problems


def exceptions(target, names, threads):
    """Only one thread handles any, and it is the innermost that counts."""
    problems = []
    for thread in threads:
        name = names.get(thread["thread_id"])
        shown = target.show(thread["handled"], one_line=True) if thread["handled"] else None
        want = "ValueError('inner')" if name == "handle" else None
        if shown != want:
            problems.append("%s handles %s instead of %s" % (name, shown, want))
        if thread["raised"]:
            problems.append("%s raises %#x" % (name, thread["raised"]))
    return problems


def holders(names, threads):
    """Only the busy thread wants it."""
    held = [names.get(thread["thread_id"]) for thread in threads if thread["gil"]]
    return [] if held == ["busy"] else ["the GIL is held by %r" % held]


def guests(path, threads):
    with open(path) as f:
        file, line = json.load(f)
    found = [thread for thread in threads if thread["interpreter"] != 0]
    got = [[frame[:3] for frame in thread["frames"]] for thread in found]
    want = [("stand", file, line), ("<module>", file, line + 1)]
    return [] if got == [want] else ["the sub-interpreter's thread is at %r, not at %r" % (got, want)]


def judge(target, path):
    with open(path) as f:
        truth = json.load(f)
    want = {int(ident): stack for ident, stack in truth["stacks"].items()}
    names = {int(ident): name for ident, name in truth["names"].items()}
    threads = target.stacks(locals=True)
    mine = {thread["thread_id"]: thread for thread in threads if thread["interpreter"] == 0}
    problems = [] if set(mine) == set(want) | {truth["witness"]} else ["the threads are %r" % sorted(mine)]
    for ident, stack in sorted(want.items()):
        if ident in mine and names.get(ident) != "guest":
            problems += differences(names.get(ident, "main"), stack, mine[ident]["frames"])
    own = [thread for thread in threads if thread["interpreter"] == 0]
    return (problems + exceptions(target, names, own) + holders(names, own) + guests(path + ".guest", threads)
            + limited(target))


def limited(target):
    """A limit keeps the innermost frames, and says how many it hid."""
    whole, cut = target.stacks(), target.stacks(frames=2)
    wrong = [thread for thread, part in zip(whole, cut)
             if thread["frames"][:2] != part["frames"] or
             len(thread["frames"]) != len(part["frames"]) + part["hidden"]]
    return ["%d threads are not cut to two frames" % len(wrong)] if wrong else []


def look(results, name, opener):
    target = opener()
    try:
        return results.check(*name(target))
    finally:
        target.close()


def run(results, prefix, memext, python):
    with harness.Folder() as folder:
        path = os.path.join(folder, "truth")
        with harness.Workload(harness.workload(python, "stacks.py", path), folder) as work:
            # The witness is on its way to sleep, for which it takes the GIL once more.
            time.sleep(0.3)
            work.stop()
            look(results, lambda target: (prefix + "/live", judge(target, path)),
                 lambda: memext.open_process(work.pid))
            core = work.gcore(os.path.join(folder, "gcore"))
            look(results, lambda target: (prefix + "/gcore", judge(target, path)), lambda: memext.open_core(core))
            refusal = harness.kernel_cores()
            if refusal:
                results.skip(prefix + "/kernel core", refusal)
                return
            core = work.abort(os.path.join(folder, "kernel"))
            look(results, lambda target: (prefix + "/kernel core", judge(target, path)),
                 lambda: memext.open_core(core))


if __name__ == "__main__":
    sys.exit(script.main_with_binding("stacks", run))
