/* SPDX-License-Identifier: Apache-2.0
 *
 * The target's invariants, walked: each check is one pass over what was read
 * anyway, and counts what does not hold.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "cpython/gc.h"
#include "cpython/header.h"
#include "cpython/sound.h"
#include "heap/graph.h"

enum check {
    CHECK_GC_LISTS,
    CHECK_GC_OBJECTS,
    CHECK_POOLS,
    CHECK_CHUNKS,
    CHECK_TYPES,
    CHECK_OBJECTS,
    CHECK_SIZES,
    CHECK_REFERENCES,
    CHECK_DIRECTIONS,
    CHECK_REFCOUNTS,
    CHECKS
};

struct mx_verification {
    struct mx_check checks[CHECKS];
    double exact;
};

static const struct mx_check all_checks[CHECKS] = {
    [CHECK_GC_LISTS] = {.name = "gc-lists",
                        .what = "the collector's lists close, forwards and backwards",
                        .unit = "objects"},
    [CHECK_GC_OBJECTS] = {.name = "gc-objects",
                          .what = "the collector's lists hold objects that are tracked, and all of them",
                          .unit = "objects"},
    [CHECK_POOLS] = {.name = "pools",
                     .what = "a pool's free list has as many blocks as its count leaves",
                     .unit = "pools"},
    [CHECK_CHUNKS] = {.name = "chunks", .what = "malloc's chunks follow each other without a gap", .unit = "chunks"},
    [CHECK_TYPES] = {.name = "types", .what = "a type's type is a type, and its bases end at object", .unit = "types"},
    [CHECK_OBJECTS] = {.name = "objects",
                       .what = "an object's type is a type, and its reference count is above zero",
                       .unit = "objects"},
    [CHECK_SIZES] = {.name = "sizes",
                     .what = "lengths and counts of an object agree, and fit its block and its tables",
                     .unit = "objects"},
    [CHECK_REFERENCES] = {.name = "references",
                          .what = "references lead to the starts of objects",
                          .unit = "references"},
    [CHECK_DIRECTIONS] = {.name = "directions",
                          .what = "memext's graph is the same forwards and backwards",
                          .unit = "references"},
    [CHECK_REFCOUNTS] = {.name = "refcounts",
                         .what = "reference counts are explained by the references that were found",
                         .unit = "objects"},
};

struct verifying {
    struct mx_graph *graph;
    struct mx_verification *verification;
    struct mx_work work;
    uint8_t *listed; /* a bit a block: the collector's lists have its object */
    bool has_lists;  /* free-threaded interpreters have none */
    uint64_t stray;  /* references of the object that is looked at that lead to no object */
};

static void fail(struct verifying *verifying, enum check which, mx_addr example, const char *why)
{
    struct mx_check *check = &verifying->verification->checks[which];
    if (!check->failed++) {
        check->example = example;
        check->why = why;
    }
}

static bool visit_listed(void *context, mx_addr object)
{
    struct verifying *verifying = context;
    const struct mx_graph *graph = verifying->graph;
    const struct mx_type *type = NULL;
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(&graph->heap->spans, object, &span);
    verifying->verification->checks[CHECK_GC_OBJECTS].checked++;
    if (block == MX_NO_BLOCK || mx_graph_object(graph, block, &type) != object)
        fail(verifying, CHECK_GC_OBJECTS, object, "a list of the collector's has it, but it is no object");
    else if (!(type->flags & MX_TPFLAGS_HAVE_GC))
        fail(verifying, CHECK_GC_OBJECTS, object, "a list of the collector's has it, but its type is never collected");
    else
        verifying->listed[block / 8] |= (uint8_t)(1 << block % 8);
    return mx_work_step(&verifying->work, 0);
}

static void check_lists(struct verifying *verifying)
{
    const struct mx_runtime *runtime = &verifying->graph->target->runtime;
    struct mx_check *check = &verifying->verification->checks[CHECK_GC_LISTS];
    for (int which = MX_GC_GENERATIONS; which <= MX_GC_PERMANENT; which++) {
        struct mx_gc_walk walk;
        mx_gc_each(runtime, (enum mx_gc_list)which, visit_listed, verifying, &walk);
        check->checked += walk.objects;
        for (uint64_t i = 0; i < walk.broken; i++)
            fail(verifying, CHECK_GC_LISTS, 0, "a list does not close");
    }
}

/* Of what the walks of the allocators found themselves. */
static void check_allocators(struct verifying *verifying)
{
    const struct mx_graph *graph = verifying->graph;
    struct mx_check *pools = &verifying->verification->checks[CHECK_POOLS];
    struct mx_check *chunks = &verifying->verification->checks[CHECK_CHUNKS];
    pools->checked = graph->heap->info.pools;
    pools->failed = graph->heap->info.damaged_pools;
    pools->why = pools->failed ? "the chain of free blocks ends early, runs in a circle or leaves the pool" : "";
    chunks->checked = graph->heap->info.chunks;
    chunks->failed = graph->target->allocators.glibc.walk_errors;
    chunks->why = chunks->failed ? "a chunk's size makes no sense" : "";
}

static void check_types(struct verifying *verifying)
{
    const struct mx_types *types = &verifying->graph->target->types;
    verifying->verification->checks[CHECK_TYPES].checked = types->types.count;
    for (size_t i = 0; i < types->types.count; i++) {
        const char *why = mx_sound_type(types, &types->types.items[i]);
        if (why)
            fail(verifying, CHECK_TYPES, types->types.items[i].address, why);
    }
}

static bool is_listed(const struct verifying *verifying, uint32_t block)
{
    return verifying->listed[block / 8] >> block % 8 & 1;
}

static void check_head(struct verifying *verifying, const struct mx_type *type, mx_addr object, bool must_be_listed)
{
    const struct mx_types *types = &verifying->graph->target->types;
    struct mx_header header;
    verifying->verification->checks[CHECK_OBJECTS].checked++;
    if (mx_type_of(types, object) != type || !mx_header_read(types, type, object, &header))
        fail(verifying, CHECK_OBJECTS, object, "it was freed while something still refers to it, or overwritten");
    else if (header.tracked && must_be_listed)
        fail(verifying, CHECK_GC_OBJECTS, object, "it is tracked, but no list of the collector's has it");
}

/* Of a static object, only the head: words of a module's data may look like one, and the collector has none of them. */
static void check_object(struct verifying *verifying, const struct mx_span *span, uint32_t block)
{
    const struct mx_spans *spans = &verifying->graph->heap->spans;
    const struct mx_type *type;
    mx_addr object = mx_graph_object(verifying->graph, block, &type);
    if (!object)
        return;
    bool is_static = span->kind == MX_SPAN_STATIC;
    check_head(verifying, type, object, verifying->has_lists && !is_static && !is_listed(verifying, block));
    if (is_static)
        return;
    mx_addr end = mx_block_address(spans, span, block) + mx_block_size(spans, span, block);
    const char *why = mx_sound_numbers(&verifying->graph->target->types, type, object, end - object);
    verifying->verification->checks[CHECK_SIZES].checked++;
    if (why)
        fail(verifying, CHECK_SIZES, object, why);
}

static bool check_objects(struct verifying *verifying)
{
    const struct mx_spans *spans = &verifying->graph->heap->spans;
    mx_work_begin(&verifying->work, verifying->work.progress, "checking objects", spans->blocks);
    for (size_t s = 0; s < spans->spans.count; s++) {
        const struct mx_span *span = &spans->spans.items[s];
        if (!mx_work_step(&verifying->work, span->count))
            return false;
        for (uint32_t block = span->first; block < span->first + span->count; block++)
            check_object(verifying, span, block);
    }
    return true;
}

static bool count_stray(void *context, const struct mx_edge *edge)
{
    struct verifying *verifying = context;
    verifying->stray +=
        edge->exact && edge->class != MX_EDGE_BUFFER && mx_graph_target(verifying->graph, edge) == MX_NO_BLOCK;
    return true;
}

/* References of one block's object that lead to no object. */
static uint64_t strays_of(struct verifying *verifying, uint32_t block, mx_addr *object)
{
    const struct mx_graph *graph = verifying->graph;
    const struct mx_type *type;
    verifying->stray = 0;
    *object = mx_graph_object(graph, block, &type);
    if (*object)
        mx_referents_each(&graph->referents, type, *object, count_stray, verifying);
    return verifying->stray;
}

/* The graph has them all in one number: those of static objects, which may be none, are counted again and taken off. */
static uint64_t strays_of_static(struct verifying *verifying)
{
    const struct mx_spans *spans = &verifying->graph->heap->spans;
    uint64_t count = 0;
    mx_addr object;
    for (size_t s = 0; s < spans->spans.count; s++) {
        const struct mx_span *span = &spans->spans.items[s];
        for (uint32_t i = 0; span->kind == MX_SPAN_STATIC && i < span->count; i++)
            count += strays_of(verifying, span->first + i, &object);
    }
    return count;
}

static mx_addr first_stray(struct verifying *verifying)
{
    const struct mx_spans *spans = &verifying->graph->heap->spans;
    for (size_t s = 0; s < spans->spans.count; s++) {
        const struct mx_span *span = &spans->spans.items[s];
        mx_addr object;
        for (uint32_t i = 0; span->kind != MX_SPAN_STATIC && i < span->count; i++)
            if (strays_of(verifying, span->first + i, &object))
                return object;
    }
    return 0;
}

static void check_references(struct verifying *verifying)
{
    const struct mx_graph *graph = verifying->graph;
    struct mx_check *check = &verifying->verification->checks[CHECK_REFERENCES];
    check->checked = graph->forward.edges;
    uint64_t of_static = graph->dangling ? strays_of_static(verifying) : 0;
    check->failed = graph->dangling > of_static ? graph->dangling - of_static : 0;
    check->checked += check->failed;
    if (!check->failed)
        return;
    check->example = first_stray(verifying);
    check->why = "it refers to what is no object";
}

/* The edges of one direction as a sum that their order does not change. */
static uint64_t sum_of(const struct mx_rows *rows, uint32_t blocks, bool turned)
{
    uint64_t sum = 0;
    for (uint32_t block = 0; block < blocks; block++)
        for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
            uint64_t from = turned ? rows->targets[i] : block, to = turned ? block : rows->targets[i];
            const uint64_t edge[2] = {from << 32 | to, rows->classes[i]};
            sum += mx_hash(0, (const uint8_t *)edge, sizeof(edge));
        }
    return sum;
}

static void check_directions(struct verifying *verifying)
{
    const struct mx_graph *graph = verifying->graph;
    uint32_t blocks = graph->heap->spans.blocks;
    verifying->verification->checks[CHECK_DIRECTIONS].checked = graph->forward.edges;
    if (graph->forward.edges != graph->reverse.edges ||
        sum_of(&graph->forward, blocks, false) != sum_of(&graph->reverse, blocks, true))
        fail(verifying, CHECK_DIRECTIONS, 0, "the two directions differ");
}

static struct mx_error *check_refcounts(struct verifying *verifying)
{
    const struct mx_audit_query query = {.deficits = true};
    struct mx_check *check = &verifying->verification->checks[CHECK_REFCOUNTS];
    struct mx_audit *audit;
    struct mx_audit_info info;
    size_t count;
    MX_TRY(mx_audit_open(verifying->graph, &query, verifying->work.progress, &audit));
    mx_audit_info(audit, &info);
    const struct mx_audit_row *rows = mx_audit_rows(audit, &count);
    check->checked = info.objects;
    check->failed = info.surplus + info.deficit;
    check->example = count ? rows[0].address : 0;
    check->why = count          ? "fewer references are counted than lead to it"
                 : info.surplus ? "more references are counted than were found (py-refcounts lists them)"
                                : "";
    verifying->verification->exact = info.objects ? (double)info.exact / (double)info.objects : 1;
    mx_audit_close(audit);
    return NULL;
}

static struct mx_error *run(struct verifying *verifying)
{
    MX_TRY(mx_graph_referrers(verifying->graph, verifying->work.progress));
    verifying->listed = mx_calloc((size_t)verifying->graph->heap->spans.blocks / 8 + 1, 1);
    if (!verifying->listed)
        return mx_error_no_memory();
    check_lists(verifying);
    check_allocators(verifying);
    check_types(verifying);
    if (!check_objects(verifying))
        return mx_error_cancelled();
    check_references(verifying);
    check_directions(verifying);
    return check_refcounts(verifying);
}

struct mx_error *mx_verification_open(struct mx_graph *graph, const struct mx_progress *progress,
                                      struct mx_verification **ret)
{
    struct verifying verifying = {.graph = graph};
    verifying.has_lists = graph->target->runtime.layout.gc_shape != MX_GC_MIMALLOC;
    verifying.verification = mx_calloc(1, sizeof(*verifying.verification));
    if (!verifying.verification)
        return mx_error_no_memory();
    for (int i = 0; i < CHECKS; i++) {
        verifying.verification->checks[i] = all_checks[i];
        verifying.verification->checks[i].why = "";
    }
    mx_work_begin(&verifying.work, progress, "checking the collector's lists", 0);
    struct mx_error *error = run(&verifying);
    free(verifying.listed);
    if (error)
        mx_verification_close(verifying.verification);
    else
        *ret = verifying.verification;
    return error;
}

const struct mx_check *mx_verification_checks(const struct mx_verification *verification, size_t *count)
{
    *count = CHECKS;
    return verification->checks;
}

void mx_verification_info(const struct mx_verification *verification, struct mx_verification_info *ret)
{
    *ret = (struct mx_verification_info){.exact = verification->exact};
    for (int i = 0; i < CHECKS; i++) {
        ret->checked += verification->checks[i].checked;
        ret->failed += verification->checks[i].failed;
    }
}

void mx_verification_close(struct mx_verification *verification)
{
    free(verification);
}
