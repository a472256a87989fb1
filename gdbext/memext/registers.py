# SPDX-License-Identifier: Apache-2.0
"""Values of registers by what they are for, of the thread and frame that GDB has selected. machine.py has the names."""
import gdb

from . import machine


def target_machine():
    """Of the selected inferior; before its program is known, this machine's."""
    return machine.find(gdb.selected_inferior().architecture().name()) or machine.here()


def value(name):
    return int(gdb.parse_and_eval("(unsigned long long)$" + name))


def argument(index):
    """An integer argument of the C function whose first instruction the process is at."""
    return value(target_machine().arguments[index])


def thread_identity():
    """pthread_self() of the selected thread; 0 where no register has it."""
    name = target_machine().thread
    return value(name) if name else 0


def call_arguments():
    """Of a system call that just returned."""
    return [value(name) for name in target_machine().call_arguments]


def call_error():
    """errno of the system call that just returned, 0 when it succeeded."""
    result = value(target_machine().call_result)
    return 2 ** 64 - result if result > 2 ** 64 - 4096 else 0


def call_number():
    return value(target_machine().call_number)
