# SPDX-License-Identifier: Apache-2.0
"""py-suspects: the few holders that explain most of the memory, or of its growth."""
import os

from .. import marks, objects, parameters, suspects, table
from ..command import Command, files, remember_object
from ..options import Option, UsageError
from ..references import short_value
from ..session import SESSION

SHOWN = 6


class Suspects(Command):
    name = "py-suspects"
    summary = "Name the few holders that explain most of the memory, or with -since most of its growth, and the cause."
    details = ("A holder is followed down to where its bytes fan out. Causes: module-global, class-attribute,\n"
               "memoization, frame-local, thread-local, exception, generator, test-framework, extension-module,\n"
               "garbage, other. What several hold counts for the one that is nearest to a root, and is said to be\n"
               "shared. Holders of less than 1 % are left out.\n"
               "-since MARK|CORE of this process explains what is new; a core of another run of the same program,\n"
               "what its holders have more of now.")
    examples = ("py-suspects", "py-suspects -since start", "py-suspects -since yesterday.core -json")
    options = (Option("since", "word", "explain what is new since a mark or a core, or more than in another run's core",
                      value="MARK|CORE", candidates=lambda: SESSION.marks.names() + files()),
               Option("limit", "number", "holders at most, 0 for all (default: %d)" % SHOWN))

    def run(self, arguments):
        if arguments.operands:
            raise UsageError("py-suspects takes options only; py-retained %s tells what that consists of"
                             % arguments.operands[0])
        retained = SESSION.retained(self.progress)
        than = ""
        if arguments.since:
            (found, total), than = self.find_since(retained, arguments.since)
        else:
            found, total = retained.suspects(progress=self.progress)
        limit = self.limit_for(arguments)
        shown = found[:limit] if limit else found
        answer = self.new_answer()
        answer.rows = [suspects.json_row(row) for row in shown]
        answer.total = {"rows": len(found), "bytes": total, "since": arguments.since}
        answer.lines = [suspects.head_line(shown, total, than, parameters.size)]
        answer.lines += self.text_lines(found, shown, arguments)
        if shown and (shown[0]["addr"] or shown[0]["example"]):
            remember_object(shown[0]["addr"] or shown[0]["example"])
        return answer

    def limit_for(self, arguments):
        if arguments.limit is not None:
            return arguments.limit
        return 0 if arguments.json or arguments.o else SHOWN

    def text_lines(self, found, shown, arguments):
        result = list(suspects.lines(shown, example_text, parameters.size, self.line_width(arguments)))
        if len(shown) < len(found):
            result.append("… and %s (-limit 0 shows all)" % table.plural(len(found) - len(shown), "more holder"))
        return result

    def find_since(self, retained, name):
        """What is new since an earlier stop of this process, or more than in another one: and which, in words."""
        mark = SESSION.marks.get(name)
        if not mark:
            return self.find_since_file(retained, os.path.expanduser(name))
        if mark.pid != SESSION.info()["pid"] or not mark.heap:
            raise UsageError("the mark %s is of another process, and keeps no references: compare with its core"
                             % name)
        return retained.suspects(since=mark.heap, progress=self.progress), "new since %s" % name

    def find_since_file(self, retained, path):
        if not os.path.isfile(path):
            raise UsageError("there is no mark and no file `%s'%s" % (path, SESSION.marks.hint()))
        with Earlier(path, self.progress) as earlier:
            if earlier.is_same_process():
                return retained.suspects(since=earlier.heap, progress=self.progress), "new since %s" % path
            return (retained.suspects(since_retained=earlier.retained(), progress=self.progress),
                    "more than in %s" % path)


class Earlier:
    """A core that is compared with; closed at the end of a `with`."""

    def __init__(self, path, progress):
        self.progress = progress
        self.handles = []
        self.target = self.keep(marks.open_file(path, parameters.paths(), progress))
        self.heap = self.keep(self.target.heap(progress=progress))

    def keep(self, handle):
        self.handles.append(handle)
        return handle

    def is_same_process(self):
        """A pid comes again; an address space is laid out anew for each process."""
        return identity(self.target) == identity(SESSION.target())

    def retained(self):
        graph = self.keep(self.target.graph(self.heap, progress=self.progress))
        return self.keep(graph.retained(progress=self.progress))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in reversed(self.handles):
            handle.close()


def identity(target):
    """Of a process: its number, and where chance put its interpreter."""
    return target.info()["pid"], [one["address"] for one in target.interpreters()][:1]


def example_text(addr):
    """Type and value of an element."""
    row = objects.row(SESSION.target(), addr)
    return " ".join(part for part in (row["type"], short_value(row)) if part)
