/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of references and roots.
 *
 * A row of refs is an edge: its index in the forward rows, or in the reverse ones for plans that begin at the target.
 * Names are not kept in the graph: for a name the object is decoded again, and because the next row mostly is the next
 * edge of the same object, some more edges are kept with it, the more of them the longer this goes on.
 */
#include <string.h>

#include "report/reference.h"
#include "report/sql_table.h"

enum { SRC, DST, KIND, NAME, EXACT };
enum { BY_SRC = 1 << SRC, BY_DST = 1 << DST, FEWEST_EDGES = 16, MOST_EDGES = 1 << 16 };

static const unsigned ref_indices[] = {BY_SRC | BY_DST, BY_SRC, BY_DST, 0};

struct mx_sql_edges {
    uint32_t from, to; /* to MX_NO_BLOCK: all edges of `from` */
    uint32_t first;    /* which of these edges items[0] is */
    uint32_t passed;   /* edges met while decoding */
    uint32_t room;     /* edges to keep */
    MX_ARRAY(struct mx_edge) kept;
    const struct mx_graph *graph;
};

void mx_sql_edges_free(struct mx_sql_edges *edges)
{
    if (!edges)
        return;
    mx_array_free(&edges->kept);
    free(edges);
}

static uint64_t ref_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    const struct mx_graph *graph = tables->sources.graph;
    uint64_t edges = graph ? graph->forward.edges : 4000000, blocks = graph ? graph->forward.blocks : 1000000;
    if (equals == (BY_SRC | BY_DST))
        return 1;
    return equals ? edges / (blocks + 1) + 1 : edges;
}

/* The first index from `low` up to `high` whose target is at least `wanted`, in a row of referrers. */
static uint32_t first_from(const struct mx_rows *reverse, uint32_t low, uint32_t high, uint64_t wanted)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reverse->targets[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mx_error *seek_ref(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values)
{
    const struct mx_graph *graph = cursor->tables->sources.graph;
    cursor->backwards = plan->order >= 0 || plan->equals & BY_DST;
    if (cursor->backwards)
        MX_TRY(mx_graph_referrers(cursor->tables->sources.graph, NULL));
    if (plan->order >= 0)
        return NULL;
    const struct mx_rows *rows = cursor->backwards ? &graph->reverse : &graph->forward;
    bool has_both = plan->equals == (BY_SRC | BY_DST);
    uint64_t block = (uint64_t)sqlite3_value_int64(values[has_both ? 1 : 0]);
    cursor->at = cursor->end = 0;
    if (block >= rows->blocks)
        return NULL;
    cursor->block = (uint32_t)block;
    cursor->at = rows->first[block];
    cursor->end = rows->first[block + 1];
    if (has_both) {
        uint64_t from = (uint64_t)sqlite3_value_int64(values[0]);
        cursor->at = first_from(rows, (uint32_t)cursor->at, (uint32_t)cursor->end, from);
        cursor->end = first_from(rows, (uint32_t)cursor->at, (uint32_t)cursor->end, from + (from < UINT64_MAX));
    }
    return NULL;
}

/* Rows come in order, so that the block an edge belongs to is never far. */
static bool find_block(const struct mx_rows *rows, uint32_t row, uint32_t *block)
{
    while (*block + 1 < rows->blocks && rows->first[*block + 1] <= row)
        ++*block;
    return rows->first[*block] <= row;
}

/* The ends of the current edge, and which one it is of the source's edges or, backwards, of those between the two. */
struct ends {
    uint32_t from, to, ordinal;
    uint8_t class;
};

static struct ends find_ends(struct mx_sql_cursor *cursor)
{
    const struct mx_graph *graph = cursor->tables->sources.graph;
    const struct mx_rows *rows = cursor->backwards ? &graph->reverse : &graph->forward;
    uint32_t row = cursor->row;
    if (!find_block(rows, row, &cursor->block)) {
        cursor->block = 0;
        find_block(rows, row, &cursor->block);
    }
    uint32_t other = rows->targets[row], block = cursor->block, first = rows->first[block];
    if (!cursor->backwards)
        return (struct ends){block, other, row - first, rows->classes[row]};
    uint32_t ordinal = row - first_from(rows, first, row, other);
    return (struct ends){other, block, ordinal, rows->classes[row]};
}

static bool keep_edge(void *context, const struct mx_edge *edge)
{
    struct mx_sql_edges *edges = context;
    if (edges->to == MX_NO_BLOCK && mx_graph_target(edges->graph, edge) == MX_NO_BLOCK)
        return true;
    if (edges->passed++ < edges->first)
        return true;
    return mx_array_push(&edges->kept, *edge) && edges->kept.count < edges->room;
}

static void decode(const struct mx_sql_tables *tables, struct mx_sql_edges *edges)
{
    const struct mx_graph *graph = tables->sources.graph;
    const struct mx_type *type;
    edges->graph = graph;
    edges->kept.count = 0;
    edges->passed = 0;
    if (edges->to != MX_NO_BLOCK) {
        mx_edges_between(graph, edges->from, edges->to, keep_edge, edges);
        return;
    }
    mx_addr object = mx_graph_object(graph, edges->from, &type);
    if (object)
        mx_referents_each(&graph->referents, type, object, keep_edge, edges);
}

static const struct mx_edge *find_edge(struct mx_sql_cursor *cursor, const struct ends *ends)
{
    struct mx_sql_edges *edges = cursor->edges;
    uint32_t to = cursor->backwards ? ends->to : MX_NO_BLOCK;
    bool same = edges->from == ends->from && edges->to == to;
    if (!same || ends->ordinal < edges->first || ends->ordinal - edges->first >= edges->kept.count) {
        bool goes_on = same && edges->kept.count && ends->ordinal == edges->first + edges->kept.count;
        edges->room = goes_on && edges->room < MOST_EDGES ? edges->room * 4 : goes_on ? MOST_EDGES : FEWEST_EDGES;
        edges->from = ends->from;
        edges->to = to;
        edges->first = ends->ordinal;
        decode(cursor->tables, edges);
    }
    size_t at = ends->ordinal - edges->first;
    return at < edges->kept.count ? &edges->kept.items[at] : NULL;
}

static struct mx_error *give_name(struct mx_sql_cursor *cursor, const struct ends *ends, sqlite3_context *context)
{
    const struct mx_graph *graph = cursor->tables->sources.graph;
    char name[MX_REFERENCE_NAME];
    if (!cursor->edges) {
        cursor->edges = mx_calloc(1, sizeof(*cursor->edges));
        if (!cursor->edges)
            return mx_error_no_memory();
        cursor->edges->from = MX_NO_BLOCK;
    }
    const struct mx_edge *edge = find_edge(cursor, ends);
    if (edge && mx_graph_target(graph, edge) == ends->to &&
        mx_edge_name(&graph->target->types, edge, MX_EDGE_LABEL, name, sizeof(name)))
        sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT);
    return NULL;
}

static struct mx_error *ref_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    static const char *const kinds[] = {[MX_REFERENCE_TRAVERSED] = "traversed",
                                        [MX_REFERENCE_OWNED] = "owned",
                                        [MX_REFERENCE_BORROWED] = "borrowed",
                                        [MX_REFERENCE_BUFFER] = "buffer"};
    struct ends ends = find_ends(cursor);
    switch (column) {
    case SRC:
        sqlite3_result_int64(context, ends.from);
        break;
    case DST:
        sqlite3_result_int64(context, ends.to);
        break;
    case KIND:
        sqlite3_result_text(context, kinds[mx_reference_kind_of(ends.class)], -1, SQLITE_STATIC);
        break;
    case NAME:
        return give_name(cursor, &ends, context);
    default:
        sqlite3_result_int(context, !(ends.class & MX_EDGE_INEXACT));
        break;
    }
    return NULL;
}

/* An edge is the same row in every plan: SQLite puts the answers to `a OR b` together by this number. */
static int64_t ref_rowid(const struct mx_sql_cursor *cursor)
{
    const struct mx_rows *forward = &cursor->tables->sources.graph->forward;
    struct mx_sql_cursor copy = *cursor;
    struct ends ends = find_ends(&copy);
    if (!cursor->backwards)
        return cursor->row;
    uint32_t passed = 0;
    for (uint32_t i = forward->first[ends.from]; i < forward->first[ends.from + 1]; i++)
        if (forward->targets[i] == ends.to && passed++ == ends.ordinal)
            return i;
    return -1;
}

const struct mx_sql_table mx_sql_refs = {
    .name = "refs",
    .columns = "src INT, dst INT, kind TEXT, name TEXT, exact INT",
    .needs = MX_NEEDS_GRAPH,
    .indices = ref_indices,
    .rising = BY_SRC,
    .orders = BY_DST,
    .rows = ref_rows,
    .seek = seek_ref,
    .column = ref_column,
    .rowid = ref_rowid,
};

enum { ROOT_KIND = 2, ROOT_NAME, ROOT_EXACT };

static const unsigned root_indices[] = {1 << MX_SQL_ID, 0};

static uint64_t root_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    uint64_t roots = tables->sources.graph ? tables->sources.graph->roots.count : 10000;
    return equals ? 1 : roots;
}

static struct mx_error *seek_root(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values)
{
    (void)plan;
    const struct mx_graph *graph = cursor->tables->sources.graph;
    int64_t block = sqlite3_value_int64(values[0]);
    size_t first = 0, count = 0;
    if (block >= 0 && (uint64_t)block < graph->forward.blocks)
        count = mx_graph_roots_of(graph, (uint32_t)block, &first);
    cursor->list = graph->roots_by_block;
    cursor->at = first;
    cursor->end = first + count;
    return NULL;
}

static const char *root_kind(uint8_t kind)
{
    static const char *const kinds[] = {
        [MX_ROOT_MODULE] = "module",           [MX_ROOT_LOCAL] = "local",     [MX_ROOT_FRAME] = "frame",
        [MX_ROOT_INTERPRETER] = "interpreter", [MX_ROOT_THREAD] = "thread",   [MX_ROOT_STATIC_TYPE] = "static type",
        [MX_ROOT_C_GLOBAL] = "C global",       [MX_ROOT_C_STACK] = "C stack", [MX_ROOT_CACHE] = "cache"};
    return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : NULL;
}

static struct mx_error *root_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    const struct mx_graph *graph = cursor->tables->sources.graph;
    const struct mx_graph_root *root = &graph->roots.items[cursor->row];
    char name[MX_REFERENCE_NAME];
    switch (column) {
    case MX_SQL_ID:
        sqlite3_result_int64(context, root->block);
        break;
    case MX_SQL_ADDR:
        sqlite3_result_int64(context, (sqlite3_int64)mx_sql_address(cursor->tables, root->block));
        break;
    case ROOT_KIND:
        sqlite3_result_text(context, root_kind(root->root.kind), -1, SQLITE_STATIC);
        break;
    case ROOT_NAME:
        if (mx_root_name(&graph->target->types, &root->root, MX_EDGE_LABEL, name, sizeof(name)))
            sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_result_int(context, root->root.exact);
        break;
    }
    return NULL;
}

const struct mx_sql_table mx_sql_roots = {
    .name = "roots",
    .columns = "id INT, addr ADDRESS INT, kind TEXT, name TEXT, exact INT",
    .needs = MX_NEEDS_GRAPH,
    .indices = root_indices,
    .rows = root_rows,
    .seek = seek_root,
    .column = root_column,
};
