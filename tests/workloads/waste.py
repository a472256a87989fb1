"""A program that wastes memory in known ways.

  python waste.py PATH        writes what is wasted to PATH as JSON, prints READY

The sizes are sys.getsizeof's: of each container, and of the same built anew.
"""
import collections
import json
import random
import sys

from truth import serve

RANDOM = random.Random(5)


class Order:
    def __init__(self, currency):
        self.currency = currency


class Slotted:
    __slots__ = ("colour",)


class Empty:
    pass


class Shared:
    pass


class Late:                          # no attribute is left
    def __init__(self):
        self.gone = 1
        del self.gone


def anew(text):
    """An equal object, and never the same one."""
    return text[:1] + text[1:]


CURRENCY = "a currency that nobody interned, as long as a hundred characters would be, for the sake of an example"
COLOUR = "colour \u00e9\u00e8"
NAME = "\u6f22\u5b57 name of an item"
SMILE = "smile \U0001f600"
KEY = "key of many dicts, made anew"
BLOB = b"blob\0" * 20
ORDERS = [Order(anew(CURRENCY)) for _ in range(1000)]
SLOTTED = [Slotted() for _ in range(50)]
for one in SLOTTED:
    one.colour = anew(COLOUR)
NAMES = [anew(NAME) for _ in range(70)]
RECORDS = [{"smile": anew(SMILE), "n": 1000000 + n} for n in range(30)]
INDEX = [{anew(KEY): n} for n in range(40)]
BLOBS = {n: anew(BLOB) for n in range(25)}
TEXTS = [(CURRENCY, 1000, "__main__.Order.currency"), (COLOUR, 50, "__main__.Slotted.colour"),
         (NAME, 70, "items of __main__.NAMES"), (SMILE, 30, "dict['smile']"), (KEY, 40, "keys of dict"),
         (BLOB, 25, "values of __main__.BLOBS")]
EMPTY = [Empty() for _ in range(500)]
LATE = [Late() for _ in range(60)]
SHARED = [Shared() for _ in range(20)]
for one in EMPTY + LATE:
    one.__dict__
for one in SHARED:
    one.__dict__ = SHARED[0].__dict__


def random_list():
    made = []
    for n in range(RANDOM.randrange(300)):
        made.append(n)
    if RANDOM.random() < 0.3:
        del made[RANDOM.randrange(len(made) + 1):]
    return made if RANDOM.random() < 0.8 else made[:]


def random_dict(kind, key):
    made = kind()
    for n in range(RANDOM.choice((3, 20, 500))):
        made[key(n)] = n
    for n in range(RANDOM.randrange(len(made) + 1)):
        del made[key(n)]
    return made


def random_set():
    made = set(range(RANDOM.randrange(400)))
    for n in range(RANDOM.randrange(len(made) + 1)):
        made.discard(n)
    return made if RANDOM.random() < 0.8 else frozenset(made)


def text_key(n):
    return "key %d" % n


def dict_size_anew(old):
    """3.8 makes a table at once, unless the dict is a display; it is not needed."""
    made = {} if type(old) is dict else type(old)()
    for key, value in old.items():
        made[key] = value
    return sys.getsizeof(made) - (0 if made or type(old) is dict else sys.getsizeof(dict()) - sys.getsizeof({}))


def list_size_anew(old):
    return sys.getsizeof(old[:])


def set_size_anew(old):
    return sys.getsizeof(set(old))


LISTS = [random_list() for _ in range(150)]
DICTS = [random_dict(kind, key) for kind in (dict, collections.OrderedDict) for key in (int, text_key)
         for _ in range(60)]
SETS = [random_set() for _ in range(150)]


def spare(containers, size_anew):
    return {hex(id(one)): sys.getsizeof(one) - size_anew(one) for one in containers}


def empty_dict_size(instance):
    """Since 3.13 values are inside of the instance, and counted once more with its dict, unless that was replaced."""
    inside = sys.version_info >= (3, 13) and type(instance) is not Shared
    return sys.getsizeof({} if inside else instance.__dict__)


def write(path):
    texts = [{"value": ascii(text), "count": count, "holder": holder, "size": sys.getsizeof(text)}
             for text, count, holder in TEXTS]
    empty = {"__main__.%s" % name: [len(instances), sum(map(empty_dict_size, instances))]
             for name, instances in (("Empty", EMPTY), ("Late", LATE), ("Shared", SHARED[:1]))}
    with open(path, "w") as f:
        json.dump({"texts": texts, "empty": empty, "lists": spare(LISTS, list_size_anew),
                   "dicts": spare(DICTS, dict_size_anew), "sets": spare(SETS, set_size_anew)}, f)


if __name__ == "__main__":
    write(sys.argv[1])
    serve(globals())
