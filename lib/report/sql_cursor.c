/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite's side of every table: declaring it, choosing a plan, and walking its
 * rows. It knows nothing of what is in a table.
 *
 * A plan's number, for SQLite to hand from mx_best_index to filter: columns that are given in bits 0-15, bounds in
 * 16-19, the column to order by plus one from 20 on.
 */
#include "report/sql_table.h"

#include <stdio.h>
#include <string.h>

enum { BOUNDS_AT = 16, ORDER_AT = 20, MOST_COLUMNS = 16, MOST_TEXT = 128 };

struct vtab {
    sqlite3_vtab base; /* SQLite's: must be first */
    const struct mx_sql_binding *binding;
};

static int tell(sqlite3_vtab *vtab, struct mx_error *error)
{
    int code = error->code == MX_ERROR_NO_MEMORY   ? SQLITE_NOMEM
               : error->code == MX_ERROR_CANCELLED ? SQLITE_INTERRUPT
                                                   : SQLITE_ERROR;
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", error->message);
    mx_error_free(error);
    return code;
}

void mx_sql_result_error(sqlite3_context *context, struct mx_error *error)
{
    if (error->code == MX_ERROR_NO_MEMORY) {
        sqlite3_result_error_nomem(context);
    } else {
        sqlite3_result_error(context, error->message, -1);
        if (error->code == MX_ERROR_CANCELLED)
            sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    }
    mx_error_free(error);
}

static int connect_table(sqlite3 *database, void *client, int argc, const char *const *argv, sqlite3_vtab **ret,
                         char **message)
{
    (void)argc;
    (void)argv;
    (void)message;
    const struct mx_sql_binding *binding = client;
    char *declaration = sqlite3_mprintf("CREATE TABLE x(%s)", binding->table->columns);
    struct vtab *vtab = sqlite3_malloc(sizeof(*vtab));
    int code = declaration && vtab ? sqlite3_declare_vtab(database, declaration) : SQLITE_NOMEM;
    sqlite3_free(declaration);
    if (code != SQLITE_OK) {
        sqlite3_free(vtab);
        return code;
    }
    *vtab = (struct vtab){.binding = binding};
    *ret = &vtab->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *vtab)
{
    sqlite3_free(vtab);
    return SQLITE_OK;
}

/* The usable constraint `column = ?`, or -1. */
static int find_equal(const sqlite3_index_info *info, int column)
{
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].usable && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ &&
            info->aConstraint[i].iColumn == column)
            return i;
    return -1;
}

static bool has_all(const sqlite3_index_info *info, unsigned columns)
{
    for (int column = 0; column < MOST_COLUMNS; column++)
        if (columns >> column & 1 && find_equal(info, column) < 0)
            return false;
    return true;
}

/* A constraint as one of enum mx_sql_bound, 0 when it is none. */
static unsigned bound_of(const struct sqlite3_index_constraint *constraint)
{
    if (!constraint->usable || (constraint->iColumn != MX_SQL_ID && constraint->iColumn != MX_SQL_ADDR))
        return 0;
    bool is_id = constraint->iColumn == MX_SQL_ID;
    switch (constraint->op) {
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
        return is_id ? MX_SQL_LEAST_ID : MX_SQL_LEAST_ADDRESS;
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
        return is_id ? MX_SQL_MOST_ID : MX_SQL_MOST_ADDRESS;
    default:
        return 0;
    }
}

static int find_bound(const sqlite3_index_info *info, unsigned bound)
{
    for (int i = 0; i < info->nConstraint; i++)
        if (bound_of(&info->aConstraint[i]) == bound)
            return i;
    return -1;
}

/* Whether the terms of ORDER BY from `first` on are columns that rise with the rows. */
static bool rises_by(const struct mx_sql_table *table, const sqlite3_index_info *info, int first, bool any_direction)
{
    for (int i = first; i < info->nOrderBy; i++) {
        int column = info->aOrderBy[i].iColumn;
        bool is_rising = column < 0 ? table->of_blocks : table->rising >> column & 1;
        if (!is_rising || (info->aOrderBy[i].desc && !any_direction))
            return false;
    }
    return true;
}

/* GROUP BY and DISTINCT only want equal rows together; ORDER BY wants them rising. */
static bool choose_order(const struct mx_sql_table *table, sqlite3_index_info *info, struct mx_sql_plan *plan)
{
    int distinct = sqlite3_vtab_distinct(info);
    bool any_direction = distinct == 1 || distinct == 2;
    if (!info->nOrderBy || rises_by(table, info, 0, any_direction))
        return info->nOrderBy > 0;
    int column = info->aOrderBy[0].iColumn;
    bool can = !plan->equals && !plan->bounds && column >= 0 && table->orders >> column & 1 &&
               (any_direction || !info->aOrderBy[0].desc) && rises_by(table, info, 1, any_direction);
    plan->order = can ? column : -1;
    return can;
}

static void choose_equals(const struct mx_sql_binding *binding, const sqlite3_index_info *info,
                          struct mx_sql_plan *plan, double *rows)
{
    const struct mx_sql_table *table = binding->table;
    for (const unsigned *index = table->indices; *index; index++) {
        double found = (double)table->rows(binding->tables, *index);
        if (has_all(info, *index) && (!plan->equals || found < *rows)) {
            plan->equals = *index;
            *rows = found;
        }
    }
}

static void choose_bounds(const struct mx_sql_table *table, const sqlite3_index_info *info, struct mx_sql_plan *plan,
                          double *rows)
{
    if (!table->of_blocks || plan->equals)
        return;
    for (int i = 0; i < info->nConstraint; i++)
        plan->bounds |= bound_of(&info->aConstraint[i]);
    for (unsigned bounds = plan->bounds; bounds; bounds &= bounds - 1)
        *rows /= 4;
}

static void name_columns(const struct mx_sql_table *table, unsigned columns, const char *operator, char * text)
{
    const char *at = table->columns;
    for (int column = 0; column < MOST_COLUMNS && at; column++) {
        size_t used = strlen(text);
        if (columns >> column & 1)
            snprintf(text + used, MOST_TEXT - used, "%s%.*s%s", used ? " " : "", (int)strcspn(at, " "), at, operator);
        at = strchr(at, ',');
        at += at ? strspn(at, ", ") : 0;
    }
}

/* What EXPLAIN QUERY PLAN says of it. */
static char *describe(const struct mx_sql_table *table, const struct mx_sql_plan *plan)
{
    char text[MOST_TEXT] = "";
    name_columns(table, plan->equals, "=?", text);
    name_columns(table, (plan->bounds & 3 ? 1u : 0) | (plan->bounds & 12 ? 2u : 0), "<>?", text);
    if (plan->order >= 0)
        name_columns(table, 1u << plan->order, " order", text);
    return sqlite3_mprintf("%s", text[0] ? text : "all");
}

/* In the order in which filter() takes them. SQLite looks at every row again, so that a bound may be rough. */
static void take_arguments(sqlite3_index_info *info, const struct mx_sql_plan *plan)
{
    int next = 1;
    for (int column = 0; column < MOST_COLUMNS; column++)
        if (plan->equals >> column & 1)
            info->aConstraintUsage[find_equal(info, column)].argvIndex = next++;
    for (unsigned bound = 0; bound < MX_SQL_BOUNDS; bound++)
        if (plan->bounds >> bound & 1)
            info->aConstraintUsage[find_bound(info, 1u << bound)].argvIndex = next++;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    enum { SEEK_COST = 10 };
    const struct mx_sql_binding *binding = ((struct vtab *)base)->binding;
    const struct mx_sql_table *table = binding->table;
    struct mx_sql_plan plan = {.order = -1};
    double rows = (double)table->rows(binding->tables, 0);
    choose_equals(binding, info, &plan, &rows);
    choose_bounds(table, info, &plan, &rows);
    info->orderByConsumed = choose_order(table, info, &plan);
    take_arguments(info, &plan);
    info->idxNum = (int)(plan.equals | plan.bounds << BOUNDS_AT | (unsigned)(plan.order + 1) << ORDER_AT);
    info->idxStr = describe(table, &plan);
    info->needToFreeIdxStr = 1;
    info->idxFlags = plan.equals & table->unique ? SQLITE_INDEX_SCAN_UNIQUE : 0;
    info->estimatedRows = (sqlite3_int64)(rows < 1 ? 1 : rows);
    info->estimatedCost = SEEK_COST + rows;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static int open_cursor(sqlite3_vtab *vtab, sqlite3_vtab_cursor **ret)
{
    const struct mx_sql_binding *binding = ((struct vtab *)vtab)->binding;
    struct mx_sql_cursor *cursor = mx_calloc(1, sizeof(*cursor));
    if (!cursor)
        return SQLITE_NOMEM;
    cursor->tables = binding->tables;
    cursor->table = binding->table;
    *ret = &cursor->base;
    return SQLITE_OK;
}

static void stop_leading(struct mx_sql_cursor *cursor)
{
    if (cursor->tables->leader == cursor)
        cursor->tables->leader = NULL;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct mx_sql_cursor *cursor = (struct mx_sql_cursor *)base;
    stop_leading(cursor);
    mx_sql_edges_free(cursor->edges);
    free(cursor);
    return SQLITE_OK;
}

/* Goes to the first row from `at` on. */
static void settle(struct mx_sql_cursor *cursor)
{
    const struct mx_sql_table *table = cursor->table;
    for (; cursor->at < cursor->end; cursor->at++) {
        cursor->row = cursor->list ? cursor->list[cursor->at] : (uint32_t)cursor->at;
        if (!table->is_row || table->is_row(cursor, cursor->row))
            break;
    }
    if (cursor->tables->leader != cursor)
        return;
    cursor->tables->done = cursor->at - cursor->begin;
    if (cursor->at >= cursor->end)
        stop_leading(cursor);
}

/* Blocks' addresses rise with their ids: the last block that begins at or before `address`, or the first of all. */
static uint32_t block_before(const struct mx_sql_tables *tables, mx_addr address)
{
    const struct mx_spans *spans = &tables->sources.heap->spans;
    uint32_t low = 0, high = spans->blocks;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (mx_block_address(spans, mx_spans_of(spans, middle), middle) <= address)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What is no number is larger or smaller than all of them: SQLite will tell. */
static void narrow(struct mx_sql_cursor *cursor, unsigned bound, sqlite3_value *value)
{
    int type = sqlite3_value_numeric_type(value);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT)
        return;
    int64_t limit = sqlite3_value_int64(value);
    uint64_t row = limit < 0 ? 0 : (uint64_t)limit;
    if (bound & (MX_SQL_LEAST_ADDRESS | MX_SQL_MOST_ADDRESS))
        row = cursor->end ? block_before(cursor->tables, row) : 0;
    if (bound & (MX_SQL_LEAST_ID | MX_SQL_LEAST_ADDRESS))
        cursor->at = row > cursor->at ? row : cursor->at;
    else
        cursor->end = row < cursor->end ? row + 1 : cursor->end;
}

static struct mx_error *require(const struct mx_sql_cursor *cursor)
{
    const struct mx_sources *sources = &cursor->tables->sources;
    if (!sources->heap || !sources->target)
        return mx_error_new(MX_ERROR_ARGUMENT, "a statement needs a heap to be run on");
    if (cursor->table->needs & MX_NEEDS_GRAPH && !sources->graph)
        return mx_error_new(MX_ERROR_ARGUMENT, "the table %s needs the graph of references", cursor->table->name);
    return NULL;
}

static struct mx_error *seek(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values)
{
    MX_TRY(require(cursor));
    cursor->list = NULL;
    cursor->span = NULL;
    cursor->at = 0;
    cursor->end =
        cursor->table->of_blocks ? cursor->tables->sources.heap->spans.blocks : cursor->table->rows(cursor->tables, 0);
    cursor->block = 0;
    cursor->backwards = false;
    for (unsigned bound = 0; bound < MX_SQL_BOUNDS; bound++)
        if (plan->bounds >> bound & 1)
            narrow(cursor, 1u << bound, *values++);
    if (plan->equals || plan->order >= 0)
        MX_TRY(cursor->table->seek(cursor, plan, values));
    cursor->begin = cursor->at;
    return NULL;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
    (void)text;
    (void)argc;
    struct mx_sql_cursor *cursor = (struct mx_sql_cursor *)base;
    unsigned bits = (unsigned)number;
    struct mx_sql_plan plan = {.equals = bits & ((1u << BOUNDS_AT) - 1),
                               .bounds = bits >> BOUNDS_AT & ((1u << MX_SQL_BOUNDS) - 1),
                               .order = (int)(bits >> ORDER_AT) - 1};
    struct mx_error *error = seek(cursor, &plan, argv);
    if (error)
        return tell(base->pVtab, error);
    if (!cursor->tables->leader) {
        cursor->tables->leader = cursor;
        cursor->tables->total = cursor->end > cursor->begin ? cursor->end - cursor->begin : 0;
    }
    settle(cursor);
    return SQLITE_OK;
}

static int next_row(sqlite3_vtab_cursor *base)
{
    struct mx_sql_cursor *cursor = (struct mx_sql_cursor *)base;
    cursor->at++;
    settle(cursor);
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const struct mx_sql_cursor *cursor = (const struct mx_sql_cursor *)base;
    return cursor->at >= cursor->end;
}

static int read_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    struct mx_sql_cursor *cursor = (struct mx_sql_cursor *)base;
    struct mx_error *error = cursor->table->column(cursor, column, context);
    if (error)
        mx_sql_result_error(context, error);
    return SQLITE_OK;
}

static int read_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    const struct mx_sql_cursor *cursor = (const struct mx_sql_cursor *)base;
    *ret = cursor->table->rowid ? cursor->table->rowid(cursor) : (int64_t)cursor->row;
    return SQLITE_OK;
}

/* Without xCreate the tables are there by themselves, and only there. */
const sqlite3_module mx_sql_module = {
    .xConnect = connect_table,
    .xBestIndex = best_index,
    .xDisconnect = disconnect_table,
    .xDestroy = disconnect_table,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next_row,
    .xEof = at_end,
    .xColumn = read_column,
    .xRowid = read_rowid,
};
