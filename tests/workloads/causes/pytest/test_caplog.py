"""caplog keeps every record of a test; a formatted copy of them stays in the test's report."""
import logging

import leak


def test_talk(caplog):
    caplog.set_level(logging.INFO)
    for number in range(leak.COUNT // 2):
        logging.getLogger("shop").info("request %d", number)
    leak.wait()
