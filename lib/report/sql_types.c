/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of types and of memory regions: short ones.
 */
#include <string.h>

#include "report/sql_table.h"

enum { ID, ADDR, NAME, MODULE, BASICSIZE, ITEMSIZE, COUNT, BYTES, TRACKED };

static const unsigned type_indices[] = {1 << ID, 1 << ADDR, 1 << NAME, 0};

static uint64_t type_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    return equals ? 1 : tables->sources.heap ? tables->sources.heap->types.count : 1000;
}

/* Of the type object at an address; MX_MAP_NONE when none is there. */
static uint32_t type_at(const struct mx_sql_tables *tables, mx_addr address)
{
    uint32_t index = address ? mx_map_get(&tables->sources.target->types.by_address, address) : MX_MAP_NONE;
    return index < tables->sources.heap->types.count ? index : MX_MAP_NONE;
}

static uint32_t find_type(const struct mx_sql_tables *tables, unsigned equals, sqlite3_value *value)
{
    uint64_t number = (uint64_t)sqlite3_value_int64(value);
    if (equals == 1 << ID)
        number = number < tables->sources.heap->spans.blocks ? mx_sql_address(tables, (uint32_t)number) : 0;
    return type_at(tables, number);
}

static struct mx_error *seek_type(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values)
{
    const struct mx_sql_tables *tables = cursor->tables;
    cursor->at = cursor->end = 0;
    if (plan->equals == 1 << NAME) {
        const char *name = (const char *)sqlite3_value_text(values[0]);
        uint32_t group = name ? mx_sql_find_group(tables, name) : MX_MAP_NONE;
        cursor->list = tables->types;
        cursor->at = group == MX_MAP_NONE ? 0 : tables->groups[group].first_type;
        cursor->end = group == MX_MAP_NONE ? 0 : tables->groups[group + 1].first_type;
        return NULL;
    }
    uint32_t type = find_type(tables, plan->equals, values[0]);
    cursor->at = type == MX_MAP_NONE ? 0 : type;
    cursor->end = type == MX_MAP_NONE ? 0 : type + 1;
    return NULL;
}

/* Types in memory that is missing are no objects of the heap, and have no id. */
static void give_type_id(const struct mx_sql_tables *tables, mx_addr address, sqlite3_context *context)
{
    uint32_t block = mx_spans_find(&tables->sources.heap->spans, address);
    if (block != MX_NO_BLOCK && mx_sql_address(tables, block) == address)
        sqlite3_result_int64(context, block);
}

static int64_t type_number(const struct mx_sql_tables *tables, uint32_t row, int column)
{
    const struct mx_tally *tally = &tables->sources.heap->tallies[row];
    const struct mx_type *type = &tables->sources.target->types.types.items[row];
    switch (column) {
    case BASICSIZE:
        return type->basicsize;
    case ITEMSIZE:
        return type->itemsize;
    case COUNT:
        return (int64_t)tally->count;
    case BYTES:
        return (int64_t)tally->bytes;
    default:
        return (int64_t)tally->tracked_count;
    }
}

static bool is_type(const struct mx_sql_cursor *cursor, uint32_t row)
{
    return row < cursor->tables->sources.target->types.types.count;
}

static struct mx_error *type_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    struct mx_sql_tables *tables = cursor->tables;
    const struct mx_heap_type *type = &tables->sources.heap->types.items[cursor->row];
    switch (column) {
    case ID:
        give_type_id(tables, type->address, context);
        break;
    case ADDR:
        sqlite3_result_int64(context, (sqlite3_int64)type->address);
        break;
    case NAME:
        sqlite3_result_text(context, type->name, -1, SQLITE_STATIC);
        break;
    case MODULE:
        MX_TRY(mx_sql_index_modules(tables));
        sqlite3_result_text(context, tables->modules[cursor->row], -1, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_int64(context, type_number(tables, cursor->row, column));
        break;
    }
    return NULL;
}

const struct mx_sql_table mx_sql_types = {
    .name = "types",
    .columns = "id INT, addr ADDRESS INT, name TEXT, module TEXT, basicsize INT, itemsize INT, count INT, bytes INT, "
               "tracked INT",
    .indices = type_indices,
    .unique = 1 << ID | 1 << ADDR,
    .rows = type_rows,
    .seek = seek_type,
    .is_row = is_type,
    .column = type_column,
};

enum { START, SIZE, FLAGS, KIND, REGION_NAME, MISSING };

static const unsigned region_indices[] = {0};

static uint64_t region_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    (void)equals;
    return tables->sources.target ? tables->sources.target->memory->regions.count : 1000;
}

static const char *region_kind(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *kind;
    } kinds[] = {{MX_REGION_HEAP, "heap"},
                 {MX_REGION_STACK, "stack"},
                 {MX_REGION_BSS, "bss"},
                 {MX_REGION_KERNEL, "kernel"},
                 {MX_REGION_FILE, "file"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (flags & kinds[i].flag)
            return kinds[i].kind;
    return "anonymous";
}

static void give_flags(uint32_t flags, sqlite3_context *context)
{
    char text[] = {flags & MX_REGION_READ ? 'r' : '-', flags & MX_REGION_WRITE ? 'w' : '-',
                   flags & MX_REGION_EXEC ? 'x' : '-', flags & MX_REGION_SHARED ? 's' : 'p'};
    sqlite3_result_text(context, text, sizeof(text), SQLITE_TRANSIENT);
}

static struct mx_error *region_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    const struct mx_region *region = &cursor->tables->sources.target->memory->regions.items[cursor->row];
    switch (column) {
    case START:
        sqlite3_result_int64(context, (sqlite3_int64)region->start);
        break;
    case SIZE:
        sqlite3_result_int64(context, (sqlite3_int64)(region->end - region->start));
        break;
    case FLAGS:
        give_flags(region->flags, context);
        break;
    case KIND:
        sqlite3_result_text(context, region_kind(region->flags), -1, SQLITE_STATIC);
        break;
    case REGION_NAME:
        sqlite3_result_text(context, region->name, -1, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_int(context, (region->flags & (MX_REGION_MISSING | MX_REGION_INITIAL)) != 0);
        break;
    }
    return NULL;
}

const struct mx_sql_table mx_sql_regions = {
    .name = "regions",
    .columns = "addr ADDRESS INT, size INT, flags TEXT, kind TEXT, name TEXT, missing INT",
    .indices = region_indices,
    .rows = region_rows,
    .column = region_column,
};
