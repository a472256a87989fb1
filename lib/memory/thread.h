/* SPDX-License-Identifier: Apache-2.0
 *
 * The target's threads as the kernel knows them.
 */
#ifndef MX_MEMORY_THREAD_H
#define MX_MEMORY_THREAD_H

#include "memory/memory.h"

struct mx_thread {
    int32_t tid;
    mx_addr stack_pointer; /* 0 = unknown (live: the thread runs, or the kernel does not tell) */
    mx_addr fs_base;       /* = pthread_self(); 0 = unknown (live: the main thread's) */
    int32_t signal;        /* that stopped it, from a core; 0 = none */
};

struct mx_threads {
    MX_ARRAY(struct mx_thread) threads; /* a core's first is the one that crashed (kernel) or the main one (gcore) */
    int32_t pid;
    char command[81]; /* from NT_PRPSINFO or /proc/PID/cmdline; may be empty */
};

void mx_threads_deinit(struct mx_threads *threads);

/*
 * The region that the thread's stack is in; NULL where that is not known, and where nothing of it is there: a damaged
 * core can claim half the address space for a stack.
 */
const struct mx_region *mx_thread_region(const struct mx_memory *memory, const struct mx_thread *thread);

/* Whether the thread's own block (pthread_self()) stands above its stack, in the region that the stack is in. */
bool mx_thread_has_block(const struct mx_thread *thread, const struct mx_region *region);

/*
 * What is the thread's stack and nothing else, most of it never used as a rule: down to the guard page, and up to the
 * thread's own block or, where that is elsewhere, to the stack pointer. False where the guard page is no mapping of its
 * own (glibc 2.42+, Linux 6.13+): another thread's memory may stand in the same mapping then.
 */
bool mx_thread_stack(const struct mx_memory *memory, const struct mx_thread *thread, mx_addr *start, mx_addr *end);

#endif
