/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes the census: finds the allocators, cuts the memory into jobs (an arena, a
 * span of chunks, a module's data), lets the workers scan them, and puts their
 * blocks together in address order.
 */
#include "heap/census.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/pages.h"
#include "cpython/gc.h"
#include "cpython/size.h"
#include "heap/recall.h"
#include "heap/scan.h"
#include "heap/tracked.h"
#include "heap/typesearch.h"

enum job_kind { JOB_CHUNKS, JOB_STATIC, JOB_ARENA, JOB_SEGMENT, JOB_TRACKED };

struct job {
    enum job_kind kind;
    size_t index;             /* of the span, region, arena, segment or group */
    struct mx_listed listed;  /* chunks and static data: what was found */
    size_t first_span, spans; /* arenas, segments: in census.pool_spans */
    size_t first_kind;        /* arenas, segments: in census.pool_kinds */
};

struct census {
    struct mx_target *target;
    struct mx_heap *heap;
    struct mx_work work;
    const struct mx_allocators *allocators;
    struct mx_classifier classifier;
    uint64_t *fixed_sizes;
    struct mx_scan scan;
    MX_ARRAY(struct job) jobs; /* the long ones first, so that no worker is left with one at the end */
    _Atomic size_t next_job;
    struct mx_tracked tracked; /* where malloc's memory is not walked */
    struct mx_worker *workers;
    unsigned worker_count;
    struct mx_recall *recall; /* NULL: every pool is looked at, and what it holds goes to the next two */
    struct mx_span *pool_spans;
    uint16_t *pool_kinds; /* reserved for full arenas, touched only where blocks are */
    size_t pool_kinds_mapped;
};

static void deinit_census(struct census *census)
{
    for (size_t i = 0; i < census->jobs.count; i++) {
        mx_array_free(&census->jobs.items[i].listed.starts);
        mx_array_free(&census->jobs.items[i].listed.kinds);
    }
    mx_array_free(&census->jobs);
    mx_tracked_deinit(&census->tracked);
    for (unsigned i = 0; i < census->worker_count; i++)
        mx_worker_deinit(&census->workers[i]);
    free(census->workers);
    free(census->fixed_sizes);
    free(census->pool_spans);
    mx_pages_release(census->pool_kinds, census->pool_kinds_mapped);
    mx_classifier_close(&census->classifier);
}

/* Plain objects have one size: the inner loop need not ask. */
static struct mx_error *measure_fixed_sizes(struct census *census)
{
    const struct mx_types *types = &census->target->types;
    census->fixed_sizes = mx_calloc(types->types.count, sizeof(*census->fixed_sizes));
    if (!census->fixed_sizes)
        return mx_error_no_memory();
    for (size_t i = 0; i < types->types.count; i++)
        census->fixed_sizes[i] = mx_object_fixed_size(&types->types.items[i]);
    return NULL;
}

static bool add_job(struct census *census, enum job_kind kind, size_t index)
{
    return mx_array_push(&census->jobs, (struct job){.kind = kind, .index = index});
}

/* A damaged core can say that an arena's memory is a module's: spans of both would overlap. */
static bool is_static_data(const struct census *census, const struct mx_region *region)
{
    const struct mx_arenas *arenas = &census->allocators->arenas;
    size_t above = mx_arenas_above(arenas, region->start);
    bool begins_within =
        above && region->start - arenas->arenas.items[above - 1].address < census->allocators->facts.arena_size;
    return mx_region_is_module_data(region) && !begins_within &&
           (above == arenas->arenas.count || arenas->arenas.items[above].address >= region->end);
}

static struct mx_error *plan_jobs(struct census *census)
{
    const struct mx_memory *memory = census->target->memory;
    bool ok = true;
    for (size_t i = 0; ok && i < census->allocators->glibc.spans.count; i++)
        ok = add_job(census, JOB_CHUNKS, i);
    for (size_t i = 0; ok && i < memory->regions.count; i++)
        if (is_static_data(census, &memory->regions.items[i]))
            ok = add_job(census, JOB_STATIC, i);
    for (size_t i = 0; ok && i < census->allocators->arenas.arenas.count; i++)
        ok = add_job(census, JOB_ARENA, i);
    for (size_t i = 0; ok && i < census->allocators->mimalloc.segments.count; i++)
        ok = add_job(census, JOB_SEGMENT, i);
    for (size_t i = 0; ok && i < census->tracked.groups.count; i++)
        ok = add_job(census, JOB_TRACKED, i);
    return ok ? NULL : mx_error_no_memory();
}

static struct mx_scan_room room_of(const struct census *census, const struct job *job)
{
    const struct mx_allocators *allocators = census->allocators;
    if (job->kind == JOB_SEGMENT)
        return mx_scan_segment_room(&allocators->mimalloc, &allocators->mimalloc.segments.items[job->index]);
    if (job->kind != JOB_ARENA || census->recall)
        return (struct mx_scan_room){0, 0};
    const struct mx_arena *arena = &allocators->arenas.arenas.items[job->index];
    size_t pools = (arena->pools_end - arena->pools) / allocators->facts.pool_size;
    return (struct mx_scan_room){pools, pools * ((allocators->facts.pool_size - allocators->facts.header_size) / 16)};
}

/* Gives each arena and segment its places for spans and kinds: as many as they can have. A recall has the arenas' own.
 */
static struct mx_error *allot_pools(struct census *census)
{
    struct mx_scan_room sum = {0, 0};
    if (census->recall)
        MX_TRY(mx_recall_begin(census->recall, &census->target->types, &census->allocators->arenas,
                               census->allocators->facts.pool_size));
    for (size_t i = 0; i < census->jobs.count; i++) {
        struct job *job = &census->jobs.items[i];
        struct mx_scan_room room = room_of(census, job);
        job->first_span = sum.spans;
        job->first_kind = sum.blocks;
        sum.spans += room.spans;
        sum.blocks += room.blocks;
    }
    census->pool_spans = mx_calloc(sum.spans, sizeof(*census->pool_spans));
    census->pool_kinds_mapped = sum.blocks * sizeof(*census->pool_kinds) + 1;
    census->pool_kinds = mx_pages_reserve_sparse(census->pool_kinds_mapped);
    return census->pool_spans && census->pool_kinds ? NULL : mx_error_no_memory();
}

static struct mx_error *make_workers(struct census *census)
{
    unsigned count = mx_memory_threads(census->target->memory);
    census->workers = mx_calloc(count, sizeof(*census->workers));
    if (!census->workers)
        return mx_error_no_memory();
    for (; census->worker_count < count; census->worker_count++)
        if (!mx_worker_init(&census->workers[census->worker_count], &census->scan, census->recall != NULL))
            return mx_error_no_memory();
    return NULL;
}

static void run_job(struct census *census, struct mx_worker *worker, struct job *job)
{
    switch (job->kind) {
    case JOB_CHUNKS:
        mx_scan_chunks(worker, &census->allocators->glibc, &census->allocators->glibc.spans.items[job->index],
                       &job->listed);
        break;
    case JOB_STATIC:
        mx_scan_static(worker, &census->target->memory->regions.items[job->index], &job->listed);
        break;
    case JOB_TRACKED:
        mx_tracked_scan(worker, &census->tracked, job->index, &job->listed);
        break;
    case JOB_ARENA:
        if (census->recall) {
            mx_recall_scan(worker, &census->allocators->arenas.arenas.items[job->index],
                           &census->recall->arenas.items[job->index]);
            break;
        }
        job->spans = mx_scan_arena(worker, &census->allocators->arenas.arenas.items[job->index],
                                   census->pool_spans + job->first_span, census->pool_kinds + job->first_kind);
        break;
    case JOB_SEGMENT:
        job->spans = mx_scan_segment(worker, &census->allocators->mimalloc.segments.items[job->index],
                                     census->pool_spans + job->first_span, census->pool_kinds + job->first_kind);
        break;
    }
}

static void run_worker(void *context, size_t index)
{
    struct census *census = context;
    struct mx_worker *worker = &census->workers[index];
    for (;;) {
        size_t next = atomic_fetch_add(&census->next_job, 1);
        if (next >= census->jobs.count || atomic_load_explicit(&census->work.cancelled, memory_order_relaxed))
            break;
        run_job(census, worker, &census->jobs.items[next]);
    }
    mx_scan_pending(worker);
}

static struct mx_error *scan_everything(struct census *census)
{
    mx_work_parallel(census->worker_count, census->worker_count, run_worker, census);
    if (atomic_load(&census->work.cancelled))
        return mx_error_cancelled();
    for (unsigned i = 0; i < census->worker_count; i++)
        if (census->workers[i].no_memory)
            return mx_error_no_memory();
    return NULL;
}

struct draft {
    struct mx_span span;
    const uint16_t *kinds;
    const uint32_t *starts;
};

struct drafts {
    MX_ARRAY(struct draft) drafts;
};

static bool draft_pools(struct census *census, const struct job *job, struct drafts *drafts)
{
    const uint16_t *kinds = census->pool_kinds + job->first_kind;
    for (size_t i = 0; i < job->spans; i++) {
        struct mx_span span = census->pool_spans[job->first_span + i];
        if (!mx_array_push(&drafts->drafts, (struct draft){.span = span, .kinds = kinds}))
            return false;
        kinds += span.count;
    }
    return true;
}

static bool draft_notes(struct census *census, const struct job *job, struct drafts *drafts)
{
    const struct mx_arena_note *arena = &census->recall->arenas.items[job->index];
    for (size_t i = 0; i < arena->count; i++) {
        const struct mx_pool_note *note = arena->notes[i];
        if (note && !mx_array_push(&drafts->drafts,
                                   (struct draft){.span = mx_scan_pool_span(&census->allocators->facts, &note->pool),
                                                  .kinds = note->kinds}))
            return false;
    }
    return true;
}

static bool draft_listed(const struct job *job, struct drafts *drafts)
{
    const struct mx_listed *listed = &job->listed;
    if (!listed->starts.count)
        return true;
    struct mx_span span = {.start = listed->start,
                           .end = listed->end,
                           .count = (uint32_t)listed->starts.count,
                           .kind = job->kind == JOB_STATIC ? MX_SPAN_STATIC : MX_SPAN_CHUNKS};
    return mx_array_push(&drafts->drafts,
                         (struct draft){.span = span, .kinds = listed->kinds.items, .starts = listed->starts.items});
}

static int compare_drafts(const void *a, const void *b)
{
    mx_addr left = ((const struct draft *)a)->span.start, right = ((const struct draft *)b)->span.start;
    return left < right ? -1 : left > right;
}

static bool append_span(struct mx_spans *spans, const struct draft *draft)
{
    struct mx_span span = draft->span;
    if (draft->starts) {
        span.list = spans->starts.count;
        if (!mx_array_reserve(&spans->starts, spans->starts.count + span.count))
            return false;
        memcpy(spans->starts.items + spans->starts.count, draft->starts, span.count * sizeof(*draft->starts));
        spans->starts.count += span.count;
    }
    return mx_array_push(&spans->spans, span);
}

/* Puts all blocks in address order and copies their kinds to where their ids say. */
static struct mx_error *assemble(struct census *census, struct drafts *drafts)
{
    struct mx_heap *heap = census->heap;
    if (drafts->drafts.count)
        qsort(drafts->drafts.items, drafts->drafts.count, sizeof(struct draft), compare_drafts);
    if (!mx_array_reserve(&heap->spans.spans, drafts->drafts.count))
        return mx_error_no_memory();
    for (size_t i = 0; i < drafts->drafts.count; i++)
        if (!append_span(&heap->spans, &drafts->drafts.items[i]))
            return mx_error_no_memory();
    MX_TRY(mx_spans_seal(&heap->spans));
    heap->kinds_mapped = (size_t)heap->spans.blocks * sizeof(*heap->kinds) + 1;
    heap->kinds = mx_pages_reserve(heap->kinds_mapped);
    if (!heap->kinds)
        return mx_error_no_memory();
    for (size_t i = 0; i < drafts->drafts.count; i++) {
        const struct mx_span *span = &heap->spans.spans.items[i];
        memcpy(heap->kinds + span->first, drafts->drafts.items[i].kinds, span->count * sizeof(*heap->kinds));
    }
    return NULL;
}

static struct mx_error *build_spans(struct census *census)
{
    struct drafts drafts = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < census->jobs.count; i++) {
        const struct job *job = &census->jobs.items[i];
        if (job->kind == JOB_ARENA && census->recall)
            ok = draft_notes(census, job, &drafts);
        else if (job->kind == JOB_ARENA || job->kind == JOB_SEGMENT)
            ok = draft_pools(census, job, &drafts);
        else
            ok = draft_listed(job, &drafts);
    }
    struct mx_error *error = ok ? assemble(census, &drafts) : mx_error_no_memory();
    mx_array_free(&drafts.drafts);
    return error;
}

static struct mx_error *keep_types(struct census *census)
{
    struct mx_heap *heap = census->heap;
    const struct mx_types *types = &census->target->types;
    for (size_t i = 0; i < types->types.count; i++) {
        const struct mx_type *type = &types->types.items[i];
        const char *name = mx_strtab_add(&heap->names, type->name, strlen(type->name));
        if (!name || !mx_array_push(&heap->types, (struct mx_heap_type){type->address, name, type->preheader}))
            return mx_error_no_memory();
    }
    heap->tallies = mx_calloc(types->types.count, sizeof(*heap->tallies));
    return heap->tallies ? NULL : mx_error_no_memory();
}

static void add_tallies(struct mx_heap *heap, const struct mx_tally *from)
{
    for (size_t i = 0; i < heap->types.count; i++) {
        heap->tallies[i].count += from[i].count;
        heap->tallies[i].bytes += from[i].bytes;
        heap->tallies[i].tracked_count += from[i].tracked_count;
        heap->tallies[i].tracked_bytes += from[i].tracked_bytes;
    }
}

static void add_size_classes(struct mx_heap *heap, const struct mx_worker *worker)
{
    for (int i = 0; i < 32; i++) {
        heap->size_classes[i].block_size = (uint32_t)(i + 1) * 16;
        heap->size_classes[i].pools += worker->size_classes[i].pools;
        heap->size_classes[i].used_blocks += worker->size_classes[i].used_blocks;
        heap->size_classes[i].free_blocks += worker->size_classes[i].free_blocks;
    }
}

static struct mx_error *add_far_types(struct mx_heap *heap, const struct mx_worker *worker)
{
    for (size_t i = 0; i < worker->far_types.count; i++) {
        uint32_t block = mx_spans_find(&heap->spans, worker->far_types.items[i].block);
        if (!mx_map_set(&heap->far_types, (uint64_t)block + 1, worker->far_types.items[i].type))
            return mx_error_no_memory();
    }
    return NULL;
}

static struct mx_error *add_workers(struct census *census)
{
    struct mx_heap_info *info = &census->heap->info;
    for (unsigned i = 0; i < census->worker_count; i++) {
        const struct mx_worker *worker = &census->workers[i];
        add_tallies(census->heap, worker->tallies);
        add_size_classes(census->heap, worker);
        info->static_objects += worker->sums.static_objects;
        info->raw_blocks += worker->sums.raw_blocks;
        info->raw_bytes += worker->sums.raw_bytes;
        info->chunks += worker->sums.chunks;
        info->chunk_bytes += worker->sums.chunk_bytes;
        info->damaged_pools += worker->sums.damaged_pools;
        info->pools += worker->sums.pools;
        info->pool_used_blocks += worker->sums.pool_used_blocks;
        info->pool_used_bytes += worker->sums.pool_used_bytes;
        info->pool_free_blocks += worker->sums.pool_free_blocks;
        MX_TRY(add_far_types(census->heap, worker));
    }
    return NULL;
}

/* gc.freeze() and, in 3.12, the interpreter itself move objects to a list that gc.get_objects() does not show. */
static bool untally_frozen(void *context, mx_addr object)
{
    struct census *census = context;
    const struct mx_types *types = &census->target->types;
    const struct mx_type *type = mx_type_of(types, object);
    const uint8_t *bytes = mx_memory_view(census->target->memory, object, 64);
    if (!type || !bytes)
        return true;
    struct mx_tally *tally = &census->heap->tallies[type - types->types.items];
    if (!tally->tracked_count)
        return true;
    uint64_t size = mx_object_size(types, type, object, bytes, 64, NULL);
    tally->tracked_count--;
    tally->tracked_bytes -= size < tally->tracked_bytes ? size : tally->tracked_bytes;
    census->heap->info.frozen_objects++;
    return true;
}

static void sum_up(struct census *census)
{
    struct mx_heap *heap = census->heap;
    struct mx_heap_info *info = &heap->info;
    struct mx_gc_walk walk;
    mx_gc_each(&census->target->runtime, MX_GC_PERMANENT, untally_frozen, census, &walk);
    for (size_t i = 0; i < heap->types.count; i++) {
        info->objects += heap->tallies[i].count;
        info->object_bytes += heap->tallies[i].bytes;
        info->tracked_objects += heap->tallies[i].tracked_count;
    }
    info->arenas = census->allocators->arenas.arenas.count;
    for (int i = 0; i < 32; i++) {
        info->pools += heap->size_classes[i].pools;
        info->pool_used_blocks += heap->size_classes[i].used_blocks;
        info->pool_used_bytes += heap->size_classes[i].used_blocks * heap->size_classes[i].block_size;
        info->pool_free_blocks += heap->size_classes[i].free_blocks;
    }
    info->memory =
        mx_spans_memory(&heap->spans) + heap->kinds_mapped + heap->types.capacity * sizeof(struct mx_heap_type);
}

static struct mx_error *warn(struct mx_heap *heap, const char *format, ...) MX_PRINTF(2, 3);
static struct mx_error *warn(struct mx_heap *heap, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return mx_error_no_memory();
    if (mx_array_push(&heap->warnings, text))
        return NULL;
    free(text);
    return mx_error_no_memory();
}

static bool is_segmentless(const struct mx_target *target)
{
    return target->runtime.allocator == MX_ALLOCATOR_MIMALLOC && !target->allocators.mimalloc.segments.count;
}

static struct mx_error *judge(struct census *census)
{
    struct mx_heap *heap = census->heap;
    const struct mx_memory *memory = census->target->memory;
    const struct mx_glibc *glibc = &census->allocators->glibc;
    heap->info.complete = !memory->missing_bytes && glibc->found && !glibc->walk_errors;
    if (memory->missing_bytes)
        MX_TRY(warn(heap, "incomplete: %llu MB of %llu MB of the core are missing; counts are lower bounds",
                    (unsigned long long)(memory->missing_bytes + 999999) / 1000000,
                    (unsigned long long)(memory->expected_bytes + 999999) / 1000000));
    if (!glibc->found)
        MX_TRY(warn(heap,
                    "incomplete: objects above 512 bytes that the garbage collector does not track are not counted, "
                    "for the process's malloc is %s",
                    glibc->name[0] ? glibc->name : "not one that memext walks"));
    if (is_segmentless(census->target)) {
        heap->info.complete = false;
        MX_TRY(warn(heap,
                    "incomplete: mimalloc's memory was not found, for the layout (%s) is not of this very build; "
                    "install its debug information, or give its folder, to have it measured",
                    census->target->runtime.layout.origin));
    }
    if (glibc->walk_errors)
        MX_TRY(warn(heap, "incomplete: %llu of %zu stretches of malloc memory could not be walked to their end",
                    (unsigned long long)glibc->walk_errors, glibc->spans.count));
    if (heap->info.damaged_pools)
        MX_TRY(warn(heap, "%llu of %llu pools were caught in the middle of a malloc or free",
                    (unsigned long long)heap->info.damaged_pools, (unsigned long long)heap->info.pools));
    return NULL;
}

static uint64_t bytes_to_scan(const struct census *census)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < census->allocators->arenas.arenas.count; i++)
        bytes +=
            census->allocators->arenas.arenas.items[i].pools_end - census->allocators->arenas.arenas.items[i].pools;
    for (size_t i = 0; i < census->allocators->glibc.spans.count; i++)
        bytes += census->allocators->glibc.spans.items[i].end - census->allocators->glibc.spans.items[i].start;
    for (size_t i = 0; i < census->allocators->mimalloc.segments.count; i++)
        bytes +=
            census->allocators->mimalloc.segments.items[i].end - census->allocators->mimalloc.segments.items[i].address;
    return bytes;
}

static struct mx_error *prepare(struct census *census)
{
    const struct mx_target *target = census->target;
    if (target->memory->missing_bytes || target->types.type_type == MX_MAP_NONE)
        mx_search_types(census->target, &census->work);
    /* A block's kind must fit where it is noted, and notes are numbered by the types of one target. */
    if (target->types.types.count < MX_BLOCK_FAR_TYPE)
        census->recall = target->recall;
    else if (target->recall)
        mx_recall_clear(target->recall);
    MX_TRY(measure_fixed_sizes(census));
    MX_TRY(mx_classifier_open(&target->types, &census->classifier));
    census->scan = (struct mx_scan){
        .types = &target->types,
        .classifier = &census->classifier,
        .facts = &census->allocators->facts,
        .mimalloc = &census->allocators->mimalloc,
        .memory = target->memory,
        .fixed_sizes = census->fixed_sizes,
        .work = &census->work,
        .padding = target->runtime.block_padding,
        .live = mx_memory_on_demand(target->memory),
    };
    if (!census->allocators->glibc.found)
        MX_TRY(mx_tracked_find(target, &census->tracked));
    MX_TRY(plan_jobs(census));
    MX_TRY(allot_pools(census));
    return make_workers(census);
}

static struct mx_error *take(struct census *census, const struct mx_progress *progress)
{
    mx_work_begin(&census->work, progress, "preparing", 0);
    MX_TRY(prepare(census));
    mx_work_begin(&census->work, progress, "counting objects", bytes_to_scan(census));
    MX_TRY(scan_everything(census));
    MX_TRY(keep_types(census));
    MX_TRY(build_spans(census));
    census->heap->padding = census->target->runtime.block_padding;
    MX_TRY(add_workers(census));
    sum_up(census);
    if (mx_memory_gone(census->target->memory))
        return mx_error_new(MX_ERROR_OS, "the process ended while its heap was counted");
    return judge(census);
}

struct mx_error *mx_census_take(struct mx_target *target, const struct mx_progress *progress, struct mx_heap *heap)
{
    struct census census = {.target = target, .heap = heap, .allocators = &target->allocators};
    struct mx_error *error = take(&census, progress);
    if (error && census.recall)
        mx_recall_clear(census.recall);
    deinit_census(&census);
    return error;
}
