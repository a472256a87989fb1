# SPDX-License-Identifier: Apache-2.0
"""What every command shares: its help, options, completion, errors, progress and output.

A command is a class with texts and run(arguments), which gives an Answer.
"""
import os
import traceback

import gdb

import _memext

from . import objects, options, parameters
from .answer import Answer
from .options import Option, UsageError
from .session import SESSION

JSON = Option("json", "flag", "print JSON, nothing else; sizes in bytes")
OUTPUT = Option("o", "file", "write to FILE: JSON if it ends in .json or with -json, else text")
LIMIT = Option("limit", "number", "rows at most, 0 for all (default: show memext limit)")
GC = Option("gc", "flag", "only what gc.get_objects() would list")
SINCE = Option("since", "word", "compare with a mark, a core, a file of py-save or of py-count -json -o",
               value="MARK|FILE", candidates=lambda: SESSION.marks.names() + files())


def files():
    """Names in the current folder, for completion beside other candidates."""
    return sorted(name for name in os.listdir(".") if os.path.isfile(name))


# How memext's own signs look where the host's character set lacks them.
PLAIN = str.maketrans({"…": "...", "├": "|", "└": "`", "│": "|", "─": "-", "×": "x", "→": "->"})


def plain(text):
    return text.translate(PLAIN).encode("ascii", "backslashreplace").decode()


def host_charset():
    """GDB's. Its default is asked for once, as memext is loaded: see session.defers_commands()."""
    name = gdb.parameter("host-charset")
    if name != "auto":
        return name
    if not AUTO_CHARSET:
        AUTO_CHARSET.append(gdb.execute("show host-charset", to_string=True))
    return AUTO_CHARSET[0]


AUTO_CHARSET = []


def for_host(text):
    """`text` as far as the host's character set can hold it; GDB itself would write UTF-8 anyhow."""
    if "utf" not in host_charset().lower():
        return plain(text)
    return text.encode("utf-8", "backslashreplace").decode()


def emit(text):
    """Writes to GDB's output."""
    text = for_host(text)
    try:
        gdb.write(text)
    except UnicodeEncodeError:
        gdb.write(plain(text))


class Progress:
    """One line on the terminal that rewrites itself; the library calls it."""

    def __init__(self):
        self.shown = 0

    def __call__(self, stage, done, total):
        percent = " %d %%" % (100 * done // total) if total else ""
        line = "memext: %s%s" % (stage, percent)
        gdb.write("\r" + line.ljust(self.shown), gdb.STDERR)
        gdb.flush(gdb.STDERR)
        self.shown = max(self.shown, len(line))

    def clear(self):
        if self.shown:
            gdb.write("\r%s\r" % (" " * self.shown), gdb.STDERR)
            gdb.flush(gdb.STDERR)
        self.shown = 0


class Silence:
    """Progress that nobody sees. Programs end a command by a flag of GDB's, without SIGINT: any call of GDB's looks."""

    def __call__(self, _stage, _done, _total):
        gdb.write("")

    def clear(self):
        """Nothing was shown."""


def new_progress(from_tty):
    """What shows the progress of long work, where somebody may be looking."""
    return Progress() if from_tty and os.isatty(2) and parameters.flag("progress") else Silence()


def sentence(text):
    return gdb.GdbError("memext: %s" % text)


def explain(error):
    """The GdbError that tells the user of `error`."""
    if isinstance(error, (UsageError, _memext.Error, gdb.error)):
        return sentence(str(error))
    if isinstance(error, MemoryError):
        return sentence("GDB has no memory left for this")
    if gdb.parameter("python print-stack") == "full":
        gdb.write("".join(traceback.format_exception(type(error), error, error.__traceback__)), gdb.STDERR)
        return sentence("internal error: %s: %s" % (type(error).__name__, error))
    return sentence("internal error: %s: %s (set python print-stack full shows where)" % (type(error).__name__, error))


class Command(gdb.Command):
    """The base. A class tells name, summary, operand, details, examples and options."""

    name = summary = operand = details = ""
    examples = ()
    options = ()
    output = OUTPUT
    raw = False  # the operand is an expression, kept as typed
    counting = True  # what the target lacks makes the answer wrong
    kind = gdb.COMMAND_DATA
    resumes = False  # lets the process run, and answers afterwards

    def __init__(self):
        self.options = tuple(self.options) + (JSON, self.output)
        self.__doc__ = self.help_text()
        self.progress = None
        super().__init__(self.name, self.kind)

    def help_text(self):
        lines = [self.summary, "", ("Usage: %s [-OPTION]... %s" % (self.name, self.operand)).rstrip(), ""]
        lines += [self.details, ""] if self.details else []
        lines += options.help_lines(self.options)
        lines += ["", "Examples:"] + ["  " + example for example in self.examples]
        return "\n".join(lines)

    def invoke(self, text, from_tty):
        self.dont_repeat()
        self.attempt(new_progress(from_tty),
                     lambda: options.parse(self.options, text, self.raw, gdb.string_to_argv), self.deliver)

    def attempt(self, progress, parse, deliver):
        """Runs with the Arguments of parse(); what deliver(Answer, Arguments) returns. Errors are GdbErrors."""
        self.progress = progress
        try:
            arguments = parse()
            answer = self.run(arguments)
            self.clear_progress()
            return deliver(answer, arguments)
        except (gdb.GdbError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise explain(error) from None
        finally:
            self.clear_progress()
            self.progress = None

    def clear_progress(self):
        if self.progress:
            self.progress.clear()

    def complete(self, text, word):
        if word is None:
            return None
        self.typed = typed = "" if text[-1:].isspace() or not text else text.split()[-1]
        found = options.complete(self.options, text, self.candidates)
        if found is None:
            return gdb.COMPLETE_FILENAME
        # GDB wants what replaces its own last word, which begins after a break character such as '.' or '-'.
        return [candidate[len(typed) - len(word):] for candidate in found]

    def candidates(self):
        """Completions of the operand, of which the user wrote self.typed."""
        return []

    def run(self, arguments):
        raise NotImplementedError

    def new_answer(self):
        """An empty Answer about the target that is open."""
        info = dict(SESSION.info())
        heap = SESSION.heap_info()
        warnings = info.pop("warnings") + (heap["warnings"] if heap else [])
        complete = heap["complete"] if heap else not info["missing_bytes"]
        return Answer(self.name, info, complete and not info["missing_bytes"], warnings)

    def deliver(self, answer, arguments):
        if arguments.o:
            emit(self.write_file(answer, arguments) + "\n")
        elif arguments.json:
            emit(answer.json())
        else:
            emit("".join(line + "\n" for line in answer.lines + self.notes(answer)))

    def writes_file(self, arguments):
        """Whether the rows go to a file, and not to who asked."""
        return bool(arguments.o)

    def write_file(self, answer, arguments):
        """Writes what -o asks for; the sentence that says so."""
        return self.write(answer, os.path.expanduser(arguments.o), arguments.json or arguments.o.endswith(".json"))

    def write(self, answer, path, as_json):
        """Writes the file; the sentence that says so."""
        return answer.write(path, as_json)

    def notes(self, answer):
        """What is wrong with the numbers: always that they are incomplete, each other warning once a target."""
        missing = [warning for warning in answer.warnings if is_incompleteness(warning)]
        if not answer.complete and not missing:
            missing = ["incomplete: parts of the target could not be read: counts are lower bounds"]
        news = SESSION.take_news()
        return ([news] if news else []) + (missing if self.counting else []) + [
            "warning: " + warning for warning in answer.warnings
            if not is_incompleteness(warning) and SESSION.first_time(warning)]

    def row_limit(self, arguments):
        """The number of rows to give; programs and files get all unless told otherwise."""
        if arguments.limit is not None:
            return arguments.limit
        return 0 if arguments.json or arguments.o else parameters.number("limit")

    def line_width(self, arguments):
        return 0 if arguments.o else gdb.parameter("width") or 0


class ObjectCommand(Command):
    """The base of commands about one object, OBJ."""

    raw = True

    def candidates(self):
        return objects.candidates(self.typed)


def is_incompleteness(warning):
    """The library's sentences on what is missing begin with that word."""
    return warning.startswith("incomplete:")


def remember_object(address):
    """Sets $py. The cast keeps 64 bits where GDB takes the target for a 32-bit one."""
    gdb.set_convenience_variable("py", gdb.Value(address).cast(gdb.lookup_type("unsigned long long")))
