"""A class attribute that its instances fill."""
import leak


class Connection:
    pool = []

    def __init__(self, record):
        self.record = record
        self.pool.append(self)


for _record in leak.records():
    Connection(_record)
del _record
leak.wait()
