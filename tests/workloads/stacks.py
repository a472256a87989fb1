"""Threads of all kinds, and what sys._current_frames() says of them.

  stacks.py TRUTH      writes TRUTH and TRUTH.guest (a sub-interpreter's own thread), then stands still

Each thread stays on one line: it runs, waits, sleeps, is in C without the GIL, in a chain of generators or
coroutines, deep in a recursion, or handles an exception.
"""
import asyncio
import functools
import hashlib
import json
import os
import sys
import threading
import time
import types

try:
    import _interpreters as interpreters                     # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

LONG = 600
CO_OPTIMIZED = 1
ready = []

GUEST = """
import json, os, sys, time
def stand(path):
    with open(path + ".new", "w") as file:
        json.dump([sys._getframe().f_code.co_filename, sys._getframe().f_lineno + 3], file)
    os.rename(path + ".new", path)
    del file
    time.sleep(600)
stand({path!r})
"""


def busy():
    ready.append(1)
    while True: pass                                         # noqa: E701  one line, on which it always is


def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    ready.append(1)
    lock.acquire()


def sleep():
    ready.append(1)
    time.sleep(LONG)


def in_c():
    ready.append(1)
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2 ** 30)


def in_callback():
    """C code between two Python functions."""
    sorted([1], key=lambda _: sleep())


def generate(depth):
    suspended = generate_nothing()
    next(suspended)
    if depth:
        yield from generate(depth - 1)
    else:
        sleep()
        yield suspended


def generate_nothing():
    yield 1


def in_generators():
    list(generate(3))


async def asynchronous(depth):
    never = asyncio.sleep(LONG)
    if depth:
        await asynchronous(depth - 1)
    else:
        sleep()
    await never


def in_coroutines():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asynchronous(3))


def recurse(depth):
    if depth:
        return recurse(depth - 1)
    return sleep()


def handle():
    """An exception is being handled below another."""
    try:
        raise KeyError("outer")
    except KeyError:
        try:
            raise ValueError("inner")
        except ValueError:
            sleep()


class Methods:
    def __init__(self):
        self.value = [1, 2]
        self.stay("text", key={"a": 1})

    @property
    def stayed(self):
        return sleep()

    def stay(self, argument, *rest, key=None):
        shared = [argument] * 100
        unset = None
        del unset

        def inner(number):
            captured = len(shared) + number
            return self.stayed, captured, key

        return functools.partial(inner, 3)()


def in_class_body():
    class Body:
        attribute = 1
        sleep()
    return Body


def in_exec():
    exec(compile("\n\nsleep()", "<made up>", "exec"), {"sleep": sleep})


KINDS = (busy, wait_for_lock, sleep, in_c, in_callback, in_generators, in_coroutines, functools.partial(recurse, 300),
         handle, Methods, in_class_body, in_exec)


def locals_of(frame):
    """Of functions only: a module's and a class's are namespaces."""
    if not frame.f_code.co_flags & CO_OPTIMIZED or frame.f_code.co_name.startswith("<"):
        return None
    return {name: [type(value).__name__, sys.getsizeof(value)] for name, value in dict(frame.f_locals).items()}


def stack_of(frame):
    stack = []
    while frame:
        code = frame.f_code
        stack.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno, locals_of(frame)])
        frame = frame.f_back
    return stack


def witness(path, main):
    """All threads but itself, and the main thread as soon as it reads."""
    while True:
        frames = sys._current_frames()
        if frames[main].f_code is stand.__code__ and frames[main].f_lineno == stand.__code__.co_firstlineno + 2:
            break
        del frames
        time.sleep(0.01)
    stacks = {ident: stack_of(frame) for ident, frame in frames.items() if ident != threading.get_ident()}
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    del frames
    with open(path, "w") as file:
        json.dump({"stacks": stacks, "names": names, "witness": threading.get_ident()}, file)
    print("READY {}", flush=True)
    time.sleep(LONG)


def stand(path):
    threading.Thread(target=witness, args=(path, threading.get_ident()), daemon=True).start()
    sys.stdin.readline()


def start_guest(path):
    """Before any thread is busy: to 3.11 a thread of another interpreter cannot make it give up the GIL."""
    guest = interpreters.create()
    source = GUEST.format(path=path + ".guest")
    threading.Thread(target=interpreters.run_string, args=(guest, source), name="guest", daemon=True).start()
    while not os.path.exists(path + ".guest"):
        time.sleep(0.01)
    time.sleep(0.1)


def main():
    path = sys.argv[1]
    start_guest(path)
    sys.setswitchinterval(0.001)
    for kind in KINDS:
        name = kind.__name__ if isinstance(kind, (type, types.FunctionType)) else "partial"
        threading.Thread(target=kind, name=name, daemon=True).start()
    while len(ready) < len(KINDS):
        time.sleep(0.01)
    time.sleep(0.3)
    stand(path)
    os._exit(0)


if __name__ == "__main__":
    main()
