/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference counts against the references that the graph has: objects that
 * are kept alive by a reference that nobody holds.
 *
 *   ob_refcnt = counted edges + counted roots          exact
 *             + words that look like references        explained: C stacks, C data, structs that memext does not know
 *             + rest                                   a reference that was never dropped
 */
#include <string.h>

#include "cpython/header.h"
#include "report/object.h"
#include "report/words.h"

struct mx_audit {
    MX_ARRAY(struct mx_audit_row) rows;
    struct mx_audit_info info;
};

enum { PART = 1 << 18 }; /* blocks of a thread's task */

/* What a thread found in a stretch of blocks; the sums and lists of all, in their order, are what one thread finds. */
struct part {
    const struct auditing *auditing;
    struct mx_audit_info info;
    MX_ARRAY(struct mx_suspicion) suspicions;
    MX_ARRAY(struct mx_suspicion) deficits;
    size_t root; /* of roots_by_block: the first one of this block or of one behind it */
    bool no_memory;
};

struct auditing {
    struct mx_graph *graph;
    const struct mx_audit_query *query;
    struct mx_audit *audit;
    struct mx_work work;
    struct part *parts;
    size_t part_count;
    MX_ARRAY(struct mx_suspicion) suspicions;
    MX_ARRAY(struct mx_suspicion) deficits;
};

static bool is_counted(uint8_t class)
{
    return (class & MX_EDGE_CLASS) <= MX_EDGE_OWNED;
}

/*
 * The interpreter keeps dead lists and dicts in arrays, to use them again; behind the last one that waits stand the
 * addresses of those that have been used again. A word among several that lead to lists, or to dicts, or to dead
 * objects, is one of these. (CPython Objects/listobject.c, dictobject.c: free_list, numfree)
 */
static bool is_of_free_list(const struct auditing *auditing, const struct mx_root *root, const struct mx_type *type)
{
    enum { LEAST = 6, MOST = 80 };
    const struct mx_graph *graph = auditing->graph;
    const struct mx_module *module = graph->target->runtime.module;
    bool of_interpreter =
        root->kind == MX_ROOT_INTERPRETER ||
        (root->kind == MX_ROOT_C_GLOBAL && module && root->place - module->start < module->end - module->start);
    if (!of_interpreter || (type->kind != MX_KIND_LIST && type->kind != MX_KIND_DICT))
        return false;
    unsigned alike = 0;
    for (int direction = -1; direction <= 1; direction += 2)
        for (int i = 1; i <= MOST; i++, alike++) {
            mx_addr word = mx_memory_pointer(graph->target->memory, root->place + (mx_addr)(8 * i * direction));
            const struct mx_type *other = word && word % 8 == 0 ? mx_type_of(&graph->target->types, word) : NULL;
            if (!other || other->kind != type->kind)
                break;
        }
    return alike >= LEAST;
}

static bool is_before(const struct mx_graph *graph, size_t root, uint32_t block)
{
    return root < graph->roots.count && graph->roots.items[graph->roots_by_block[root]].block < block;
}

/* Adds what roots refer to a block. Blocks come in order, and so do their roots. */
static void count_roots(struct part *part, const struct mx_type *type, struct mx_suspicion *seen)
{
    const struct mx_graph *graph = part->auditing->graph;
    while (is_before(graph, part->root, seen->block))
        part->root++;
    for (size_t i = part->root; i < graph->roots.count; i++) {
        const struct mx_graph_root *found = &graph->roots.items[graph->roots_by_block[i]];
        if (found->block != seen->block)
            break;
        const struct mx_root *root = &found->root;
        seen->found += root->counted;
        seen->words += !root->counted && !root->exact && !is_of_free_list(part->auditing, root, type);
    }
}

/* Counted references to the object in a block, and words that may be some. */
static void count_references(struct part *part, const struct mx_type *type, struct mx_suspicion *seen)
{
    const struct mx_rows *rows = &part->auditing->graph->reverse;
    for (uint32_t i = rows->first[seen->block]; i < rows->first[seen->block + 1]; i++) {
        if (!is_counted(rows->classes[i]))
            continue;
        if (rows->classes[i] & MX_EDGE_INEXACT)
            seen->words++;
        else
            seen->found++;
    }
    count_roots(part, type, seen);
}

static bool judge(struct part *part, const struct mx_suspicion *seen)
{
    part->info.objects++;
    if ((uint64_t)seen->refcount == seen->found) {
        part->info.exact++;
        return true;
    }
    if ((uint64_t)seen->refcount > seen->found)
        return mx_array_push(&part->suspicions, *seen);
    part->info.deficit++;
    return !part->auditing->query->deficits || mx_array_push(&part->deficits, *seen);
}

static bool look_at(struct part *part, const struct mx_span *span, uint32_t block)
{
    const struct mx_graph *graph = part->auditing->graph;
    const struct mx_heap *heap = graph->heap;
    struct mx_header header;
    uint32_t index = mx_heap_type_of(heap, block);
    if (index >= graph->target->types.types.count)
        return true;
    mx_addr object = mx_heap_object(heap, span, block, index);
    const struct mx_type *type = &graph->target->types.types.items[index];
    if (!mx_header_read(&graph->target->types, type, object, &header))
        return true;
    if (header.immortal || header.deferred || span->kind == MX_SPAN_STATIC) {
        part->info.uncounted++;
        return true;
    }
    struct mx_suspicion seen = {.object = object, .block = block, .refcount = header.refcount};
    count_references(part, type, &seen);
    return judge(part, &seen);
}

static void run_part(void *context, size_t index)
{
    struct auditing *auditing = context;
    struct part *part = &auditing->parts[index];
    const struct mx_spans *spans = &auditing->graph->heap->spans;
    uint32_t from = (uint32_t)index * PART, until = spans->blocks - from < PART ? spans->blocks : from + PART;
    const struct mx_span *span = mx_spans_of(spans, from);
    if (!mx_work_step(&auditing->work, until - from))
        return;
    part->auditing = auditing;
    mx_graph_roots_of(auditing->graph, from, &part->root);
    for (uint32_t block = from; block < until; block++) {
        while (block - span->first >= span->count)
            span++;
        part->no_memory |= !look_at(part, span, block);
    }
}

static void add_info(struct mx_audit_info *info, const struct mx_audit_info *more)
{
    info->objects += more->objects;
    info->exact += more->exact;
    info->deficit += more->deficit;
    info->uncounted += more->uncounted;
}

static bool take_part(struct auditing *auditing, const struct part *part)
{
    bool ok = !part->no_memory;
    add_info(&auditing->audit->info, &part->info);
    for (size_t i = 0; ok && i < part->suspicions.count; i++)
        ok = mx_array_push(&auditing->suspicions, part->suspicions.items[i]);
    for (size_t i = 0; ok && i < part->deficits.count; i++)
        ok = mx_array_push(&auditing->deficits, part->deficits.items[i]);
    return ok;
}

static void free_parts(struct auditing *auditing)
{
    for (size_t i = 0; auditing->parts && i < auditing->part_count; i++) {
        mx_array_free(&auditing->parts[i].suspicions);
        mx_array_free(&auditing->parts[i].deficits);
    }
    free(auditing->parts);
}

static struct mx_error *look_at_all(struct auditing *auditing)
{
    auditing->part_count = ((size_t)auditing->graph->heap->spans.blocks + PART - 1) / PART;
    auditing->parts = mx_calloc(auditing->part_count + 1, sizeof(*auditing->parts));
    if (!auditing->parts)
        return mx_error_no_memory();
    mx_work_parallel(mx_memory_threads(auditing->graph->target->memory), auditing->part_count, run_part, auditing);
    if (atomic_load(&auditing->work.cancelled))
        return mx_error_cancelled();
    for (size_t i = 0; i < auditing->part_count; i++)
        if (!take_part(auditing, &auditing->parts[i]))
            return mx_error_no_memory();
    return NULL;
}

static bool is_wanted(const struct auditing *auditing, const struct mx_suspicion *suspicion, const struct mx_type *type)
{
    const struct mx_audit_query *query = auditing->query;
    if (query->type && strcmp(query->type, type->name))
        return false;
    return !query->since || !mx_object_was_there(query->since, suspicion->object, type->name);
}

static bool add_row(struct auditing *auditing, const struct mx_suspicion *suspicion)
{
    const struct mx_type *type;
    mx_graph_object(auditing->graph, suspicion->block, &type);
    struct mx_audit_row row = {
        .address = suspicion->object,
        .type = type->name,
        .refcount = suspicion->refcount,
        .found = suspicion->found,
        .explained = suspicion->words,
    };
    return !is_wanted(auditing, suspicion, type) || mx_array_push(&auditing->audit->rows, row);
}

/* What words may explain goes; the rest are rows. */
static struct mx_error *settle(struct auditing *auditing)
{
    struct mx_audit_info *info = &auditing->audit->info;
    mx_work_begin(&auditing->work, auditing->work.progress, "looking for other holders",
                  auditing->graph->heap->spans.blocks);
    MX_TRY(mx_words_count(auditing->graph, &auditing->work, auditing->suspicions.items, auditing->suspicions.count));
    for (size_t i = 0; i < auditing->suspicions.count; i++) {
        const struct mx_suspicion *suspicion = &auditing->suspicions.items[i];
        bool is_explained = (uint64_t)suspicion->refcount <= suspicion->found + suspicion->words;
        info->explained += is_explained;
        info->surplus += !is_explained;
        if (!is_explained && !auditing->query->deficits && !add_row(auditing, suspicion))
            return mx_error_no_memory();
    }
    for (size_t i = 0; i < auditing->deficits.count; i++)
        if (!add_row(auditing, &auditing->deficits.items[i]))
            return mx_error_no_memory();
    return NULL;
}

static int64_t difference(const struct mx_audit_row *row)
{
    int64_t found = (int64_t)row->found;
    return row->refcount > found ? row->refcount - found - (int64_t)row->explained : found - row->refcount;
}

static int compare_rows(const void *a, const void *b)
{
    const struct mx_audit_row *left = a, *right = b;
    int64_t first = difference(left), second = difference(right);
    if (first != second)
        return first < second ? 1 : -1;
    int order = strcmp(left->type, right->type);
    return order ? order : left->address < right->address ? -1 : left->address > right->address;
}

static struct mx_error *run(struct auditing *auditing)
{
    MX_TRY(mx_graph_referrers(auditing->graph, auditing->work.progress));
    mx_work_begin(&auditing->work, auditing->work.progress, "auditing reference counts",
                  auditing->graph->heap->spans.blocks);
    MX_TRY(look_at_all(auditing));
    MX_TRY(settle(auditing));
    if (auditing->audit->rows.count)
        qsort(auditing->audit->rows.items, auditing->audit->rows.count, sizeof(struct mx_audit_row), compare_rows);
    return NULL;
}

struct mx_error *mx_audit_open(struct mx_graph *graph, const struct mx_audit_query *query,
                               const struct mx_progress *progress, struct mx_audit **ret)
{
    struct auditing auditing = {.graph = graph, .query = query};
    auditing.audit = mx_calloc(1, sizeof(*auditing.audit));
    if (!auditing.audit)
        return mx_error_no_memory();
    mx_work_begin(&auditing.work, progress, "auditing reference counts", 0);
    struct mx_error *error = run(&auditing);
    free_parts(&auditing);
    mx_array_free(&auditing.suspicions);
    mx_array_free(&auditing.deficits);
    if (error) {
        mx_audit_close(auditing.audit);
        return error;
    }
    *ret = auditing.audit;
    return NULL;
}

const struct mx_audit_row *mx_audit_rows(const struct mx_audit *audit, size_t *count)
{
    *count = audit->rows.count;
    return audit->rows.items;
}

void mx_audit_info(const struct mx_audit *audit, struct mx_audit_info *ret)
{
    *ret = audit->info;
}

void mx_audit_close(struct mx_audit *audit)
{
    if (!audit)
        return;
    mx_array_free(&audit->rows);
    free(audit);
}
