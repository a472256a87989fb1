/* SPDX-License-Identifier: Apache-2.0
 *
 * The dominator tree of one graph, weighed: what the retained reports share.
 */
#ifndef MX_REPORT_RETAINED_H
#define MX_REPORT_RETAINED_H

#include "heap/counted.h"
#include "heap/dominators.h"

struct mx_retained {
    struct mx_graph *graph;
    struct mx_dominators dominators;
    struct mx_accounted accounted;
    uint64_t static_bytes, unowned;
};

/* Bytes of a used block as retained sizes count them; of a static object, its shallow size. */
uint64_t mx_block_weight(const struct mx_target *target, const struct mx_heap *heap, const struct mx_span *span,
                         uint32_t block);

/* Whether what a root holds is held by it: caches let go, and stale words hold nothing. */
bool mx_retained_counts_root(const struct mx_graph_root *root, const uint64_t *accounted);

/* 0 where there are no retained sizes. */
static inline uint64_t mx_retained_block(const struct mx_retained *retained, uint32_t block)
{
    return retained && block < retained->dominators.blocks ? retained->dominators.retained[block] : 0;
}

#endif
