"""An object with two large attributes and a small one: each of the large ones is a holder."""
import leak


class Registry:
    def __init__(self):
        self.name = "registry"
        self.orders = {record.number: record for record in leak.records()}
        self.events = leak.records(leak.COUNT // 2)


REGISTRY = Registry()
leak.wait()
