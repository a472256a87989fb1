/* SPDX-License-Identifier: Apache-2.0
 *
 * Who refers to whom, over block ids: compressed sparse rows in both
 * directions, built on demand and kept for the stop.
 *
 *   first[id] .. first[id + 1]  ->  targets[], classes[]     referents of a block
 *   and the same the other way round                          referrers of a block
 *
 * Edge names are not kept: they are decoded again for what is shown.
 */
#ifndef MX_HEAP_GRAPH_H
#define MX_HEAP_GRAPH_H

#include "base/work.h"
#include "cpython/roots.h"
#include "heap/heap.h"

enum { MX_EDGE_CLASS = 3, MX_EDGE_INEXACT = 4 };

struct mx_rows {
    uint32_t *first;   /* blocks + 1 */
    uint32_t *targets; /* block ids; in rows of referrers they rise */
    uint8_t *classes;  /* enum mx_edge_class | MX_EDGE_INEXACT */
    size_t edges;
    size_t blocks;       /* as mapped: rows */
    size_t edges_mapped; /* places that are reserved for edges */
};

struct mx_graph_root {
    uint32_t block;
    struct mx_root root;
};

struct mx_graph {
    struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_referents referents;
    struct mx_rows forward;
    struct mx_rows reverse;               /* empty until mx_graph_referrers() */
    MX_ARRAY(struct mx_graph_root) roots; /* in the order of mx_roots_each() */
    uint32_t *roots_by_block;             /* indices into roots, by block and then by index */
    uint32_t *parents;                    /* by block: heap/reach.h; NULL until it is asked for */
    uint64_t dangling;                    /* exact edges whose target is no block (missing memory, damage): dropped */
    uint64_t inexact;                     /* edges found by conservative scans */
};

/* Fills graph->reverse, once: what counts and adds up goes without. */
struct mx_error *mx_graph_referrers(struct mx_graph *graph, const struct mx_progress *progress);

/* The object in a block (0 for raw and free ones) and its type. */
mx_addr mx_graph_object(const struct mx_graph *graph, uint32_t block, const struct mx_type **type);

/* The block that an edge leads to, or MX_NO_BLOCK. */
uint32_t mx_graph_target(const struct mx_graph *graph, const struct mx_edge *edge);

/* The roots of a block: `count` of them from roots_by_block[*first] on. */
size_t mx_graph_roots_of(const struct mx_graph *graph, uint32_t block, size_t *first);

#endif
