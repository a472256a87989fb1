/* SPDX-License-Identifier: Apache-2.0
 *
 * Writable memory that no allocator of the heap gave out: threads' own pages,
 * frames' data stacks, what libraries mapped for themselves. Modules' data and
 * C stacks are not among it.
 */
#ifndef MX_HEAP_OUTSIDE_H
#define MX_HEAP_OUTSIDE_H

#include "heap/target.h"

/* [start, end): whole pages but at the ends of regions, whose bytes are there; false stops. */
typedef bool (*mx_outside_visit)(void *context, mx_addr start, mx_addr end);

struct mx_error *mx_outside_each(const struct mx_target *target, mx_outside_visit visit, void *context);

#endif
