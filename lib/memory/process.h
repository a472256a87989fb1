/* SPDX-License-Identifier: Apache-2.0
 *
 * Live processes: regions from /proc/PID/maps, bytes by process_vm_readv (or
 * /proc/PID/mem where the kernel lacks it); of another machine's process both
 * come through the caller's functions. The caller keeps the process stopped;
 * nothing is written to it.
 */
#ifndef MX_MEMORY_PROCESS_H
#define MX_MEMORY_PROCESS_H

#include "memory/core.h"

struct mx_error *mx_process_open(int pid, const struct mx_file_options *options, struct mx_memory **memory,
                                 struct mx_modules *modules, struct mx_threads *threads);

/* The same of a process that a debugger reaches; `remote` outlives the results. */
struct mx_error *mx_remote_open(const struct mx_remote *remote, const struct mx_file_options *options,
                                struct mx_memory **memory, struct mx_modules *modules, struct mx_threads *threads);

/*
 * Makes `memory`, opened by one of these, what it is now: cheap enough for every stop of a breakpoint. *ret_same:
 * `modules` are still those of the process; if not, regions of new ones have no module.
 */
struct mx_error *mx_process_reread(int pid, struct mx_memory *memory, const struct mx_modules *modules, bool *ret_same);

#endif
