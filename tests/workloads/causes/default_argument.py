"""A memo in a default argument."""
import leak


def load(number, scale=1, memo={}):
    if number not in memo:
        memo[number] = leak.Record(number * scale)
    return memo[number]


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
