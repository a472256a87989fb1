"""The cases whose whole output is compared with expected/NAME.txt: each returns what a user would see."""
import os
import shutil
import subprocess

import harness

CASES = {}

STORY = ("py-info", "py-count '__main__.*'", "py-count -gc '__main__.*' -sort name", "py-count -limit 2",
         "py-objects Session -limit 2", "py-show Shop#0", "py-sizeof Shop#0",
         'print $py_count("__main__.Session")', "py-growth")


def case(function):
    CASES[function.__name__] = function
    return function


# ---- the five ways in ----

@case
def kernel_core(stage):
    return stage.gdb([stage.python, "-c", stage.kernel_core()], *STORY)


@case
def gcore_core(stage):
    return stage.gdb([stage.python, "-c", stage.gcore()], *STORY)


@case
def core_without_executable(stage):
    return stage.gdb(["-c", stage.core()], "py-info", "py-count '__main__.*'")


@case
def attached(stage):
    return stage.gdb(["-p", str(stage.leak().pid)], *STORY)


@case
def started_under_gdb(stage):
    return stage.gdb(["--args", stage.python, os.path.join(os.path.dirname(__file__), "..", "demo", "leak.py"), "4"],
                     "set breakpoint pending on", "break getppid", "run", "py-growth", "py-mark first", "continue",
                     "py-growth -limit 3", "continue", "py-growth -since first -limit 3",
                     "py-objects -new Session -limit 1", "py-growth -peek -limit 3", "kill", "py-count")


# ---- growth ----

@case
def growth_between_cores(stage):
    saved = os.path.join(stage.folder, "before.json")
    return (stage.gdb(["-c", stage.core()], "py-count -json -o %s" % saved)
            + stage.gdb(["-c", stage.later_core()], "py-growth -since %s -limit 4" % saved,
                        "py-growth -since %s -limit 4" % stage.core(),
                        "py-growth -since nosuchmark"))


# ---- nothing to look at ----

@case
def before_any_target(stage):
    return stage.gdb([], "py-info", "py-count", "py-growth", "py-mark x", "py-objects str", "py-show 0x1000",
                     "py-sizeof 0x1000", 'print $py_count("str")', "print $py")


@case
def loaded_twice(stage):
    source = "source " + os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "gdbext", "memext.py")
    return stage.gdb(["-c", stage.core()], source, source, "py-count '__main__.*'")


@case
def no_such_file(stage):
    return stage.gdb(["-c", stage.path("nothing-here")], "py-count")


@case
def not_a_core(stage):
    path = stage.path("text")
    with open(path, "w") as f:
        f.write("no core\n" * 100)
    return stage.gdb(["-c", path], "py-count") + stage.gdb(["-c", stage.core()], "py-growth -since %s" % path)


@case
def no_python(stage):
    process = stage.other_program()
    return stage.gdb(["-p", str(process.pid)], "py-info", "py-count", "generate-core-file %s" % stage.path("sleep.core")
                     ) + stage.gdb(["-c", stage.path("sleep.core")], "py-info", "py-count")


@case
def interpreter_outside_the_range(stage):
    return "".join(stage.gdb(["-p", str(stage.leak(python=path).pid)], "py-info", "py-count")
                   for path in stage.outside_range())


# ---- damaged cores ----

@case
def core_32_bit(stage):
    return stage.gdb(["-c", stage.core()], "py-growth -since %s" % stage.forged("class32.core", 4, b"\x01"))


@case
def core_of_foreign_machine(stage):
    return stage.gdb(["-c", stage.core()], "py-growth -since %s" % stage.forged("sparc.core", 18, b"\x2b\x00"))


@case
def core_cut_at_10_percent(stage):
    return stage.gdb(["-c", stage.cut(10)], "py-info", "py-count -limit 1")


@case
def core_cut_at_60_percent(stage):
    return stage.gdb(["-c", stage.cut(60)], "py-info", "py-count -limit 1")


@case
def core_cut_at_95_percent(stage):
    return stage.gdb(["-c", stage.cut(95)], "py-info", "py-count -limit 1")


@case
def executable_gone(stage):
    core, copy = stage.core_of_copied_python("python-gone")
    os.remove(copy)
    return stage.gdb(["-c", core], "py-info", "py-count '__main__.*'")


@case
def executable_replaced(stage):
    core, copy = stage.core_of_copied_python("python-other")
    os.remove(copy)
    shutil.copy("/bin/true", copy)
    return stage.gdb(["-c", core], "py-info", "py-count '__main__.*'")


@case
def killed_between_commands(stage):
    work = stage.leak()
    return stage.gdb(["-p", str(work.pid)], "py-count '__main__.*'", "shell kill -9 %d; sleep 0.3" % work.pid,
                     "py-count '__main__.*'", "py-growth", "py-objects Session -limit 1")


@case
def in_the_middle_of_malloc(stage):
    return stage.gdb(["--args", stage.python, os.path.join(os.path.dirname(__file__), "..", "demo", "leak.py"), "4"],
                     "set breakpoint pending on", "tbreak getppid", "run", "catch syscall mmap", "continue",
                     "py-count '__main__.*'", "kill")


# ---- references ----

@case
def references(stage):
    return stage.gdb(["-c", stage.core()], "py-backrefs Session#7", "py-backrefs Session#7 -depth 1",
                     "py-backrefs __main__.Basket -depth 1 -width 2", "py-backrefs __main__.Session -depth 1 -group",
                     "py-refs __main__.CACHE -depth 1 -width 3", "py-refs __main__.SHOP.tags -depth 1",
                     "print $py != 0", "with memext width 1 -- py-refs __main__.SHOP.prices -depth 1")


@case
def paths(stage):
    return stage.gdb(["-c", stage.core()], "py-path __main__.CACHE['session-7'].basket", "py-path $py -from __main__",
                     "py-path $py -from 'module __main__' -all 1", "py-path $py -from nowhere",
                     "py-show __main__.CACHE['session-7'].basket", 'py-show __main__.CACHE["session-7"].user',
                     "py-sizeof sys.modules['__main__'].SHOP.tags[1]")


@case
def references_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-backrefs", "py-refs 0x10", "py-path 0x10", "py-backrefs __main__.CACH",
                     "py-backrefs __main__.CACHE['session-x']", "py-refs nosuchmodule.x", "py-refs Session#999999",
                     "py-refs __main__.SHOP -o picture.jpg", "py-refs __main__.SHOP -o /nonexistent/picture.dot",
                     "py-path __main__.SHOP -all 0", "py-refs __main__.SHOP -nosuch", "py-show __main__.SHOP.name[")


# ---- retained sizes ----

@case
def retained(stage):
    return stage.gdb(["-c", stage.core()], "py-sizeof __main__.CACHE", "py-retained -limit 2",
                     "print $py != 0", "py-retained -by root -limit 1", "py-retained -by type -limit 1",
                     "py-retained -by module -limit 1", "py-retained __main__.CACHE -limit 1",
                     "py-retained __main__.SHOP.tags[1]",
                     "py-sizeof __main__.SHOP.tags", "py-objects Session -sort retained -limit 1")


def retained_of_cut_core(stage, percent):
    return stage.gdb(["-c", stage.cut(percent)], "py-retained -limit 1", "py-retained -by root -limit 1",
                     "py-sizeof -retained __main__.CACHE", "py-objects dict -sort retained -limit 1")


@case
def retained_of_core_cut_at_10_percent(stage):
    return retained_of_cut_core(stage, 10)


@case
def retained_of_core_cut_at_60_percent(stage):
    return retained_of_cut_core(stage, 60)


@case
def retained_of_core_cut_at_95_percent(stage):
    return retained_of_cut_core(stage, 95)


@case
def retained_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-sizeof -retained 0x10", "py-retained 0x10", "py-retained -by colour",
                     "py-retained __main__.CACHE -by type", "py-retained -limit many",
                     "py-retained __main__.CACH", "py-retained -limit 1 -o /nonexistent/file")


# ---- waste ----

@case
def waste(stage):
    return stage.gdb(["-c", stage.core()], "py-strings -kind strings -limit 4", "print $py != 0",
                     "py-strings -kind strings -limit 0 -min 10.6K", "py-strings -kind strings -min 1G")


@case
def waste_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-strings -kind colours", "py-strings -min many", "py-strings str",
                     "py-strings -limit -1", "py-strings -o /nonexistent/file")


@case
def waste_of_a_cut_core(stage):
    return stage.gdb(["-c", stage.cut(60)], "py-strings -kind strings -limit 2")


# ---- reference counts ----

@case
def refcounts(stage):
    work = stage.start(*harness.workload(stage.python, "refleaks.py", stage.path("planted")))
    return stage.gdb(["-p", str(work.pid)], "py-refcounts -limit 1", "py-refcounts list -list -limit 1",
                     "print $py != 0", "py-refcounts -missing -limit 1", "py-refcounts nosuch",
                     "py-refcounts dict list", "py-refcounts -since nosuch")


# ---- the whole diagnosis ----

@case
def report(stage):
    before, after = stage.grown_cores()
    return stage.gdb(["-c", after], "py-report -since %s" % before)


@case
def report_asked_wrongly(stage):
    path = stage.path("half.json")
    with open(path, "w") as f:
        f.write("{")
    return stage.gdb(["-c", stage.core()], "py-report a.html b.html", "py-report report.pdf",
                     "py-report a.html -o b.html", "py-report -since nosuch", "py-report -since %s" % path,
                     "py-report /nonexistent/x.html", "py-report -nosuch")


# ---- lost memory ----

@case
def leaks(stage):
    work = stage.start(*harness.workload(stage.python, "cleaks.py", "--blocks", "3000", stage.path("planted")))
    core = work.gcore(stage.path("leaks.core"))
    return stage.gdb(["-c", core], "py-leaks -class definite -min 10000000", "py-leaks nosuch",
                     "py-leaks -class red", "py-leaks -since nosuch", "py-leaks -limit 1 -o /nonexistent/file",
                     "py-mark a", "py-leaks -since a")


# ---- the ledger ----

@case
def memory_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-memory str", "py-memory -nosuch", "py-memory -limit few",
                     "py-memory -o /nonexistent/file")


# ---- allocators ----

@case
def allocators_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-arenas str", "py-arenas -classes few", "py-arenas -limit few",
                     "py-arenas -o /nonexistent/file", "py-malloc main", "py-malloc -limit -1",
                     "py-malloc -o /nonexistent/file")


@case
def without_pymalloc(stage):
    work = stage.leak(env={"PYTHONMALLOC": "malloc"})
    return stage.gdb(["-p", str(work.pid)], "py-arenas", "py-arenas -classes")


@case
def other_mallocs_are_named(stage):
    library = stage.path("libfast.so")
    source = os.path.join(os.path.dirname(__file__), "..", "workloads", "othermalloc.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], check=True)
    work = stage.leak(env={"LD_PRELOAD": library})
    return stage.gdb(["-p", str(work.pid)], "py-malloc", "py-count __main__.Session")


# ---- SQL ----

@case
def sql(stage):
    return stage.gdb(["-c", stage.core()],
                     "py-sql SELECT type, count(*), sum(size) FROM objects WHERE module = '__main__' GROUP BY 1",
                     "py-sql SELECT addr, type, value FROM objects WHERE type = '__main__.Basket' -limit 2",
                     "print $py != 0",
                     "py-sql SELECT name, kind FROM refs WHERE src = object('__main__.SHOP')",
                     "py-sql SELECT path(id), retained > size AS big FROM objects WHERE id = object('__main__.CACHE')",
                     "py-sql \"SELECT 1, NULL, 2.5, 'a' || char(10) || 'b' AS text\"", "py-sql SELECT 1 WHERE 0",
                     "py-sql -csv SELECT 'a,b' AS c, NULL AS d, 'e' AS f",
                     "py-sql EXPLAIN QUERY PLAN SELECT type, count(*) FROM objects GROUP BY 1",
                     "py-sql WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n -limit 2")


@case
def sql_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-sql", "py-sql SELECT * FORM objects", "py-sql SELECT sise FROM objects",
                     "py-sql SELECT 1 FROM objekts", "py-sql SELECT 1 FROM objects WHERE",
                     "py-sql SELECT 1; SELECT 2", "py-sql DROP TABLE objects", "py-sql DELETE FROM objects",
                     "py-sql CREATE TABLE x AS SELECT * FROM objects", "py-sql ATTACH '/tmp/x' AS x",
                     "py-sql PRAGMA journal_mode = wal", "py-sql SELECT load_extension('x')",
                     "py-sql SELECT object('__main__.CACH')", "py-sql SELECT 1 -csv -json",
                     "py-sql SELECT 1 -o /nonexistent/rows.csv", "py-sql SELECT 'x", "py-sql SELECT a -b")


# ---- exports ----

@case
def exports(stage):
    """What the files hold is for tests/export."""
    names = [os.path.join(stage.folder, "heap." + ending)
             for ending in ("heapsnapshot", "sqlite", "json", "collapsed", "dot", "ndjson")]
    return stage.gdb(["-c", stage.core()], *["py-export " + name for name in names],
                     "py-export %s -format dot" % names[2],
                     "complete py-export -f", "complete py-export x -format h")


@case
def exports_asked_wrongly(stage):
    return stage.gdb(["-c", stage.core()], "py-export", "py-export heap.txt", "py-export heap", "py-export a.dot b.dot",
                     "py-export heap.txt -format svg", "py-export /nonexistent/heap.json",
                     "py-export /dev/full -format collapsed", "py-export " + stage.folder + " -format sqlite")


@case
def export_of_a_cut_core(stage):
    path = os.path.join(stage.folder, "cut.collapsed")
    return stage.gdb(["-c", stage.cut(60)], "py-export " + path)


# ---- saved targets ----

@case
def saved_targets(stage):
    saved = os.path.join(stage.folder, "stop.memext")
    return (stage.gdb(["-c", stage.core()], "py-save %s" % saved)
            + stage.gdb([], "py-open %s" % saved, "py-info", "py-count '__main__.*'", "py-show __main__.SHOP.name",
                        "py-retained -limit 1", "py-path __main__.CACHE['session-7'].basket", "py-growth",
                        "py-open", "py-count")
            + stage.gdb(["-c", stage.later_core()], "py-growth -since %s -limit 2" % saved,
                        "py-objects Session -since %s -limit 1" % saved, "py-open %s" % saved,
                        "py-growth -since %s" % saved, "py-open -close", "py-count Session"))


@case
def saved_target_gives_way(stage):
    saved = os.path.join(stage.folder, "way.memext")
    return stage.gdb(["-c", stage.core()], "py-save %s" % saved, "core-file", "py-open %s" % saved, "py-count Session",
                     "core-file %s" % stage.later_core(), "py-count Session", "py-open")


@case
def saved_asked_wrongly(stage):
    saved, cut = os.path.join(stage.folder, "wrong.memext"), os.path.join(stage.folder, "cut.memext")
    stage.gdb(["-c", stage.core()], "py-save %s" % saved)
    with open(saved, "rb") as whole, open(cut, "wb") as part:
        part.write(whole.read()[:-10])
    return stage.gdb(["-c", stage.core()], "py-open", "py-open %s" % cut, "py-open %s" % stage.core(),
                     "py-open nosuch.memext", "py-open one two", "py-growth -since %s" % cut, "py-save", "py-save a b",
                     "py-save /dev/full", "py-save /nonexistent/x.memext", "py-open %s" % saved,
                     "py-show *(long*)16", "py-show nosuch", "print $py_rss()", "py-count Session")


# ---- stacks and stops ----

@case
def stacks(stage):
    return stage.gdb(["-c", stage.core()], "py-stacks", "py-stacks MainThread -locals -limit 1", "py-stacks nobody",
                     "py-stacks a b", "py-stacks -limit many", "py-stacks -o /nonexistent/file")


@case
def breaks_asked_wrongly(stage):
    return (stage.gdb([], "py-break", "py-break app:", "py-break app:12", "py-break a b", "py-break a -count many",
                      "set can-use-hw-watchpoints 0", "py-break a", "set can-use-hw-watchpoints 1", "py-break a",
                      "py-break b", "py-break c", "py-break d", "py-break e", "delete 2", "py-break e", "py-break")
            + stage.gdb(["-c", stage.core()], "py-break __main__:handle", "py-break"))


# ---- asking ----

@case
def catch_oom_asked_wrongly(stage):
    page, core = stage.path("armed.html"), stage.path("armed.core")
    options = ("-at 0", "-at much", "-at", "-core /nonexistent/core", "-core /", "everything", "-report oom.pdf",
               "-off", "-core %s -report %s" % (core, page), "-off")
    return (stage.gdb([], *("py-catch-oom " + one for one in options))
            + stage.gdb(["-c", stage.core()], "py-catch-oom"))


@case
def wrong_options(stage):
    return stage.gdb(["-c", stage.core()], "py-count -nosuch", "py-count -limit many", "py-count -sort colour",
                     "py-objects", "py-objects NoSuchType", "py-show", "py-show 0x10", "py-show Session#999999",
                     "py-sizeof nosuchvariable", "py-growth -since", "py-count 'nosuch*'", "py-mark",
                     "py-count -o /nonexistent/file")


@case
def completion(stage):
    return stage.gdb(["-c", stage.core()], "complete py-", "complete py-count -", "py-count Session",
                     "complete py-count -sort ", "complete py-objects __main__.S", "complete set memext ",
                     "complete py-show __main__.CA", "complete py-path os.pa", "complete py-refs os.path.jo",
                     "complete py-show -depth 2 __main__.nothing")


@case
def helps(stage):
    return stage.gdb([], "help memext", "help py-count", "help py-growth", "help py-mark", "help py-objects",
                     "help py-show", "help py-sizeof", "help py-info",
                     "help py-refs", "help py-backrefs", "help py-path", "help py-retained",
                     "help py-strings", "help py-suspects", "help py-report", "help py-export",
                     "help py-save", "help py-open", "help py-catch-oom")


@case
def settings(stage):
    return stage.gdb(["-c", stage.core()], "show memext", "set memext limit 1", "show memext limit", "py-count",
                     "set memext units bytes", "py-count Session", "with memext limit 2 -- py-count")


@case
def values(stage):
    return stage.gdb(["-c", stage.core()], "py-objects '__main__.Shop'", "py-show $py", "py-sizeof $py",
                     "py-show Shop#-1 -depth 1", "py-show Shop#0 -width 1", "py-show Shop#0 -characters 3")


# ---- suspects ----

@case
def suspects(stage):
    return stage.gdb([stage.python, "-c", stage.gcore()], "py-suspects -limit 1", "py-suspects -limit 1 -json",
                     "py-suspects __main__.CACHE", "py-suspects -since nosuchmark",
                     "py-suspects -since %s" % os.path.abspath(__file__))


@case
def suspects_since_a_mark(stage):
    leak = os.path.join(os.path.dirname(__file__), "..", "demo", "leak.py")
    return stage.gdb(["--args", stage.python, leak, "4"], "set breakpoint pending on", "break getppid", "run",
                     "py-mark first", "py-suspects -since first", "continue", "py-suspects -since first -limit 1",
                     "kill")


@case
def suspects_since_another_run(stage):
    return stage.gdb(["-c", stage.later_core()], "py-suspects -limit 1 -since %s" % stage.gcore(),
                     "py-suspects -since %s" % stage.later_core())


@case
def suspects_of_a_cut_core(stage):
    return (stage.gdb(["-c", stage.cut(60)], "py-suspects -limit 1")
            + stage.gdb(["-c", stage.cut(10)], "py-suspects -limit 1"))
