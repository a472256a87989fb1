# SPDX-License-Identifier: Apache-2.0
"""Rows of SQL statements as a table, CSV and JSON. Knows nothing of GDB or of what is in them."""
import csv
import io
import os

from . import table
from .options import UsageError

WIDEST = 60  # of a text that is not the last column, on a screen


def unwrap(statement):
    """Without quotes around the whole, as a shell would want them."""
    quote = statement[:1]
    if quote in ("'", '"') and len(statement) > 1 and statement.find(quote, 1) == len(statement) - 1:
        return statement[1:-1]
    return statement


def unique(names):
    """Names for keys of JSON: a second `id` is `id_2`."""
    result = []
    for name in names:
        other, number = name, 1
        while other in result:
            number += 1
            other = "%s_%d" % (name, number)
        result.append(other)
    return result


def one_line(text):
    """Without what would break a table."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def cell(value):
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return "%.6g" % value
    return one_line(str(value))


def is_number(value):
    return isinstance(value, (int, float)) or (isinstance(value, str) and value.startswith("0x"))


def aligned(names, rows, width=0):
    """Lines: numbers to the right, texts to the left; at most `width` columns where it is not 0."""
    right = [bool(rows) and all(row[i] is None or is_number(row[i]) for row in rows) for i in range(len(names))]
    lines = [[one_line(name) for name in names]] + [[cell(value) for value in row] for row in rows]
    if width:
        lines = [[table.clip(text, WIDEST) for text in line[:-1]] + line[-1:] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    room = max(16, width - sum(widths[:-1]) - 2 * (len(widths) - 1)) if width else 0
    for line in lines:
        cells = [text.rjust(size) if to_right else text.ljust(size)
                 for text, size, to_right in zip(line[:-1], widths, right)]
        last = line[-1].rjust(widths[-1]) if right[-1] else line[-1]
        yield "  ".join(cells + [table.clip(last, room)]).rstrip()


def write_rows(file, rows):
    """As RFC 4180 has them; NULL is empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows(["" if value is None else value for value in row] for row in rows)


def csv_lines(names, rows):
    file = io.StringIO()
    write_rows(file, [names] + rows)
    return [file.getvalue()[:-1]]


def write_chunks(path, names, chunks):
    """The number of rows written."""
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        write_rows(file, [names])
        for rows in chunks:
            write_rows(file, rows)
            count += len(rows)
    return count


def write_csv(path, names, chunks):
    """A file of the rows in `chunks`, however many: under another name until it is whole. The number of rows."""
    is_device = os.path.exists(path) and not os.path.isfile(path)
    part = path if is_device else path + ".part"
    try:
        count = write_chunks(part, names, chunks)
        if not is_device:
            os.replace(part, path)
        return count
    except OSError as error:
        raise UsageError("cannot write %s: %s" % (path, error.strerror))
    finally:
        if not is_device and os.path.exists(part):
            os.remove(part)


def json_rows(names, rows):
    keys = unique(names)
    return [dict(zip(keys, row)) for row in rows]
