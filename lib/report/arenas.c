/* SPDX-License-Identifier: Apache-2.0
 *
 * pymalloc's arenas: how full they are, and which types' blocks keep those that are nearly empty.
 */
#include <stdlib.h>

#include "report/ledger.h"

enum {
    NEARLY_EMPTY = 10, /* one part of so many is used */
    MOSTLY_USED = 2,   /* an arena was filled once when at most one part of so many was never used */
};

struct mx_pymalloc {
    MX_ARRAY(struct mx_pymalloc_arena) arenas;
    MX_ARRAY(struct mx_pymalloc_keeper) keepers;
    struct mx_pymalloc_info info;
    struct mx_strtab names;
};

/* Of one type, in the arena that is looked at. */
struct tally {
    uint64_t count, bytes;
    mx_addr example;
};

struct count {
    const struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_pymalloc *report;
    struct mx_work work;
    uint32_t raw;          /* the number behind the last type's: blocks of C data */
    struct tally *tallies; /* by type's number */
    struct mx_pymalloc_keeper *keepers;
    MX_ARRAY(uint32_t) touched; /* types that the arena has */
    bool no_memory;
};

static const char *name_of(struct count *count, uint32_t type)
{
    const char *name = type < count->raw ? count->heap->types.items[type].name : "raw block";
    const char *kept = mx_strtab_add(&count->report->names, name, strlen(name));
    count->no_memory |= !kept;
    return kept ? kept : "";
}

static void add_block(struct count *count, const struct mx_span *span, uint32_t block)
{
    uint32_t type = mx_heap_type_of(count->heap, block);
    type = type < count->raw ? type : count->raw;
    struct tally *tally = &count->tallies[type];
    if (!tally->count++) {
        tally->example = type < count->raw ? mx_heap_object(count->heap, span, block, type)
                                           : mx_block_address(&count->heap->spans, span, block);
        count->no_memory |= !mx_array_push(&count->touched, type);
    }
    tally->bytes += span->block_size;
}

static void add_pool(struct count *count, const struct mx_span *span, struct mx_pymalloc_arena *arena)
{
    const struct mx_pymalloc_facts *facts = &count->target->allocators.facts;
    struct mx_pymalloc_info *info = &count->report->info;
    uint64_t room = facts->pool_size - facts->header_size, blocks = room / span->block_size, used = 0;
    for (uint32_t block = span->first; block < span->first + span->count; block++) {
        if (count->heap->kinds[block] == MX_BLOCK_FREE)
            continue;
        used++;
        add_block(count, span, block);
    }
    arena->used_pools++;
    arena->used_blocks += used;
    arena->used_bytes += used * span->block_size;
    arena->free_bytes += (blocks - used) * span->block_size;
    info->free_blocks += blocks - used;
    info->header_bytes += facts->header_size;
    info->tail_bytes += room - blocks * span->block_size;
}

/* A pool that is not in use, or not there. */
static void add_other_pool(struct count *count, mx_addr pool)
{
    const struct mx_region *region = mx_memory_region(count->target->memory, pool);
    bool is_there = region && !(region->flags & MX_REGION_MISSING);
    *(is_there ? &count->report->info.free_pool_bytes : &count->report->info.missing_bytes) +=
        count->target->allocators.facts.pool_size;
    count->report->info.free_pools += is_there;
}

static void add_pools(struct count *count, mx_addr start, mx_addr end, struct mx_pymalloc_arena *arena)
{
    const struct mx_pymalloc_facts *facts = &count->target->allocators.facts;
    const struct mx_spans *spans = &count->heap->spans;
    size_t next = mx_first_span(count->heap, start);
    for (mx_addr pool = start; pool < end && end - pool >= facts->pool_size; pool += facts->pool_size) {
        const struct mx_span *span = next < spans->spans.count ? &spans->spans.items[next] : NULL;
        arena->pools++;
        if (span && span->kind == MX_SPAN_POOL && span->start == pool + facts->header_size && span->block_size) {
            add_pool(count, span, arena);
            next++;
        } else {
            add_other_pool(count, pool);
        }
    }
}

/* The types of a nearly empty arena are what keeps it. */
static void add_keepers(struct count *count)
{
    for (size_t i = 0; i < count->touched.count; i++) {
        uint32_t type = count->touched.items[i];
        struct mx_pymalloc_keeper *keeper = &count->keepers[type];
        keeper->arenas++;
        keeper->alone += count->touched.count == 1;
        keeper->count += count->tallies[type].count;
        keeper->bytes += count->tallies[type].bytes;
        keeper->example = keeper->example ? keeper->example : count->tallies[type].example;
    }
}

/* Names what takes most, and forgets the types. */
static void name_largest(struct count *count, struct mx_pymalloc_arena *arena)
{
    uint32_t largest = count->raw;
    for (size_t i = 0; i < count->touched.count; i++)
        if (count->tallies[count->touched.items[i]].bytes > count->tallies[largest].bytes)
            largest = count->touched.items[i];
    struct tally tally = count->tallies[largest];
    arena->type = tally.count ? name_of(count, largest) : "";
    arena->type_count = tally.count;
    arena->type_bytes = tally.bytes;
    arena->example = tally.example;
    for (size_t i = 0; i < count->touched.count; i++)
        count->tallies[count->touched.items[i]] = (struct tally){0};
    count->touched.count = 0;
}

static bool is_nearly_empty(const struct mx_pymalloc_arena *arena)
{
    return arena->used_bytes && arena->used_bytes <= arena->bytes / NEARLY_EMPTY &&
           arena->unused_pools <= arena->pools / MOSTLY_USED;
}

static void sum_up(struct mx_pymalloc_info *info, const struct mx_pymalloc_arena *arena)
{
    info->arenas++;
    info->arena_bytes += arena->bytes;
    info->used_bytes += arena->used_bytes;
    info->free_bytes += arena->free_bytes;
    info->used_blocks += arena->used_blocks;
    info->used_pools += arena->used_pools;
    if (!arena->nearly_empty)
        return;
    info->nearly_empty++;
    info->nearly_empty_bytes += arena->bytes;
    info->nearly_empty_used += arena->used_bytes;
}

/* Arenas that were found by their pools end with the last pool that is used. */
static bool add_arena(struct count *count, const struct mx_arena *found)
{
    const struct mx_allocators *allocators = &count->target->allocators;
    bool whole = allocators->arenas.from_array;
    mx_addr end = whole ? found->address + allocators->facts.arena_size : found->pools_end;
    struct mx_pymalloc_arena arena = {.address = found->address, .bytes = end - found->address};
    add_pools(count, found->pools, end, &arena);
    arena.unused_pools = (uint32_t)((end - found->pools_end) / allocators->facts.pool_size);
    arena.nearly_empty = is_nearly_empty(&arena);
    count->report->info.alignment_bytes += arena.bytes - (uint64_t)arena.pools * allocators->facts.pool_size;
    if (arena.nearly_empty)
        add_keepers(count);
    name_largest(count, &arena);
    sum_up(&count->report->info, &arena);
    count->no_memory |= !mx_array_push(&count->report->arenas, arena);
    return !count->no_memory;
}

static int compare_keepers(const void *a, const void *b)
{
    const struct mx_pymalloc_keeper *left = a, *right = b;
    if (left->arenas != right->arenas)
        return left->arenas < right->arenas ? 1 : -1;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return strcmp(left->type, right->type);
}

static void list_keepers(struct count *count)
{
    struct mx_pymalloc *report = count->report;
    for (uint32_t type = 0; type <= count->raw; type++) {
        struct mx_pymalloc_keeper *keeper = &count->keepers[type];
        if (!keeper->arenas)
            continue;
        keeper->type = name_of(count, type);
        count->no_memory |= !mx_array_push(&report->keepers, *keeper);
    }
    if (report->keepers.count)
        qsort(report->keepers.items, report->keepers.count, sizeof(*report->keepers.items), compare_keepers);
}

static struct mx_error *visit(struct count *count)
{
    const struct mx_arenas *arenas = &count->target->allocators.arenas;
    count->tallies = mx_calloc((size_t)count->raw + 1, sizeof(*count->tallies));
    count->keepers = mx_calloc((size_t)count->raw + 1, sizeof(*count->keepers));
    if (!count->tallies || !count->keepers)
        return mx_error_no_memory();
    for (size_t i = 0; i < arenas->arenas.count; i++) {
        if (!add_arena(count, &arenas->arenas.items[i]))
            return mx_error_no_memory();
        if (!mx_work_step(&count->work, 1))
            return mx_error_cancelled();
    }
    list_keepers(count);
    return count->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_pymalloc_open(struct mx_target *target, const struct mx_heap *heap,
                                  const struct mx_progress *progress, struct mx_pymalloc **ret)
{
    struct count count = {.target = target, .heap = heap, .raw = (uint32_t)heap->types.count};
    count.report = mx_calloc(1, sizeof(*count.report));
    if (!count.report)
        return mx_error_no_memory();
    count.report->info.from_table = target->allocators.arenas.from_array;
    mx_work_begin(&count.work, progress, "looking through arenas", target->allocators.arenas.arenas.count);
    struct mx_error *error = visit(&count);
    free(count.tallies);
    free(count.keepers);
    mx_array_free(&count.touched);
    if (error) {
        mx_pymalloc_close(count.report);
        return error;
    }
    *ret = count.report;
    return NULL;
}

const struct mx_pymalloc_arena *mx_pymalloc_arenas(const struct mx_pymalloc *pymalloc, size_t *count)
{
    *count = pymalloc->arenas.count;
    return pymalloc->arenas.items;
}

const struct mx_pymalloc_keeper *mx_pymalloc_keepers(const struct mx_pymalloc *pymalloc, size_t *count)
{
    *count = pymalloc->keepers.count;
    return pymalloc->keepers.items;
}

void mx_pymalloc_info(const struct mx_pymalloc *pymalloc, struct mx_pymalloc_info *ret)
{
    *ret = pymalloc->info;
}

void mx_pymalloc_close(struct mx_pymalloc *pymalloc)
{
    if (!pymalloc)
        return;
    mx_array_free(&pymalloc->arenas);
    mx_array_free(&pymalloc->keepers);
    mx_strtab_deinit(&pymalloc->names);
    free(pymalloc);
}
