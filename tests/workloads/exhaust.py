"""Fills memory in one way until it runs out: exhaust.py KIND [--limit MB] [--until MB].

What fills it is the module global HELD, or the local `held` of fill() for the kinds that grow one object. --limit sets
RLIMIT_AS; --until ends the filling at a resident size instead. Prints READY before, and what ended it.
"""
import argparse
import json
import os
import resource
import sys
import threading
import time

MB = 1024 * 1024
HELD = []


class Node:
    def __init__(self, number):
        self.number = number


def small():
    while True:
        HELD.append(Node(len(HELD)))
        yield


def dicts():
    held = HELD
    held.append({})
    while True:
        held[0][len(held[0])] = None
        yield


def strings():
    while True:
        HELD.append("text %d" % len(HELD) * 20)
        yield


def large_bytes():
    while True:
        HELD.append(b"x" * (10 * MB))
        yield


def doubling():
    held = HELD
    held.append(0)
    while True:
        held += held
        yield


def growing():
    held = bytearray(MB)
    HELD.append(held)
    while True:
        held += bytes(MB)
        yield


def one_request():
    HELD.append([None] * 10 ** 6)
    yield
    HELD.append(bytearray(64 * 1024 * MB))


def arrays():
    import numpy
    while True:
        HELD.append(numpy.ones((100, 10000)))
        yield


def threads():
    while True:
        one = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
        HELD.append(one)
        one.start()
        yield


def worker():
    """The same as `small`, in another thread than the first."""
    def work():
        try:
            for _ in small():
                pass
        except MemoryError:
            HELD.clear()
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
    raise MemoryError


KINDS = {function.__name__: function for function in (
    small, dicts, strings, large_bytes, doubling, growing, one_request, arrays, threads, worker)}


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def fill(kind, until):
    for number, _ in enumerate(KINDS[kind]()):
        if until and number % 1000 == 0 and resident() > until:
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--until", type=int, default=0)
    parser.add_argument("--wait", action="store_true", help="for a line on standard input")
    a = parser.parse_args()
    print("READY " + json.dumps({"pid": os.getpid()}), flush=True)
    if a.wait:
        sys.stdin.readline()
    if a.limit:
        resource.setrlimit(resource.RLIMIT_AS, (a.limit * MB, a.limit * MB))
    try:
        fill(a.kind, a.until * MB)
        how = "filled"
    except (MemoryError, RuntimeError) as error:
        HELD.clear()
        how = type(error).__name__
    print("ended: " + how, flush=True)


if __name__ == "__main__":
    main()
