"""A coroutine that waits for what never comes."""
import leak


class Never:
    def __await__(self):
        yield


async def handle():
    rows = leak.records()
    await Never()
    return rows


TASKS = [handle()]
TASKS[0].send(None)
leak.wait()
