"""A memo in the default of a keyword-only argument."""
import leak


def load(number, *, memo={}):
    if number not in memo:
        memo[number] = leak.Record(number)
    return memo[number]


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
