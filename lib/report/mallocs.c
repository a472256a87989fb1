/* SPDX-License-Identifier: Apache-2.0
 *
 * What glibc's arenas hold: used, free, cached, and what malloc_trim would give back. It does not look into chunks.
 */
#include "heap/target.h"
#include "memory/resident.h"
#include "report/trim.h"

enum {
    CHUNK_SIZE = 8,    /* from a chunk's usable bytes to all of it */
    CHUNK_HEADER = 16, /* from a chunk to its user memory */
    LEAST_TOP = 33,    /* what malloc_trim leaves of top: MINSIZE + 1 (glibc malloc/malloc.c: systrim()) */
};

struct mx_malloc {
    MX_ARRAY(struct mx_malloc_arena) arenas;
    struct mx_malloc_info info;
};

struct walk {
    const struct mx_target *target;
    const struct mx_glibc *glibc;
    struct mx_malloc *report;
    struct mx_resident resident;
    struct mx_malloc_arena *arena;
    struct mx_trim_run run; /* of free chunks, the last one in it */
};

/* Counts the pages of [start, end) that are in RAM to what malloc_trim would give back, if it would. */
static void add_pages(struct walk *walk, mx_addr start, mx_addr end, bool returns)
{
    uint64_t resident = mx_resident_bytes(&walk->resident, start, end);
    walk->arena->absent += walk->report->info.knows_resident ? end - start - resident : 0;
    walk->arena->returnable += returns ? resident : 0;
}

static void add_run(struct walk *walk, const struct mx_trim_run *run)
{
    mx_addr from, until;
    if (!mx_trim_pages(run, &from, &until))
        return;
    walk->arena->whole_pages += until - from;
    add_pages(walk, from, until, true);
}

static void add_free_chunk(struct walk *walk, mx_addr start, mx_addr end)
{
    struct mx_trim_run old;
    if (!mx_trim_add(&walk->run, start, end, &old))
        add_run(walk, &old);
}

static bool add_chunk(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    struct walk *walk = context;
    struct mx_malloc_arena *arena = walk->arena;
    uint64_t size = chunk->size + CHUNK_SIZE;
    mx_addr start = chunk->address - CHUNK_HEADER;
    (void)bytes;
    if (chunk->used) {
        arena->used += size;
        arena->used_chunks++;
    } else if (!chunk->cached) {
        arena->free += size;
        arena->free_chunks++;
        arena->largest_free = size > arena->largest_free ? size : arena->largest_free;
        add_free_chunk(walk, start, start + size);
    } else if (mx_glibc_is_fast(walk->glibc, chunk->address)) {
        arena->fast += size;
        arena->fast_chunks++;
        add_free_chunk(walk, start, start + size);
    } else {
        arena->tcache += size;
        arena->tcache_chunks++;
    }
    return true;
}

static void add_mapped(struct walk *walk, const struct mx_chunk_span *span)
{
    struct mx_malloc_info *info = &walk->report->info;
    uint64_t bytes = span->end - mx_glibc_mapping_start(walk->glibc, span);
    info->mapped_chunks++;
    info->mapped_bytes += bytes;
    info->largest_mapped = bytes > info->largest_mapped ? bytes : info->largest_mapped;
}

static bool add_arenas(struct walk *walk)
{
    const struct mx_glibc *glibc = walk->glibc;
    for (size_t i = 0; i < glibc->arenas.count; i++) {
        const struct mx_glibc_arena *found = &glibc->arenas.items[i];
        struct mx_malloc_arena arena = {.address = found->address,
                                        .main = i == 0,
                                        .threads = found->threads,
                                        .system = found->system_mem,
                                        .top = mx_glibc_top_size(glibc, found)};
        if (!mx_array_push(&walk->report->arenas, arena))
            return false;
    }
    for (size_t i = 0; i < glibc->extents.count; i++)
        if (glibc->extents.items[i].arena < walk->report->arenas.count)
            walk->report->arenas.items[glibc->extents.items[i].arena].heaps++;
    return true;
}

/* What is left of an arena's bytes, and the pages of top: malloc_trim gives back the main arena's only. */
static void finish(struct walk *walk, size_t index)
{
    struct mx_malloc_arena *arena = &walk->report->arenas.items[index];
    uint64_t known = arena->used + arena->free + arena->tcache + arena->fast + arena->top;
    arena->other = arena->system > known ? arena->system - known : 0;
    arena->system = known + arena->other;
    if (arena->top < LEAST_TOP)
        return;
    mx_addr end = walk->glibc->arenas.items[index].top + arena->top;
    uint64_t pages = (arena->top - LEAST_TOP) & ~(uint64_t)(MX_PAGE - 1);
    walk->arena = arena;
    add_pages(walk, end - pages, end, arena->main);
}

static struct mx_error *visit(struct walk *walk, struct mx_work *work)
{
    const struct mx_glibc *glibc = walk->glibc;
    struct mx_cursor cursor;
    if (!add_arenas(walk))
        return mx_error_no_memory();
    mx_cursor_init(&cursor, walk->target->memory);
    for (size_t i = 0; i < glibc->spans.count; i++) {
        const struct mx_chunk_span *span = &glibc->spans.items[i];
        if (span->arena == MX_ARENA_MMAPPED) {
            add_mapped(walk, span);
        } else if (span->arena < walk->report->arenas.count) {
            walk->arena = &walk->report->arenas.items[span->arena];
            mx_glibc_walk(glibc, span, &cursor, work, add_chunk, walk);
            add_run(walk, &walk->run);
            walk->run = (struct mx_trim_run){0};
        }
    }
    mx_cursor_deinit(&cursor);
    for (size_t i = 0; i < walk->report->arenas.count; i++)
        finish(walk, i);
    return mx_work_step(work, 0) ? NULL : mx_error_cancelled();
}

static uint64_t bytes_of_chunks(const struct mx_glibc *glibc)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < glibc->spans.count; i++)
        if (glibc->spans.items[i].arena != MX_ARENA_MMAPPED)
            bytes += glibc->spans.items[i].end - glibc->spans.items[i].start;
    return bytes;
}

static struct mx_error *make(struct mx_target *target, const struct mx_progress *progress, struct mx_malloc *report)
{
    struct walk walk = {.target = target, .glibc = &target->allocators.glibc, .report = report};
    struct mx_work work;
    report->info.name = walk.glibc->name;
    report->info.broken = walk.glibc->walk_errors;
    if (!walk.glibc->found)
        return NULL;
    MX_TRY(mx_resident_open(target->memory, target->path ? 0 : target->threads.pid, &walk.resident));
    report->info.knows_resident = !target->path && walk.resident.figures.rss && !walk.resident.guessed;
    mx_work_begin(&work, progress, "walking malloc's memory", bytes_of_chunks(walk.glibc));
    struct mx_error *error = visit(&walk, &work);
    mx_resident_deinit(&walk.resident);
    return error;
}

struct mx_error *mx_malloc_open(struct mx_target *target, const struct mx_progress *progress, struct mx_malloc **ret)
{
    struct mx_malloc *report = mx_calloc(1, sizeof(*report));
    if (!report)
        return mx_error_no_memory();
    struct mx_error *error = make(target, progress, report);
    if (error) {
        mx_malloc_close(report);
        return error;
    }
    *ret = report;
    return NULL;
}

const struct mx_malloc_arena *mx_malloc_arenas(const struct mx_malloc *report, size_t *count)
{
    *count = report->arenas.count;
    return report->arenas.items;
}

void mx_malloc_info(const struct mx_malloc *report, struct mx_malloc_info *ret)
{
    *ret = report->info;
}

void mx_malloc_close(struct mx_malloc *report)
{
    if (!report)
        return;
    mx_array_free(&report->arenas);
    free(report);
}
