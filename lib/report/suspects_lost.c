/* SPDX-License-Identifier: Apache-2.0
 *
 * What no root leads to, as three holders: cyclic garbage, objects whose
 * reference counts say that somebody holds them all the same, and C data that
 * no object is known to own.
 */
#include <string.h>

#include "cpython/header.h"
#include "report/suspects.h"

enum { STEP = 1 << 20 /* blocks between looks at the progress */ };

/* By type, of one kind. */
struct types {
    uint64_t *count, *bytes;
    uint32_t *example;
};

/* More references are counted than there are in the heap: an extension has one, or forgot to give it back. */
static bool is_held(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_rows *rows = &graph->reverse;
    const struct mx_type *type;
    struct mx_header header;
    mx_addr object = mx_graph_object(graph, block, &type);
    if (!object || !mx_header_read(&graph->target->types, type, object, &header) || header.immortal || header.deferred)
        return false;
    int64_t found = 0;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        found += (rows->classes[i] & MX_EDGE_CLASS) <= MX_EDGE_OWNED;
    return header.refcount > found;
}

static unsigned kind_of(const struct mx_graph *graph, uint32_t block)
{
    if (graph->heap->kinds[block] == MX_BLOCK_RAW)
        return MX_LOST_DATA;
    return is_held(graph, block) ? MX_LOST_HELD : MX_LOST_GARBAGE;
}

/* An instance and its dict that hold each other are known as the instance, whichever of them came first. */
static uint32_t known_as(const struct mx_retained *retained, uint32_t block)
{
    enum { MOST_LOOKED_AT = 16 };
    const struct mx_graph *graph = retained->graph;
    const struct mx_rows *rows = &graph->reverse;
    const struct mx_type *type;
    uint32_t first = rows->first[block], until = rows->first[block + 1];
    mx_graph_object(graph, block, &type);
    if (!type || type->kind != MX_KIND_DICT)
        return block;
    for (uint32_t i = first; i < until && i < first + MOST_LOOKED_AT; i++) {
        uint32_t holder = rows->targets[i];
        mx_graph_object(graph, holder, &type);
        if (retained->dominators.idoms[holder] == block && type && type->kind == MX_KIND_OTHER)
            return holder;
    }
    return block;
}

static void add(const struct mx_holding *holding, uint32_t block, unsigned kind, struct types *types,
                struct mx_suspect *row)
{
    const struct mx_heap *heap = holding->retained->graph->heap;
    uint32_t type = mx_heap_type_of(heap, known_as(holding->retained, block));
    size_t slot = type == MX_MAP_NONE ? heap->types.count : type;
    uint64_t bytes = holding->bytes[block];
    struct types *of = &types[kind];
    of->example[slot] = of->count[slot] && holding->bytes[of->example[slot]] >= bytes ? of->example[slot] : block;
    of->count[slot]++;
    of->bytes[slot] += bytes;
    row[kind].retained += bytes;
}

static struct mx_error *sort_out(struct mx_holding *holding, struct types *types, struct mx_suspect *rows)
{
    const struct mx_dominators *dominators = &holding->retained->dominators;
    uint32_t unreachable = mx_dominators_unreachable(dominators);
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&holding->work, STEP))
            return mx_error_cancelled();
        if (holding->owners[block] == unreachable && holding->bytes[block])
            add(holding, block, kind_of(holding->retained->graph, block), types, rows);
    }
    return NULL;
}

/* The type that most bytes are of. */
static void describe(const struct mx_retained *retained, const struct types *types, struct mx_suspect *row)
{
    const struct mx_graph *graph = retained->graph;
    const struct mx_type *type;
    size_t best = 0, count = graph->heap->types.count;
    if (!types->bytes || !types->count || !types->example)
        return;
    for (size_t i = 0; i <= count; i++)
        best = types->bytes[i] > types->bytes[best] ? i : best;
    row->holds_type = best == count ? "raw block" : graph->heap->types.items[best].name;
    row->holds_count = types->count[best];
    row->holds_bytes = types->bytes[best];
    row->example =
        row->holds_count && best < count ? mx_graph_object(graph, known_as(retained, types->example[best]), &type) : 0;
    row->type = row->path = row->example_path = "";
}

static void explain(const struct mx_graph *graph, struct mx_suspect *rows)
{
    bool is_whole = graph->heap->info.complete;
    rows[MX_LOST_GARBAGE].cause = MX_CAUSE_GARBAGE;
    rows[MX_LOST_GARBAGE].why = "unreachable cycles that the garbage collector has not freed";
    rows[MX_LOST_HELD].cause = is_whole ? MX_CAUSE_EXTENSION_MODULE : MX_CAUSE_OTHER;
    rows[MX_LOST_HELD].why = is_whole ? "references that C code holds, or took and never gave back: nothing else "
                                        "leads there, but the reference counts say so"
                                      : "nothing leads there, for parts of the heap are missing";
    rows[MX_LOST_DATA].cause = MX_CAUSE_OTHER;
    rows[MX_LOST_DATA].why = "memory of C code that no Python object is known to own";
}

struct mx_error *mx_suspects_lost(struct mx_holding *holding, struct mx_suspect *rows)
{
    const struct mx_graph *graph = holding->retained->graph;
    size_t count = graph->heap->types.count + 1;
    struct types types[MX_LOST_KINDS] = {0};
    bool complete = true;
    for (size_t i = 0; i < MX_LOST_KINDS; i++) {
        types[i].count = mx_calloc(count, sizeof(uint64_t));
        types[i].bytes = mx_calloc(count, sizeof(uint64_t));
        types[i].example = mx_calloc(count, sizeof(uint32_t));
        complete = complete && types[i].count && types[i].bytes && types[i].example;
    }
    struct mx_error *error = complete ? sort_out(holding, types, rows) : mx_error_no_memory();
    for (size_t i = 0; !error && i < MX_LOST_KINDS; i++)
        describe(holding->retained, &types[i], &rows[i]);
    if (!error)
        explain(graph, rows);
    for (size_t i = 0; i < MX_LOST_KINDS; i++) {
        free(types[i].count);
        free(types[i].bytes);
        free(types[i].example);
    }
    return error;
}
