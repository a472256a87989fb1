/* SPDX-License-Identifier: Apache-2.0
 *
 * Who retains most: objects, types, modules, roots.
 */
#include <string.h>

#include "base/strtab.h"
#include "cpython/lookup.h"
#include "report/origins.h"
#include "report/reference.h"
#include "report/retained.h"
#include "report/typename.h"

enum {
    SPARE = 4096,   /* candidates kept beyond the limit before the smaller ones go */
    STEP = 1 << 20, /* blocks between looks at the progress */
};

static const char raw_name[] = "raw block";

struct mx_retained_table {
    struct mx_retained *retained;
    MX_ARRAY(struct mx_retained_row) rows;
    struct mx_strtab names;
    uint64_t total; /* rows without the limit */
    struct mx_work work;
};

static int compare_rows(const void *a, const void *b)
{
    const struct mx_retained_row *left = a, *right = b;
    if (left->retained != right->retained)
        return left->retained < right->retained ? 1 : -1;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return left->name && right->name ? strcmp(left->name, right->name) : 0;
}

static void order_and_limit(struct mx_retained_table *table, size_t limit)
{
    if (table->rows.count)
        qsort(table->rows.items, table->rows.count, sizeof(struct mx_retained_row), compare_rows);
    if (limit && table->rows.count > limit)
        table->rows.count = limit;
}

/* ids stand in for addresses until the rows are chosen. */
static bool add_candidate(struct mx_retained_table *table, uint32_t block, size_t limit)
{
    struct mx_retained_row row = {.address = block, .count = 1};
    row.retained = mx_retained_block(table->retained, block);
    table->total++;
    if (limit && table->rows.count >= limit + SPARE)
        order_and_limit(table, limit);
    return mx_array_push(&table->rows, row);
}

static void describe_objects(struct mx_retained_table *table)
{
    for (size_t i = 0; i < table->rows.count; i++) {
        struct mx_retained_row *row = &table->rows.items[i];
        struct mx_node node = mx_node_describe(table->retained->graph, (uint32_t)row->address);
        row->address = node.address;
        row->name = node.type;
        row->size = node.size;
    }
}

/* All objects, or what hangs directly on one: buffers too. */
static struct mx_error *by_object(struct mx_retained_table *table, const struct mx_retained_query *query)
{
    const struct mx_dominators *dominators = &table->retained->dominators;
    const uint16_t *kinds = table->retained->graph->heap->kinds;
    uint32_t within = MX_NO_BLOCK;
    if (query->within)
        MX_TRY(mx_place_find(table->retained->graph, query->within, true, &within));
    mx_work_begin(&table->work, table->work.progress, "choosing objects", dominators->blocks);
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&table->work, STEP))
            return mx_error_cancelled();
        bool is_wanted = within == MX_NO_BLOCK ? kinds[block] < MX_BLOCK_RAW : dominators->idoms[block] == within;
        if (is_wanted && !add_candidate(table, block, query->limit))
            return mx_error_no_memory();
    }
    order_and_limit(table, query->limit);
    describe_objects(table);
    return NULL;
}

/* The dominator tree the other way round. */
struct children {
    uint32_t *first, *next; /* MX_NO_BLOCK = none */
};

static bool find_children(const struct mx_dominators *dominators, struct children *ret)
{
    size_t count = (size_t)dominators->blocks + 2;
    ret->first = malloc(count * sizeof(uint32_t));
    ret->next = malloc(count * sizeof(uint32_t));
    if (!ret->first || !ret->next)
        return false;
    memset(ret->first, 0xff, count * sizeof(uint32_t));
    memset(ret->next, 0xff, count * sizeof(uint32_t));
    for (uint32_t block = dominators->blocks + 2; block-- > 0;) {
        uint32_t idom = dominators->idoms[block];
        if (idom == MX_NO_BLOCK)
            continue;
        ret->next[block] = ret->first[idom];
        ret->first[idom] = block;
    }
    return true;
}

/* Types put together: by name, or by module. */
struct grouping {
    struct mx_retained_table *table;
    struct children children;
    uint32_t *groups; /* rows, by type index, and at the end of raw blocks */
    uint32_t *inside; /* by row: how many of its blocks the walk is inside of */
    struct mx_map by_name;
};

static uint32_t group_of(const struct grouping *grouping, uint32_t block)
{
    const struct mx_heap *heap = grouping->table->retained->graph->heap;
    if (block >= grouping->table->retained->dominators.blocks)
        return MX_MAP_NONE;
    uint32_t type = mx_heap_type_of(heap, block);
    return grouping->groups[type == MX_MAP_NONE ? heap->types.count : type];
}

static void enter(struct grouping *grouping, uint32_t block)
{
    uint32_t group = group_of(grouping, block);
    if (group != MX_MAP_NONE && !grouping->inside[group]++)
        grouping->table->rows.items[group].retained += mx_retained_block(grouping->table->retained, block);
}

static void leave(struct grouping *grouping, uint32_t block)
{
    uint32_t group = group_of(grouping, block);
    if (group != MX_MAP_NONE)
        grouping->inside[group]--;
}

/* Depth first, upwards by the immediate dominators. */
static struct mx_error *walk_tree(struct grouping *grouping)
{
    const struct mx_dominators *dominators = &grouping->table->retained->dominators;
    const struct children *children = &grouping->children;
    uint32_t root = mx_dominators_root(dominators), at = root, steps = 0;
    while (true) {
        if (++steps % STEP == 0 && !mx_work_step(&grouping->table->work, STEP))
            return mx_error_cancelled();
        if (at != root)
            enter(grouping, at);
        if (children->first[at] != MX_NO_BLOCK) {
            at = children->first[at];
            continue;
        }
        while (at != root && children->next[at] == MX_NO_BLOCK) {
            leave(grouping, at);
            at = dominators->idoms[at];
        }
        if (at == root)
            return NULL;
        leave(grouping, at);
        at = children->next[at];
    }
}

/* The row of a name, made when it is new; MX_MAP_NONE when there is no memory. */
static uint32_t row_of(struct mx_retained_table *table, struct mx_map *by_name, const char *text, size_t length)
{
    const char *name = mx_strtab_add(&table->names, text, length);
    uint32_t known = name ? mx_map_get(by_name, (uintptr_t)name) : MX_MAP_NONE;
    if (!name || known != MX_MAP_NONE)
        return known;
    uint32_t row = (uint32_t)table->rows.count;
    bool ok = mx_array_push(&table->rows, (struct mx_retained_row){.name = name}) &&
              mx_map_set(by_name, (uintptr_t)name, row);
    return ok ? row : MX_MAP_NONE;
}

static uint32_t group_of_type(struct grouping *grouping, const char *name, mx_addr modules, bool by_module)
{
    struct mx_retained_table *table = grouping->table;
    if (!by_module)
        return row_of(table, &grouping->by_name, name, strlen(name));
    size_t length = mx_type_module_length(&table->retained->graph->referents, modules, name);
    return length ? row_of(table, &grouping->by_name, name, length)
                  : row_of(table, &grouping->by_name, "builtins", strlen("builtins"));
}

static bool make_groups(struct grouping *grouping, bool by_module)
{
    struct mx_retained_table *table = grouping->table;
    const struct mx_graph *graph = table->retained->graph;
    const struct mx_heap *heap = graph->heap;
    mx_addr modules = by_module ? mx_lookup_modules(&graph->target->types) : 0;
    uint32_t raw = row_of(table, &grouping->by_name, raw_name, strlen(raw_name));
    grouping->groups = mx_calloc(heap->types.count + 1, sizeof(uint32_t));
    if (!grouping->groups || raw == MX_MAP_NONE)
        return false;
    grouping->groups[heap->types.count] = raw;
    table->rows.items[raw].count = heap->info.raw_blocks;
    table->rows.items[raw].size = heap->info.raw_bytes;
    for (size_t i = 0; i < heap->types.count; i++) {
        uint32_t row = group_of_type(grouping, heap->types.items[i].name, modules, by_module);
        if (row == MX_MAP_NONE)
            return false;
        grouping->groups[i] = row;
        table->rows.items[row].count += heap->tallies[i].count;
        table->rows.items[row].size += heap->tallies[i].bytes;
    }
    grouping->inside = mx_calloc(table->rows.count + 1, sizeof(uint32_t));
    return grouping->inside && find_children(&table->retained->dominators, &grouping->children);
}

/* Types without instances are of no interest. */
static void drop_empty(struct mx_retained_table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->rows.count; i++)
        if (table->rows.items[i].count)
            table->rows.items[kept++] = table->rows.items[i];
    table->rows.count = kept;
}

static struct mx_error *by_group(struct mx_retained_table *table, const struct mx_retained_query *query)
{
    struct grouping grouping = {.table = table};
    mx_work_begin(&table->work, table->work.progress, "adding up types", table->retained->dominators.blocks);
    bool ok = make_groups(&grouping, query->by == MX_RETAINED_BY_MODULE);
    struct mx_error *error = ok ? walk_tree(&grouping) : mx_error_no_memory();
    free(grouping.children.first);
    free(grouping.children.next);
    free(grouping.groups);
    free(grouping.inside);
    mx_map_deinit(&grouping.by_name);
    drop_empty(table);
    table->total = table->rows.count;
    order_and_limit(table, query->limit);
    return error;
}

/* Rows are in the labels' order. */
static bool add_to_root(struct mx_retained_table *table, struct mx_origins *origins, uint32_t block)
{
    const struct mx_graph *graph = table->retained->graph;
    uint32_t origin, label = mx_origins_label(origins, block, &origin);
    if (label == MX_MAP_NONE ||
        (label == table->rows.count &&
         !mx_array_push(&table->rows, (struct mx_retained_row){.name = origins->labels.items[label]})))
        return false;
    struct mx_retained_row *row = &table->rows.items[label];
    struct mx_node node = mx_node_describe(graph, block);
    row->retained += mx_retained_block(table->retained, block);
    row->size += node.size;
    row->count++;
    if (!row->address && origin != MX_NO_BLOCK)
        row->address = mx_node_describe(graph, origin).address;
    return true;
}

static struct mx_error *add_roots(struct mx_retained_table *table, struct mx_origins *origins)
{
    const struct mx_dominators *dominators = &table->retained->dominators;
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&table->work, STEP))
            return mx_error_cancelled();
        if (dominators->idoms[block] == mx_dominators_root(dominators) && !add_to_root(table, origins, block))
            return mx_error_no_memory();
    }
    return NULL;
}

/* Garbage, and C data apart from it: nothing is known to be wrong with that. */
static bool add_unreachable(struct mx_retained_table *table)
{
    const struct mx_graph *graph = table->retained->graph;
    const struct mx_dominators *dominators = &table->retained->dominators;
    struct mx_retained_row garbage = {.name = mx_label_garbage}, unowned = {.name = mx_label_unowned};
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        if (dominators->idoms[block] != mx_dominators_unreachable(dominators))
            continue;
        struct mx_retained_row *row = graph->heap->kinds[block] == MX_BLOCK_RAW ? &unowned : &garbage;
        row->retained += dominators->retained[block];
        row->size += mx_node_describe(graph, block).size;
        row->count++;
    }
    return (!garbage.count || mx_array_push(&table->rows, garbage)) &&
           (!unowned.count || mx_array_push(&table->rows, unowned));
}

static struct mx_error *by_root(struct mx_retained_table *table, const struct mx_retained_query *query)
{
    const struct mx_dominators *dominators = &table->retained->dominators;
    struct mx_origins origins;
    MX_TRY(mx_origins_open(table->retained->graph, &table->names, table->work.progress, &origins));
    mx_work_begin(&table->work, table->work.progress, "adding up roots", dominators->blocks);
    struct mx_error *error = add_roots(table, &origins);
    mx_origins_deinit(&origins);
    if (!error && !add_unreachable(table))
        error = mx_error_no_memory();
    table->total = table->rows.count;
    order_and_limit(table, query->limit);
    return error;
}

static struct mx_error *fill(struct mx_retained_table *table, const struct mx_retained_query *query)
{
    if (query->within && query->by != MX_RETAINED_BY_OBJECT)
        return mx_error_new(MX_ERROR_ARGUMENT, "what one object retains can be listed by object only");
    if (query->by == MX_RETAINED_BY_OBJECT)
        return by_object(table, query);
    return query->by == MX_RETAINED_BY_ROOT ? by_root(table, query) : by_group(table, query);
}

struct mx_error *mx_retained_table_open(struct mx_retained *retained, const struct mx_retained_query *query,
                                        const struct mx_progress *progress, struct mx_retained_table **ret)
{
    struct mx_retained_table *table = mx_calloc(1, sizeof(*table));
    if (!table)
        return mx_error_no_memory();
    table->retained = retained;
    table->work.progress = progress;
    struct mx_error *error = fill(table, query);
    if (error) {
        mx_retained_table_close(table);
        return error;
    }
    const struct mx_dominators *dominators = &retained->dominators;
    uint64_t total = dominators->retained[mx_dominators_root(dominators)];
    for (size_t i = 0; i < table->rows.count; i++)
        table->rows.items[i].share = total ? (double)table->rows.items[i].retained / (double)total : 0;
    *ret = table;
    return NULL;
}

const struct mx_retained_row *mx_retained_rows(const struct mx_retained_table *table, size_t *count, uint64_t *total)
{
    *count = table->rows.count;
    *total = table->total;
    return table->rows.items;
}

void mx_retained_table_close(struct mx_retained_table *table)
{
    if (!table)
        return;
    mx_array_free(&table->rows);
    mx_strtab_deinit(&table->names);
    free(table);
}
