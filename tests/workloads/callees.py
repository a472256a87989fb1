"""One function a way of calling; RUN[kind]() calls it CALLS times, through nothing else that has its name."""
import asyncio
import functools
import sys
import threading

CALLS = 12
RUN = {}


def run(function):
    RUN[function.__name__[len("run_"):]] = function
    return function


def direct(x):
    return x + 1


@run
def run_direct():
    for i in range(CALLS):
        direct(i)


def mapped(x):
    return x * 2


@run
def run_mapped():
    list(map(mapped, range(CALLS)))


def key(x):
    return -x


@run
def run_key():
    sorted(range(CALLS), key=key)


def partial(a, b, *, c=0, **rest):
    return a + b + c


@run
def run_partial():
    bound = functools.partial(partial, 1, c=3)
    for i in range(CALLS):
        bound(i, d=4)


def generator(n):
    for i in range(n):
        yield i
    return n


@run
def run_generator():
    for _ in range(CALLS):
        list(generator(3))


async def coroutine(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def gather():
    await asyncio.gather(*[coroutine(3) for _ in range(CALLS)])


@run
def run_coroutine():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(gather())
    loop.close()


class Thing:
    def __init__(self, x):
        self.x = x

    @property
    def double(self):
        return self.x * 2


@run
def run_constructor():
    for i in range(CALLS):
        Thing(i)


@run
def run_property():
    thing = Thing.__new__(Thing)
    thing.x = 1
    for _ in range(CALLS):
        thing.double


def recursive(n):
    return recursive(n - 1) + 1 if n > 1 else 1


@run
def run_recursive():
    recursive(CALLS)


def threaded(n):
    total = 0
    for i in range(n):
        total += i
    return total


def in_thread():
    for _ in range(CALLS * 10):
        threaded(20)


@run
def run_threaded():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)


def wrap(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@wrap
@functools.lru_cache(maxsize=None)
def decorated(x):
    return x


@run
def run_decorated():
    for i in range(CALLS):
        decorated(i)
        decorated(i)


def outer(n):
    def nested(x):
        return x + n
    return nested


@run
def run_nested():
    for i in range(CALLS // 4):
        inner = outer(i)
        for j in range(4):
            inner(j)


def raising():
    raise KeyError


@run
def run_raising():
    for _ in range(CALLS):
        try:
            raising()
        except KeyError:
            pass


def looping(n):
    while True:
        n -= 1
        if n < 0:
            return


@run
def run_looping():
    for _ in range(CALLS):
        looping(5)
