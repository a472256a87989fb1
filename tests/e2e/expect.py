"""Whole outputs against files with patterns.

In a file under expected/, one line a line of output, where

  {N}      a number, with or without thousands separators and sign
  {SIZE}   a number of bytes with its unit
  {VERSION} a version of three numbers
  {ADDR}   a hexadecimal address
  {TEXT}   anything within the line
  {LINES}  alone on a line: any number of lines

Runs of blanks are one blank: the width of a column depends on its numbers.
"""
import difflib
import re

PARTS = {
    "{N}": r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?",
    "{SIZE}": r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?\ (?:B|KiB|MiB|GiB|TiB|bytes)",
    "{VERSION}": r"[0-9]+\.[0-9]+\.[0-9]+",
    "{ADDR}": r"0x[0-9a-f]+",
    "{TEXT}": r".*",
}
TOKEN = re.compile("|".join(map(re.escape, PARTS)))

SIZE = re.compile(r"(?<![\w.])[-+]?[0-9][0-9,]*(?:\.[0-9]+)? (?:B|KiB|MiB|GiB|TiB|bytes)\b")
ADDRESS = re.compile(r"\b0x[0-9a-f]{4,}\b")
VERSION = re.compile(r"\b[0-9]+\.[0-9]+\.[0-9]+\b")
# Which Session comes first in memory differs from run to run.
SESSION = re.compile(r"\{user=.*")
NUMBER = re.compile(r"(?<![\w.{#])[-+]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?![\w}])")


def squeeze(line):
    return re.sub(r"\s+", " ", line).strip()


def line_pattern(line):
    parts, at = [], 0
    line = squeeze(line)
    for match in TOKEN.finditer(line):
        parts += [re.escape(line[at:match.start()]), PARTS[match.group(0)]]
        at = match.end()
    return "".join(parts) + re.escape(line[at:])


def pattern(expected):
    lines = [r"(?:[^\n]*\n)*?" if line.strip() == "{LINES}" else line_pattern(line) + r"\n"
             for line in expected.splitlines() if line.strip()]
    return re.compile("".join(lines) + r"\Z")


def differences(expected, output):
    """Sentences: none when the output is what was expected."""
    text = "".join(squeeze(line) + "\n" for line in output.splitlines() if line.strip())
    if pattern(expected).match(text):
        return []
    wanted = [squeeze(line) for line in expected.splitlines() if line.strip()]
    got = text.splitlines()
    # Lines that their own pattern accepts are shown as equal, so that the diff names the culprit.
    shown = [next((want for want in wanted if want != "{LINES}" and re.fullmatch(line_pattern(want), line)), line)
             for line in got]
    return ["the output differs:"] + list(difflib.unified_diff(wanted, shown, "expected", "got", lineterm="", n=2))


def generalise(output, exact):
    """Output as an expected file. Lines that `exact` matches keep their numbers: they are the test's own to know."""
    lines = []
    for line in output.splitlines():
        line = line.rstrip()
        if not line.startswith("(gdb) "):
            line = ADDRESS.sub("{ADDR}", SESSION.sub("{TEXT}", line))
            if not re.search(exact, line):
                line = NUMBER.sub("{N}", SIZE.sub("{SIZE}", VERSION.sub("{VERSION}", line)))
                line = re.sub("^… and {N} more types?", "… and {N} more {TEXT}", line)
        lines.append(line)
    return "\n".join(lines) + "\n"
