"""Records that two globals hold, each by another key: nothing dominates them but the module."""
import leak

BY_NUMBER = {}
BY_TEXT = {}


def fill():
    for record in leak.records():
        BY_NUMBER[record.number] = record
        BY_TEXT[record.text] = record


fill()
leak.wait()
