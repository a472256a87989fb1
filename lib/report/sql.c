/* SPDX-License-Identifier: Apache-2.0
 *
 * One statement: checked, run row by row, cancelled, told in one sentence where
 * it is wrong. It knows SQLite, and of the heap only that tables over it can be
 * registered.
 *
 * Only reading is allowed: an authorizer is asked for each thing that a statement
 * would do, when it is compiled. The database is empty and in memory, and what
 * SQLite puts aside (sorting, grouping) stays in memory too.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "report/sql_table.h"

enum {
    STEPS_A_LOOK = 1000,      /* of SQLite's machine, between looks at the clock */
    LONGEST_VALUE = 64 << 20, /* bytes */
    NANOSECONDS_A_REPORT = 5000000,
};

struct mx_sql {
    struct mx_sql_tables *tables;
    sqlite3 *database;
    sqlite3_stmt *statement;
    const struct mx_progress *progress;
    int64_t reported; /* when, in ns */
    bool is_over;     /* SQLite would begin anew */
    unsigned needs;
    enum { DENIED_NOTHING, DENIED_FUNCTION, DENIED_STATEMENT } denied; /* by the authorizer */
    size_t columns;
    const char **names;
    bool *is_address;
    char **blobs; /* a column's as text */
    struct mx_sql_value *values;
};

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int look_up(void *context)
{
    struct mx_sql *sql = context;
    int64_t time = now();
    if (!sql->progress || !sql->progress->report || time - sql->reported < NANOSECONDS_A_REPORT)
        return 0;
    sql->reported = time;
    return !sql->progress->report(sql->progress->context, "running the statement", sql->tables->done,
                                  sql->tables->total);
}

static bool is_harmless_pragma(const char *name)
{
    static const char *const harmless[] = {"table_info", "table_xinfo", "table_list", "function_list",
                                           "compile_options"};
    for (size_t i = 0; name && i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (!sqlite3_stricmp(name, harmless[i]))
            return true;
    return false;
}

static bool is_allowed(int action, const char *first, const char *second)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return true;
    case SQLITE_FUNCTION:
        return sqlite3_stricmp(second, "load_extension") != 0;
    case SQLITE_PRAGMA:
        return is_harmless_pragma(first);
    default:
        return false;
    }
}

static int authorize(void *context, int action, const char *first, const char *second, const char *database,
                     const char *trigger)
{
    (void)database;
    (void)trigger;
    struct mx_sql *sql = context;
    if (!is_allowed(action, first, second)) {
        sql->denied = action == SQLITE_FUNCTION ? DENIED_FUNCTION : DENIED_STATEMENT;
        return SQLITE_DENY;
    }
    if (action == SQLITE_READ)
        sql->needs |= mx_sql_column_needs(first, second ? second : "");
    else if (action == SQLITE_FUNCTION)
        sql->needs |= mx_sql_function_needs(second);
    return SQLITE_OK;
}

struct mx_error *mx_sql_failure(sqlite3 *database, int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return mx_error_no_memory();
    case SQLITE_INTERRUPT:
        return mx_error_cancelled();
    default:
        return mx_error_new(MX_ERROR_ARGUMENT, "%s", sqlite3_errmsg(database));
    }
}

/* The piece of a statement that an error is at: to the end of its word and a few more, on a character's border. */
static int piece_length(const char *at)
{
    enum { ENOUGH = 30 };
    size_t length = strnlen(at, ENOUGH);
    while (length && length == ENOUGH && ((unsigned char)at[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

static struct mx_error *refuse(const struct mx_sql *sql, const char *text)
{
    if (sql->denied == DENIED_FUNCTION)
        return mx_error_new(MX_ERROR_ARGUMENT, "statements only read here: load_extension() is not allowed");
    const char *word = text + strspn(text, " \t\r\n;");
    return mx_error_new(MX_ERROR_ARGUMENT, "statements only read here: %.*s is not allowed",
                        (int)strcspn(word, " \t\r\n;("), word);
}

/* Which SQLite did not understand, and where. */
static struct mx_error *explain(const struct mx_sql *sql, const char *text, int code)
{
    char message[512];
    const char *said = sqlite3_errmsg(sql->database);
    int at = sqlite3_error_offset(sql->database);
    if (sql->denied)
        return refuse(sql, text);
    if ((code & 0xff) != SQLITE_ERROR)
        return mx_sql_failure(sql->database, code);
    if (!strcmp(said, "incomplete input"))
        return mx_error_new(MX_ERROR_ARGUMENT, "the statement is not complete: something is missing at its end");
    const char *hint = strncmp(said, "no such table", 13)
                           ? ""
                           : "; the tables are objects, refs, types, roots, blocks, regions and strings";
    if (at >= 0 && (size_t)at < strlen(text))
        snprintf(message, sizeof(message), "%s, at character %d: `%.*s'%s", said, at + 1, piece_length(text + at),
                 text + at, hint);
    else
        snprintf(message, sizeof(message), "%s%s", said, hint);
    for (char *c = message; *c; c++)
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    return mx_error_new(MX_ERROR_ARGUMENT, "%s", message);
}

/* SQLite declares a table when it is first named, and asks the authorizer as for a change of the schema. */
static struct mx_error *declare_tables(sqlite3 *database)
{
    for (const struct mx_sql_table *const *table = mx_sql_all; *table; table++) {
        char text[64];
        snprintf(text, sizeof(text), "SELECT 1 FROM %s", (*table)->name);
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(database, text, -1, &statement, NULL);
        sqlite3_finalize(statement);
        if (code != SQLITE_OK)
            return mx_sql_failure(database, code);
    }
    return NULL;
}

static struct mx_error *connect(struct mx_sql *sql)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(":memory:", &sql->database, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sql->database, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return sql->database ? mx_sql_failure(sql->database, code) : mx_error_no_memory();
    /* A misspelt name in double quotes would be a text otherwise. */
    sqlite3_db_config(sql->database, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_limit(sql->database, SQLITE_LIMIT_LENGTH, LONGEST_VALUE);
    sqlite3_limit(sql->database, SQLITE_LIMIT_ATTACHED, 0);
    MX_TRY(mx_sql_register(sql->database, sql->tables));
    MX_TRY(declare_tables(sql->database));
    sqlite3_set_authorizer(sql->database, authorize, sql);
    sqlite3_progress_handler(sql->database, STEPS_A_LOOK, look_up, sql);
    return NULL;
}

/* Comments and blanks are no second statement. */
static bool is_more(sqlite3 *database, const char *tail)
{
    sqlite3_stmt *second = NULL;
    int code = sqlite3_prepare_v2(database, tail, -1, &second, NULL);
    sqlite3_finalize(second);
    return code != SQLITE_OK || second;
}

static struct mx_error *prepare(struct mx_sql *sql, const char *text)
{
    const char *tail;
    int code = sqlite3_prepare_v2(sql->database, text, -1, &sql->statement, &tail);
    if (code != SQLITE_OK)
        return explain(sql, text, code);
    if (!sql->statement)
        return mx_error_new(MX_ERROR_ARGUMENT, "there is no statement: write SELECT ... FROM objects ...");
    unsigned needs = sql->needs;
    bool explains = sqlite3_stmt_isexplain(sql->statement);
    if (is_more(sql->database, tail))
        return mx_error_new(MX_ERROR_ARGUMENT, "one statement at a time: another one begins at character %d",
                            (int)(tail - text) + (int)strspn(tail, " \n\t\r") + 1);
    sql->needs = explains ? 0 : needs;
    if (!sqlite3_stmt_readonly(sql->statement) || !sqlite3_column_count(sql->statement))
        return refuse(sql, text);
    if (sqlite3_bind_parameter_count(sql->statement))
        return mx_error_new(
            MX_ERROR_ARGUMENT, "write values instead of the parameter %s",
            sqlite3_bind_parameter_name(sql->statement, 1) ? sqlite3_bind_parameter_name(sql->statement, 1) : "?");
    return NULL;
}

static struct mx_error *start(struct mx_sql *sql, const struct mx_sources *sources, const char *text)
{
    MX_TRY(mx_sql_tables_open(sources, &sql->tables));
    MX_TRY(connect(sql));
    return prepare(sql, text);
}

static struct mx_error *check_sources(const struct mx_sql *sql, const struct mx_sources *sources)
{
    if (!sources->target || !sources->heap)
        return mx_error_new(MX_ERROR_ARGUMENT, "a statement needs a heap to be run on");
    if (sql->needs & MX_NEEDS_GRAPH && !sources->graph)
        return mx_error_new(MX_ERROR_ARGUMENT, "this statement needs the graph of references");
    if (sql->needs & MX_NEEDS_RETAINED && !sources->retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "this statement needs retained sizes");
    return NULL;
}

/* The type that a table declares is all that tells an address from another number. */
static struct mx_error *describe_columns(struct mx_sql *sql)
{
    sql->columns = (size_t)sqlite3_column_count(sql->statement);
    sql->names = mx_calloc(sql->columns + 1, sizeof(*sql->names));
    sql->is_address = mx_calloc(sql->columns + 1, sizeof(*sql->is_address));
    sql->blobs = mx_calloc(sql->columns + 1, sizeof(*sql->blobs));
    sql->values = mx_calloc(sql->columns + 1, sizeof(*sql->values));
    if (!sql->names || !sql->is_address || !sql->blobs || !sql->values)
        return mx_error_no_memory();
    for (size_t i = 0; i < sql->columns; i++) {
        const char *declared = sqlite3_column_decltype(sql->statement, (int)i);
        sql->is_address[i] = declared && !strncmp(declared, "ADDRESS", 7);
        sql->names[i] = sqlite3_column_name(sql->statement, (int)i);
        if (!sql->names[i])
            return mx_error_no_memory();
    }
    return NULL;
}

struct mx_error *mx_sql_check(const char *statement, unsigned *needs)
{
    struct mx_sql *sql = mx_calloc(1, sizeof(*sql));
    if (!sql)
        return mx_error_no_memory();
    struct mx_error *error = start(sql, &(struct mx_sources){0}, statement);
    if (!error)
        *needs = sql->needs;
    mx_sql_close(sql);
    return error;
}

static struct mx_error *open_sql(struct mx_sql *sql, const struct mx_sources *sources, const char *statement)
{
    MX_TRY(start(sql, sources, statement));
    MX_TRY(check_sources(sql, sources));
    return describe_columns(sql);
}

struct mx_error *mx_sql_open(const struct mx_sources *sources, const char *statement,
                             const struct mx_progress *progress, struct mx_sql **ret)
{
    struct mx_sql *sql = mx_calloc(1, sizeof(*sql));
    if (!sql)
        return mx_error_no_memory();
    sql->progress = progress;
    struct mx_error *error = open_sql(sql, sources, statement);
    if (error) {
        mx_sql_close(sql);
        return error;
    }
    *ret = sql;
    return NULL;
}

size_t mx_sql_columns(const struct mx_sql *sql, const char *const **names)
{
    *names = sql->names;
    return sql->columns;
}

/* As SQL writes them: X'00ff'. */
static bool read_blob(struct mx_sql *sql, size_t column, struct mx_sql_value *value)
{
    const uint8_t *bytes = sqlite3_column_blob(sql->statement, (int)column);
    size_t length = (size_t)sqlite3_column_bytes(sql->statement, (int)column);
    char *text = malloc(2 * length + 4);
    free(sql->blobs[column]);
    sql->blobs[column] = text;
    if (!text)
        return false;
    size_t used = (size_t)sprintf(text, "X'");
    for (size_t i = 0; i < length; i++)
        used += (size_t)sprintf(text + used, "%02x", bytes[i]);
    text[used++] = '\'';
    text[used] = '\0';
    *value = (struct mx_sql_value){.type = MX_SQL_TEXT, .text = text, .length = used};
    return true;
}

static bool read_value(struct mx_sql *sql, size_t column, struct mx_sql_value *value)
{
    sqlite3_stmt *statement = sql->statement;
    int at = (int)column;
    *value = (struct mx_sql_value){.type = MX_SQL_NULL};
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        value->type = sql->is_address[column] ? MX_SQL_ADDRESS : MX_SQL_INTEGER;
        value->integer = sqlite3_column_int64(statement, at);
        return true;
    case SQLITE_FLOAT:
        value->type = MX_SQL_REAL;
        value->real = sqlite3_column_double(statement, at);
        return true;
    case SQLITE_TEXT:
        value->type = MX_SQL_TEXT;
        value->text = (const char *)sqlite3_column_text(statement, at);
        value->length = (size_t)sqlite3_column_bytes(statement, at);
        return value->text;
    case SQLITE_BLOB:
        return read_blob(sql, column, value);
    default:
        return true;
    }
}

/* Nothing can be read of a process that ended: rows would be missing or empty. */
static struct mx_error *check_alive(const struct mx_sql *sql)
{
    if (mx_memory_gone(sql->tables->sources.target->memory))
        return mx_error_new(MX_ERROR_OS, "the process ended while the statement ran");
    return NULL;
}

struct mx_error *mx_sql_next(struct mx_sql *sql, const struct mx_sql_value **ret)
{
    int code = sql->is_over ? SQLITE_DONE : sqlite3_step(sql->statement);
    sql->is_over = code != SQLITE_ROW;
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        return mx_sql_failure(sql->database, code);
    MX_TRY(check_alive(sql));
    if (code == SQLITE_DONE) {
        *ret = NULL;
        return NULL;
    }
    for (size_t i = 0; i < sql->columns; i++)
        if (!read_value(sql, i, &sql->values[i]))
            return mx_error_no_memory();
    *ret = sql->values;
    return NULL;
}

void mx_sql_close(struct mx_sql *sql)
{
    if (!sql)
        return;
    sqlite3_finalize(sql->statement);
    sqlite3_close(sql->database);
    mx_sql_tables_close(sql->tables);
    for (size_t i = 0; sql->blobs && i < sql->columns; i++)
        free(sql->blobs[i]);
    free(sql->blobs);
    free(sql->names);
    free(sql->is_address);
    free(sql->values);
    free(sql);
}
