/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds satellites and makes rows of nodes, part by part of the blocks. Most
 * blocks are no nodes: only the rows between nodes are turned round.
 */
#include "heap/condense.h"

#include "base/pages.h"

enum {
    PART = 1 << 20, /* blocks of one task; whole words of bits */
    LOOK = 1 << 20, /* blocks or nodes between looks at whether it was cancelled */
};

struct condenser {
    const struct mx_condense_plan *plan;
    struct mx_condensed *ret;
};

static bool is_cancelled(const struct mx_condense_plan *plan)
{
    return atomic_load_explicit(&plan->work->cancelled, memory_order_relaxed);
}

static uint32_t share_start(const struct condenser *condenser, size_t share)
{
    return (uint32_t)((uint64_t)condenser->ret->block_count * share / condenser->plan->threads);
}

/* Each worker looks at all edges, and writes of its own share of targets only: so they need no locks. */
static void find_only_holders(void *context, size_t share)
{
    const struct condenser *condenser = context;
    const struct mx_rows *rows = condenser->plan->forward;
    uint32_t *only = condenser->ret->only, block_count = condenser->ret->block_count;
    uint32_t low = share_start(condenser, share), range = share_start(condenser, share + 1) - low;
    for (uint32_t block = 0; block < block_count; block++) {
        if (block % LOOK == 0 && is_cancelled(condenser->plan))
            return;
        for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
            uint32_t target = rows->targets[i];
            if (target - low < range && mx_keeps_alive(condenser->plan, rows->classes[i], target))
                only[target] = only[target] ? MX_NO_BLOCK : block + 1;
        }
    }
}

static bool holds_nothing(const struct mx_condense_plan *plan, uint32_t block)
{
    const struct mx_rows *forward = plan->forward;
    for (uint32_t i = forward->first[block]; i < forward->first[block + 1]; i++)
        if (mx_keeps_alive(plan, forward->classes[i], forward->targets[i]))
            return false;
    return true;
}

static uint32_t part_end(const struct mx_condensed *condensed, size_t part)
{
    uint32_t from = (uint32_t)part * PART;
    return condensed->block_count - from < PART ? condensed->block_count : from + PART;
}

static void mark_part(void *context, size_t part)
{
    const struct condenser *condenser = context;
    const struct mx_condense_plan *plan = condenser->plan;
    struct mx_condensed *condensed = condenser->ret;
    uint32_t until = part_end(condensed, part);
    for (uint32_t block = (uint32_t)part * PART; block < until; block++) {
        bool has_one = condensed->only[block] && condensed->only[block] != MX_NO_BLOCK;
        bool is_node = plan->kinds[block] != MX_BLOCK_FREE && !(has_one && holds_nothing(plan, block));
        condensed->words[block / 32].nodes |= (uint32_t)is_node << block % 32;
    }
}

static void mark_roots(struct condenser *condenser)
{
    const struct mx_condense_plan *plan = condenser->plan;
    for (size_t i = 0; i < plan->root_count; i++)
        if (plan->kinds[plan->roots[i]] != MX_BLOCK_FREE)
            condenser->ret->words[plan->roots[i] / 32].nodes |= UINT32_C(1) << plan->roots[i] % 32;
}

static void count_nodes(struct mx_condensed *condensed)
{
    for (uint32_t i = 0; i < condensed->block_count / 32 + 1; i++) {
        condensed->words[i].before = condensed->nodes;
        condensed->nodes += mx_count_bits(condensed->words[i].nodes);
    }
}

static uint32_t copy_edges(const struct condenser *condenser, uint32_t block, uint32_t at)
{
    const struct mx_rows *rows = condenser->plan->forward;
    const struct mx_condensed *condensed = condenser->ret;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint32_t target = rows->targets[i];
        if (mx_condensed_is_node(condensed, target) && mx_keeps_alive(condenser->plan, rows->classes[i], target))
            condensed->holds[at++] = mx_condensed_node(condensed, target);
    }
    return at;
}

/* The edges of a part go where the part's began before: there is room, and parts need not wait for each other. */
static void fill_part(void *context, size_t part)
{
    struct condenser *condenser = context;
    struct mx_condensed *condensed = condenser->ret;
    uint32_t from = (uint32_t)part * PART, until = part_end(condensed, part);
    uint32_t node = mx_condensed_node(condensed, from), at = condenser->plan->forward->first[from];
    for (uint32_t block = from; block < until && !is_cancelled(condenser->plan); block++) {
        if (!mx_condensed_is_node(condensed, block))
            continue;
        struct mx_stretch *held = &condensed->items[node].holds;
        condensed->blocks[node++] = block;
        held->from = at;
        held->until = at = copy_edges(condenser, block, at);
    }
}

/* Turns counts into ends, which the edges move on to as they come; MX_NO_BLOCK: there is one holder. */
static void begin_rows(uint32_t *ends, uint32_t nodes)
{
    uint32_t next = 0;
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t count = ends[node];
        ends[node] = count > 1 ? next : MX_NO_BLOCK;
        next += count > 1 ? count : 0;
    }
}

static void end_rows(uint32_t *ends, uint32_t nodes)
{
    for (uint32_t node = 0; node < nodes; node++)
        if (ends[node] == MX_NO_BLOCK)
            ends[node] = node ? ends[node - 1] : 0;
}

/* A counting sort. */
void mx_condense_holders(const struct mx_condense_plan *plan, struct mx_condensed *condensed)
{
    uint32_t *ends = condensed->held_end;
    for (uint32_t node = 0; node < condensed->nodes && !is_cancelled(plan); node++) {
        struct mx_stretch held = condensed->items[node].holds;
        for (uint32_t i = held.from; i < held.until; i++)
            ends[condensed->holds[i]]++;
    }
    begin_rows(ends, condensed->nodes);
    for (uint32_t node = 0; node < condensed->nodes && !is_cancelled(plan); node++) {
        struct mx_stretch held = condensed->items[node].holds;
        for (uint32_t i = held.from; i < held.until; i++)
            if (ends[condensed->holds[i]] != MX_NO_BLOCK)
                condensed->held_by[ends[condensed->holds[i]]++] = node;
    }
    end_rows(ends, condensed->nodes);
}

static size_t words_bytes(const struct mx_condensed *condensed)
{
    return ((size_t)condensed->block_count / 32 + 1) * sizeof(struct mx_condensed_word);
}

static size_t only_bytes(const struct mx_condensed *condensed)
{
    return ((size_t)condensed->block_count + MX_EXTRA_NODES) * sizeof(uint32_t);
}

static struct mx_error *reserve_blocks(struct mx_condensed *condensed)
{
    condensed->words = mx_pages_reserve(words_bytes(condensed));
    condensed->only = mx_pages_reserve(only_bytes(condensed));
    return condensed->words && condensed->only ? NULL : mx_error_no_memory();
}

static struct mx_error *reserve_nodes(struct mx_condensed *condensed)
{
    size_t nodes = condensed->nodes;
    condensed->blocks = mx_pages_reserve(nodes * sizeof(uint32_t));
    condensed->items = mx_pages_reserve((nodes + MX_EXTRA_NODES) * sizeof(struct mx_condensed_item));
    condensed->holds = mx_pages_reserve(condensed->edges_mapped * sizeof(uint32_t));
    condensed->held_by = mx_pages_reserve(condensed->edges_mapped * sizeof(uint32_t));
    condensed->held_end = mx_pages_reserve(nodes * sizeof(uint32_t));
    bool ok = condensed->blocks && condensed->items && condensed->holds && condensed->held_by && condensed->held_end;
    return ok ? NULL : mx_error_no_memory();
}

static struct mx_error *condense(struct condenser *condenser)
{
    struct mx_condensed *condensed = condenser->ret;
    unsigned threads = condenser->plan->threads;
    size_t parts = ((size_t)condensed->block_count + PART - 1) / PART;
    MX_TRY(reserve_blocks(condensed));
    mx_work_parallel(threads, threads, find_only_holders, condenser);
    mx_work_parallel(threads, parts, mark_part, condenser);
    mark_roots(condenser);
    count_nodes(condensed);
    MX_TRY(reserve_nodes(condensed));
    mx_work_parallel(threads, parts, fill_part, condenser);
    return NULL;
}

struct mx_error *mx_condense(const struct mx_condense_plan *plan, struct mx_condensed *ret)
{
    *ret = (struct mx_condensed){.block_count = (uint32_t)plan->forward->blocks, .edges_mapped = plan->forward->edges};
    struct condenser condenser = {.plan = plan, .ret = ret};
    struct mx_error *error = condense(&condenser);
    if (error)
        mx_condensed_deinit(ret);
    return error;
}

void mx_condensed_drop_holds(struct mx_condensed *condensed)
{
    mx_pages_release(condensed->holds, condensed->edges_mapped * sizeof(uint32_t));
    condensed->holds = NULL;
}

void mx_condensed_drop_holders(struct mx_condensed *condensed)
{
    size_t nodes = condensed->nodes;
    mx_pages_release(condensed->items, (nodes + MX_EXTRA_NODES) * sizeof(struct mx_condensed_item));
    mx_pages_release(condensed->held_by, condensed->edges_mapped * sizeof(uint32_t));
    mx_pages_release(condensed->held_end, nodes * sizeof(uint32_t));
    condensed->items = NULL;
    condensed->held_by = condensed->held_end = NULL;
}

void mx_condensed_deinit(struct mx_condensed *condensed)
{
    mx_pages_release(condensed->words, words_bytes(condensed));
    mx_pages_release(condensed->only, only_bytes(condensed));
    mx_pages_release(condensed->blocks, condensed->nodes * sizeof(uint32_t));
    mx_condensed_drop_holds(condensed);
    mx_condensed_drop_holders(condensed);
    *condensed = (struct mx_condensed){0};
}
