# SPDX-License-Identifier: Apache-2.0
"""The command line of a command, as GDB's own commands take it.

`-option value`, unique abbreviations, options anywhere before `--`. A command
declares its options; parsing, help and completion follow from that. Knows
nothing of GDB, nor of what an option means.
"""
import re
import shlex


UNITS = {"": 1, "K": 2 ** 10, "M": 2 ** 20, "G": 2 ** 30}


class UsageError(Exception):
    """One sentence for the user."""


def to_bytes(option, text):
    """The size that a user wrote: 500, 64K, 1.5M, 2 GiB."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([KMG]?)(?:iB|B)?", text, re.IGNORECASE)
    if not found:
        raise UsageError("-%s takes a size such as 500, 64K or 1.5M, not `%s'" % (option, text))
    return int(float(found.group(1)) * UNITS[found.group(2).upper()])


class Option:
    """A declared option. `kind`: flag, number, size, choice, word, file."""

    def __init__(self, name, kind, text, default=None, choices=(), value="", candidates=None):
        self.name = name
        self.kind = kind
        self.text = text
        self.default = False if kind == "flag" else default
        self.choices = tuple(choices)
        values = {"number": "N", "size": "SIZE", "file": "FILE", "choice": "|".join(self.choices)}
        self.value = value or values.get(kind, "")
        self.candidates = candidates

    @property
    def attribute(self):
        return self.name.replace("-", "_")

    @property
    def usage(self):
        return "-%s %s" % (self.name, self.value) if self.value else "-" + self.name

    def convert(self, text):
        """The value that `text` stands for."""
        if self.kind == "size":
            return to_bytes(self.name, text)
        if self.kind == "number":
            return self.to_number(text)
        if self.kind == "choice":
            found = [choice for choice in self.choices if choice.startswith(text)]
            if text in self.choices or len(found) == 1:
                return text if text in self.choices else found[0]
            raise UsageError("-%s takes one of %s, not `%s'" % (self.name, ", ".join(self.choices), text))
        return text

    def to_number(self, text):
        if text == "unlimited":
            return 0
        if not re.fullmatch(r"[0-9]{1,9}", text):
            all_of_it = ", 0 for all" if "0 for all" in self.text else ""
            raise UsageError("-%s takes a whole number%s, not `%s'" % (self.name, all_of_it, text))
        return int(text)


class Arguments:
    """The values of the options as attributes, and `operands`: the rest, a list, or text as it was typed."""

    def __init__(self, options):
        self.operands = []
        for option in options:
            setattr(self, option.attribute, option.default)


def split(text):
    """The words of `text` as typed: blanks inside quotes and brackets do not end a word."""
    words, word, closers, quote = [], "", [], None
    escaped = False
    for char in text:
        if char.isspace() and not quote and not closers and not escaped:
            words.append(word)
            word = ""
            continue
        word += char
        if escaped or char == "\\":
            escaped = not escaped
        elif quote:
            quote = None if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            closers.append(char)
        elif char in ")]}" and closers:
            closers.pop()
    if quote:
        raise UsageError("a quote (%s) is not closed" % quote)
    return [word for word in words + [word] if word]


def find_option(options, word):
    """The option that `word` names, abbreviated or not."""
    name = word[1:]
    found = [option for option in options if option.name.startswith(name)]
    exact = [option for option in found if option.name == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise UsageError("%s is ambiguous: %s" % (word, ", ".join("-" + option.name for option in found)))
    raise UsageError("there is no option %s here; use one of %s, or `--' before an expression that begins with -"
                     % (word, ", ".join("-" + option.name for option in options)))


def is_option(word):
    return re.match(r"-[A-Za-z]", word) is not None


def unquote(word, to_argv):
    return " ".join(to_argv(word))


def parse(options, text, raw=False, to_argv=shlex.split):
    """Arguments of `text`; the operands are unquoted by `to_argv`, or as typed where `raw`."""
    return parse_words(options, split(text), raw, lambda word: unquote(word, to_argv))


def parse_words(options, words, raw=False, plain=str):
    """Arguments of a line that is in words already; `plain` takes a word's quotes off."""
    arguments = Arguments(options)
    words, operands = list(words), []
    while words:
        word = words.pop(0)
        if word == "--":
            operands += words
            break
        if not is_option(word):
            operands.append(word)
            continue
        option = find_option(options, word)
        if option.kind == "flag":
            setattr(arguments, option.attribute, True)
        elif not words:
            raise UsageError("-%s needs a value: %s" % (option.name, option.usage))
        else:
            setattr(arguments, option.attribute, option.convert(plain(words.pop(0))))
    arguments.operands = " ".join(operands) if raw else [plain(word) for word in operands]
    return arguments


def complete(options, text, operand_candidates):
    """Completions of the last word of `text`, whole words; None where a file name belongs, also as the operand."""
    words = text.split()
    last = words.pop() if words and not text[-1:].isspace() else ""
    waiting = value_wanted(options, words)
    if waiting and waiting.kind == "file":
        return None
    if waiting:
        candidates = waiting.candidates() if waiting.candidates else waiting.choices
    elif last.startswith("-") and "--" not in words:
        candidates = ["-" + option.name for option in options]
    else:
        candidates = operand_candidates()
        if candidates is None:
            return None
    return [candidate for candidate in candidates if candidate.startswith(last)]


def value_wanted(options, words):
    """The option whose value comes after `words`, or None."""
    if not words or not is_option(words[-1]) or "--" in words:
        return None
    try:
        option = find_option(options, words[-1])
    except UsageError:
        return None
    return option if option.kind != "flag" else None


def help_lines(options):
    """One line an option, aligned."""
    width = max(len(option.usage) for option in options)
    return ["  %-*s  %s" % (width, option.usage, option.text) for option in options]
