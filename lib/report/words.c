/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over raw memory against a set of addresses.
 */
#include "report/words.h"

#include "heap/outside.h"

enum {
    FILTER_BITS = 20,
    PIECE = 1 << 20, /* bytes of pages that are looked at together */
};

/* A word that was found in a buffer: it counts unless the owner's decoder gave it already. */
struct hit {
    uint32_t suspicion;
    uint32_t owner; /* block; MX_NO_BLOCK: nobody decodes this memory */
};

struct looking {
    const struct mx_graph *graph;
    struct mx_work *work;
    struct mx_suspicion *suspicions;
    size_t count;
    struct mx_map by_object; /* address -> index */
    uint8_t *filter;         /* one bit a hash of an address */
    mx_addr first, last;     /* lowest and highest address */
    MX_ARRAY(struct hit) hits;
    bool no_memory;
};

static size_t filter_bit(mx_addr object)
{
    return (size_t)((object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - FILTER_BITS));
}

static bool prepare(struct looking *looking)
{
    looking->filter = mx_calloc((1 << FILTER_BITS) / 8, 1);
    looking->first = UINT64_MAX;
    for (size_t i = 0; looking->filter && i < looking->count; i++) {
        mx_addr object = looking->suspicions[i].object;
        if (!mx_map_set(&looking->by_object, object, (uint32_t)i))
            return false;
        size_t bit = filter_bit(object);
        looking->filter[bit / 8] |= (uint8_t)(1 << bit % 8);
        looking->first = object < looking->first ? object : looking->first;
        looking->last = object > looking->last ? object : looking->last;
    }
    return looking->filter;
}

static void look_at_words(struct looking *looking, const uint8_t *bytes, size_t length, uint32_t owner)
{
    for (size_t i = 0; i + 8 <= length; i += 8) {
        mx_addr word = mx_load_u64(bytes + i);
        if (word < looking->first || word > looking->last || word % 8)
            continue;
        size_t bit = filter_bit(word);
        uint32_t index =
            looking->filter[bit / 8] >> (bit % 8) & 1 ? mx_map_get(&looking->by_object, word) : MX_MAP_NONE;
        if (index != MX_MAP_NONE && !mx_array_push(&looking->hits, (struct hit){index, owner}))
            looking->no_memory = true;
    }
}

/* The object that this raw block belongs to and that says which references are in it; MX_NO_BLOCK when none does. */
static uint32_t owner_of(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_rows *rows = &graph->reverse;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        if (rows->classes[i] == MX_EDGE_BUFFER)
            return rows->targets[i];
    return MX_NO_BLOCK;
}

/* What stands on a running frame's stack of values is known to the interpreter's loop only. */
static bool has_hidden_words(const struct mx_graph *graph, uint32_t block)
{
    uint32_t index = mx_heap_type_of(graph->heap, block);
    if (index >= graph->target->types.types.count)
        return false;
    uint8_t kind = graph->target->types.types.items[index].kind;
    return kind == MX_KIND_FRAME || kind == MX_KIND_GENERATOR;
}

static bool look_at_blocks(struct looking *looking)
{
    const struct mx_heap *heap = looking->graph->heap;
    for (size_t s = 0; s < heap->spans.spans.count; s++) {
        const struct mx_span *span = &heap->spans.spans.items[s];
        if (!mx_work_step(looking->work, span->count))
            return false;
        for (uint32_t block = span->first; span->kind != MX_SPAN_STATIC && block < span->first + span->count; block++) {
            bool is_raw = heap->kinds[block] == MX_BLOCK_RAW;
            if (!is_raw && !has_hidden_words(looking->graph, block))
                continue;
            mx_addr start = mx_block_address(&heap->spans, span, block);
            uint64_t size = mx_block_size(&heap->spans, span, block);
            const uint8_t *bytes = mx_memory_view(looking->graph->target->memory, start, size);
            if (bytes)
                look_at_words(looking, bytes, size, is_raw ? owner_of(looking->graph, block) : block);
        }
    }
    return true;
}

static bool look_at_pages(void *context, mx_addr start, mx_addr end)
{
    struct looking *looking = context;
    for (mx_addr at = start; at < end; at += PIECE) {
        size_t length = end - at < PIECE ? end - at : PIECE;
        const uint8_t *bytes = mx_memory_view(looking->graph->target->memory, at, length);
        if (bytes)
            look_at_words(looking, bytes, length, MX_NO_BLOCK);
        if (!mx_work_step(looking->work, 1) || looking->no_memory)
            return false;
    }
    return true;
}

static int compare_hits(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    if (left->suspicion != right->suspicion)
        return left->suspicion < right->suspicion ? -1 : 1;
    return left->owner < right->owner ? -1 : left->owner > right->owner;
}

static uint64_t references_between(const struct mx_graph *graph, uint32_t from, uint32_t to)
{
    const struct mx_rows *rows = &graph->reverse;
    uint64_t count = 0;
    for (uint32_t i = rows->first[to]; i < rows->first[to + 1]; i++)
        count += rows->targets[i] == from && rows->classes[i] != MX_EDGE_BUFFER;
    return count;
}

/* Frames stand on pages of their own: what they hold was given by name. */
static uint64_t references_of_frames(const struct mx_graph *graph, uint32_t block)
{
    size_t first, count = mx_graph_roots_of(graph, block, &first);
    uint64_t found = 0;
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &graph->roots.items[graph->roots_by_block[i]].root;
        found += root->kind == MX_ROOT_LOCAL || root->kind == MX_ROOT_FRAME;
    }
    return found;
}

static void settle_hits(struct looking *looking)
{
    if (looking->hits.count)
        qsort(looking->hits.items, looking->hits.count, sizeof(struct hit), compare_hits);
    for (size_t i = 0, end; i < looking->hits.count; i = end) {
        const struct hit *hit = &looking->hits.items[i];
        for (end = i + 1; end < looking->hits.count && !compare_hits(hit, &looking->hits.items[end]);)
            end++;
        struct mx_suspicion *suspicion = &looking->suspicions[hit->suspicion];
        uint64_t known = hit->owner == MX_NO_BLOCK ? references_of_frames(looking->graph, suspicion->block)
                                                   : references_between(looking->graph, hit->owner, suspicion->block);
        suspicion->words += end - i > known ? end - i - known : 0;
    }
}

struct mx_error *mx_words_count(const struct mx_graph *graph, struct mx_work *work, struct mx_suspicion *suspicions,
                                size_t count)
{
    struct looking looking = {.graph = graph, .work = work, .suspicions = suspicions, .count = count};
    struct mx_error *error = NULL;
    bool ready = prepare(&looking);
    bool complete = ready && count && look_at_blocks(&looking);
    if (complete)
        error = mx_outside_each(graph->target, look_at_pages, &looking);
    if (!error && (!ready || looking.no_memory))
        error = mx_error_no_memory();
    if (!error && count && (!complete || work->cancelled))
        error = mx_error_cancelled();
    if (!error)
        settle_hits(&looking);
    mx_map_deinit(&looking.by_object);
    mx_array_free(&looking.hits);
    free(looking.filter);
    return error;
}
