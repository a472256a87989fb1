"""What the extension knows of processors: where system calls fail, and what follows an instruction."""
import struct
import unittest

from memext import machine
from memext.exhaustion import failure_address

X86, ARM = machine.MACHINES
CALL, COMPARED = b"\xb8\x09\x00\x00\x00\x0f\x05", b"\x48\x3d\x00\xf0\xff\xff"


def words(*instructions):
    return struct.pack("<%dI" % len(instructions), *instructions)


class X86Failures(unittest.TestCase):
    def address(self, code, number=9):
        return failure_address(X86, code, 0x1000, number)

    def test_short_jump(self):
        self.assertEqual(self.address(b"\x41\x89\xca" + CALL + COMPARED + b"\x77\x25\xc3" + bytes(60)),
                         0x1000 + 3 + 7 + 6 + 2 + 0x25)

    def test_short_jump_back(self):
        self.assertEqual(self.address(CALL + COMPARED + b"\x73\xf0"), 0x1000 + 15 - 16)

    def test_long_jump(self):
        self.assertEqual(self.address(CALL + b"\x48\x3d\x01\xf0\xff\xff" + b"\x0f\x83\x00\x01\x00\x00"),
                         0x1000 + 19 + 0x100)

    def test_another_call(self):
        self.assertEqual(self.address(CALL + COMPARED + b"\x77\x25", 25), 0)

    def test_other_code(self):
        self.assertEqual(self.address(CALL + b"\xc3" + bytes(100)), 0)


class ArmFailures(unittest.TestCase):
    """As compiled in Debian 12's C library: mremap at 0xecf00, mprotect at 0xe7e40."""

    def test_compared_with_a_page(self):
        code = words(0xd2801b08, 0xd4000001, 0xb140041f, 0x54000348)
        self.assertEqual(failure_address(ARM, code, 0xecf00, 216), 0xecf74)

    def test_compared_with_the_largest(self):
        code = words(0xd2801c48, 0xd4000001, 0xb13ffc1f, 0x54000042, 0xd65f03c0)
        self.assertEqual(failure_address(ARM, code, 0x1000, 226), 0x100c + 8)

    def test_back(self):
        code = words(0xd2801bc8, 0xd4000001, 0xb13ffc1f, 0x54ffffe2)
        self.assertEqual(failure_address(ARM, code, 0x1000, 222), 0x100c - 4)

    def test_another_call_or_condition(self):
        code = words(0xd2801b08, 0xd4000001, 0xb140041f, 0x54000348)
        self.assertEqual(failure_address(ARM, code, 0x1000, 222), 0)
        self.assertEqual(failure_address(ARM, code[:-4] + words(0x54000341), 0x1000, 216), 0)


class Steps(unittest.TestCase):
    def test_x86(self):
        self.assertEqual(X86.step("notrack jmp *%rax"), (machine.DISPATCH, None))
        self.assertEqual(X86.step("jmp    0x4f2a10 <_PyEval_EvalFrameDefault+96>"), (machine.JUMP, 0x4f2a10))
        self.assertEqual([X86.step(text)[0] for text in ("je     0x10", "call   0x10", "ret", "mov    %rax,%rbx")],
                         [machine.DECIDES] * 3 + [machine.NEXT])

    def test_arm(self):
        self.assertEqual(ARM.step("br\tx8"), (machine.DISPATCH, None))
        self.assertEqual(ARM.step("b\t0x4f2a10 <_PyEval_EvalFrameDefault+96>"), (machine.JUMP, 0x4f2a10))
        self.assertEqual([ARM.step(text)[0] for text in ("b.ne\t0x10  // b.any", "bl\t0x10", "blr\tx1", "cbz\tx0, 0x10",
                                                         "tbnz\tw0, #3, 0x10", "ret", "ldrb\tw1, [x2]", "bic\tx0, x1, x2")],
                         [machine.DECIDES] * 6 + [machine.NEXT] * 2)


class Finding(unittest.TestCase):
    def test_by_gdbs_name(self):
        self.assertIs(machine.find("i386:x86-64"), X86)
        self.assertIs(machine.find("aarch64"), ARM)
        self.assertIsNone(machine.find("i386"))

    def test_here(self):
        self.assertIn(machine.here(), machine.MACHINES)


if __name__ == "__main__":
    unittest.main()
