# SPDX-License-Identifier: Apache-2.0
"""py-save and py-open: targets in small files of their own."""
import os

from .. import parameters
from ..answer import Answer
from ..command import Command, files
from ..options import Option, UsageError
from ..session import SESSION


class Save(Command):
    name = "py-save"
    summary = "Save this stop to a small file that py-open opens, on any machine."
    operand = "FILE"
    details = ("The file needs neither the core nor the program's files, and all commands answer from it as\n"
               "they do here. Left out is what they do not need: freed memory, the middle of long texts,\n"
               "numbers in large buffers. It holds the values of the process's objects, as a core does.")
    examples = ("py-save monday.memext",)

    def candidates(self):
        return files()

    def run(self, arguments):
        if len(arguments.operands) != 1:
            raise UsageError("save it where? py-save FILE.memext")
        path = os.path.expanduser(arguments.operands[0])
        heap = SESSION.heap(self.progress)
        saved = SESSION.target().save(heap, path, progress=self.progress)
        answer = self.new_answer()
        answer.total = {"path": os.path.abspath(path), "bytes": saved["bytes"], "memory": saved["memory"]}
        answer.lines = ["py-save: wrote %s: %s for %s of memory; py-open opens it" % (
            path, parameters.size(saved["bytes"]), parameters.size(saved["memory"]))]
        return answer


class Open(Command):
    name = "py-open"
    summary = "Use a file that py-save wrote, or a core, compressed or not, in place of a process or core."
    operand = "[FILE]"
    details = ("Cores compressed with zstd (systemd-coredump), gzip or xz are unpacked to a temporary file.\n"
               "It stays open until py-open without a FILE, or until GDB gets another process or core than\n"
               "it has now (run, attach, core-file). GDB itself does not see its memory: objects are\n"
               "given as addresses, paths of names, or TYPE#N.")
    examples = ("py-open monday.memext", "py-open")
    options = (Option("close", "flag", "the same as without a FILE: back to GDB's process or core"),)

    def candidates(self):
        return files()

    def run(self, arguments):
        if len(arguments.operands) > 1 or (arguments.operands and arguments.close):
            raise UsageError("py-open takes one FILE, or none to close the one that is open")
        if not arguments.operands:
            return self.closed(SESSION.close_saved())
        SESSION.open_saved(os.path.expanduser(arguments.operands[0]), self.progress)
        answer = self.new_answer()
        answer.lines = ["py-open: %s is open: Python %s, process %d; py-open without a file closes it" % (
            answer.target["path"], answer.target["python_version"], answer.target["pid"])]
        return answer

    def closed(self, path):
        if not path:
            raise UsageError("no saved target is open: py-open FILE opens one")
        answer = Answer(self.name, {}, True, [])
        answer.lines = ["py-open: %s is closed" % path]
        return answer
