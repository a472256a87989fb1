/* SPDX-License-Identifier: Apache-2.0
 *
 * The one pass over all memory: allocators' blocks -> objects by type.
 */
#ifndef MX_HEAP_CENSUS_H
#define MX_HEAP_CENSUS_H

#include "base/work.h"
#include "heap/heap.h"

/* Fills a heap that is all zeros. */
struct mx_error *mx_census_take(struct mx_target *target, const struct mx_progress *progress, struct mx_heap *heap);

#endif
