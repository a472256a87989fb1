"""Puts the folder of leak.py on the way. Run one file at a time, with -s: the last test of each waits."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
