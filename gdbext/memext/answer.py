# SPDX-License-Identifier: Apache-2.0
"""An answer as JSON or text, on its way to the screen or a file, and back from a file.

The JSON of every command is one object: schema, target, complete, warnings,
rows, total; py-refs and its like add edges. Sizes are integers in bytes, addresses strings "0x…".
"""
import json

from .options import UsageError

COUNT_SCHEMA = "memext/py-count/1"


def address(value):
    """How JSON and text write an address; None for 0, which is no address."""
    return "0x%x" % value if value else None


class Answer:
    """What a command found: rows and total for programs, what stands `beside` them in JSON, lines for people."""

    def __init__(self, command, target, complete, warnings):
        self.command = command
        self.target = target
        self.complete = complete
        self.warnings = warnings
        self.rows = []
        self.beside = {}
        self.total = {}
        self.lines = []

    def head(self):
        """What stands before the rows."""
        return {"schema": "memext/%s/1" % self.command, "target": self.target, "complete": self.complete,
                "warnings": self.warnings}

    def json(self):
        """One JSON object, one line a row."""
        fields = ["%s: %s" % (json.dumps(key), json.dumps(value)) for key, value in self.head().items()]
        fields.append('"rows": ' + json_list(self.rows))
        fields += ["%s: %s" % (json.dumps(key), json_list(value) if isinstance(value, list) else json.dumps(value))
                   for key, value in self.beside.items()]
        fields.append('"total": %s' % json.dumps(self.total))
        return "{%s}\n" % ",\n".join(fields)

    def write(self, path, as_json):
        """Writes the file; the sentence that says so."""
        text = self.json() if as_json else "".join(line + "\n" for line in self.lines)
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError("cannot write %s: %s" % (path, error.strerror))
        return "wrote %s (%d row%s)" % (path, len(self.rows), "" if len(self.rows) == 1 else "s")


def json_list(rows):
    """One line a row."""
    text = ",\n  ".join(json.dumps(row) for row in rows)
    return "[%s]" % ("\n  %s\n" % text if text else "")


def read_counts(path, tracked):
    """Rows for Histogram.from_rows of a file that `py-count -json -o` wrote, with its target."""
    try:
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
    except OSError as error:
        raise UsageError("cannot read %s: %s" % (path, error.strerror))
    except (ValueError, RecursionError):
        raise UsageError("%s is neither a core nor a file that py-count -json -o FILE wrote" % path)
    if not isinstance(saved, dict) or saved.get("schema") != COUNT_SCHEMA:
        raise UsageError("%s is not what py-count -json -o FILE writes" % path)
    try:
        check_whole(path, saved, tracked)
        return merge_rows(saved["rows"]), saved["target"]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError("%s is damaged: save it again with py-count -json -o FILE" % path)


def check_whole(path, saved, tracked):
    """Part of the types, or other objects than asked for, would all look grown or shrunk."""
    if saved["total"]["glob"] or len(saved["rows"]) < saved["total"]["rows"]:
        raise UsageError("%s holds some of the types only: save it with py-count -json -o FILE, "
                         "without a type or -limit" % path)
    if saved["total"]["gc"] != tracked:
        raise UsageError("%s was counted %s -gc: compare it %s -gc"
                         % ((path,) + (("without", "without") if tracked else ("with", "with"))))


def merge_rows(rows):
    """(type, type_addr, types, count, bytes) by name: JSON keeps type objects of one name apart."""
    merged = {}
    for row in rows:
        name, count, size = row["type"], row["count"], row["bytes"]
        if not isinstance(name, str) or not 0 <= count < 2 ** 63 or not 0 <= size < 2 ** 63:
            raise ValueError(name)
        old = merged.get(name, (name, int(row["type_addr"] or "0", 16), 0, 0, 0))
        merged[name] = (name, old[1], old[2] + 1, old[3] + count, old[4] + size)
    return list(merged.values())
