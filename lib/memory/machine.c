/* SPDX-License-Identifier: Apache-2.0
 *
 * A row for each processor.
 */
#include "memory/machine.h"

#include <elf.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { HERE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HERE = EM_AARCH64 };
#else
#error "memext has no row in lib/memory/machine.c for this processor"
#endif

static const struct mx_machine machines[] = {
    {
        .elf_machine = EM_X86_64,
        .name = "x86-64",
        .registers = 27, /* user_regs_struct */
        .stack_pointer = 19,
        .thread_pointer = 21, /* fs_base */
        .thread_block_names_itself = true,
        .vsyscall = UINT64_C(0xffffffffff600000),
    },
    {
        .elf_machine = EM_AARCH64,
        .name = "AArch64",
        .registers = 34, /* user_pt_regs: x0-x30, sp, pc, pstate */
        .stack_pointer = 31,
        .thread_pointer = MX_NO_REGISTER, /* tpidr_el0 has a note of its own, and points behind pthread_self() */
    },
};

enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

const struct mx_machine *mx_machine_find(uint16_t elf_machine)
{
    for (size_t i = 0; i < MACHINES; i++)
        if (machines[i].elf_machine == elf_machine)
            return &machines[i];
    return NULL;
}

const struct mx_machine *mx_machine_here(void)
{
    return mx_machine_find(HERE);
}

const char *mx_machine_names(void)
{
    return "x86-64 and AArch64";
}

uint64_t mx_machine_kernel_page(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (uint64_t)size : MX_PAGE;
}
