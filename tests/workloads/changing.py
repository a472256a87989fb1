"""A heap that changes in another way at each command: changing.py, then one line of Python a command."""
import sys


class Thing:
    pass


class Slim:
    __slots__ = ("value",)


KEPT = [[str(number + item) for item in range(10)] for number in range(3000)]
DICTS = [{"a": number, number: 2} for number in range(5000)]
MORE = []
print("READY {}", flush=True)
for line in sys.stdin:
    exec(line)
    print("DONE", flush=True)
