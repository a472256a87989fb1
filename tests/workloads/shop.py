"""A small service of which a fleet has many: orders are kept, and some instances keep their sessions, too.

  shop.py [--orders 2000] [--sessions 0]     prints READY {...}; grow N takes N orders more
"""
import argparse

from truth import serve

ORDERS, SESSIONS = [], {}


class Order:
    def __init__(self, number):
        self.number = number
        self.lines = ["item %d of order %d" % (line, number) for line in range(3)]


class Session:
    def __init__(self, key):
        self.key = key
        self.basket = bytearray(2000)


def take(count):
    ORDERS.extend(Order(number) for number in range(len(ORDERS), len(ORDERS) + count))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=0)
    a = parser.parse_args()
    take(a.orders)
    SESSIONS.update((key, Session(key)) for key in ("session \"%d\" é\n" % number for number in range(a.sessions)))
    serve(globals(), take)


main()
