/* SPDX-License-Identifier: Apache-2.0
 *
 * The target's threads as the kernel knows them.
 */
#ifndef MX_MEMORY_THREAD_H
#define MX_MEMORY_THREAD_H

#include "base/array.h"
#include "base/error.h"

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

#endif
