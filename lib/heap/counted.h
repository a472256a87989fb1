/* SPDX-License-Identifier: Apache-2.0
 *
 * Which words that only look like references are none: of an object whose
 * reference count is the number of counted references that are known exactly,
 * nobody else holds any. What looks like one more is stale (a free list's old
 * entry, a word left on a stack or in a block that is used again) or borrowed.
 * So are words that lead to a raw block that an object is known to own.
 */
#ifndef MX_HEAP_COUNTED_H
#define MX_HEAP_COUNTED_H

#include "heap/graph.h"

/* Bits, by block; set for such objects. Only blocks that inexact edges or roots lead to are looked at. */
struct mx_accounted {
    uint64_t *bits;
    uint32_t blocks;
};

struct mx_error *mx_accounted_find(const struct mx_graph *graph, struct mx_accounted *ret);
void mx_accounted_deinit(struct mx_accounted *accounted);

/*
 * An interpreter's dict of interned strings holds each of them twice and is not counted for it, so that they can die
 * (but for those of 3.12, which are immortal): its references become borrowed ones before rows are turned round. It is
 * a dict that a root outside of the heap holds, with keys that are their own values and have two references more than
 * counted. Up to 3.11 all interpreters share one; since 3.12 those with an allocator of their own have their own.
 */
void mx_disown_interned(struct mx_graph *graph);

static inline bool mx_is_accounted(const uint64_t *bits, uint32_t block)
{
    return bits && bits[block / 64] >> block % 64 & 1;
}

#endif
