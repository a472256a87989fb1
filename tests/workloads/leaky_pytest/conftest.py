"""Stops of the leaky session.

LEAK_N      how much each leaking test leaks (default 2000 rounds)
LEAK_STOPS  comma list of stops, any of: start, after:<file stem>, end.
            At a stop the session prints "STOP <name> pid=<pid>" on stderr and
            sleeps until a line comes on stdin (or for LEAK_STOP_SECONDS).
            Run pytest with -s so that stdin and stderr are the terminal's.
LEAK_TRUTH  folder: at each stop the truth <name>.json, .objects, .malloc is written there
"""
import os
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

STOPS = set(filter(None, os.environ.get("LEAK_STOPS", "").split(",")))
SECONDS = float(os.environ.get("LEAK_STOP_SECONDS", "3600"))


def stop(name):
    if name not in STOPS:
        return
    folder = os.environ.get("LEAK_TRUTH")
    if folder:
        from truth import snapshot
        snapshot(os.path.join(folder, name.replace(":", "_")))
    os.write(2, ("STOP %s pid=%d\n" % (name, os.getpid())).encode())
    left = SECONDS
    while left > 0:
        if select.select([0], [], [], 0.25)[0]:
            if os.read(0, 4096):
                break
        left -= 0.25


def pytest_collection_finish(session):
    stop("start")


def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.path != item.path:
        item.config._leak_last = item.path.stem


def pytest_runtest_logreport(report):
    if report.when == "teardown":
        cfg = _CONFIG[0]
        stem = getattr(cfg, "_leak_last", None)
        if stem:
            cfg._leak_last = None
            stop("after:" + stem)


_CONFIG = []


def pytest_configure(config):
    _CONFIG.append(config)


def pytest_sessionfinish(session, exitstatus):
    stop("end")
