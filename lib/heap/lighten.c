/* SPDX-License-Identifier: Apache-2.0
 *
 * Clearing what is not needed, a stretch of memory at a time, of which any
 * block may be only a part. It decides nothing: see needs.c.
 */
#include "heap/lighten.h"

#include <stdio.h>

#include "base/hash.h"
#include "cpython/roots.h"
#include "cpython/str.h"

enum {
    FREE_LINK = 8,         /* of a free block in a pool */
    FREE_CHUNK_LINKS = 48, /* fd, bk, and those of large chunks; tcache: next and key */
    CHUNK_TAIL = 64,       /* the next chunk's header, and whatever padding puts the next block's start off by */
    LEAST_TEXT = 8192,     /* of a block whose text is shortened */
    KEPT_TEXT = 4096 + 128,
    KEPT_DATA = 4096,
    MARK_ROOM = 256,
    HASHED = 1 << 20, /* bytes at once */
};

/* A region that holds none of malloc's or pymalloc's memory, and is larger, is some runtime's reservation. */
#define MOST_UNKNOWN (UINT64_C(1) << 36)

struct edit {
    const struct mx_lightening *light;
    mx_addr start, end;
    uint8_t *bytes;
};

static void clear(const struct edit *edit, mx_addr from, mx_addr to)
{
    from = from > edit->start ? from : edit->start;
    to = to < edit->end ? to : edit->end;
    if (from < to)
        memset(edit->bytes + (from - edit->start), 0, to - from);
}

static void put(const struct edit *edit, mx_addr address, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (address + i >= edit->start && address + i < edit->end)
            edit->bytes[address + i - edit->start] = bytes[i];
}

bool mx_is_constant(const struct mx_region *region)
{
    return region->module != MX_NO_MODULE && !(region->flags & (MX_REGION_WRITE | MX_REGION_EXEC));
}

static void clear_constants(const struct edit *edit)
{
    for (mx_addr page = edit->start & ~(mx_addr)(MX_PAGE - 1); page < edit->end; page += MX_PAGE)
        if (mx_map_get(&edit->light->pages, page / MX_PAGE) == MX_MAP_NONE)
            clear(edit, page, page + MX_PAGE);
}

/* The first span that ends behind `address`. */
static size_t first_span(const struct mx_spans *spans, mx_addr address)
{
    size_t low = 0, high = spans->spans.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spans->spans.items[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Between pools' blocks: pools that are free, and what was never carved. Headers stay. */
static void clear_gap(const struct edit *edit, mx_addr from, mx_addr to)
{
    const struct mx_pymalloc_facts *facts = &edit->light->target->allocators.facts;
    from = from > edit->start ? from : edit->start;
    to = to < edit->end ? to : edit->end;
    while (from < to) {
        mx_addr pool = from - from % facts->pool_size, next = pool + facts->pool_size;
        mx_addr stop = next < to ? next : to;
        clear(edit, from > pool + facts->header_size ? from : pool + facts->header_size, stop);
        from = stop;
    }
}

static void clear_arena(const struct edit *edit, const struct mx_arena *arena)
{
    const struct mx_spans *spans = &edit->light->heap->spans;
    mx_addr end = arena->address + edit->light->target->allocators.facts.arena_size;
    mx_addr at = arena->address > edit->start ? arena->address : edit->start;
    end = end < edit->end ? end : edit->end;
    for (size_t i = first_span(spans, at); at < end && i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        if (span->start >= end)
            break;
        if (span->start > at)
            clear_gap(edit, at, span->start);
        at = span->end;
    }
    if (at < end)
        clear_gap(edit, at, end);
}

/* Arenas that were found by their pools alone may begin anywhere before them. */
static void clear_arenas(const struct edit *edit)
{
    const struct mx_arenas *arenas = &edit->light->target->allocators.arenas;
    uint64_t size = edit->light->target->allocators.facts.arena_size;
    size_t low = 0, high = arenas->from_array ? arenas->arenas.count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (arenas->arenas.items[middle].address + size <= edit->start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; arenas->from_array && low < arenas->arenas.count && arenas->arenas.items[low].address < edit->end; low++)
        clear_arena(edit, &arenas->arenas.items[low]);
}

static void clear_pool(const struct edit *edit, const struct mx_span *span)
{
    const struct mx_heap *heap = edit->light->heap;
    uint32_t index = edit->start > span->start ? (uint32_t)((edit->start - span->start) / span->block_size) : 0;
    for (; index < span->count; index++) {
        mx_addr block = span->start + (mx_addr)index * span->block_size;
        if (block >= edit->end)
            break;
        if (heap->kinds[span->first + index] == MX_BLOCK_FREE)
            clear(edit, block + FREE_LINK, block + span->block_size);
    }
}

struct text {
    mx_addr from, to; /* what is left out */
    uint32_t unit;    /* bytes a character */
};

/* What is left out of a text object; false when it is short, or of a kind that has more behind the text. */
static bool find_middle(const struct edit *edit, uint32_t type_index, mx_addr object, mx_addr block_end,
                        struct text *ret)
{
    const struct mx_types *types = &edit->light->target->types;
    if (type_index >= types->types.count)
        return false;
    const struct mx_type *type = &types->types.items[type_index];
    if (block_end - object < LEAST_TEXT || type->is_python_class || type->dictoffset ||
        (type->kind != MX_KIND_STR && type->kind != MX_KIND_BYTES))
        return false;
    *ret = (struct text){.from = object + KEPT_TEXT, .to = block_end - CHUNK_TAIL, .unit = 1};
    if (type->kind == MX_KIND_BYTES)
        return true;
    uint8_t header[64];
    if (mx_memory_gather(edit->light->target->memory, &object, 1, sizeof(header), header, NULL) != 1)
        return false;
    struct mx_str_state state = mx_str_state(&types->runtime->layout, header);
    ret->unit = state.kind;
    return state.compact && (state.kind == 1 || state.kind == 2 || state.kind == 4);
}

static uint64_t hash_memory(const struct mx_memory *memory, mx_addr from, mx_addr to)
{
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, memory);
    uint64_t hash = 0;
    for (mx_addr at = from; at < to; at += HASHED) {
        size_t length = to - at < HASHED ? to - at : HASHED;
        const uint8_t *bytes = mx_cursor_view(&cursor, at, length);
        hash = bytes ? mx_hash(hash, bytes, length) : ~hash;
    }
    mx_cursor_deinit(&cursor);
    return hash;
}

/* As text of the same width, for whoever has it shown to the end. */
static void clear_middle(const struct edit *edit, const struct text *text)
{
    char mark[MARK_ROOM / 4];
    uint8_t wide[MARK_ROOM] = {0};
    if (text->from >= edit->end || text->to <= edit->start)
        return;
    clear(edit, text->from, text->to);
    if (text->from + MARK_ROOM <= edit->start)
        return;
    int length =
        snprintf(mark, sizeof(mark), "<%llu bytes not saved, %016llx>", (unsigned long long)(text->to - text->from),
                 (unsigned long long)hash_memory(edit->light->target->memory, text->from, text->to));
    for (int i = 0; i < length; i++)
        wide[(size_t)i * text->unit] = (uint8_t)mark[i];
    put(edit, text->from, wide, (size_t)length * text->unit);
}

/* Whoever searches such a block for references finds the same ones. */
static void clear_numbers(const struct edit *edit, mx_addr from, mx_addr to)
{
    const struct mx_memory *memory = edit->light->target->memory;
    mx_addr at = (from + 7) & ~UINT64_C(7);
    if (at < edit->start)
        at = (edit->start + 7) & ~UINT64_C(7);
    for (; at + 8 <= to && at + 8 <= edit->end; at += 8) {
        uint64_t word = mx_load_u64(edit->bytes + (at - edit->start));
        if (word && !mx_memory_region(memory, word))
            memset(edit->bytes + (at - edit->start), 0, 8);
    }
}

static void clear_chunk(const struct edit *edit, const struct mx_span *span, uint32_t block, mx_addr start)
{
    const struct mx_heap *heap = edit->light->heap;
    mx_addr end = start + mx_block_size(&heap->spans, span, block);
    uint16_t kind = heap->kinds[block];
    struct text text;
    if (kind == MX_BLOCK_FREE) {
        clear(edit, start + FREE_CHUNK_LINKS, end - CHUNK_TAIL);
    } else if (kind == MX_BLOCK_RAW) {
        if (mx_map_get(&edit->light->loose, (uint64_t)block + 1) != MX_MAP_NONE)
            clear_numbers(edit, start + KEPT_DATA, end - CHUNK_TAIL);
    } else if (end - start >= LEAST_TEXT) {
        uint32_t type = mx_heap_type_of(heap, block);
        if (type < heap->types.count && find_middle(edit, type, mx_heap_object(heap, span, block, type), end, &text))
            clear_middle(edit, &text);
    }
}

static void clear_chunks(const struct edit *edit, const struct mx_span *span)
{
    const struct mx_spans *spans = &edit->light->heap->spans;
    const struct mx_span *found;
    uint32_t block = edit->start > span->start ? mx_spans_locate(spans, edit->start, &found) : MX_NO_BLOCK;
    if (block == MX_NO_BLOCK || found != span)
        block = span->first;
    for (; block - span->first < span->count; block++) {
        mx_addr start = mx_block_address(spans, span, block);
        if (start >= edit->end)
            break;
        clear_chunk(edit, span, block, start);
    }
}

static void clear_heap(const struct edit *edit)
{
    const struct mx_spans *spans = &edit->light->heap->spans;
    clear_arenas(edit);
    for (size_t i = 0; i < edit->light->unused.count; i++)
        clear(edit, edit->light->unused.items[i].start, edit->light->unused.items[i].end);
    for (size_t i = first_span(spans, edit->start); i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        if (span->start >= edit->end)
            break;
        if (span->kind == MX_SPAN_POOL)
            clear_pool(edit, span);
        else if (span->kind == MX_SPAN_CHUNKS)
            clear_chunks(edit, span);
    }
}

/* Without memory for the copy nothing is cleared: the file grows, and is right. */
static void clear_around_stacks(const struct edit *edit)
{
    uint8_t *before = NULL;
    for (size_t i = 0; i < edit->light->stacks.count; i++) {
        const struct mx_range *stack = &edit->light->stacks.items[i];
        if (stack->start >= edit->end || stack->end <= edit->start)
            continue;
        before = malloc(edit->end - edit->start);
        if (!before)
            return;
        memcpy(before, edit->bytes, edit->end - edit->start);
        break;
    }
    clear_heap(edit);
    for (size_t i = 0; before && i < edit->light->stacks.count; i++) {
        const struct mx_range *stack = &edit->light->stacks.items[i];
        mx_addr from = stack->start > edit->start ? stack->start : edit->start;
        mx_addr to = stack->end < edit->end ? stack->end : edit->end;
        if (from < to)
            memcpy(edit->bytes + (from - edit->start), before + (from - edit->start), to - from);
    }
    free(before);
}

void mx_lightening_clear(void *context, mx_addr start, uint8_t *bytes, size_t length)
{
    struct edit edit = {context, start, start + length, bytes};
    const struct mx_region *region = mx_memory_region(edit.light->target->memory, start);
    if (!region)
        return;
    if (mx_is_constant(region))
        clear_constants(&edit);
    else if (region->module == MX_NO_MODULE)
        clear_around_stacks(&edit);
}

static bool holds_blocks(const struct mx_lightening *light, const struct mx_region *region)
{
    const struct mx_spans *spans = &light->heap->spans;
    size_t first = first_span(spans, region->start);
    return first < spans->spans.count && spans->spans.items[first].start < region->end;
}

bool mx_lightening_skips(void *context, const struct mx_region *region)
{
    const struct mx_lightening *light = context;
    if (region->flags & MX_REGION_EXEC && !(region->flags & MX_REGION_WRITE))
        return true;
    if (region->flags & MX_REGION_FILE && region->module == MX_NO_MODULE)
        return true;
    return region->end - region->start > MOST_UNKNOWN && !holds_blocks(light, region);
}

/* The rest of an arena's memory, behind the header of its last chunk, which is free as a whole. */
static bool add_unused(struct mx_lightening *light, mx_addr top)
{
    const struct mx_memory *memory = light->target->memory;
    const struct mx_region *region = mx_memory_region(memory, top);
    uint64_t size = mx_memory_pointer(memory, top + 8) & ~UINT64_C(7);
    if (!region || size < FREE_CHUNK_LINKS + CHUNK_TAIL || size > region->end - top)
        return true;
    struct mx_range range = {top + FREE_CHUNK_LINKS, top + size};
    return mx_array_push(&light->unused, range);
}

static bool add_stack(struct mx_lightening *light, const struct mx_thread *thread)
{
    struct mx_range range = {thread->stack_pointer, mx_roots_stack_end(light->target->memory, thread)};
    return range.end <= range.start || mx_array_push(&light->stacks, range);
}

struct mx_error *mx_lightening_open(const struct mx_target *target, const struct mx_heap *heap, struct mx_work *work,
                                    struct mx_lightening *ret)
{
    struct mx_lightening light = {.target = target, .heap = heap};
    const struct mx_glibc *glibc = &target->allocators.glibc;
    struct mx_error *error = NULL;
    for (size_t i = 0; i < glibc->arenas.count && !error; i++)
        error = add_unused(&light, glibc->arenas.items[i].top) ? NULL : mx_error_no_memory();
    for (size_t i = 0; i < target->threads.threads.count && !error; i++)
        error = add_stack(&light, &target->threads.threads.items[i]) ? NULL : mx_error_no_memory();
    if (!error)
        error = mx_lightening_find_needs(&light, work);
    if (error)
        mx_lightening_close(&light);
    else
        *ret = light;
    return error;
}

void mx_lightening_close(struct mx_lightening *lightening)
{
    mx_map_deinit(&lightening->loose);
    mx_map_deinit(&lightening->pages);
    mx_array_free(&lightening->unused);
    mx_array_free(&lightening->stacks);
}
