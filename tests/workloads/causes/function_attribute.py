"""A memo that is an attribute of its function."""
import leak


def load(number):
    if number not in load.memo:
        load.memo[number] = leak.Record(number)
    return load.memo[number]


load.memo = {}


def fill():
    for number in range(leak.COUNT):
        load(number)


fill()
leak.wait()
