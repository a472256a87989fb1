"""One dict that a global and a closure hold: neither dominates it."""
import leak

CACHE = {}


def make(cache):
    def load(number):
        if number not in cache:
            cache[number] = leak.Record(number)
        return cache[number]
    return load


LOADERS = [make(CACHE)]


def fill():
    for number in range(leak.COUNT):
        LOADERS[0](number)


fill()
leak.wait()
