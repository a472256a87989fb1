"""Objects that are deleted one by one, with the allocators' own counts before and after each.

  python deleted.py          prints READY {...}, obeys truth.serve's commands

READY's targets are the cases: each object is held by one item of HELD and by nothing else. `exec` a file that calls
delete_all(PATH): it writes what sys._debugmallocstats() and mallinfo() say around every deletion.

What must not be counted as kept or freed by chance:
- free lists (of floats, tuples, lists, dicts, frames) keep blocks of what was deleted: a full gc.collect() empties them
- malloc's caches by thread count as used: GLIBC_TUNABLES=glibc.malloc.tcache_count=0 has to be set from outside
- the type cache holds names: it is cleared
- nothing is read or computed between two counts; NOTHING, a case that holds None, shows that measuring frees nothing
"""
import _thread
import array
import collections
import contextvars
import ctypes
import dataclasses
import datetime
import decimal
import functools
import gc
import hashlib
import importlib
import io
import itertools
import json
import operator
import os
import pickle
import random
import re
import struct
import sys
import threading
import types
import weakref
import zlib

from mallinfo import Mallinfo
from truth import serve

HELD = []
CASES = []


def case(make):
    CASES.append(make)
    return make


def text(size):
    """A str of its own."""
    return "".join(["x"] * size)


def number(i):
    """An int of its own."""
    return 10 ** 9 + i


class Node:
    def __init__(self, value):
        self.value, self.other = value, None


class Slots:
    __slots__ = ("a", "b", "c")

    def __init__(self):
        self.a, self.b, self.c = [text(50)], {number(1): text(60)}, text(70)


@dataclasses.dataclass
class Record:
    name: str
    tags: list
    more: dict


class Lister(list):
    pass


class Dicter(dict):
    __slots__ = ("extra",)


class Wide:
    """Its instances share no table of keys with others."""

    def __init__(self, value):
        self.value = value


__warningregistry__ = {}               # a connection that is not closed makes it: not at its deletion
SHARED = [text(5000)]
Point = collections.namedtuple("Point", "x y")


@case
def nothing():
    return None


@case
def big_int():
    return 7 ** 5000


@case
def a_float():
    return [float(i) + 0.5 for i in range(300)]


@case
def a_complex():
    return [complex(number(1), 2)]


@case
def str_ascii():
    return text(700)


@case
def str_latin1():
    return "\xe9" + text(701)


@case
def str_ucs2():
    return "\u0416" + text(702)


@case
def str_ucs4():
    return "\U0001f600" + text(703)


@case
def str_with_utf8():
    made = "\u0416" + text(300)
    ctypes.pythonapi.PyUnicode_AsUTF8(ctypes.py_object(made))
    return made


@case
def bytes_large():
    return bytes(50000)


@case
def byte_array():
    return bytearray(30000)


@case
def byte_array_cut():
    made = bytearray(9000)
    del made[:100]
    return made


@case
def arrays():
    return [array.array("d", range(1000)), array.array("b", bytes(10)), array.array("q")]


@case
def memory_view():
    return memoryview(bytearray(20000))[10:500]


@case
def nested_lists():
    made = []
    for i in range(50):
        made = [made, number(i), text(i + 20)]
    return made


@case
def list_grown():
    made = []
    for i in range(1000):
        made.append(number(i))
    return made


@case
def tuples():
    return tuple((number(i), (text(i + 10),)) for i in range(60))


@case
def dict_nested():
    return {number(i): {text(20) + str(i): [number(i + 1)]} for i in range(100)}


@case
def dict_of_str():
    return {text(30) + str(i): number(i) for i in range(300)}


@case
def dict_emptied():
    made = {number(i): 1 for i in range(1000)}
    for key in list(made):
        del made[key]
    return made


@case
def sets():
    return [set(map(number, range(500))), frozenset(map(number, range(3))), set()]


@case
def deque_long():
    return collections.deque(map(number, range(2000)))


@case
def deque_both_ways():
    made = collections.deque([1])
    for i in range(200):
        made.appendleft(number(i))
        made.append(text(20))
    return made


@case
def ordered_dict():
    return collections.OrderedDict((number(i), text(i + 30)) for i in range(200))


@case
def default_dict():
    made = collections.defaultdict(list)
    for i in range(50):
        made[number(i)].append(text(40))
    return made


@case
def counter():
    return collections.Counter(map(number, range(80)))


@case
def instances():
    return [Node(text(90 + i)) for i in range(30)]


@case
def instance_cycle():
    one, two = Node(text(400)), Node([text(401)])
    one.other, two.other = two, one
    return one


@case
def list_in_itself():
    made = [text(333)]
    made.append(made)
    return made


@case
def ring():
    nodes = [Node(number(i)) for i in range(100)]
    for i, node in enumerate(nodes):
        node.other = nodes[i - 1]
    return nodes[0]


@case
def shared_inside():
    part = [text(800), text(900)]
    return [[part, 1], {"part": part}, (part, part)]


@case
def shared_outside():
    return [SHARED, text(44), {"shared": SHARED}]


@case
def instance_with_dict():
    made = Wide(1)
    made.__dict__["more"] = text(99)
    for i in range(40):
        setattr(made, "attribute%d" % i, number(i))
    return made


@case
def instance_dict_asked_for():
    made = Node(text(10))
    vars(made)
    return made


@case
def slots():
    return Slots()


@case
def data_class():
    return [Record(text(40), [text(41)], {"k": text(42)}) for _ in range(20)]


@case
def named_tuples():
    return [Point(number(i), text(15)) for i in range(20)]


@case
def subclasses():
    made = Dicter(a=number(1))
    made.extra = text(60)
    return Lister([made, Lister([text(61)])])


@case
def bytes_io():
    made = io.BytesIO()
    made.write(bytes(12345))
    return made


@case
def string_io():
    made = io.StringIO()
    made.write("\u0416" * 2000)
    made.seek(0)
    made.read(1)
    return [made, io.StringIO(text(500))]


@case
def buffered_io():
    return [io.BufferedReader(io.BytesIO(bytes(3000)), 5000), io.TextIOWrapper(io.BytesIO(bytes(300)), "ascii")]


@case
def closure():
    kept = [text(600)]

    def inner(extra=(number(5), text(77))):
        return kept, extra
    return inner


@case
def generator():
    def produce(local):
        other = [text(510)]
        yield local
        yield other
    made = produce([text(500)])
    next(made)
    return made


@case
def coroutine():
    @types.coroutine
    def wait():
        yield [text(30)]

    async def work(local):
        await wait()
        return local
    made = work([text(501)])
    made.send(None)
    return made


@case
def exception_with_traceback():
    def fail(local):
        raise ValueError(local, [text(300)])
    try:
        fail([text(301)])
    except ValueError as error:
        made = error
    try:
        return [made]
    finally:
        del made


@case
def exception_chain():
    try:
        try:
            {}[text(100)]
        except KeyError as inner:
            raise OSError(5, text(101), text(102)) from inner
    except OSError as error:
        return [error.with_traceback(None)]


@case
def weak_references():
    made = [Node(text(25)) for _ in range(10)]
    return [made, [weakref.ref(node) for node in made], weakref.WeakValueDictionary(enumerate(made)),
            weakref.WeakSet(made)]


@case
def a_class():
    class Fresh:
        attribute = [text(1000)]

        def method(self):
            return [self]

        @property
        def value(self):
            return self.method()
    return Fresh


@case
def class_with_slots():
    return type("Made", (Node,), {"__slots__": ("one", "two"), "data": [text(640)]})


@case
def a_module():
    made = types.ModuleType(text(20))
    made.table = {number(i): text(20) for i in range(50)}
    exec("def f(a, b=[1]):\n return a, b, 'constant ' 'text'\n", made.__dict__)
    return made


@case
def code_object():
    return compile("def f(a):\n  b = a + %d\n  return [b for c in a], 'x y %d'\n" % (number(3), number(4)), text(12),
                   "exec")


@case
def lru_cached():
    @functools.lru_cache(maxsize=None)
    def compute(key):
        return [key, text(64)]
    for i in range(100):
        compute(number(i))
    return compute


@case
def lru_bounded():
    @functools.lru_cache(maxsize=20)
    def compute(key, other=None):
        return [key, text(65)]
    for i in range(100):
        compute(number(i), other=number(i))
    return compute


@case
def sqlite_cursor():
    sqlite3 = importlib.import_module("sqlite3")
    connection = SQLITE.setdefault("connection", sqlite3.connect(":memory:", check_same_thread=False))
    return [connection.cursor(), connection.cursor()]


@case
def sqlite_connection():
    connection = importlib.import_module("sqlite3").connect(":memory:", check_same_thread=False)
    connection.execute("CREATE TABLE t (a, b)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, "row %d" % i) for i in range(500)])
    connection.row_factory = functools.partial(tuple)
    return connection


SQLITE = {}


@case
def elements():
    ElementTree = importlib.import_module("xml.etree.ElementTree")
    root = ElementTree.Element("root", {"key": text(30)})
    for i in range(20):
        child = ElementTree.SubElement(root, text(10) + str(i))
        child.text, child.tail = text(20), text(21)
        for _ in range(6):
            ElementTree.SubElement(child, "leaf")
    return root


@case
def decimals():
    return [decimal.Decimal(1) / 3, decimal.Decimal(7) ** 300, decimal.Decimal("1." + "123456789" * 40)]


@case
def decimal_context():
    return decimal.Context(prec=50)


@case
def date_times():
    zone = datetime.timezone(datetime.timedelta(hours=1), text(10))
    return [datetime.datetime(2020, 1, 2, tzinfo=zone), datetime.date(2020, 1, 1), datetime.timedelta(3),
            datetime.time(1, 2, tzinfo=zone)]


@case
def patterns():
    made = re.compile("(?P<name>a+|b{2,%d})(x|y)*" % 77)
    re.purge()
    return [made, made.match("aaax")]


@case
def partials():
    return [functools.partial(print, text(30), end=text(31)), operator.itemgetter(number(1), text(32)),
            operator.attrgetter("a" + text(3) + ".b"), operator.methodcaller("name" + text(4), text(33), k=text(34))]


@case
def iterators():
    made = [map(str, [text(20)]), filter(None, [text(21)]), zip([text(22)], [text(23)]), enumerate([text(24)]),
            iter([text(25)]), iter({text(26): 1}), reversed([text(27)]), itertools.chain([text(28)], [text(29)]),
            itertools.islice([text(30)], 2), itertools.product([text(31)], [text(32)]), itertools.count(number(5)),
            itertools.cycle([text(33)]), itertools.permutations([text(34), 1, 2]), itertools.groupby([text(35)])]
    next(made[-2]), next(made[-3]), next(made[9])
    return made


@case
def tees():
    one, two = itertools.tee([text(20) + str(i) for i in range(200)])
    for _ in range(120):
        next(one)
    return [one, two]


@case
def methods():
    node = Node(text(88))
    return [node.__init__, [].append, super(Lister, Lister([text(40)])), staticmethod(print), property(len),
            types.MappingProxyType({text(50): 1}), types.SimpleNamespace(a=text(51))]


@case
def randoms():
    return random.Random(5)


@case
def hashes():
    return [hashlib.md5(b"x"), hashlib.sha256(b"y")]


@case
def compressors():
    made = zlib.compressobj(1, zlib.DEFLATED, 9, 1)
    made.compress(bytes(100))
    return made


@case
def structs():
    return [struct.Struct("<iqhd%ds" % 12), struct.Struct("4i")]


@case
def json_coders():
    return [json.JSONDecoder(object_hook=dict), json.JSONEncoder(indent=2), json.scanner.make_scanner(
        json.JSONDecoder())]


@case
def picklers():
    made = pickle.Pickler(io.BytesIO())
    made.dump([[text(20)] for _ in range(100)])
    return [made, pickle.Unpickler(io.BytesIO(pickle.dumps([1])))]


@case
def thread_locals():
    made = threading.local()
    made.value = [text(222)]
    return made


@case
def locks():
    return [threading.Lock(), threading.RLock(), threading.Condition(), threading.Event()]


@case
def context_variables():
    variable = contextvars.ContextVar(text(14))
    context = contextvars.copy_context()
    context.run(variable.set, [text(640)])
    return [variable, context]


@case
def ctypes_data():
    return [(ctypes.c_int * 1000)(), ctypes.c_double(1), ctypes.create_string_buffer(b"abc", 700)]


@case
def numpy_arrays():
    numpy = importlib.import_module("numpy")
    made = numpy.arange(5000, dtype="f8")
    return [made, made[10:20], made.reshape(50, 100), numpy.array([text(30), [1]], dtype=object),
            numpy.zeros((3, 4), dtype="i2"), numpy.float64(3.5)]


@case
def pandas_frame():
    pandas = importlib.import_module("pandas")
    return pandas.DataFrame({"a": list(range(500)), "b": [text(20) + str(i) for i in range(500)]})


malloc_says = Mallinfo()


def settle():
    gc.collect()
    sys._clear_type_cache()
    gc.collect()


def count(label, when):
    os.write(2, b"CASE %s %s\n" % (label, when))
    sys._debugmallocstats()
    malloc_says.ask()
    told = malloc_says.members()
    os.write(2, b"MALLOC %d\n" % (told["uordblks"] + told["hblkhd"]))


def delete_all(path):
    """The first round's counts are of a case that is not there: what counting itself needs is made then."""
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    old = os.dup(2)
    os.dup2(fd, 2)
    labels = [make.__name__.encode() for make in CASES]
    for i in [len(HELD) - 1] + list(range(len(HELD) - 1)):
        settle()
        count(labels[i], b"before")
        HELD[i] = None
        settle()
        count(labels[i], b"after")
    os.dup2(old, 2)


def make_one(make, done):
    """Called in a thread that ends: no stale word of a C stack is the address of what was made, no frame is shared."""
    try:
        make()                        # what modules keep of a first time is there then
        HELD.append(make())
    except ImportError:
        CASES.remove(make)
    done.release()


def make_all():
    for make in list(CASES):
        done = _thread.allocate_lock()
        done.acquire()
        _thread.start_new_thread(make_one, (make, done))
        done.acquire()
    HELD[CASES.index(thread_locals)] = thread_locals()    # of a thread that lives on
    CASES.append(nothing)
    HELD.append(None)
    settle()


def main():
    make_all()
    serve(globals(), targets=[(make.__name__, id(HELD[i]), None) for i, make in enumerate(CASES)
                              if HELD[i] is not None])


if __name__ == "__main__":
    main()
