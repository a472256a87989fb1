# SPDX-License-Identifier: Apache-2.0
"""What a user names as a Python function to stop at, and which functions that means. Knows nothing of GDB."""
from .options import UsageError


class Function:
    """A function as the library lists it."""

    def __init__(self, name, module, file, line, is_qualified, code, entry):
        self.name, self.module, self.file, self.line = name, module, file, line
        self.is_qualified, self.code, self.entry = is_qualified, code, entry

    @property
    def title(self):
        name = "%s.%s" % (self.module, self.name) if self.module else self.name
        return "%s (%s:%d)" % (name, self.file, self.line)


def plain(name):
    """`outer.inner` for Python's `outer.<locals>.inner`."""
    return name.replace("<locals>.", "")


class Place:
    """[FILE.py:]FUNCTION, MODULE:QUALNAME or FILE.py:LINE."""

    def __init__(self, text):
        head, colon, tail = text.rpartition(":")
        self.text = text
        self.file = head if colon and (head.endswith(".py") or "/" in head) else None
        self.module = head if colon and not self.file else None
        self.line = int(tail) if self.file and tail.isdigit() else None
        self.name = None if self.line else plain(tail)
        if not tail or (colon and not head):
            raise UsageError("`%s' names no function: py-break [FILE.py:]FUNCTION, MODULE:FUNCTION or FILE.py:LINE"
                             % text)
        if self.module and tail.isdigit():
            raise UsageError("`%s' is no file: a line is FILE.py:LINE" % head)

    def is_in(self, function):
        """Whether the file and module are those named; a file by the end of its path."""
        if self.file:
            return function.file == self.file or function.file.endswith("/" + self.file.lstrip("./"))
        return not self.module or function.module == self.module or (
            not function.module and is_file_of(function.file, self.module))

    def find(self, functions, importing=False):
        """The functions that are meant, the best matches only.

        A bare name means the user's own code: of the standard library's only where nothing else has it, and never of
        a module that is just being imported, before that of the user.
        """
        inside = [function for function in functions if self.is_in(function)]
        if self.is_bare_name:
            own = [function for function in inside if not is_library(function.file)]
            return self.best(own) or ([] if importing else self.best(inside))
        return self.best(inside)

    @property
    def is_bare_name(self):
        return not self.file and not self.module and "." not in self.text

    def best(self, inside):
        if self.line:
            return at_line(inside, self.line)
        for is_match in (self.is_exact, self.is_tail, self.is_bare):
            found = [function for function in inside if is_match(function)]
            if found:
                return found
        return []

    def is_exact(self, function):
        name = plain(function.name)
        return function.is_qualified and (name == self.name or "%s.%s" % (function.module, name) == self.name)

    def is_tail(self, function):
        return function.is_qualified and plain(function.name).endswith("." + self.name)

    def is_bare(self, function):
        """Before 3.11 code that no function object has yet knows only its last name."""
        return not function.is_qualified and function.name == self.name.rpartition(".")[2]


def is_library(file):
    """Whether it is of Python's own standard library, as far as its path tells."""
    return file.startswith("<frozen ") or ("/lib/python" in file and "/site-packages/" not in file and
                                           "/dist-packages/" not in file)


def is_file_of(file, module):
    """Whether a module of this name would be in this file."""
    path = module.replace(".", "/")
    return file.endswith(("/%s.py" % path, "/%s/__init__.py" % path)) or file == path + ".py"


def at_line(functions, line):
    """The function that starts there, else the last one that starts before it: its decorators, or its body."""
    starts = [function.line for function in functions if function.line <= line]
    named = [function for function in functions if not function.name.endswith(">")]
    best = max([function.line for function in named if function.line <= line] or [0])
    if line in starts:
        best = line
    found = [function for function in functions if function.line == best]
    return [function for function in found if not function.name.endswith(">")] or found


def ambiguous(place, found):
    return "`%s' means %d functions: %s%s: say which by FILE.py:LINE or MODULE:FUNCTION" % (
        place.text, len(found), ", ".join(function.title for function in found[:6]), "…" if found[6:] else "")
