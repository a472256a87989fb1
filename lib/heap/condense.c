/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds satellites and makes rows of nodes, part by part of the blocks. A part
 * takes the next places for its edges, whoever comes first: their order says
 * nothing, for each node knows where its own are.
 */
#include "heap/condense.h"

#include "base/pages.h"

enum { PART = 1 << 18 }; /* blocks of one task; whole words of bits */

struct condenser {
    const struct mx_condense_plan *plan;
    struct mx_condensed *ret;
    _Atomic size_t edges; /* places taken */
};

uint32_t mx_only_holder(const struct mx_condense_plan *plan, uint32_t block)
{
    const struct mx_rows *reverse = plan->reverse;
    uint32_t holder = MX_NO_BLOCK;
    for (uint32_t i = reverse->first[block]; i < reverse->first[block + 1]; i++) {
        if (!mx_keeps_alive(plan, reverse->classes[i], block))
            continue;
        if (holder != MX_NO_BLOCK)
            return MX_NO_BLOCK;
        holder = reverse->targets[i];
    }
    return holder;
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

static bool is_cancelled(const struct mx_condense_plan *plan)
{
    return atomic_load_explicit(&plan->work->cancelled, memory_order_relaxed);
}

static void mark_part(void *context, size_t part)
{
    const struct condenser *condenser = context;
    const struct mx_condense_plan *plan = condenser->plan;
    uint32_t until = part_end(condenser->ret, part);
    for (uint32_t block = (uint32_t)part * PART; block < until && !is_cancelled(plan); block++) {
        bool is_node = plan->kinds[block] != MX_BLOCK_FREE &&
                       !(holds_nothing(plan, block) && mx_only_holder(plan, block) != MX_NO_BLOCK);
        condenser->ret->is_node[block / 64] |= (uint64_t)is_node << block % 64;
    }
}

static void mark_roots(struct condenser *condenser)
{
    const struct mx_condense_plan *plan = condenser->plan;
    for (size_t i = 0; i < plan->root_count; i++)
        if (plan->kinds[plan->roots[i]] != MX_BLOCK_FREE)
            condenser->ret->is_node[plan->roots[i] / 64] |= UINT64_C(1) << plan->roots[i] % 64;
}

static void count_nodes(struct mx_condensed *condensed)
{
    for (uint32_t i = 0; i < condensed->block_count / 64 + 1; i++) {
        condensed->before[i] = condensed->nodes;
        condensed->nodes += (uint32_t)__builtin_popcountll(condensed->is_node[i]);
    }
}

static bool leads_to_node(const struct condenser *condenser, uint32_t edge)
{
    const struct mx_rows *rows = condenser->plan->forward;
    uint32_t target = rows->targets[edge];
    return mx_keeps_alive(condenser->plan, rows->classes[edge], target) && mx_condensed_is_node(condenser->ret, target);
}

static size_t count_edges(const struct condenser *condenser, uint32_t from, uint32_t until)
{
    const uint32_t *first = condenser->plan->forward->first;
    size_t count = 0;
    for (uint32_t i = first[from]; i < first[until]; i++)
        count += leads_to_node(condenser, i);
    return count;
}

static uint32_t copy_edges(const struct condenser *condenser, uint32_t block, uint32_t at)
{
    const struct mx_rows *rows = condenser->plan->forward;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        if (leads_to_node(condenser, i))
            condenser->ret->holds[at++] = mx_condensed_node(condenser->ret, rows->targets[i]);
    return at;
}

static void fill_part(void *context, size_t part)
{
    struct condenser *condenser = context;
    struct mx_condensed *condensed = condenser->ret;
    uint32_t from = (uint32_t)part * PART, until = part_end(condensed, part);
    uint32_t node = mx_condensed_node(condensed, from);
    size_t count = count_edges(condenser, from, until);
    uint32_t at = (uint32_t)atomic_fetch_add(&condenser->edges, count);
    for (uint32_t block = from; block < until && !is_cancelled(condenser->plan); block++) {
        if (!mx_condensed_is_node(condensed, block))
            continue;
        struct mx_stretch *held = &condensed->items[node].holds;
        condensed->blocks[node++] = block;
        held->from = at;
        held->until = at = copy_edges(condenser, block, at);
    }
}

/* All that hold anything are nodes. */
void mx_condense_holders(const struct mx_condense_plan *plan, struct mx_condensed *condensed)
{
    const struct mx_rows *rows = plan->reverse;
    uint32_t at = 0;
    for (uint32_t node = 0; node < condensed->nodes && !is_cancelled(plan); node++) {
        uint32_t block = condensed->blocks[node], until = rows->first[block + 1];
        condensed->holders[node].from = at;
        for (uint32_t i = rows->first[block]; until - rows->first[block] > 1 && i < until; i++)
            if (mx_keeps_alive(plan, rows->classes[i], block))
                condensed->held_by[at++] = mx_condensed_node(condensed, rows->targets[i]);
        condensed->holders[node].until = at;
    }
}

static struct mx_error *reserve_bits(struct mx_condensed *condensed)
{
    size_t words = (size_t)condensed->block_count / 64 + 1;
    condensed->is_node = mx_pages_reserve(words * sizeof(uint64_t));
    condensed->before = mx_pages_reserve(words * sizeof(uint32_t));
    return condensed->is_node && condensed->before ? NULL : mx_error_no_memory();
}

static struct mx_error *reserve_nodes(struct mx_condensed *condensed)
{
    size_t nodes = condensed->nodes;
    condensed->blocks = mx_pages_reserve(nodes * sizeof(uint32_t));
    condensed->items = mx_pages_reserve((nodes + MX_EXTRA_NODES) * sizeof(struct mx_condensed_item));
    condensed->holders = mx_pages_reserve(nodes * sizeof(struct mx_stretch));
    condensed->holds = mx_pages_reserve(condensed->forward_mapped * sizeof(uint32_t));
    condensed->held_by = mx_pages_reserve(condensed->reverse_mapped * sizeof(uint32_t));
    bool ok = condensed->blocks && condensed->items && condensed->holders && condensed->holds && condensed->held_by;
    return ok ? NULL : mx_error_no_memory();
}

static struct mx_error *condense(struct condenser *condenser)
{
    struct mx_condensed *condensed = condenser->ret;
    size_t parts = ((size_t)condensed->block_count + PART - 1) / PART;
    MX_TRY(reserve_bits(condensed));
    mx_work_parallel(condenser->plan->threads, parts, mark_part, condenser);
    mark_roots(condenser);
    count_nodes(condensed);
    MX_TRY(reserve_nodes(condensed));
    mx_work_parallel(condenser->plan->threads, parts, fill_part, condenser);
    return NULL;
}

struct mx_error *mx_condense(const struct mx_condense_plan *plan, struct mx_condensed *ret)
{
    *ret = (struct mx_condensed){.block_count = (uint32_t)plan->forward->blocks,
                                 .forward_mapped = plan->forward->edges,
                                 .reverse_mapped = plan->reverse->edges};
    struct condenser condenser = {.plan = plan, .ret = ret};
    struct mx_error *error = condense(&condenser);
    if (error)
        mx_condensed_deinit(ret);
    return error;
}

void mx_condensed_deinit(struct mx_condensed *condensed)
{
    size_t words = (size_t)condensed->block_count / 64 + 1, nodes = condensed->nodes;
    mx_pages_release(condensed->is_node, words * sizeof(uint64_t));
    mx_pages_release(condensed->before, words * sizeof(uint32_t));
    mx_pages_release(condensed->blocks, nodes * sizeof(uint32_t));
    mx_pages_release(condensed->items, (nodes + MX_EXTRA_NODES) * sizeof(struct mx_condensed_item));
    mx_pages_release(condensed->holders, nodes * sizeof(struct mx_stretch));
    mx_pages_release(condensed->holds, condensed->forward_mapped * sizeof(uint32_t));
    mx_pages_release(condensed->held_by, condensed->reverse_mapped * sizeof(uint32_t));
    *condensed = (struct mx_condensed){0};
}
