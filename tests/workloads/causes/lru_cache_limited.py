"""functools.lru_cache of a method, with a limit that is too high to matter."""
import functools

import leak


class Store:
    @functools.lru_cache(maxsize=1000000)
    def load(self, number):
        return leak.Record(number)


STORE = Store()


def fill():
    for number in range(leak.COUNT):
        STORE.load(number)


fill()
leak.wait()
