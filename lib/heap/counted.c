/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares reference counts with references, where that decides something.
 */
#include "heap/counted.h"

#include "base/pages.h"
#include "cpython/header.h"

enum {
    UNCOUNTED = 2, /* references of the dict of interned strings to each */
    PROBED = 512,  /* of its entries */
    FEWEST = 8,
};

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

/* The reference count of what can die, or 0. */
static int64_t read_count(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_type *type;
    struct mx_header header;
    mx_addr object = mx_graph_object(graph, block, &type);
    bool ok = object && mx_header_read(&graph->target->types, type, object, &header) && !header.immortal;
    return ok ? header.refcount : 0;
}

/* A raw block has one owner: the object whose field it is known to be in. */
static bool has_owner(const struct mx_rows *reverse, uint32_t block)
{
    for (uint32_t i = reverse->first[block]; i < reverse->first[block + 1]; i++)
        if (reverse->classes[i] == MX_EDGE_BUFFER)
            return true;
    return false;
}

static bool is_accounted(const struct mx_graph *graph, uint32_t block)
{
    if (graph->heap->kinds[block] == MX_BLOCK_RAW)
        return has_owner(&graph->reverse, block);
    int64_t count = read_count(graph, block);
    return count && count_exact(&graph->reverse, block) >= count;
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

/* Keys and values come in turn. Many strings have references of C code's as well: for these the sum is no sign. */
static bool holds_interned(const struct mx_graph *graph, uint32_t dict)
{
    const struct mx_rows *rows = &graph->forward;
    uint32_t until = rows->first[dict + 1], probed = 0, uncounted = 0;
    uint32_t step = 2 * ((until - rows->first[dict]) / (2 * PROBED) + 1);
    for (uint32_t i = rows->first[dict]; i + 1 < until && rows->classes[i] != MX_EDGE_BUFFER; i += step) {
        if (rows->targets[i] != rows->targets[i + 1])
            return false;
        int64_t count = read_count(graph, rows->targets[i]);
        probed += count != 0;
        uncounted += count && count_exact(&graph->reverse, rows->targets[i]) == count + UNCOUNTED;
    }
    return uncounted >= FEWEST && uncounted > probed / FEWEST;
}

/* Rows of referrers rise. */
static void disown_reverse(struct mx_rows *reverse, uint32_t block, uint32_t holder)
{
    uint32_t low = reverse->first[block], high = reverse->first[block + 1], until = high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reverse->targets[middle] < holder)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < until && reverse->targets[low] == holder; low++)
        reverse->classes[low] = MX_EDGE_BORROWED;
}

static void disown(struct mx_graph *graph, uint32_t dict)
{
    struct mx_rows *rows = &graph->forward;
    for (uint32_t i = rows->first[dict]; i < rows->first[dict + 1]; i++) {
        bool is_item = rows->classes[i] == MX_EDGE_TRAVERSED || rows->classes[i] == MX_EDGE_OWNED;
        if (!is_item || !read_count(graph, rows->targets[i]))
            continue;
        rows->classes[i] = MX_EDGE_BORROWED;
        disown_reverse(&graph->reverse, rows->targets[i], dict);
    }
}

void mx_disown_interned(struct mx_graph *graph)
{
    size_t most = graph->target->runtime.interpreters.count, found = 0;
    for (size_t i = 0; i < graph->roots.count && found < most; i++) {
        const struct mx_graph_root *root = &graph->roots.items[i];
        bool is_outside = root->root.kind == MX_ROOT_C_GLOBAL || root->root.kind == MX_ROOT_INTERPRETER;
        if (is_outside && holds_interned(graph, root->block)) {
            disown(graph, root->block);
            found++;
        }
    }
}

void mx_accounted_deinit(struct mx_accounted *accounted)
{
    mx_pages_release(accounted->bits, bits_bytes(accounted->blocks));
    *accounted = (struct mx_accounted){0};
}
