# SPDX-License-Identifier: Apache-2.0
"""py-info: what is loaded, and how far it can be trusted."""
import platform
import time

import gdb

import _memext

from .. import parameters, table, verifying
from ..answer import address
from ..command import Command
from ..options import Option, UsageError
from ..session import SESSION


class Info(Command):
    name = "py-info"
    summary = "Show which Python this is, its allocator and threads, and how complete the core is."
    details = ("Rows are Python threads. Figures of the heap and of references appear once they were\n"
               "counted at this stop. -verify checks what must hold in every healthy process (lists close, counts\n"
               "agree, references lead to objects), and ends with a line for a bug report, without names or values.")
    examples = ("py-info", "py-info -verify", "py-info -json")
    options = (Option("verify", "flag", "check whether the target is whole, and read rightly"),)

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-info takes options only, such as: py-info -verify")
        return self.verify(arguments) if arguments.verify else self.describe()

    def verify(self, arguments):
        checks, figures = SESSION.graph(self.progress).verify(progress=self.progress)
        answer = self.new_answer()
        answer.rows = verifying.rows_of(checks)
        word = verifying.verdict(answer.rows, answer.complete)
        line = verifying.bug_line(answer.target, figures, answer.rows, word, versions())
        answer.total = dict(figures, verdict=word, line=line)
        failures = verifying.failure_lines(answer.rows)
        answer.lines = (list(verifying.check_table(answer.rows).lines(self.line_width(arguments))) + [""]
                        + failures + ([""] if failures else []) + [line])
        return answer

    def describe(self):
        target = SESSION.target(self.progress)
        answer = self.new_answer()
        answer.rows = [thread_row(thread) for thread in target.threads()]
        answer.total = {"threads": len(answer.rows), "interpreters": len(target.interpreters()),
                        "heap": heap_figures(), "references": SESSION.graph_info()}
        answer.lines = table.fields(lines_of_target(answer.target) + lines_of_heap(answer.total["heap"])
                                    + lines_of_graph(answer.total["references"]))
        answer.lines += [""] + list(thread_table(answer.rows).lines()) if len(answer.rows) > 1 else []
        return answer

    def notes(self, answer):
        """All warnings, each time: this is the place to look them up."""
        SESSION.repeat_warnings()
        return super().notes(answer)


def versions():
    """Of what looks at the target."""
    return "memext %s in GDB %s, %s" % (_memext.version, gdb.VERSION, platform.machine())


def thread_row(thread):
    return {"addr": address(thread["address"]), "interpreter": thread["interpreter"],
            "thread_id": address(thread["thread_id"]), "native_id": thread["native_id"] or None}


def thread_table(rows):
    result = table.Table("interpreter", "LWP", "thread id", "PyThreadState")
    for row in rows:
        result.add(row["interpreter"], row["native_id"] or "?", row["thread_id"], row["addr"])
    return result


def heap_figures():
    """Of the heap, where it was counted at this stop; a dict without the warnings."""
    info = SESSION.heap_info()
    return {key: value for key, value in info.items() if key != "warnings"} if info else None


def python_text(info):
    flags = (("free-threaded", info["free_threaded"]), ("debug build", info["debug_build"]))
    kinds = [text for text, on in flags if on]
    return "%s%s in %s" % (info["python_version"], " (%s)" % ", ".join(kinds) if kinds else "", info["python_module"])


FILE_STATES = {
    "matched": "found, and the same as in the target (build-id)",
    "unchecked": "found, but there is nothing to check it by",
    "missing": "not found: set memext sysroot or library-path",
    "differs": "differs from the one in the target: set memext sysroot or library-path",
}


def core_text(info):
    if not info["expected_bytes"]:
        return None
    present = info["expected_bytes"] - info["missing_bytes"]
    return "complete" if not info["missing_bytes"] else "%s of %s are there" % (
        parameters.size(present), parameters.size(info["expected_bytes"]))


def target_text(info):
    what = {"core": "core %s of ", "saved": "saved target %s of "}.get(info["kind"])
    how = ", through GDB's connection" if info["kind"] == "remote" else ""
    return "%sprocess %d%s" % (what % info["path"] if what else "", info["pid"], how)


def saved_text(info):
    if info["kind"] != "saved":
        return None
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info["saved_at"]))
    return "%s from %s; of long texts and buffers of numbers it has the beginning only" % (
        when, "core %s" % info["saved_path"] if info["saved_kind"] == "core" else "the live process")


def lines_of_target(info):
    return [
        ("target", target_text(info)),
        ("saved", saved_text(info)),
        ("command", " ".join(info["command"].split())),
        ("executable", info["executable"]),
        ("python", python_text(info)),
        ("python file", FILE_STATES.get(info["python_file"], info["python_file"])),
        ("layout", info["layout_origin"]),
        ("allocator", info["allocator"]),
        ("native allocator", info["native_allocator"]),
        ("threads", "%s in Python, %d in all; %s" % (table.number(info["python_threads"]), info["native_threads"],
                                                     table.plural(info["interpreters"], "interpreter"))),
        ("core", core_text(info)),
    ]


def lines_of_heap(heap):
    if not heap:
        return []
    return [
        ("objects", "%s, %s; %s tracked by the garbage collector, %s static" % (
            table.number(heap["objects"]), parameters.size(heap["object_bytes"]),
            table.number(heap["tracked_objects"]), table.number(heap["static_objects"]))),
        ("raw blocks", "%s, %s: tables, buffers, C data" % (
            table.number(heap["raw_blocks"]), parameters.size(heap["raw_bytes"]))),
        ("pymalloc", "%s, %s, %s used, %s free" % (
            table.plural(heap["arenas"], "arena"), table.plural(heap["pools"], "pool"),
            table.plural(heap["pool_used_blocks"], "block"), table.number(heap["pool_free_blocks"]))),
        ("malloc", "%s, %s" % (table.plural(heap["chunks"], "used chunk"), parameters.size(heap["chunk_bytes"]))),
        ("memext itself", "%s for this stop" % parameters.size(heap["memory"])),
    ]


def lines_of_graph(graph):
    if not graph:
        return []
    share = 100 * graph["inexact"] / graph["edges"] if graph["edges"] else 0
    return [("references", "%s, %s; %.2g %% found by conservative scans, %s to what is not there; %s" % (
        table.number(graph["edges"]), table.plural(graph["roots"], "root"), share, table.number(graph["dangling"]),
        parameters.size(graph["memory"])))]
