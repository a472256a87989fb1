"""threading.local in a second thread."""
import threading

import leak

LOCAL = threading.local()
STARTED, END = threading.Event(), threading.Event()


def collect():
    LOCAL.rows = leak.records()
    STARTED.set()
    END.wait()


threading.Thread(target=collect, daemon=True).start()
STARTED.wait()
leak.wait()
