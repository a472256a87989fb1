/* SPDX-License-Identifier: Apache-2.0
 *
 * What would be freed with what: the dominator tree of the graph's rows, and
 * sizes added up along it. It knows block ids and edges; what a block weighs
 * it is told.
 *
 *   root (id `blocks`) -> what several roots hold, or one directly -> what only that holds -> ...
 *                      -> unreachable (id `blocks` + 1) -> a block of each knot of garbage that no other one holds
 *
 * Every used block is in the tree, so that what the root retains is the sum of all weights. References from
 * unreachable blocks to reachable ones keep nothing alive and do not count.
 */
#ifndef MX_HEAP_DOMINATORS_H
#define MX_HEAP_DOMINATORS_H

#include "base/work.h"
#include "heap/graph.h"

struct mx_dominators_plan {
    const struct mx_rows *forward;
    const uint16_t *kinds; /* by block: MX_BLOCK_FREE ones are left out */
    const uint32_t *roots; /* blocks, in any order, also several times */
    size_t root_count;
    const uint64_t *accounted; /* heap/counted.h: inexact references to such blocks do not count; may be NULL */
    void (*weigh)(void *context, uint64_t *weights); /* sets the bytes of every used block */
    void *context;
    unsigned threads;     /* `weigh` may be called in another one */
    struct mx_work *work; /* three steps a used block */
};

struct mx_dominators {
    uint32_t *idoms;    /* immediate dominators, by block; MX_NO_BLOCK for free blocks and for the root */
    uint64_t *retained; /* bytes, by block */
    uint32_t blocks;    /* both have two entries more: the root, the unreachable */
    uint64_t reachable; /* blocks that the roots reach */
    uint64_t unreachable;
};

static inline uint32_t mx_dominators_root(const struct mx_dominators *dominators)
{
    return dominators->blocks;
}

static inline uint32_t mx_dominators_unreachable(const struct mx_dominators *dominators)
{
    return dominators->blocks + 1;
}

/* Borrowed references are not followed. Up to 20 bytes a used block are needed meanwhile, 12 a block are kept. */
struct mx_error *mx_dominators_build(const struct mx_dominators_plan *plan, struct mx_dominators *ret);

void mx_dominators_deinit(struct mx_dominators *dominators);

#endif
