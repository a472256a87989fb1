# SPDX-License-Identifier: Apache-2.0
"""What differs from one processor to another: names that GDB gives registers, numbers of Linux's system calls, machine
code. No other file of the extension knows a processor, as lib/memory/machine.c in the library. Knows nothing of GDB.
"""
import os
import re
import struct
from collections import namedtuple

# Pages are multiples of this one.
PAGE = 4096
NEXT, JUMP, DISPATCH, DECIDES = "next", "jump", "dispatch", "decides"

# gdb: how GDB's names of the architecture begin. kernel: what `uname -m` prints.
# arguments: registers of a C function's first arguments. call_*: of a system call, at its return.
# thread: the register whose value is pthread_self(), or None.
# calls: numbers of the calls that take memory. call_code: the instruction that calls.
# watchpoints: places that the debug registers watch at least.
# refused(code, number): (offset of the end of the jump that is taken when a call failed, where to, relative to that).
# step(assembly): what comes after an instruction, (NEXT | JUMP | DISPATCH | DECIDES, address of a JUMP).
Machine = namedtuple("Machine", "name gdb kernel arguments call_number call_result call_arguments stack thread calls "
                                "call_code watchpoints refused step")


# What a C library does behind a call: `cmp $-4096,%rax; ja failed` or `cmp $-4095,%rax; jae failed`.
X86_64_FAILING = rb"\xb8%s.{0,16}?\x0f\x05\x48\x3d[\x00\x01]\xf0\xff\xff(?:[\x73\x77](.)|\x0f[\x83\x87](.{4}))"


def x86_64_refused(code, number):
    found = re.search(X86_64_FAILING % re.escape(struct.pack("<I", number)), code, re.DOTALL)
    if not found:
        return None
    near, far = found.groups()
    return found.end(), struct.unpack("<b", near)[0] if near else struct.unpack("<i", far)[0]


def x86_64_step(assembly):
    word, _, operand = assembly.replace("notrack ", "").partition(" ")
    if word.startswith("jmp"):
        return (DISPATCH, None) if "*" in operand else (JUMP, int(operand.split()[0], 16))
    return (DECIDES if word[0] == "j" or word.startswith(("call", "ret")) else NEXT), None


# `mov x8, #number`, `svc #0`, then `cmn x0, #1, lsl #12; b.hi failed` or `cmn x0, #4095; b.cs failed`.
AARCH64_FAILING = rb"%s\x01\x00\x00\xd4(?:\x1f\x04\x40\xb1([\x08\x28\x48\x68\x88\xa8\xc8\xe8]..\x54)|" \
                  rb"\x1f\xfc\x3f\xb1([\x02\x22\x42\x62\x82\xa2\xc2\xe2]..\x54))"


def aarch64_refused(code, number):
    found = re.search(AARCH64_FAILING % re.escape(struct.pack("<I", 0xd2800008 | number << 5)), code, re.DOTALL)
    if not found:
        return None
    jump, = struct.unpack("<I", found.group(1) or found.group(2))
    words = jump >> 5 & 0x7ffff
    # The distance counts from the jump itself.
    return found.end(), 4 * (words - (words >> 18 << 19)) - 4


def aarch64_step(assembly):
    word, _, operand = assembly.replace("\t", " ").partition(" ")
    if word == "br":
        return DISPATCH, None
    if word == "b":
        return JUMP, int(operand.split()[0], 16)
    return (DECIDES if word.startswith(("b.", "bl", "ret", "cb", "tb")) else NEXT), None


MACHINES = (
    Machine("x86-64", "i386:x86-64", "x86_64", ("rdi", "rsi"), "orig_rax", "rax", ("rdi", "rsi", "rdx", "r10"), "rsp",
            "fs_base", {9: "mmap", 25: "mremap", 10: "mprotect"}, b"\x0f\x05", 4, x86_64_refused, x86_64_step),
    # Of a call, the result takes the place of the first argument; tpidr points behind pthread_self().
    Machine("AArch64", "aarch64", "aarch64", ("x0", "x1"), "x8", "x0", ("x0", "x1", "x2", "x3"), "sp",
            None, {222: "mmap", 216: "mremap", 226: "mprotect"}, b"\x01\x00\x00\xd4", 4, aarch64_refused,
            aarch64_step),
)


def find(architecture):
    """By GDB's name; None when memext does not know it."""
    return next((one for one in MACHINES if architecture.startswith(one.gdb)), None)


def here():
    """The one that this GDB runs on, and that the library was built for."""
    return next((one for one in MACHINES if one.kernel == os.uname().machine), MACHINES[0])
