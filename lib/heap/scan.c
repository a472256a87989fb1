/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks to kinds. Pools are read whole, chunks by their first bytes, static
 * data word by word.
 */
#include "heap/scan.h"

#include "cpython/header.h"
#include "cpython/size.h"

enum {
    STATIC_STEP = 8,
    /* A pool is read faster than the processor fetches pages on its own: so many bytes are asked for ahead. */
    AHEAD = 2048,
    LINE = 64,
    FIRST_LINES = 16, /* of the next pool, whose blocks may have another size */
    TOGETHER = 64,    /* dicts of a core that are sized together, when their tables are on their way */
};

bool mx_worker_init(struct mx_worker *worker, const struct mx_scan *scan, bool notes)
{
    *worker = (struct mx_worker){.scan = scan};
    mx_cursor_init(&worker->cursor, scan->memory);
    worker->tallies = mx_calloc(scan->types->types.count, sizeof(*worker->tallies));
    if (notes)
        worker->scratch = mx_calloc(scan->types->types.count, sizeof(*worker->scratch));
    return worker->tallies && (worker->scratch || !notes);
}

void mx_worker_deinit(struct mx_worker *worker)
{
    mx_cursor_deinit(&worker->cursor);
    free(worker->tallies);
    free(worker->scratch);
    mx_array_free(&worker->touched);
    mx_array_free(&worker->pending);
    mx_array_free(&worker->far_types);
}

static inline void tally(struct mx_worker *worker, uint32_t type, uint64_t size, bool tracked)
{
    struct mx_tally *sum = worker->notes ? &worker->scratch[type] : &worker->tallies[type];
    if (worker->notes && !sum->count && !mx_array_push(&worker->touched, type))
        worker->no_memory = true;
    sum->count++;
    sum->bytes += size;
    sum->tracked_count += tracked;
    sum->tracked_bytes += tracked ? size : 0;
}

static bool is_dict(const struct mx_type *type)
{
    return type->kind == MX_KIND_DICT || type->kind == MX_KIND_ORDERED_DICT;
}

/* Of a core, whose tables are a load away. */
static void size_those_put_off(struct mx_worker *worker)
{
    const struct mx_layout *layout = worker->scan->classifier->layout;
    for (size_t i = 0; i < worker->pending.count; i++) {
        const struct mx_pending_dict *dict = &worker->pending.items[i];
        const uint8_t *header = mx_memory_view(worker->scan->memory, dict->keys, (size_t)layout->dict_keys.size);
        uint64_t tables_size = header ? mx_dict_tables_size(layout, header, dict->is_split) : 0;
        tally(worker, dict->type, dict->size + tables_size, dict->tracked);
    }
    worker->pending.count = 0;
}

static void put_off(struct mx_worker *worker, const struct mx_found_object *found, const uint8_t *bytes, uint64_t size)
{
    const struct mx_scan *scan = worker->scan;
    struct mx_dict_tables tables = mx_dict_tables(scan->classifier->layout, bytes);
    struct mx_pending_dict pending = {tables.keys, size, found->type, found->tracked, tables.split};
    if (!mx_array_push(&worker->pending, pending))
        worker->no_memory = true;
    if (scan->live)
        return;
    __builtin_prefetch(mx_memory_view(scan->memory, tables.keys, 1));
    if (worker->pending.count >= TOGETHER)
        size_those_put_off(worker);
}

static inline void tally_object(struct mx_worker *worker, const struct mx_found_object *found, mx_addr object,
                                const uint8_t *bytes, size_t available)
{
    const struct mx_scan *scan = worker->scan;
    uint64_t size = scan->fixed_sizes[found->type];
    if (!size) {
        const struct mx_type *type = &scan->types->types.items[found->type];
        bool needs_more = false, later = is_dict(type);
        bool asks = later || worker->notes;
        size = mx_object_size(scan->types, type, object, bytes, available, asks ? &needs_more : NULL);
        if (needs_more && later) {
            put_off(worker, found, bytes, size);
            return;
        }
        if (needs_more) {
            size = mx_object_size(scan->types, type, object, bytes, available, NULL);
            worker->reads_elsewhere = true;
        }
    }
    tally(worker, found->type, size, found->tracked);
}

static inline uint16_t kind_of_type(struct mx_worker *worker, uint32_t type, mx_addr block)
{
    if (type < MX_BLOCK_FAR_TYPE)
        return (uint16_t)type;
    if (!mx_array_push(&worker->far_types, (struct mx_far_type){block, type}))
        worker->no_memory = true;
    return MX_BLOCK_FAR_TYPE;
}

static uint16_t raw_block(struct mx_worker *worker, uint64_t size)
{
    worker->sums.raw_blocks++;
    worker->sums.raw_bytes += size;
    return MX_BLOCK_RAW;
}

/*
 * A block in use: what is it? *start, when wanted, becomes the address that the object is its type's preheader behind:
 * before the block where a type object that C code made with malloc has no GC head, though its type's instances do
 * (numpy's).
 */
static inline uint16_t scan_block(struct mx_worker *worker, mx_addr block, const uint8_t *bytes, uint64_t size,
                                  size_t available, uint32_t padding, mx_addr *start)
{
    struct mx_found_object found;
    if (!bytes || !mx_classify_block(worker->scan->classifier, bytes, size, available, padding, &found))
        return raw_block(worker, size);
    tally_object(worker, &found, block + found.offset, bytes + found.offset, available - found.offset);
    if (start)
        *start = block + found.offset - worker->scan->types->types.items[found.type].preheader;
    return kind_of_type(worker, found.type, block);
}

uint16_t mx_scan_block(struct mx_worker *worker, mx_addr block, const uint8_t *bytes, uint64_t size, size_t available)
{
    return scan_block(worker, block, bytes, size, available, 0, NULL);
}

bool mx_listed_add(struct mx_listed *listed, mx_addr start, uint16_t kind)
{
    uint64_t offset = (start - listed->start) / 8;
    return offset <= UINT32_MAX && mx_array_push(&listed->starts, (uint32_t)offset) &&
           mx_array_push(&listed->kinds, kind);
}

static void expect_pool(const uint8_t *bytes)
{
    for (int i = 0; i < FIRST_LINES; i++)
        __builtin_prefetch(bytes + (size_t)i * LINE);
}

void mx_scan_pool(struct mx_worker *worker, const struct mx_pool *pool, const uint8_t *bytes, const uint64_t *free_bits,
                  uint16_t *kinds)
{
    const uint8_t *at = bytes + worker->scan->facts->header_size;
    mx_addr block = pool->address + worker->scan->facts->header_size;
    expect_pool(bytes + worker->scan->facts->pool_size);
    for (uint32_t i = 0; i < pool->carved; i++) {
        __builtin_prefetch(at + AHEAD);
        bool is_free = free_bits[i / 64] >> (i % 64) & 1;
        kinds[i] = is_free
                       ? MX_BLOCK_FREE
                       : scan_block(worker, block, at, pool->block_size, pool->block_size, worker->scan->padding, NULL);
        at += pool->block_size;
        block += pool->block_size;
    }
}

void mx_scan_count_pool(struct mx_worker *worker, const struct mx_pool *pool)
{
    struct mx_size_class *class = &worker->size_classes[pool->block_size / 16 - 1];
    uint32_t all = (worker->scan->facts->pool_size - worker->scan->facts->header_size) / pool->block_size;
    class->block_size = pool->block_size;
    class->pools++;
    class->used_blocks += pool->used;
    class->free_blocks += all - pool->used;
    worker->sums.damaged_pools += pool->damaged;
}

struct mx_span mx_scan_pool_span(const struct mx_pymalloc_facts *facts, const struct mx_pool *pool)
{
    mx_addr start = pool->address + facts->header_size;
    return (struct mx_span){.start = start,
                            .end = start + (mx_addr)pool->carved * pool->block_size,
                            .count = pool->carved,
                            .block_size = pool->block_size,
                            .kind = MX_SPAN_POOL};
}

size_t mx_scan_arena(struct mx_worker *worker, const struct mx_arena *arena, struct mx_span *spans, uint16_t *kinds)
{
    const struct mx_scan *scan = worker->scan;
    uint32_t pool_size = scan->facts->pool_size;
    size_t length = arena->pools_end - arena->pools, found = 0;
    const uint8_t *whole = mx_cursor_view(&worker->cursor, arena->pools, length);
    for (size_t at = 0; at + pool_size <= length; at += pool_size) {
        struct mx_pool pool;
        uint64_t free_bits[MX_POOL_WORDS];
        const uint8_t *bytes = whole ? whole + at : mx_cursor_view(&worker->cursor, arena->pools + at, pool_size);
        if (!bytes || !mx_pool_read(scan->facts, bytes, arena->pools + at, &pool, free_bits))
            continue;
        mx_scan_count_pool(worker, &pool);
        mx_scan_pool(worker, &pool, bytes, free_bits, kinds);
        kinds += pool.carved;
        spans[found++] = mx_scan_pool_span(scan->facts, &pool);
    }
    mx_work_step(scan->work, length);
    return found;
}

enum { SHOWN = 512 }; /* bytes of a block that has a page of its own */

static size_t shown_bytes(const struct mx_mi_page *page)
{
    if (page->capacity > 1)
        return page->end - page->start;
    return page->block_size < SHOWN ? (size_t)page->block_size : SHOWN;
}

static uint16_t scan_page_block(struct mx_worker *worker, const struct mx_mi_page *page, uint32_t number,
                                const uint8_t *bytes, size_t available)
{
    const struct mx_scan *scan = worker->scan;
    mx_addr block = page->start + number * page->block_size;
    struct mx_found_object found;
    if (!mx_classify_in_heap(scan->classifier, page->tag, bytes, page->block_size, available, scan->padding, &found))
        return raw_block(worker, page->block_size);
    tally_object(worker, &found, block + found.offset, bytes + found.offset, available - found.offset);
    return kind_of_type(worker, found.type, block);
}

/* Kinds of a page's blocks; false when its bytes are not there. */
static bool scan_page(struct mx_worker *worker, const struct mx_mi_page *page, uint16_t *kinds)
{
    uint64_t free_bits[MX_MI_WORDS];
    uint32_t free = 0;
    size_t available = shown_bytes(page);
    const uint8_t *bytes = mx_cursor_view(&worker->cursor, page->start, available);
    if (!bytes)
        return false;
    worker->sums.damaged_pools += !mx_mimalloc_free(worker->scan->mimalloc, page, bytes, free_bits, &free);
    if (page->capacity > 1)
        available = page->block_size;
    for (uint32_t i = 0; i < page->capacity; i++)
        kinds[i] = free_bits[i / 64] >> (i % 64) & 1
                       ? MX_BLOCK_FREE
                       : scan_page_block(worker, page, i, bytes + i * page->block_size, available);
    worker->sums.pools++;
    worker->sums.pool_used_blocks += page->capacity - free;
    worker->sums.pool_used_bytes += (page->capacity - free) * page->block_size;
    worker->sums.pool_free_blocks += free;
    return true;
}

size_t mx_scan_segment(struct mx_worker *worker, const struct mx_mi_segment *segment, struct mx_span *spans,
                       uint16_t *kinds)
{
    const struct mx_mimalloc *mimalloc = worker->scan->mimalloc;
    const uint8_t *slices = mx_mimalloc_slices(mimalloc, segment);
    struct mx_mi_page page;
    size_t found = 0;
    for (uint32_t at = 0;
         slices && mx_mimalloc_next(mimalloc, segment, slices, &at, &page, &worker->sums.damaged_pools);) {
        if (!scan_page(worker, &page, kinds)) {
            worker->sums.damaged_pools++;
            continue;
        }
        kinds += page.capacity;
        spans[found++] = (struct mx_span){.start = page.start,
                                          .end = page.end,
                                          .count = page.capacity,
                                          .block_size = page.block_size,
                                          .kind = MX_SPAN_POOL};
    }
    mx_work_step(worker->scan->work, segment->end - segment->address);
    return found;
}

struct mx_scan_room mx_scan_segment_room(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment)
{
    const uint8_t *slices = mx_mimalloc_slices(mimalloc, segment);
    struct mx_scan_room room = {0, 0};
    struct mx_mi_page page;
    uint64_t damaged = 0;
    for (uint32_t at = 0; slices && mx_mimalloc_next(mimalloc, segment, slices, &at, &page, &damaged);) {
        room.spans++;
        room.blocks += page.capacity;
    }
    return room;
}

enum { CHUNK_HEADER = 16 };

struct chunk_visit {
    struct mx_worker *worker;
    struct mx_listed *listed;
};

static bool visit_chunk(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    struct chunk_visit *visit = context;
    struct mx_worker *worker = visit->worker;
    struct mx_listed *listed = visit->listed;
    size_t available = chunk->size < 512 ? chunk->size : 512;
    uint32_t padding = worker->scan->padding && bytes && chunk->used ? mx_hook_padding(bytes, available) : 0;
    uint16_t kind = MX_BLOCK_FREE;
    mx_addr start = chunk->address + padding;
    if (chunk->used) {
        worker->sums.chunks++;
        worker->sums.chunk_bytes += chunk->size;
        kind = scan_block(worker, start, bytes ? bytes + padding : NULL, chunk->size - padding, available - padding, 0,
                          &start);
    }
    uint64_t offset = (start - listed->start) / 8;
    if (offset > UINT32_MAX)
        return false;
    if (!mx_array_push(&listed->starts, (uint32_t)offset) || !mx_array_push(&listed->kinds, kind)) {
        worker->no_memory = true;
        return false;
    }
    listed->end = chunk->address + chunk->size;
    return true;
}

void mx_scan_chunks(struct mx_worker *worker, const struct mx_glibc *glibc, const struct mx_chunk_span *span,
                    struct mx_listed *ret)
{
    struct chunk_visit visit = {worker, ret};
    ret->start = span->start - CHUNK_HEADER;
    ret->end = span->start;
    mx_glibc_walk(glibc, span, &worker->cursor, worker->scan->work, visit_chunk, &visit);
}

/* Without the file, and with a core that leaves it out, nobody tells what may be done with a mapping. */
static bool may_be_code(const struct mx_region *region)
{
    const uint32_t known = MX_REGION_READ | MX_REGION_WRITE | MX_REGION_EXEC;
    return region->flags & MX_REGION_EXEC || (region->flags & MX_REGION_FILE && !(region->flags & known));
}

/*
 * The interpreter's own state counts something beside the address of each static type (3.13+), as an object would, and
 * its tables have functions beside types (3.15): what would be the reference count is an address of code.
 */
static bool is_no_static_object(const struct mx_scan *scan, mx_addr address, const uint8_t *bytes)
{
    const struct mx_runtime *runtime = scan->types->runtime;
    if (!mx_is_mortal(&runtime->layout, bytes))
        return false;
    if (address - runtime->address < (uint64_t)runtime->layout.runtime.size)
        return true;
    const struct mx_region *region = mx_memory_region(scan->memory, mx_load_u64(bytes));
    return region && may_be_code(region);
}

static void scan_static_word(struct mx_worker *worker, mx_addr address, const uint8_t *bytes, size_t available,
                             struct mx_listed *listed)
{
    struct mx_found_object found;
    if (!mx_classify_static(worker->scan->classifier, bytes, available, &found) ||
        is_no_static_object(worker->scan, address, bytes))
        return;
    tally_object(worker, &found, address, bytes, available);
    worker->sums.static_objects++;
    if (!mx_array_push(&listed->starts, (uint32_t)((address - listed->start) / 8)) ||
        !mx_array_push(&listed->kinds, kind_of_type(worker, found.type, address)))
        worker->no_memory = true;
}

void mx_scan_static(struct mx_worker *worker, const struct mx_region *region, struct mx_listed *ret)
{
    ret->start = region->start;
    ret->end = region->end;
    const uint8_t *bytes = mx_memory_state(worker->scan->memory, region->start, region->end - region->start);
    if (!bytes || region->end - region->start > (uint64_t)UINT32_MAX)
        return;
    size_t length = region->end - region->start;
    for (size_t at = 0; at + 32 <= length; at += STATIC_STEP)
        scan_static_word(worker, region->start + at, bytes + at, length - at, ret);
}

static int compare_pending(const void *a, const void *b)
{
    mx_addr left = ((const struct mx_pending_dict *)a)->keys, right = ((const struct mx_pending_dict *)b)->keys;
    return left < right ? -1 : left > right;
}

enum { BATCH = 1024, MOST_HEADER = 64 };

/* The tables are everywhere in the heap: a few bytes of each are gathered instead of fetching all their pages. */
static void size_batch(struct mx_worker *worker, const struct mx_pending_dict *batch, size_t count)
{
    const struct mx_layout *layout = worker->scan->classifier->layout;
    size_t header = (size_t)layout->dict_keys.size;
    mx_addr tables[BATCH];
    uint8_t headers[BATCH * MOST_HEADER];
    for (size_t i = 0; i < count; i++)
        tables[i] = batch[i].keys;
    mx_memory_gather(worker->scan->memory, tables, count, header, headers, NULL);
    for (size_t i = 0; i < count; i++) {
        uint64_t tables_size = mx_dict_tables_size(layout, headers + i * header, batch[i].is_split);
        tally(worker, batch[i].type, batch[i].size + tables_size, batch[i].tracked);
    }
}

void mx_scan_pending(struct mx_worker *worker)
{
    if (!worker->scan->live)
        size_those_put_off(worker);
    size_t count = worker->pending.count;
    if (!count || worker->scan->classifier->layout->dict_keys.size > MOST_HEADER)
        return;
    qsort(worker->pending.items, count, sizeof(struct mx_pending_dict), compare_pending);
    for (size_t at = 0; at < count && mx_work_step(worker->scan->work, 0); at += BATCH)
        size_batch(worker, worker->pending.items + at, count - at < BATCH ? count - at : BATCH);
}
