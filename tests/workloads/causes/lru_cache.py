"""functools.lru_cache without a limit."""
import functools

import leak


@functools.lru_cache(maxsize=None)
def load(number):
    return leak.Record(number)


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
