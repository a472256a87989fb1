/* SPDX-License-Identifier: Apache-2.0
 *
 * What the roots reach, and by which shortest way: breadth first over counted
 * references, without recursion.
 *
 *   parents[block]   the block before it on the way; itself when a root holds it; MX_NO_BLOCK when nothing reaches it
 *
 * The way is the shortest among the best: roots that people know (modules, frames' locals) and exact edges go before
 * other roots, and these before words and edges that only look like references. What a module holds directly is the
 * module's, even where a local (of a debugger, of a test framework) holds it too.
 */
#ifndef MX_HEAP_REACH_H
#define MX_HEAP_REACH_H

#include "heap/graph.h"

/* Which roots count; NULL = all but caches. */
typedef bool (*mx_root_filter)(void *context, const struct mx_root *root);

struct mx_reach_query {
    mx_root_filter filter;
    void *context;
    uint32_t until; /* stop when this block is reached; MX_NO_BLOCK: reach all */
    const struct mx_progress *progress;
};

/* The caller frees *ret. */
struct mx_error *mx_graph_reach(const struct mx_graph *graph, const struct mx_reach_query *query, uint32_t **ret);

/* Fills graph->parents for all roots, once. */
struct mx_error *mx_graph_parents(struct mx_graph *graph, const struct mx_progress *progress);

/* How well a root explains: modules, locals, other exact ones, extensions' C globals, other words. */
enum { MX_ROOT_RANKS = 5 };
unsigned mx_root_rank(const struct mx_root *root);

#endif
