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

struct auditing {
    struct mx_graph *graph;
    const struct mx_audit_query *query;
    struct mx_audit *audit;
    struct mx_work work;
    MX_ARRAY(uint32_t) uncounting; /* blocks of dicts whose references to str objects do not count */
    MX_ARRAY(struct mx_suspicion) suspicions;
    MX_ARRAY(struct mx_suspicion) deficits;
};

static bool is_counted(uint8_t class)
{
    return (class & MX_EDGE_CLASS) <= MX_EDGE_OWNED;
}

/* The table of interned strings: every key is its own value, and neither reference counts.
   (CPython Objects/unicodeobject.c: PyUnicode_InternInPlace) */
static bool is_interning(const struct mx_graph *graph, uint32_t block)
{
    enum { ENTRIES_AT_LEAST = 64 };
    const struct mx_rows *rows = &graph->forward;
    uint32_t first = rows->first[block], end = rows->first[block + 1], pairs = 0;
    if (end - first < 2 * ENTRIES_AT_LEAST)
        return false;
    for (uint32_t i = first; i < end; i++) {
        const struct mx_type *type;
        if (!is_counted(rows->classes[i]))
            continue;
        mx_graph_object(graph, rows->targets[i], &type);
        if (!type || type->kind != MX_KIND_STR)
            continue;
        if (i + 1 >= end || rows->targets[i + 1] != rows->targets[i])
            return false;
        pairs++;
        i++;
    }
    return pairs >= ENTRIES_AT_LEAST;
}

static struct mx_error *find_interning(struct auditing *auditing)
{
    const struct mx_graph *graph = auditing->graph;
    const struct mx_heap *heap = graph->heap;
    for (size_t s = 0; s < heap->spans.spans.count; s++) {
        const struct mx_span *span = &heap->spans.spans.items[s];
        for (uint32_t block = span->first; block < span->first + span->count; block++) {
            uint32_t index = mx_heap_type_of(heap, block);
            bool is_dict = index < graph->target->types.types.count &&
                           graph->target->types.types.items[index].kind == MX_KIND_DICT;
            if (is_dict && is_interning(graph, block) && !mx_array_push(&auditing->uncounting, block))
                return mx_error_no_memory();
        }
    }
    return NULL;
}

static bool is_uncounting(const struct auditing *auditing, uint32_t block)
{
    for (size_t i = 0; i < auditing->uncounting.count; i++)
        if (auditing->uncounting.items[i] == block)
            return true;
    return false;
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

/* Counted references to the object in a block; *words gets those that may be some. */
static uint64_t count_references(const struct auditing *auditing, uint32_t block, const struct mx_type *type,
                                 uint64_t *words)
{
    const struct mx_graph *graph = auditing->graph;
    const struct mx_rows *rows = &graph->reverse;
    uint64_t found = 0;
    *words = 0;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        if (!is_counted(rows->classes[i]))
            continue;
        if (rows->classes[i] & MX_EDGE_INEXACT)
            ++*words;
        else
            found += !is_uncounting(auditing, rows->targets[i]);
    }
    size_t first, count = mx_graph_roots_of(graph, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &graph->roots.items[graph->roots_by_block[i]].root;
        found += root->counted;
        *words += !root->counted && !root->exact && !is_of_free_list(auditing, root, type);
    }
    return found;
}

static bool judge(struct auditing *auditing, const struct mx_suspicion *seen)
{
    struct mx_audit_info *info = &auditing->audit->info;
    info->objects++;
    if ((uint64_t)seen->refcount == seen->found) {
        info->exact++;
        return true;
    }
    if ((uint64_t)seen->refcount > seen->found)
        return mx_array_push(&auditing->suspicions, *seen);
    info->deficit++;
    return !auditing->query->deficits || mx_array_push(&auditing->deficits, *seen);
}

static bool look_at(struct auditing *auditing, const struct mx_span *span, uint32_t block)
{
    const struct mx_graph *graph = auditing->graph;
    const struct mx_heap *heap = graph->heap;
    struct mx_header header;
    uint32_t index = mx_heap_type_of(heap, block);
    if (index >= graph->target->types.types.count)
        return true;
    mx_addr object = mx_heap_object(heap, span, block, index);
    const struct mx_type *type = &graph->target->types.types.items[index];
    if (!mx_header_read(&graph->target->types, type, object, &header))
        return true;
    if (header.immortal || span->kind == MX_SPAN_STATIC) {
        auditing->audit->info.uncounted++;
        return true;
    }
    struct mx_suspicion seen = {.object = object, .block = block, .refcount = header.refcount};
    seen.found = count_references(auditing, block, type, &seen.words);
    return judge(auditing, &seen);
}

static struct mx_error *look_at_all(struct auditing *auditing)
{
    const struct mx_spans *spans = &auditing->graph->heap->spans;
    for (size_t s = 0; s < spans->spans.count; s++) {
        const struct mx_span *span = &spans->spans.items[s];
        if (!mx_work_step(&auditing->work, span->count))
            return mx_error_cancelled();
        for (uint32_t block = span->first; block < span->first + span->count; block++)
            if (!look_at(auditing, span, block))
                return mx_error_no_memory();
    }
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
    MX_TRY(find_interning(auditing));
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
    mx_array_free(&auditing.uncounting);
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
