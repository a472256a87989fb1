# SPDX-License-Identifier: Apache-2.0
"""Audited reference counts as rows and text. Knows nothing of GDB."""
from . import table

SINGLE_TYPE = 20


def unexplained(row):
    """How many references nobody holds; below zero: how many are held and not counted."""
    surplus = row["refcount"] - row["found"]
    return surplus - row["explained"] if surplus > 0 else surplus


def groups(rows):
    """[(objects, references, first row)] of rows that are alike in type and value, most references first."""
    found = {}
    for row in rows:
        group = found.setdefault((row["type"], row["value"]), [0, 0, row])
        group[0] += 1
        group[1] += unexplained(row)
    return sorted(map(tuple, merged(found.values())), key=lambda group: -abs(group[1]))


def merged(found):
    """Many values of one type, each once, are one group of that type."""
    by_type = {}
    for group in found:
        by_type.setdefault(group[2]["type"], []).append(group)
    for of_type in by_type.values():
        if len(of_type) <= SINGLE_TYPE:
            yield from of_type
            continue
        first = dict(of_type[0][2])
        first["value"] = "such as " + first["value"]
        yield [sum(group[0] for group in of_type), sum(group[1] for group in of_type), first]


def group_table(found):
    result = table.Table("objects", "references", "example", "type and value", cut=table.clip)
    for objects, references, row in found:
        result.add(table.number(objects), table.delta(references), row["addr"],
                   " ".join(part for part in (row["type"] or "?", row["value"]) if part))
    return result


def summary(figures, deficits):
    """What the figures of an audit say."""
    objects = figures["objects"]
    exact = 100.0 * figures["exact"] / objects if objects else 100.0
    line = "total: %s audited, %.2f %% counted exactly" % (table.plural(objects, "object"), exact)
    line += "; %s explained by words in C data or on stacks" % table.number(figures["explained"])
    what = "deficit" if deficits else "surplus"
    return line + "; %s with an unexplained %s" % (table.number(figures[what]), what)
