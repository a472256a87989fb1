"""py-sql against memext's other commands, and the queries of docs/sql.md. Each returns problems."""
import csv
import json
import os
import re

import harness
import interpreters
import terminal
from checks import TOP_KEYS, check, json_of, keys_wrong

DOC = os.path.join(harness.ROOT, "docs", "sql.md")
SUMS = "py-sql -json SELECT type, count(*) AS count, sum(size) AS bytes FROM objects GROUP BY type"


def documented():
    """[(command, header of its output)] of docs/sql.md."""
    with open(DOC, encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^    \(gdb\) (py-sql .*(?<!\\))\n    (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return [(re.sub(r"\s+", " ", command), header.split()) for command, header in found]


@check
def sql_of_the_docs(stage):
    """Each runs, has rows, and the columns that the text shows."""
    queries = documented()
    problems = [] if len(queries) == 10 else ["docs/sql.md has %d queries" % len(queries)]
    text = stage.gdb(["-c", stage.core()], *[command for command, _ in queries])
    for (command, header), output in zip(queries, text.split("(gdb) ")[1:]):
        lines = output.rstrip("\n").split("\n")[1:]
        if not lines or lines[0].split() != header or len(lines) < 2 or lines[1] == "no rows":
            problems.append("%s: %r" % (command, lines[:3]))
    return problems


def sums_wrong(name, counted, summed):
    """Rows of py-count, one a type object, and of SUMS."""
    wanted = {}
    for row in counted["rows"]:
        count, size = wanted.get(row["type"], (0, 0))
        wanted[row["type"]] = (count + row["count"], size + row["bytes"])
    found = {row["type"]: (row["count"], row["bytes"]) for row in summed["rows"]}
    return ["%s: %s is %r in SQL, %r in py-count" % (name, key, found.get(key), wanted.get(key))
            for key in sorted(set(wanted) | set(found)) if found.get(key) != wanted.get(key)]


def both(stage, target):
    text = stage.gdb(target, "py-count -json", SUMS)
    parts = [part.partition("\n")[2] for part in text.split("(gdb) ")[1:]]
    return [json.loads(part) for part in parts]


@check
def sql_sums_equal_py_count(stage):
    counted, summed = both(stage, ["-c", stage.core()])
    problems = sums_wrong("core", counted, summed) + keys_wrong("py-sql", summed, TOP_KEYS)
    if summed["columns"] != ["type", "count", "bytes"] or summed["total"] != {"rows": len(summed["rows"]),
                                                                              "more": False}:
        problems.append("py-sql: columns %r, total %r" % (summed["columns"], summed["total"]))
    return problems


@check
def sql_sums_of_every_interpreter(stage):
    """Of live processes."""
    problems = []
    for one in interpreters.find():
        if not one.refused:
            work = stage.leak(rounds=1, python=one.path)
            problems += sums_wrong(one.name, *both(stage, ["-p", str(work.pid)]))
            work.close()
    return problems


REFERRERS = ("py-sql -json SELECT printf('0x%%x', s.addr) AS src, name, kind, exact FROM refs "
             "JOIN objects s ON s.id = src JOIN objects d ON d.id = dst WHERE d.addr = %s")


@check
def sql_references_equal_py_backrefs(stage):
    problems = []
    for obj in ("__main__.Session", "__main__.CACHE", "Session#7", "__main__.CACHE['session-7'].basket.items[0]"):
        tree = json_of(stage, "py-backrefs -json -depth 1 -width 0 -all %s" % obj)
        addr = tree["edges"][0]["to"]
        wanted = sorted((edge["from"], edge["name"], edge["kind"], edge["exact"]) for edge in tree["edges"]
                        if edge["kind"] != "root")
        found = sorted((row["src"], row["name"], row["kind"], bool(row["exact"]))
                       for row in json_of(stage, REFERRERS % addr)["rows"])
        if found != wanted or not found:
            problems.append("%s: %d references in SQL, %d in py-backrefs" % (obj, len(found), len(wanted)))
    return problems


@check
def sql_retained_equal_py_retained(stage):
    """By address; and what hangs on no object, by path."""
    table = json_of(stage, "py-retained -json -limit 50")
    query = "py-sql -json SELECT addr, retained, size, path(id) AS path FROM objects WHERE addr IN (%s)"
    rows = json_of(stage, query % ", ".join(row["addr"] for row in table["rows"]))["rows"]
    found = {row["addr"]: (row["retained"], row["size"], row["path"]) for row in rows}
    wanted = {row["addr"]: (row["retained"], row["size"]) for row in table["rows"]}
    problems = ["%s retains %r in SQL, %r in py-retained" % (addr, found.get(addr), sizes)
                for addr, sizes in wanted.items() if found.get(addr, ())[:2] != sizes]
    ways = {row["addr"]: row["path"] for row in table["rows"] if row["path"] and row["path"].startswith("sys.modules")}
    return problems + ["%s is %r in SQL" % (way, found[addr][2]) for addr, way in ways.items()
                       if found[addr][2] != way]


@check
def sql_in_files(stage):
    """CSV with what needs quotes; JSON with equal names of columns."""
    as_csv, as_json = os.path.join(stage.folder, "rows.csv"), os.path.join(stage.folder, "rows.json")
    stage.gdb(["-c", stage.core()], "py-sql SELECT 1 AS a, 'x,\"y\"' AS b, NULL AS c, 2.5 AS d -o %s" % as_csv,
              "py-sql SELECT id, id, addr FROM objects LIMIT 30 -o %s" % as_json)
    with open(as_csv, newline="") as file:
        rows = list(csv.reader(file))
    problems = [] if rows == [["a", "b", "c", "d"], ["1", 'x,"y"', "", "2.5"]] else ["CSV: %r" % rows]
    with open(as_json) as file:
        answer = json.load(file)
    if len(answer["rows"]) != 30 or sorted(answer["rows"][0]) != ["addr", "id", "id_2"]:
        problems.append("JSON: %d rows, the first is %r" % (len(answer["rows"]), answer["rows"][:1]))
    return problems + ["addr is %r" % row["addr"] for row in answer["rows"] if not row["addr"].startswith("0x")]


@check
def sql_in_cut_cores(stage):
    """Incomplete, and said so; never an end of GDB."""
    problems = []
    for percent in (60, 95):
        text = stage.gdb(["-c", stage.cut(percent)], "py-sql SELECT count(*), count(value) FROM objects",
                         "py-sql SELECT count(name) FROM refs", "py-sql SELECT count(retained) FROM objects")
        if text.count("(gdb)") != 3 or "internal error" in text:
            problems.append("%d %%: %s" % (percent, text))
        if "incomplete" not in text:
            problems.append("%d %%: nothing says that it is incomplete: %s" % (percent, text))
    return problems


@check
def sql_without_end(stage):
    """It shows its progress, Ctrl-C ends it, and the next one is answered."""
    endless = "py-sql WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    gdb = terminal.Terminal(stage, ["-c", stage.core()])
    try:
        gdb.send(endless.encode() + b"\n")
        gdb.read_until(b"running the statement", 60)
        gdb.send(b"\x03")
        text, _ = gdb.read_until(terminal.PROMPT, 60)
        problems = [] if b"Quit" in text else ["Ctrl-C: %r" % text]
        problems += terminal.cancel(gdb, endless, 1)
        text, _ = gdb.ask("py-sql SELECT count(*) FROM objects WHERE type = '__main__.Session'")
        return problems if b"2000" in text else problems + ["after Ctrl-C: %r" % text]
    finally:
        gdb.close()
