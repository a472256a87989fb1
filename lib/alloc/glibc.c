/* SPDX-License-Identifier: Apache-2.0
 *
 * Where glibc's malloc keeps its chunks: main_arena by its bins, thread arenas by their ring, heaps by their alignment,
 * mmapped chunks by their headers. It does not know what single chunks hold (chunk.c walks them).
 *
 *   malloc_state  [flags][fastbins 10][top][last_remainder][bins 127 * {fd, bk}][binmap][next]...[system_mem]
 *   offsets here are relative to `bins`: what is in front of fastbins grew in 2.27; 2.43 has no fastbins
 *   heap          64 MB aligned: [ar_ptr][prev][size]...[malloc_state, in an arena's first heap only][chunk][chunk]...
 */
#include "alloc/glibc.h"

#include <stdio.h>
#include <stdlib.h>

#include "alloc/chunk.h"
#include "alloc/known.h"

enum {
    BIN_COUNT = 127,
    BINS_BYTES = BIN_COUNT * 16,
    FASTBIN_COUNT = 10,
    FASTBINS_BEFORE = 96, /* distances from bins */
    TOP_BEFORE = 16,
    STATE_FROM_BINS_MODERN = 112, /* 2.27+ */
    STATE_FROM_BINS_OLD = 104,    /* 2.26 */
    STATE_FROM_BINS_SLOW = 24,    /* 2.43+: no fastbins */
    NEXT_AFTER = 2048,
    THREADS_AFTER = 2064, /* attached_threads */
    SYSTEM_MEM_AFTER = 2072,
    STATE_END_AFTER = 2088,
    MOST_MISFITS = 2,      /* bins that may be half linked when the target was stopped */
    LEAST_GOOD_NAMED = 64, /* bins that must fit where a symbol says main_arena */
    MOST_THREAD_ARENAS = 1 << 16,
    MOST_RESYNCS = 64,
    RESYNC_BYTES = 256 << 10,
    FENCEPOST = 16,
};
#define HEAP_ALIGNMENT ((mx_addr)64 << 20)

struct opener {
    const struct mx_memory *memory;
    struct mx_glibc *ret;
    struct mx_chunk_reader reader;
    uint64_t state_from_bins;
    MX_ARRAY(struct mx_range) taken;   /* where no mmapped chunk is looked for */
    MX_ARRAY(struct mx_range) tcaches; /* user memory that may be a tcache: start, and end = start + chunk size */
    bool in_pieces;                    /* brk failed, so main_arena went on in mmapped segments */
    bool no_memory;
};

/* Whether more than `most` of the 127 bins at `bytes` cannot be rings, by what stands there alone. */
static bool are_no_bins(const uint8_t *bytes, mx_addr bins, int most)
{
    int misfits = 0;
    for (size_t at = 0; at < (size_t)BIN_COUNT * 16 && misfits <= most; at += 16) {
        mx_addr head = bins + at - 16, fd = mx_load_u64(bytes + at), bk = mx_load_u64(bytes + at + 8);
        bool is_empty = fd == head && bk == head;
        misfits += !is_empty && (!fd || !bk || fd % 16 || bk % 16 || fd == head || bk == head);
    }
    return misfits > most;
}

/* How many of the 127 bins at `bytes` (at `bins` in the target) are rings, giving up after `most` that are not. */
static int count_rings(const struct mx_memory *memory, const uint8_t *bytes, mx_addr bins, int most)
{
    int misfits = 0, bin = 0;
    for (; bin < BIN_COUNT && misfits <= most; bin++) {
        size_t at = (size_t)bin * 16;
        mx_addr head = bins + at - 16;
        mx_addr fd = mx_load_u64(bytes + at), bk = mx_load_u64(bytes + at + 8);
        if (fd == head && bk == head)
            continue;
        uint8_t first[32], last[32];
        bool ring = fd && bk && fd % 16 == 0 && bk % 16 == 0 && fd != head && bk != head &&
                    mx_chunk_peek(memory, fd, sizeof(first), first) && mx_load_u64(first + 24) == head &&
                    mx_chunk_peek(memory, bk, sizeof(last), last) && mx_load_u64(last + 16) == head;
        misfits += !ring;
    }
    return bin - misfits;
}

/* main_arena's bins in one region of libc's data, or 0: the best place, for one bin too early still fits nearly. */
static mx_addr find_bins(const struct mx_memory *memory, const struct mx_region *region)
{
    size_t length = (size_t)(region->end - region->start);
    const uint8_t *bytes = mx_memory_state(memory, region->start, length);
    int best = BIN_COUNT - MOST_MISFITS - 1;
    mx_addr ret = 0;
    for (size_t at = 0; bytes && at + STATE_END_AFTER <= length; at += 8) {
        /* Chunks of rings are read one by one, which few words are worth. */
        if (are_no_bins(bytes + at, region->start + at, MOST_MISFITS))
            continue;
        int rings = count_rings(memory, bytes + at, region->start + at, MOST_MISFITS);
        if (rings > best) {
            best = rings;
            ret = region->start + at;
        }
    }
    return ret;
}

/* `place`: where they were found before, or 0. */
static mx_addr find_main_bins(const struct mx_memory *memory, const struct mx_modules *modules, uint32_t libc,
                              mx_addr place)
{
    struct mx_symbol symbol;
    const uint8_t *known = place ? mx_memory_state(memory, place, STATE_END_AFTER) : NULL;
    if (known && count_rings(memory, known, place, MOST_MISFITS) >= BIN_COUNT - MOST_MISFITS)
        return place;
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        bool data = region->module == libc && (region->flags & MX_REGION_WRITE);
        mx_addr bins = data ? find_bins(memory, region) : 0;
        if (bins)
            return bins;
    }
    if (!mx_module_symbol(&modules->modules.items[libc], "main_arena", &symbol))
        return 0;
    /* The bins may be damaged beyond recognition, but a name is a name. */
    mx_addr bins = symbol.address + (symbol.size == 2192   ? STATE_FROM_BINS_OLD
                                     : symbol.size == 2112 ? STATE_FROM_BINS_SLOW
                                                           : STATE_FROM_BINS_MODERN);
    const uint8_t *bytes = mx_memory_state(memory, bins, STATE_END_AFTER);
    return bytes && count_rings(memory, bytes, bins, BIN_COUNT) >= LEAST_GOOD_NAMED ? bins : 0;
}

static void add_taken(struct opener *opener, mx_addr start, mx_addr end)
{
    opener->no_memory |= start < end && !mx_array_push(&opener->taken, (struct mx_range){start, end});
}

static void add_extent(struct opener *opener, mx_addr start, mx_addr end, mx_addr limit, uint32_t arena)
{
    if (start < end)
        opener->no_memory |= !mx_array_push(&opener->ret->extents, (struct mx_malloc_extent){start, end, limit, arena});
}

/* `start` is the first chunk, `end` the chunk (or what stands there) that ends them: its prev_size is user memory. */
static void add_span(struct opener *opener, mx_addr start, mx_addr end, uint32_t arena)
{
    if (start < end)
        opener->no_memory |=
            !mx_array_push(&opener->ret->spans,
                           (struct mx_chunk_span){.start = start + MX_CHUNK_HEADER, .end = end + 8, .arena = arena});
}

/* Where chunks go on after `chunk`, which is none; 0 when that is not to be found nearby. */
static mx_addr resynchronise(struct opener *opener, mx_addr chunk, mx_addr limit)
{
    mx_addr stop = limit - chunk > RESYNC_BYTES ? chunk + RESYNC_BYTES : limit;
    for (mx_addr at = chunk + 16; at < stop; at += 16)
        if (mx_chunk_plausible(opener->memory, at, limit))
            return at;
    return 0;
}

/* Follows chunks from `start` as far as they make sense, and notes those that may be a tcache. */
static mx_addr follow_chunks(struct opener *opener, mx_addr start, mx_addr limit)
{
    struct mx_chunk_step step;
    mx_addr chunk = start;
    for (; chunk < limit && mx_chunk_step(&opener->reader, chunk, limit, &step); chunk += step.size) {
        mx_addr user = chunk + MX_CHUNK_HEADER;
        if (mx_chunk_may_be_tcache(&step))
            opener->no_memory |= !mx_array_push(&opener->tcaches, (struct mx_range){user, user + step.size});
    }
    return chunk;
}

/* The size that stands at `chunk`, whether or not it is one. */
static uint64_t size_at(struct opener *opener, mx_addr chunk)
{
    const uint8_t *bytes = mx_chunk_view(&opener->reader, chunk, MX_CHUNK_HEADER);
    return bytes ? mx_load_u64(bytes + 8) & ~(uint64_t)MX_CHUNK_FLAGS : UINT64_MAX;
}

/*
 * Whether what stands at `chunk` ends a heap: a fencepost (sizes that no request ever gets: 16, or 0 right behind the
 * last chunk), or the top of a heap whose arena is lost, which reaches the end of the memory.
 */
static bool ends_heap(struct opener *opener, mx_addr chunk, mx_addr end)
{
    uint64_t size = size_at(opener, chunk);
    return size <= FENCEPOST || size == end - chunk;
}

/*
 * Where a heap's chunks end that seem to end at `end`. What is left of its top beside the fenceposts is freed, but 16
 * bytes are too few for that: they become part of the first fencepost, which looks like a chunk in use then.
 * (glibc malloc/malloc.c: sysmalloc())
 */
static mx_addr before_fenceposts(struct opener *opener, mx_addr start, mx_addr end)
{
    bool is_long = end - start >= MX_CHUNK_LEAST && !size_at(opener, end) &&
                   size_at(opener, end - MX_CHUNK_LEAST) == MX_CHUNK_LEAST;
    return is_long ? end - MX_CHUNK_LEAST : end;
}

/*
 * Makes spans of the chunks in [start, limit). `fenced`: limit is the end of the memory, not a chunk, and fenceposts or
 * a top end the chunks before it. Returns where they ended.
 */
static mx_addr add_spans(struct opener *opener, mx_addr start, mx_addr limit, uint32_t arena, bool fenced)
{
    mx_addr end = start;
    for (int i = 0; start && start < limit && i < MOST_RESYNCS; i++) {
        end = follow_chunks(opener, start, limit);
        add_span(opener, start, fenced ? before_fenceposts(opener, start, end) : end, arena);
        if (end == limit || (fenced && ends_heap(opener, end, limit)))
            return end;
        bool foreign = size_at(opener, end) == FENCEPOST;
        start = resynchronise(opener, end, limit);
        /* Somebody else called sbrk: malloc fenced its old top off and went on behind the other's memory. */
        opener->ret->walk_errors += !(foreign && start);
    }
    return end;
}

static uint64_t top_size(const struct opener *opener, mx_addr top)
{
    uint8_t header[MX_CHUNK_HEADER];
    if (!mx_chunk_peek(opener->memory, top, sizeof(header), header))
        return 0;
    return mx_load_u64(header + 8) & ~(uint64_t)MX_CHUNK_FLAGS;
}

static void add_main_spans(struct opener *opener, const struct mx_glibc_arena *arena)
{
    uint64_t size = top_size(opener, arena->top);
    if (!arena->system_mem || !arena->top)
        return;
    /* Caught while malloc cuts a chunk off: top has moved on already, and has no size yet. */
    mx_addr end = arena->top + size, start = (end - arena->system_mem + 15) & ~(mx_addr)15;
    if (size && arena->system_mem <= end && start <= arena->top &&
        mx_chunk_mapped(opener->memory, start, arena->top + 1) &&
        size_at(opener, start) - MX_CHUNK_LEAST <= end - start) {
        mx_addr region_end = mx_memory_region(opener->memory, arena->top)->end;
        add_taken(opener, start, end < region_end ? end : region_end);
        add_extent(opener, end - arena->system_mem, end, end, 0);
        add_spans(opener, start, arena->top, 0, false);
    } else {
        opener->in_pieces = true;
    }
}

struct heap {
    mx_addr arena, prev;
    uint64_t size;
};

static bool read_heap(const struct opener *opener, mx_addr address, struct heap *ret)
{
    uint8_t bytes[24];
    if (!address || address % HEAP_ALIGNMENT || !mx_chunk_peek(opener->memory, address, sizeof(bytes), bytes))
        return false;
    *ret = (struct heap){mx_load_u64(bytes), mx_load_u64(bytes + 8), mx_load_u64(bytes + 16)};
    return ret->size && ret->size % MX_PAGE == 0 && ret->size <= HEAP_ALIGNMENT;
}

/* The chunks of a thread arena: heap after heap, the newest (with top) first. */
static void add_thread_spans(struct opener *opener, const struct mx_glibc_arena *arena, uint32_t index)
{
    mx_addr first = arena->address & ~(HEAP_ALIGNMENT - 1), info = arena->address - first;
    mx_addr address = arena->top & ~(HEAP_ALIGNMENT - 1);
    mx_addr after_state = arena->address + opener->state_from_bins + STATE_END_AFTER;
    uint64_t most = arena->system_mem / MX_PAGE + 1;
    struct heap heap;
    for (uint64_t i = 0; address && i < most; i++) {
        if (!read_heap(opener, address, &heap) || heap.arena != arena->address) {
            opener->ret->walk_errors++;
            return;
        }
        add_taken(opener, address, address + HEAP_ALIGNMENT);
        add_extent(opener, address, address + heap.size, address + HEAP_ALIGNMENT, index);
        mx_addr start = address == first ? (after_state + 15) & ~(mx_addr)15 : address + info;
        bool newest = i == 0;
        add_spans(opener, start, newest ? arena->top : address + heap.size, index, !newest);
        address = address == first ? 0 : heap.prev;
    }
}

static void add_fastbins(struct opener *opener, mx_addr bins, uint64_t system_mem)
{
    uint8_t heads[FASTBIN_COUNT * 8];
    size_t before = opener->ret->cached.count;
    if (opener->state_from_bins == STATE_FROM_BINS_SLOW ||
        !mx_chunk_peek(opener->memory, bins - FASTBINS_BEFORE, sizeof(heads), heads))
        return;
    for (size_t bin = 0; bin < FASTBIN_COUNT; bin++) {
        mx_addr chunk = mx_load_u64(heads + bin * 8);
        if (chunk && !mx_chunk_chain(opener->ret, chunk + MX_CHUNK_HEADER, (bin + 2) * 16, MX_CHUNK_HEADER,
                                     system_mem / MX_CHUNK_LEAST + 1))
            opener->no_memory = true;
    }
    for (size_t i = before; i < opener->ret->cached.count; i++)
        opener->no_memory |= !mx_array_push(&opener->ret->fast, opener->ret->cached.items[i]);
}

/* Reads the arena whose struct is at `address`, and everything in it. *ret_next is the next of the ring, or 0. */
static void add_arena(struct opener *opener, mx_addr address, mx_addr *ret_next)
{
    mx_addr bins = address + opener->state_from_bins;
    struct mx_glibc_arena arena = {.address = address};
    uint32_t index = (uint32_t)opener->ret->arenas.count;
    uint8_t top[8], rest[SYSTEM_MEM_AFTER + 8 - NEXT_AFTER];
    *ret_next = 0;
    if (!mx_chunk_peek(opener->memory, bins - TOP_BEFORE, sizeof(top), top) ||
        !mx_chunk_peek(opener->memory, bins + NEXT_AFTER, sizeof(rest), rest))
        return;
    arena.top = mx_load_u64(top);
    arena.system_mem = mx_load_u64(rest + (SYSTEM_MEM_AFTER - NEXT_AFTER));
    arena.threads = mx_load_u64(rest + (THREADS_AFTER - NEXT_AFTER));
    *ret_next = mx_load_u64(rest);
    if (!mx_array_push(&opener->ret->arenas, arena)) {
        opener->no_memory = true;
        return;
    }
    if (index == 0)
        add_main_spans(opener, &arena);
    else
        add_thread_spans(opener, &arena, index);
    add_fastbins(opener, bins, arena.system_mem);
}

static bool is_thread_arena(const struct opener *opener, mx_addr address)
{
    struct heap heap;
    mx_addr base = address & ~(HEAP_ALIGNMENT - 1);
    return address - base < MX_PAGE && address % 16 == 0 && read_heap(opener, base, &heap) && heap.arena == address;
}

/* Whether the arenas' ring, read with this distance of `bins` from the struct's start, comes back to main_arena. */
static bool ring_closes(const struct opener *opener, mx_addr bins, uint64_t state_from_bins)
{
    mx_addr next = mx_memory_pointer(opener->memory, bins + NEXT_AFTER);
    for (int i = 0; i < MOST_THREAD_ARENAS && next != bins - state_from_bins; i++) {
        if (!is_thread_arena(opener, next))
            return false;
        next = mx_memory_pointer(opener->memory, next + state_from_bins + NEXT_AFTER);
    }
    return next == bins - state_from_bins;
}

static bool is_known(const struct mx_glibc *glibc, mx_addr arena)
{
    for (size_t i = 0; i < glibc->arenas.count; i++)
        if (glibc->arenas.items[i].address == arena)
            return true;
    return false;
}

static uint64_t find_state(const struct opener *opener, mx_addr bins)
{
    static const uint64_t others[] = {STATE_FROM_BINS_OLD, STATE_FROM_BINS_SLOW};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (ring_closes(opener, bins, others[i]))
            return others[i];
    return STATE_FROM_BINS_MODERN;
}

static void add_arenas(struct opener *opener, mx_addr bins)
{
    opener->state_from_bins = find_state(opener, bins);
    mx_addr main_arena = bins - opener->state_from_bins, next;
    add_arena(opener, main_arena, &next);
    opener->ret->found = opener->ret->arenas.count;
    while (next && next != main_arena && !opener->no_memory) {
        if (is_known(opener->ret, next) || !is_thread_arena(opener, next)) {
            opener->ret->walk_errors++;
            return;
        }
        add_arena(opener, next, &next);
    }
}

/* A brk heap begins with the main thread's tcache, whatever else a cut core has lost. */
static bool begins_with_tcache(const struct opener *opener, mx_addr start)
{
    uint8_t header[MX_CHUNK_HEADER];
    if (!mx_chunk_peek(opener->memory, start, sizeof(header), header) || mx_load_u64(header))
        return false;
    uint64_t field = mx_load_u64(header + 8);
    return field == (0x290 | MX_CHUNK_PREV_INUSE) || field == (0x250 | MX_CHUNK_PREV_INUSE);
}

/* libc's data is lost: what can still be recognised is the brk heap by its first chunk, and the heaps of threads. */
static void add_without_main_arena(struct opener *opener)
{
    struct mx_glibc *ret = opener->ret;
    mx_addr next;
    opener->state_from_bins = STATE_FROM_BINS_MODERN;
    for (size_t i = 0; i < opener->memory->regions.count; i++) {
        const struct mx_region *region = &opener->memory->regions.items[i];
        if (!mx_chunk_anonymous(region) || ret->arenas.count || !begins_with_tcache(opener, region->start))
            continue;
        struct mx_glibc_arena arena = {.system_mem = region->end - region->start};
        opener->no_memory |= !mx_array_push(&ret->arenas, arena);
        add_taken(opener, region->start, region->end);
        add_extent(opener, region->start, region->end, region->end, 0);
        add_spans(opener, region->start, region->end, 0, true);
    }
    for (size_t i = 0; ret->arenas.count && i < opener->memory->regions.count; i++) {
        const struct mx_region *region = &opener->memory->regions.items[i];
        mx_addr heap = (region->start + HEAP_ALIGNMENT - 1) & ~(HEAP_ALIGNMENT - 1);
        for (; mx_chunk_anonymous(region) && heap < region->end; heap += HEAP_ALIGNMENT) {
            mx_addr arena = mx_memory_pointer(opener->memory, heap);
            if (arena - heap < MX_PAGE && is_thread_arena(opener, arena) && !is_known(ret, arena))
                add_arena(opener, arena, &next);
        }
    }
    ret->found = ret->arenas.count;
}

static int by_start(const void *left, const void *right)
{
    const struct mx_range *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int by_span_start(const void *left, const void *right)
{
    const struct mx_chunk_span *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int by_extent_start(const void *left, const void *right)
{
    const struct mx_malloc_extent *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int by_value(const void *left, const void *right)
{
    mx_addr a = *(const mx_addr *)left, b = *(const mx_addr *)right;
    return (a > b) - (a < b);
}

static void sort_taken(struct opener *opener)
{
    if (opener->taken.items)
        qsort(opener->taken.items, opener->taken.count, sizeof(*opener->taken.items), by_start);
}

/* Whether main_arena's chunks begin at `page`: nothing is in front of the first, and no flag but PREV_INUSE is set. */
static bool begins_segment(struct opener *opener, mx_addr page, mx_addr limit)
{
    uint8_t header[MX_CHUNK_HEADER];
    return mx_chunk_peek(opener->memory, page, sizeof(header), header) && !mx_load_u64(header) &&
           (mx_load_u64(header + 8) & MX_CHUNK_FLAGS) == MX_CHUNK_PREV_INUSE &&
           mx_chunk_plausible(opener->memory, page, limit);
}

/* Adds the segments of main_arena in [page, limit), which nothing else has taken. Each ends in fenceposts or in top. */
static void add_segments(struct opener *opener, mx_addr page, mx_addr limit)
{
    mx_addr top = opener->ret->arenas.items[0].top;
    while (page < limit) {
        mx_addr end = page, stop = top > page && top < limit ? top : limit;
        if (begins_segment(opener, page, stop)) {
            end = add_spans(opener, page, stop, 0, stop != top);
            uint64_t left = end == top ? top_size(opener, top) : 0;
            end = left < limit - end ? end + left : limit;
            add_taken(opener, page, end);
            add_extent(opener, page, end, end, 0);
        }
        mx_addr seen = end > page ? end - 1 : page;
        mx_addr last_page = seen & ~(mx_addr)(MX_PAGE - 1);
        page = limit - last_page > MX_PAGE ? last_page + MX_PAGE : limit;
    }
}

/* Where brk failed, malloc went on in mmapped segments, which nothing lists: looks for them where nothing else is. */
static void add_main_pieces(struct opener *opener)
{
    size_t next = 0, taken = opener->taken.count;
    for (size_t i = 0; i < opener->memory->regions.count; i++) {
        const struct mx_region *region = &opener->memory->regions.items[i];
        mx_addr at = (region->start + MX_PAGE - 1) & ~(mx_addr)(MX_PAGE - 1);
        if (!mx_chunk_anonymous(region) || (region->flags & MX_REGION_STACK))
            continue;
        for (; next < taken && opener->taken.items[next].start < region->end; next++) {
            struct mx_range range = opener->taken.items[next];
            add_segments(opener, at, range.start);
            at = range.end > at ? (range.end + MX_PAGE - 1) & ~(mx_addr)(MX_PAGE - 1) : at;
        }
        add_segments(opener, at, region->end);
    }
    sort_taken(opener);
}

static void add_tcaches(struct opener *opener)
{
    for (size_t i = 0; i < opener->tcaches.count && !opener->no_memory; i++) {
        const struct mx_range *chunk = &opener->tcaches.items[i];
        opener->no_memory |= !mx_chunk_tcache(opener->ret, chunk->start, chunk->end - chunk->start);
    }
    if (opener->ret->cached.items)
        qsort(opener->ret->cached.items, opener->ret->cached.count, sizeof(mx_addr), by_value);
    if (opener->ret->fast.items)
        qsort(opener->ret->fast.items, opener->ret->fast.count, sizeof(mx_addr), by_value);
}

static void append(struct mx_glibc *ret, const char *before, const char *text, const char *behind)
{
    size_t length = strlen(ret->name);
    snprintf(ret->name + length, sizeof(ret->name) - length, "%s%s%s", before, text, behind);
}

/* Finds the arenas, if malloc is glibc's, and names what it is. */
static void open_arenas(struct opener *opener, const struct mx_modules *modules)
{
    struct mx_glibc *ret = opener->ret;
    struct mx_known_malloc known;
    mx_known_malloc_find(modules, &known);
    if (!known.libc) {
        const char *name = known.other ? known.other : known.musl ? "musl" : "unknown malloc, no libc.so.6";
        snprintf(ret->name, sizeof(ret->name), "%s (not walked)", name);
        /* A core may be cut so short that it names no module at all. */
        if (!modules->modules.count)
            add_without_main_arena(opener);
        if (ret->found)
            snprintf(ret->name, sizeof(ret->name), "glibc (by its heap only)");
        return;
    }
    mx_known_glibc_name(known.libc, ret->name, sizeof(ret->name));
    ret->plain_links |= mx_known_plain_links(ret->name);
    uint32_t libc = (uint32_t)(known.libc - modules->modules.items);
    ret->bins = find_main_bins(opener->memory, modules, libc, ret->bins);
    if (ret->bins)
        add_arenas(opener, ret->bins);
    else if (!known.other)
        add_without_main_arena(opener);
    if (known.other && (!ret->arenas.count || !ret->arenas.items[0].system_mem))
        ret->found = false;
    if (known.other && !ret->found)
        snprintf(ret->name, sizeof(ret->name), "%s (not walked)", known.other);
    else if (known.other)
        append(ret, " beside ", known.other, " (not walked)");
    else if (!ret->found)
        append(ret, " (", "no arena found", ")");
}

void mx_glibc_close(struct mx_glibc *glibc)
{
    mx_array_free(&glibc->arenas);
    mx_array_free(&glibc->spans);
    mx_array_free(&glibc->extents);
    mx_array_free(&glibc->cached);
    mx_array_free(&glibc->fast);
}

struct mx_error *mx_glibc_open(const struct mx_memory *memory, const struct mx_modules *modules,
                               const struct mx_range *excluded, size_t excluded_count, struct mx_cursor *cursor,
                               struct mx_glibc *ret)
{
    *ret = (struct mx_glibc){.memory = memory, .bins = ret->bins, .plain_links = ret->plain_links};
    struct opener opener = {.memory = memory, .ret = ret, .reader = {.cursor = cursor}};
    open_arenas(&opener, modules);
    for (size_t i = 0; ret->found && i < excluded_count; i++)
        add_taken(&opener, excluded[i].start, excluded[i].end);
    if (ret->found && !opener.no_memory) {
        sort_taken(&opener);
        if (opener.in_pieces)
            add_main_pieces(&opener);
        opener.no_memory |= !mx_chunk_find_mmapped(ret, opener.taken.items, opener.taken.count);
        add_tcaches(&opener);
        if (ret->spans.items)
            qsort(ret->spans.items, ret->spans.count, sizeof(*ret->spans.items), by_span_start);
        if (ret->extents.items)
            qsort(ret->extents.items, ret->extents.count, sizeof(*ret->extents.items), by_extent_start);
    }
    mx_array_free(&opener.taken);
    mx_array_free(&opener.tcaches);
    if (!opener.no_memory)
        return NULL;
    mx_glibc_close(ret);
    return mx_error_no_memory();
}
