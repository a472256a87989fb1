/* SPDX-License-Identifier: Apache-2.0
 *
 * pymalloc's and mimalloc's geometry as plain numbers, and the order of things: their memory first, then malloc
 * around it.
 */
#include "heap/allocators.h"

#include <stdlib.h>

static struct mx_pymalloc_facts pymalloc_facts(const struct mx_layout *layout)
{
    struct mx_pymalloc_facts facts = {
        .pool_size = layout->pool_size,
        .arena_size = layout->arena_size,
        .header_size = (uint32_t)layout->pymalloc_pool.size,
        .ref_count = (uint32_t)layout->pymalloc_pool.ref_count,
        .freeblock = (uint32_t)layout->pymalloc_pool.freeblock,
        .nextpool = (uint32_t)layout->pymalloc_pool.nextpool,
        .prevpool = (uint32_t)layout->pymalloc_pool.prevpool,
        .arenaindex = (uint32_t)layout->pymalloc_pool.arenaindex,
        .szidx = (uint32_t)layout->pymalloc_pool.szidx,
        .nextoffset = (uint32_t)layout->pymalloc_pool.nextoffset,
        .maxnextoffset = (uint32_t)layout->pymalloc_pool.maxnextoffset,
        .arena_object_size = (uint32_t)layout->pymalloc_arena.size,
        .address = (uint32_t)layout->pymalloc_arena.address,
        .pool_address = (uint32_t)layout->pymalloc_arena.pool_address,
        .nfreepools = (uint32_t)layout->pymalloc_arena.nfreepools,
        .ntotalpools = (uint32_t)layout->pymalloc_arena.ntotalpools,
        .freepools = (uint32_t)layout->pymalloc_arena.freepools,
    };
    if (layout->obmalloc_state.usedpools != MX_ABSENT) {
        uint32_t base = (uint32_t)layout->obmalloc_state.usedpools;
        facts.arenas_after_usedpools = (uint32_t)layout->obmalloc_state.arenas - base;
        facts.maxarenas_after_usedpools = (uint32_t)layout->obmalloc_state.maxarenas - base;
    }
    return facts;
}

static uint32_t present(int32_t offset)
{
    return offset == MX_ABSENT ? 0 : (uint32_t)offset;
}

static struct mx_mimalloc_facts mimalloc_facts(const struct mx_layout *layout)
{
    return (struct mx_mimalloc_facts){
        .present = layout->mimalloc_segment.slices > 0 && layout->mimalloc_page.size > 0,
        .cookie = present(layout->mimalloc_segment.cookie),
        .segment_slices = present(layout->mimalloc_segment.segment_slices),
        .segment_info_slices = present(layout->mimalloc_segment.segment_info_slices),
        .slice_entries = present(layout->mimalloc_segment.slice_entries),
        .thread_id = present(layout->mimalloc_segment.thread_id),
        .slices = present(layout->mimalloc_segment.slices),
        .page_size = present(layout->mimalloc_page.size),
        .slice_count = present(layout->mimalloc_page.slice_count),
        .slice_offset = present(layout->mimalloc_page.slice_offset),
        .capacity = present(layout->mimalloc_page.capacity),
        .reserved = present(layout->mimalloc_page.reserved),
        .free = present(layout->mimalloc_page.free),
        .local_free = present(layout->mimalloc_page.local_free),
        .xthread_free = present(layout->mimalloc_page.xthread_free),
        .xheap = present(layout->mimalloc_page.xheap),
        .used = present(layout->mimalloc_page.used),
        .block_size = present(layout->mimalloc_page.block_size),
        .page_start = present(layout->mimalloc_page.page_start),
        .heap_tag = present(layout->mimalloc_page.heap_tag),
        .page_keys = present(layout->mimalloc_page.keys),
        .delayed_free = present(layout->mimalloc_heap.thread_delayed_free),
        .heap_keys = present(layout->mimalloc_heap.keys),
    };
}

static struct mx_error *find_pymalloc(const struct mx_runtime *runtime, const struct mx_allocator_places *places,
                                      struct mx_allocators *ret)
{
    ret->facts = pymalloc_facts(&runtime->layout);
    ret->arenas.places = places ? places->arenas : (struct mx_arena_places){0};
    return mx_arenas_find(&ret->facts, runtime->memory, runtime->modules, runtime->obmalloc_states.items,
                          runtime->obmalloc_states.count, &ret->arenas);
}

/* A process without mimalloc is not searched for it. */
static struct mx_error *find_mimalloc(const struct mx_runtime *runtime, struct mx_allocators *ret)
{
    struct mx_mimalloc_facts facts = mimalloc_facts(&runtime->layout);
    facts.present = facts.present && runtime->allocator == MX_ALLOCATOR_MIMALLOC;
    return mx_mimalloc_open(&facts, runtime->memory, &ret->mimalloc);
}

struct excluded {
    MX_ARRAY(struct mx_range) ranges;
};

static int compare_ranges(const void *a, const void *b)
{
    mx_addr left = ((const struct mx_range *)a)->start, right = ((const struct mx_range *)b)->start;
    return left < right ? -1 : left > right;
}

static bool exclude(struct excluded *excluded, mx_addr start, mx_addr end)
{
    return start >= end || mx_array_push(&excluded->ranges, (struct mx_range){start, end});
}

/* Arenas, segments and stacks are no malloc memory: nothing in them is to be taken for a chunk. Sorted. */
static bool exclude_all(const struct mx_memory *memory, const struct mx_threads *threads,
                        const struct mx_allocators *allocators, struct excluded *ret)
{
    bool ok = true;
    for (size_t i = 0; ok && i < allocators->arenas.arenas.count; i++) {
        mx_addr start = allocators->arenas.arenas.items[i].address;
        ok = exclude(ret, start, start + allocators->facts.arena_size);
    }
    for (size_t i = 0; ok && i < allocators->mimalloc.segments.count; i++) {
        const struct mx_mi_segment *segment = &allocators->mimalloc.segments.items[i];
        ok = exclude(ret, segment->address, segment->end);
    }
    for (size_t i = 0; ok && threads && i < threads->threads.count; i++) {
        struct mx_range stack = {0};
        mx_thread_stack(memory, &threads->threads.items[i], &stack.start, &stack.end);
        ok = exclude(ret, stack.start, stack.end);
    }
    if (ret->ranges.count)
        qsort(ret->ranges.items, ret->ranges.count, sizeof(struct mx_range), compare_ranges);
    return ok;
}

static struct mx_error *find_glibc(const struct mx_runtime *runtime, const struct mx_threads *threads,
                                   const struct mx_allocator_places *places, struct mx_cursor *cursor,
                                   struct mx_allocators *ret)
{
    struct excluded excluded = {0};
    ret->glibc.bins = places ? places->bins : 0;
    ret->glibc.plain_links = places && places->plain_links;
    bool ok = exclude_all(runtime->memory, threads, ret, &excluded);
    struct mx_error *error = ok ? mx_glibc_open(runtime->memory, runtime->modules, excluded.ranges.items,
                                                excluded.ranges.count, cursor, &ret->glibc)
                                : mx_error_no_memory();
    mx_array_free(&excluded.ranges);
    return error;
}

struct mx_allocator_places mx_allocators_places(const struct mx_allocators *allocators)
{
    return (struct mx_allocator_places){allocators->arenas.places, allocators->glibc.bins,
                                        allocators->glibc.plain_links};
}

static struct mx_error *find_all(const struct mx_runtime *runtime, const struct mx_threads *threads,
                                 const struct mx_allocator_places *places, struct mx_cursor *cursor,
                                 struct mx_allocators *ret)
{
    if (!runtime->layout.free_threaded)
        MX_TRY(find_pymalloc(runtime, places, ret));
    MX_TRY(find_mimalloc(runtime, ret));
    return find_glibc(runtime, threads, places, cursor, ret);
}

struct mx_error *mx_allocators_open(const struct mx_runtime *runtime, const struct mx_threads *threads,
                                    const struct mx_allocator_places *places, struct mx_allocators *ret)
{
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, runtime->memory);
    struct mx_error *error = find_all(runtime, threads, places, &cursor, ret);
    mx_cursor_deinit(&cursor);
    return error;
}

struct mx_error *mx_allocators_reopen(const struct mx_runtime *runtime, struct mx_cursor *cursor,
                                      struct mx_allocators *allocators)
{
    struct mx_allocator_places places = mx_allocators_places(allocators);
    mx_allocators_close(allocators);
    *allocators = (struct mx_allocators){0};
    return find_all(runtime, NULL, &places, cursor, allocators);
}

void mx_allocators_close(struct mx_allocators *allocators)
{
    mx_glibc_close(&allocators->glibc);
    mx_mimalloc_close(&allocators->mimalloc);
    mx_arenas_deinit(&allocators->arenas);
}
