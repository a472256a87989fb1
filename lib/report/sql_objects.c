/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables whose rows are blocks: objects, strings, blocks.
 */
#include <string.h>

#include "cpython/header.h"
#include "cpython/size.h"
#include "cpython/str.h"
#include "report/object.h"
#include "report/sql_table.h"

enum { BY_ID = 1 << MX_SQL_ID, BY_ADDR = 1 << MX_SQL_ADDR };

static const unsigned block_indices[] = {BY_ID, BY_ADDR, 0};

/* Only one block can be meant; whether it is the one, SQLite looks itself. */
static struct mx_error *seek_block(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values)
{
    const struct mx_spans *spans = &cursor->tables->sources.heap->spans;
    uint64_t wanted = (uint64_t)sqlite3_value_int64(values[0]);
    if (plan->equals & BY_ADDR)
        wanted = mx_spans_find(spans, wanted);
    cursor->at = wanted < spans->blocks ? wanted : 0;
    cursor->end = wanted < spans->blocks ? wanted + 1 : 0;
    return NULL;
}

static void give_integer(sqlite3_context *context, uint64_t value)
{
    sqlite3_result_int64(context, (sqlite3_int64)value);
}

static void give_text(sqlite3_context *context, const char *text)
{
    sqlite3_result_text(context, text, -1, SQLITE_STATIC);
}

/* Nearly all of them are told from the bytes at hand. */
static uint64_t size_of(const struct mx_sql_tables *tables, const struct mx_type *type, mx_addr object)
{
    enum { ENOUGH = 64 };
    const struct mx_target *target = tables->sources.target;
    uint64_t fixed = mx_object_fixed_size(type);
    if (fixed)
        return fixed;
    const uint8_t *bytes = mx_memory_view(target->memory, object, ENOUGH);
    return bytes ? mx_object_size(&target->types, type, object, bytes, ENOUGH, NULL)
                 : mx_object_shallow_size(target, object);
}

enum { TYPE = 2, MODULE, SIZE, OWNED, RETAINED, REFCOUNT, GC, ROOT_DISTANCE, VALUE };

static const unsigned object_indices[] = {BY_ID, BY_ADDR, 1 << TYPE, 0};

static uint64_t object_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    const struct mx_heap *heap = tables->sources.heap;
    uint64_t objects = heap ? heap->info.objects : 1000000;
    if (!equals)
        return objects;
    return equals == 1 << TYPE ? objects / (heap && tables->group_count ? tables->group_count : 100) + 1 : 1;
}

static struct mx_error *seek_object(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan,
                                    sqlite3_value **values)
{
    struct mx_sql_tables *tables = cursor->tables;
    if (plan->equals && plan->equals != 1 << TYPE)
        return seek_block(cursor, plan, values);
    MX_TRY(mx_sql_index_types(tables));
    cursor->list = tables->by_type;
    cursor->at = 0;
    cursor->end = tables->groups[tables->group_count].first;
    if (plan->order >= 0)
        return NULL;
    const char *name = (const char *)sqlite3_value_text(values[0]);
    uint32_t group = name ? mx_sql_find_group(tables, name) : MX_MAP_NONE;
    cursor->at = group == MX_MAP_NONE ? 0 : tables->groups[group].first;
    cursor->end = group == MX_MAP_NONE ? 0 : tables->groups[group + 1].first;
    return NULL;
}

static bool is_object(const struct mx_sql_cursor *cursor, uint32_t block)
{
    return mx_sql_type_of(cursor->tables, block) != MX_MAP_NONE;
}

static struct mx_error *give_owned(const struct mx_sql_tables *tables, uint32_t block, mx_addr object,
                                   sqlite3_context *context)
{
    struct mx_retained_size size;
    if (!tables->sources.retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "the column owned needs retained sizes");
    const struct mx_rows *rows = &tables->sources.retained->graph->forward;
    bool any = false;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1] && !any; i++)
        any = (rows->classes[i] & MX_EDGE_CLASS) == MX_EDGE_BUFFER;
    size.owned = 0;
    if (any)
        MX_TRY(mx_retained_of(tables->sources.retained, object, &size));
    give_integer(context, size.owned);
    return NULL;
}

static struct mx_error *give_retained(const struct mx_sql_tables *tables, uint32_t block, sqlite3_context *context)
{
    if (!tables->sources.retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "the column retained needs retained sizes");
    give_integer(context, mx_retained_block(tables->sources.retained, block));
    return NULL;
}

static struct mx_error *give_distance(struct mx_sql_tables *tables, uint32_t block, sqlite3_context *context)
{
    MX_TRY(mx_sql_index_distances(tables));
    if (tables->distances[block] != MX_NO_BLOCK)
        give_integer(context, tables->distances[block]);
    return NULL;
}

/* As in the rows of py-objects; what is broken inside is shown as such. */
static struct mx_error *give_value(const struct mx_sql_tables *tables, mx_addr object, sqlite3_context *context)
{
    const struct mx_show_options cell = {
        .depth = 2, .items = 3, .characters = 40, .one_line = true, .attributes = true};
    char *text;
    struct mx_error *error = mx_object_show(tables->sources.target, object, &cell, &text);
    if (error && error->code == MX_ERROR_NO_MEMORY)
        return error;
    mx_error_free(error);
    if (!error)
        sqlite3_result_text(context, text, -1, free);
    return NULL;
}

static void give_header(const struct mx_sql_tables *tables, const struct mx_type *type, mx_addr object, int column,
                        sqlite3_context *context)
{
    struct mx_header header;
    if (!mx_header_read(&tables->sources.target->types, type, object, &header))
        return;
    if (column == GC)
        sqlite3_result_int(context, header.tracked);
    else if (!header.immortal && !header.deferred)
        sqlite3_result_int64(context, header.refcount);
}

/* What is not known stays NULL. */
static struct mx_error *object_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    struct mx_sql_tables *tables = cursor->tables;
    uint32_t index = mx_sql_type_of(tables, cursor->row);
    switch (column) {
    case MX_SQL_ID:
        give_integer(context, cursor->row);
        return NULL;
    case TYPE:
        give_text(context, tables->sources.heap->types.items[index].name);
        return NULL;
    case MODULE:
        MX_TRY(mx_sql_index_modules(tables));
        give_text(context, tables->modules[index]);
        return NULL;
    case RETAINED:
        return give_retained(tables, cursor->row, context);
    case ROOT_DISTANCE:
        return give_distance(tables, cursor->row, context);
    default:
        break;
    }
    const struct mx_type *type = &tables->sources.target->types.types.items[index];
    mx_addr object = mx_heap_object(tables->sources.heap, mx_sql_span(cursor), cursor->row, index);
    switch (column) {
    case MX_SQL_ADDR:
        give_integer(context, object);
        return NULL;
    case SIZE:
        give_integer(context, size_of(tables, type, object));
        return NULL;
    case OWNED:
        return give_owned(tables, cursor->row, object, context);
    case VALUE:
        return give_value(tables, object, context);
    default:
        give_header(tables, type, object, column, context);
        return NULL;
    }
}

const struct mx_sql_table mx_sql_objects = {
    .name = "objects",
    .columns = "id INT, addr ADDRESS INT, type TEXT, module TEXT, size INT, owned INT, retained INT, refcount INT, "
               "gc INT, root_distance INT, value TEXT",
    .graph_columns = " root_distance ",
    .retained_columns = " owned retained ",
    .of_blocks = true,
    .indices = object_indices,
    .unique = BY_ID | BY_ADDR,
    .rising = BY_ID | BY_ADDR,
    .orders = 1 << TYPE,
    .rows = object_rows,
    .seek = seek_object,
    .is_row = is_object,
    .column = object_column,
};

enum { STRING_TYPE = 2, LENGTH, WIDTH, STRING_SIZE, STRING_VALUE, MOST_TEXT = 1 << 20 };

static bool is_string(const struct mx_sql_cursor *cursor, uint32_t block)
{
    uint32_t type = mx_sql_type_of(cursor->tables, block);
    return type != MX_MAP_NONE && cursor->tables->sources.target->types.types.items[type].kind == MX_KIND_STR;
}

static uint64_t string_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    return equals ? 1 : object_rows(tables, 0) / 4 + 1;
}

/* ASCII is UTF-8 already; other texts are encoded as far as there is room. */
static struct mx_error *give_string(const struct mx_str *str, sqlite3_context *context)
{
    uint64_t length = str->length < MOST_TEXT ? str->length : MOST_TEXT;
    if (str->ascii && str->kind == 1) {
        sqlite3_result_text(context, (const char *)str->data, (int)length, SQLITE_STATIC);
        return NULL;
    }
    char *text = malloc(length * 4 + 1);
    size_t used = 0;
    if (!text)
        return mx_error_no_memory();
    for (uint64_t i = 0; i < length && used <= MOST_TEXT - 4; i++)
        used += mx_utf8_encode(mx_str_at(str, i), text + used);
    sqlite3_result_text(context, text, (int)used, free);
    return NULL;
}

static struct mx_error *string_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    struct mx_sql_tables *tables = cursor->tables;
    struct mx_str str;
    uint32_t index = mx_sql_type_of(tables, cursor->row);
    const struct mx_type *type = &tables->sources.target->types.types.items[index];
    mx_addr object = mx_heap_object(tables->sources.heap, mx_sql_span(cursor), cursor->row, index);
    switch (column) {
    case MX_SQL_ID:
        give_integer(context, cursor->row);
        return NULL;
    case MX_SQL_ADDR:
        give_integer(context, object);
        return NULL;
    case STRING_TYPE:
        give_text(context, type->name);
        return NULL;
    case STRING_SIZE:
        give_integer(context, size_of(tables, type, object));
        return NULL;
    default:
        break;
    }
    if (!mx_str_read(&tables->sources.target->runtime, object, &str))
        return NULL;
    if (column == STRING_VALUE)
        return give_string(&str, context);
    give_integer(context, column == LENGTH ? str.length : str.kind);
    return NULL;
}

const struct mx_sql_table mx_sql_strings = {
    .name = "strings",
    .columns = "id INT, addr ADDRESS INT, type TEXT, length INT, width INT, size INT, value TEXT",
    .of_blocks = true,
    .indices = block_indices,
    .unique = BY_ID | BY_ADDR,
    .rising = BY_ID | BY_ADDR,
    .rows = string_rows,
    .seek = seek_block,
    .is_row = is_string,
    .column = string_column,
};

enum { BLOCK_SIZE = 2, BLOCK_KIND, ALLOCATOR };

static uint64_t block_rows(const struct mx_sql_tables *tables, unsigned equals)
{
    uint64_t blocks = tables->sources.heap ? tables->sources.heap->spans.blocks : 2000000;
    return equals ? 1 : blocks;
}

static const char *block_kind(const struct mx_heap *heap, uint32_t block)
{
    if (heap->kinds[block] == MX_BLOCK_FREE)
        return "free";
    return heap->kinds[block] == MX_BLOCK_RAW ? "raw" : "object";
}

static const char *allocator_of(const struct mx_sources *sources, const struct mx_span *span)
{
    static const char *const names[] = {
        [MX_SPAN_POOL] = "pymalloc", [MX_SPAN_CHUNKS] = "malloc", [MX_SPAN_STATIC] = "static"};
    bool is_page = span->kind == MX_SPAN_POOL && sources->target->allocators.mimalloc.segments.count;
    return is_page ? "mimalloc" : names[span->kind];
}

static struct mx_error *block_column(struct mx_sql_cursor *cursor, int column, sqlite3_context *context)
{
    const struct mx_sources *sources = &cursor->tables->sources;
    const struct mx_span *span = mx_sql_span(cursor);
    switch (column) {
    case MX_SQL_ID:
        give_integer(context, cursor->row);
        break;
    case MX_SQL_ADDR:
        give_integer(context, mx_block_address(&sources->heap->spans, span, cursor->row));
        break;
    case BLOCK_SIZE:
        give_integer(context, mx_block_weight(sources->target, sources->heap, span, cursor->row));
        break;
    case BLOCK_KIND:
        give_text(context, block_kind(sources->heap, cursor->row));
        break;
    case ALLOCATOR:
        give_text(context, allocator_of(sources, span));
        break;
    default:
        break;
    }
    return NULL;
}

const struct mx_sql_table mx_sql_blocks = {
    .name = "blocks",
    .columns = "id INT, addr ADDRESS INT, size INT, kind TEXT, allocator TEXT",
    .of_blocks = true,
    .indices = block_indices,
    .unique = BY_ID | BY_ADDR,
    .rising = BY_ID | BY_ADDR,
    .rows = block_rows,
    .seek = seek_block,
    .column = block_column,
};
