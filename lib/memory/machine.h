/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs from one processor to another: who reads a core may be of
 * another kind than the process was. All that are known have 64 bits and put
 * the low byte first. No other file of the library knows a processor.
 */
#ifndef MX_MEMORY_MACHINE_H
#define MX_MEMORY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /*
     * The least page of all: AArch64's kernels may use 16 or 64 KB, whose mappings begin and end at multiples of 4 KB
     * as well. What the kernel counts in its own pages is asked for with mx_machine_kernel_page().
     */
    MX_PAGE_BITS = 12,
    MX_PAGE = 1 << MX_PAGE_BITS,
    MX_ADDRESS_BITS = 48, /* of user space: x86-64 has 47 and AArch64 48 with four levels of page tables */
    MX_RED_ZONE = 128,    /* bytes below a stack pointer that a leaf function may use: x86-64's; AArch64 has none */
};

#define MX_NO_REGISTER SIZE_MAX

struct mx_machine {
    uint16_t elf_machine; /* e_machine of its ELF files */
    const char *name;
    /* Linux arch/<machine>/include/uapi/asm/ptrace.h, the general registers of elf_prstatus: 8 bytes each */
    size_t registers, stack_pointer;
    size_t thread_pointer; /* the one that is pthread_self(), or MX_NO_REGISTER */
    /* glibc's own block of a thread begins with its own address, and has it as its third word again (tcbhead_t) */
    bool thread_block_names_itself;
    uint64_t vsyscall; /* the page that every process has at this address, or 0 */
};

/* NULL: memext does not read files of that machine. */
const struct mx_machine *mx_machine_find(uint16_t elf_machine);

/* The one that this library was built for: live processes are of it. */
const struct mx_machine *mx_machine_here(void);

/* Their names, for people: "x86-64 and AArch64". */
const char *mx_machine_names(void);

/* Bytes of a page of the kernel that runs here: the unit of /proc/PID/pagemap and /proc/PID/statm. */
uint64_t mx_machine_kernel_page(void);

#endif
