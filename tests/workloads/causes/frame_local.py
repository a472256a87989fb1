"""A local of a function that a second thread never leaves."""
import threading

import leak

STARTED, END = threading.Event(), threading.Event()


def collect():
    rows = leak.records()
    STARTED.set()
    END.wait()
    return rows


threading.Thread(target=collect, daemon=True).start()
STARTED.wait()
leak.wait()
