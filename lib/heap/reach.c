/* SPDX-License-Identifier: Apache-2.0
 *
 * Breadth-first search from the roots, in waves of falling quality: what a
 * better wave reached keeps its way. Locals join modules after a few steps.
 */
#include "heap/reach.h"

/* A module, its dict, what is in it: known by these names even where a local holds them too. */
enum { MODULE_LEVELS = 2 };

/* From this rank on, roots and edges that only look like references count. Words of C stacks and of the interpreter's
   own data (its free lists above all) come last: many are stale. */
enum { LOOSE_RANK = 3 };

unsigned mx_root_rank(const struct mx_root *root)
{
    if (!root->exact)
        return root->kind == MX_ROOT_C_GLOBAL && !root->detail ? LOOSE_RANK : LOOSE_RANK + 1;
    return root->kind == MX_ROOT_MODULE ? 0 : root->kind == MX_ROOT_LOCAL ? 1 : 2;
}

struct search {
    const struct mx_graph *graph;
    const struct mx_reach_query *query;
    uint32_t *parents;
    uint32_t *queue; /* all that was reached, in that order */
    size_t head, tail;
    struct mx_work work;
    bool found, cancelled;
};

enum { STEPS_TOGETHER = 1 << 14 };

static void reach(struct search *search, uint32_t block, uint32_t from)
{
    if (search->parents[block] != MX_NO_BLOCK)
        return;
    search->parents[block] = from;
    search->queue[search->tail++] = block;
    search->found |= block == search->query->until;
}

static bool is_source(const struct search *search, const struct mx_root *root)
{
    const struct mx_reach_query *query = search->query;
    return query->filter ? query->filter(query->context, root) : root->kind != MX_ROOT_CACHE;
}

static void start_from_roots(struct search *search, unsigned rank)
{
    const struct mx_graph *graph = search->graph;
    for (size_t i = 0; i < graph->roots.count; i++) {
        const struct mx_graph_root *root = &graph->roots.items[i];
        if (mx_root_rank(&root->root) == rank && is_source(search, &root->root))
            reach(search, root->block, root->block);
    }
}

/* Counted edges only; inexact ones in the last waves alone. */
static void expand(struct search *search, uint32_t block, bool with_inexact)
{
    const struct mx_rows *rows = &search->graph->forward;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint8_t class = rows->classes[i];
        if ((class & MX_EDGE_CLASS) <= MX_EDGE_OWNED && (with_inexact || !(class & MX_EDGE_INEXACT)))
            reach(search, rows->targets[i], block);
    }
}

/* Until the queue is empty or, when `levels` is not 0, so many steps away from what is in it now. */
static void spread(struct search *search, bool with_inexact, unsigned levels)
{
    size_t level_end = search->tail;
    while (search->head < search->tail && !search->found && !search->cancelled) {
        if (search->head % STEPS_TOGETHER == 0)
            search->cancelled = !mx_work_step(&search->work, STEPS_TOGETHER);
        expand(search, search->queue[search->head++], with_inexact);
        if (search->head < level_end)
            continue;
        if (levels && !--levels)
            return;
        level_end = search->tail;
    }
}

static void run_waves(struct search *search)
{
    for (unsigned rank = 0; rank < MX_ROOT_RANKS && !search->found && !search->cancelled; rank++) {
        /* What was reached over exact edges has inexact ones that were left aside. */
        if (rank == LOOSE_RANK && search->graph->inexact)
            search->head = 0;
        start_from_roots(search, rank);
        spread(search, rank >= LOOSE_RANK, rank ? 0 : MODULE_LEVELS);
    }
}

struct mx_error *mx_graph_reach(const struct mx_graph *graph, const struct mx_reach_query *query, uint32_t **ret)
{
    size_t blocks = graph->forward.blocks;
    struct search search = {.graph = graph, .query = query};
    search.parents = malloc((blocks + 1) * sizeof(uint32_t));
    search.queue = malloc((blocks + 1) * sizeof(uint32_t));
    if (search.parents && search.queue) {
        mx_work_begin(&search.work, query->progress, "searching ways from roots", blocks);
        memset(search.parents, 0xff, (blocks + 1) * sizeof(uint32_t));
        run_waves(&search);
    }
    bool complete = search.parents && search.queue;
    free(search.queue);
    if (!complete || search.cancelled) {
        free(search.parents);
        return complete ? mx_error_cancelled() : mx_error_no_memory();
    }
    *ret = search.parents;
    return NULL;
}

struct mx_error *mx_graph_parents(struct mx_graph *graph, const struct mx_progress *progress)
{
    struct mx_reach_query query = {.until = MX_NO_BLOCK, .progress = progress};
    return graph->parents ? NULL : mx_graph_reach(graph, &query, &graph->parents);
}
