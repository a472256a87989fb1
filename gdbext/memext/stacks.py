# SPDX-License-Identifier: Apache-2.0
"""Stacks of threads as rows and text. Knows nothing of GDB."""
from . import table
from .answer import address
from .options import UsageError


def frame_row(frame, value_of):
    """`value_of(addr)` gives a local's value in short."""
    function, file, line, _code, variables = frame
    return {"function": function, "file": file, "line": line,
            "locals": [{"name": name, "addr": address(addr), "type": kind, "size": size, "value": value_of(addr)}
                       for name, addr, kind, size in variables]}


def thread_row(thread, name, value_of):
    return {"thread": thread["native_id"] or None, "thread_id": address(thread["thread_id"]), "name": name,
            "interpreter": thread["interpreter"], "gil": thread["gil"],
            "raises": value_of(thread["raised"]) if thread["raised"] else None,
            "handles": value_of(thread["handled"]) if thread["handled"] else None,
            "frames": [frame_row(frame, value_of) for frame in thread["frames"]], "hidden": thread["hidden"]}


def in_order(threads):
    """By interpreter, the oldest thread first: the target lists the newest first."""
    return sorted(reversed(threads), key=lambda thread: thread["interpreter"])


def is_wanted(row, wanted):
    return wanted in (str(row["thread"]), row["thread_id"], row["name"])


def pick(rows, wanted):
    """The rows of the threads that `wanted` names; all without."""
    found = [row for row in rows if not wanted or is_wanted(row, wanted)]
    if found or not rows:
        return found
    known = ", ".join(str(row["thread"] or row["thread_id"]) + (" (%s)" % row["name"] if row["name"] else "")
                      for row in rows[:8])
    raise UsageError("there is no Python thread `%s': there are %s%s" % (wanted, known, "…" if rows[8:] else ""))


def headline(row):
    parts = ["thread %s" % (row["thread"] or row["thread_id"])]
    if row["name"]:
        parts[0] += " \"%s\"" % row["name"]
    if row["interpreter"]:
        parts.append("interpreter %d" % row["interpreter"])
    if row["gil"]:
        parts.append("holds the GIL")
    if row["raises"]:
        parts.append("raises %s" % row["raises"])
    if row["handles"]:
        parts.append("handles %s" % row["handles"])
    return ", ".join(parts)


def frame_lines(row, size):
    for number, frame in enumerate(row["frames"]):
        yield "  #%-2d %s (%s:%d)" % (number, frame["function"], frame["file"], frame["line"])
        width = max([len(local["name"]) for local in frame["locals"]] or [0])
        for local in frame["locals"]:
            yield "        %-*s  %s, %s: %s" % (width, local["name"], local["type"], size(local["size"]),
                                               local["value"])
    if row["hidden"]:
        yield "  … and %s (-limit 0 shows all)" % table.plural(row["hidden"], "more frame")
    if not row["frames"]:
        yield "  no Python frame"


def native_lines(row):
    for number, frame in enumerate(row.get("native") or []):
        yield "  C%-2d %s%s" % (number, frame["function"] or "??", " in %s" % frame["place"] if frame["place"] else "")


def thread_lines(row, size, width):
    """The lines of one thread, each within `width` columns (0: as long as they are)."""
    lines = [headline(row)] + list(frame_lines(row, size)) + list(native_lines(row))
    return [table.clip(line, width) if line.startswith("        ") else line for line in lines]


def total_line(total):
    text = "total: %s of %s" % (table.plural(total["threads"], "Python thread"),
                                table.plural(total["interpreters"], "interpreter"))
    if total["free_threaded"]:
        return text + "; this build is free-threaded: all may run at once"
    if total["gil"] is None:
        return text + "; nobody holds the GIL"
    return text + "; thread %s holds the GIL" % total["gil"]
