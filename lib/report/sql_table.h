/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tables of lib/report/sql*.c share. A table is a row of functions (struct mx_sql_table); sql_cursor.c is
 * SQLite's side of all of them.
 *
 *   A row is a number: a block id, an index of an edge, of a root, of a type, of a region. A cursor visits the numbers
 *   from `at` to `end`, or those in list[at..end), and passes over those that are no row of its table.
 *
 * Only lib/report/sql*.c include this.
 */
#ifndef MX_REPORT_SQL_TABLE_H
#define MX_REPORT_SQL_TABLE_H

#include "heap/graph.h"
#include "report/retained.h"
#include "report/sql.h"

/* Type objects of one name, and where their objects are in `by_type`. */
struct mx_sql_group {
    const char *name;
    uint32_t first_type; /* in `types`, up to that of the next group */
    uint32_t first;      /* in `by_type`, up to that of the next group */
    uint64_t count;      /* of their objects, from the tallies */
};

struct mx_sql_tables {
    struct mx_sources sources;
    uint32_t *types;             /* indices by name */
    struct mx_sql_group *groups; /* by name, and one behind the last */
    uint32_t group_count;
    uint32_t *group_of;   /* by type index */
    uint32_t *by_type;    /* block ids of all objects by group; NULL until asked for */
    uint32_t *distances;  /* by block; NULL until asked for */
    const char **modules; /* by type index; NULL until asked for */
    struct mx_strtab names;
    const void *leader;   /* the cursor whose way through its rows stands for the statement's */
    uint64_t done, total; /* of the leader */
};

/* What a statement asks of a cursor. */
struct mx_sql_plan {
    unsigned equals; /* bit i: column i is given; all of one of the table's `indices` */
    unsigned bounds; /* enum mx_sql_bound: tables of blocks only */
    int order;       /* the column by which rows shall come, one of the table's `orders`; -1: as they come */
};

enum mx_sql_bound {
    MX_SQL_LEAST_ID = 1 << 0,
    MX_SQL_MOST_ID = 1 << 1,
    MX_SQL_LEAST_ADDRESS = 1 << 2,
    MX_SQL_MOST_ADDRESS = 1 << 3,
    MX_SQL_BOUNDS = 4
};

/* Edges that were decoded for their names: sql_refs.c. */
struct mx_sql_edges;
void mx_sql_edges_free(struct mx_sql_edges *edges);

struct mx_sql_cursor {
    sqlite3_vtab_cursor base; /* SQLite's: must be first */
    struct mx_sql_tables *tables;
    const struct mx_sql_table *table;
    const uint32_t *list; /* NULL: the numbers themselves */
    uint64_t begin, at, end;
    uint32_t row;               /* the current one */
    const struct mx_span *span; /* blocks: of the current one; NULL: not looked for yet */
    uint32_t block;             /* refs: whose edge the current one is */
    bool backwards;             /* refs: rows are indices of the reverse rows */
    struct mx_sql_edges *edges;
};

enum { MX_SQL_ID, MX_SQL_ADDR }; /* the first columns of every table of blocks */

struct mx_sql_table {
    const char *name;
    const char *columns;       /* as in CREATE TABLE */
    unsigned needs;            /* enum mx_needs, whichever column is read */
    const char *graph_columns; /* " a b ": columns that need the graph besides; NULL: none */
    const char *retained_columns;
    bool of_blocks;          /* rows are block ids; the first columns are MX_SQL_ID and MX_SQL_ADDR */
    const unsigned *indices; /* sets of columns that `seek` can be given, best first; ends with 0 */
    unsigned unique;         /* of these sets' columns: those that fit one row at most */
    unsigned rising;         /* columns that rise with the rows, whatever the plan */
    unsigned orders;         /* columns that a plan's `order` can be */
    uint64_t (*rows)(const struct mx_sql_tables *tables, unsigned equals); /* an estimate */
    /* Sets list, at and end for plan->equals, whose values are given in the order of their columns, or plan->order.
       For neither, or bounds, the cursor is set to all rows already. */
    struct mx_error *(*seek)(struct mx_sql_cursor *cursor, const struct mx_sql_plan *plan, sqlite3_value **values);
    bool (*is_row)(const struct mx_sql_cursor *cursor, uint32_t number); /* NULL: all are */
    struct mx_error *(*column)(struct mx_sql_cursor *cursor, int column, sqlite3_context *context);
    int64_t (*rowid)(const struct mx_sql_cursor *cursor); /* NULL: the row's number */
};

extern const struct mx_sql_table mx_sql_objects, mx_sql_strings, mx_sql_blocks, mx_sql_refs, mx_sql_roots, mx_sql_types,
    mx_sql_regions;

/* All of them; NULL behind the last. */
extern const struct mx_sql_table *const mx_sql_all[];

/* The module through which SQLite reads a table; its client data is a struct mx_sql_binding. */
struct mx_sql_binding {
    struct mx_sql_tables *tables;
    const struct mx_sql_table *table;
};
extern const sqlite3_module mx_sql_module;

/* Gives an error to SQLite as the result of a function or column, and frees it. */
void mx_sql_result_error(sqlite3_context *context, struct mx_error *error);

/* Everything a statement may ask for that costs a pass over the heap is made once, on demand. */
struct mx_error *mx_sql_index_types(struct mx_sql_tables *tables);   /* by_type */
struct mx_error *mx_sql_index_modules(struct mx_sql_tables *tables); /* modules */
struct mx_error *mx_sql_index_distances(struct mx_sql_tables *tables);

/* The group of a type's name, or MX_MAP_NONE. */
uint32_t mx_sql_find_group(const struct mx_sql_tables *tables, const char *name);

/* The index of the type of the object in a block; MX_MAP_NONE when it holds none. */
uint32_t mx_sql_type_of(const struct mx_sql_tables *tables, uint32_t block);

/* The span of a cursor's current block, which mostly is that of the one before. */
const struct mx_span *mx_sql_span(struct mx_sql_cursor *cursor);

/* The object in a block, 0 when it holds none; *type is its index. */
mx_addr mx_sql_object(const struct mx_sql_tables *tables, uint32_t block, uint32_t *type);

/* What a block's `addr` is: of its object, or where the block begins. */
mx_addr mx_sql_address(const struct mx_sql_tables *tables, uint32_t block);

/* The functions path(), show() and object(). */
struct mx_error *mx_sql_register_functions(sqlite3 *database, struct mx_sql_tables *tables);

/* enum mx_needs of a function or of a table's column. */
unsigned mx_sql_function_needs(const char *name);
unsigned mx_sql_column_needs(const char *table, const char *column);

#endif
