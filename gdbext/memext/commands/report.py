# SPDX-License-Identifier: Apache-2.0
"""py-report: the whole diagnosis, as text or as one page."""
import contextlib
import os

import _memext

from .. import ledger, parameters, picture, reftree, report, reportpage, suspects, table, waste
from ..answer import address
from ..command import SINCE, Command, files
from ..options import Option, UsageError
from ..references import describer, ending_of
from ..session import SESSION
from .suspects import Earlier

ENDINGS = ("html", "json", "txt")
# Of the page; halved until the page is small enough.
NODES, TREE_DEPTH, TREE_WIDTH = 10000, 3, 10
# Rows of the page's tables, and for programs.
TYPES_AT_MOST, WASTE_AT_MOST, SUSPECTS_AT_MOST, GROWTH_AT_MOST = 200, 40, 20, 200


class Report(Command):
    name = "py-report"
    summary = "Tell in one go where the memory went: the verdict, the ledger, suspects, types, waste, what to do next."
    operand = "[FILE.html]"
    details = ("Text of two screens; with FILE.html one page with a map of retained memory that zooms,\n"
               "tables that sort, and suspects with what holds them. It needs no network.\n"
               "Growth is told since a mark, a core or a file, else since the last py-growth.")
    examples = ("py-report", "py-report report.html", "py-report report.html -since before.core")
    options = (SINCE,)
    output = Option("o", "file", "write to FILE.html, .json or .txt; the same as FILE without -o")

    def candidates(self):
        return files()

    def run(self, arguments):
        self.check_operands(arguments)
        answer = None
        with contextlib.ExitStack() as stack:
            retained = SESSION.retained(self.progress)
            before = find_baseline(arguments.since, self.progress, stack)
            found = self.diagnose(retained, before)
            answer = self.new_answer()
            found.complete, found.remarks = answer.complete, remarks(answer, found, before)
            answer.beside = found.json()
            answer.rows = answer.beside["suspects"]
            answer.total = {"used": found.used(), "process": found.process[0], "explained": found.total,
                            "since": arguments.since}
            answer.lines = list(report.lines(found))
            if ending_of(arguments.o or "") == "html" and not arguments.json:
                answer.page = self.make_page(found, before)
        return answer

    def writes_file(self, arguments):
        return bool(arguments.operands or arguments.o)

    def check_operands(self, arguments):
        """FILE is -o FILE."""
        named = arguments.operands + ([arguments.o] if arguments.o else [])
        if len(named) > 1:
            raise UsageError("py-report takes one FILE: %s" % " ".join(named))
        arguments.o = named[0] if named else None
        if arguments.o and ending_of(arguments.o) not in ENDINGS and not arguments.json:
            raise UsageError("FILE ends in .html, .json or .txt: `%s' does not" % arguments.o)

    def diagnose(self, retained, before):
        """The Report of this stop."""
        heap = SESSION.heap()
        book = read_ledger(self.progress)
        process = process_bytes(book)
        found = report.Report(about(), process, SESSION.is_running_kind(), parameters.size)
        found.retained = retained.info()
        free = sum(size * count for size, _pools, _used, count in heap.size_classes())
        found.ledger = report.ledger(heap.info(), found.retained, free, process[0])
        found.memory = ledger.verdict(book, parameters.size)
        found.types = self.type_rows(retained, heap)
        found.suspects, found.total = suspect_rows(retained, before, self.progress)
        found.waste = waste_rows(heap, self.progress)
        if before:
            found.since = before.name if before.heap or before.retained else None
            found.growth = growth_rows(before, heap)
        return found

    def type_rows(self, retained, heap):
        """By falling bytes, with what each type's objects retain."""
        kept = {row[1]: row[2] for row in retained.rows(by="type", progress=self.progress)[0]}
        return [{"type": row[0], "type_addr": address(row[1]), "count": row[3], "bytes": row[4],
                 "retained": kept.get(row[0])} for row in heap.histogram().rows()[:TYPES_AT_MOST]]

    def notes(self, answer):
        """What is incomplete is among the remarks."""
        return []

    def write(self, answer, path, as_json):
        if as_json or ending_of(path) != "html":
            super().write(answer, path, as_json)
            return "wrote %s (%s)" % (path, table.plural(len(answer.rows), "suspect"))
        picture.write(path, answer.page)
        sentence = "wrote %s (%s): open it in a browser" % (path, parameters.size(os.path.getsize(path)))
        return sentence if reportpage.library() else "%s\nmemext: %s" % (sentence, reportpage.WITHOUT)

    def make_page(self, found, before):
        since = before.heap if before else None
        found.map_since = before.name if since else None
        layout = reportpage.library()

        def make(scale):
            nodes = self.outline(found, since, scale) if layout else []
            return reportpage.render(found, holders(found, scale), nodes, layout)
        return reportpage.fitting(make)

    def outline(self, found, since, scale):
        """What would be less than half a pixel of the whole map is put together by type."""
        return SESSION.retained().outline(least=found.used() // 4000, nodes=max(100, int(NODES * scale)), since=since,
                                          progress=self.progress)


class Baseline:
    """What is compared with. `heap`: of this very process, so that blocks can be compared; `retained`: of another one.
    Both are None where only counts by type are left."""

    def __init__(self, name, counts, heap=None, retained=None, other=None):
        self.name = name
        self.counts = counts
        self.heap = heap
        self.retained = retained
        self.other = other


def find_baseline(name, progress, stack):
    """The Baseline of -since NAME, or of the last py-growth; None without one. `stack` closes what was opened."""
    now = SESSION.stop("this stop", progress)
    path = os.path.expanduser(name or "")
    if name and not SESSION.marks.get(name) and os.path.isfile(path) and not begins_as_json(path):
        earlier = stack.enter_context(Earlier(path, progress))
        name = os.path.basename(path)
        counts = earlier.heap.histogram(tracked=False)
        if earlier.is_same_process():
            return Baseline(name, counts, heap=earlier.heap)
        return Baseline(name, counts, retained=earlier.retained(), other=earlier.target.info()["pid"])
    stop = SESSION.marks.find(name, False, parameters.paths(), progress) if name else SESSION.marks.growth_base(now)
    if not stop:
        return None
    same = stop.pid == now.pid
    return Baseline(os.path.basename(stop.name), stop.histogram(False), heap=stop.heap if same else None,
                    other=None if same else stop.pid)


def about():
    info = SESSION.info()
    place = "process %d" % info["pid"] if SESSION.is_running_kind() else "%s %s of process %d" % (
        info["kind"], info["path"], info["pid"])
    command = " ".join(info["command"].split())
    return "memext report: %s, Python %s%s" % (place, info["python_version"], ": " + command if command else "")


RESIDENT = "resident memory of the process"


def read_ledger(progress):
    return ledger.Ledger(SESSION.target().ledger(SESSION.heap(), progress=progress), SESSION.info()["kind"])


def process_bytes(book):
    """(bytes, what they are): what the rows of a report's ledger add up to."""
    if not SESSION.is_running_kind():
        return book.in_use(), "memory in the %s" % SESSION.info()["kind"]
    resident = SESSION.resident()
    if resident is not None:
        return resident, RESIDENT
    return book.total["virtual"], "memory that the process has mapped"


def begins_as_json(path):
    """Counts that were saved, not a process."""
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip()[:1] == b"{"
    except OSError as error:
        raise UsageError("cannot read %s: %s" % (path, error.strerror))


def suspect_rows(retained, before, progress):
    """(rows as py-suspects gives them, bytes to be explained)."""
    found, total = retained.suspects(since=before.heap if before else None,
                                     since_retained=before.retained if before else None, limit=SUSPECTS_AT_MOST,
                                     progress=progress)
    return [dict(suspects.json_row(one), is_expression=one["is_expression"]) for one in found], total


def waste_rows(heap, progress):
    """{rows, kinds, wasted}, as py-strings gives them."""
    found, kinds, wasted = SESSION.target().waste(heap, SESSION.graph(), limit=WASTE_AT_MOST, progress=progress)
    return {"rows": waste.json_rows(found, None, WASTE_AT_MOST)[0], "wasted": wasted,
            "kinds": [{"kind": kind, "count": count, "wasted": size} for kind, count, size in kinds]}


def growth_rows(before, heap):
    """What grew by type, most bytes first."""
    now = heap.histogram()
    grown = [{"type": row[0], "type_addr": address(row[1]), "count": row[2], "bytes": row[3],
              "count_delta": row[4], "bytes_delta": row[5]} for row in _memext.growth(before.counts, now) if row[5] > 0]
    grown.sort(key=lambda row: (-row["bytes_delta"], -row["count_delta"], row["type"]))
    totals = [(sum(row[3] for row in rows), sum(row[4] for row in rows)) for rows in (now.rows(), before.counts.rows())]
    return {"since": before.name, "rows": grown[:GROWTH_AT_MOST],
            "total": {"count_delta": totals[0][0] - totals[1][0], "bytes_delta": totals[0][1] - totals[1][1]}}


def remarks(answer, found, before):
    """Sentences on how far the figures can be trusted."""
    graph, kept = SESSION.graph_info(), found.retained
    share = 100 * graph["inexact"] / graph["edges"] if graph["edges"] else 0
    result = ["Every block of the heap was read." if answer.complete else
              "Parts of the target are missing: figures are lower bounds.",
              "%s references; %.2g %% of them found by conservative scans, %s to memory that is not there." % (
                  table.number(graph["edges"]), share, table.number(graph["dangling"])),
              "%s unreachable garbage, %s C data that no object is known to own." % (
                  parameters.size(kept["unreachable"] - kept["unowned"]), parameters.size(kept["unowned"]))]
    if before and before.other:
        result.append("%s is of process %s, this is process %s." % (before.name, before.other, SESSION.info()["pid"]))
    if before and not before.heap and not before.retained:
        result.append("%s holds counts only: growth is told by type, suspects are of the whole heap." % before.name)
    return result + answer.warnings


def holders(found, scale):
    """{address: trees around the holder} for the page."""
    width = int(TREE_WIDTH * scale)
    return {one["addr"]: list(holder_trees(one["addr"], width)) for one in found.suspects if one["addr"] and width}


def holder_trees(text, width):
    """What refers to an object, and what it refers to."""
    start = int(text, 16)
    describe = describer(SESSION.target())
    for referrers in (True, False):
        query = reftree.Query(referrers, TREE_DEPTH if referrers else TREE_DEPTH - 1, width)
        try:
            yield reftree.load(SESSION.graph(), start, query, describe)
        except _memext.Error:
            # What is damaged has no tree; the suspect itself is told all the same.
            return
