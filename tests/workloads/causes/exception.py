"""An exception that is kept for later keeps its traceback's frames, and so their locals."""
import leak

FAILURES = []


def work():
    rows = leak.records()
    raise ValueError("%d rows are too many" % len(rows))


def run():
    try:
        work()
    except ValueError as error:
        FAILURES.append(error)


run()
leak.wait()
