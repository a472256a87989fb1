/* SPDX-License-Identifier: Apache-2.0
 *
 * The dominator tree of one graph, weighed: what the retained reports share.
 */
#ifndef MX_REPORT_RETAINED_H
#define MX_REPORT_RETAINED_H

#include "heap/dominators.h"

struct mx_retained {
    struct mx_graph *graph;
    struct mx_dominators dominators;
    uint64_t static_bytes, unowned;
};

/* 0 where there are no retained sizes. */
static inline uint64_t mx_retained_block(const struct mx_retained *retained, uint32_t block)
{
    return retained && block < retained->dominators.blocks ? retained->dominators.retained[block] : 0;
}

/* What a used block weighs: its bytes, or a static object's shallow size. */
uint64_t mx_retained_weight(const struct mx_graph *graph, const struct mx_span *span, uint32_t block);

#endif
