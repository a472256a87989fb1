/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap's handle: opening, closing, what it says of itself, and its memory
 * copied as a whole.
 */
#include "heap/heap.h"

#include "base/pages.h"
#include "base/work.h"
#include "heap/census.h"

enum {
    FETCH_GAP = 64 * 1024,  /* stretches of blocks that are nearer are read as one */
    FETCH_PIECE = 32 << 20, /* between looks at the progress */
};

struct mx_error *mx_heap_open(struct mx_target *target, const struct mx_progress *progress, struct mx_heap **ret)
{
    struct mx_heap *heap = mx_calloc(1, sizeof(*heap));
    if (!heap)
        return mx_error_no_memory();
    struct mx_error *error = mx_census_take(target, progress, heap);
    if (error) {
        mx_heap_close(heap);
        return error;
    }
    *ret = heap;
    return NULL;
}

void mx_heap_close(struct mx_heap *heap)
{
    if (!heap)
        return;
    for (size_t i = 0; i < heap->warnings.count; i++)
        free(heap->warnings.items[i]);
    mx_array_free(&heap->warnings);
    mx_spans_deinit(&heap->spans);
    mx_pages_release(heap->kinds, heap->kinds_mapped);
    mx_map_deinit(&heap->far_types);
    mx_array_free(&heap->types);
    mx_strtab_deinit(&heap->names);
    free(heap->tallies);
    free(heap);
}

void mx_heap_info(const struct mx_heap *heap, struct mx_heap_info *ret)
{
    *ret = heap->info;
    ret->warning_count = heap->warnings.count;
    ret->warnings = (const char *const *)heap->warnings.items;
}

const struct mx_size_class *mx_heap_size_classes(const struct mx_heap *heap, size_t *count)
{
    *count = sizeof(heap->size_classes) / sizeof(heap->size_classes[0]);
    return heap->size_classes;
}

uint32_t mx_heap_type_of(const struct mx_heap *heap, uint32_t block)
{
    uint16_t kind = heap->kinds[block];
    if (kind < MX_BLOCK_FAR_TYPE)
        return kind;
    return kind == MX_BLOCK_FAR_TYPE ? mx_map_get(&heap->far_types, (uint64_t)block + 1) : MX_MAP_NONE;
}

static bool fetch_stretch(const struct mx_memory *memory, struct mx_work *work, mx_addr start, mx_addr end)
{
    for (mx_addr at = start; at < end; at += FETCH_PIECE) {
        uint64_t length = end - at < FETCH_PIECE ? end - at : FETCH_PIECE;
        mx_memory_fetch(memory, at, length);
        if (!mx_work_step(work, length))
            return false;
    }
    return true;
}

struct mx_error *mx_heap_fetch(const struct mx_heap *heap, const struct mx_target *target,
                               const struct mx_progress *progress)
{
    const struct mx_spans *spans = &heap->spans;
    struct mx_work work;
    mx_work_begin(&work, progress, "reading the heap", 0);
    for (size_t i = 0; mx_memory_on_demand(target->memory) && i < spans->spans.count;) {
        mx_addr start = spans->spans.items[i].start, end = spans->spans.items[i].end;
        for (i++; i < spans->spans.count && spans->spans.items[i].start - end < FETCH_GAP; i++)
            end = spans->spans.items[i].end;
        if (!fetch_stretch(target->memory, &work, start, end))
            return mx_error_cancelled();
    }
    return NULL;
}
