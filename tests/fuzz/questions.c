/* SPDX-License-Identifier: Apache-2.0
 *
 * All that a user's commands would ask of a target, so that each pass of the
 * library runs over what is damaged. What does not hold ends the program.
 */
#include "questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/target.h"

enum { OBJECTS_SHOWN = 3, TYPES_SHOWN = 40, PATHS_EACH = 2, ROWS_EACH = 300 };

static void show(struct mx_target *target, mx_addr address)
{
    const struct mx_show_options options = {.depth = 3, .items = 20, .characters = 100, .attributes = true};
    struct mx_object_info info;
    char *text;
    struct mx_error *error = mx_object_info(target, address, &info);
    if (!error)
        error = mx_object_show(target, address, &options, &text);
    if (!error)
        free(text);
    mx_error_free(error);
}

static void list_objects(struct mx_target *target, const struct mx_heap *heap, const char *type)
{
    const struct mx_object_query query = {.type = type, .order = MX_ORDER_SIZE, .limit = OBJECTS_SHOWN};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(target, heap, &query, NULL, &objects);
    if (error) {
        mx_error_free(error);
        return;
    }
    size_t count;
    uint64_t total, bytes;
    const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
    for (size_t i = 0; i < count; i++)
        show(target, refs[i].address);
    mx_objects_close(objects);
}

static void list_types(struct mx_target *target, const struct mx_heap *heap, enum mx_count_what what)
{
    struct mx_histogram *histogram;
    struct mx_error *error = mx_histogram_of_heap(heap, what, &histogram);
    if (error) {
        mx_error_free(error);
        return;
    }
    size_t count;
    const struct mx_histogram_row *rows = mx_histogram_rows(histogram, &count);
    for (size_t i = 0; i < count && i < TYPES_SHOWN; i++)
        list_objects(target, heap, rows[i].type);
    mx_histogram_close(histogram);
}

/* Frees it. An error must be one whole sentence: that is all a user sees. */
static void check_error(struct mx_error *error)
{
    if (error && (!error->message || !*error->message || strchr(error->message, '\n')))
        abort();
    mx_error_free(error);
}

static void draw_tree(struct mx_graph *graph, mx_addr object, enum mx_direction direction, bool grouped)
{
    const struct mx_tree_query query = {.start = object,
                                        .direction = direction,
                                        .depth = 3,
                                        .width = 10,
                                        .borrowed = true,
                                        .buffers = true,
                                        .stop_at_modules = grouped,
                                        .grouped = grouped};
    struct mx_tree *tree;
    struct mx_error *error = mx_tree_open(graph, &query, NULL, &tree);
    if (!error)
        mx_tree_close(tree);
    check_error(error);
}

static void follow_references(struct mx_graph *graph, mx_addr object)
{
    for (int grouped = 0; grouped < 2; grouped++) {
        draw_tree(graph, object, MX_REFERENTS, grouped);
        draw_tree(graph, object, MX_REFERRERS, grouped);
    }
    for (unsigned nth = 0; nth < PATHS_EACH; nth++) {
        struct mx_path *path;
        struct mx_error *error = mx_path_open(graph, object, nth, NULL, NULL, &path);
        if (!error)
            mx_path_close(path);
        check_error(error);
    }
}

static void follow_types(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    static const char *const types[] = {"module", "dict",     "list", "tuple", "type",           "str",
                                        "code",   "function", "set",  "frame", "__main__.Order", "generator"};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        const struct mx_object_query query = {.type = types[i], .order = MX_ORDER_SIZE, .limit = 1};
        struct mx_objects *objects;
        struct mx_error *error = mx_objects_find(target, heap, &query, NULL, &objects);
        check_error(error);
        if (error)
            continue;
        size_t count;
        uint64_t total, bytes;
        const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
        for (size_t at = 0; at < count; at++) {
            follow_references(graph, refs[at].address);
            follow_references(graph, refs[at].address + 8);
        }
        mx_objects_close(objects);
    }
}

static void resolve_names(struct mx_target *target, struct mx_graph *graph)
{
    static const char *const paths[] = {"__main__.ORDERS[1]", "sys.modules['app'].x", "__main__.__dict__",
                                        "sys.modules['__main__'].OREDRS", "type.__mro__[-1]"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        mx_addr found;
        struct mx_error *error = mx_target_resolve(target, paths[i], &found);
        if (!error)
            follow_references(graph, found);
        check_error(error);
    }
}

static void list_retainers(struct mx_retained *retained, enum mx_retained_by by, mx_addr within)
{
    const struct mx_retained_query query = {.by = by, .within = within, .limit = OBJECTS_SHOWN};
    struct mx_retained_table *table;
    struct mx_error *error = mx_retained_table_open(retained, &query, NULL, &table);
    check_error(error);
    if (error)
        return;
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count && by == MX_RETAINED_BY_OBJECT && !within; i++) {
        struct mx_retained_size size;
        check_error(mx_retained_of(retained, rows[i].address, &size));
        list_retainers(retained, by, rows[i].address);
    }
    mx_retained_table_close(table);
}

static void add_up_retained(const struct mx_sources *of)
{
    static const enum mx_retained_by kinds[] = {MX_RETAINED_BY_OBJECT, MX_RETAINED_BY_TYPE, MX_RETAINED_BY_MODULE,
                                                MX_RETAINED_BY_ROOT};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        list_retainers(of->retained, kinds[i], 0);
    const struct mx_object_query query = {
        .type = "dict", .order = MX_ORDER_RETAINED, .limit = OBJECTS_SHOWN, .retained = of->retained};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(of->target, of->heap, &query, NULL, &objects);
    if (!error)
        mx_objects_close(objects);
    check_error(error);
}

/* Parents come first, and each weighs what is below it. */
static void draw_outline(struct mx_retained *retained, const struct mx_heap *since)
{
    const struct mx_outline_query query = {.nodes = 300, .since = since};
    struct mx_outline *outline;
    struct mx_error *error = mx_outline_open(retained, &query, NULL, &outline);
    check_error(error);
    if (error)
        return;
    size_t count;
    const struct mx_outline_node *nodes = mx_outline_nodes(outline, &count);
    for (size_t i = 1; i < count; i++)
        if (nodes[i].parent >= i || nodes[i].retained > nodes[nodes[i].parent].retained)
            abort();
    mx_outline_close(outline);
}

static void name_suspects(struct mx_retained *retained, const struct mx_heap *since)
{
    const struct mx_suspects_query query = {.since = since, .least_share = 0.001};
    struct mx_suspects *suspects;
    struct mx_error *error = mx_suspects_open(retained, &query, NULL, &suspects);
    if (!error)
        mx_suspects_close(suspects);
    check_error(error);
}

static void run_statement(const struct mx_sources *sources, const char *statement)
{
    struct mx_sql *sql;
    const struct mx_sql_value *values = NULL;
    struct mx_error *error = mx_sql_open(sources, statement, NULL, &sql);
    if (error) {
        check_error(error);
        return;
    }
    for (unsigned i = 0; i < ROWS_EACH && !error; i++) {
        error = mx_sql_next(sql, &values);
        if (!values)
            break;
    }
    check_error(error);
    mx_sql_close(sql);
}

/* Every column of every table, in every kind of plan. */
static void ask_in_sql(const struct mx_sources *of)
{
    static const char *const statements[] = {
        "SELECT * FROM objects",
        "SELECT * FROM objects WHERE type IN ('list', 'dict', 'type')",
        "SELECT type, count(*), sum(size) FROM objects GROUP BY 1",
        "SELECT * FROM objects WHERE addr > (SELECT min(addr) + 4096 FROM blocks) AND id < 99999",
        "SELECT * FROM refs",
        "SELECT * FROM refs WHERE dst IN (SELECT id FROM objects WHERE type = 'type' LIMIT 20)",
        "SELECT count(name) FROM refs WHERE src IN (SELECT id FROM objects WHERE type = 'dict' LIMIT 200)",
        "SELECT dst, count(*) FROM refs GROUP BY 1",
        "SELECT *, path(id), show(id) FROM roots LIMIT 10",
        "SELECT * FROM types",
        "SELECT * FROM blocks",
        "SELECT * FROM regions",
        "SELECT * FROM strings",
        "SELECT object('sys.modules')",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        run_statement(of, statements[i]);
}

static void look_for_waste(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    const struct mx_waste_query query = {.limit = 10};
    struct mx_waste *waste;
    struct mx_error *error = mx_waste_open(target, heap, graph, &query, NULL, &waste);
    if (!error)
        mx_waste_close(waste);
    check_error(error);
}

/* Whatever is damaged, the rows add up to the address space that the core names. */
static void keep_ledger(struct mx_target *target, const struct mx_heap *heap)
{
    struct mx_ledger *ledger;
    struct mx_error *error = mx_ledger_open(target, heap, NULL, &ledger);
    check_error(error);
    if (error)
        return;
    size_t count;
    const struct mx_ledger_row *rows = mx_ledger_rows(ledger, &count);
    struct mx_ledger_row total, sum = {0};
    mx_ledger_part(ledger, MX_LEDGER_TOTAL, &total);
    for (size_t i = 0; i < count; i++) {
        sum.resident += rows[i].resident;
        sum.virtual_bytes += rows[i].virtual_bytes;
    }
    uint64_t left = total.virtual_bytes;
    for (size_t i = 0; i < target->memory->regions.count; i++)
        left -= target->memory->regions.items[i].end - target->memory->regions.items[i].start;
    if (sum.resident != total.resident || sum.virtual_bytes != total.virtual_bytes || left)
        abort();
    mx_ledger_close(ledger);
}

/* Whatever is damaged, what an arena holds is what it has. */
static void look_at_arenas(struct mx_target *target, const struct mx_heap *heap)
{
    struct mx_malloc *malloc_report;
    struct mx_pymalloc *pymalloc;
    struct mx_pymalloc_info info;
    size_t count;
    struct mx_error *error = mx_malloc_open(target, NULL, &malloc_report);
    check_error(error);
    if (error)
        return;
    const struct mx_malloc_arena *arenas = mx_malloc_arenas(malloc_report, &count);
    for (size_t i = 0; i < count; i++)
        if (arenas[i].used + arenas[i].free + arenas[i].tcache + arenas[i].fast + arenas[i].top + arenas[i].other !=
            arenas[i].system)
            abort();
    mx_malloc_close(malloc_report);
    error = mx_pymalloc_open(target, heap, NULL, &pymalloc);
    check_error(error);
    if (error)
        return;
    mx_pymalloc_info(pymalloc, &info);
    if (info.used_bytes + info.free_bytes + info.free_pool_bytes + info.header_bytes + info.tail_bytes +
            info.alignment_bytes + info.missing_bytes !=
        info.arena_bytes)
        abort();
    mx_pymalloc_close(pymalloc);
}

/* A type name's types are together what it is. */
static void count_by_type(const struct mx_heap *heap)
{
    struct mx_histogram *names, *types;
    struct mx_error *error = mx_histogram_of_heap(heap, MX_COUNT_TRACKED, &names);
    check_error(error);
    if (error)
        return;
    error = mx_histogram_of_types(heap, MX_COUNT_TRACKED, &types);
    if (!error) {
        size_t count;
        int64_t left = 0;
        const struct mx_histogram_row *rows = mx_histogram_rows(names, &count);
        for (size_t i = 0; i < count; i++)
            left += (int64_t)rows[i].bytes;
        rows = mx_histogram_rows(types, &count);
        for (size_t i = 0; i < count; i++)
            left -= (int64_t)rows[i].bytes;
        if (left)
            abort();
        mx_histogram_close(types);
    }
    mx_histogram_close(names);
    check_error(error);
}

/* Between a heap and itself nothing is new. */
static void look_for_new(struct mx_target *target, const struct mx_heap *heap)
{
    const struct mx_object_query query = {.type = "dict", .since = heap, .order = MX_ORDER_SIZE};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(target, heap, &query, NULL, &objects);
    check_error(error);
    if (error)
        return;
    size_t count;
    uint64_t total, bytes;
    mx_objects_refs(objects, &count, &total, &bytes);
    if (total)
        abort();
    mx_objects_close(objects);
}

/* Between a heap and itself nothing has grown. */
static void compare_counts(const struct mx_heap *heap)
{
    struct mx_histogram *before, *now;
    struct mx_growth *growth;
    struct mx_error *error = mx_histogram_of_heap(heap, MX_COUNT_ALL, &before);
    check_error(error);
    if (error)
        return;
    error = mx_histogram_of_heap(heap, MX_COUNT_ALL, &now);
    if (!error) {
        error = mx_growth_open(before, now, &growth);
        mx_histogram_close(now);
    }
    mx_histogram_close(before);
    check_error(error);
    if (error)
        return;
    size_t count;
    mx_growth_rows(growth, &count);
    if (count)
        abort();
    mx_growth_close(growth);
}

static void audit_references(struct mx_graph *graph)
{
    for (int deficits = 0; deficits < 2; deficits++) {
        const struct mx_audit_query query = {.deficits = deficits};
        struct mx_audit *audit;
        struct mx_error *error = mx_audit_open(graph, &query, NULL, &audit);
        if (!error)
            mx_audit_close(audit);
        check_error(error);
    }
}

/* What fails has a reason. */
static void verify(struct mx_graph *graph)
{
    struct mx_verification *verification;
    struct mx_error *error = mx_verification_open(graph, NULL, &verification);
    check_error(error);
    if (error)
        return;
    size_t count;
    const struct mx_check *checks = mx_verification_checks(verification, &count);
    for (size_t i = 0; i < count; i++)
        if (!checks[i].failed != !*checks[i].why)
            abort();
    mx_verification_close(verification);
}

static void look_for_leaks(struct mx_graph *graph, const struct mx_heap *since)
{
    const struct mx_leaks_query query = {.since = since};
    struct mx_leaks *leaks;
    struct mx_error *error = mx_leaks_open(graph, &query, NULL, &leaks);
    if (!error)
        mx_leaks_close(leaks);
    check_error(error);
}

static void look_up_functions(struct mx_target *target, const struct mx_functions *functions)
{
    size_t count;
    const struct mx_function *rows = mx_functions_rows(functions, &count);
    for (size_t i = 0; i < count && i < OBJECTS_SHOWN; i++) {
        struct mx_functions *found;
        struct mx_error *error = mx_functions_of_code(target, rows[i].code, 0, &found);
        if (!error)
            mx_functions_close(found);
        check_error(error);
    }
}

static void walk_stacks(struct mx_target *target, const struct mx_heap *heap)
{
    const struct mx_stacks_query query = {.locals = true};
    struct mx_stacks *stacks;
    struct mx_functions *functions;
    struct mx_error *error = mx_stacks_open(target, &query, &stacks);
    if (!error)
        mx_stacks_close(stacks);
    check_error(error);
    error = mx_functions_of_heap(target, heap, NULL, &functions);
    if (!error) {
        look_up_functions(target, functions);
        mx_functions_close(functions);
    }
    check_error(error);
}

static void complete_names(struct mx_target *target)
{
    static const char *const typed[] = {"", "sys.mod", "os.environ.", "__main__."};
    for (size_t i = 0; i < sizeof(typed) / sizeof(*typed); i++) {
        struct mx_names *names;
        struct mx_error *error = mx_names_complete(target, typed[i], &names);
        if (!error)
            mx_names_close(names);
        check_error(error);
    }
}

static void write_exports(const struct mx_sources *of, const char *path)
{
    static const enum mx_export_format formats[] = {MX_EXPORT_HEAPSNAPSHOT, MX_EXPORT_SQLITE, MX_EXPORT_DOT,
                                                    MX_EXPORT_JSON_LINES, MX_EXPORT_COLLAPSED};
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct mx_export_info info;
        check_error(mx_export(of, formats[i], path, NULL, &info));
        unlink(path);
    }
}

static void ask_of_retained(const struct mx_sources *of, const struct questions *questions)
{
    if (questions->which & ASK_RETAINED) {
        add_up_retained(of);
        draw_outline(of->retained, NULL);
        draw_outline(of->retained, of->heap);
    }
    if (questions->which & ASK_SUSPECTS) {
        name_suspects(of->retained, NULL);
        name_suspects(of->retained, of->heap);
    }
    if (questions->which & ASK_SQL)
        ask_in_sql(of);
    if ((questions->which & ASK_EXPORTS) && questions->export_as)
        write_exports(of, questions->export_as);
}

static void ask_of_graph(const struct mx_sources *of, const struct questions *questions)
{
    if (questions->which & ASK_REFERENCES) {
        follow_types(of->target, of->heap, of->graph);
        resolve_names(of->target, of->graph);
    }
    if (questions->which & ASK_WASTE)
        look_for_waste(of->target, of->heap, of->graph);
    if (questions->which & ASK_AUDIT)
        audit_references(of->graph);
    if (questions->which & ASK_LEAKS) {
        look_for_leaks(of->graph, NULL);
        look_for_leaks(of->graph, of->heap);
    }
    if (questions->which & ASK_VERIFICATION)
        verify(of->graph);
}

static void ask_of_heap(const struct mx_sources *of, const struct questions *questions)
{
    if (questions->which & ASK_COUNTS) {
        list_types(of->target, of->heap, MX_COUNT_ALL);
        list_types(of->target, of->heap, MX_COUNT_TRACKED);
        count_by_type(of->heap);
        look_for_new(of->target, of->heap);
        compare_counts(of->heap);
    }
    if (questions->which & ASK_LEDGER)
        keep_ledger(of->target, of->heap);
    if (questions->which & ASK_ARENAS) {
        struct mx_usage usage;
        check_error(mx_target_usage(of->target, &usage));
        look_at_arenas(of->target, of->heap);
    }
    if (questions->which & ASK_STACKS) {
        walk_stacks(of->target, of->heap);
        complete_names(of->target);
    }
}

void ask_opened(const struct mx_sources *of, const struct questions *questions)
{
    ask_of_heap(of, questions);
    if (of->graph)
        ask_of_graph(of, questions);
    if (of->retained)
        ask_of_retained(of, questions);
    if (questions->save_as) {
        struct mx_save_info info;
        check_error(mx_target_save(of->target, of->heap, questions->save_as, NULL, &info));
    }
}

bool ask(struct mx_error *error, struct mx_target *target, const struct questions *questions)
{
    struct mx_sources of = {.target = error ? NULL : target};
    struct mx_heap *heap = NULL;
    if (!error)
        error = mx_heap_open(target, NULL, &heap);
    of.heap = heap;
    if (!error && (questions->which & ASK_GRAPH))
        error = mx_graph_open(target, heap, NULL, &of.graph);
    if (!error && (questions->which & ASK_OF_RETAINED))
        error = mx_retained_open(of.graph, NULL, &of.retained);
    bool answers = heap;
    check_error(error);
    if (answers)
        ask_opened(&of, questions);
    mx_retained_close(of.retained);
    mx_graph_close(of.graph);
    mx_heap_close(heap);
    mx_target_close(of.target);
    return answers;
}
