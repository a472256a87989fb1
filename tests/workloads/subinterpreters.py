"""Three sub-interpreters, each with 100 objects of a class of its own, beside the main one.

Free-threaded builds leave functions that nothing refers to any more to the collector: it runs, so that all are held.
"""
try:
    import _interpreters as interpreters                     # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

from truth import serve

SOURCE = """
import gc, json
class Guest:
    def __init__(self, n):
        self.n = n
        self.data = [n, str(n)]
HELD = [Guest(n) for n in range(100)]
gc.collect()
"""


def main():
    made = [interpreters.create() for _ in range(3)]
    for one in made:
        interpreters.run_string(one, SOURCE)
    held = [str(n) for n in range(60000)]
    serve(globals(), None, [("made", id(made), made), ("held", id(held), held)])


if __name__ == "__main__":
    main()
