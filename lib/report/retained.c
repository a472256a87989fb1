/* SPDX-License-Identifier: Apache-2.0
 *
 * Retained sizes of one heap: roots and weights for heap/dominators.h, and what
 * a single object retains.
 */
#include "report/retained.h"

#include <string.h>

#include "cpython/classify.h"
#include "report/object.h"
#include "report/reference.h"

enum {
    CHUNK_HEADER = 8, /* between two chunks of malloc's, counted to neither */
    HOOK = 16,        /* what debug hooks put before a block; those of objects may stand behind those of malloc */
    MOST_HOOKS = 2,
};

/* How far behind its chunk's memory a block of malloc's is listed. C libraries' chunks and free ones have no hooks. */
static uint64_t hooks_before(const struct mx_target *target, const struct mx_heap *heap, const struct mx_span *span,
                             uint32_t block)
{
    if (!heap->padding || heap->kinds[block] == MX_BLOCK_FREE)
        return 0;
    mx_addr address = mx_block_address(&heap->spans, span, block);
    for (uint32_t length = MOST_HOOKS * HOOK; length; length -= HOOK) {
        const uint8_t *bytes = mx_memory_view(target->memory, address - length, length);
        if (bytes && mx_hook_padding(bytes, length) == length)
            return length;
    }
    return 0;
}

uint64_t mx_block_weight(const struct mx_target *target, const struct mx_heap *heap, const struct mx_span *span,
                         uint32_t block)
{
    if (span->kind == MX_SPAN_STATIC)
        return mx_object_shallow_size(target, mx_block_address(&heap->spans, span, block));
    uint64_t size = mx_block_size(&heap->spans, span, block);
    if (span->kind != MX_SPAN_CHUNKS)
        return size;
    bool is_last = block - span->first + 1 == span->count;
    size += hooks_before(target, heap, span, block);
    uint64_t behind = is_last ? 0 : CHUNK_HEADER + hooks_before(target, heap, span, block + 1);
    return size > behind ? size - behind : size;
}

static uint64_t block_weight(const struct mx_graph *graph, const struct mx_span *span, uint32_t block)
{
    return mx_block_weight(graph->target, graph->heap, span, block);
}

static void weigh_pool(const uint16_t *kinds, const struct mx_span *span, uint64_t *weights)
{
    for (uint32_t block = span->first; block < span->first + span->count; block++)
        weights[block] = kinds[block] == MX_BLOCK_FREE ? 0 : span->block_size;
}

static void weigh(void *context, uint64_t *weights)
{
    struct mx_retained *retained = context;
    const struct mx_graph *graph = retained->graph;
    const uint16_t *kinds = graph->heap->kinds;
    const struct mx_spans *spans = &graph->heap->spans;
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        if (span->kind == MX_SPAN_POOL)
            weigh_pool(kinds, span, weights);
        for (uint32_t block = span->first; span->kind != MX_SPAN_POOL && block < span->first + span->count; block++) {
            weights[block] = kinds[block] == MX_BLOCK_FREE ? 0 : block_weight(graph, span, block);
            retained->static_bytes += span->kind == MX_SPAN_STATIC ? weights[block] : 0;
        }
    }
}

struct root_list {
    MX_ARRAY(uint32_t) blocks;
};

/* Static objects are never freed, whoever refers to them. */
static bool add_static(const struct mx_graph *graph, struct root_list *list)
{
    const struct mx_spans *spans = &graph->heap->spans;
    bool ok = true;
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (uint32_t block = span->first; block < span->first + span->count && span->kind == MX_SPAN_STATIC; block++)
            ok = ok && (graph->heap->kinds[block] == MX_BLOCK_FREE || mx_array_push(&list->blocks, block));
    }
    return ok;
}

bool mx_retained_counts_root(const struct mx_graph_root *root, const uint64_t *accounted)
{
    return root->root.kind != MX_ROOT_CACHE && (root->root.exact || !mx_is_accounted(accounted, root->block));
}

static bool list_roots(const struct mx_graph *graph, const uint64_t *accounted, struct root_list *list)
{
    bool ok = true;
    for (size_t i = 0; ok && i < graph->roots.count; i++)
        if (mx_retained_counts_root(&graph->roots.items[i], accounted))
            ok = mx_array_push(&list->blocks, graph->roots.items[i].block);
    return ok && add_static(graph, list);
}

static uint64_t unowned_bytes(const struct mx_retained *retained)
{
    const struct mx_dominators *dominators = &retained->dominators;
    uint64_t bytes = 0;
    for (uint32_t block = 0; block < dominators->blocks; block++)
        if (dominators->idoms[block] == mx_dominators_unreachable(dominators) &&
            retained->graph->heap->kinds[block] == MX_BLOCK_RAW)
            bytes += dominators->retained[block];
    return bytes;
}

static struct mx_error *build(struct mx_retained *retained, const struct mx_progress *progress)
{
    struct mx_graph *graph = retained->graph;
    const struct mx_heap_info *info = &graph->heap->info;
    struct mx_work work;
    struct mx_dominators_plan plan = {.forward = &graph->forward,
                                      .kinds = graph->heap->kinds,
                                      .weigh = weigh,
                                      .context = retained,
                                      .threads = mx_memory_threads(graph->target->memory),
                                      .work = &work};
    struct root_list roots = {0};
    MX_TRY(mx_accounted_find(graph, &retained->accounted));
    plan.accounted = retained->accounted.bits;
    bool listed = list_roots(graph, plan.accounted, &roots);
    plan.roots = roots.blocks.items;
    plan.root_count = roots.blocks.count;
    mx_work_begin(&work, progress, "adding up what objects hold", 3 * (info->objects + info->raw_blocks));
    struct mx_error *error = listed ? mx_dominators_build(&plan, &retained->dominators) : mx_error_no_memory();
    mx_array_free(&roots.blocks);
    if (!error)
        retained->unowned = unowned_bytes(retained);
    return error;
}

struct mx_error *mx_retained_open(struct mx_graph *graph, const struct mx_progress *progress, struct mx_retained **ret)
{
    struct mx_retained *retained = mx_calloc(1, sizeof(*retained));
    if (!retained)
        return mx_error_no_memory();
    retained->graph = graph;
    struct mx_error *error = build(retained, progress);
    if (error) {
        mx_retained_close(retained);
        return error;
    }
    *ret = retained;
    return NULL;
}

void mx_retained_close(struct mx_retained *retained)
{
    if (!retained)
        return;
    mx_dominators_deinit(&retained->dominators);
    mx_accounted_deinit(&retained->accounted);
    free(retained);
}

void mx_retained_info(const struct mx_retained *retained, struct mx_retained_info *ret)
{
    const struct mx_dominators *dominators = &retained->dominators;
    *ret = (struct mx_retained_info){
        .total = dominators->retained[mx_dominators_root(dominators)],
        .static_bytes = retained->static_bytes,
        .unreachable = dominators->retained[mx_dominators_unreachable(dominators)],
        .unowned = retained->unowned,
        .blocks = dominators->reachable + dominators->unreachable,
        .unreachable_blocks = dominators->unreachable,
        .inexact = retained->graph->inexact,
        .memory = ((uint64_t)dominators->blocks + 2) * (sizeof(uint32_t) + sizeof(uint64_t)),
    };
}

static int compare_blocks(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Several references may lead into one buffer. */
static uint64_t add_buffers(const struct mx_graph *graph, uint32_t *buffers, size_t count)
{
    uint64_t bytes = 0;
    if (count)
        qsort(buffers, count, sizeof(*buffers), compare_blocks);
    for (size_t i = 0; i < count; i++)
        if (!i || buffers[i] != buffers[i - 1])
            bytes += block_weight(graph, mx_spans_of(&graph->heap->spans, buffers[i]), buffers[i]);
    return bytes;
}

static struct mx_error *owned_bytes(const struct mx_graph *graph, uint32_t block, uint64_t *ret)
{
    const struct mx_rows *rows = &graph->forward;
    MX_ARRAY(uint32_t) buffers = {0};
    bool ok = true;
    for (uint32_t i = rows->first[block]; ok && i < rows->first[block + 1]; i++)
        if ((rows->classes[i] & MX_EDGE_CLASS) == MX_EDGE_BUFFER)
            ok = mx_array_push(&buffers, rows->targets[i]);
    if (ok)
        *ret = add_buffers(graph, buffers.items, buffers.count);
    mx_array_free(&buffers);
    return ok ? NULL : mx_error_no_memory();
}

struct mx_error *mx_retained_of(const struct mx_retained *retained, mx_addr address, struct mx_retained_size *ret)
{
    const struct mx_graph *graph = retained->graph;
    struct mx_retained_size size;
    uint32_t block;
    MX_TRY(mx_place_find(graph, address, true, &block));
    MX_TRY(owned_bytes(graph, block, &size.owned));
    size.block = block_weight(graph, mx_spans_of(&graph->heap->spans, block), block);
    size.retained = mx_retained_block(retained, block);
    *ret = size;
    return NULL;
}
