"""One object of many kinds and two threads, with next to nothing imported; then the process leaves a core.

  python -I -S specimen.py

What the fuzzers' reduced cores are made of (tests/fuzz/cores.py): a heap as small as that of an interpreter can be.
"""
import posix

import _collections
import _functools
import _thread
import _weakref
import itertools


class Plain:
    def __init__(self, n):
        self.n, self.text = n, "plain %d" % n

    @property
    def twice(self):
        return 2 * self.n

    @classmethod
    def made(cls):
        return cls(7)


class Slotted:
    __slots__ = ("a", "b", "__weakref__")


class MyDict(dict):
    pass


class MyList(list):
    __slots__ = ("extra",)


def counting(limit):
    for n in range(limit):
        yield n


async def waiting():
    return 1


def closure(cell):
    def inner(argument, *rest, key=None, **more):
        return cell, argument, rest, key, more
    return inner


remembered = _functools._lru_cache_wrapper(Plain, 8, False, tuple)


def raised():
    try:
        return {}["absent"]
    except KeyError as error:
        return error


def hold(lock, depth):
    if depth:
        return hold(lock, depth - 1)
    with lock:
        return depth


def kinds():
    plain, slotted = Plain(1), Slotted()
    slotted.a, slotted.b = plain, [plain]
    plain.ring, plain.closure, plain.method = slotted, closure(plain), plain.made
    generator, nested = counting(9), counting(3)
    next(generator)
    odd = MyDict(one=1)
    odd.attribute = MyList([1, 2, 3])
    return [
        plain, slotted, odd, generator, nested, waiting(), [Plain(n) for n in range(5)],
        "caf\u00e9", "\u0416\u0416", "\U0001f600", "text" * 400, b"bytes" * 3, bytearray(700), memoryview(b"view"),
        1 << 70, -5, 2.5, 1 + 2j, True, None, Ellipsis, range(4), slice(1, 2),
        {1, 2, 3}, frozenset("abc"), set(range(60)), (1, (2, ())), {n: str(n) for n in range(40)}, {"a": {"b": [{}]}},
        {"k": 1}.items(), iter([1]), iter({}), enumerate("x"), zip("a"), map(len, ()), filter(None, ()),
        itertools.count(), itertools.chain([1], [2]), itertools.islice(counting(2), 1),
        _collections.deque(range(70), 99), _collections.OrderedDict(a=1), _collections.defaultdict(list, k=[]),
        _functools.partial(closure, 1), remembered(1), _weakref.ref(plain), _weakref.proxy(slotted, print),
        raised(), len, "x".join, property, staticmethod(len), classmethod(len), Plain.twice, type("Made", (Plain,), {}),
    ]


def main():
    lock = _thread.allocate_lock()
    lock.acquire()
    kept = kinds()
    garbage = [[]]
    garbage[0].append(garbage)
    del garbage
    _thread.start_new_thread(hold, (lock, 3))
    while not _thread._count():
        pass
    kept.append(lock)
    posix.abort()


main()
