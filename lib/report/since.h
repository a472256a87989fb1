/* SPDX-License-Identifier: Apache-2.0
 *
 * Which blocks of a heap an earlier heap of the same process does not have. A
 * block that was freed and taken again by the same type cannot be told apart.
 */
#ifndef MX_REPORT_SINCE_H
#define MX_REPORT_SINCE_H

#include "heap/heap.h"

struct mx_since {
    const struct mx_heap *now, *before;
    uint32_t *now_names, *before_names; /* by type index: equal numbers are equal names */
};

/* To be deinitialised in any case. */
struct mx_error *mx_since_open(const struct mx_heap *now, const struct mx_heap *before, struct mx_since *ret);
void mx_since_deinit(struct mx_since *since);

/* Whether the earlier heap has no object of the same type, or no buffer of that size, at the place of a used block. */
bool mx_since_is_new(const struct mx_since *since, const struct mx_span *span, uint32_t block);

#endif
