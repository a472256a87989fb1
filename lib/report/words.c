/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over raw memory against a set of addresses.
 */
#include "report/words.h"

#include "cpython/frames.h"
#include "heap/outside.h"

enum {
    FILTER_BITS = 20,
    PIECE = 4096, /* bytes that are looked at together: a page belongs to one purpose */
};

struct looking {
    const struct mx_graph *graph;
    struct mx_work *work;
    struct mx_suspicion *suspicions;
    size_t count;
    struct mx_map by_object;          /* address -> index */
    uint8_t *filter;                  /* one bit a hash of an address */
    mx_addr first, last;              /* lowest and highest address */
    MX_ARRAY(struct mx_range) stacks; /* that frames stand in: what they hold was given by name */
    bool no_memory;
};

static size_t filter_bit(mx_addr object)
{
    return (size_t)((object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - FILTER_BITS));
}

static bool prepare_filter(struct looking *looking)
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

static bool add_stack(void *context, mx_addr start, mx_addr end)
{
    struct looking *looking = context;
    if (!mx_array_push(&looking->stacks, (struct mx_range){start, end}))
        looking->no_memory = true;
    return !looking->no_memory;
}

static bool prepare(struct looking *looking)
{
    mx_stack_chunks_each(&looking->graph->target->runtime, add_stack, looking);
    return !looking->no_memory && prepare_filter(looking);
}

static void look_at_words(struct looking *looking, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i + 8 <= length; i += 8) {
        mx_addr word = mx_load_u64(bytes + i);
        if (word < looking->first || word > looking->last || word % 8)
            continue;
        size_t bit = filter_bit(word);
        uint32_t index =
            looking->filter[bit / 8] >> (bit % 8) & 1 ? mx_map_get(&looking->by_object, word) : MX_MAP_NONE;
        if (index != MX_MAP_NONE)
            looking->suspicions[index].words++;
    }
}

/* The decoder of the object that a raw block belongs to says which references are in it; other words are stale. */
static bool is_decoded(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_rows *rows = &graph->reverse;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        if (rows->classes[i] == MX_EDGE_BUFFER)
            return true;
    return false;
}

static bool look_at_blocks(struct looking *looking)
{
    const struct mx_heap *heap = looking->graph->heap;
    for (size_t s = 0; s < heap->spans.spans.count; s++) {
        const struct mx_span *span = &heap->spans.spans.items[s];
        if (!mx_work_step(looking->work, span->count))
            return false;
        for (uint32_t block = span->first; span->kind != MX_SPAN_STATIC && block < span->first + span->count; block++) {
            if (heap->kinds[block] != MX_BLOCK_RAW || is_decoded(looking->graph, block))
                continue;
            mx_addr start = mx_block_address(&heap->spans, span, block);
            uint64_t size = mx_block_size(&heap->spans, span, block);
            const uint8_t *bytes = mx_memory_view(looking->graph->target->memory, start, size);
            if (bytes)
                look_at_words(looking, bytes, size);
        }
    }
    return true;
}

static bool is_stack(const struct looking *looking, mx_addr address)
{
    for (size_t i = 0; i < looking->stacks.count; i++)
        if (address - looking->stacks.items[i].start < looking->stacks.items[i].end - looking->stacks.items[i].start)
            return true;
    return false;
}

static bool look_at_pages(void *context, mx_addr start, mx_addr end)
{
    struct looking *looking = context;
    for (mx_addr at = start; at < end; at += PIECE) {
        size_t length = end - at < PIECE ? end - at : PIECE;
        const uint8_t *bytes = mx_memory_view(looking->graph->target->memory, at, length);
        if (bytes && !is_stack(looking, at))
            look_at_words(looking, bytes, length);
        if (!mx_work_step(looking->work, 1) || looking->no_memory)
            return false;
    }
    return true;
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
    mx_map_deinit(&looking.by_object);
    mx_array_free(&looking.stacks);
    free(looking.filter);
    return error;
}
