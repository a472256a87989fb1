"""What a failed test said stays in its report until the session ends."""
import gc

import leak


def test_fail():
    assert False, "x" * 8000000


def test_wait():
    gc.collect()
    leak.wait()
