"""py-arenas and py-malloc against the allocators' own statistics, figure by figure and arena by arena.

  arenas.py --build build/release --python /usr/bin/python3.11

One process at one stop, looked at live, through a gcore core and through a kernel core (workloads/arenas.py).
"""
import os
import sys
import time
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import harness  # noqa: E402
import ledger  # noqa: E402
import script  # noqa: E402
from ledger import differ  # noqa: E402

TRIES = 5
STOPS = 60
MOST_LOST = 512 << 10                  # a chunk that is being cut off top has top's size
MOST_BROKEN = 4                        # one a thread
TRIM_SLACK = 64 << 10                  # malloc_trim merges fastbins first; reading smaps takes a page or two
COUNTS = {"used_bytes": "bytes in allocated blocks", "free_bytes": "bytes in available blocks",
          "free_pool_bytes": "unused pools", "header_bytes": "bytes lost to pool headers",
          "tail_bytes": "bytes lost to quantization", "alignment_bytes": "bytes lost to arena alignment",
          "arenas": "arenas allocated current"}


class Truth(ledger.Truth):
    def __init__(self, path, xml_path):
        super().__init__(path)
        with open(xml_path) as f:
            text = f.read()
        last = text[text.rindex("<malloc "):]
        self.arenas = [Arena(heap) for heap in xml.etree.ElementTree.fromstring(last).findall("heap")]


class Arena:
    """What malloc_info() prints of one; "rest" is what is in bins, and top."""

    def __init__(self, heap):
        totals = {total.get("type"): (int(total.get("size")), int(total.get("count")))
                  for total in heap.findall("total")}
        self.fast, self.fast_chunks = totals.get("fast", (0, 0))    # there is none since glibc 2.43
        rest, self.rest_chunks = totals["rest"]
        # A chunk in bins is added with its flag, 1; top is not. (glibc malloc/malloc.c: __malloc_info())
        self.rest = rest - (self.rest_chunks - 1)
        self.system = int(heap.find("system[@type='current']").get("size"))
        sizes = heap.find("sizes")
        # The sizes of fastbins are listed too; these chunks are smaller than any in bins here.
        self.largest = max([int(size.get("to")) & ~15 for size in sizes] or [0])


class Found:
    def __init__(self, target):
        heap = target.heap()
        self.arenas, self.info = target.malloc()
        self.pymalloc, self.keepers, self.sums = target.pymalloc(heap)
        heap.close()
        target.close()


def pymalloc(found, truth):
    """Free-threaded interpreters have none, and tell nothing."""
    if not truth.pymalloc:
        return differ("arenas of pymalloc", len(found.pymalloc), 0)
    problems = []
    for key, name in COUNTS.items():
        problems += differ(key, found.sums[key], truth.pymalloc[name])
    parts = sum(found.sums[key] for key in COUNTS if key.endswith("_bytes")) + found.sums["missing_bytes"]
    problems += differ("sum of parts", parts, found.sums["arena_bytes"])
    for key, of_all in (("bytes", "arena_bytes"), ("used_bytes", "used_bytes"), ("free_bytes", "free_bytes"),
                        ("used_blocks", "used_blocks"), ("used_pools", "used_pools")):
        problems += differ("arenas' " + key, sum(arena[key] for arena in found.pymalloc), found.sums[of_all])
    return problems


def malloc(found, truth):
    info, arenas = truth.mallinfo, found.arenas

    def total(*keys):
        return sum(arena[key] for arena in arenas for key in keys)

    problems = (differ("arena", total("system"), info["arena"])
                + differ("fordblks", total("free", "fast", "top"), info["fordblks"])
                + differ("ordblks", total("free_chunks") + len(arenas), info["ordblks"])
                + differ("fsmblks", total("fast"), info["fsmblks"])
                + differ("smblks", total("fast_chunks"), info["smblks"])
                + differ("uordblks", total("used", "tcache", "other"), info["uordblks"])
                + differ("hblks", found.info["mapped_chunks"], info["hblks"])
                + differ("hblkhd", found.info["mapped_bytes"], info["hblkhd"])
                + differ("keepcost", arenas[0]["top"], info["keepcost"]) + differ("broken", found.info["broken"], 0)
                + differ("arenas", len(arenas), len(truth.arenas)))
    for arena, want in zip(arenas, truth.arenas):
        where = "arena at %#x, " % arena["address"]
        problems += (differ(where + "system", arena["system"], want.system)
                     + differ(where + "fast", arena["fast"], want.fast)
                     + differ(where + "bins and top", arena["free"] + arena["top"], want.rest)
                     + differ(where + "free chunks", arena["free_chunks"] + 1, want.rest_chunks)
                     + differ(where + "largest", arena["largest_free"], want.largest if arena["free_chunks"] else 0))
    return problems


def planted(found, info):
    """Arenas without threads, holes in the caches, and what keeps nearly empty arenas of pymalloc's."""
    ended = [arena for arena in found.arenas if not arena["threads"]]
    problems = differ("arenas without a thread", len(ended), info["ended"])
    problems += ["arena at %#x: %d bytes are not walked" % (arena["address"], arena["other"]) for arena in found.arenas
                 if arena["other"] > 8192]
    if not sum(arena["tcache_chunks"] for arena in found.arenas if arena["threads"]):
        problems.append("nothing is in tcaches")
    keepers = {keeper["type"]: keeper for keeper in found.keepers}
    survivor = keepers.get("__main__.Survivor")
    if not survivor or found.keepers[0]["type"] != "__main__.Survivor":
        return problems + ["nearly empty arenas are kept by %s" % ", ".join(list(keepers)[:5])]
    rows = [arena for arena in found.pymalloc if arena["nearly_empty"]]
    return (problems + differ("nearly empty arenas", len(rows), found.sums["nearly_empty"])
            + ["survivors: %d of %d keep arenas" % (survivor["count"], info["survivors"])
               for _ in (0,) if survivor["count"] < 0.8 * info["survivors"]])


def same(live, core):
    """Only what is known of RAM differs."""
    left, right = ([{key: value for key, value in arena.items() if key not in ("returnable", "absent")}
                    for arena in found.arenas] for found in (live, core))
    problems = ["malloc's arenas differ"] if left != right else []
    if (live.pymalloc, live.keepers, live.sums) != (core.pymalloc, core.keepers, core.sums):
        problems.append("pymalloc's arenas differ")
    return problems + ["%d can be returned, live %d" % (back, front) for front, back in zip(
        (arena["returnable"] for arena in live.arenas), (arena["returnable"] for arena in core.arenas)) if back < front]


def look(results, prefix, found, truth, info):
    results.check(prefix + "/pymalloc", pymalloc(found, truth))
    results.check(prefix + "/malloc", malloc(found, truth))
    if truth.pymalloc:
        results.check(prefix + "/planted", planted(found, info))


def trimmed(work, found):
    want = sum(arena["returnable"] for arena in found.arenas)
    work.send("trim")
    got = int(work.wait_for("DONE trim").split()[2])
    return [] if abs(got - want) <= TRIM_SLACK and want > TRIM_SLACK else [
        "malloc_trim gave %d bytes back, %d were told" % (got, want)]


def inside_malloc(memext, python):
    """Stops at chance moments of a process that does nothing but malloc and free, in four threads."""
    problems, broken = [], 0
    with harness.Folder() as folder:
        command = harness.workload(python, "arenas.py", os.path.join(folder, "xml"), "busy")
        with harness.Workload(command, folder) as work:
            for _ in range(STOPS):
                time.sleep(0.002)
                work.stop()
                target = memext.open_process(work.pid)
                arenas, info = target.malloc()
                target.close()
                work.resume()
                broken += info["broken"] > 0
                problems += ["%d of %d bytes are not walked" % (arena["other"], arena["system"]) for arena in arenas
                             if arena["other"] > MOST_LOST]
                if info["broken"] > MOST_BROKEN:
                    problems.append("%d broken places" % info["broken"])
    print("# %d of %d stops were in the midst of a change" % (broken, STOPS))
    return problems


def run_once(results, prefix, python, memext, last):
    """False when the child that told the truth had a block or two more or less than its parent: to be done again."""
    with harness.Folder() as folder:
        path, xml_path = os.path.join(folder, "truth"), os.path.join(folder, "malloc.xml")
        with harness.Workload(harness.workload(python, "arenas.py", xml_path), folder) as work:
            work.truth(path)
            work.stop()
            truth, live = Truth(path, xml_path), Found(memext.open_process(work.pid))
            if not last and (pymalloc(live, truth) or malloc(live, truth)):
                return False
            look(results, prefix + "/live", live, truth, work.info)
            core = Found(memext.open_core(work.gcore(os.path.join(folder, "gcore"))))
            look(results, prefix + "/gcore", core, truth, work.info)
            results.check(prefix + "/gcore/same as live", same(live, core))
            work.resume()
            work.release()
            work.stop()
            live = Found(memext.open_process(work.pid))
            work.resume()
            results.check(prefix + "/live/malloc_trim", trimmed(work, live))
    return True


def run(results, prefix, memext, python):
    for attempt in range(1, TRIES + 1):
        if run_once(results, prefix, python, memext, attempt == TRIES):
            break
    results.check(prefix + "/live/inside malloc", inside_malloc(memext, python))


if __name__ == "__main__":
    sys.exit(script.main_with_binding("arenas", run))
