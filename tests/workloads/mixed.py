"""A 'mixed' CPython heap of a wanted size.

  python mixed.py --mb 2048          about 2 GiB resident, prints READY {...}
  python mixed.py --units 10000      exact unit count (same heap every time)

Everything is deterministic for one --units, so counts by type can be checked
exactly.  One unit is one "order" with its lines, dicts, strings and caches;
see unit() for what each holds.  Commands on stdin: see truth.serve.
"""
import argparse
import array
import collections
import datetime
import decimal
import enum
import functools
import gc
import random
import sys
import threading
import time
import weakref

from truth import serve

UNIT_BYTES = 3834          # resident bytes a unit takes on CPython 3.11


class Colour(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3


class Customer:                      # plain instance with __dict__
    def __init__(self, n):
        self.number = 1000000 + n
        self.name = "customer-%d" % n
        self.orders = []             # cycle: Customer <-> Order

    def total(self):
        return sum(o.price for o in self.orders)


class Base:
    def __init__(self, n):
        self.ident = 5000000 + n


class Mixin:
    flag = True


class Order(Base, Mixin):            # __dict__, inheritance
    def __init__(self, n, customer):
        super().__init__(n)
        self.customer = customer
        self.price = n * 1.25
        self.note = "order note %d for %s" % (n, customer.name)
        self.lines = []
        self.meta = {"created": 1600000000 + n, "channel": "web",
                     "ref": "REF%08d" % n, "tags": ["t%d" % (n % 50), "x"],
                     "colour": Colour(1 + n % 3)}


class Line:                          # __slots__, no __dict__
    __slots__ = ("sku", "qty", "price", "order", "__weakref__")

    def __init__(self, sku, qty, price, order):
        self.sku, self.qty, self.price, self.order = sku, qty, price, order


Point = collections.namedtuple("Point", "x y label")


class Bag(dict):                     # dict subclass with __dict__
    pass


class Leaf:                          # what grow() adds
    def __init__(self, n):
        self.n = 9000000 + n
        self.payload = "leaf payload %d" % n


class Marker:                        # the object whose back-references we ask
    pass


ORDERS = []
CUSTOMERS = []
CACHE = {}                           # nested cache: {str: {str: [..]}}
INDEX = {}
BAGS = []
BLOBS = []
CLOSURES = []
GENERATORS = []
QUEUES = []
WEAK = weakref.WeakValueDictionary()
MISC = []
GROWN = []
REGISTRY = {"level1": [{"level2": None}]}


@functools.lru_cache(maxsize=None)
def quote(n):
    return "quote %d" % n, n * 0.5


def counter_gen(n):
    state = ["gen", n, n * 1.5]
    while True:
        yield state


def make_closure(n, customer):
    data = (n, customer)

    def fn(x):
        return data, x, n
    return fn


def unit(n):
    if n % 5 == 0:
        CUSTOMERS.append(Customer(n))
    cust = CUSTOMERS[-1]
    o = Order(n, cust)
    cust.orders.append(o)
    ORDERS.append(o)
    for k in range(3):
        o.lines.append(Line("SKU-%d-%d" % (n, k), 300 + n + k, n * 0.1 + k, o))
    day = CACHE.setdefault("day-%d" % (n // 100), {})
    day["entry-%d" % n] = [o, n * 2.5, (n + 1000, "pair-%d" % n)]
    INDEX["REF%08d" % n] = o
    MISC.append(Point(n + 0.5, n + 0.25, "pt%d" % n))
    quote(n)
    BLOBS.append(b"%d" % n + bytes(200 + n % 200))
    if n % 4 == 0:
        b = Bag(a=n + 300, b=[n + 301, n + 302])
        b.owner = cust
        BAGS.append(b)
        MISC.append({n, "s%d" % n, n * 1.5})
        MISC.append("\u6f22\u5b57-%d" % n)                 # UCS-2 string
    if n % 10 == 0:
        CLOSURES.append(make_closure(n, cust))
        CLOSURES.append(cust.total)                        # bound method
        MISC.append(datetime.datetime(2020, 1, 1 + n % 28, n % 24))
        MISC.append(decimal.Decimal(n) / 7)
        MISC.append(frozenset((n + 7, "f%d" % n)))
        WEAK[n] = o
        vars(cust)                                         # materialises __dict__
        QUEUES.append(collections.deque(
            (n + i + 1000 for i in range(20)), maxlen=64))
    if n % 20 == 0:
        g = counter_gen(n)
        next(g)
        GENERATORS.append(g)
        d = collections.defaultdict(list)
        d["k%d" % n].append(n + 400)
        MISC.append(d)
        MISC.append(collections.OrderedDict(a=n + 500, b=str(n)))
        MISC.append(array.array("d", range(50)))
    if n % 50 == 0:
        try:
            raise ValueError("bad order %d" % n, o)
        except ValueError as e:
            MISC.append(e)                                 # keeps a traceback
    if n % 200 == 0:
        BLOBS.append(bytes(60000 + n % 1000))              # malloc/mmap sized
        BLOBS.append(bytearray(8000))
        MISC.append(1 << (500 + n % 100))                  # multi-digit int


def build(units):
    for n in range(units):
        unit(n)
    # one known reference chain of depth 4 ending in one Marker, and a
    # Marker with many referrers
    chain = Marker()
    REGISTRY["level1"][0]["level2"] = (chain, "tail")
    ORDERS[len(ORDERS) // 2].meta["chain"] = chain
    hub = Marker()
    for o in ORDERS[::max(1, len(ORDERS) // 1000)]:
        o.meta["hub"] = hub
    return [("chain", id(chain), chain), ("hub", id(hub), hub),
            ("order", id(ORDERS[len(ORDERS) // 3]), ORDERS[len(ORDERS) // 3])]


def grow(n):
    """The leak between two stops: n Leaf objects, each in a tuple."""
    start = len(GROWN)
    for i in range(start, start + n):
        GROWN.append((Leaf(i), "grown-%d" % i))


def park(event, depth, held):
    local = {"depth": depth, "held": held, "data": list(range(1000, 1020))}
    if depth:
        return park(event, depth - 1, [local, held])
    event.wait()
    return local


def wait_until_parked(count):
    """Until the threads stand: one that still runs would change the heap under whoever looks at it."""
    me, quiet = threading.get_ident(), 0
    while quiet < 3:
        frames = [f for ident, f in sys._current_frames().items() if ident != me]
        names = [f.f_code.co_name for f in frames]
        del frames
        quiet = quiet + 1 if names == ["wait"] * count else 0
        time.sleep(0.02)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--mb", type=float, default=100, help="MiB")
    ap.add_argument("--units", type=int)
    ap.add_argument("--threads", type=int, default=8)
    ap.add_argument("--truth", help="write truth JSON here before READY")
    a = ap.parse_args()
    units = a.units or max(20, int((a.mb - 12) * 1048576 / UNIT_BYTES))
    random.seed(1)
    gc.disable()                     # building only; millions of live objects
    targets = build(units)
    event = threading.Event()
    for i in range(a.threads):
        threading.Thread(target=park, args=(event, 10, ("thread", i)),
                         name="park-%d" % i, daemon=True).start()
    wait_until_parked(a.threads)
    gc.enable()
    gc.collect()
    if a.truth:
        from truth import snapshot
        snapshot(a.truth, targets)
    print("UNITS", units)
    serve(globals(), grow, targets)


if __name__ == "__main__":
    sys.setrecursionlimit(10000)
    main()
