"""What the programs of this folder share: something to hold, and waiting to be looked at."""
import sys

COUNT = 40000


class Record:
    """One of what is held; about 300 bytes with its dict and text."""

    def __init__(self, number):
        self.number = number
        self.text = "record %d" % number


def records(count=COUNT):
    return [Record(number) for number in range(count)]


def ready():
    """Says READY; each line on stdin is answered by DONE and goes on with the next step, if there is one."""
    print("\nREADY {}", flush=True)          # behind what a test framework left on the line
    for line in sys.stdin:
        yield line.strip()
        print("DONE", flush=True)


def wait():
    for _ in ready():
        pass
