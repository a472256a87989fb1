"""One object of many kinds and two threads, with next to nothing imported; then the process leaves a core.

  python -I -S specimen.py                 of the interpreter's own kinds
  python -I -S specimen.py extensions      and of the standard library's modules in C, which brings some more in

What the fuzzers' reduced cores are made of (tests/fuzz/cores.py): a heap as small as that of an interpreter can be.
"""
import posix
import sys

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


def a_database():
    import _sqlite3
    connection = _sqlite3.connect(":memory:")
    connection.row_factory = _sqlite3.Row
    connection.execute("create table t(a, b)")
    connection.executemany("insert into t values(?, ?)", [(n, "row") for n in range(3)])
    cursor = connection.execute("select * from t")
    connection.set_trace_callback(len)
    connection.set_progress_handler(len, 1000)
    connection.set_authorizer(lambda *args: 0)
    return connection, cursor, next(cursor)


def documents():
    import _elementtree
    import pyexpat
    element = _elementtree.Element("e", {"k": "v"})
    element.text, element.tail = "text", "tail"
    for n in range(6):
        _elementtree.SubElement(element, "child")
    builder = _elementtree.TreeBuilder()
    builder.start("a", {})
    builder.data("x")
    builder.data("y")
    parser = pyexpat.ParserCreate()
    parser.StartElementHandler = lambda *args: None
    parser.Parse("<a><b>")
    walk = element.iter()
    next(walk)
    next(walk)
    return element, builder, parser, walk, element.itertext(), _elementtree.XMLParser()


def foreign():
    import _ctypes
    import ctypes

    class Point(_ctypes.Structure):
        _fields_ = [("x", ctypes.c_int), ("o", ctypes.py_object), ("p", ctypes.c_char_p)]
    point = Point(1, [2], b"abc")
    array = (Point * 3)()
    array[1].p = b"def"
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n)
    libc = ctypes.CDLL(None)
    libc.strlen.argtypes = [ctypes.c_char_p]
    libc.strlen.errcheck = lambda *args: args[0]
    return point, array, array[1], callback, ctypes.pointer(point), ctypes.byref(point), libc.strlen, Point.x


def pickled():
    import _io
    import _pickle
    shared = [1]
    pickler = _pickle.Pickler(_io.BytesIO())
    pickler.dump([shared, shared])
    unpickler = _pickle.Unpickler(_io.BytesIO(_pickle.dumps([[1], "a"])))
    unpickler.load()
    return pickler, pickler.memo, unpickler, unpickler.memo, _pickle.PickleBuffer(b"x")


def numbers():
    import _datetime
    import _decimal
    import _random
    import array
    context = _decimal.Context(prec=5)
    zone = _datetime.timezone(_datetime.timedelta(hours=1), "zone")
    return (context, context.flags, context.traps, _decimal.Decimal("1.5"), _random.Random(1), zone,
            _datetime.datetime.now(zone), _datetime.time(1, tzinfo=zone), array.array("i", range(100)),
            memoryview(array.array("d", [1, 2])), iter(array.array("i", [1])))


def texts():
    import _csv
    import _io
    import _json
    import _struct
    import re
    reader = _csv.reader(iter(["a,b", "c,d"]))
    next(reader)
    lines = _io.StringIO("abc\ndef")
    lines.readline()
    wrapped = _io.TextIOWrapper(_io.BytesIO(b"a\r\nb"), newline=None, errors="strict")
    packed = _struct.Struct("iif")
    pattern = re.compile("(?P<name>a+)(b)?")
    encoder = _json.make_encoder({}, str, str, None, ":", ",", False, False, True)
    return (reader, lines, wrapped, _io.BufferedRWPair(_io.BytesIO(), _io.BytesIO()), packed,
            packed.iter_unpack(packed.pack(1, 2, 3.0)), pattern, pattern.match("aab"), pattern.finditer("aab"), encoder)


def waiters():
    import _asyncio
    import _contextvars
    import _queue
    import asyncio
    queue = _queue.SimpleQueue()
    for n in range(20):
        queue.put([n])
    names = [_contextvars.ContextVar("n%d" % n, default=[n]) for n in range(40)]
    context = _contextvars.Context()
    tokens = [context.run(name.set, {name}) for name in names]
    loop = asyncio.new_event_loop()

    async def sleeper(future):
        await future

    async def start():
        future = loop.create_future()
        future.add_done_callback(print)
        future.add_done_callback(len)
        tasks = [loop.create_task(sleeper(future)) for n in range(2)]
        await asyncio.sleep(0)
        return future, tasks, _asyncio.Future(loop=loop)
    return queue, context, tokens[0], iter(context), _thread._local(), loop, loop.run_until_complete(start())


def mapped():
    import _ssl
    import faulthandler
    import mmap
    import zlib
    faulthandler.enable()
    return (mmap.mmap(-1, 4096), _ssl._SSLContext(_ssl.PROTOCOL_TLS_SERVER), _ssl.MemoryBIO(), zlib.compressobj(),
            itertools.tee([1, 2, 3]))


def of_extensions():
    """What a version does not have is left out."""
    made = []
    for maker in a_database, documents, foreign, pickled, numbers, texts, waiters, mapped:
        try:
            made.append(maker())
        except (ImportError, AttributeError, TypeError) as error:
            made.append(error)
    return made


def main():
    lock = _thread.allocate_lock()
    lock.acquire()
    kept = kinds()
    if sys.argv[1:] == ["extensions"]:
        kept.append(of_extensions())
    garbage = [[]]
    garbage[0].append(garbage)
    del garbage
    _thread.start_new_thread(hold, (lock, 3))
    while not _thread._count():
        pass
    kept.append(lock)
    posix.abort()


main()
