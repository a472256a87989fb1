# SPDX-License-Identifier: Apache-2.0
"""Formats of exports: which ending means which, and what became of one in words. Knows nothing of GDB."""
import os

from . import table
from .options import UsageError

FORMATS = ("heapsnapshot", "sqlite", "dot", "json", "collapsed")
ENDINGS = {".heapsnapshot": "heapsnapshot", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".dot": "dot",
           ".gv": "dot", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".collapsed": "collapsed",
           ".folded": "collapsed"}
NEXT = {"heapsnapshot": "open it in Chrome: DevTools, Memory, Load profile; or: memlab analyze",
        "sqlite": "sqlite3 %s 'SELECT type, count(*), sum(size) FROM objects GROUP BY 1 ORDER BY 3 DESC LIMIT 10'",
        "dot": "dot -Tsvg -o heap.svg %s",
        "json": "one record a line: docs/fleet.md shows how to ask many such files at once",
        "collapsed": "flamegraph.pl --countname bytes %s > heap.svg; or drop it on speedscope"}


def format_of(path):
    """By the file's ending."""
    ending = os.path.splitext(path)[1]
    if ending.lower() in ENDINGS:
        return ENDINGS[ending.lower()]
    raise UsageError("%s: what to write is told by the file's ending: .heapsnapshot, .sqlite, .dot, .json or "
                     ".collapsed; or say -format" % path)


def quoted(path):
    """For a shell."""
    return path if path.replace("/", "").replace(".", "").replace("-", "").replace("_", "").isalnum() else \
        "'%s'" % path.replace("'", "'\\''")


def lines(row, size):
    """What was written, and what to do with it; `size` writes bytes."""
    counts = [table.plural(row[key], noun) for key, noun in (("nodes", "node"), ("edges", "edge")) if row[key]]
    hint = NEXT[row["format"]]
    return ["wrote %s: %s, %s" % (row["file"], ", ".join(counts), size(row["bytes"])),
            "next: " + (hint % quoted(row["file"]) if "%s" in hint else hint)]
