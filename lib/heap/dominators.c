/* SPDX-License-Identifier: Apache-2.0
 *
 * The semi-NCA algorithm (Georgiadis, Linear-Time Algorithms for Dominators and
 * Related Problems, 2005) on depth-first numbers of the condensed graph: a
 * satellite's dominator is its holder. Heaps are millions of references deep:
 * the search keeps its stack in the arrays of parents and edges to go on with,
 * and path compression turns the path round on its way up.
 */
#include "heap/dominators.h"

#include <string.h>

#include "base/pages.h"
#include "heap/condense.h"

enum {
    TICK = 1 << 16,  /* vertices between looks at the clock */
    AHEAD = 8,       /* edges or vertices from where data is fetched to where it is looked at */
    STEPS_EACH = 3,  /* of work, a block */
    PLAIN_STEPS = 4, /* a vertex, that the last step may take before it gets a quicker way up */
};

/* Arrays are by depth-first number, the root's is 0. The nodes of the root and the unreachable are behind all others.
 */
struct numbering {
    const struct mx_dominators_plan *plan;
    struct mx_condense_plan condense;
    struct mx_condensed graph;
    uint32_t *vertex; /* the node */
    uint32_t *parent; /* in the depth-first tree; compressed later; at last: ancestors to jump to */
    uint32_t *semi;   /* the edge to go on with; semidominators later */
    uint32_t *label;  /* nodes in the order in which the search left them; later the least semi on a compressed path; at
                         last: depths in the dominator tree */
    uint32_t *idom;
    uint64_t *sums;     /* lies over `semi` and `label`, when these are not needed any more */
    uint32_t *idoms;    /* blocks, by block: made of the only holders, of which most are it */
    uint64_t *retained; /* by block */
    uint32_t count;
    uint32_t unreachable; /* its number: those above are of unreachable blocks */
    uint32_t left;        /* nodes in `label` */
    bool keep_left;
    uint32_t ticks;
};

static bool tick(struct numbering *numbering)
{
    return ++numbering->ticks % TICK || mx_work_step(numbering->plan->work, TICK);
}

static bool is_cancelled(const struct numbering *numbering)
{
    return atomic_load(&numbering->plan->work->cancelled);
}

static uint32_t give_number(struct numbering *numbering, uint32_t node, uint32_t parent)
{
    uint32_t number = numbering->count++;
    struct mx_condensed_item *item = &numbering->graph.items[node];
    item->number = number;
    numbering->semi[number] = item->holds.from;
    numbering->vertex[number] = node;
    numbering->parent[number] = parent;
    return number;
}

/* The next node without a number that this one holds. What those further on need is on its way when their turn comes.
 */
static uint32_t next_held(struct numbering *numbering, uint32_t number)
{
    const uint32_t *holds = numbering->graph.holds;
    const struct mx_condensed_item *items = numbering->graph.items;
    uint32_t until = items[numbering->vertex[number]].holds.until;
    for (uint32_t i = numbering->semi[number]; i < until; i++) {
        if (until - i > AHEAD)
            __builtin_prefetch(&items[holds[i + AHEAD]]);
        if (until - i > AHEAD / 2)
            __builtin_prefetch(&holds[items[holds[i + AHEAD / 2]].holds.from]);
        if (items[holds[i]].number)
            continue;
        numbering->semi[number] = i + 1;
        return holds[i];
    }
    numbering->semi[number] = until;
    return MX_NO_BLOCK;
}

static void fetch_held(const struct numbering *numbering, uint32_t node)
{
    struct mx_stretch held = numbering->graph.items[node].holds;
    for (uint32_t i = held.from; i < held.until && i < held.from + AHEAD; i++)
        __builtin_prefetch(&numbering->graph.items[numbering->graph.holds[i]]);
}

static void explore(struct numbering *numbering, uint32_t start, uint32_t holder)
{
    if (numbering->graph.items[start].number)
        return;
    uint32_t current = give_number(numbering, start, holder);
    while (current != holder && tick(numbering)) {
        uint32_t next = next_held(numbering, current);
        if (next != MX_NO_BLOCK) {
            current = give_number(numbering, next, current);
            fetch_held(numbering, next);
            continue;
        }
        if (numbering->keep_left)
            numbering->label[numbering->left++] = numbering->vertex[current];
        current = numbering->parent[current];
    }
}

static void explore_unreached(struct numbering *numbering)
{
    for (uint32_t node = 0; node < numbering->graph.nodes && !is_cancelled(numbering); node++)
        explore(numbering, node, numbering->unreachable);
}

/*
 * A first search finds the order, a second one numbers: of what is left, the block that the first one left last is in
 * a knot that no other one leads to. So each such knot hangs on one block, and no other block does.
 */
static void number_unreachable(struct numbering *numbering)
{
    numbering->keep_left = true;
    explore_unreached(numbering);
    for (uint32_t i = numbering->unreachable + 1; i < numbering->count; i++)
        numbering->graph.items[numbering->vertex[i]].number = 0;
    numbering->count = numbering->unreachable + 1;
    numbering->keep_left = false;
    for (uint32_t i = numbering->left; i-- > 0 && !is_cancelled(numbering);)
        explore(numbering, numbering->label[i], numbering->unreachable);
}

/* The node of a root, or MX_NO_BLOCK. */
static uint32_t root_node(const struct numbering *numbering, size_t root)
{
    uint32_t block = numbering->plan->roots[root];
    return mx_condensed_is_node(&numbering->graph, block) ? mx_condensed_node(&numbering->graph, block) : MX_NO_BLOCK;
}

static void number_all(struct numbering *numbering)
{
    const struct mx_condensed *graph = &numbering->graph;
    give_number(numbering, graph->nodes, 0);
    for (size_t i = 0; i < numbering->plan->root_count && !is_cancelled(numbering); i++)
        if (root_node(numbering, i) != MX_NO_BLOCK)
            explore(numbering, root_node(numbering, i), 0);
    numbering->unreachable = give_number(numbering, graph->nodes + 1, 0);
    number_unreachable(numbering);
}

static void begin_semis(struct numbering *numbering)
{
    size_t bytes = numbering->count * sizeof(uint32_t);
    memcpy(numbering->semi, numbering->parent, bytes);
    memcpy(numbering->idom, numbering->parent, bytes);
    for (size_t i = 0; i < numbering->plan->root_count; i++)
        if (root_node(numbering, i) != MX_NO_BLOCK)
            numbering->semi[numbering->graph.items[root_node(numbering, i)].number] = 0;
}

/* The least semi on the way from `number` up to the last vertex above `done`, all of whose semis are known. */
static uint32_t evaluate(struct numbering *numbering, uint32_t number, uint32_t done)
{
    uint32_t *parent = numbering->parent, *label = numbering->label;
    uint32_t below = 0, at = number;
    while (parent[at] > done) {
        uint32_t above = parent[at];
        parent[at] = below;
        below = at;
        at = above;
    }
    uint32_t top = parent[at], least = label[at];
    while (below) {
        at = below;
        below = parent[at];
        parent[at] = top;
        least = label[at] < least ? label[at] : least;
        label[at] = least;
    }
    return least;
}

static uint32_t find_semi(struct numbering *numbering, uint32_t number)
{
    uint32_t node = numbering->vertex[number], semi = numbering->semi[number];
    if (node >= numbering->graph.nodes)
        return 0;
    uint32_t until = numbering->graph.held_end[node];
    for (uint32_t i = mx_condensed_held_from(&numbering->graph, node); i < until; i++) {
        uint32_t holder = numbering->graph.items[numbering->graph.held_by[i]].number;
        if (number < numbering->unreachable && holder > numbering->unreachable)
            continue;
        uint32_t least = holder <= number ? holder : evaluate(numbering, holder, number);
        semi = least < semi ? least : semi;
    }
    return semi;
}

/* The node of the vertex that comes `distance` later; 0 where there is none, or it stands for no node. */
static uint32_t node_ahead(const struct numbering *numbering, uint32_t number, uint32_t distance)
{
    uint32_t node = number > distance ? numbering->vertex[number - distance] : 0;
    return node < numbering->graph.nodes ? node : 0;
}

/* What find_semi() needs for vertices further on: three reads that each wait for the one before. */
static void fetch_holders(const struct numbering *numbering, uint32_t number)
{
    const struct mx_condensed *graph = &numbering->graph;
    __builtin_prefetch(&graph->held_end[node_ahead(numbering, number, 3 * AHEAD)]);
    __builtin_prefetch(&graph->held_by[graph->held_end[node_ahead(numbering, number, 2 * AHEAD)]]);
    uint32_t node = node_ahead(numbering, number, AHEAD);
    uint32_t from = mx_condensed_held_from(graph, node), until = graph->held_end[node];
    for (uint32_t i = from; i < until && i < from + AHEAD; i++)
        __builtin_prefetch(&graph->items[graph->held_by[i]]);
}

static void find_semis(struct numbering *numbering)
{
    begin_semis(numbering);
    for (uint32_t i = numbering->count - 1; i > 0 && tick(numbering); i--) {
        fetch_holders(numbering, i);
        numbering->semi[i] = numbering->label[i] = find_semi(numbering, i);
    }
}

/* From each vertex a jump leads up so far that any way up takes some log n jumps and steps (Myers, 1983). */
static void set_jump(struct numbering *numbering, uint32_t number)
{
    uint32_t *jump = numbering->parent, *depth = numbering->label;
    uint32_t above = numbering->idom[number], far = jump[above];
    depth[number] = depth[above] + 1;
    jump[number] = depth[above] - depth[far] == depth[far] - depth[jump[far]] ? jump[far] : above;
}

static void begin_jumps(struct numbering *numbering, uint32_t until)
{
    numbering->parent[0] = numbering->label[0] = 0;
    for (uint32_t i = 1; i < until; i++)
        set_jump(numbering, i);
}

/*
 * The ways up to the semidominators are short in heaps that programs made. In others they could take quadratic time:
 * jumps bound it.
 */
static void find_idoms(struct numbering *numbering)
{
    uint64_t left = PLAIN_STEPS * (uint64_t)numbering->count;
    bool jumps = false;
    for (uint32_t i = 1; i < numbering->count && tick(numbering); i++) {
        uint32_t at = numbering->idom[i], semi = numbering->semi[i];
        for (; at > semi && left; left--)
            at = numbering->idom[at];
        if (!left && !jumps) {
            begin_jumps(numbering, i);
            jumps = true;
        }
        while (at > semi)
            at = numbering->parent[at] > semi ? numbering->parent[at] : numbering->idom[at];
        numbering->idom[i] = at;
        if (jumps)
            set_jump(numbering, i);
    }
}

static void dominate(struct numbering *numbering)
{
    if (!is_cancelled(numbering))
        find_semis(numbering);
    mx_condensed_drop_holders(&numbering->graph);
    if (!is_cancelled(numbering))
        find_idoms(numbering);
}

static void find_holders(struct numbering *numbering)
{
    mx_condense_holders(&numbering->condense, &numbering->graph);
}

/* Satellites weigh with their holders, which dominate them. */
static void weigh(struct numbering *numbering)
{
    const struct mx_dominators_plan *plan = numbering->plan;
    const struct mx_condensed *graph = &numbering->graph;
    uint64_t *retained = numbering->retained;
    plan->weigh(plan->context, retained);
    for (uint32_t block = 0; block < graph->block_count; block++) {
        if (mx_condensed_is_node(graph, block))
            continue;
        bool is_free = plan->kinds[block] == MX_BLOCK_FREE;
        numbering->idoms[block] = is_free ? MX_NO_BLOCK : mx_condensed_holder(graph, block);
        if (!is_free)
            retained[numbering->idoms[block]] += retained[block];
    }
}

static uint32_t vertex_block(const struct numbering *numbering, uint32_t number)
{
    uint32_t node = numbering->vertex[number], nodes = numbering->graph.nodes;
    return node < nodes ? numbering->graph.blocks[node] : numbering->graph.block_count + node - nodes;
}

/* Vertices near each other in the tree have numbers near each other, but their blocks are anywhere. */
static void add_up(struct numbering *numbering)
{
    uint64_t *retained = numbering->retained, *sums = numbering->sums;
    memset(sums, 0, numbering->count * sizeof(*sums));
    for (uint32_t i = numbering->count; i-- > 0;) {
        __builtin_prefetch(&retained[vertex_block(numbering, i > AHEAD ? i - AHEAD : 0)]);
        uint32_t block = vertex_block(numbering, i);
        retained[block] = sums[i] += retained[block];
        if (i)
            sums[numbering->idom[i]] += sums[i];
    }
}

static void take_idoms(struct numbering *numbering)
{
    uint32_t *idoms = numbering->idoms;
    for (uint32_t i = 1; i < numbering->count; i++)
        idoms[vertex_block(numbering, i)] = vertex_block(numbering, numbering->idom[i]);
    idoms[numbering->graph.block_count] = MX_NO_BLOCK;
}

/* Two jobs at once: the first is done by the caller's thread where it can be, for only that can be cancelled. */
struct halves {
    struct numbering *numbering;
    void (*jobs[2])(struct numbering *numbering);
    atomic_flag taken[2];
};

static void run_half(void *context, size_t task)
{
    (void)task;
    struct halves *halves = context;
    size_t job = pthread_equal(halves->numbering->plan->work->owner, pthread_self()) ? 0 : 1;
    if (atomic_flag_test_and_set(&halves->taken[job]))
        job = 1 - job;
    halves->jobs[job](halves->numbering);
}

static void run_both(struct numbering *numbering, void (*first)(struct numbering *), void (*second)(struct numbering *))
{
    struct halves halves = {numbering, {first, second}, {ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT}};
    mx_work_parallel(numbering->plan->threads, 2, run_half, &halves);
}

static void count_blocks(const struct numbering *numbering, struct mx_dominators *ret)
{
    const struct mx_rows *rows = numbering->plan->forward;
    for (uint32_t block = 0; block < ret->blocks; block++)
        ret->reachable += numbering->plan->kinds[block] != MX_BLOCK_FREE;
    ret->unreachable = numbering->count - numbering->unreachable - 1;
    for (uint32_t i = numbering->unreachable + 1; i < numbering->count; i++) {
        uint32_t block = vertex_block(numbering, i);
        for (uint32_t edge = rows->first[block]; edge < rows->first[block + 1]; edge++)
            ret->unreachable += mx_keeps_alive(&numbering->condense, rows->classes[edge], rows->targets[edge]) &&
                                !mx_condensed_is_node(&numbering->graph, rows->targets[edge]);
    }
    ret->reachable -= ret->unreachable;
}

static size_t vertices_bytes(const struct numbering *numbering, size_t item_size)
{
    return ((size_t)numbering->graph.nodes + MX_EXTRA_NODES) * item_size;
}

static size_t blocks_bytes(uint32_t blocks, size_t item_size)
{
    return ((size_t)blocks + MX_EXTRA_NODES) * item_size;
}

static struct mx_error *reserve_arrays(struct numbering *numbering)
{
    uint32_t **arrays[] = {&numbering->vertex, &numbering->parent, &numbering->idom};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        if (!(*arrays[i] = mx_pages_reserve(vertices_bytes(numbering, sizeof(uint32_t)))))
            return mx_error_no_memory();
    numbering->sums = mx_pages_reserve(vertices_bytes(numbering, sizeof(uint64_t)));
    numbering->retained = mx_pages_reserve(blocks_bytes(numbering->graph.block_count, sizeof(uint64_t)));
    if (!numbering->sums || !numbering->retained)
        return mx_error_no_memory();
    numbering->semi = (uint32_t *)numbering->sums;
    numbering->label = numbering->semi + vertices_bytes(numbering, 1);
    numbering->idoms = numbering->graph.only;
    return NULL;
}

static void release_arrays(struct numbering *numbering)
{
    uint32_t *arrays[] = {numbering->vertex, numbering->parent, numbering->idom};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        mx_pages_release(arrays[i], vertices_bytes(numbering, sizeof(uint32_t)));
    mx_pages_release(numbering->sums, vertices_bytes(numbering, sizeof(uint64_t)));
    if (numbering->idoms)
        numbering->graph.only = NULL;
    mx_condensed_deinit(&numbering->graph);
}

static struct mx_error *build(struct numbering *numbering, struct mx_dominators *ret)
{
    MX_TRY(mx_condense(&numbering->condense, &numbering->graph));
    MX_TRY(reserve_arrays(numbering));
    uint64_t satellites = numbering->graph.block_count - numbering->graph.nodes;
    mx_work_step(numbering->plan->work, STEPS_EACH * satellites);
    run_both(numbering, number_all, find_holders);
    mx_condensed_drop_holds(&numbering->graph);
    run_both(numbering, dominate, weigh);
    if (is_cancelled(numbering))
        return mx_error_cancelled();
    count_blocks(numbering, ret);
    run_both(numbering, add_up, take_idoms);
    return NULL;
}

struct mx_error *mx_dominators_build(const struct mx_dominators_plan *plan, struct mx_dominators *ret)
{
    if (plan->forward->blocks > UINT32_MAX - 3)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "the heap has more blocks than memext can add up: use a smaller core");
    struct numbering numbering = {.plan = plan,
                                  .condense = {.forward = plan->forward,
                                               .kinds = plan->kinds,
                                               .roots = plan->roots,
                                               .root_count = plan->root_count,
                                               .accounted = plan->accounted,
                                               .threads = plan->threads,
                                               .work = plan->work}};
    struct mx_dominators made = {.blocks = (uint32_t)plan->forward->blocks};
    struct mx_error *error = build(&numbering, &made);
    release_arrays(&numbering);
    made.idoms = numbering.idoms;
    made.retained = numbering.retained;
    if (error) {
        mx_dominators_deinit(&made);
        return error;
    }
    *ret = made;
    return NULL;
}

void mx_dominators_deinit(struct mx_dominators *dominators)
{
    mx_pages_release(dominators->idoms, blocks_bytes(dominators->blocks, sizeof(uint32_t)));
    mx_pages_release(dominators->retained, blocks_bytes(dominators->blocks, sizeof(uint64_t)));
    *dominators = (struct mx_dominators){0};
}
