/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares reference counts with references, where that decides something.
 */
#include "heap/counted.h"

#include "base/pages.h"
#include "cpython/header.h"

enum {
    UNCOUNTED = 2, /* references of the dict of interned strings to each */
    PROBED = 512,  /* of its entries, at a time, until so many can die */
    ENOUGH = 64,
    FEWEST = 8,
    PART = 1 << 22,     /* edges of one task */
    FILTER_BITS = 18,   /* at the least: a filter that stays in the nearest cache ... */
    BITS_EACH_LOG2 = 6, /* ... and lets few through that are not looked for */
};

/*
 * Counts the references to a few blocks among all: one look at every edge, which a filter makes short. That is cheaper
 * than rows of referrers, which nothing else may need.
 */
struct counting {
    const struct mx_graph *graph;
    struct mx_map places; /* block + 1 -> index in counts */
    uint64_t *filter;     /* bits, by the lower bits of a block */
    uint32_t mask;
    _Atomic uint32_t *counts;
};

static bool look_for(struct counting *counting, uint32_t block)
{
    return mx_map_get(&counting->places, (uint64_t)block + 1) != MX_MAP_NONE ||
           mx_map_set(&counting->places, (uint64_t)block + 1, (uint32_t)counting->places.count);
}

static void deinit_counting(struct counting *counting)
{
    mx_map_deinit(&counting->places);
    free(counting->filter);
    free(counting->counts);
}

/* Of an object the exact references that are counted; of a raw block those of its owner. */
static bool is_exact(const struct mx_graph *graph, uint8_t class, uint32_t target)
{
    if (graph->heap->kinds[target] == MX_BLOCK_RAW)
        return class == MX_EDGE_BUFFER;
    return class == MX_EDGE_TRAVERSED || class == MX_EDGE_OWNED;
}

static void count_part(void *context, size_t part)
{
    struct counting *counting = context;
    const struct mx_rows *rows = &counting->graph->forward;
    size_t from = part * PART, until = rows->edges - from < PART ? rows->edges : from + PART;
    for (size_t i = from; i < until; i++) {
        uint32_t target = rows->targets[i], bit = target & counting->mask;
        if (!(counting->filter[bit / 64] >> bit % 64 & 1))
            continue;
        uint32_t place = mx_map_get(&counting->places, (uint64_t)target + 1);
        if (place != MX_MAP_NONE && is_exact(counting->graph, rows->classes[i], target))
            atomic_fetch_add_explicit(&counting->counts[place], 1, memory_order_relaxed);
    }
}

static bool count_all(struct counting *counting)
{
    size_t edges = counting->graph->forward.edges, count = counting->places.count, bits = (size_t)1 << FILTER_BITS;
    while (bits < (count << BITS_EACH_LOG2) && bits < UINT32_MAX)
        bits *= 2;
    counting->mask = (uint32_t)(bits - 1);
    counting->filter = mx_calloc(bits / 64, sizeof(uint64_t));
    counting->counts = mx_calloc(count + 1, sizeof(*counting->counts));
    if (!counting->filter || !counting->counts)
        return false;
    for (size_t slot = 0; count && slot < (size_t)1 << counting->places.bits; slot++) {
        uint32_t bit = (uint32_t)(counting->places.keys[slot] - 1) & counting->mask;
        counting->filter[bit / 64] |= (uint64_t)(counting->places.keys[slot] != 0) << bit % 64;
    }
    if (count)
        mx_work_parallel(mx_work_threads(), (edges + PART - 1) / PART, count_part, counting);
    return true;
}

/* Of a block that was looked for. */
static int64_t counted(const struct counting *counting, uint32_t block)
{
    return counting->counts[mx_map_get(&counting->places, (uint64_t)block + 1)];
}

/* The reference count of what can die, or 0. */
static int64_t read_count(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_type *type;
    struct mx_header header;
    mx_addr object = mx_graph_object(graph, block, &type);
    bool ok = object && mx_header_read(&graph->target->types, type, object, &header) && !header.immortal;
    return ok && !header.deferred ? header.refcount : 0;
}

/* Only these can be accounted: what a word or an inexact edge leads to. */
static bool look_for_inexact(struct counting *counting)
{
    const struct mx_graph *graph = counting->graph;
    const struct mx_rows *rows = &graph->forward;
    bool ok = true;
    for (size_t i = 0; ok && i < rows->edges && graph->inexact; i++)
        ok = !(rows->classes[i] & MX_EDGE_INEXACT) || look_for(counting, rows->targets[i]);
    for (size_t i = 0; ok && i < graph->roots.count; i++)
        ok = graph->roots.items[i].root.exact || look_for(counting, graph->roots.items[i].block);
    return ok;
}

/* A raw block has one owner: the object whose field it is known to be in. */
static bool is_accounted(const struct counting *counting, uint32_t block)
{
    if (counting->graph->heap->kinds[block] == MX_BLOCK_RAW)
        return counted(counting, block);
    int64_t count = read_count(counting->graph, block);
    return count && counted(counting, block) >= count;
}

static void judge_all(const struct counting *counting, uint64_t *bits)
{
    for (size_t slot = 0; counting->places.count && slot < (size_t)1 << counting->places.bits; slot++) {
        uint32_t block = (uint32_t)(counting->places.keys[slot] - 1);
        if (counting->places.keys[slot] && is_accounted(counting, block))
            bits[block / 64] |= UINT64_C(1) << block % 64;
    }
}

static size_t bits_bytes(uint32_t blocks)
{
    return ((size_t)blocks / 64 + 1) * sizeof(uint64_t);
}

struct mx_error *mx_accounted_find(const struct mx_graph *graph, struct mx_accounted *ret)
{
    struct counting counting = {.graph = graph};
    struct mx_accounted accounted = {.blocks = (uint32_t)graph->forward.blocks};
    accounted.bits = mx_pages_reserve(bits_bytes(accounted.blocks));
    bool ok = accounted.bits && look_for_inexact(&counting) && count_all(&counting);
    if (ok)
        judge_all(&counting, accounted.bits);
    else
        mx_accounted_deinit(&accounted);
    deinit_counting(&counting);
    *ret = accounted;
    return ok ? NULL : mx_error_no_memory();
}

/*
 * Keys and values come in turn: whether they are the same, in the entries that are probed. Since 3.12 most strings
 * cannot die and tell nothing, so that more are probed until enough can.
 */
static bool look_for_keys(struct counting *counting, uint32_t dict)
{
    const struct mx_rows *rows = &counting->graph->forward;
    uint32_t first = rows->first[dict], until = rows->first[dict + 1];
    uint32_t step = 2 * ((until - first) / (2 * PROBED) + 1);
    for (uint32_t from = first; from < first + step && counting->places.count < ENOUGH; from += 2)
        for (uint32_t i = from; i + 1 < until && rows->classes[i] != MX_EDGE_BUFFER; i += step) {
            if (rows->targets[i] != rows->targets[i + 1])
                return false;
            if (read_count(counting->graph, rows->targets[i]) && !look_for(counting, rows->targets[i]))
                return false;
        }
    return counting->places.count >= FEWEST;
}

/* Many strings have references of C code's as well: for these the sum is no sign. */
static bool holds_interned(const struct mx_graph *graph, uint32_t dict)
{
    struct counting counting = {.graph = graph};
    bool ok = look_for_keys(&counting, dict) && count_all(&counting);
    size_t uncounted = 0, probed = counting.places.count;
    for (size_t slot = 0; ok && slot < (size_t)1 << counting.places.bits; slot++) {
        uint32_t key = (uint32_t)(counting.places.keys[slot] - 1);
        uncounted += counting.places.keys[slot] && counted(&counting, key) == read_count(graph, key) + UNCOUNTED;
    }
    deinit_counting(&counting);
    return uncounted >= FEWEST && uncounted > probed / FEWEST;
}

static void disown(struct mx_graph *graph, uint32_t dict)
{
    struct mx_rows *rows = &graph->forward;
    for (uint32_t i = rows->first[dict]; i < rows->first[dict + 1]; i++) {
        bool is_item = rows->classes[i] == MX_EDGE_TRAVERSED || rows->classes[i] == MX_EDGE_OWNED;
        if (is_item && read_count(graph, rows->targets[i]))
            rows->classes[i] = MX_EDGE_BORROWED;
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
