/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of allocators, written to the ledger block by block: arenas of
 * pymalloc, extents of glibc's arenas, chunks mapped one by one.
 */
#include "report/ledger.h"
#include "report/trim.h"

enum {
    CHUNK_HEADER = 16, /* from a chunk to its user memory */
    CHUNK_SIZE = 8,    /* of it, what is the chunk's own: the rest is the last word of the one before */
    CHUNK_FLAGS = 7,
    MOST_OVERHEAD = 4096, /* a larger stretch without chunks is no struct of malloc's */
};

static void make_holder_rows(struct mx_book *book, const char *kind, struct mx_holder_rows *ret)
{
    static const char *const names[MX_HOLDERS] = {"nobody", "objects", "globals", "stacks"};
    for (int i = 0; i < MX_HOLDERS; i++)
        ret->rows[i] = mx_book_row(book, "%s/%s", kind, names[i]);
}

static void make_rows(struct mx_book *book, struct mx_block_rows *rows)
{
    make_holder_rows(book, "python/raw", &rows->raw);
    make_holder_rows(book, "malloc/used", &rows->used);
    make_holder_rows(book, "malloc/mapped", &rows->mapped);
    rows->free_blocks = mx_book_row(book, "pymalloc/free-blocks");
    rows->free_pools = mx_book_row(book, "pymalloc/free-pools");
    rows->pool_headers = mx_book_row(book, "pymalloc/pool-headers");
    rows->pool_tails = mx_book_row(book, "pymalloc/pool-tails");
    rows->alignment = mx_book_row(book, "pymalloc/arena-alignment");
    rows->mimalloc_headers = mx_book_row(book, "mimalloc/headers");
    rows->mimalloc_unused = mx_book_row(book, "mimalloc/free-slices");
    if (book->target->allocators.mimalloc.segments.count)
        rows->free_blocks = mx_book_row(book, "mimalloc/free-blocks");
    rows->bins = mx_book_row(book, "malloc/free/bins");
    rows->tcache = mx_book_row(book, "malloc/free/tcache");
    rows->fastbins = mx_book_row(book, "malloc/free/fastbins");
    rows->top = mx_book_row(book, "malloc/free/top");
    rows->overhead = mx_book_row(book, "malloc/overhead");
    rows->not_walked = mx_book_row(book, "malloc/not-walked");
    for (int owner = MX_BUFFER_DICT; owner < MX_BUFFER_OWNERS; owner++)
        rows->buffers[owner] =
            mx_book_row(book, "python/buffers/%s", mx_buffer_owner_name((enum mx_buffer_owner)owner));
}

struct mx_error *mx_block_rows_open(struct mx_book *book, const struct mx_heap *heap,
                                    const struct mx_block_owners *owners, struct mx_block_rows *ret)
{
    *ret = (struct mx_block_rows){.book = book, .heap = heap, .owners = owners};
    ret->types = mx_calloc(heap->types.count + 1, sizeof(*ret->types));
    if (!ret->types)
        return mx_error_no_memory();
    make_rows(book, ret);
    for (size_t i = 0; i < heap->types.count; i++)
        ret->types[i] = mx_book_row(book, "python/objects/%s", heap->types.items[i].name);
    if (!book->no_memory)
        return NULL;
    mx_block_rows_close(ret);
    return mx_error_no_memory();
}

void mx_block_rows_close(struct mx_block_rows *rows)
{
    free(rows->types);
    rows->types = NULL;
}

uint32_t mx_block_row(const struct mx_block_rows *rows, uint32_t block, const struct mx_holder_rows *raw)
{
    uint16_t kind = rows->heap->kinds[block];
    if (kind < MX_BLOCK_FAR_TYPE)
        return rows->types[kind];
    if (kind == MX_BLOCK_FREE)
        return rows->free_blocks;
    if (kind == MX_BLOCK_RAW) {
        unsigned owner = mx_block_owner(rows->owners, block);
        if (owner >= MX_HOLDER_OBJECTS)
            return raw->rows[1 + owner - MX_HOLDER_OBJECTS];
        return owner ? rows->buffers[owner] : raw->rows[0];
    }
    uint32_t type = mx_heap_type_of(rows->heap, block);
    return type < rows->heap->types.count ? rows->types[type] : raw->rows[0];
}

size_t mx_first_span(const struct mx_heap *heap, mx_addr address)
{
    size_t low = 0, high = heap->spans.spans.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (heap->spans.spans.items[middle].start < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct mx_pymalloc_facts *facts_of(const struct mx_block_rows *rows)
{
    return &rows->book->target->allocators.facts;
}

/* A pool whose pages are in RAM in part. */
static void post_pool(const struct mx_block_rows *rows, const struct mx_span *span, mx_addr blocks_end, mx_addr end)
{
    struct mx_book *book = rows->book;
    mx_addr block = span->start;
    mx_book_post(book, rows->pool_headers, span->start - facts_of(rows)->header_size, span->start, 1);
    for (uint32_t i = 0; i < span->count; i++, block += span->block_size)
        mx_book_post(book, mx_block_row(rows, span->first + i, &rows->raw), block, block + span->block_size, 1);
    mx_book_post(book, rows->free_blocks, block, blocks_end, (blocks_end - block) / span->block_size);
    mx_book_post(book, rows->pool_tails, blocks_end, end, 1);
}

/* Neighbours are mostly of one type, or free: how many blocks from here on belong to one row for sure. */
static uint32_t count_alike(const uint16_t *kinds, uint32_t count)
{
    uint32_t alike = 1;
    if (kinds[0] < MX_BLOCK_FAR_TYPE || kinds[0] == MX_BLOCK_FREE)
        while (alike < count && kinds[alike] == kinds[0])
            alike++;
    return alike;
}

/* The same for most pools, without a look at each block's place. */
static void add_pool(const struct mx_block_rows *rows, const struct mx_span *span, mx_addr blocks_end, mx_addr end,
                     bool in_ram)
{
    struct mx_book *book = rows->book;
    mx_addr carved_end = span->start + (mx_addr)span->count * span->block_size;
    mx_book_add(book, rows->pool_headers, facts_of(rows)->header_size, in_ram, 1);
    for (uint32_t i = 0, alike; i < span->count; i += alike) {
        alike = count_alike(rows->heap->kinds + span->first + i, span->count - i);
        mx_book_add(book, mx_block_row(rows, span->first + i, &rows->raw), alike * span->block_size, in_ram, alike);
    }
    mx_book_add(book, rows->free_blocks, blocks_end - carved_end, in_ram, (blocks_end - carved_end) / span->block_size);
    mx_book_add(book, rows->pool_tails, end - blocks_end, in_ram, end > blocks_end);
}

static void write_pool(const struct mx_block_rows *rows, const struct mx_span *span)
{
    const struct mx_pymalloc_facts *facts = facts_of(rows);
    mx_addr start = span->start - facts->header_size, end = start + facts->pool_size;
    mx_addr blocks_end = span->start + (end - span->start) / span->block_size * span->block_size;
    bool in_ram;
    if (mx_book_claim(rows->book, start, end, &in_ram))
        add_pool(rows, span, blocks_end, end, in_ram);
    else
        post_pool(rows, span, blocks_end, end);
}

/* A pool that is not in use; one whose bytes the core lacks is what its region is. */
static void write_free_pool(const struct mx_block_rows *rows, mx_addr start, mx_addr end)
{
    const struct mx_region *region = mx_memory_region(rows->book->target->memory, start);
    if (region && !(region->flags & MX_REGION_MISSING))
        mx_book_post(rows->book, rows->free_pools, start, end, 1);
    else
        mx_book_post(rows->book, mx_book_row(rows->book, "pymalloc/not-read"), start, end, 1);
}

void mx_ledger_arena(const struct mx_block_rows *rows, const struct mx_arena *arena, mx_addr end)
{
    const struct mx_spans *spans = &rows->heap->spans;
    const struct mx_pymalloc_facts *facts = facts_of(rows);
    size_t next = mx_first_span(rows->heap, arena->pools);
    mx_addr pool = arena->pools;
    mx_book_post(rows->book, rows->alignment, arena->address, pool, 0);
    for (; pool <= end && end - pool >= facts->pool_size; pool += facts->pool_size) {
        const struct mx_span *span = next < spans->spans.count ? &spans->spans.items[next] : NULL;
        if (span && span->kind == MX_SPAN_POOL && span->start == pool + facts->header_size && span->block_size) {
            write_pool(rows, span);
            next++;
        } else {
            write_free_pool(rows, pool, pool + facts->pool_size);
        }
    }
    mx_book_post(rows->book, rows->alignment, pool, end, 0);
}

/* Between pages, and behind the blocks that a page has handed out, are slices that nobody uses. */
void mx_ledger_segment(const struct mx_block_rows *rows, const struct mx_mi_segment *segment)
{
    const struct mx_spans *spans = &rows->heap->spans;
    mx_addr at = segment->address + ((mx_addr)segment->info << MX_MI_SLICE_SHIFT);
    mx_book_post(rows->book, rows->mimalloc_headers, segment->address, at, 1);
    for (size_t i = mx_first_span(rows->heap, at); i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        mx_addr block = span->start;
        if (block >= segment->end)
            break;
        mx_book_post(rows->book, rows->mimalloc_unused, at, block, block > at);
        for (uint32_t n = 0; n < span->count; n++, block += span->block_size)
            mx_book_post(rows->book, mx_block_row(rows, span->first + n, &rows->raw), block, block + span->block_size,
                         1);
        at = span->end;
    }
    mx_book_post(rows->book, rows->mimalloc_unused, at, segment->end, segment->end > at);
}

/* A walk over the chunks of one span, beside the blocks that the census made of them. */
struct chunks {
    const struct mx_block_rows *rows;
    uint32_t block, end;    /* ids; equal: the census has no more of them */
    size_t cached, in_fast; /* the first ones of malloc's lists that are not below the chunk */
    mx_addr at;
    struct mx_trim_run run; /* of free chunks, the last one in it */
};

static bool is_next(const mx_addr *addresses, size_t count, size_t *next, mx_addr address)
{
    while (*next < count && addresses[*next] < address)
        ++*next;
    return *next < count && addresses[*next] == address;
}

static uint32_t free_row(struct chunks *chunks, mx_addr user)
{
    const struct mx_glibc *glibc = &chunks->rows->book->target->allocators.glibc;
    if (is_next(glibc->fast.items, glibc->fast.count, &chunks->in_fast, user))
        return chunks->rows->fastbins;
    bool cached = is_next(glibc->cached.items, glibc->cached.count, &chunks->cached, user);
    return cached ? chunks->rows->tcache : chunks->rows->bins;
}

static void add_trimmable(struct mx_book *book, const struct mx_trim_run *run)
{
    mx_addr from, until;
    if (!mx_trim_pages(run, &from, &until))
        return;
    book->trimmable.resident += mx_resident_bytes(book->resident, from, until);
    book->trimmable.virtual_bytes += until - from;
    book->trimmable.count++;
}

static void write_free_chunk(struct chunks *chunks, mx_addr user, mx_addr start, mx_addr end)
{
    const struct mx_block_rows *rows = chunks->rows;
    struct mx_trim_run old;
    uint32_t row = free_row(chunks, user);
    mx_book_post(rows->book, row, start, end, 1);
    if (row != rows->tcache && !mx_trim_add(&chunks->run, start, end, &old))
        add_trimmable(rows->book, &old);
}

/* A free chunk is free with its header, as malloc's own statistics have it. */
static bool write_chunk(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    struct chunks *chunks = context;
    const struct mx_block_rows *rows = chunks->rows;
    mx_addr start = chunk->address - CHUNK_HEADER, end = start + CHUNK_SIZE + chunk->size;
    uint32_t block = chunks->block < chunks->end ? chunks->block++ : MX_NO_BLOCK;
    (void)bytes;
    chunks->at = end;
    if (!chunk->used) {
        write_free_chunk(chunks, chunk->address, start, end);
        return true;
    }
    bool known = block != MX_NO_BLOCK && rows->heap->kinds[block] != MX_BLOCK_FREE;
    uint32_t row = known ? mx_block_row(rows, block, &rows->used) : rows->used.rows[0];
    mx_book_post(rows->book, rows->overhead, start, start + CHUNK_SIZE, 1);
    mx_book_post(rows->book, row, start + CHUNK_SIZE, end, 1);
    return true;
}

static void find_blocks(struct chunks *chunks, mx_addr first_chunk)
{
    const struct mx_spans *spans = &chunks->rows->heap->spans;
    size_t index = mx_first_span(chunks->rows->heap, first_chunk);
    const struct mx_span *span = index < spans->spans.count ? &spans->spans.items[index] : NULL;
    if (!span || span->kind != MX_SPAN_CHUNKS || span->start != first_chunk)
        return;
    chunks->block = span->first;
    chunks->end = span->first + span->count;
}

static void write_span(const struct mx_block_rows *rows, const struct mx_chunk_span *span, struct mx_work *work)
{
    const struct mx_glibc *glibc = &rows->book->target->allocators.glibc;
    struct mx_cursor cursor;
    struct chunks chunks = {.rows = rows, .at = span->start - CHUNK_HEADER};
    find_blocks(&chunks, chunks.at);
    chunks.cached = mx_glibc_first_at(glibc->cached.items, glibc->cached.count, span->start);
    chunks.in_fast = mx_glibc_first_at(glibc->fast.items, glibc->fast.count, span->start);
    mx_cursor_init(&cursor, rows->book->target->memory);
    mx_glibc_walk(glibc, span, &cursor, work, write_chunk, &chunks);
    add_trimmable(rows->book, &chunks.run);
    mx_cursor_deinit(&cursor);
    mx_book_post(rows->book, rows->not_walked, chunks.at, span->end - CHUNK_SIZE, 1);
}

/* Between chunks and at the ends of an extent: malloc's structs and fences, or what could not be walked. */
static void write_gap(const struct mx_block_rows *rows, mx_addr start, mx_addr end)
{
    bool large = end > start && end - start > MOST_OVERHEAD;
    mx_book_post(rows->book, large ? rows->not_walked : rows->overhead, start, end, 1);
}

static bool holds_top(const struct mx_block_rows *rows, const struct mx_malloc_extent *extent, mx_addr *ret)
{
    const struct mx_glibc *glibc = &rows->book->target->allocators.glibc;
    mx_addr top = extent->arena < glibc->arenas.count ? glibc->arenas.items[extent->arena].top : 0;
    *ret = top;
    return top >= extent->start && top < extent->end;
}

static size_t first_chunk_span(const struct mx_glibc *glibc, mx_addr address)
{
    size_t low = 0, high = glibc->spans.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (glibc->spans.items[middle].start < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void mx_ledger_extent(const struct mx_block_rows *rows, const struct mx_malloc_extent *extent, struct mx_work *work)
{
    const struct mx_glibc *glibc = &rows->book->target->allocators.glibc;
    mx_addr at = extent->start, top;
    for (size_t i = first_chunk_span(glibc, extent->start); i < glibc->spans.count; i++) {
        const struct mx_chunk_span *span = &glibc->spans.items[i];
        if (span->start >= extent->end || span->arena == MX_ARENA_MMAPPED)
            break;
        write_gap(rows, at, span->start - CHUNK_HEADER);
        write_span(rows, span, work);
        at = span->end - CHUNK_SIZE;
    }
    if (holds_top(rows, extent, &top)) {
        write_gap(rows, at, top);
        /* glibc malloc/malloc.c: systrim(), of the main arena alone. */
        if (extent->arena == 0)
            add_trimmable(rows->book, &(struct mx_trim_run){top, extent->end});
        mx_book_post(rows->book, rows->top, top, extent->end, 1);
    } else {
        write_gap(rows, at, extent->end);
    }
}

void mx_ledger_mapped(const struct mx_block_rows *rows, mx_addr start, const struct mx_chunk_span *span)
{
    struct chunks chunks = {.rows = rows};
    find_blocks(&chunks, span->start - CHUNK_HEADER);
    bool known = chunks.block < chunks.end && rows->heap->kinds[chunks.block] != MX_BLOCK_FREE;
    mx_book_post(rows->book, rows->overhead, start, span->start, 1);
    mx_book_post(rows->book, known ? mx_block_row(rows, chunks.block, &rows->mapped) : rows->mapped.rows[0],
                 span->start, span->end, 1);
}
