# SPDX-License-Identifier: Apache-2.0
"""Checked invariants as rows and text, and the line for a bug report. Knows nothing of GDB."""
from . import table
from .answer import address

KEYS = ("check", "about", "unit", "checked", "failed", "example", "why")
# Above this share of failures it is no few objects that are damaged: nothing that is counted here can be believed.
MISREAD = 0.01


def rows_of(checks):
    rows = [dict(zip(KEYS, check)) for check in checks]
    for row in rows:
        row["example"] = address(row["example"]) if row["example"] else None
        row["why"] = row["why"] or None
    return rows


def failed(rows):
    return [row for row in rows if row["failed"]]


def is_damage(row):
    """A lost reference is a bug of an extension, in memory that is whole."""
    return row["failed"] and row["check"] != "refcounts"


def verdict(rows, complete):
    """One word, or two."""
    worst = max([row["failed"] / max(1, row["checked"]) for row in rows if is_damage(row)] or [0])
    if not complete:
        return "incomplete" if not worst else "incomplete, or damaged"
    return "consistent" if not worst else "damaged in places" if worst < MISREAD else "damaged, or misread"


def check_table(rows):
    result = table.Table("checked", "failed", "check", "what must hold", cut=table.clip)
    for row in rows:
        result.add(table.number(row["checked"]) if row["checked"] else "-",
                   table.number(row["failed"]) if row["failed"] else "-", row["check"], row["about"])
    return result


def failure_lines(rows):
    return ["%s: %s%s" % (row["check"], "%s: " % row["example"] if row["example"] else "", row["why"])
            for row in failed(rows)]


def interpreter(info):
    kinds = [word for word, on in (("free-threaded", info["free_threaded"]), ("debug", info["debug_build"])) if on]
    return " ".join(["CPython", info["python_version"]] + kinds)


def bug_line(info, figures, rows, word, versions):
    """What a bug report needs, without paths, names or values of the target."""
    broken = ", ".join("%s %s of %s" % (row["check"], table.number(row["failed"]), table.number(row["checked"]))
                       for row in rows if is_damage(row))
    place = info["kind"] if info["kind"] != "saved" else "saved %s" % info["saved_kind"]
    return "%s: %s, %s (%s; %s; %s; %s; file %s): %s checks, %s; refcounts %s" % (
        versions, word, interpreter(info), info["layout_origin"], info["allocator"], info["native_allocator"], place,
        info["python_file"], table.number(figures["checked"]), "failed: " + broken if broken else "none failed",
        refcounts_text(figures, rows))


def refcounts_text(figures, rows):
    odd = sum(row["failed"] for row in rows if row["check"] == "refcounts")
    return "%.2f %% exact%s" % (percent(figures["exact"]), ", %s unexplained" % table.number(odd) if odd else "")


def percent(share):
    """Not 100 unless it is."""
    return min(100 * share, 99.99) if share < 1 else 100
