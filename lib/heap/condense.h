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
    const struct mx_rows *forward;
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

/* 32 blocks, together: which are nodes is asked of every edge. */
struct mx_condensed_word {
    uint32_t nodes;  /* bits */
    uint32_t before; /* nodes in the words before */
};

struct mx_condensed {
    struct mx_condensed_word *words;
    uint32_t *only;   /* by block: 1 + the only block that holds it; 0: none does; MX_NO_BLOCK: several do */
    uint32_t *blocks; /* by node */
    struct mx_condensed_item *items;
    uint32_t *holds;    /* nodes */
    uint32_t *held_by;  /* nodes: who holds each one; none where it is but one, for a search came by it */
    uint32_t *held_end; /* by node: of its part of `held_by`, which begins where that of the node before ends */
    uint32_t nodes;
    uint32_t block_count;
    size_t edges_mapped; /* places for edges */
};

static inline bool mx_condensed_is_node(const struct mx_condensed *condensed, uint32_t block)
{
    return condensed->words[block / 32].nodes >> block % 32 & 1;
}

/* Without the instruction, which not every processor has, the compiler would call a function. */
static inline uint32_t mx_count_bits(uint32_t bits)
{
    bits -= bits >> 1 & 0x55555555;
    bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
    return ((bits + (bits >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

/* The node of a block that is one. */
static inline uint32_t mx_condensed_node(const struct mx_condensed *condensed, uint32_t block)
{
    struct mx_condensed_word word = condensed->words[block / 32];
    return word.before + mx_count_bits(word.nodes & ((UINT32_C(1) << block % 32) - 1));
}

/* Of a used block that is no node: the node's block that it is a satellite of. */
static inline uint32_t mx_condensed_holder(const struct mx_condensed *condensed, uint32_t block)
{
    return condensed->only[block] - 1;
}

static inline uint32_t mx_condensed_held_from(const struct mx_condensed *condensed, uint32_t node)
{
    return node ? condensed->held_end[node - 1] : 0;
}

static inline bool mx_keeps_alive(const struct mx_condense_plan *plan, uint8_t class, uint32_t target)
{
    return (class & MX_EDGE_CLASS) != MX_EDGE_BORROWED &&
           !(class & MX_EDGE_INEXACT && mx_is_accounted(plan->accounted, target));
}

/* Nodes, and what they hold. */
struct mx_error *mx_condense(const struct mx_condense_plan *plan, struct mx_condensed *ret);

/* Fills `held_by`: in any thread, while others read the rest. The memory is there already. */
void mx_condense_holders(const struct mx_condense_plan *plan, struct mx_condensed *condensed);

/* Gives back what a search needs of edges, so that their pages serve again: first `holds`, then who holds whom. */
void mx_condensed_drop_holds(struct mx_condensed *condensed);
void mx_condensed_drop_holders(struct mx_condensed *condensed);

void mx_condensed_deinit(struct mx_condensed *condensed);

#endif
