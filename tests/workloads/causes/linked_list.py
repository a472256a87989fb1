"""A linked list: the holder is its head, not some element far down."""
import leak


class Link:
    def __init__(self, record, rest):
        self.record = record
        self.rest = rest


HEAD = None
for _record in leak.records():
    HEAD = Link(_record, HEAD)
del _record
leak.wait()
