/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks retained sizes of a real heap, and takes them apart.
 *
 *     dominators core PATH | dominators live PID        (a process that the caller has stopped)
 *
 * First the dominators are found once more, by Cooper, Harvey and Kennedy's iteration, and sums by walking up from
 * each block; prints:
 *
 *     twin BLOCKS DIFFERENCES       reachable blocks, and how many dominators of theirs differ
 *     sums BLOCKS DIFFERENCES       used blocks, and how many retain another sum than what is below them weighs
 *     roots TOTAL SUM               bytes in all, and the sum of the rows by root
 *
 * Then for each address on standard input what it retains, by allocator:
 *
 *     retained ADDR POOL_BYTES CHUNK_BYTES CHUNKS MAPPED      bytes without malloc's headers; chunks of their own
 * mapping
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/target.h"
#include "report/reference.h"
#include "report/retained.h"

enum { MAPPED_FROM = 128 * 1024 };

struct session {
    struct mx_target *target;
    struct mx_heap *heap;
    struct mx_graph *graph;
    struct mx_retained *retained;
    uint32_t *first, *next; /* of the dominator tree: MX_NO_BLOCK = none */
};

/* Reverse postorder; the root is 0. */
struct iteration {
    const struct mx_graph *graph;
    const uint64_t *accounted;
    uint32_t *order, *place, *idom, *stack, *cursor, count;
    uint8_t *is_root;
};

static bool is_kept(const struct iteration *it, uint8_t class, uint32_t target)
{
    bool is_stale = class & MX_EDGE_INEXACT && mx_is_accounted(it->accounted, target);
    return (class & MX_EDGE_CLASS) != MX_EDGE_BORROWED && !is_stale;
}

static void search_from(struct iteration *it, uint32_t root)
{
    const struct mx_rows *rows = &it->graph->forward;
    uint32_t depth = 0;
    if (it->place[root] != MX_NO_BLOCK)
        return;
    it->place[root] = 0;
    it->stack[depth++] = root;
    while (depth) {
        uint32_t at = it->stack[depth - 1], edge = rows->first[at] + it->cursor[at]++;
        if (edge >= rows->first[at + 1]) {
            it->order[it->count++] = at;
            depth--;
        } else if (is_kept(it, rows->classes[edge], rows->targets[edge]) &&
                   it->place[rows->targets[edge]] == MX_NO_BLOCK) {
            it->place[rows->targets[edge]] = 0;
            it->stack[depth++] = rows->targets[edge];
        }
    }
}

static void put_in_order(struct iteration *it)
{
    for (uint32_t i = 0; i < it->count / 2; i++) {
        uint32_t block = it->order[i];
        it->order[i] = it->order[it->count - 1 - i];
        it->order[it->count - 1 - i] = block;
    }
    memmove(it->order + 1, it->order, it->count * sizeof(*it->order));
    it->order[0] = (uint32_t)it->graph->forward.blocks;
    for (uint32_t i = 1; i <= it->count; i++)
        it->place[it->order[i]] = i;
}

static uint32_t intersect(const struct iteration *it, uint32_t a, uint32_t b)
{
    while (a != b) {
        while (a > b)
            a = it->idom[a];
        while (b > a)
            b = it->idom[b];
    }
    return a;
}

static bool improve(struct iteration *it, uint32_t place)
{
    const struct mx_rows *rows = &it->graph->reverse;
    uint32_t block = it->order[place], idom = it->is_root[block] ? 0 : MX_NO_BLOCK;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1] && idom != 0; i++) {
        uint32_t from = it->place[rows->targets[i]];
        if (!is_kept(it, rows->classes[i], block) || from == MX_NO_BLOCK || it->idom[from] == MX_NO_BLOCK)
            continue;
        idom = idom == MX_NO_BLOCK ? from : intersect(it, idom, from);
    }
    bool changed = it->idom[place] != idom;
    it->idom[place] = idom;
    return changed;
}

/* As lib/report/retained.c chooses them: all roots that count, and what is static. */
static void mark_roots(struct iteration *it)
{
    const struct mx_graph *graph = it->graph;
    for (size_t i = 0; i < graph->roots.count; i++)
        if (mx_retained_counts_root(&graph->roots.items[i], it->accounted))
            it->is_root[graph->roots.items[i].block] = 1;
    for (size_t i = 0; i < graph->heap->spans.spans.count; i++) {
        const struct mx_span *span = &graph->heap->spans.spans.items[i];
        for (uint32_t j = 0; j < span->count && span->kind == MX_SPAN_STATIC; j++)
            it->is_root[span->first + j] = graph->heap->kinds[span->first + j] != MX_BLOCK_FREE;
    }
}

static void iterate(struct iteration *it)
{
    for (uint32_t block = 0; block < it->graph->forward.blocks; block++)
        if (it->is_root[block])
            search_from(it, block);
    put_in_order(it);
    it->idom[0] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t place = 1; place <= it->count; place++)
            changed |= improve(it, place);
    }
}

static bool compare_with_twin(const struct session *session)
{
    const struct mx_dominators *dominators = &session->retained->dominators;
    size_t room = (size_t)dominators->blocks + 2, wrong = 0;
    uint32_t *memory = calloc(room * 5, sizeof(uint32_t));
    uint8_t *is_root = calloc(room, 1);
    if (memory && is_root) {
        struct iteration it = {session->graph,
                               session->retained->accounted.bits,
                               memory,
                               memory + room,
                               memory + 2 * room,
                               memory + 3 * room,
                               memory + 4 * room,
                               0,
                               is_root};
        memset(it.place, 0xff, 2 * room * sizeof(uint32_t));
        mark_roots(&it);
        iterate(&it);
        for (uint32_t place = 1; place <= it.count; place++)
            wrong += dominators->idoms[it.order[place]] != it.order[it.idom[place]];
        wrong += it.count != dominators->reachable;
        printf("twin\t%" PRIu32 "\t%zu\n", it.count, wrong);
    }
    bool ok = memory && is_root;
    free(memory);
    free(is_root);
    return ok;
}

static bool find_children(struct session *session)
{
    const struct mx_dominators *dominators = &session->retained->dominators;
    size_t count = (size_t)dominators->blocks + 2;
    session->first = malloc(count * sizeof(uint32_t));
    session->next = malloc(count * sizeof(uint32_t));
    if (!session->first || !session->next)
        return false;
    memset(session->first, 0xff, count * sizeof(uint32_t));
    for (uint32_t block = 0; block < count; block++) {
        uint32_t idom = dominators->idoms[block];
        if (idom == MX_NO_BLOCK)
            continue;
        session->next[block] = session->first[idom];
        session->first[idom] = block;
    }
    return true;
}

static uint64_t weight(const struct session *session, uint32_t block)
{
    return mx_block_weight(session->target, session->heap, mx_spans_of(&session->heap->spans, block), block);
}

/* Static objects weigh what their type says: their own share of what they retain is not checked. */
static bool is_static(const struct session *session, uint32_t block)
{
    return mx_spans_of(&session->heap->spans, block)->kind == MX_SPAN_STATIC;
}

static void compare_sums(const struct session *session)
{
    const struct mx_dominators *dominators = &session->retained->dominators;
    uint64_t wrong = 0, used = 0;
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        uint64_t sum = 0;
        if (session->heap->kinds[block] == MX_BLOCK_FREE || is_static(session, block))
            continue;
        for (uint32_t child = session->first[block]; child != MX_NO_BLOCK; child = session->next[child])
            sum += dominators->retained[child];
        used++;
        wrong += dominators->retained[block] != sum + weight(session, block);
    }
    printf("sums\t%" PRIu64 "\t%" PRIu64 "\n", used, wrong);
}

static struct mx_error *compare_roots(const struct session *session)
{
    const struct mx_retained_query query = {.by = MX_RETAINED_BY_ROOT};
    const struct mx_dominators *dominators = &session->retained->dominators;
    struct mx_retained_table *table;
    MX_TRY(mx_retained_table_open(session->retained, &query, NULL, &table));
    size_t count;
    uint64_t total, sum = 0;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count; i++)
        sum += rows[i].retained;
    printf("roots\t%" PRIu64 "\t%" PRIu64 "\n", dominators->retained[mx_dominators_root(dominators)], sum);
    mx_retained_table_close(table);
    return NULL;
}

struct parts {
    uint64_t pool_bytes, chunk_bytes, chunks, mapped;
};

static void add_block(const struct session *session, uint32_t block, struct parts *parts)
{
    const struct mx_span *span = mx_spans_of(&session->heap->spans, block);
    uint64_t bytes = weight(session, block);
    if (span->kind == MX_SPAN_POOL)
        parts->pool_bytes += bytes;
    if (span->kind != MX_SPAN_CHUNKS)
        return;
    parts->chunk_bytes += bytes;
    parts->chunks++;
    parts->mapped += bytes >= MAPPED_FROM && span->count == 1;
}

static struct parts add_below(const struct session *session, uint32_t top)
{
    const uint32_t *idoms = session->retained->dominators.idoms;
    struct parts parts = {0};
    uint32_t at = top;
    for (;;) {
        add_block(session, at, &parts);
        if (session->first[at] != MX_NO_BLOCK) {
            at = session->first[at];
            continue;
        }
        while (at != top && session->next[at] == MX_NO_BLOCK)
            at = idoms[at];
        if (at == top)
            return parts;
        at = session->next[at];
    }
}

static void list_below(const struct session *session, uint32_t block)
{
    for (uint32_t child = session->first[block]; child != MX_NO_BLOCK; child = session->next[child]) {
        struct mx_node node = mx_node_describe(session->graph, child);
        printf("below\t0x%" PRIx64 "\t%" PRIu64 "\t%s\n", node.address, session->retained->dominators.retained[child],
               node.type);
    }
}

static void answer(const struct session *session, mx_addr address, bool list)
{
    uint32_t block;
    struct mx_error *error = mx_place_find(session->graph, address, true, &block);
    if (error) {
        printf("error\t%s\n", error->message);
        mx_error_free(error);
        return;
    }
    struct parts parts = add_below(session, block);
    printf("retained\t0x%" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", address, parts.pool_bytes,
           parts.chunk_bytes, parts.chunks, parts.mapped);
    if (list)
        list_below(session, block);
}

static struct mx_error *open_session(struct session *session, const char *how, const char *what)
{
    MX_TRY(!strcmp(how, "core") ? mx_target_open_core(what, NULL, &session->target)
                                : mx_target_open_process((int)strtol(what, NULL, 10), NULL, &session->target));
    MX_TRY(mx_heap_open(session->target, NULL, &session->heap));
    MX_TRY(mx_graph_open(session->target, session->heap, NULL, &session->graph));
    MX_TRY(mx_graph_referrers(session->graph, NULL));
    MX_TRY(mx_retained_open(session->graph, NULL, &session->retained));
    if (!find_children(session) || !compare_with_twin(session))
        return mx_error_no_memory();
    compare_sums(session);
    return compare_roots(session);
}

static void serve(const struct session *session)
{
    char line[64];
    while (fgets(line, sizeof(line), stdin)) {
        char *rest;
        mx_addr address = strtoull(line, &rest, 0);
        answer(session, address, *rest == ' ');
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "core") != 0 && strcmp(argv[1], "live") != 0)) {
        fprintf(stderr, "usage: dominators core PATH | dominators live PID\n");
        return 2;
    }
    struct session session = {0};
    struct mx_error *error = open_session(&session, argv[1], argv[2]);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    else
        serve(&session);
    free(session.first);
    free(session.next);
    mx_retained_close(session.retained);
    mx_graph_close(session.graph);
    mx_heap_close(session.heap);
    mx_target_close(session.target);
    int status = error ? 1 : 0;
    mx_error_free(error);
    return status;
}
