/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap's handle: opening, closing, and what it says of itself.
 */
#include "heap/heap.h"

#include <sys/mman.h>

#include "heap/census.h"

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
    if (heap->kinds)
        munmap(heap->kinds, heap->kinds_mapped);
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
