/* SPDX-License-Identifier: Apache-2.0
 *
 * Heaps as a census would leave them.
 */
#include "fake_heap.h"

#include <CUnit/CUnit.h>

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return left < right ? -1 : left > right;
}

static void make_blocks(struct fake_heap *made, const struct fake *fake, const mx_addr *objects, size_t count)
{
    mx_addr *sorted = calloc(count, sizeof(*sorted)), end = FAKE_BASE + fake->used;
    made->heap.kinds = calloc(count, sizeof(uint16_t));
    CU_ASSERT_TRUE_FATAL(sorted && made->heap.kinds);
    memcpy(sorted, objects, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_addresses);
    struct mx_span span = {.start = sorted[0], .end = end, .count = (uint32_t)count, .kind = MX_SPAN_CHUNKS};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.spans, span));
    for (size_t i = 0; i < count; i++) {
        const struct mx_type *type = mx_type_of(&made->target.types, sorted[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(type);
        made->heap.kinds[i] = (uint16_t)(type - made->target.types.types.items);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.starts, (uint32_t)((sorted[i] - sorted[0]) / 8)));
    }
    free(sorted);
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
}

static void make_types(struct fake_heap *made, const mx_addr *objects, size_t count)
{
    const struct mx_types *types = &made->target.types;
    made->heap.tallies = calloc(types->types.count, sizeof(struct mx_tally));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made->heap.tallies);
    for (size_t i = 0; i < types->types.count; i++) {
        struct mx_heap_type type = {.address = types->types.items[i].address, .name = types->types.items[i].name};
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.types, type));
    }
    for (size_t i = 0; i < count; i++) {
        const struct mx_type *type = mx_type_of(types, objects[i]);
        uint64_t bytes = fake_heap_chunk(made, objects[i]);
        made->all += bytes;
        made->heap.tallies[type - types->types.items].count++;
        made->heap.tallies[type - types->types.items].bytes += bytes;
    }
}

static void make_roots(struct fake_heap *made, const mx_addr *roots, size_t count)
{
    struct mx_graph *graph = made->graph;
    graph->roots_by_block = calloc(count, sizeof(uint32_t));
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph->roots_by_block);
    for (uint32_t i = 0; i < count; i++) {
        struct mx_graph_root root = {.block = mx_spans_find(&made->heap.spans, roots[i]),
                                     .root = {.object = roots[i], .kind = MX_ROOT_THREAD, .exact = true}};
        uint32_t place = i;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&graph->roots, root));
        for (; place && graph->roots.items[graph->roots_by_block[place - 1]].block > root.block; place--)
            graph->roots_by_block[place] = graph->roots_by_block[place - 1];
        graph->roots_by_block[place] = i;
    }
}

void fake_heap_open(struct fake_heap *made, struct fake *fake, const mx_addr *objects, size_t count,
                    const mx_addr *roots, size_t root_count)
{
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    made->heap.info.complete = true;
    make_blocks(made, fake, objects, count);
    make_types(made, objects, count);
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->graph));
    CU_ASSERT_EQUAL_FATAL(made->graph->roots.count, 0);
    free(made->graph->roots_by_block);
    make_roots(made, roots, root_count);
    CU_ASSERT_PTR_NULL_FATAL(mx_retained_open(made->graph, NULL, &made->retained));
}

void fake_heap_close(struct fake_heap *made)
{
    mx_retained_close(made->retained);
    mx_graph_close(made->graph);
    mx_spans_deinit(&made->heap.spans);
    mx_array_free(&made->heap.types);
    free(made->heap.tallies);
    free(made->heap.kinds);
    *made = (struct fake_heap){0};
}

/* Up to the next chunk's header. */
uint64_t fake_heap_chunk(const struct fake_heap *made, mx_addr object)
{
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(&made->heap.spans, object, &span);
    bool is_last = block + 1 == span->first + span->count;
    return mx_block_size(&made->heap.spans, span, block) - (is_last ? 0 : 8);
}
