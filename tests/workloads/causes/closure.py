"""A hand-made decorator that remembers in its closure."""
import functools

import leak


def memoized(function):
    results = {}

    @functools.wraps(function)
    def wrapper(number):
        if number not in results:
            results[number] = function(number)
        return results[number]
    return wrapper


@memoized
def load(number):
    return leak.Record(number)


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
