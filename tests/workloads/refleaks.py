"""References that nobody holds, planted among the objects of a program that is well.

  refleaks.py [--extension FOLDER] PLANTED

READY comes when PLANTED was written: a JSON object of lists of addresses.
  unreachable   objects whose last reference was leaked: lists, dicts, str, instances
  reachable     lists that the program holds too
  first, store  what the faulty extension left, where FOLDER has one
Of what is well, one dict looks like that of the interned strings: its keys are its values.
"""
import argparse
import ctypes
import json
import sys

from truth import serve

COUNT = 200
REACHABLE = []
STORED = {}
THEMSELVES = {}


class Thing:
    def __init__(self, number):
        self.number = number
        self.name = "thing %d" % number


def leak(thing):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return id(thing)


def plant_unreachable():
    kinds = (lambda i: [i, i + 1], lambda i: {"key": i}, lambda i: "a leaked text %d" % i, Thing)
    return [leak(make(i)) for make in kinds for i in range(1000, 1000 + COUNT)]


def plant_reachable():
    REACHABLE.extend([i] for i in range(COUNT))
    return [leak(thing) for thing in REACHABLE]


def plant_by_extension(folder):
    sys.path.insert(0, folder)
    import faulty
    held = [["first of %d" % i] for i in range(COUNT)]
    firsts = [id(faulty.first(one)[0:]) and id(one[0]) for one in held]
    for i in range(COUNT):
        faulty.store(STORED, "text %d" % i)
    REACHABLE.extend(held)
    return {"first": firsts, "store": [id(value) for value in STORED.values()]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--extension")
    parser.add_argument("planted")
    a = parser.parse_args()
    planted = {"unreachable": plant_unreachable(), "reachable": plant_reachable()}
    if a.extension:
        planted.update(plant_by_extension(a.extension))
    THEMSELVES.update((text, text) for text in map("text of its own %d".__mod__, range(COUNT)))
    with open(a.planted, "w") as f:
        json.dump(planted, f)
    serve(globals())


if __name__ == "__main__":
    main()
