"""Functions that are called a known number of times in every way, for py-break to stop at.

  calls.py KIND...     calls KIND.CALLS times; without: imports callees and waits for the debugger
"""
import os
import sys

import callees

os.getppid()
for kind in sys.argv[1:]:
    callees.RUN[kind]()
os.getppid()
