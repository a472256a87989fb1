# SPDX-License-Identifier: Apache-2.0
"""py-report: the whole diagnosis, as text or as one page."""
import _memext

from .. import functions, objects, parameters, picture, reftree, report, reportpage, table, waste
from ..answer import address
from ..command import SINCE, Command, files
from ..options import Option, UsageError
from ..references import describer, ending_of
from ..session import SESSION

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
        now = SESSION.stop("this stop", self.progress)
        before = SESSION.marks.growth_base(now)
        if arguments.since:
            before = SESSION.marks.find(arguments.since, False, parameters.paths(), self.progress)
        found = self.diagnose(now, before)
        answer = self.new_answer()
        found.complete, found.remarks = answer.complete, remarks(answer, found, before, now)
        answer.rows = found.suspects
        answer.beside = found.json()
        answer.total = {"used": found.used(), "process": found.process[0], "explained": found.total}
        answer.lines = list(report.lines(found))
        answer.report, answer.since = found, heap_of(before, now)
        return answer

    def check_operands(self, arguments):
        """FILE is -o FILE."""
        if len(arguments.operands) > (0 if arguments.o else 1):
            raise UsageError("py-report takes one FILE: %s" % " ".join(arguments.operands + [arguments.o or ""]).strip())
        arguments.o = arguments.operands[0] if arguments.operands else arguments.o
        if arguments.o and ending_of(arguments.o) not in ENDINGS and not arguments.json:
            raise UsageError("FILE ends in .html, .json or .txt: `%s' does not" % arguments.o)

    def diagnose(self, now, before):
        """The Report of this stop."""
        retained = SESSION.retained(self.progress)
        heap = SESSION.heap()
        process = process_bytes()
        found = report.Report(about(), process, parameters.size)
        found.retained = retained.info()
        found.since = before.name if before else None
        free = sum(size * count for size, _pools, _used, count in heap.size_classes())
        found.ledger = report.ledger(heap.info(), found.retained, free, process[0])
        found.types = self.type_rows(retained, heap)
        found.suspects, found.total = suspect_rows(retained, heap_of(before, now), self.progress)
        found.waste = waste_rows(heap, self.progress)
        found.growth = growth_rows(before, now) if before else None
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
            return super().write(answer, path, as_json)
        layout = reportpage.library()
        text = reportpage.fitting(lambda scale: self.page(answer, scale, layout))
        self.clear_progress()
        picture.write(path, text)
        sentence = "wrote %s (%s): open it in a browser" % (path, parameters.size(len(text)))
        return sentence if layout else "%s\nmemext: %s" % (sentence, reportpage.WITHOUT)

    def page(self, answer, scale, layout):
        """The page with `scale` of what it could hold of the map and the trees."""
        nodes = []
        if layout:
            # What would be less than half a pixel of the whole map is put together by type.
            least = answer.report.used() // 1000
            nodes = SESSION.retained().outline(least=least, nodes=max(100, int(NODES * scale)), since=answer.since,
                                               progress=self.progress)
        trees = {one["addr"]: list(holder_trees(one["addr"], int(TREE_WIDTH * scale)))
                 for one in answer.report.suspects if one["addr"]} if scale else {}
        return reportpage.render(answer.report, trees, nodes, layout)


def about():
    info = SESSION.info()
    place = "process %d" % info["pid"] if info["kind"] == "live" else "%s %s of process %d" % (
        info["kind"], info["path"], info["pid"])
    command = " ".join(info["command"].split())
    return "memext report: %s, Python %s%s" % (place, info["python_version"], ": " + command if command else "")


def process_bytes():
    """(bytes, what they are): what the ledger's rows add up to."""
    info = SESSION.info()
    if info["kind"] == "live":
        return functions.rss(), "resident memory of the process"
    return info["expected_bytes"] - info["missing_bytes"], "memory in the %s" % info["kind"]


def heap_of(before, now):
    """The earlier Heap of this very process, against which single blocks can be compared; else None."""
    return before.heap if before and before.heap and before.pid == now.pid else None


def suspect_rows(retained, since, progress):
    """(rows as py-suspects gives them, bytes to be explained)."""
    found, total = retained.suspects(since=since, limit=SUSPECTS_AT_MOST, progress=progress)
    return [suspect_row(one) for one in found], total


def suspect_row(one):
    holds = {"type": one["holds_type"], "count": one["holds_count"], "bytes": one["holds_bytes"]}
    row = {key: one[key] for key in ("type", "path", "is_expression", "cause", "why", "retained", "share",
                                     "example_path", "next")}
    return dict(row, addr=address(one["addr"]), holds=holds if one["holds_count"] else None,
                example=address(one["example"]))


def waste_rows(heap, progress):
    """{rows, kinds, wasted}, as py-strings gives them."""
    found, kinds, wasted = SESSION.target().waste(heap, SESSION.graph(), limit=WASTE_AT_MOST, progress=progress)
    return {"rows": waste.json_rows(found, None, WASTE_AT_MOST)[0], "wasted": wasted,
            "kinds": [{"kind": kind, "count": count, "wasted": size} for kind, count, size in kinds]}


def growth_rows(before, now):
    """What grew by type, most bytes first."""
    old, new = before.histogram(False), now.histogram(False)
    grown = [{"type": row[0], "type_addr": address(row[1]), "count": row[2], "bytes": row[3],
              "count_delta": row[4], "bytes_delta": row[5]} for row in _memext.growth(old, new) if row[5] > 0]
    grown.sort(key=lambda row: (-row["bytes_delta"], -row["count_delta"], row["type"]))
    totals = [(sum(row[3] for row in rows), sum(row[4] for row in rows)) for rows in (new.rows(), old.rows())]
    return {"since": before.name, "rows": grown[:GROWTH_AT_MOST],
            "total": {"count_delta": totals[0][0] - totals[1][0], "bytes_delta": totals[0][1] - totals[1][1]}}


def remarks(answer, found, before, now):
    """Sentences on how far the figures can be trusted."""
    graph, kept = SESSION.graph_info(), found.retained
    share = 100 * graph["inexact"] / graph["edges"] if graph["edges"] else 0
    result = ["Every block of the heap was read." if answer.complete else
              "Parts of the target are missing: figures are lower bounds.",
              "%s references; %.2g %% of them found by conservative scans, %s to memory that is not there." % (
                  table.number(graph["edges"]), share, table.number(graph["dangling"])),
              "%s unreachable garbage, %s C data that no object is known to own." % (
                  parameters.size(kept["unreachable"] - kept["unowned"]), parameters.size(kept["unowned"]))]
    if before and before.pid != now.pid:
        result.append("%s is of process %s, this is process %s: growth is told by type only." % (
            before.name, before.pid, now.pid))
    return result + answer.warnings


def holder_trees(text, width):
    """What refers to an object, and what it refers to."""
    start = int(text, 16)
    describe = describer(SESSION.target())
    for referrers in (True, False):
        query = reftree.Query(referrers, TREE_DEPTH if referrers else TREE_DEPTH - 1, max(width, 1))
        try:
            yield reftree.load(SESSION.graph(), start, query, describe)
        except _memext.Error:
            # What is damaged has no tree; the suspect itself is told all the same.
            return
