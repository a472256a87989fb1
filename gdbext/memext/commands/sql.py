# SPDX-License-Identifier: Apache-2.0
"""py-sql: questions that no other command asks."""
import os

import _memext

from .. import sqltext, table
from ..command import LIMIT, Command, remember_object
from ..options import Option, UsageError
from ..session import SESSION

ALL = 2 ** 62
CHUNK = 10000

TABLES = """objects(id, addr, type, module, size, owned, retained, refcount, gc, root_distance, value)
refs(src, dst, kind, name, exact)         src and dst are ids of objects and blocks
types(id, addr, name, module, basicsize, itemsize, count, bytes, tracked)
roots(id, addr, kind, name, exact)
blocks(id, addr, size, kind, allocator)
regions(addr, size, flags, kind, name, missing)
strings(id, addr, type, length, width, size, value)
path(id): how Python gets there; show(id): its value; object('app.CACHE'): its id"""


class Sql(Command):
    name = "py-sql"
    summary = "Ask the heap in SQL, SQLite's: one statement that reads."
    operand = "STATEMENT"
    details = ("Tables and functions (docs/sql.md tells more):\n"
               + "".join("  %s\n" % line for line in TABLES.split("\n"))
               + "refs, roots, path() and root_distance follow references first; owned and retained\n"
               "add up what objects hold.")
    examples = ("py-sql SELECT type, count(*), sum(size) FROM objects GROUP BY 1 ORDER BY 3 DESC",
                "py-sql SELECT addr, value FROM objects WHERE type = 'app.Order' LIMIT 5",
                "py-sql SELECT src, name, path(src) FROM refs WHERE dst = object('app.CACHE') -json")
    options = (LIMIT, Option("csv", "flag", "print CSV, nothing else; -o FILE.csv does so too"))
    raw = True

    def candidates(self):
        return [line.partition("(")[0] for line in TABLES.split("\n")[:7]]

    def run(self, arguments):
        statement = sqltext.unwrap(arguments.operands)
        if not statement:
            raise UsageError("which statement? For example: py-sql SELECT type, count(*) FROM objects GROUP BY 1")
        self.as_csv = arguments.csv or (arguments.o or "").endswith(".csv")
        if self.as_csv and arguments.json:
            raise UsageError("-csv and -json: choose one")
        sql = self.open(statement)
        try:
            return self.to_file(sql, arguments) if self.as_csv and arguments.o else self.to_rows(sql, arguments)
        finally:
            sql.close()

    def open(self, statement):
        """The statement begun on this stop, with what it needs."""
        needs = _memext.sql_check(statement)
        heap = SESSION.heap(self.progress)
        graph = SESSION.graph(self.progress) if needs["graph"] else None
        retained = SESSION.retained(self.progress) if needs["retained"] else None
        return SESSION.target().sql(heap, statement, graph=graph, retained=retained, progress=self.progress)

    def to_rows(self, sql, arguments):
        names, limit = sql.columns(), self.limit_for(arguments)
        rows = sql.rows(limit + 1 if limit else ALL, progress=self.progress)
        remember_first(rows)
        more = bool(limit) and len(rows) > limit
        rows = rows[:limit] if more else rows
        answer = self.new_answer()
        answer.beside = {"columns": sqltext.unique(names)}
        answer.total = {"rows": len(rows), "more": more}
        answer.rows = sqltext.json_rows(names, rows) if arguments.json or arguments.o else []
        answer.lines = (sqltext.csv_lines(names, rows) if self.as_csv else
                        list(sqltext.aligned(names, rows, self.line_width(arguments))) + last_line(rows, more))
        return answer

    def to_file(self, sql, arguments):
        """Some rows at a time: there may be more than GDB has memory for."""
        path = os.path.expanduser(arguments.o)
        count = sqltext.write_csv(path, sql.columns(), self.chunks(sql, self.limit_for(arguments)))
        answer = self.new_answer()
        answer.total = {"rows": count}
        return answer

    def chunks(self, sql, limit):
        left = limit or ALL
        while left:
            rows = sql.rows(min(left, CHUNK), progress=self.progress)
            if not rows:
                return
            left -= len(rows)
            yield rows

    def write(self, answer, path, as_json):
        if not self.as_csv:
            return super().write(answer, path, as_json)
        return "wrote %s (%s)" % (path, table.plural(answer.total["rows"], "row"))

    def limit_for(self, arguments):
        """Programs get all."""
        return 0 if self.as_csv and arguments.limit is None else self.row_limit(arguments)

    def notes(self, answer):
        return [] if self.as_csv else super().notes(answer)


def last_line(rows, more):
    return ["… and more rows (-limit 0 shows all)"] if more else [] if rows else ["no rows"]


def remember_first(rows):
    """$py is the first address of the first row."""
    for value in rows[0] if rows else ():
        if isinstance(value, str) and value.startswith("0x"):
            try:
                remember_object(int(value, 16))
            except ValueError:
                continue
            return
