"""A generator that nobody takes the next item of."""
import leak


def produce():
    rows = leak.records()
    for row in rows:
        yield row


PENDING = [produce()]
next(PENDING[0])
leak.wait()
