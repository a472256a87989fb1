/* SPDX-License-Identifier: Apache-2.0
 *
 * What an outline may show: the blocks that retain enough, and for each of
 * these and each root what else hangs on it, by type. It knows the dominator
 * tree, and not what will be chosen.
 */
#include "report/outline.h"

enum {
    STEP = 1 << 20, /* blocks between looks at the progress */
    FINE_BITS = 4,  /* of a bucket's number: sizes in one bucket differ by a sixteenth */
    BUCKETS = 64 << FINE_BITS,
};

enum scope { SCOPE_UNKNOWN, SCOPE_INSIDE, SCOPE_OUTSIDE };

static bool is_used(const struct mx_cut *cut, uint32_t block)
{
    return cut->dominators->idoms[block] != MX_NO_BLOCK;
}

static const struct mx_span *span_of(const struct mx_cut *cut, const struct mx_span *hint, uint32_t block)
{
    return hint && block - hint->first < hint->count ? hint : mx_spans_of(&cut->graph->heap->spans, block);
}

static uint64_t own_bytes(const struct mx_cut *cut, const struct mx_span *span, uint32_t block)
{
    bool counts = !cut->query.since || mx_since_is_new(&cut->since, span, block);
    return counts ? mx_block_weight(cut->graph->target, cut->graph->heap, span, block) : 0;
}

/* Adds sizes up along the tree, from its leaves; `open` counts the children that are still to come. */
static void add_up(const struct mx_cut *cut, uint32_t *open)
{
    const uint32_t *idoms = cut->dominators->idoms;
    for (uint32_t block = 0; block < cut->dominators->blocks + 2; block++)
        if (is_used(cut, block))
            open[idoms[block]]++;
    for (uint32_t block = 0; block < cut->dominators->blocks + 2; block++) {
        uint32_t at = block;
        if (!is_used(cut, block) || open[block])
            continue;
        while (idoms[at] != MX_NO_BLOCK) {
            uint32_t above = idoms[at];
            cut->new_retained[above] += cut->new_retained[at];
            open[at] = UINT32_MAX; /* done */
            if (--open[above])
                break;
            at = above;
        }
    }
}

static struct mx_error *weigh_blocks(struct mx_cut *cut)
{
    const struct mx_span *span = NULL;
    for (uint32_t block = 0; block < cut->dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&cut->work, STEP))
            return mx_error_cancelled();
        if (!is_used(cut, block))
            continue;
        span = span_of(cut, span, block);
        cut->new_retained[block] = own_bytes(cut, span, block);
    }
    return NULL;
}

static struct mx_error *weigh_new(struct mx_cut *cut)
{
    size_t count = (size_t)cut->dominators->blocks + 2;
    MX_TRY(mx_since_open(cut->graph->heap, cut->query.since, &cut->since));
    cut->retained = cut->new_retained = mx_calloc(count, sizeof(uint64_t));
    if (!cut->new_retained)
        return mx_error_no_memory();
    MX_TRY(weigh_blocks(cut));
    uint32_t *open = mx_calloc(count, sizeof(uint32_t));
    if (!open)
        return mx_error_no_memory();
    add_up(cut, open);
    free(open);
    return NULL;
}

/* Whether `within` dominates the block; the ways up are looked at once. */
static bool is_inside(struct mx_cut *cut, uint32_t block)
{
    const uint32_t *idoms = cut->dominators->idoms;
    uint8_t *scope = cut->scope;
    if (!scope)
        return true;
    uint32_t at = block;
    while (idoms[at] != MX_NO_BLOCK && scope[at] == SCOPE_UNKNOWN)
        at = idoms[at];
    uint8_t found = scope[at] == SCOPE_INSIDE ? SCOPE_INSIDE : SCOPE_OUTSIDE;
    for (; block != at; block = idoms[block])
        scope[block] = found;
    return found == SCOPE_INSIDE;
}

static bool is_wanted(struct mx_cut *cut, uint32_t block)
{
    return is_used(cut, block) && cut->retained[block] && block != cut->within && is_inside(cut, block);
}

static uint32_t bucket_of(uint64_t size)
{
    if (size >> FINE_BITS == 0)
        return (uint32_t)size;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(size);
    return (log - FINE_BITS + 1) << FINE_BITS | (uint32_t)(size >> (log - FINE_BITS) & ((1u << FINE_BITS) - 1));
}

/* The smallest size in a bucket. */
static uint64_t bucket_start(uint32_t bucket)
{
    uint32_t high = bucket >> FINE_BITS, low = bucket & ((1u << FINE_BITS) - 1);
    return high ? (uint64_t)(low | 1u << FINE_BITS) << (high - 1) : low;
}

/* So that at most half of the nodes are blocks: the other half is for what is put together. */
static struct mx_error *choose_least(struct mx_cut *cut)
{
    uint64_t counts[BUCKETS] = {0}, sum = 0;
    for (uint32_t block = 0; block < cut->dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&cut->work, STEP))
            return mx_error_cancelled();
        if (is_wanted(cut, block))
            counts[bucket_of(cut->retained[block])]++;
    }
    uint32_t bucket = bucket_of(UINT64_MAX) + 1;
    while (bucket > 0 && sum + counts[bucket - 1] <= cut->query.nodes / 2)
        sum += counts[--bucket];
    cut->least = bucket > bucket_of(UINT64_MAX) ? UINT64_MAX : bucket_start(bucket);
    if (cut->least < cut->query.least)
        cut->least = cut->query.least;
    return NULL;
}

static bool number_groups(struct mx_cut *cut)
{
    const struct mx_heap *heap = cut->graph->heap;
    struct mx_map by_name = {0};
    cut->groups = mx_calloc(heap->types.count + 1, sizeof(uint32_t));
    bool ok = cut->groups;
    for (uint32_t i = 0; ok && i < heap->types.count; i++) {
        uint64_t name = (uintptr_t)heap->types.items[i].name;
        uint32_t first = mx_map_get(&by_name, name);
        cut->groups[i] = first == MX_MAP_NONE ? i : first;
        ok = first != MX_MAP_NONE || mx_map_set(&by_name, name, i);
    }
    if (ok)
        cut->groups[heap->types.count] = (uint32_t)heap->types.count;
    mx_map_deinit(&by_name);
    return ok;
}

static uint64_t key_of_block(uint32_t block)
{
    return (uint64_t)block + 1;
}

static uint64_t key_of_label(uint32_t label)
{
    return UINT64_C(1) << 62 | label;
}

static uint64_t key_of_group(const struct mx_cut *cut, uint32_t parent, uint32_t block)
{
    const struct mx_heap *heap = cut->graph->heap;
    uint32_t type = mx_heap_type_of(heap, block);
    uint32_t group = cut->groups[type == MX_MAP_NONE ? heap->types.count : type];
    return UINT64_C(1) << 63 | (uint64_t)parent << 32 | group;
}

/* The item of a key, made of `made` when it is new; MX_MAP_NONE when there is no memory. */
static uint32_t item_of(struct mx_cut *cut, uint64_t key, const struct mx_cut_item *made)
{
    uint32_t known = mx_map_get(&cut->known, key);
    if (known != MX_MAP_NONE)
        return known;
    uint32_t index = (uint32_t)cut->items.count;
    return mx_array_push(&cut->items, *made) && mx_map_set(&cut->known, key, index) ? index : MX_MAP_NONE;
}

/* The label of a block that hangs on the tree's root, or on nothing; their keys are behind those of labels. */
static uint32_t label_above(struct mx_cut *cut, uint32_t block)
{
    uint32_t origin;
    struct mx_cut_item made = {.kind = MX_CUT_LABEL, .block = block, .label = MX_MAP_NONE};
    if (cut->dominators->idoms[block] == mx_dominators_unreachable(cut->dominators))
        return item_of(cut, key_of_label(MX_MAP_NONE - (cut->graph->heap->kinds[block] == MX_BLOCK_RAW)), &made);
    made.label = mx_origins_label(&cut->origins, block, &origin);
    return made.label == MX_MAP_NONE ? MX_MAP_NONE : item_of(cut, key_of_label(made.label), &made);
}

/* The item that a block hangs on, MX_MAP_NONE when there is no memory. The parents of items are items. */
static uint32_t item_above(struct mx_cut *cut, uint32_t block)
{
    uint32_t idom = cut->dominators->idoms[block];
    if (idom == cut->within)
        return 0;
    if (idom < cut->dominators->blocks)
        return mx_map_get(&cut->known, key_of_block(idom));
    uint32_t label = label_above(cut, block);
    if (label != MX_MAP_NONE) {
        cut->items.items[label].retained += cut->retained[block];
        cut->items.items[label].count++;
    }
    return label;
}

static bool add_block(struct mx_cut *cut, uint32_t block)
{
    struct mx_cut_item made = {.kind = MX_CUT_BLOCK, .block = block, .count = 1, .retained = cut->retained[block]};
    return item_of(cut, key_of_block(block), &made) != MX_MAP_NONE;
}

/* Whether a block hangs on one that is an item, or on a root. */
static bool is_near(const struct mx_cut *cut, uint32_t block)
{
    uint32_t idom = cut->dominators->idoms[block];
    return idom == cut->within || idom >= cut->dominators->blocks || cut->retained[idom] >= cut->least;
}

static bool hang(struct mx_cut *cut, uint32_t block)
{
    uint32_t above = item_above(cut, block);
    if (above == MX_MAP_NONE)
        return false;
    struct mx_cut_item made = {.kind = MX_CUT_GROUP, .block = block, .parent = above};
    bool is_large = cut->retained[block] >= cut->least;
    uint32_t index = item_of(cut, is_large ? key_of_block(block) : key_of_group(cut, above, block), &made);
    if (index == MX_MAP_NONE)
        return false;
    struct mx_cut_item *item = &cut->items.items[index];
    item->parent = above;
    if (!is_large) {
        item->count++;
        item->retained += cut->retained[block];
    }
    return true;
}

static struct mx_error *make_items(struct mx_cut *cut)
{
    uint32_t top = cut->within == MX_NO_BLOCK ? mx_dominators_root(cut->dominators) : cut->within;
    struct mx_cut_item made = {.kind = MX_CUT_TOP, .block = cut->within, .count = 1, .retained = cut->retained[top]};
    bool ok = item_of(cut, key_of_block(top), &made) != MX_MAP_NONE;
    for (uint32_t block = 0; ok && block < cut->dominators->blocks; block++)
        if (is_wanted(cut, block) && cut->retained[block] >= cut->least)
            ok = add_block(cut, block);
    for (uint32_t block = 0; ok && block < cut->dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&cut->work, STEP))
            return mx_error_cancelled();
        if (is_wanted(cut, block) && is_near(cut, block))
            ok = hang(cut, block);
    }
    return ok ? NULL : mx_error_no_memory();
}

/* What was opened for one look at the blocks. */
static struct mx_error *find_items(struct mx_cut *cut)
{
    struct mx_error *error = NULL;
    mx_work_begin(&cut->work, cut->work.progress, "looking for what is large", 3 * (uint64_t)cut->dominators->blocks);
    if (cut->query.since)
        error = weigh_new(cut);
    if (!error && cut->within != MX_NO_BLOCK) {
        cut->scope = mx_calloc((size_t)cut->dominators->blocks + 2, 1);
        if (!cut->scope)
            return mx_error_no_memory();
        cut->scope[cut->within] = SCOPE_INSIDE;
    }
    if (!error)
        error = choose_least(cut);
    if (!error)
        error = number_groups(cut) ? make_items(cut) : mx_error_no_memory();
    return error;
}

struct mx_error *mx_cut_open(struct mx_retained *retained, const struct mx_outline_query *query,
                             const struct mx_progress *progress, struct mx_cut *ret)
{
    *ret = (struct mx_cut){.graph = retained->graph,
                           .dominators = &retained->dominators,
                           .query = *query,
                           .within = MX_NO_BLOCK,
                           .retained = retained->dominators.retained,
                           .work = {.progress = progress}};
    if (query->within)
        MX_TRY(mx_place_find(ret->graph, query->within, true, &ret->within));
    MX_TRY(mx_origins_open(retained->graph, &ret->labels, progress, &ret->origins));
    return find_items(ret);
}

void mx_cut_deinit(struct mx_cut *cut)
{
    mx_origins_deinit(&cut->origins);
    mx_strtab_deinit(&cut->labels);
    mx_since_deinit(&cut->since);
    mx_map_deinit(&cut->known);
    mx_array_free(&cut->items);
    free(cut->new_retained);
    free(cut->scope);
    free(cut->groups);
}

uint64_t mx_cut_own(const struct mx_cut *cut, uint32_t block)
{
    return own_bytes(cut, mx_spans_of(&cut->graph->heap->spans, block), block);
}
