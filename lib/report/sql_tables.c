/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tables read from: types by name, and the indices over the heap that
 * are made when a statement first asks for them.
 */
#include <string.h>

#include "cpython/lookup.h"
#include "heap/reach.h"
#include "report/sql_table.h"
#include "report/typename.h"

const struct mx_sql_table *const mx_sql_all[] = {&mx_sql_objects, &mx_sql_refs,    &mx_sql_types,   &mx_sql_roots,
                                                 &mx_sql_blocks,  &mx_sql_regions, &mx_sql_strings, NULL};

static int compare_names(const void *a, const void *b, void *context)
{
    const struct mx_heap_type *types = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    int order = types[left].name == types[right].name ? 0 : strcmp(types[left].name, types[right].name);
    return order ? order : left < right ? -1 : left > right;
}

static void group_types(struct mx_sql_tables *tables)
{
    const struct mx_heap *heap = tables->sources.heap;
    uint32_t count = 0;
    for (uint32_t i = 0; i < heap->types.count; i++) {
        const char *name = heap->types.items[tables->types[i]].name;
        if (!count || strcmp(name, tables->groups[count - 1].name))
            tables->groups[count++] = (struct mx_sql_group){.name = name, .first_type = i};
        tables->groups[count - 1].count += heap->tallies[tables->types[i]].count;
        tables->group_of[tables->types[i]] = count - 1;
    }
    tables->groups[count] = (struct mx_sql_group){.name = "", .first_type = (uint32_t)heap->types.count};
    tables->group_count = count;
}

static struct mx_error *sort_types(struct mx_sql_tables *tables)
{
    const struct mx_heap *heap = tables->sources.heap;
    size_t count = heap->types.count;
    tables->types = mx_calloc(count + 1, sizeof(*tables->types));
    tables->groups = mx_calloc(count + 1, sizeof(*tables->groups));
    tables->group_of = mx_calloc(count + 1, sizeof(*tables->group_of));
    if (!tables->types || !tables->groups || !tables->group_of)
        return mx_error_no_memory();
    for (uint32_t i = 0; i < count; i++)
        tables->types[i] = i;
    if (count)
        qsort_r(tables->types, count, sizeof(*tables->types), compare_names, heap->types.items);
    group_types(tables);
    return NULL;
}

struct mx_error *mx_sql_tables_open(const struct mx_sources *sources, struct mx_sql_tables **ret)
{
    struct mx_sql_tables *tables = mx_calloc(1, sizeof(*tables));
    if (!tables)
        return mx_error_no_memory();
    tables->sources = *sources;
    struct mx_error *error = sources->heap ? sort_types(tables) : NULL;
    if (error) {
        mx_sql_tables_close(tables);
        return error;
    }
    *ret = tables;
    return NULL;
}

void mx_sql_tables_close(struct mx_sql_tables *tables)
{
    if (!tables)
        return;
    free(tables->types);
    free(tables->groups);
    free(tables->group_of);
    free(tables->by_type);
    free(tables->distances);
    free(tables->modules);
    mx_strtab_deinit(&tables->names);
    free(tables);
}

struct mx_error *mx_sql_register(sqlite3 *database, struct mx_sql_tables *tables)
{
    for (const struct mx_sql_table *const *table = mx_sql_all; *table; table++) {
        struct mx_sql_binding *binding = mx_calloc(1, sizeof(*binding));
        if (!binding)
            return mx_error_no_memory();
        *binding = (struct mx_sql_binding){tables, *table};
        /* SQLite frees the binding, also when this fails. */
        int code = sqlite3_create_module_v2(database, (*table)->name, &mx_sql_module, binding, free);
        if (code != SQLITE_OK)
            return mx_sql_failure(database, code);
    }
    return mx_sql_register_functions(database, tables);
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && length && (at = strstr(at, word)); at++)
        if (at > words && at[-1] == ' ' && at[length] == ' ')
            return true;
    return false;
}

unsigned mx_sql_column_needs(const char *name, const char *column)
{
    for (const struct mx_sql_table *const *table = mx_sql_all; *table; table++) {
        if (sqlite3_stricmp((*table)->name, name))
            continue;
        if (has_word((*table)->retained_columns, column))
            return MX_NEEDS_GRAPH | MX_NEEDS_RETAINED;
        return has_word((*table)->graph_columns, column) ? MX_NEEDS_GRAPH : (*table)->needs;
    }
    return 0;
}

uint32_t mx_sql_type_of(const struct mx_sql_tables *tables, uint32_t block)
{
    const struct mx_heap *heap = tables->sources.heap;
    uint32_t type = mx_heap_type_of(heap, block);
    return type < heap->types.count && type < tables->sources.target->types.types.count ? type : MX_MAP_NONE;
}

mx_addr mx_sql_object(const struct mx_sql_tables *tables, uint32_t block, uint32_t *type)
{
    const struct mx_heap *heap = tables->sources.heap;
    *type = mx_sql_type_of(tables, block);
    return *type == MX_MAP_NONE ? 0 : mx_heap_object(heap, mx_spans_of(&heap->spans, block), block, *type);
}

const struct mx_span *mx_sql_span(struct mx_sql_cursor *cursor)
{
    const struct mx_spans *spans = &cursor->tables->sources.heap->spans;
    const struct mx_span *end = spans->spans.items + spans->spans.count, *span = cursor->span;
    uint32_t row = cursor->row;
    if (span && row - span->first >= span->count && ++span < end && !span->count)
        span++;
    if (!span || span >= end || row - span->first >= span->count)
        span = mx_spans_of(spans, row);
    cursor->span = span;
    return span;
}

mx_addr mx_sql_address(const struct mx_sql_tables *tables, uint32_t block)
{
    const struct mx_spans *spans = &tables->sources.heap->spans;
    uint32_t type;
    mx_addr object = mx_sql_object(tables, block, &type);
    return object ? object : mx_block_address(spans, mx_spans_of(spans, block), block);
}

uint32_t mx_sql_find_group(const struct mx_sql_tables *tables, const char *name)
{
    uint32_t low = 0, high = tables->group_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(tables->groups[middle].name, name);
        if (!order)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return MX_MAP_NONE;
}

/* The group of the object in a block; MX_MAP_NONE when it holds none. */
static uint32_t group_of_block(const struct mx_sql_tables *tables, uint32_t block)
{
    uint32_t type = mx_sql_type_of(tables, block);
    return type == MX_MAP_NONE ? MX_MAP_NONE : tables->group_of[type];
}

/* Counting sort: blocks of a group stay in the order of their ids. */
struct mx_error *mx_sql_index_types(struct mx_sql_tables *tables)
{
    uint32_t blocks = tables->sources.heap->spans.blocks, groups = tables->group_count, total = 0;
    if (tables->by_type)
        return NULL;
    uint32_t *next = mx_calloc((size_t)groups + 1, sizeof(*next));
    for (uint32_t block = 0; next && block < blocks; block++) {
        uint32_t group = group_of_block(tables, block);
        if (group != MX_MAP_NONE)
            next[group]++;
    }
    for (uint32_t i = 0; next && i <= groups; i++) {
        uint32_t count = next[i];
        next[i] = tables->groups[i].first = total;
        total += count;
    }
    tables->by_type = next ? mx_calloc((size_t)total + 1, sizeof(uint32_t)) : NULL;
    for (uint32_t block = 0; tables->by_type && block < blocks; block++) {
        uint32_t group = group_of_block(tables, block);
        if (group != MX_MAP_NONE)
            tables->by_type[next[group]++] = block;
    }
    free(next);
    return tables->by_type ? NULL : mx_error_no_memory();
}

/* Each block is walked over twice at most: up to one whose distance is known, and once more to write. */
static void measure(struct mx_sql_tables *tables, uint32_t block)
{
    const uint32_t *parents = tables->sources.graph->parents;
    uint32_t *distances = tables->distances, at = block, steps = 0;
    while (distances[at] == MX_NO_BLOCK && parents[at] != at) {
        at = parents[at];
        steps++;
    }
    if (distances[at] == MX_NO_BLOCK)
        distances[at] = 0;
    for (uint32_t distance = distances[at] + steps; steps--; distance--) {
        distances[block] = distance;
        block = parents[block];
    }
}

/* Blocks whose distance was found by way of static objects, in that order. */
struct wave {
    struct mx_sql_tables *tables;
    MX_ARRAY(uint32_t) queue;
    bool no_memory;
};

static void reach(struct wave *wave, uint32_t block, uint32_t distance)
{
    if (wave->tables->distances[block] != MX_NO_BLOCK)
        return;
    wave->tables->distances[block] = distance;
    if (!mx_array_push(&wave->queue, block))
        wave->no_memory = true;
}

static void start_from_static(struct wave *wave)
{
    const struct mx_heap *heap = wave->tables->sources.heap;
    for (size_t i = 0; i < heap->spans.spans.count; i++) {
        const struct mx_span *span = &heap->spans.spans.items[i];
        for (uint32_t block = span->first; block - span->first < span->count && span->kind == MX_SPAN_STATIC; block++)
            if (heap->kinds[block] != MX_BLOCK_FREE)
                reach(wave, block, 0);
    }
}

/* Static objects are never freed: those that no root leads to are roots themselves, as for retained sizes. */
static bool spread_from_static(struct mx_sql_tables *tables)
{
    const struct mx_rows *rows = &tables->sources.graph->forward;
    struct wave wave = {.tables = tables};
    start_from_static(&wave);
    for (size_t head = 0; head < wave.queue.count && !wave.no_memory; head++) {
        uint32_t block = wave.queue.items[head];
        for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
            if ((rows->classes[i] & MX_EDGE_CLASS) <= MX_EDGE_OWNED)
                reach(&wave, rows->targets[i], tables->distances[block] + 1);
    }
    mx_array_free(&wave.queue);
    return !wave.no_memory;
}

struct mx_error *mx_sql_index_distances(struct mx_sql_tables *tables)
{
    struct mx_graph *graph = tables->sources.graph;
    if (tables->distances)
        return NULL;
    if (!graph)
        return mx_error_new(MX_ERROR_ARGUMENT, "distances from roots need the graph of references");
    MX_TRY(mx_graph_parents(graph, NULL));
    size_t blocks = graph->forward.blocks;
    tables->distances = malloc((blocks + 1) * sizeof(uint32_t));
    if (!tables->distances)
        return mx_error_no_memory();
    memset(tables->distances, 0xff, (blocks + 1) * sizeof(uint32_t));
    for (uint32_t block = 0; block < blocks; block++)
        if (graph->parents[block] != MX_NO_BLOCK)
            measure(tables, block);
    if (spread_from_static(tables))
        return NULL;
    free(tables->distances);
    tables->distances = NULL;
    return mx_error_no_memory();
}

static struct mx_error *name_modules(struct mx_sql_tables *tables, const struct mx_referents *referents)
{
    static const char builtins[] = "builtins";
    const struct mx_heap *heap = tables->sources.heap;
    mx_addr modules = mx_lookup_modules(&tables->sources.target->types);
    for (size_t i = 0; i < heap->types.count; i++) {
        const char *name = heap->types.items[i].name;
        size_t length = mx_type_module_length(referents, modules, name);
        tables->modules[i] = length ? mx_strtab_add(&tables->names, name, length) : builtins;
        if (!tables->modules[i])
            return mx_error_no_memory();
    }
    return NULL;
}

struct mx_error *mx_sql_index_modules(struct mx_sql_tables *tables)
{
    struct mx_referents referents;
    if (tables->modules)
        return NULL;
    tables->modules = mx_calloc(tables->sources.heap->types.count + 1, sizeof(*tables->modules));
    if (!tables->modules)
        return mx_error_no_memory();
    MX_TRY(mx_referents_open(&tables->sources.target->types, &referents));
    struct mx_error *error = name_modules(tables, &referents);
    mx_referents_close(&referents);
    if (error) {
        free(tables->modules);
        tables->modules = NULL;
    }
    return error;
}
