/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/sql*.c on a fake target: a list that holds one tuple many times, strings, a root, garbage. What a plan
 * with an index gives is compared with what a pass over all rows gives.
 *
 *   root -> list [0..299] -> pair (text, wide)     garbage: lonely (text)
 */
#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "fake.h"
#include "heap/graph.h"
#include "report/object.h"
#include "report/sql.h"

enum { LIST, PAIR, TEXT, WIDE, LONELY, OBJECTS, ITEMS = 300 };

struct made {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_sources sources;
    mx_addr objects[OBJECTS];
};

static void make_objects(struct made *made, struct fake *fake)
{
    static const uint32_t wide[] = {0x4e2d, 0x6587};
    mx_addr *objects = made->objects, items[ITEMS];
    objects[TEXT] = fake_str(fake, "text");
    objects[WIDE] = fake_points(fake, wide, 2);
    objects[PAIR] = fake_tuple(fake, (mx_addr[]){objects[TEXT], objects[WIDE]}, 2);
    objects[LONELY] = fake_tuple(fake, &objects[TEXT], 1);
    for (size_t i = 0; i < ITEMS; i++)
        items[i] = objects[PAIR];
    objects[LIST] = fake_list(fake, items, ITEMS);
}

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return left < right ? -1 : left > right;
}

/* A heap that says: these objects. */
static void make_heap(struct made *made)
{
    mx_addr sorted[OBJECTS];
    memcpy(sorted, made->objects, sizeof(sorted));
    qsort(sorted, OBJECTS, sizeof(mx_addr), compare_addresses);
    made->heap.kinds = calloc(OBJECTS, sizeof(uint16_t));
    mx_addr end = sorted[OBJECTS - 1] + mx_object_shallow_size(&made->target, sorted[OBJECTS - 1]);
    struct mx_span span = {.start = sorted[0], .end = end, .count = OBJECTS, .kind = MX_SPAN_CHUNKS};
    CU_ASSERT_TRUE_FATAL(made->heap.kinds && mx_array_push(&made->heap.spans.spans, span));
    for (size_t i = 0; i < OBJECTS; i++) {
        const struct mx_type *type = mx_type_of(&made->target.types, sorted[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(type);
        made->heap.kinds[i] = (uint16_t)(type - made->target.types.types.items);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.starts, (uint32_t)((sorted[i] - sorted[0]) / 8)));
    }
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
    made->heap.info.objects = OBJECTS;
}

/* Types and their tallies as a census would leave them. */
static void make_types(struct made *made)
{
    const struct mx_types *types = &made->target.types;
    made->heap.tallies = calloc(types->types.count, sizeof(*made->heap.tallies));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made->heap.tallies);
    for (size_t i = 0; i < types->types.count; i++) {
        const struct mx_type *type = &types->types.items[i];
        CU_ASSERT_TRUE_FATAL(
            mx_array_push(&made->heap.types, (struct mx_heap_type){.address = type->address, .name = type->name}));
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        const struct mx_type *type = mx_type_of(types, made->objects[i]);
        struct mx_tally *tally = type ? &made->heap.tallies[type - types->types.items] : NULL;
        if (!tally)
            continue;
        tally->count++;
        tally->bytes += mx_object_shallow_size(&made->target, made->objects[i]);
    }
}

static void add_root(struct made *made, mx_addr object)
{
    struct mx_graph *graph = made->sources.graph;
    struct mx_graph_root root = {.block = mx_spans_find(&made->heap.spans, object),
                                 .root = {.object = object, .kind = MX_ROOT_THREAD, .exact = true}};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&graph->roots, root));
    free(graph->roots_by_block);
    graph->roots_by_block = calloc(1, sizeof(uint32_t));
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph->roots_by_block);
}

static void open_made(struct made *made, struct fake *fake)
{
    *made = (struct made){.sources = {.target = &made->target, .heap = &made->heap}};
    make_objects(made, fake);
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    make_heap(made);
    make_types(made);
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->sources.graph));
    add_root(made, made->objects[LIST]);
    CU_ASSERT_PTR_NULL_FATAL(mx_retained_open(made->sources.graph, NULL, &made->sources.retained));
}

static void close_made(struct made *made)
{
    mx_retained_close(made->sources.retained);
    mx_graph_close(made->sources.graph);
    free(made->heap.kinds);
    free(made->heap.tallies);
    mx_array_free(&made->heap.types);
    mx_spans_deinit(&made->heap.spans);
}

/* All rows as "a|b;c|d;", addresses with an @ before them; or the error's sentence. The caller frees it. */
static char *ask_of(const struct mx_sources *sources, const char *statement)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct mx_sql *sql = NULL;
    const struct mx_sql_value *values = NULL;
    const char *const *names;
    struct mx_error *error = mx_sql_open(sources, statement, NULL, &sql);
    while (!error && !(error = mx_sql_next(sql, &values)) && values) {
        size_t count = mx_sql_columns(sql, &names);
        for (size_t i = 0; i < count; i++) {
            const char *end = i + 1 < count ? "|" : ";";
            switch (values[i].type) {
            case MX_SQL_NULL:
                fprintf(file, "NULL%s", end);
                break;
            case MX_SQL_REAL:
                fprintf(file, "%g%s", values[i].real, end);
                break;
            case MX_SQL_TEXT:
                fprintf(file, "%.*s%s", (int)values[i].length, values[i].text, end);
                break;
            default:
                fprintf(file, "%s%" PRId64 "%s", values[i].type == MX_SQL_ADDRESS ? "@" : "", values[i].integer, end);
                break;
            }
        }
    }
    if (error)
        fprintf(file, "%s", error->message);
    mx_error_free(error);
    mx_sql_close(sql);
    fclose(file);
    return text;
}

static void check_answer(const struct mx_sources *sources, const char *statement, const char *wanted)
{
    char *answer = ask_of(sources, statement);
    if (strcmp(answer, wanted))
        printf("# %s: `%s', wanted `%s'\n", statement, answer, wanted);
    CU_ASSERT_STRING_EQUAL(answer, wanted);
    free(answer);
}

static void check_contains(const struct mx_sources *sources, const char *statement, const char *wanted)
{
    char *answer = ask_of(sources, statement);
    if (!strstr(answer, wanted))
        printf("# %s: `%s', wanted `%s' in it\n", statement, answer, wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, wanted));
    free(answer);
}

static void test_objects_by_type_have_the_sums_of_the_tallies(void)
{
    struct fake fake;
    struct made made;
    FAKE_EACH_ROW(&fake)
    {
        open_made(&made, &fake);
        check_answer(&made.sources, "SELECT type, count(*) FROM objects GROUP BY 1", "list|1;str|2;tuple|2;");
        check_answer(&made.sources,
                     "SELECT count(*) FROM types t WHERE count <> (SELECT count(*) FROM objects WHERE type = t.name) "
                     "OR bytes <> (SELECT ifnull(sum(size), 0) FROM objects WHERE type = t.name)",
                     "0;");
        check_answer(&made.sources, "SELECT sum(count) FROM types", "5;");
        check_answer(&made.sources, "SELECT count(DISTINCT type), count(value) FROM objects", "3|5;");
        close_made(&made);
    }
}

static void test_rows_are_found_by_id_and_address(void)
{
    struct fake fake;
    struct made made;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    char statement[200], wanted[60];
    snprintf(statement, sizeof(statement), "SELECT addr FROM objects WHERE addr = 0x%" PRIx64, made.objects[PAIR]);
    snprintf(wanted, sizeof(wanted), "@%" PRId64 ";", (int64_t)made.objects[PAIR]);
    check_answer(&made.sources, statement, wanted);
    snprintf(statement, sizeof(statement), "SELECT count(*) FROM objects WHERE addr = 0x%" PRIx64,
             made.objects[PAIR] + 8);
    check_answer(&made.sources, statement, "0;");
    check_answer(&made.sources, "SELECT id FROM objects WHERE id IN (3, 1, 99, -1, NULL, 'x', 2.5) ORDER BY id",
                 "1;3;");
    check_answer(&made.sources, "SELECT id FROM objects WHERE id > 1 AND id <= 3", "2;3;");
    check_answer(&made.sources, "SELECT id FROM objects WHERE id BETWEEN 3.5 AND 1e30", "4;");
    check_answer(&made.sources, "SELECT count(*) FROM objects WHERE id < 'abc' AND addr < 'abc'", "5;");
    check_answer(&made.sources, "SELECT count(*) FROM objects WHERE addr >= (SELECT addr FROM blocks WHERE id = 2)",
                 "3;");
    check_answer(&made.sources, "SELECT count(*) FROM objects WHERE addr < (SELECT addr FROM blocks WHERE id = 2)",
                 "2;");
    check_answer(&made.sources, "SELECT id FROM objects ORDER BY id DESC LIMIT 1", "4;");
    check_answer(&made.sources, "SELECT count(*) FROM objects o JOIN blocks b USING (id) WHERE b.kind = 'object'",
                 "5;");
    close_made(&made);
    fake_close(&fake);
}

static void test_plans_use_indices(void)
{
    struct fake fake;
    struct made made;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    static const char *const plans[][2] = {
        {"SELECT type, count(*) FROM objects GROUP BY 1", "type order"},
        {"SELECT id FROM objects WHERE type = 'str'", "type=?"},
        {"SELECT id FROM objects WHERE id = 1", "id=?"},
        {"SELECT id FROM objects WHERE addr = 1 AND type = 'str'", ":addr=?"},
        {"SELECT id FROM objects WHERE addr > 1 AND addr < 7", "addr<>?"},
        {"SELECT name FROM refs WHERE src = 1", "src=?"},
        {"SELECT name FROM refs WHERE dst = 1", "dst=?"},
        {"SELECT name FROM refs WHERE dst = 1 AND src = 2", "src=? dst=?"},
        {"SELECT dst, count(*) FROM refs GROUP BY 1", "dst order"},
        {"SELECT name FROM roots WHERE id = 1", "id=?"},
        {"SELECT 1 FROM objects o JOIN types t ON t.name = o.type", "name=?"},
        {"SELECT 1 FROM refs r CROSS JOIN objects o ON o.id = r.src WHERE r.dst = 4", "o VIRTUAL TABLE INDEX 1:id=?"},
    };
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        char statement[200];
        snprintf(statement, sizeof(statement), "EXPLAIN QUERY PLAN %s", plans[i][0]);
        check_contains(&made.sources, statement, plans[i][1]);
    }
    char *plan = ask_of(&made.sources, "EXPLAIN QUERY PLAN SELECT dst, src FROM refs GROUP BY dst, src");
    CU_ASSERT_PTR_NULL(strstr(plan, "TEMP B-TREE"));
    free(plan);
    close_made(&made);
    fake_close(&fake);
}

static void test_references_are_the_same_from_both_ends(void)
{
    struct fake fake;
    struct made made;
    FAKE_EACH_ROW(&fake)
    {
        open_made(&made, &fake);
        check_answer(&made.sources,
                     "SELECT count(*), count(DISTINCT name), min(name), max(name), min(kind) FROM refs "
                     "WHERE src = (SELECT id FROM objects WHERE type = 'list') AND name LIKE '[%'",
                     "300|300|[0]|[9]|traversed;");
        check_answer(&made.sources,
                     "SELECT count(*) FROM (SELECT rowid, * FROM refs EXCEPT "
                     "SELECT r.rowid, r.* FROM objects o CROSS JOIN refs r ON r.dst = o.id)",
                     "0;");
        check_answer(&made.sources,
                     "SELECT (SELECT count(*) FROM refs) - count(*) FROM objects o CROSS JOIN refs r ON r.dst = o.id",
                     "0;");
        check_answer(
            &made.sources,
            "SELECT count(*) FROM refs r JOIN objects o ON o.type = 'tuple' AND (r.src = o.id OR r.dst = o.id)",
            "303;");
        check_answer(&made.sources, "SELECT max(n) FROM (SELECT dst, count(*) n FROM refs GROUP BY dst)", "300;");
        check_answer(&made.sources, "SELECT count(*) FROM refs WHERE src = -1 OR src = 99 OR dst = 1e30", "0;");
        close_made(&made);
    }
}

static void test_roots_distances_and_retained_sizes(void)
{
    struct fake fake;
    struct made made;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    check_answer(&made.sources, "SELECT o.type, r.kind, r.exact FROM roots r JOIN objects o USING (id)",
                 "list|thread|1;");
    check_answer(&made.sources, "SELECT root_distance, count(*) FROM objects GROUP BY 1", "NULL|1;0|1;1|1;2|2;");
    check_answer(&made.sources, "SELECT retained > size, owned FROM objects WHERE type = 'tuple' AND root_distance = 1",
                 "1|0;");
    check_answer(&made.sources,
                 "SELECT retained = (SELECT sum(size) FROM blocks) - (SELECT sum(retained) FROM objects "
                 "WHERE root_distance IS NULL) FROM objects WHERE type = 'list'",
                 "1;");
    check_answer(&made.sources, "SELECT path(id) FROM objects WHERE root_distance IS NULL", "NULL;");
    check_answer(&made.sources, "SELECT show(id), show(-1), show('x') FROM objects WHERE type = 'list' AND 0", "");
    close_made(&made);
    fake_close(&fake);
}

static void test_strings_are_read_whole(void)
{
    struct fake fake;
    struct made made;
    FAKE_EACH_ROW(&fake)
    {
        open_made(&made, &fake);
        check_answer(&made.sources, "SELECT length, width, value FROM strings ORDER BY 3",
                     "4|1|text;2|2|\xe4\xb8\xad\xe6\x96\x87;");
        check_answer(&made.sources, "SELECT count(*) FROM strings s JOIN objects o USING (id, addr, type, size)", "2;");
        close_made(&made);
    }
}

static void test_only_reading_is_allowed(void)
{
    static const char *const statements[] = {
        "INSERT INTO objects(id) VALUES (1)",
        "DELETE FROM objects",
        "UPDATE types SET name = ''",
        "CREATE TABLE x(a)",
        "CREATE TABLE x AS SELECT * FROM objects",
        "CREATE TEMP TABLE x(a)",
        "CREATE VIEW x AS SELECT 1",
        "CREATE VIRTUAL TABLE x USING objects",
        "CREATE TRIGGER x AFTER INSERT ON objects BEGIN SELECT 1; END",
        "DROP TABLE objects",
        "ATTACH '/tmp/memext-sql-test' AS x",
        "VACUUM INTO '/tmp/memext-sql-test'",
        "PRAGMA journal_mode = wal",
        "PRAGMA temp_store_directory = '/tmp'",
        "SELECT load_extension('x')",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "ANALYZE",
        "REINDEX",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE objects",
        "WITH x AS (SELECT 1) DELETE FROM objects",
        "",
        "-- nothing",
        "SELECT ?",
        "SELECT :a",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        unsigned needs;
        struct mx_error *error = mx_sql_check(statements[i], &needs);
        CU_ASSERT_PTR_NOT_NULL(error);
        if (!error)
            printf("# allowed: %s\n", statements[i]);
        CU_ASSERT_TRUE(!error || (error->code == MX_ERROR_ARGUMENT && !strchr(error->message, '\n')));
        mx_error_free(error);
    }
}

static void check_refusal(const char *statement, const char *wanted)
{
    check_contains(&(struct mx_sources){0}, statement, wanted);
}

static void test_errors_tell_where(void)
{
    /* Older ones do not know. */
    if (sqlite3_libversion_number() >= 3038000) {
        check_refusal("SELECT * FORM objects", "at character 10: `FORM objects'");
        check_refusal("SELECT\nsise\nFROM objects", "no such column: sise, at character 8: `sise FROM objects'");
        check_refusal("SELECT \"sise\" FROM objects", "at character 8: `\"sise\" FROM objects'");
    }
    check_refusal("SELECT 1 FROM objekts", "no such table: objekts; the tables are objects, refs");
    check_refusal("SELECT 1 FROM objects WHERE", "not complete: something is missing at its end");
    check_refusal("SELECT 1; SELECT 2", "another one begins at character 11");
    check_refusal("CREATE TABLE x(a)", "statements only read here: CREATE is not allowed");
    check_refusal("REINDEX", "statements only read here: REINDEX is not allowed");
    check_refusal("SELECT 1", "needs a heap");
    check_refusal("SELECT 'x", "unrecognized token");
}

static unsigned needs_of(const char *statement)
{
    unsigned needs = 99;
    CU_ASSERT_PTR_NULL_FATAL(mx_sql_check(statement, &needs));
    return needs;
}

static void test_needs_are_those_of_columns_that_are_read(void)
{
    CU_ASSERT_EQUAL(needs_of("SELECT type, sum(size) FROM objects GROUP BY 1"), 0);
    CU_ASSERT_EQUAL(needs_of("SELECT count(*) FROM objects JOIN blocks USING (id), strings, types, regions"), 0);
    CU_ASSERT_EQUAL(needs_of("SELECT count(*) FROM refs"), MX_NEEDS_GRAPH);
    CU_ASSERT_EQUAL(needs_of("SELECT 1 FROM objects WHERE id IN (SELECT id FROM roots)"), MX_NEEDS_GRAPH);
    CU_ASSERT_EQUAL(needs_of("SELECT ROOT_DISTANCE FROM Objects"), MX_NEEDS_GRAPH);
    CU_ASSERT_EQUAL(needs_of("SELECT path(1)"), MX_NEEDS_GRAPH);
    CU_ASSERT_EQUAL(needs_of("SELECT show(1), object('x')"), 0);
    CU_ASSERT_EQUAL(needs_of("SELECT 1 FROM objects ORDER BY retained"), MX_NEEDS_GRAPH | MX_NEEDS_RETAINED);
    CU_ASSERT_EQUAL(needs_of("SELECT * FROM objects"), MX_NEEDS_GRAPH | MX_NEEDS_RETAINED);
    CU_ASSERT_EQUAL(needs_of("EXPLAIN QUERY PLAN SELECT * FROM objects"), 0);
    CU_ASSERT_EQUAL(needs_of("PRAGMA table_info(objects)"), 0);
}

static void test_sources_that_are_missing_are_named(void)
{
    struct fake fake;
    struct made made;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    struct mx_sources sources = {.target = &made.target, .heap = &made.heap};
    check_contains(&sources, "SELECT * FROM refs", "needs the graph");
    sources.graph = made.sources.graph;
    check_contains(&sources, "SELECT owned FROM objects", "needs retained sizes");
    check_answer(&sources, "SELECT count(*) > 300 FROM refs", "1;");
    close_made(&made);
    fake_close(&fake);
}

static bool count_reports(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)done;
    (void)total;
    return ++*(unsigned *)context < 3;
}

static void test_a_statement_without_end_is_cancelled(void)
{
    struct fake fake;
    struct made made;
    unsigned reports = 0;
    const struct mx_progress progress = {count_reports, &reports};
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    struct mx_sql *sql;
    const struct mx_sql_value *values;
    CU_ASSERT_PTR_NULL_FATAL(mx_sql_open(
        &made.sources, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        &progress, &sql));
    struct mx_error *error = mx_sql_next(sql, &values);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_TRUE(error && error->code == MX_ERROR_CANCELLED);
    CU_ASSERT_EQUAL(reports, 3);
    mx_error_free(error);
    mx_sql_close(sql);
    close_made(&made);
    fake_close(&fake);
}

static int keep_number(void *context, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(long *)context = values[0] ? atol(values[0]) : -1;
    return 0;
}

/* As exports do. */
static void test_tables_can_be_copied_into_a_database(void)
{
    struct fake fake;
    struct made made;
    struct mx_sql_tables *tables;
    sqlite3 *database;
    long objects = -1, edges = -1;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    CU_ASSERT_PTR_NULL_FATAL(mx_sql_tables_open(&made.sources, &tables));
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(":memory:", &database), SQLITE_OK);
    CU_ASSERT_PTR_NULL_FATAL(mx_sql_register(database, tables));
    CU_ASSERT_EQUAL(sqlite3_exec(database,
                                 "CREATE TABLE objects AS SELECT * FROM objects;"
                                 "CREATE TABLE refs AS SELECT * FROM refs;"
                                 "CREATE TABLE strings AS SELECT * FROM strings;"
                                 "DELETE FROM objects WHERE type = 'list'",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    sqlite3_exec(database, "SELECT count(*) FROM objects", keep_number, &objects, NULL);
    sqlite3_exec(database, "SELECT count(*) FROM refs WHERE name IS NOT NULL", keep_number, &edges, NULL);
    CU_ASSERT_EQUAL(objects, OBJECTS - 1);
    CU_ASSERT_EQUAL(edges, (long)made.sources.graph->forward.edges);
    sqlite3_close(database);
    mx_sql_tables_close(tables);
    close_made(&made);
    fake_close(&fake);
}

static void test_behind_the_last_row_is_no_other(void)
{
    struct fake fake;
    struct made made;
    struct mx_sql *sql;
    const struct mx_sql_value *values = NULL;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    CU_ASSERT_PTR_NULL_FATAL(mx_sql_open(&made.sources, "SELECT 1", NULL, &sql));
    CU_ASSERT_PTR_NULL(mx_sql_next(sql, &values));
    CU_ASSERT_PTR_NOT_NULL(values);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_PTR_NULL(mx_sql_next(sql, &values));
        CU_ASSERT_PTR_NULL(values);
    }
    mx_sql_close(sql);
    close_made(&made);
    fake_close(&fake);
}

/* 40 MB to be sorted, while no file can be opened. */
static void test_sorting_stays_in_memory(void)
{
    struct fake fake;
    struct made made;
    struct rlimit usual, none;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    char *answer = ask_of(
        &made.sources, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) "
                       "SELECT count(*), max(length(t)) FROM (SELECT i, hex(zeroblob(100)) || (i % 1000) AS t FROM n "
                       "ORDER BY t LIMIT -1)");
    setrlimit(RLIMIT_NOFILE, &usual);
    CU_ASSERT_STRING_EQUAL(answer, "200000|203;");
    free(answer);
    close_made(&made);
    fake_close(&fake);
}

static void test_values_of_every_type(void)
{
    struct fake fake;
    struct made made;
    CU_ASSERT_TRUE_FATAL(fake_next_row((fake = (struct fake){0}, &fake)));
    open_made(&made, &fake);
    check_answer(&made.sources, "SELECT NULL, 1, 2.5, 'a', x'00ff', x''", "NULL|1|2.5|a|X'00ff'|X'';");
    check_contains(&made.sources, "SELECT * FROM (SELECT addr FROM objects LIMIT 1)", "@");
    check_contains(&made.sources, "SELECT zeroblob(1 << 30)", "too big");
    check_contains(&made.sources, "SELECT abs(-9223372036854775808)", "overflow");
    close_made(&made);
    fake_close(&fake);
}

void suite_sql(CU_pSuite suite);
void suite_sql(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_objects_by_type_have_the_sums_of_the_tallies);
    CU_ADD_TEST(suite, test_rows_are_found_by_id_and_address);
    CU_ADD_TEST(suite, test_plans_use_indices);
    CU_ADD_TEST(suite, test_references_are_the_same_from_both_ends);
    CU_ADD_TEST(suite, test_roots_distances_and_retained_sizes);
    CU_ADD_TEST(suite, test_strings_are_read_whole);
    CU_ADD_TEST(suite, test_only_reading_is_allowed);
    CU_ADD_TEST(suite, test_errors_tell_where);
    CU_ADD_TEST(suite, test_needs_are_those_of_columns_that_are_read);
    CU_ADD_TEST(suite, test_sources_that_are_missing_are_named);
    CU_ADD_TEST(suite, test_a_statement_without_end_is_cancelled);
    CU_ADD_TEST(suite, test_tables_can_be_copied_into_a_database);
    CU_ADD_TEST(suite, test_behind_the_last_row_is_no_other);
    CU_ADD_TEST(suite, test_sorting_stays_in_memory);
    CU_ADD_TEST(suite, test_values_of_every_type);
}
