"""Counts that use what earlier stops of the process showed, against counts that know nothing: they are the same.

  recall.py --build build/release --python /usr/bin/python3.11
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import script  # noqa: E402

TYPES = ("str", "dict", "list", "tuple", "function", "__main__.Thing", "__main__.Slim", "collections.OrderedDict")
# Each changes something else that a note about a pool could miss.
STEPS = (
    "pass",
    "MORE.append([Thing() for _ in range(1000)])",
    "import decimal, email.message, json",                                 # new modules, new types
    "DICTS[:100] = [{} for _ in range(100)]",                              # others in the same blocks
    "NEW = [type('T%d' % n, (Thing,), {}) for n in range(50)]; MORE.append([one() for one in NEW])",
    "del NEW; MORE.clear(); import gc; gc.collect()",                      # types that are gone
    "MORE.extend(type('U%d' % n, (Slim,), {})() for n in range(50))",      # others in their place
    "[one.update(x=1, y=2, z=3, w=4, v=5, u=6) for one in DICTS[::7]]",    # tables that move, not their dicts
    "import collections; MORE.extend(collections.OrderedDict(a=1) for _ in range(99))",
    "KEPT[5] = [b'abc' * n for n in range(1000)]",
    "[setattr(one, 'k', 1) for one in MORE if hasattr(one, '__dict__')]",
    "KEPT.clear(); gc.collect()",                                          # arenas that are given back
    "KEPT.extend([str(n)] for n in range(20000))",
    "gc.freeze()",
)


def count(memext, pid, recall):
    """All that a count says, and the objects of some types."""
    target = memext.open_process(pid, recall=recall)
    heap = target.heap()
    info = heap.info()
    del info["memory"]
    said = {"info": info, "size classes": heap.size_classes()}
    for tracked in (False, True):
        rows = heap.histogram(tracked=tracked, by_type_object=True).rows()
        said["tracked" if tracked else "types"] = sorted(rows)
    said.update((name, target.objects(heap, name)) for name in TYPES)
    target.close()
    return said


def differences(memext, pid, recall):
    again, anew = count(memext, pid, recall), count(memext, pid, None)
    return ["%s: %.300s instead of %.300s" % (key, again[key], anew[key]) for key in anew if again[key] != anew[key]]


def run(results, prefix, memext, python):
    recall = memext.recall()
    with harness.Folder() as folder, harness.Workload(harness.workload(python, "changing.py"), folder) as work:
        for number, step in enumerate(STEPS):
            work.send(step)
            work.wait_for("DONE")
            work.stop()
            problems = ["after %s: %s" % (step, one) for one in differences(memext, work.pid, recall)]
            results.check("%s/step %d" % (prefix, number), problems)
            work.resume()


if __name__ == "__main__":
    sys.exit(script.main_with_binding("recall", run))
