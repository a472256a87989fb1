/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph's handle: from objects' edges to rows over block ids, and the roots
 * by block.
 */
#include "heap/graph.h"

#include "cpython/size.h"
#include "heap/counted.h"
#include "heap/reach.h"
#include "heap/rows.h"

enum {
    MOST_RAW_OFFSET = 48, /* an object of a type that is not known may stand behind a preheader in a raw block */
};

static mx_addr object_in(const struct mx_graph *graph, const struct mx_span *span, uint32_t block,
                         const struct mx_type **type)
{
    uint32_t index = mx_heap_type_of(graph->heap, block);
    if (index >= graph->target->types.types.count)
        return 0;
    *type = &graph->target->types.types.items[index];
    return mx_heap_object(graph->heap, span, block, index);
}

mx_addr mx_graph_object(const struct mx_graph *graph, uint32_t block, const struct mx_type **type)
{
    *type = NULL;
    return object_in(graph, mx_spans_of(&graph->heap->spans, block), block, type);
}

/* Buffers may be pointed at anywhere (a values array behind its prefix); one inside an object is no block of its own.
 */
static bool leads_to_raw(const struct mx_edge *edge, uint64_t offset)
{
    return edge->class == MX_EDGE_BUFFER || !edge->exact || offset <= MOST_RAW_OFFSET;
}

uint32_t mx_graph_target(const struct mx_graph *graph, const struct mx_edge *edge)
{
    const struct mx_heap *heap = graph->heap;
    const struct mx_span *span;
    const struct mx_type *type;
    uint32_t block = mx_spans_locate(&heap->spans, edge->target, &span);
    if (block == MX_NO_BLOCK || heap->kinds[block] == MX_BLOCK_FREE)
        return MX_NO_BLOCK;
    if (heap->kinds[block] != MX_BLOCK_RAW)
        return edge->class != MX_EDGE_BUFFER && object_in(graph, span, block, &type) == edge->target ? block
                                                                                                     : MX_NO_BLOCK;
    mx_addr start = mx_block_address(&heap->spans, span, block);
    return edge->target >= start && leads_to_raw(edge, edge->target - start) ? block : MX_NO_BLOCK;
}

/* Static objects stand between other data: the next one's start does not tell where they end. */
static uint64_t static_size(const struct mx_graph *graph, const struct mx_type *type, mx_addr object)
{
    enum { ENOUGH = 64 };
    const uint8_t *bytes = mx_memory_view(graph->target->memory, object, ENOUGH);
    uint64_t size = bytes ? mx_object_size(&graph->target->types, type, object, bytes, ENOUGH, NULL) : 0;
    return size < 16 ? 16 : size;
}

static mx_addr find_block(void *context, mx_addr address, uint64_t *size, bool *is_raw)
{
    const struct mx_graph *graph = context;
    const struct mx_heap *heap = graph->heap;
    const struct mx_span *span;
    const struct mx_type *type = NULL;
    uint32_t block = mx_spans_locate(&heap->spans, address, &span);
    if (block == MX_NO_BLOCK || heap->kinds[block] == MX_BLOCK_FREE)
        return 0;
    mx_addr block_start = mx_block_address(&heap->spans, span, block), start = block_start;
    *is_raw = heap->kinds[block] == MX_BLOCK_RAW;
    if (!*is_raw)
        start = object_in(graph, span, block, &type);
    else if (span->kind == MX_SPAN_POOL)
        start += heap->padding;
    if (!start || address < start)
        return 0;
    *size = block_start + mx_block_size(&heap->spans, span, block) - start;
    if (type && span->kind == MX_SPAN_STATIC) {
        uint64_t own = static_size(graph, type, start);
        *size = own < *size ? own : *size;
    }
    return address - start < *size ? start : 0;
}

/*
 * Decoders' addresses are gathered and turned into blocks some thousands at a time: the look-ups miss the cache, and
 * do not wait for each other when nothing stands between them. So do the looks at the objects themselves: those to be
 * decoded next are asked for together.
 */
enum { FOUND_TOGETHER = 8192, FOUND_AT_MOST = 1 << 20, SEEN_TOGETHER = 48, KNOWN_FAR = 1024 };

/* What is in no pool (static objects: None, types, small numbers) is referred to again and again. */
struct far_target {
    mx_addr target;
    uint32_t block;
    uint8_t class;
    bool exact;
};

struct emission {
    const struct mx_graph *graph;
    struct mx_edge_buffer *buffer;
    uint32_t from;    /* the first block */
    uint32_t *ends;   /* of blocks that wait: edges found; of those before: edges in the buffer */
    uint32_t ended;   /* the first block without an end */
    uint32_t pending; /* the first block that waits */
    size_t seen_count;
    uint32_t seen_blocks[SEEN_TOGETHER];
    struct mx_seen_object seen[SEEN_TOGETHER]; /* to be decoded */
    struct far_target far[KNOWN_FAR];
};

/* First looks at pages, then at kinds: what one look-up waits for does not keep the next one waiting. */
static void locate_found(const struct mx_graph *graph, struct mx_found_edge *found, size_t count)
{
    for (struct mx_found_edge *end = found + count; found < end; found++) {
        uint32_t offset;
        if (mx_spans_in_pool(&graph->heap->spans, found->target, &found->block, &offset)) {
            found->offset = (uint16_t)offset;
            __builtin_prefetch(&graph->heap->kinds[found->block]);
        } else {
            found->block = MX_NO_BLOCK;
        }
    }
}

static uint32_t far_target(struct emission *emission, const struct mx_edge *edge)
{
    struct far_target *known = &emission->far[edge->target / 16 % KNOWN_FAR];
    if (known->target != edge->target || known->class != edge->class || known->exact != edge->exact)
        *known = (struct far_target){edge->target, mx_graph_target(emission->graph, edge), edge->class, edge->exact};
    return known->block;
}

/* As mx_graph_target() does for what is not in a pool, or no plain object. */
static uint32_t target_of_found(struct emission *emission, const struct mx_found_edge *found)
{
    const struct mx_heap *heap = emission->graph->heap;
    struct mx_edge edge = {.target = found->target, .class = found->class, .exact = found->exact};
    uint16_t kind = found->block == MX_NO_BLOCK ? MX_BLOCK_FAR_TYPE : heap->kinds[found->block];
    if (kind == MX_BLOCK_FREE)
        return MX_NO_BLOCK;
    if (kind == MX_BLOCK_RAW)
        return leads_to_raw(&edge, found->offset) ? found->block : MX_NO_BLOCK;
    if (kind == MX_BLOCK_FAR_TYPE)
        return far_target(emission, &edge);
    bool is_start = found->offset == heap->padding + heap->types.items[kind].preheader;
    return is_start && found->class != MX_EDGE_BUFFER ? found->block : MX_NO_BLOCK;
}

static void settle_edge(struct emission *emission, const struct mx_found_edge *found)
{
    struct mx_edge_buffer *buffer = emission->buffer;
    uint32_t target = target_of_found(emission, found);
    if (target == MX_NO_BLOCK) {
        buffer->dangling += found->exact && found->class != MX_EDGE_BUFFER;
        return;
    }
    buffer->inexact += !found->exact;
    buffer->targets.items[buffer->targets.count++] = target;
    buffer->classes.items[buffer->classes.count++] = found->exact ? found->class : found->class | MX_EDGE_INEXACT;
}

/* Settles what was found: for the blocks that have ended, and for the one that is being decoded. */
static void settle(struct emission *emission)
{
    struct mx_edge_buffer *buffer = emission->buffer;
    size_t room = buffer->targets.count + buffer->found.count;
    if (!mx_array_reserve(&buffer->targets, room) || !mx_array_reserve(&buffer->classes, room))
        buffer->no_memory = true;
    size_t count = buffer->no_memory ? 0 : buffer->found.count, at = 0;
    locate_found(emission->graph, buffer->found.items, count);
    for (; emission->pending < emission->ended; emission->pending++) {
        uint32_t *end = &emission->ends[emission->pending - emission->from];
        for (; at < *end && at < count; at++)
            settle_edge(emission, &buffer->found.items[at]);
        *end = (uint32_t)buffer->targets.count;
    }
    for (; at < count; at++)
        settle_edge(emission, &buffer->found.items[at]);
    buffer->found.count = 0;
}

/* One object may refer to more than is held at a time. */
static bool make_room(void *context)
{
    struct emission *emission = context;
    struct mx_edge_buffer *buffer = emission->buffer;
    if (buffer->found.capacity >= FOUND_AT_MOST)
        settle(emission);
    else if (!mx_array_reserve(&buffer->found, 2 * buffer->found.capacity + FOUND_TOGETHER))
        buffer->no_memory = true;
    return !buffer->no_memory;
}

/* Whose edges are all found: the blocks before `block`. */
static void end_blocks(struct emission *emission, uint32_t block)
{
    for (; emission->ended < block; emission->ended++)
        emission->ends[emission->ended - emission->from] = (uint32_t)emission->buffer->found.count;
}

static void decode_seen(struct emission *emission)
{
    const struct mx_graph *graph = emission->graph;
    for (size_t i = 0; i < emission->seen_count; i++)
        if (emission->seen[i].bytes)
            mx_referents_expect(&graph->referents, &emission->seen[i]);
    for (size_t i = 0; i < emission->seen_count; i++) {
        end_blocks(emission, emission->seen_blocks[i]);
        if (emission->buffer->found.count >= FOUND_TOGETHER)
            settle(emission);
        mx_referents_gather(&graph->referents, &emission->seen[i], &emission->buffer->found);
    }
    emission->seen_count = 0;
}

/* A span's blocks as a pass goes through them. */
struct passing {
    const struct mx_span *span;
    const uint8_t *bytes; /* of a pool, where they are all there */
};

static void pass_to(struct passing *passing, const struct mx_memory *memory, uint32_t block)
{
    const struct mx_span *span = passing->span;
    if (passing->bytes && block - span->first < span->count)
        return;
    while (block - span->first >= span->count)
        span++;
    if (span != passing->span || !passing->bytes)
        passing->bytes =
            span->kind == MX_SPAN_POOL ? mx_memory_view(memory, span->start, span->end - span->start) : NULL;
    passing->span = span;
}

static void see(struct emission *emission, const struct passing *passing, uint32_t block)
{
    const struct mx_span *span = passing->span;
    struct mx_seen_object seen = {0};
    seen.address = object_in(emission->graph, span, block, &seen.type);
    if (!seen.address)
        return;
    if (passing->bytes) {
        uint64_t offset = seen.address - span->start;
        seen.bytes = passing->bytes + offset;
        seen.available = (block - span->first + 1) * span->block_size - offset;
        __builtin_prefetch(seen.bytes);
    }
    emission->seen_blocks[emission->seen_count] = block;
    emission->seen[emission->seen_count++] = seen;
}

/* What all workers look up. */
struct finding {
    const struct mx_graph *graph;
    bool *is_leaf; /* by type index: objects refer to nothing. Few types, many objects: these are not even looked at */
};

static void find_edges(void *context, uint32_t from, uint32_t until, struct mx_edge_buffer *buffer, uint32_t *ends)
{
    const struct finding *finding = context;
    const struct mx_graph *graph = finding->graph;
    struct emission emission = {
        .graph = graph, .buffer = buffer, .from = from, .ends = ends, .ended = from, .pending = from};
    struct passing passing = {.span = mx_spans_of(&graph->heap->spans, from)};
    buffer->found.count = 0;
    buffer->found.make_room = make_room;
    buffer->found.context = &emission;
    for (uint32_t block = from; block < until; block++) {
        uint16_t kind = graph->heap->kinds[block];
        if (kind < MX_BLOCK_FAR_TYPE ? finding->is_leaf[kind] : kind != MX_BLOCK_FAR_TYPE)
            continue;
        pass_to(&passing, graph->target->memory, block);
        see(&emission, &passing, block);
        if (emission.seen_count == SEEN_TOGETHER)
            decode_seen(&emission);
    }
    decode_seen(&emission);
    end_blocks(&emission, until);
    settle(&emission);
}

/* Nearly every reference is a word of the heap; a few are made of one word (an offset, a shared table's key). */
static size_t most_edges(const struct mx_spans *spans)
{
    uint64_t words = 1 << 20;
    for (size_t i = 0; i < spans->spans.count; i++)
        words += (spans->spans.items[i].end - spans->spans.items[i].start) / 4;
    return words < UINT32_MAX ? words : UINT32_MAX;
}

static bool *find_leaves(const struct mx_graph *graph)
{
    const struct mx_types *types = &graph->target->types;
    bool *is_leaf = mx_calloc(MX_BLOCK_FAR_TYPE, sizeof(*is_leaf));
    for (size_t i = 0; is_leaf && i < types->types.count && i < MX_BLOCK_FAR_TYPE; i++)
        is_leaf[i] = mx_referents_none(&graph->referents, &types->types.items[i]);
    return is_leaf;
}

static struct mx_error *build_rows(struct mx_graph *graph, const struct mx_progress *progress)
{
    struct mx_work work;
    struct finding finding = {.graph = graph};
    struct mx_rows_plan plan = {
        .blocks = graph->heap->spans.blocks,
        .most_edges = most_edges(&graph->heap->spans),
        .threads = mx_memory_threads(graph->target->memory),
        .work = &work,
        .edges = find_edges,
        .context = &finding,
    };
    MX_TRY(mx_heap_fetch(graph->heap, graph->target, progress));
    finding.is_leaf = find_leaves(graph);
    if (!finding.is_leaf)
        return mx_error_no_memory();
    mx_work_begin(&work, progress, "following references", plan.blocks);
    struct mx_error *error = mx_rows_build(&plan, &graph->forward, &graph->dangling, &graph->inexact);
    free(finding.is_leaf);
    return error;
}

struct mx_error *mx_graph_referrers(struct mx_graph *graph, const struct mx_progress *progress)
{
    struct mx_work work;
    struct mx_rows reverse;
    if (graph->reverse.first)
        return NULL;
    mx_work_begin(&work, progress, "turning references round", 0);
    struct mx_error *error = mx_rows_reverse(&graph->forward, mx_work_threads(), &work, &reverse);
    if (error)
        mx_rows_deinit(&reverse);
    else
        graph->reverse = reverse;
    return error;
}

struct gathering {
    struct mx_graph *graph;
    struct mx_map places; /* of words that were given as roots, so that a scan does not give them again */
    bool no_memory;
};

static bool add_root(void *context, const struct mx_root *root)
{
    struct gathering *gathering = context;
    struct mx_edge edge = {.target = root->object, .class = MX_EDGE_TRAVERSED, .exact = true};
    bool is_word = root->place && root->kind != MX_ROOT_LOCAL && root->kind != MX_ROOT_FRAME;
    bool is_known = is_word && mx_map_get(&gathering->places, root->place) != MX_MAP_NONE;
    uint32_t block = !root->exact && is_known ? MX_NO_BLOCK : mx_graph_target(gathering->graph, &edge);
    if (block == MX_NO_BLOCK || gathering->graph->heap->kinds[block] == MX_BLOCK_RAW)
        return true;
    if (!mx_array_push(&gathering->graph->roots, (struct mx_graph_root){block, *root}) ||
        (is_word && !mx_map_set(&gathering->places, root->place, 1)))
        gathering->no_memory = true;
    return !gathering->no_memory;
}

static int compare_roots(const void *a, const void *b, void *context)
{
    const struct mx_graph *graph = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    uint32_t first = graph->roots.items[left].block, second = graph->roots.items[right].block;
    if (first != second)
        return first < second ? -1 : 1;
    return left < right ? -1 : left > right;
}

static struct mx_error *gather_roots(struct mx_graph *graph)
{
    struct gathering gathering = {.graph = graph};
    mx_roots_each(&graph->referents, &graph->target->threads, add_root, &gathering);
    mx_map_deinit(&gathering.places);
    graph->roots_by_block = mx_calloc(graph->roots.count + 1, sizeof(uint32_t));
    if (gathering.no_memory || !graph->roots_by_block)
        return mx_error_no_memory();
    for (size_t i = 0; i < graph->roots.count; i++)
        graph->roots_by_block[i] = (uint32_t)i;
    qsort_r(graph->roots_by_block, graph->roots.count, sizeof(uint32_t), compare_roots, graph);
    return NULL;
}

size_t mx_graph_roots_of(const struct mx_graph *graph, uint32_t block, size_t *first)
{
    size_t low = 0, high = graph->roots.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->roots.items[graph->roots_by_block[middle]].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < graph->roots.count && graph->roots.items[graph->roots_by_block[high]].block == block)
        high++;
    return high - low;
}

static struct mx_error *open_graph(struct mx_graph *graph, const struct mx_progress *progress)
{
    MX_TRY(mx_referents_open(&graph->target->types, &graph->referents));
    graph->referents.find_block = find_block;
    graph->referents.context = graph;
    MX_TRY(build_rows(graph, progress));
    MX_TRY(gather_roots(graph));
    mx_disown_interned(graph);
    return NULL;
}

struct mx_error *mx_graph_open(struct mx_target *target, const struct mx_heap *heap, const struct mx_progress *progress,
                               struct mx_graph **ret)
{
    struct mx_graph *graph = mx_calloc(1, sizeof(*graph));
    if (!graph)
        return mx_error_no_memory();
    graph->target = target;
    graph->heap = heap;
    struct mx_error *error = open_graph(graph, progress);
    if (error) {
        mx_graph_close(graph);
        return error;
    }
    *ret = graph;
    return NULL;
}

void mx_graph_close(struct mx_graph *graph)
{
    if (!graph)
        return;
    mx_rows_deinit(&graph->forward);
    mx_rows_deinit(&graph->reverse);
    mx_referents_close(&graph->referents);
    mx_array_free(&graph->roots);
    free(graph->roots_by_block);
    free(graph->parents);
    free(graph);
}

static uint64_t rows_memory(const struct mx_rows *rows)
{
    return (rows->blocks + 1) * sizeof(uint32_t) + rows->edges * (sizeof(uint32_t) + sizeof(uint8_t));
}

void mx_graph_info(const struct mx_graph *graph, struct mx_graph_info *ret)
{
    uint64_t blocks = graph->heap->info.objects + graph->heap->info.raw_blocks;
    *ret = (struct mx_graph_info){
        .nodes = blocks,
        .edges = graph->forward.edges,
        .roots = graph->roots.count,
        .inexact = graph->inexact,
        .dangling = graph->dangling,
        .memory = rows_memory(&graph->forward) + rows_memory(&graph->reverse) +
                  graph->roots.capacity * sizeof(struct mx_graph_root) + graph->roots.count * sizeof(uint32_t) +
                  (graph->parents ? graph->forward.blocks * sizeof(uint32_t) : 0),
    };
}
