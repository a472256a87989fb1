/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap as tables of SQLite, without a copy: for mx_sql_open() and for
 * exports that select from them.
 *
 *     mx_sql_tables_open(sources, &tables)
 *     mx_sql_register(database, tables)      any connection: objects, refs, types, roots, blocks, regions, strings
 *     CREATE TABLE objects AS SELECT * FROM objects
 *
 * The tables need no CREATE VIRTUAL TABLE; a real table of the same name in the database goes before them once it is
 * there.
 */
#ifndef MX_REPORT_SQL_H
#define MX_REPORT_SQL_H

#include <sqlite3.h>

#include "base/error.h"

/* Debian 11's SQLite tells neither which piece of a statement is wrong, nor when an order is for grouping only. */
#if SQLITE_VERSION_NUMBER < 3038000
#define sqlite3_error_offset(database) ((void)(database), -1)
#define sqlite3_vtab_distinct(info) ((void)(info), 0)
#define sqlite3_changes64(database) sqlite3_changes(database)
#endif

/* What the tables are read from, and the indices over it that statements asked for so far. */
struct mx_sql_tables;

/* The sources must outlive the tables. A table or column whose source is NULL gives an error when it is read. */
struct mx_error *mx_sql_tables_open(const struct mx_sources *sources, struct mx_sql_tables **ret);
void mx_sql_tables_close(struct mx_sql_tables *tables);

/* Makes a connection know the tables and functions; `tables` must outlive the connection. */
struct mx_error *mx_sql_register(sqlite3 *database, struct mx_sql_tables *tables);

/* What SQLite says went wrong last on a connection, as an error; a failure of a table's own is told as it was. */
struct mx_error *mx_sql_failure(sqlite3 *database, int code);

#endif
