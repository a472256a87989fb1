"""Many globals of one size: the module is the holder."""
import leak

for _number in range(200):
    globals()["TABLE_%d" % _number] = leak.records(300)
leak.wait()
