"""A small web shop whose session cache never forgets.

  leak.py [ROUNDS]        each round serves 1,000 requests

Every request leaves a Session with its Basket in CACHE: that is the leak. After
each round os.getppid() is called, where a debugger can stop (`break getppid`);
after the last one the shop waits for lines on standard input, each of which is
one more round; "abort" makes it dump core.
"""
import os
import sys

CACHE = {}


class Basket:
    __slots__ = ("items", "total")

    def __init__(self, number):
        self.items = ["article-%d" % (number % 17), "article-%d" % (number % 29)]
        self.total = number * 1.5


class Session:
    def __init__(self, number):
        self.user = "user-%d" % number
        self.token = number.to_bytes(16, "big").hex()
        self.basket = Basket(number)


class Shop:
    def __init__(self):
        self.name = "corner shop"
        self.opened = 1999
        self.prices = {"tea": 2.5, "cake": 3.75}
        self.tags = ("small", "slow", None, True)
        self.motto = b"tea\x00"


SHOP = Shop()


def handle(number):
    CACHE["session-%d" % number] = Session(number)


def serve_round(first):
    for number in range(first, first + 1000):
        handle(number)
    os.getppid()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    for n in range(rounds):
        serve_round(n * 1000)
    print("READY {}", flush=True)
    for line in sys.stdin:
        if line.startswith("abort"):
            os.abort()
        serve_round(rounds * 1000)
        rounds += 1
        print("DONE", flush=True)


if __name__ == "__main__":
    main()
