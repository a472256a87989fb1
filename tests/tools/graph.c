/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers questions about references, for the tests to compare with the truth.
 * Uses only the public API, as any program would.
 *
 *     graph core PATH | graph saved PATH | graph live PID        (a process that the caller has stopped)
 *
 * One question a line on standard input; each answer ends with an empty line:
 *
 *     info                            KEY VALUE lines, times in microseconds
 *     referrers ADDR [DEPTH WIDTH]    node ADDR DEPTH HIDDEN TYPE, reference FROM TO KIND EXACT NAME
 *     referents ADDR [DEPTH WIDTH]    the same
 *     path ADDR [NTH [FROM]]          the same, and: expression TEXT
 *     resolve EXPRESSION              address ADDR
 *     objects TYPE                    address ADDR (one line each)
 *     retained [ADDR]                 KEY VALUE lines: of the heap, or of what is at an address
 *     retainers object|type|module|root [LIMIT]    row RETAINED SHARE SIZE COUNT ADDR NAME
 *     leaks                           KEY VALUE lines, row CLASS SIZE COUNT BYTES HELD_COUNT HELD_BYTES ADDR PLACE
 *                                     CONTENT
 *     audit [deficits]                KEY VALUE lines, row ADDR REFCOUNT FOUND EXPLAINED TYPE
 *     suspects [CORE]                 row CAUSE RETAINED ALONE SHARE ADDR TYPE PATH WHY HOLDS COUNT NEXT; of growth
 *                                     since the core of another process
 *
 * Any question may be answered by: error CODE TEXT. All fields are separated by tabs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memext.h"

struct session {
    struct mx_target *target;
    struct mx_heap *heap;
    struct mx_graph *graph;
    struct mx_retained *retained; /* NULL until it is asked for */
    uint64_t open_us, heap_us, graph_us;
};

static uint64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static struct mx_error *open_session(struct session *session, const char *how, const char *what)
{
    uint64_t begun = now_us();
    struct mx_error *error = !strcmp(how, "core") ? mx_target_open_core(what, NULL, &session->target)
                             : !strcmp(how, "saved")
                                 ? mx_target_open_saved(what, NULL, &session->target)
                                 : mx_target_open_process((int)strtol(what, NULL, 10), NULL, &session->target);
    if (error)
        return error;
    uint64_t start = now_us();
    session->open_us = start - begun;
    error = mx_heap_open(session->target, NULL, &session->heap);
    if (error)
        return error;
    uint64_t counted = now_us();
    error = mx_graph_open(session->target, session->heap, NULL, &session->graph);
    session->heap_us = counted - start;
    session->graph_us = now_us() - counted;
    return error;
}

static void close_session(struct session *session)
{
    mx_retained_close(session->retained);
    mx_graph_close(session->graph);
    mx_heap_close(session->heap);
    mx_target_close(session->target);
}

static void print_info(const struct session *session)
{
    struct mx_graph_info info;
    mx_graph_info(session->graph, &info);
    printf("nodes\t%" PRIu64 "\nedges\t%" PRIu64 "\nroots\t%" PRIu64 "\ninexact\t%" PRIu64 "\ndangling\t%" PRIu64
           "\nmemory\t%" PRIu64 "\nopen_us\t%" PRIu64 "\nheap_us\t%" PRIu64 "\ngraph_us\t%" PRIu64 "\n",
           info.nodes, info.edges, info.roots, info.inexact, info.dangling, info.memory, session->open_us,
           session->heap_us, session->graph_us);
}

static void print_parts(const struct mx_node *nodes, size_t node_count, const struct mx_reference *references,
                        size_t reference_count)
{
    for (size_t i = 0; i < node_count; i++)
        printf("node\t0x%" PRIx64 "\t%u\t%" PRIu64 "\t%s\n", nodes[i].address, nodes[i].depth, nodes[i].hidden,
               nodes[i].type);
    for (size_t i = 0; i < reference_count; i++)
        printf("reference\t0x%" PRIx64 "\t0x%" PRIx64 "\t%u\t%u\t%s\n", references[i].from, references[i].to,
               references[i].kind, references[i].exact, references[i].name);
}

static struct mx_error *answer_tree(struct session *session, enum mx_direction direction, const char *arguments)
{
    struct mx_tree_query query = {.direction = direction, .depth = 1};
    struct mx_tree *tree;
    char *rest;
    query.start = strtoull(arguments, &rest, 0);
    sscanf(rest, "%u %u", &query.depth, &query.width);
    query.stop_at_modules = query.depth > 1;
    struct mx_error *error = mx_tree_open(session->graph, &query, NULL, &tree);
    if (error)
        return error;
    size_t nodes, references;
    const struct mx_node *node = mx_tree_nodes(tree, &nodes);
    const struct mx_reference *reference = mx_tree_references(tree, &references);
    print_parts(node, nodes, reference, references);
    mx_tree_close(tree);
    return NULL;
}

static struct mx_error *answer_path(struct session *session, const char *arguments)
{
    struct mx_path *path;
    char *rest;
    mx_addr object = strtoull(arguments, &rest, 0);
    unsigned long nth = strtoul(rest, &rest, 0);
    rest += strspn(rest, " ");
    struct mx_error *error = mx_path_open(session->graph, object, (unsigned)nth, *rest ? rest : NULL, NULL, &path);
    if (error)
        return error;
    size_t nodes, references;
    const struct mx_node *node = mx_path_nodes(path, &nodes);
    const struct mx_reference *reference = mx_path_references(path, &references);
    print_parts(node, nodes, reference, references);
    if (mx_path_expression(path))
        printf("expression\t%s\n", mx_path_expression(path));
    mx_path_close(path);
    return NULL;
}

static struct mx_error *answer_objects(struct session *session, const char *type)
{
    struct mx_object_query query = {.type = type};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(session->target, session->heap, &query, NULL, &objects);
    if (error)
        return error;
    size_t count;
    uint64_t total, bytes;
    const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
    for (size_t i = 0; i < count; i++)
        printf("address\t0x%" PRIx64 "\n", refs[i].address);
    mx_objects_close(objects);
    return NULL;
}

static struct mx_error *answer_resolve(struct session *session, const char *expression)
{
    mx_addr address;
    struct mx_error *error = mx_target_resolve(session->target, expression, &address);
    if (!error)
        printf("address\t0x%" PRIx64 "\n", address);
    return error;
}

static void print_sums(const struct session *session)
{
    struct mx_retained_info info;
    struct mx_heap_info heap;
    mx_retained_info(session->retained, &info);
    mx_heap_info(session->heap, &heap);
    printf("total\t%" PRIu64 "\nstatic\t%" PRIu64 "\nunreachable\t%" PRIu64 "\nblocks\t%" PRIu64
           "\nunreachable_blocks\t%" PRIu64 "\ninexact\t%" PRIu64 "\nmemory\t%" PRIu64 "\nheap\t%" PRIu64 "\n",
           info.total, info.static_bytes, info.unreachable, info.blocks, info.unreachable_blocks, info.inexact,
           info.memory, heap.pool_used_bytes + heap.chunk_bytes);
}

static struct mx_error *answer_retained(struct session *session, const char *arguments)
{
    struct mx_retained_size size;
    if (!*arguments) {
        print_sums(session);
        return NULL;
    }
    struct mx_error *error = mx_retained_of(session->retained, strtoull(arguments, NULL, 0), &size);
    if (!error)
        printf("block\t%" PRIu64 "\nowned\t%" PRIu64 "\nretained\t%" PRIu64 "\n", size.block, size.owned,
               size.retained);
    return error;
}

static struct mx_error *answer_retainers(struct session *session, const char *arguments)
{
    struct mx_retained_query query = {.limit = 20};
    struct mx_retained_table *table;
    char by[16] = "";
    sscanf(arguments, "%15s %zu", by, &query.limit);
    query.by = !strcmp(by, "type")     ? MX_RETAINED_BY_TYPE
               : !strcmp(by, "module") ? MX_RETAINED_BY_MODULE
               : !strcmp(by, "root")   ? MX_RETAINED_BY_ROOT
                                       : MX_RETAINED_BY_OBJECT;
    struct mx_error *error = mx_retained_table_open(session->retained, &query, NULL, &table);
    if (error)
        return error;
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count; i++)
        printf("row\t%" PRIu64 "\t%.4f\t%" PRIu64 "\t%" PRIu64 "\t0x%" PRIx64 "\t%s\n", rows[i].retained, rows[i].share,
               rows[i].size, rows[i].count, rows[i].address, rows[i].name);
    mx_retained_table_close(table);
    return NULL;
}

static struct mx_error *print_suspects(struct session *session, struct mx_retained *since)
{
    struct mx_suspects_query query = {.since_retained = since};
    struct mx_suspects *suspects;
    size_t count;
    uint64_t total;
    struct mx_error *error = mx_suspects_open(session->retained, &query, NULL, &suspects);
    if (error)
        return error;
    const struct mx_suspect *rows = mx_suspects_rows(suspects, &count, &total);
    for (size_t i = 0; i < count; i++)
        printf("row\t%s\t%" PRIu64 "\t%" PRIu64 "\t%.4f\t0x%" PRIx64 "\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%s\n",
               mx_cause_name(rows[i].cause), rows[i].retained, rows[i].alone, rows[i].share, rows[i].address,
               rows[i].type, rows[i].path, rows[i].why, rows[i].holds_type, rows[i].holds_count, rows[i].next);
    printf("total\t%" PRIu64 "\n", total);
    mx_suspects_close(suspects);
    return NULL;
}

static struct mx_error *answer_suspects(struct session *session, const char *core)
{
    struct session before = {0};
    struct mx_error *error = *core ? open_session(&before, "core", core) : NULL;
    if (!error && *core)
        error = mx_retained_open(before.graph, NULL, &before.retained);
    if (!error)
        error = print_suspects(session, before.retained);
    close_session(&before);
    return error;
}

static struct mx_error *answer_about_retained(struct session *session, const char *verb, const char *arguments)
{
    struct mx_error *error = session->retained ? NULL : mx_retained_open(session->graph, NULL, &session->retained);
    if (error)
        return error;
    if (!strcmp(verb, "suspects"))
        return answer_suspects(session, arguments);
    return !strcmp(verb, "retained") ? answer_retained(session, arguments) : answer_retainers(session, arguments);
}

static struct mx_error *answer_audit(struct session *session, const char *arguments)
{
    struct mx_audit_query query = {.deficits = !strcmp(arguments, "deficits")};
    struct mx_audit *audit;
    struct mx_audit_info info;
    size_t count;
    struct mx_error *error = mx_audit_open(session->graph, &query, NULL, &audit);
    if (error)
        return error;
    mx_audit_info(audit, &info);
    printf("objects\t%" PRIu64 "\nexact\t%" PRIu64 "\nexplained\t%" PRIu64 "\nsurplus\t%" PRIu64 "\ndeficit\t%" PRIu64
           "\nuncounted\t%" PRIu64 "\n",
           info.objects, info.exact, info.explained, info.surplus, info.deficit, info.uncounted);
    const struct mx_audit_row *rows = mx_audit_rows(audit, &count);
    for (size_t i = 0; i < count; i++)
        printf("row\t0x%" PRIx64 "\t%" PRIi64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n", rows[i].address, rows[i].refcount,
               rows[i].found, rows[i].explained, rows[i].type);
    mx_audit_close(audit);
    return NULL;
}

static struct mx_error *answer_leaks(struct session *session)
{
    struct mx_leaks *leaks;
    struct mx_leaks_info info;
    size_t count;
    struct mx_error *error = mx_leaks_open(session->graph, &(struct mx_leaks_query){0}, NULL, &leaks);
    if (error)
        return error;
    mx_leaks_info(leaks, &info);
    printf("blocks\t%" PRIu64 "\ndefinite\t%" PRIu64 "\nindirect\t%" PRIu64 "\npossible\t%" PRIu64 "\n", info.blocks,
           info.definite_blocks, info.indirect_blocks, info.possible_blocks);
    const struct mx_leak_row *rows = mx_leaks_rows(leaks, &count);
    for (size_t i = 0; i < count; i++)
        printf("row\t%d\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t0x%" PRIx64 "\t%s\t%s\n",
               rows[i].class, rows[i].size, rows[i].count, rows[i].bytes, rows[i].held_count, rows[i].held_bytes,
               rows[i].example, rows[i].place, rows[i].content);
    mx_leaks_close(leaks);
    return NULL;
}

static struct mx_error *answer(struct session *session, const char *verb, const char *arguments)
{
    if (!strcmp(verb, "info"))
        print_info(session);
    if (!strcmp(verb, "referrers"))
        return answer_tree(session, MX_REFERRERS, arguments);
    if (!strcmp(verb, "referents"))
        return answer_tree(session, MX_REFERENTS, arguments);
    if (!strcmp(verb, "path"))
        return answer_path(session, arguments);
    if (!strcmp(verb, "resolve"))
        return answer_resolve(session, arguments);
    if (!strcmp(verb, "leaks"))
        return answer_leaks(session);
    if (!strcmp(verb, "audit"))
        return answer_audit(session, arguments);
    if (!strncmp(verb, "retain", 6) || !strcmp(verb, "suspects"))
        return answer_about_retained(session, verb, arguments);
    return !strcmp(verb, "objects") ? answer_objects(session, arguments) : NULL;
}

static void serve(struct session *session)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *space = strchr(line, ' ');
        if (space)
            *space = '\0';
        uint64_t start = now_us();
        struct mx_error *error = answer(session, line, space ? space + 1 : "");
        if (error)
            printf("error\t%d\t%s\n", error->code, error->message);
        mx_error_free(error);
        printf("us\t%" PRIu64 "\n\n", now_us() - start);
        fflush(stdout);
    }
    free(line);
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "core") != 0 && strcmp(argv[1], "saved") != 0 && strcmp(argv[1], "live") != 0)) {
        fprintf(stderr, "usage: graph core|saved PATH | graph live PID\n");
        return 2;
    }
    struct session session = {0};
    struct mx_error *error = open_session(&session, argv[1], argv[2]);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    else
        serve(&session);
    close_session(&session);
    int status = error ? 1 : 0;
    mx_error_free(error);
    return status;
}
