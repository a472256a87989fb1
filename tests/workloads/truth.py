"""Ground truth about the running interpreter's own heap.

The measuring must not change what it measures. So the process forks, with the
C library's fork() and not os.fork(): os.fork() runs hooks in the child that
throw away the other threads' states and renew locks. The child holds an exact
copy of the heap, at the same addresses, and may make any mess in it. The
parent meanwhile sleeps in waitpid(), in the very state that the child was born
in, and can be stopped, dumped and looked at.

Written to PATH:

  PATH.json     python, pid, header (bytes before an object's own fields), gc_counts, types, targets, measuring
  PATH.objects  one record an object of the closure: three 64-bit words
                address, address of its type, sys.getsizeof()
  PATH.edges    for each object that gc.get_objects() lists, as 64-bit words: its address, how many objects
                gc.get_referents() gives for it, and their addresses
  PATH.malloc   what sys._debugmallocstats() printed

  gc_counts     {type address: n} over gc.get_objects()
  types         {type address: "module.QualName"}
  targets       {label: {addr, type, refcount, referrers}}
  measuring     addresses of objects that are there for the measuring only and are left out of the referrers

The closure: every object that gc.get_objects() lists, and all that is reached
from them through gc.get_referents() and through what tp_traverse does not
show: dict keys (skipped since 3.11 where all are str), parts of code objects,
names of heap types, locals of running functions. Still not seen: what only C
code holds, and of each code object two (co_localsplusnames, co_localspluskinds).
"""
import array
import ctypes
import gc
import json
import os
import select
import sys
import time
import types

HEAP_TYPE = 1 << 9                    # Py_TPFLAGS_HEAPTYPE
# co_lnotab is no part since 3.10, and asking for it is a warning since 3.12: to print that makes hundreds of objects.
CODE_PARTS = ("co_code", "co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable",
              "co_exceptiontable", "co_varnames", "co_cellvars", "co_freevars") + (
                  ("co_lnotab",) if sys.version_info < (3, 10) else ())
# Made anew at each access, so that only their items are the heap's own: (attribute, first version where so).
MADE_ANEW = {"co_code": (3, 11), "co_varnames": (3, 11), "co_cellvars": (3, 11), "co_freevars": (3, 11)}

type_module = type.__dict__["__module__"].__get__
type_qualname = type.__dict__["__qualname__"].__get__
type_name_part = type.__dict__["__name__"].__get__


def type_name(t):
    """module.QualName as CPython keeps it; builtins bare. Runs no code of a metaclass."""
    try:
        module = type_module(t)
    except AttributeError:
        module = None
    if not isinstance(module, str) or module == "builtins":
        return type_qualname(t)
    return module + "." + type_qualname(t)


def referents_of_code(code):
    for part in CODE_PARTS:
        value = getattr(code, part, None)
        if value is None:
            continue
        if sys.version_info >= MADE_ANEW.get(part, (99,)):
            if type(value) is tuple:
                yield from value
        else:
            yield value


def hidden_referents(objects):
    """What the objects refer to without showing it to the garbage collector."""
    for o in objects:
        t = type(o)
        if t is types.CodeType:
            yield from referents_of_code(o)
        elif issubclass(t, dict):
            yield from dict.keys(o)
        elif issubclass(t, type) and type.__dict__["__flags__"].__get__(o) & HEAP_TYPE:
            yield type_qualname(o)
            yield type_name_part(o)


def held_by_frames(outermost):
    """Locals of running functions; up to 3.10 frames are objects that the collector traverses."""
    if sys.version_info < (3, 11):
        return
    here = sys._getframe()
    for frame in sys._current_frames().values():
        mine = frame is here
        while frame is not None:
            if mine and frame is not outermost:
                frame = frame.f_back          # the measuring's own
                continue
            mine = False
            if frame is not outermost:
                yield from frame.f_locals.values()
            yield frame.f_code
            frame = frame.f_back


class Closure:
    def __init__(self, skip):
        self.seen = set(skip)
        self.records = array.array("Q")
        self.types = {}

    def add(self, objects):
        """Records those not seen yet and returns them."""
        fresh = []
        seen, records, known, size = self.seen, self.records, self.types, sys.getsizeof
        for o in objects:
            k = id(o)
            if k in seen:
                continue
            seen.add(k)
            t = type(o)
            known[id(t)] = t
            try:
                bytes_ = size(o, 0)
            except Exception:
                bytes_ = 0                    # a __sizeof__ of Python code that fails
            records.extend((k, id(t), bytes_))
            fresh.append(o)
        return fresh

    def follow(self, work):
        while work:
            found = []
            for i in range(0, len(work), 256):
                part = work[i:i + 256]
                found += self.add(gc.get_referents(*part))
                found += self.add(hidden_referents(part))
            work = found


def untracked_namespaces(target):
    """Modules' dicts that have the target and are off the collector's list, as on 3.13t, which makes them immortal."""
    spaces = [getattr(module, "__dict__", None) for module in list(sys.modules.values())]
    return [space for space in spaces if type(space) is dict and not gc.is_tracked(space)
            and any(value is target for value in space.values())]


def describe_targets(targets, skip):
    out = {}
    for label, address, target in targets:
        referrers = [r for r in gc.get_referrers(target) if id(r) not in skip and type(r) is not types.FrameType]
        referrers += untracked_namespaces(target)
        out[label] = {"addr": hex(address), "type": type_name(type(target)), "refcount": sys.getrefcount(target),
                      "referrers": sorted(hex(id(r)) for r in referrers)}
    return out


def write_referents(path, objects):
    """What tp_traverse shows of each object; first of all, for whatever else is asked may change it."""
    with open(path, "wb") as f:
        for i in range(0, len(objects), 4096):
            words = array.array("Q")
            for o in objects[i:i + 4096]:
                referents = gc.get_referents(o)
                words.append(id(o))
                words.append(len(referents))
                words.extend(map(id, referents))
            words.tofile(f)


def measure(path, objects, targets, outermost, full):
    """In the child, after the objects were listed: anything goes, the parent never sees it."""
    if full:
        write_referents(path + ".edges", objects)
    gc_counts, known = {}, {}
    for o in objects:
        t = type(o)
        known[id(t)] = t
        gc_counts[id(t)] = gc_counts.get(id(t), 0) + 1
    if full:
        closure = Closure((id(objects),))
        closure.follow(closure.add(objects))     # not kept: it would be a referrer of everything
        closure.follow(closure.add(held_by_frames(outermost)))
        known.update(closure.types)
        with open(path + ".objects", "wb") as f:
            closure.records.tofile(f)
    skip = {id(objects), id(targets), id(known)} | {id(target) for target in targets}
    data = {"python": sys.version.split()[0], "pid": os.getppid(), "gc_objects": len(objects),
            "header": object.__basicsize__,
            "gc_counts": {hex(t): n for t, n in gc_counts.items()},
            "types": {hex(t): type_name(known[t]) for t in known},
            "targets": describe_targets(targets, skip), "measuring": sorted(map(hex, skip))}
    with open(path + ".json", "w") as f:
        json.dump(data, f)


fork = ctypes.PyDLL(None).fork        # keeps the GIL, so that the child has it too


def snapshot(path, targets=(), full=True, hold=False):
    """Writes the truth about this moment. hold: comes back only after one line on stdin was read by the child."""
    gc.collect()
    gc.disable()
    sys.stdout.flush()
    fd = os.open(path + ".malloc", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    old = os.dup(2)
    objects = None                    # every local exists before the fork, in child and parent alike
    frame = sys._getframe()
    pid = fork()
    if pid == 0:
        status = 1
        try:
            pid = os.getpid()         # an int object, as the parent has one: not the shared 0
            os.dup2(fd, 2)
            sys._debugmallocstats()
            os.dup2(old, 2)
            objects = gc.get_objects()
            measure(path, objects, targets, frame, full)
            status = 0
            if hold:
                os.write(1, b"DONE truth\n")
                while os.read(0, 1) not in (b"\n", b""):
                    pass
        except BaseException as error:
            os.write(2, ("truth: %r\n" % error).encode())
            raise
        finally:
            os._exit(status)
    pid = os.waitpid(pid, 0)[1]
    frame = None
    gc.enable()
    os.close(fd)
    os.close(old)
    if pid:
        raise RuntimeError("the truth could not be written")


def rss_kb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * (os.sysconf("SC_PAGESIZE") // 1024)


def read_command():
    line = b""
    while not line.endswith(b"\n"):
        c = os.read(0, 1)
        if not c:
            return None
        line += c
    return line.decode().strip().partition(" ")


def run_file(path, env):
    with open(path) as f:
        exec(compile(f.read(), path, "exec"), dict(env, __name__="probe"))


def tick(_):
    """C calling Python enters a new eval loop, so that tools that break there get their turn."""


def serve(env, grow=None, targets=()):
    """Prints READY and obeys one-line commands on stdin until EOF, then sleeps.

    truth PATH   writes the truth, says DONE truth, and stays in that state until it gets an empty line
    grow N, exec PATH, abort, quit
    """
    info = {"pid": os.getpid(), "rss_kb": rss_kb(),
            "targets": {label: hex(address) for label, address, _ in targets}}
    print("READY", json.dumps(info), flush=True)
    while True:
        list(map(tick, (0,)))
        if not select.select([0], [], [], 0.25)[0]:
            continue
        command = read_command()
        if command is None:
            break
        verb, _, argument = command
        if verb == "truth":
            snapshot(argument, targets, hold=True)
        elif verb == "grow" and grow:
            grow(int(argument))
        elif verb == "exec":
            run_file(argument, env)
        elif verb == "abort":
            os.abort()
        elif verb == "quit":
            os._exit(0)
        print("DONE", verb or "go", "rss_kb=%d" % rss_kb(), flush=True)
    while True:
        list(map(tick, (0,)))
        time.sleep(0.25)
