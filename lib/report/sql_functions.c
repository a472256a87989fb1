/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions for statements, over the ids of the tables: path(id), show(id) and
 * object('app.CACHE').
 */
#include <string.h>

#include "report/reference.h"
#include "report/sql_table.h"

/* The object that a function's only argument means; 0: none. */
static mx_addr object_of(const struct mx_sql_tables *tables, sqlite3_value *id)
{
    uint64_t block = (uint64_t)sqlite3_value_int64(id);
    uint32_t type;
    bool is_number = sqlite3_value_numeric_type(id) == SQLITE_INTEGER;
    return is_number && block < tables->sources.heap->spans.blocks ? mx_sql_object(tables, (uint32_t)block, &type) : 0;
}

static bool append(sqlite3_str *text, const char *piece)
{
    enum { MOST = 4096 };
    if (sqlite3_str_length(text) + (int)strlen(piece) > MOST)
        return false;
    sqlite3_str_appendall(text, piece);
    return true;
}

/* Where Python has no expression for it: the names of the steps, as far as they are for reading. */
static void give_steps(const struct mx_path *path, sqlite3_context *context)
{
    size_t count;
    const struct mx_reference *steps = mx_path_references(path, &count);
    sqlite3_str *text = sqlite3_str_new(sqlite3_context_db_handle(context));
    for (size_t i = 0; i < count; i++)
        if ((i && !append(text, " → ")) || !append(text, steps[i].name)) {
            sqlite3_str_appendall(text, " …");
            break;
        }
    int length = sqlite3_str_length(text);
    sqlite3_result_text(context, sqlite3_str_finish(text), length, sqlite3_free);
}

static void run_path(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    const struct mx_sql_tables *tables = sqlite3_user_data(context);
    struct mx_path *path;
    if (!tables->sources.graph || !tables->sources.heap) {
        sqlite3_result_error(context, "path() needs the graph of references", -1);
        return;
    }
    mx_addr object = object_of(tables, argv[0]);
    if (!object)
        return;
    struct mx_error *error = mx_path_open(tables->sources.graph, object, 0, NULL, NULL, &path);
    if (error && error->code == MX_ERROR_NO_MEMORY) {
        mx_sql_result_error(context, error);
        return;
    }
    mx_error_free(error);
    if (error)
        return;
    const char *expression = mx_path_expression(path);
    if (expression)
        sqlite3_result_text(context, expression, -1, SQLITE_TRANSIENT);
    else
        give_steps(path, context);
    mx_path_close(path);
}

static void run_show(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    const struct mx_sql_tables *tables = sqlite3_user_data(context);
    const struct mx_show_options options = {
        .depth = 4, .items = 20, .characters = 1000, .one_line = true, .attributes = true};
    mx_addr object = tables->sources.heap ? object_of(tables, argv[0]) : 0;
    char *text;
    if (!object)
        return;
    struct mx_error *error = mx_object_show(tables->sources.target, object, &options, &text);
    if (error)
        mx_sql_result_error(context, error);
    else
        sqlite3_result_text(context, text, -1, free);
}

static void run_object(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    const struct mx_sql_tables *tables = sqlite3_user_data(context);
    const char *expression = (const char *)sqlite3_value_text(argv[0]);
    mx_addr object;
    if (!expression || !tables->sources.heap)
        return;
    struct mx_error *error = mx_target_resolve(tables->sources.target, expression, &object);
    if (error) {
        mx_sql_result_error(context, error);
        return;
    }
    uint32_t block = mx_spans_find(&tables->sources.heap->spans, object);
    if (block != MX_NO_BLOCK && mx_sql_address(tables, block) == object)
        sqlite3_result_int64(context, block);
}

static const struct {
    const char *name;
    void (*run)(sqlite3_context *context, int argc, sqlite3_value **argv);
    unsigned needs;
} functions[] = {{"path", run_path, MX_NEEDS_GRAPH}, {"show", run_show, 0}, {"object", run_object, 0}};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

struct mx_error *mx_sql_register_functions(sqlite3 *database, struct mx_sql_tables *tables)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        int code = sqlite3_create_function(database, functions[i].name, 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, tables,
                                           functions[i].run, NULL, NULL);
        if (code != SQLITE_OK)
            return mx_sql_failure(database, code);
    }
    return NULL;
}

unsigned mx_sql_function_needs(const char *name)
{
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (!sqlite3_stricmp(name, functions[i].name))
            return functions[i].needs;
    return 0;
}
