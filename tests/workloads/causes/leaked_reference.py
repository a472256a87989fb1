"""References that C code took and never gave back."""
import ctypes

import leak


def fill():
    for record in leak.records():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(record))


fill()
leak.wait()
