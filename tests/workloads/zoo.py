"""One or a few live objects of every kind that CPython's own C code makes.

  python zoo.py          prints READY {...}, obeys truth.serve's commands

What a version does not have is left out. Nothing here is a program: it is what
the decoders of lib/cpython are compared on.
"""
import importlib
import sys
import threading

from truth import serve

ZOO = {}


class Plain:
    def __init__(self, n):
        self.n, self.text = n, "plain %d" % n


class Slotted:
    __slots__ = ("a", "b", "__weakref__")


class SlottedChild(Slotted):
    __slots__ = ("c",)


class MyList(list):
    pass


class MySlotList(list):
    __slots__ = ("extra",)


class MyTuple(tuple):
    pass


class MyInt(int):
    pass


class MyStr(str):
    pass


class MyBytes(bytes):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class MyError(ValueError):
    def __init__(self, *args):
        super().__init__(*args)
        self.extra = ["extra"]


class Meta(type):
    pass


class WithMeta(metaclass=Meta):
    pass


def attributes(o, **more):
    for name, value in more.items():
        setattr(o, name, value)
    return o


def part(maker):
    try:
        ZOO[maker.__name__] = maker()
    except Exception as error:
        ZOO[maker.__name__] = "absent: %r" % error
    return maker


@part
def instances():
    many = [Plain(n) for n in range(40)]
    for n, o in enumerate(many):
        for k in range(n):
            setattr(o, "late_%d" % k, [k])
        if n % 3 == 0:
            vars(o)["also"] = (n,)
        if n % 5 == 0:
            del o.text
        if n % 7 == 0:
            o.__dict__ = {1: 2, "x": o}
    slotted = attributes(Slotted(), a=[1])
    child = attributes(SlottedChild(), a=[1], c={})
    return (many, slotted, child, attributes(MyList([1, 2]), x=[1]), attributes(MySlotList([3]), extra={}),
            attributes(MyTuple((1, [2])), x=[1]), attributes(MyInt(1 << 70), x=[1]), attributes(MyStr("x"), x=[1]),
            attributes(MyBytes(b"x"), x=[1]), attributes(MyDict(a=[1]), x=[1]), attributes(MySet([1, "a"]), x=[1]),
            attributes(WithMeta(), y=1), Meta("Made", (), {"z": []}))


@part
def containers():
    import collections
    big = {str(n): [n] for n in range(300)}
    del big["7"]
    mixed = {1: [1], "a": [2], None: [3]}
    looked_up = {"a": [1]}
    looked_up.get(1)
    ordered = collections.OrderedDict((str(n), [n]) for n in range(50))
    del ordered["3"]
    queue = collections.deque([n] for n in range(200))
    for _ in range(70):
        queue.popleft()
    holes = set(range(100, 200))
    for n in range(100, 150):
        holes.discard(n)
    return (big, mixed, looked_up, {}, ordered, attributes(collections.OrderedDict(), x=1), queue, collections.deque(),
            collections.deque([1], 3), holes, frozenset(("a", (1,))), set(), collections.defaultdict(list, a=[1]),
            collections.Counter("aab"), collections.ChainMap({}, {}), [], [[1], None], (), ([],),
            collections.namedtuple("Pair", "a b")([1], [2]), collections.UserDict(a=1), [None] * 5000)


@part
def views_and_iterators():
    import collections
    d, o, s, q = {"a": [1], "b": [2]}, collections.OrderedDict(a=[1], b=[2]), {1, 2, 3}, collections.deque([1, 2, 3])
    iterators = [iter(x) for x in ([1, 2], (1, 2), "ab", "\u6f22\u5b57", b"ab", bytearray(b"ab"), d, d.values(),
                                   d.items(), o,
                                   o.values(), o.items(), s, frozenset(s), q, range(3), range(1 << 70),
                                   memoryview(b"ab"))]
    iterators += [reversed(x) for x in ([1, 2], (1, 2), d, d.values(), d.items(), o, o.items(), q, range(3), "ab")
                  if hasattr(x, "__reversed__") or not isinstance(x, dict)]

    class Sequence:
        def __getitem__(self, n):
            return [n][n]
    iterators += [iter(Sequence()), iter([].pop, []), reversed(attributes(MyTuple((1, 2)), x=1))]
    used = [iter(x) for x in (d.items(), o.items(), [[1], [2]], d, s)]
    for one in used:
        next(one)
    gone = iter([1])
    list(gone)
    return iterators, used, gone, d.keys(), d.values(), d.items(), o.keys(), o.values(), o.items()


@part
def functional():
    it = [enumerate([[1]]), zip([1], [2]), map(str, [1], [2]), filter(None, [1]), enumerate([1], 1 << 70),
          reversed([1]), zip(), map(lambda x: x, [[1]])]
    for one in it[:1]:
        next(one)
    pair = zip([[1], [2]], [[3], [4]])
    next(pair)
    return it, pair


@part
def iterator_tools():
    import itertools as t
    made = [t.chain([[1]], [[2]]), t.count(), t.count(1.5, 2.5), t.cycle([[1], [2]]), t.repeat([1]), t.repeat([1], 5),
            t.islice([[1], [2], [3]], 2), t.product([[1], [2]], [[3]]), t.permutations([[1], [2], [3]], 2),
            t.combinations([[1], [2], [3]], 2), t.combinations_with_replacement([[1], [2]], 2),
            t.accumulate([1, 2], lambda a, b: a + b), t.groupby([[1], [1], [2]], str), t.takewhile(bool, [[1], [2]]),
            t.dropwhile(bool, [[1], []]), t.filterfalse(bool, [[], []]), t.starmap(max, [(1, 2), (3, 4)]),
            t.compress([[1], [2]], [1, 1]), t.zip_longest([[1]], [[2], [3]], fillvalue=[]), t.count(1 << 70)]
    made += [getattr(t, name)(*args) for name, args in (("pairwise", ([[1], [2], [3]],)), ("batched", ([1, 2, 3], 2)))
             if hasattr(t, name)]
    started = [t.chain([[1]], [[2]]), t.cycle([[1], [2]]), t.product([[1], [2]], [[3]]), t.permutations([[1], [2],
            [3]], 2),
               t.combinations([[1], [2], [3]], 2), t.accumulate([[1], [2]]), t.zip_longest([[1]], [[2], [3]]),
               t.islice(iter([[1], [2], [3]]), 3), t.combinations_with_replacement([[1], [2]], 2)]
    started += [t.accumulate([1, 2], initial=5)] + ([t.pairwise([[1], [2], [3]])] if hasattr(t, "pairwise") else [])
    for one in started:
        next(one)
    groups = t.groupby([[1], [1], [2]], str)
    group = next(groups)
    tees = t.tee(iter([[n] for n in range(100)]), 3)
    for _ in range(80):
        next(tees[0])
    next(tees[1])
    return made, started, groups, group, tees


@part
def partials():
    import functools
    import operator

    @functools.lru_cache(maxsize=20)
    def cached(a, b=None):
        return [a]
    for n in range(50):
        cached(n, b=(n,))

    @functools.lru_cache(maxsize=None)
    def unbound(a):
        return [a]
    unbound(1)
    unbound("x")

    @functools.singledispatch
    def dispatched(a):
        return a

    class Cached:
        @functools.cached_property
        def p(self):
            return [self]
        q = functools.partialmethod(print, 1)
    holder = Cached()
    holder.p
    make = functools.cmp_to_key(lambda a, b: 0)
    keys = make, make([1])
    return (cached, unbound, functools.lru_cache(maxsize=0)(len), functools.partial(print, [1], end=[2]),
            attributes(functools.partial(print), x=[1]), dispatched, holder, operator.itemgetter(1, [2]),
            operator.itemgetter(1), operator.attrgetter("a.b", "c"), operator.methodcaller("m", [1], k=[2]),
            operator.methodcaller("m"), keys)


@part
def callables():
    class Owner:
        @staticmethod
        def s():
            pass

        @classmethod
        def c(cls):
            pass

        @property
        def p(self):
            """Documented."""

        def m(self, a, b=[1], *, c=[2]):
            return super().m

        def __init__(self):
            self.me = super()
    owner = Owner()
    outer = [1]

    def closure(a: int = 1) -> str:
        return outer, owner
    closure.attribute = [1]
    empty_cell = (lambda: undefined).__closure__[0]
    if False:
        undefined = 1
    made = property(lambda self: 1, None, None, "text")
    return (Owner, owner, closure, empty_cell, owner.m, owner.c, owner.s, Owner.__dict__["s"], Owner.__dict__["c"],
            made, [].append, len, str.join, dict.fromkeys, int.__add__, (1).__add__, int.__dict__["real"],
            type(closure).__dict__["__globals__"], type.__dict__["__mro__"], Owner.__dict__["__dict__"], Owner.__dict__,
            vars(dict), memoryview.tobytes, super(Owner, owner), super(Owner), object().__repr__,
            attributes(staticmethod(len)) if sys.version_info < (3, 10) else attributes(staticmethod(len), x=[1]))


@part
def suspended():
    import types

    def generator(a):
        local = [a]
        for x in [1, 2, 3]:
            try:
                raise ValueError(x)
            except ValueError:
                yield local, a

    def delegating(a):
        yield from generator(a)

    async def coroutine(a):
        await asleep()
        return a

    @types.coroutine
    def asleep():
        local = [1]
        yield local

    async def agen(a):
        local = [a]
        yield local
        await asleep()
        yield a
    fresh, running, finished, failed = generator(1), generator([2]), generator(3), delegating([4])
    next(running)
    list(finished)
    next(failed)
    waiting, created = coroutine([5]), coroutine([6])
    waiting.send(None)
    stream, idle = agen([7]), agen([8])
    step = stream.asend(None)
    try:
        step.send(None)
    except StopIteration:
        pass
    pending = stream.__anext__()
    pending.send(None)
    frame = running.gi_frame
    frames = [frame, waiting.cr_frame, sys._getframe()]
    sys.set_coroutine_origin_tracking_depth(2)
    traced = coroutine([9])
    sys.set_coroutine_origin_tracking_depth(0)
    waiter = coroutine([10]).__await__()
    helpers = [idle.asend(None), idle.athrow(ValueError), stream.aclose()]
    expression = (x for x in ([1], [2]))
    next(expression)
    more = [anext(agen([11]), [12])] if sys.version_info >= (3, 10) else []
    return (fresh, running, finished, failed, waiting, created, stream, step, pending, frames, traced, waiter, helpers,
            expression, more)


def catch(fn, *args):
    try:
        fn(*args)
    except BaseException as error:
        return error


@part
def exceptions():
    def fail(depth, held):
        local = [depth, held]
        if depth:
            fail(depth - 1, local)
        raise MyError("deep", local)

    def chained():
        try:
            fail(2, [])
        except MyError as error:
            raise KeyError([1]) from error
    made = [catch(fail, 5, [1]), catch(chained), catch(lambda: {}[[1][0]]), catch(open, "/nonexistent/file"),
            catch(__import__, "no_such_module"), catch(compile, "a b", "file", "exec"),
            catch(lambda: b"\xff".decode("ascii")),
            catch(lambda: "\xff".encode("ascii")), catch(lambda: undefined_name), catch(lambda: [].nothing),
            catch(sys.exit, [1]), catch(next, iter(())), StopIteration([1]), StopAsyncIteration(), KeyboardInterrupt(),
            UnicodeTranslateError("a", 0, 1, "b"), OSError(1, "text", [1], None, [2]), MemoryError(),
            RecursionError("x")]
    noted = ValueError("noted")
    if hasattr(noted, "add_note"):
        noted.add_note("a note")
        made.append(eval("ExceptionGroup('g', [noted, ExceptionGroup('h', [KeyError(1)])])", {"noted": noted,
                "ExceptionGroup":
                                                                                  ExceptionGroup}))
    made[0].__cause__ = noted
    tracebacks = [error.__traceback__ for error in made]
    frames = [t.tb_frame for t in tracebacks if t]
    for f in frames:
        f.f_locals
    return made, tracebacks, frames, [f.f_back for f in frames]


@part
def modules():
    import types
    module = types.ModuleType("made", "text")
    module.x = [1]
    names = ("_struct", "_json", "_csv", "_datetime", "_random", "_bisect", "_heapq", "_elementtree", "_asyncio",
             "zlib", "_sqlite3",
             "_lzma", "_bz2", "_hashlib", "_ssl", "_queue", "_pickle", "_ctypes", "_decimal", "_zoneinfo", "select",
             "_lsprof",
             "unicodedata", "_multiprocessing", "_posixsubprocess", "mmap", "fcntl", "resource", "array", "pyexpat",
             "math")
    found = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ImportError:
            pass
    return module, attributes(types.SimpleNamespace(a=[1])), found, types.SimpleNamespace()


@part
def typing_things():
    import typing
    made = [typing.List[int], typing.TypeVar("T", bound=int), typing.TypeVar("U", int, str), typing.Optional[int]]
    if sys.version_info >= (3, 9):
        made += [list[int], dict[str, list[int]], list[made[1]], list[made[1]].__parameters__]
    if sys.version_info >= (3, 10):
        made += [int | str, list[int] | None, typing.ParamSpec("P"), typing.ParamSpec("P").args,
                 typing.ParamSpec("P").kwargs]
    if sys.version_info >= (3, 11):
        made += [typing.TypeVarTuple("Ts"), iter(list[int])]
    if sys.version_info >= (3, 12):
        space = {}
        exec("type Alias[T: int, *Ts, **P] = list[T]\nAlias.__value__\ntype Lazy[T] = dict[T, int]\n"
             "class Generic[T: (int, str)]:\n    def method[U](self, u: U) -> T: pass\n"
             "def function[V](v: V) -> V: pass", space)
        made += [space]
    return made


@part
def contexts():
    import contextvars
    names = [contextvars.ContextVar("v%d" % n, default=[n]) for n in range(60)]

    class Collides:
        pass
    def fill():
        return [v.set(["value"]) for v in names]
    few, many = contextvars.copy_context(), contextvars.copy_context()
    tokens = many.run(fill)
    token = few.run(names[0].set, [1])
    names[0].get()
    return names, few, many, tokens, token, iter(many), contextvars.ContextVar("bare")


@part
def buffers():
    import array
    import mmap
    import weakref
    data = bytearray(b"x" * 100)
    view = memoryview(data)
    target = Plain(1)
    ref = weakref.ref(target, lambda r: None)
    released = memoryview(b"abc")
    released.release()
    extra = []
    if sys.version_info >= (3, 8):
        import pickle
        extra = [pickle.PickleBuffer(data)]
    return (data, view, view[1:50:2], view.cast("B"), released, memoryview(array.array("d", [1, 2])), target, ref,
            weakref.ref(target), weakref.proxy(target), weakref.WeakSet([target]),
            weakref.WeakKeyDictionary({target: [1]}), weakref.WeakMethod(target.__init__), weakref.finalize(target,
                    len, [1]),
            array.array("i", range(100)), iter(array.array("i", [1])), mmap.mmap(-1, 4096), extra, bytes(10),
            bytearray())


@part
def files():
    import io
    import tempfile
    raw = open(__file__, "rb", buffering=0)
    text = open(__file__)
    text.readline()
    reading = iter(open(__file__))
    next(reading)
    stringio, bytesio = io.StringIO("abc\ndef"), io.BytesIO(b"abc" * 100)
    stringio.readline()
    bytesio.extra = [1]
    written = tempfile.TemporaryFile("w+")
    written.write("pending")
    r, w = open(__file__, "rb"), tempfile.TemporaryFile()
    attributes(text, mode="r")
    import codecs
    return (raw, text, reading, stringio, bytesio, bytesio.getbuffer(), written, io.BufferedRWPair(r, w), r, w,
            io.IncrementalNewlineDecoder(None, True), codecs.open(__file__, encoding="utf-8"),
            io.BufferedRandom(io.BytesIO()),
            io.TextIOWrapper(io.BytesIO(b"a\r\nb"), newline=None, errors="strict"))


@part
def threads():
    import queue
    local = threading.local()
    local.x = [1]

    class MyLocal(threading.local):
        def __init__(self, *args, **more):
            self.y = args
    mine = MyLocal([1], k=[2])
    simple = queue.SimpleQueue()
    for n in range(20):
        simple.put([n])
    for n in range(15):
        simple.get()
    for n in range(10):
        simple.put((n, []))
    full = queue.Queue()
    full.put([1])
    return (local, mine, simple, full, threading.Lock(), threading.RLock(), threading.Condition(), threading.Event(),
            threading.Thread(target=len, args=([],)), queue.SimpleQueue(), threading.Semaphore(), threading.Barrier(2))


@part
def asynchronous():
    import asyncio
    loop = asyncio.new_event_loop()

    async def sleeper(n):
        local = [n]
        await asyncio.sleep(1000 + n)
        return local

    async def waiter(future):
        return await future

    async def fails():
        raise MyError("in a task")

    async def start():
        future = loop.create_future()
        future.add_done_callback(print)
        future.add_done_callback(len)
        done = loop.create_future()
        done.set_result([1])
        bad = loop.create_future()
        bad.set_exception(MyError("x"))
        cancelled = loop.create_future()
        cancelled.cancel()
        tasks = [loop.create_task(c) for c in (sleeper(1), waiter(future), fails(), sleeper(2))]
        gathered = asyncio.gather(waiter(future), waiter(future))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.sleep(0)
        queue = asyncio.Queue()
        getting = loop.create_task(queue.get())
        await asyncio.sleep(0)
        return future, done, bad, cancelled, tasks, gathered, queue, getting, asyncio.Lock(), iter(loop.create_future())
    return loop, loop.run_until_complete(start())


@part
def documents():
    import xml.etree.ElementTree as et
    tree = et.fromstring("<r a='1'>text" + "".join("<i>%d<n/>tail</i>" % n for n in range(20)) + "</r>")
    builder = et.TreeBuilder()
    builder.start("a", {})
    builder.data("x")
    builder.data("y")
    parser = et.XMLParser()
    parser.feed("<a><b>")
    parser.feed("text")
    import xml.parsers.expat as expat
    raw = expat.ParserCreate()
    raw.StartElementHandler = lambda *args: None
    raw.CharacterDataHandler = print
    pulling = et.XMLPullParser(["start", "end"])
    pulling.feed("<a><b/>")
    walk = tree.iter()
    next(walk)
    next(walk)
    return tree, builder, parser, raw, pulling, walk, tree.iter("n"), tree.itertext(), et.Element("e", {"k": "v"}),
    et.Element("x")


@part
def databases():
    import sqlite3
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.create_function("f", 1, len)
    connection.execute("create table t(a, b)")
    connection.executemany("insert into t values(?, ?)", [(n, "row %d" % n) for n in range(20)])
    cursor = connection.execute("select * from t")
    rows = [next(cursor), next(cursor)]
    connection.set_trace_callback(len)
    connection.set_progress_handler(len, 1000)
    other = sqlite3.connect(":memory:", isolation_level=None)
    return connection, cursor, rows, other, connection.cursor(),
    connection("select 1") if callable(connection) else None


@part
def secured():
    import hashlib
    import hmac
    import ssl
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context = ssl.create_default_context()
    server.sni_callback = lambda *args: None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wrapped = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
    return context, server, incoming, outgoing, wrapped, hashlib.sha256(b"x"), hashlib.md5(b"x"), hmac.new(b"k", b"m",
            "sha256")


@part
def patterns():
    import re
    pattern = re.compile(r"(?P<name>a+)(b)?")
    match = pattern.match("aaab")
    match.regs
    scanner = pattern.scanner("aab")
    found = pattern.finditer("aabaab")
    first = next(found)
    return pattern, match, scanner, found, first, re.compile(rb"x"), re.compile(r"\d+").sub


@part
def formats():
    import csv
    import io
    import json
    import pickle
    import struct
    decoder, encoder = json.JSONDecoder(object_hook=lambda d: d), json.JSONEncoder(indent=2, default=str)
    reader = csv.reader(io.StringIO("a,b\nc,d\n"))
    next(reader)
    writer = csv.writer(io.StringIO(), delimiter=";")
    writer.writerow(["a", "b"])
    packed = struct.Struct("iif")
    pickler = pickle.Pickler(io.BytesIO())
    shared = [1]
    pickler.dump([shared, shared])
    pickler.dispatch_table = {}
    unpickler = pickle.Unpickler(io.BytesIO(pickle.dumps([[1], "a"])))
    unpickler.load()
    made = [decoder, decoder.scan_once, encoder, reader, writer, csv.DictReader(io.StringIO("a\n1")), packed,
            packed.iter_unpack(packed.pack(1, 2, 3.0)), pickler, pickler.memo, unpickler, unpickler.memo]
    encoder = json.encoder.c_make_encoder
    if encoder:
        made.append(encoder({}, str, str, None, ":", ",", False, False, True))
    return made


@part
def numbers():
    import datetime
    import decimal
    import fractions
    import random
    import uuid
    context = decimal.Context(prec=5)
    zone = datetime.timezone(datetime.timedelta(hours=1), "zone")
    made = [context, context.flags, context.traps, decimal.localcontext(context), decimal.Decimal("1.5"),
            fractions.Fraction(1, 3),
            random.Random(1), uuid.uuid4(), datetime.datetime.now(zone), datetime.datetime.now(), datetime.time(1,
                    tzinfo=zone),
            datetime.time(1), zone, datetime.timedelta(1), slice([1], 2, None), range(1 << 70), range(3), 1 << 300,
            1.5, 1j]
    try:
        import zoneinfo
        made.append(zoneinfo.ZoneInfo("Europe/Berlin"))
    except Exception:
        pass
    return made


@part
def foreign():
    import ctypes

    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("o", ctypes.py_object), ("p", ctypes.c_char_p)]

    class Either(ctypes.Union):
        _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_float)]
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n)
    point = Point(1, [2], b"abc")
    array = (Point * 3)()
    array[1].p = b"def"
    libc = ctypes.CDLL(None)
    libc.strlen.argtypes = [ctypes.c_char_p]
    libc.strlen.errcheck = lambda *args: args[0]
    text = ctypes.c_char_p(b"text")
    return (Point, Either, point, Either(), array, array[1], ctypes.pointer(point), ctypes.POINTER(Point),
            ctypes.byref(point), callback,
            libc, libc.strlen, text, ctypes.c_int(5), ctypes.create_string_buffer(10), ctypes.cast(text,
                    ctypes.c_void_p), Point.x)


@part
def system():
    import os
    import select
    import signal
    import socket
    import time
    pair = socket.socketpair()
    poll = select.poll()
    entries = list(os.scandir(os.path.dirname(os.path.abspath(__file__))))
    entries[0].stat()
    return (os.stat("/"), time.localtime(), os.times(), sys.version_info, sys.flags, sys.hash_info, os.uname(),
            os.terminal_size((1, 2)),
            pair, poll, select.epoll(), entries, os.scandir("/"), signal.getsignal(signal.SIGINT), sys.thread_info,
            sys.float_info,
            time.get_clock_info("time"), sys.implementation)


@part
def classes():
    import abc
    import dataclasses
    import enum

    class Colour(enum.Enum):
        RED = [1]
        BLUE = 2

    class Bits(enum.Flag):
        A = 1
        B = 2

    class Number(enum.IntEnum):
        ONE = 1

    @dataclasses.dataclass
    class Data:
        a: list
        b: int = 1

    class Abstract(abc.ABC):
        @abc.abstractmethod
        def m(self):
            pass
    Abstract.register(Plain)
    isinstance(Plain(1), Abstract)
    return Colour, Bits, Bits.A | Bits.B, Number, Data([1]), Data, Abstract, type("Dynamic", (Plain,),
            {"__slots__": ("q",)})


def park(event):
    local = {"parked": [1]}
    event.wait()
    return local


def main():
    event = threading.Event()
    thread = threading.Thread(target=park, args=(event,), daemon=True)
    thread.start()
    ZOO["thread"] = thread, [f for f in sys._current_frames().values()]
    print("ABSENT", {name: what for name, what in ZOO.items() if isinstance(what, str)})
    serve(globals())


if __name__ == "__main__":
    main()
