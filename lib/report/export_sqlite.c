/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of SQL as a database that needs neither the target nor memext.
 * What is in them is lib/report/sql*.c's business.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "report/export.h"
#include "report/sql.h"

enum { STEPS_A_LOOK = 100000 /* of SQLite's machine, between looks at the progress */ };

/* Rows of blocks go by their ids, which are the tables' own keys then. */
static const struct {
    const char *name, *stage;
    bool has_key;
    const char *index; /* NULL: none */
} tables[] = {
    {"types", "copying types", true, "CREATE INDEX types_by_name ON types(name)"},
    {"regions", "copying regions", false, NULL},
    {"roots", "copying roots", false, "CREATE INDEX roots_by_id ON roots(id)"},
    {"blocks", "copying blocks", true, "CREATE INDEX blocks_by_addr ON blocks(addr)"},
    {"strings", "copying strings", true, NULL},
    {"objects", "copying objects", true,
     "CREATE INDEX objects_by_addr ON objects(addr); CREATE INDEX objects_by_type ON objects(type)"},
    {"refs", "copying references", false,
     "CREATE INDEX refs_by_src ON refs(src); CREATE INDEX refs_by_dst ON refs(dst)"},
};

struct copy {
    struct mx_export *export;
    const char *path;
    sqlite3 *database;
};

static struct mx_error *failure(const struct copy *copy, int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return mx_error_new(MX_ERROR_OS, "cannot write %s: %s", copy->export->path, sqlite3_errmsg(copy->database));
    default:
        return copy->database ? mx_sql_failure(copy->database, code) : mx_error_no_memory();
    }
}

static struct mx_error *run(const struct copy *copy, const char *statement)
{
    int code = sqlite3_exec(copy->database, statement, NULL, NULL, NULL);
    return code == SQLITE_OK ? NULL : failure(copy, code);
}

static int look_up(void *context)
{
    struct mx_export *export = context;
    return !mx_work_step(&export->work, 0);
}

/* CREATE TABLE of the same columns under another name: NULL when there is no memory. */
static char *declare(sqlite3_stmt *columns, const char *name, bool has_key)
{
    sqlite3_str *text = sqlite3_str_new(NULL);
    sqlite3_str_appendf(text, "CREATE TABLE new_%s(", name);
    for (int i = 0; i < sqlite3_column_count(columns); i++)
        sqlite3_str_appendf(text, "%s%s %s", i ? ", " : "", sqlite3_column_name(columns, i),
                            has_key && !i ? "INTEGER PRIMARY KEY" : sqlite3_column_decltype(columns, i));
    sqlite3_str_appendchar(text, 1, ')');
    return sqlite3_str_finish(text);
}

/* A table of the database's own hides the heap's of that name: it gets the name once it is filled. */
static struct mx_error *copy_rows(const struct copy *copy, const char *name, bool has_key, uint64_t *rows)
{
    sqlite3_stmt *columns = NULL;
    char text[160];
    snprintf(text, sizeof(text), "SELECT * FROM %s", name);
    int code = sqlite3_prepare_v2(copy->database, text, -1, &columns, NULL);
    if (code != SQLITE_OK)
        return failure(copy, code);
    char *statement = declare(columns, name, has_key);
    sqlite3_finalize(columns);
    struct mx_error *error = statement ? run(copy, statement) : mx_error_no_memory();
    sqlite3_free(statement);
    if (error)
        return error;
    snprintf(text, sizeof(text), "INSERT INTO new_%s SELECT * FROM %s", name, name);
    MX_TRY(run(copy, text));
    *rows = (uint64_t)sqlite3_changes64(copy->database);
    snprintf(text, sizeof(text), "ALTER TABLE new_%s RENAME TO %s", name, name);
    return run(copy, text);
}

static struct mx_error *copy_tables(const struct copy *copy)
{
    struct mx_export *export = copy->export;
    MX_TRY(run(copy, "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
                     "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536; BEGIN"));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        uint64_t rows = 0;
        mx_work_begin(&export->work, export->work.progress, tables[i].stage, 0);
        MX_TRY(copy_rows(copy, tables[i].name, tables[i].has_key, &rows));
        if (tables[i].index)
            MX_TRY(run(copy, tables[i].index));
        if (!strcmp(tables[i].name, "refs"))
            export->info.edges = rows;
    }
    export->info.nodes = export->retained->dominators.reachable + export->retained->dominators.unreachable;
    return run(copy, "COMMIT");
}

static struct mx_error *write_database(struct copy *copy, struct mx_sql_tables *sources)
{
    int code = sqlite3_open_v2(copy->path, &copy->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return failure(copy, code);
    sqlite3_progress_handler(copy->database, STEPS_A_LOOK, look_up, copy->export);
    MX_TRY(mx_sql_register(copy->database, sources));
    return copy_tables(copy);
}

static struct mx_error *export_database(struct mx_export *export, const char *path)
{
    struct mx_sql_tables *sources;
    struct copy copy = {.export = export, .path = path};
    struct stat status;
    MX_TRY(mx_sql_tables_open(export->sources, &sources));
    struct mx_error *error = write_database(&copy, sources);
    sqlite3_close(copy.database);
    mx_sql_tables_close(sources);
    if (!error && !stat(path, &status))
        export->info.bytes = (uint64_t)status.st_size;
    return error;
}

/* SQLite writes by itself: beyond the limit of a file's size the kernel sends a signal that would end the debugger. */
struct mx_error *mx_export_sqlite(struct mx_export *export, const char *path)
{
    sigset_t limit, before;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    struct mx_error *error = export_database(export, path);
    if (!sigismember(&before, SIGXFSZ))
        sigtimedwait(&limit, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
