/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares reference counts with references, where that decides something.
 */
#include "heap/counted.h"

#include "base/pages.h"
#include "cpython/header.h"

struct search {
    const struct mx_graph *graph;
    uint64_t *accounted, *judged; /* bits, by block */
};

static size_t bits_bytes(uint32_t blocks)
{
    return ((size_t)blocks / 64 + 1) * sizeof(uint64_t);
}

static int64_t count_exact(const struct mx_rows *reverse, uint32_t block)
{
    int64_t count = 0;
    for (uint32_t i = reverse->first[block]; i < reverse->first[block + 1]; i++)
        count += reverse->classes[i] == MX_EDGE_TRAVERSED || reverse->classes[i] == MX_EDGE_OWNED;
    return count;
}

static bool is_accounted(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_type *type;
    struct mx_header header;
    mx_addr object = mx_graph_object(graph, block, &type);
    return object && mx_header_read(&graph->target->types, type, object, &header) && !header.immortal &&
           count_exact(&graph->reverse, block) >= header.refcount;
}

/* Many words may lead to one object that much refers to. */
static void judge(struct search *search, uint32_t block)
{
    uint64_t bit = UINT64_C(1) << block % 64;
    if (search->judged[block / 64] & bit)
        return;
    search->judged[block / 64] |= bit;
    if (is_accounted(search->graph, block))
        search->accounted[block / 64] |= bit;
}

static void search_edges(struct search *search)
{
    const struct mx_rows *rows = &search->graph->forward;
    for (size_t i = 0; i < rows->edges && search->graph->inexact; i++)
        if (rows->classes[i] & MX_EDGE_INEXACT)
            judge(search, rows->targets[i]);
}

static void search_roots(struct search *search)
{
    for (size_t i = 0; i < search->graph->roots.count; i++)
        if (!search->graph->roots.items[i].root.exact)
            judge(search, search->graph->roots.items[i].block);
}

struct mx_error *mx_accounted_find(const struct mx_graph *graph, struct mx_accounted *ret)
{
    uint32_t blocks = (uint32_t)graph->forward.blocks;
    struct search search = {graph, mx_pages_reserve(bits_bytes(blocks)), mx_pages_reserve(bits_bytes(blocks))};
    *ret = (struct mx_accounted){search.accounted, blocks};
    if (search.accounted && search.judged) {
        search_edges(&search);
        search_roots(&search);
    }
    mx_pages_release(search.judged, bits_bytes(blocks));
    if (search.accounted && search.judged)
        return NULL;
    mx_accounted_deinit(ret);
    return mx_error_no_memory();
}

void mx_accounted_deinit(struct mx_accounted *accounted)
{
    mx_pages_release(accounted->bits, bits_bytes(accounted->blocks));
    *accounted = (struct mx_accounted){0};
}
