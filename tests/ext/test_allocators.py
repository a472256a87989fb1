# SPDX-License-Identifier: Apache-2.0
"""malloc's and pymalloc's arenas as verdicts, advice and tables."""
import unittest

from memext import arenas, mallocs, table

MB = 1 << 20
KEYS = ("system", "used", "free", "tcache", "fast", "top", "other", "whole_pages", "absent", "returnable",
        "used_chunks", "free_chunks", "tcache_chunks", "fast_chunks")
INFO = {"name": "glibc 2.36", "mapped_chunks": 0, "mapped_bytes": 0, "largest_mapped": 0, "broken": 0,
        "knows_resident": True}


def arena(threads=1, main=False, **numbers):
    made = dict.fromkeys(KEYS, 0)
    made.update(numbers, address=0x7f00, main=main, threads=threads, heaps=1, largest_free=0)
    return made


def malloc(*found, **info):
    return mallocs.Malloc((list(found), dict(INFO, **info)), False)


class OfMalloc(unittest.TestCase):
    def test_nothing_to_gain(self):
        found = malloc(arena(main=True, system=100 * MB, used=99 * MB, free=MB))
        self.assertEqual(mallocs.verdict(found, table.size),
                         "1.00 MiB of 100 MiB in malloc's heaps is free: it is no reason why the process is large")
        self.assertEqual(mallocs.advice(found, table.size), [])
        self.assertEqual(mallocs.damage(found, table.size), [])
        self.assertIn("py-leaks", mallocs.next_command(found))

    def test_what_is_not_in_ram_is_no_reason(self):
        found = malloc(arena(main=True, system=100 * MB, used=10 * MB, free=90 * MB, absent=89 * MB,
                             whole_pages=90 * MB))
        self.assertEqual(mallocs.verdict(found, table.size), "90.0 MiB of 100 MiB in malloc's heaps is free, 89.0 MiB "
                         "of it not in RAM: it is no reason why the process is large")
        self.assertEqual(mallocs.advice(found, table.size), [])

    def test_advice(self):
        others = [arena(threads=n % 2, system=10 * MB, used=2 * MB, free=8 * MB, free_chunks=8, whole_pages=6 * MB,
                        returnable=6 * MB) for n in range(4)]
        found = malloc(arena(main=True, system=20 * MB, used=10 * MB, tcache=10 * MB), *others)
        self.assertEqual(mallocs.verdict(found, table.size),
                         "42.0 MiB of 60.0 MiB in malloc's heaps is free: 16.0 MiB in 2 arenas whose threads have "
                         "ended, 16.0 MiB in 2 arenas of threads, 10.0 MiB in the main arena")
        self.assertEqual([what for what, _ in mallocs.advice(found, table.size)],
                         ["malloc_trim", "MALLOC_ARENA_MAX", "fragmentation", "tcache"])
        texts = dict(mallocs.advice(found, table.size))
        self.assertTrue(texts["malloc_trim"].startswith("malloc_trim(0) would give 24.0 MiB back"))
        self.assertTrue(texts["MALLOC_ARENA_MAX"].startswith("4 arenas besides the main one hold 32.0 MiB free"))
        self.assertTrue(texts["fragmentation"].startswith("8.00 MiB is free in pages that used chunks share (32 free"))
        found.info["knows_resident"] = False
        self.assertIn("up to 24.0 MiB", dict(mallocs.advice(found, table.size))["malloc_trim"])

    def test_damage_and_other_mallocs(self):
        found = malloc(arena(main=True, system=MB, other=MB), broken=1)
        self.assertEqual(mallocs.damage(found, table.size), [
            "1 place where chunks make no sense: damaged memory, or a stop in the midst of malloc; "
            "1.00 MiB not walked"])
        self.assertEqual(mallocs.not_walked("musl (not walked)")[0],
                         "this process's malloc is musl (not walked): memext walks glibc's only")
        self.assertEqual(len(mallocs.not_walked("unknown malloc, no libc.so.6 (not walked)")), 1)

    def test_rows(self):
        found = malloc(arena(main=True, system=MB, used=MB), arena(threads=0, system=2 * MB, used=MB, free=MB))
        lines = list(mallocs.arena_table(found.by_free(), table.size).lines())
        self.assertTrue(lines[1].strip().startswith("1  2.00 MiB"))
        self.assertTrue(lines[1].endswith("0x7f00: threads have ended"))
        self.assertTrue(lines[2].endswith("main"))


def pymalloc(nearly_empty, free):
    info = dict(arenas=2, arena_bytes=20 * MB, used_bytes=20 * MB - free, free_bytes=free, free_pool_bytes=0,
                header_bytes=0, tail_bytes=0, alignment_bytes=0, missing_bytes=0, used_blocks=5, free_blocks=1,
                used_pools=1, free_pools=0, nearly_empty=nearly_empty, nearly_empty_bytes=nearly_empty * MB,
                nearly_empty_used=48 * nearly_empty)
    keepers = [dict(type="app.Thing", arenas=1, alone=1, count=1, bytes=48, example=0x40)] if nearly_empty else []
    rows = [dict(address=address, bytes=MB, pools=64, used_pools=1, unused_pools=0, used_blocks=1, used_bytes=used,
                 free_bytes=0, nearly_empty=used < 100, type="app.Thing", type_count=1, type_bytes=48, example=0x40)
            for address, used in ((0x10, MB), (0x20, 48))]
    return arenas.Arenas((rows, keepers, info), [(16, 1, 3, 1)])


class OfPymalloc(unittest.TestCase):
    def test_verdicts(self):
        self.assertEqual(arenas.verdict(pymalloc(1, 10 * MB), table.size),
                         "10.0 MiB of 20.0 MiB in pymalloc's arenas is free (50.0 %): 1 arena, 1.00 MiB, cannot be "
                         "given back for 48 B in them, mostly app.Thing")
        self.assertTrue(arenas.verdict(pymalloc(0, 10 * MB), table.size).endswith("arenas that are used otherwise"))
        self.assertTrue(arenas.verdict(pymalloc(1, 100), table.size).endswith("no reason why the process is large"))

    def test_tables(self):
        found = pymalloc(1, 10 * MB)
        self.assertEqual([row["address"] for row in found.by_emptiness()], ["0x20", "0x10"])
        self.assertEqual(list(arenas.class_table(found.classes, table.size).lines())[1].split(),
                         ["16", "B", "1", "3", "1", "48", "B", "16", "B", "75.0", "%"])
        self.assertTrue(list(arenas.keeper_table(found.keepers, table.size).lines())[1].endswith("0x40  app.Thing"))
        self.assertIn("py-path 0x40", arenas.next_command(found))
        self.assertIn("malloc, not from pymalloc", arenas.no_arenas("malloc")[0])


if __name__ == "__main__":
    unittest.main()
