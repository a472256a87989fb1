"""functools.cache, or what stands for it before 3.9."""
import functools

import leak

cache = getattr(functools, "cache", functools.lru_cache(maxsize=None))


@cache
def load(number):
    return leak.Record(number)


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
