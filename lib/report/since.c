/* SPDX-License-Identifier: Apache-2.0
 *
 * Two heaps of one process, block by block. It knows addresses, types' names
 * and sizes, and nothing of what objects hold.
 */
#include "report/since.h"

#include <string.h>

static bool number_names(const struct mx_heap *heap, struct mx_strtab *names, struct mx_map *numbers, uint32_t **ret)
{
    *ret = mx_calloc(heap->types.count + 1, sizeof(uint32_t));
    if (!*ret)
        return false;
    for (size_t i = 0; i < heap->types.count; i++) {
        const char *text = heap->types.items[i].name;
        const char *name = mx_strtab_add(names, text, strlen(text));
        uint32_t number = name ? mx_map_get(numbers, (uintptr_t)name) : MX_MAP_NONE;
        if (!name ||
            (number == MX_MAP_NONE && !mx_map_set(numbers, (uintptr_t)name, number = (uint32_t)numbers->count)))
            return false;
        (*ret)[i] = number;
    }
    return true;
}

struct mx_error *mx_since_open(const struct mx_heap *now, const struct mx_heap *before, struct mx_since *ret)
{
    struct mx_strtab names = {0};
    struct mx_map numbers = {0};
    *ret = (struct mx_since){.now = now, .before = before};
    bool ok = number_names(now, &names, &numbers, &ret->now_names) &&
              number_names(before, &names, &numbers, &ret->before_names);
    mx_strtab_deinit(&names);
    mx_map_deinit(&numbers);
    return ok ? NULL : mx_error_no_memory();
}

void mx_since_deinit(struct mx_since *since)
{
    free(since->now_names);
    free(since->before_names);
    *since = (struct mx_since){0};
}

static bool is_same_buffer(const struct mx_since *since, const struct mx_span *span, uint32_t block,
                           const struct mx_span *old_span, uint32_t old)
{
    const struct mx_spans *spans = &since->now->spans, *before = &since->before->spans;
    return mx_block_address(before, old_span, old) == mx_block_address(spans, span, block) &&
           mx_block_size(before, old_span, old) == mx_block_size(spans, span, block);
}

bool mx_since_is_new(const struct mx_since *since, const struct mx_span *span, uint32_t block)
{
    const struct mx_heap *before = since->before;
    const struct mx_span *old_span;
    uint32_t old = mx_spans_locate(&before->spans, mx_block_address(&since->now->spans, span, block), &old_span);
    if (old == MX_NO_BLOCK || before->kinds[old] == MX_BLOCK_FREE)
        return true;
    uint32_t type = mx_heap_type_of(since->now, block), old_type = mx_heap_type_of(before, old);
    if (type == MX_MAP_NONE || old_type == MX_MAP_NONE)
        return type != old_type || !is_same_buffer(since, span, block, old_span, old);
    return since->now_names[type] != since->before_names[old_type] ||
           mx_heap_object(since->now, span, block, type) != mx_heap_object(before, old_span, old, old_type);
}
