"""A workload that plants faults, and one that has none: each judged live and through a gcore core."""
import json
import os

import extension
import harness


def look(results, name, command, find, judge):
    """`find(how, what)` is what memext says of a target, `judge(folder, found)` what is wrong with that."""
    with harness.Folder() as folder, harness.Workload(command(folder), folder) as work:
        work.stop()
        results.check(name + "/live", judge(folder, find("live", work.pid)))
        results.check(name + "/gcore", judge(folder, find("core", work.gcore(os.path.join(folder, "gcore")))))


def look_at_both(results, prefix, python, workload, find, judge_planted, judge_well):
    """The workload writes what it planted to the file that its first argument names; the faulty C extension plants more
    where it can be built."""
    def command(folder):
        refusal = extension.build(python, folder)
        if refusal:
            results.skip(prefix + "extension", refusal)
        return harness.workload(python, workload, os.path.join(folder, "planted"),
                                *([] if refusal else ["--extension", folder]))

    def judge(folder, found):
        with open(os.path.join(folder, "planted")) as f:
            return judge_planted(found, json.load(f))

    look(results, prefix + "planted", command, find, judge)
    look(results, prefix + "well", lambda _: harness.workload(python, "app.py", "--rows", "1000"), find,
         lambda _, found: judge_well(found))
