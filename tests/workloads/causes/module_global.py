"""A module's global that is never emptied."""
import leak

CACHE = {}


def fill():
    for record in leak.records():
        CACHE[record.number] = record


fill()
leak.wait()
