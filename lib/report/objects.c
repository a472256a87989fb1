/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the objects of a type, all of them or those that are new.
 */
#include <string.h>

#include "cpython/size.h"
#include "heap/heap.h"
#include "report/object.h"
#include "report/retained.h"

enum {
    BLOCKS_A_PIECE = 64,     /* that are passed over at once when none is wanted */
    BLOCKS_A_STEP = 1 << 20, /* between looks at the progress */
};

struct mx_objects {
    MX_ARRAY(struct mx_object_ref) refs; /* all that fit the query; `shown` of them are handed out */
    size_t skip, shown;
    uint64_t total_bytes;
};

struct search {
    struct mx_target *target;
    const struct mx_heap *heap;
    const struct mx_heap *since;
    const struct mx_retained *retained;
    bool *wanted;         /* by type index of `heap` */
    uint16_t first, last; /* mx_heap.kinds of blocks that may hold such an object */
    struct mx_objects *objects;
    struct mx_work work;
};

static bool choose_types(struct search *search, const char *name)
{
    bool any = false;
    for (size_t i = 0; i < search->heap->types.count; i++) {
        search->wanted[i] = !strcmp(search->heap->types.items[i].name, name);
        if (!search->wanted[i])
            continue;
        uint16_t kind = i < MX_BLOCK_FAR_TYPE ? (uint16_t)i : MX_BLOCK_FAR_TYPE;
        search->first = any ? search->first : kind;
        search->last = kind;
        any = true;
    }
    return any;
}

static bool take_object(struct search *search, uint32_t block, mx_addr object, uint32_t type)
{
    if (search->since && mx_object_was_there(search->since, object, search->heap->types.items[type].name))
        return true;
    uint64_t size = mx_object_shallow_size(search->target, object);
    search->objects->total_bytes += size;
    return mx_array_push(&search->objects->refs,
                         (struct mx_object_ref){object, size, mx_retained_block(search->retained, block)});
}

/* Without a branch inside, so that compilers look at many blocks at once. */
static bool piece_has(const uint16_t *kinds, uint16_t first, uint16_t among)
{
    uint16_t any = 0;
    for (int i = 0; i < BLOCKS_A_PIECE; i++)
        any = (uint16_t)(any | ((uint16_t)(kinds[i] - first) <= among));
    return any;
}

/* The first block from `block` on whose kind is among the wanted ones. */
static uint32_t next_block(const struct search *search, uint32_t block, uint32_t end)
{
    const uint16_t *kinds = search->heap->kinds;
    const uint16_t first = search->first, among = (uint16_t)(search->last - first);
    while (end - block >= BLOCKS_A_PIECE && !piece_has(kinds + block, first, among))
        block += BLOCKS_A_PIECE;
    while (block < end && (uint16_t)(kinds[block] - first) > among)
        block++;
    return block;
}

static bool search_blocks(struct search *search, uint32_t block, uint32_t end)
{
    for (block = next_block(search, block, end); block < end; block = next_block(search, block + 1, end)) {
        uint32_t type = mx_heap_type_of(search->heap, block);
        if (type == MX_MAP_NONE || !search->wanted[type])
            continue;
        const struct mx_span *span = mx_spans_of(&search->heap->spans, block);
        if (!take_object(search, block, mx_heap_object(search->heap, span, block, type), type))
            return false;
    }
    return true;
}

static struct mx_error *search_heap(struct search *search, const struct mx_progress *progress)
{
    uint32_t blocks = search->heap->spans.blocks, end;
    mx_work_begin(&search->work, progress, "looking for objects", blocks);
    for (uint32_t block = 0; block < blocks; block = end) {
        end = blocks - block < BLOCKS_A_STEP ? blocks : block + BLOCKS_A_STEP;
        if (!search_blocks(search, block, end))
            return mx_error_no_memory();
        if (!mx_work_step(&search->work, end - block))
            return mx_error_cancelled();
    }
    return NULL;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct mx_object_ref *left = a, *right = b;
    if (left->size != right->size)
        return left->size < right->size ? 1 : -1;
    return left->address < right->address ? -1 : left->address > right->address;
}

static int compare_retained(const void *a, const void *b)
{
    const struct mx_object_ref *left = a, *right = b;
    if (left->retained != right->retained)
        return left->retained < right->retained ? 1 : -1;
    return left->address < right->address ? -1 : left->address > right->address;
}

static void order_and_limit(struct mx_objects *objects, const struct mx_object_query *query)
{
    size_t count = objects->refs.count;
    if (query->order != MX_ORDER_ADDRESS && count)
        qsort(objects->refs.items, count, sizeof(struct mx_object_ref),
              query->order == MX_ORDER_SIZE ? compare_sizes : compare_retained);
    objects->skip = query->skip < count ? query->skip : count;
    objects->shown = count - objects->skip;
    if (query->limit && objects->shown > query->limit)
        objects->shown = query->limit;
}

static struct mx_error *find(struct search *search, const struct mx_object_query *query,
                             const struct mx_progress *progress)
{
    if (query->order == MX_ORDER_RETAINED && !query->retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "open the retained sizes first to order by them");
    search->wanted = mx_calloc(search->heap->types.count, sizeof(*search->wanted));
    if (!search->wanted)
        return mx_error_no_memory();
    if (!choose_types(search, query->type))
        return mx_error_new(MX_ERROR_NOT_FOUND, "no type is called %s", query->type);
    MX_TRY(search_heap(search, progress));
    order_and_limit(search->objects, query);
    return NULL;
}

struct mx_error *mx_objects_find(struct mx_target *target, const struct mx_heap *heap,
                                 const struct mx_object_query *query, const struct mx_progress *progress,
                                 struct mx_objects **ret)
{
    struct search search = {.target = target, .heap = heap, .since = query->since, .retained = query->retained};
    search.objects = mx_calloc(1, sizeof(*search.objects));
    if (!search.objects)
        return mx_error_no_memory();
    struct mx_error *error = find(&search, query, progress);
    free(search.wanted);
    if (error) {
        mx_objects_close(search.objects);
        return error;
    }
    *ret = search.objects;
    return NULL;
}

const struct mx_object_ref *mx_objects_refs(const struct mx_objects *objects, size_t *count, uint64_t *total,
                                            uint64_t *total_bytes)
{
    *count = objects->shown;
    *total = objects->refs.count;
    *total_bytes = objects->total_bytes;
    return objects->refs.items + objects->skip;
}

void mx_objects_close(struct mx_objects *objects)
{
    if (!objects)
        return;
    mx_array_free(&objects->refs);
    free(objects);
}
