"""What py-catch-oom knows of system calls and limits."""
import os
import unittest

from memext import exhaustion, table
from memext.exhaustion import Failure, Memory

MB = 1024 * 1024
WRITE, NONE, PRIVATE = 3, 0, 0x22


class Failures(unittest.TestCase):
    def test_only_reserved(self):
        self.assertFalse(Failure("mmap", [0, 128 * MB, NONE, PRIVATE | 0x4000]).is_exhaustion())

    def test_stack_of_a_thread(self):
        one = Failure("mmap", [0, 8 * MB, NONE, PRIVATE | exhaustion.MAP_STACK])
        self.assertTrue(one.is_exhaustion())
        self.assertEqual(one.purpose(False), "the stack of a new thread")

    def test_arena(self):
        one = Failure("mmap", [0, MB, WRITE, PRIVATE])
        self.assertIn("pymalloc", one.purpose(False))
        self.assertIn("malloc: ", one.purpose(True))
        self.assertEqual(Failure("mmap", [0, 3 * MB, WRITE, PRIVATE]).purpose(False), "")

    def test_growing(self):
        one = Failure("mremap", [0x1000, 16 * MB, 20 * MB, 1])
        self.assertEqual(one.sentence(table.size), "growing a block from 16.0 MiB to 20.0 MiB failed (mremap)")
        self.assertEqual(one.grows(), 4 * MB)
        self.assertTrue(one.is_exhaustion())


class Limits(unittest.TestCase):
    def reason(self, length=MB, **known):
        memory = Memory(os.getpid())
        for name, value in dict(dict(space=0, data=0, space_limit=None, data_limit=None, maps=10, maps_limit="65530",
                                     strict=False), **known).items():
            setattr(memory, name, value)
        return memory.reason(Failure("mmap", [0, length, WRITE, PRIVATE]), table.size)

    def test_address_space(self):
        self.assertIn("RLIMIT_AS", self.reason(space=300 * MB, space_limit=300 * MB))
        self.assertNotIn("RLIMIT_AS", self.reason(space=200 * MB, space_limit=300 * MB))
        self.assertIn("RLIMIT_AS", self.reason(200 * MB, space=200 * MB, space_limit=300 * MB))

    def test_data(self):
        self.assertIn("RLIMIT_DATA", self.reason(data=99 * MB, data_limit=100 * MB))

    def test_mappings(self):
        self.assertIn("vm.max_map_count", self.reason(maps=65530))

    def test_promises(self):
        self.assertIn("overcommits", self.reason(strict=True, committed=100 * MB, commit_limit=100 * MB))

    def test_none(self):
        self.assertIn("no limit of the process", self.reason())

    def test_a_process_that_is_gone(self):
        self.assertEqual(exhaustion.resident(2 ** 22 + 1), 0)
        self.assertEqual(Memory(2 ** 22 + 1).resident, 0)

    def test_resident(self):
        held = b"x" * (50 * MB)
        self.assertGreater(exhaustion.resident(os.getpid()), len(held))


if __name__ == "__main__":
    unittest.main()
