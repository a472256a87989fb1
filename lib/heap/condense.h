/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph without what is simple: most blocks refer to nothing and are held
 * by one counted reference (numbers, texts, tables). Such a block is a
 * *satellite* of its holder. All other used blocks are nodes, and have small
 * numbers of their own, in the order of blocks; borrowed references are left out.
 *
 *   blocks   [ used | used, satellite of the first | free | used ]
 *   nodes    [ 0    |                              |      | 1    ]
 */
#ifndef MX_HEAP_CONDENSE_H
#define MX_HEAP_CONDENSE_H

#include "base/work.h"
#include "heap/counted.h"
#include "heap/graph.h"

struct mx_condense_plan {
    const struct mx_rows *forward, *reverse;
    const uint16_t *kinds; /* by block: MX_BLOCK_FREE ones are left out */
    const uint32_t *roots; /* blocks: nodes always */
    size_t root_count;
    const uint64_t *accounted; /* heap/counted.h: inexact references to such blocks do not count; NULL: none are */
    unsigned threads;
    struct mx_work *work; /* is only asked whether it was cancelled */
};

/* The references of a node: edges from..until - 1. */
struct mx_stretch {
    uint32_t from, until;
};

enum { MX_EXTRA_NODES = 2 }; /* that hold nothing, behind all others: a search may need them */

/* What a search looks at together. */
struct mx_condensed_item {
    uint32_t number;         /* the search's own, 0 at first */
    struct mx_stretch holds; /* in `holds` */
};

struct mx_condensed {
    uint64_t *is_node; /* bits, by block */
    uint32_t *before;  /* by 64 blocks: nodes before them */
    uint32_t *blocks;  /* by node */
    struct mx_condensed_item *items;
    struct mx_stretch *holders; /* by node: who holds it, in `held_by`; none where it is but one: a search came by it */
    uint32_t *holds, *held_by;  /* nodes */
    uint32_t nodes;
    uint32_t block_count;
    size_t forward_mapped, reverse_mapped; /* places for edges */
};

static inline bool mx_condensed_is_node(const struct mx_condensed *condensed, uint32_t block)
{
    return condensed->is_node[block / 64] >> block % 64 & 1;
}

/* The node of a block that is one. */
static inline uint32_t mx_condensed_node(const struct mx_condensed *condensed, uint32_t block)
{
    uint64_t lower = condensed->is_node[block / 64] & ((UINT64_C(1) << block % 64) - 1);
    return condensed->before[block / 64] + (uint32_t)__builtin_popcountll(lower);
}

static inline bool mx_keeps_alive(const struct mx_condense_plan *plan, uint8_t class, uint32_t target)
{
    return (class & MX_EDGE_CLASS) != MX_EDGE_BORROWED &&
           !(class & MX_EDGE_INEXACT && mx_is_accounted(plan->accounted, target));
}

/* The only block that holds this one, or MX_NO_BLOCK. */
uint32_t mx_only_holder(const struct mx_condense_plan *plan, uint32_t block);

/* Nodes, and what they hold. */
struct mx_error *mx_condense(const struct mx_condense_plan *plan, struct mx_condensed *ret);

/* Who holds them: in any thread, while others read the rest. The memory is there already. */
void mx_condense_holders(const struct mx_condense_plan *plan, struct mx_condensed *condensed);

void mx_condensed_deinit(struct mx_condensed *condensed);

#endif
