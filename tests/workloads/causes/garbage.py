"""Cycles, while the collector is switched off."""
import gc

import leak

gc.disable()


def fill():
    for record in leak.records():
        record.itself = record


fill()
leak.wait()
