/* SPDX-License-Identifier: Apache-2.0
 *
 * Writable memory that no allocator of the heap gave out, in three parts: what
 * modules have as data and bss; what threads have; and all other pages (frames'
 * data stacks, what libraries mapped for themselves).
 */
#ifndef MX_HEAP_OUTSIDE_H
#define MX_HEAP_OUTSIDE_H

#include "heap/target.h"

/* [start, end): whole pages but at the ends of regions, whose bytes are there; false stops. */
typedef bool (*mx_outside_visit)(void *context, mx_addr start, mx_addr end);

/* Modules' data and C stacks are not among it. */
struct mx_error *mx_outside_each(const struct mx_target *target, mx_outside_visit visit, void *context);

/* Data and bss of modules, without malloc's own lists. These three return false when they were stopped. */
bool mx_module_data_each(const struct mx_target *target, mx_outside_visit visit, void *context);

/* Thread-local variables and threads' own blocks. */
bool mx_thread_variables_each(const struct mx_target *target, mx_outside_visit visit, void *context);

/* From the stack pointers up. */
bool mx_used_stacks_each(const struct mx_target *target, mx_outside_visit visit, void *context);

#endif
