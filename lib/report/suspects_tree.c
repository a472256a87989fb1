/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of holders and what hangs on each block.
 */
#include <string.h>

#include "heap/reach.h"
#include "report/suspects.h"

enum { STEP = 1 << 20 /* blocks between looks at the progress */ };

/* ... by type index of the heap. */
static bool *namespace_types(const struct mx_graph *graph)
{
    const struct mx_heap *heap = graph->heap;
    bool *is_space = mx_calloc(heap->types.count + 1, sizeof(*is_space));
    for (size_t i = 0; is_space && i < heap->types.count; i++) {
        const struct mx_type *type = mx_types_find(&graph->target->types, heap->types.items[i].address);
        is_space[i] = type && (type->kind == MX_KIND_MODULE || type->kind == MX_KIND_TYPE);
    }
    return is_space;
}

struct dict_search {
    const struct mx_graph *graph;
    uint32_t block;
};

static bool visit_for_dict(void *context, const struct mx_edge *edge)
{
    struct dict_search *search = context;
    if (edge->class > MX_EDGE_OWNED || edge->naming != MX_NAME_FIELD || strcmp(edge->detail.text, "__dict__") != 0)
        return true;
    search->block = mx_graph_target(search->graph, edge);
    return false;
}

static void mark_space(struct mx_holding *holding, uint32_t block)
{
    const struct mx_graph *graph = holding->retained->graph;
    const struct mx_type *type;
    struct dict_search search = {graph, MX_NO_BLOCK};
    mx_addr object = mx_graph_object(graph, block, &type);
    holding->spaces[block / 8] |= (uint8_t)(1 << block % 8);
    if (object)
        mx_referents_each(&graph->referents, type, object, visit_for_dict, &search);
    if (search.block != MX_NO_BLOCK)
        holding->spaces[search.block / 8] |= (uint8_t)(1 << search.block % 8);
}

static struct mx_error *mark_spaces(struct mx_holding *holding)
{
    const struct mx_graph *graph = holding->retained->graph;
    uint32_t blocks = holding->retained->dominators.blocks;
    bool *is_space = namespace_types(graph);
    if (!is_space)
        return mx_error_no_memory();
    for (uint32_t block = 0; block < blocks; block++) {
        if (graph->heap->kinds[block] >= MX_BLOCK_RAW)
            continue;
        uint32_t type = mx_heap_type_of(graph->heap, block);
        if (type < graph->heap->types.count && is_space[type])
            mark_space(holding, block);
    }
    free(is_space);
    return NULL;
}

/* Buffers are not on ways from roots: the first object that has one owns it. */
static uint32_t owner_of_buffer(const struct mx_graph *graph, uint32_t block, uint32_t otherwise)
{
    const struct mx_rows *rows = &graph->reverse;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        if ((rows->classes[i] & MX_EDGE_CLASS) != MX_EDGE_BORROWED && graph->parents[rows->targets[i]] != MX_NO_BLOCK)
            return rows->targets[i];
    return otherwise;
}

static uint32_t owner_of(const struct mx_holding *holding, uint32_t block)
{
    const struct mx_graph *graph = holding->retained->graph;
    uint32_t idom = holding->retained->dominators.idoms[block];
    if (block >= holding->retained->dominators.blocks || idom == MX_NO_BLOCK || !mx_holding_is_space(holding, idom))
        return idom;
    uint32_t parent = graph->parents[block];
    if (parent == MX_NO_BLOCK && graph->heap->kinds[block] == MX_BLOCK_RAW)
        return owner_of_buffer(graph, block, idom);
    return parent == MX_NO_BLOCK || parent == block ? idom : parent;
}

/* Sets the owners, and `bytes` to what each block weighs by itself. */
static bool find_owners(struct mx_holding *holding)
{
    const struct mx_dominators *dominators = &holding->retained->dominators;
    uint32_t count = dominators->blocks + 2;
    memcpy(holding->bytes, dominators->retained, count * sizeof(uint64_t));
    for (uint32_t block = 0; block < count; block++) {
        if (block % STEP == 0 && !mx_work_step(&holding->work, STEP))
            return false;
        holding->owners[block] = owner_of(holding, block);
        if (dominators->idoms[block] != MX_NO_BLOCK)
            holding->bytes[dominators->idoms[block]] -= dominators->retained[block];
    }
    return true;
}

/* Types of two heaps by name: equal names have equal pointers. */
struct name_table {
    const char **now, **before;
    struct mx_strtab names;
};

static const char **intern_types(const struct mx_heap *heap, struct mx_strtab *names)
{
    const char **interned = mx_calloc(heap->types.count + 1, sizeof(*interned));
    for (size_t i = 0; interned && i < heap->types.count; i++)
        interned[i] = mx_strtab_add(names, heap->types.items[i].name, strlen(heap->types.items[i].name));
    return interned;
}

/* Whether the earlier heap had a block of that kind there. */
static bool was_there(const struct name_table *table, const struct mx_heap *now, uint32_t block, mx_addr address,
                      const struct mx_heap *before)
{
    const struct mx_span *span;
    uint32_t old = mx_spans_locate(&before->spans, address, &span);
    if (old == MX_NO_BLOCK || before->kinds[old] == MX_BLOCK_FREE ||
        mx_block_address(&before->spans, span, old) != address)
        return false;
    uint32_t type = mx_heap_type_of(now, block), old_type = mx_heap_type_of(before, old);
    if (type == MX_MAP_NONE || old_type == MX_MAP_NONE)
        return type == old_type;
    return table->now[type] == table->before[old_type];
}

static bool drop_known(struct mx_holding *holding, const struct name_table *table, const struct mx_heap *since)
{
    const struct mx_heap *heap = holding->retained->graph->heap;
    for (size_t i = 0; i < heap->spans.spans.count; i++) {
        const struct mx_span *span = &heap->spans.spans.items[i];
        for (uint32_t block = span->first; block < span->first + span->count; block++)
            if (heap->kinds[block] != MX_BLOCK_FREE &&
                was_there(table, heap, block, mx_block_address(&heap->spans, span, block), since))
                holding->bytes[block] = 0;
        if (!mx_work_step(&holding->work, span->count))
            return false;
    }
    return true;
}

static struct mx_error *keep_new(struct mx_holding *holding, const struct mx_heap *since)
{
    struct name_table table = {0};
    table.now = intern_types(holding->retained->graph->heap, &table.names);
    table.before = intern_types(since, &table.names);
    struct mx_error *error = NULL;
    if (!table.now || !table.before)
        error = mx_error_no_memory();
    else if (!drop_known(holding, &table, since))
        error = mx_error_cancelled();
    free(table.now);
    free(table.before);
    mx_strtab_deinit(&table.names);
    return error;
}

enum { DONE = UINT32_MAX };

/* Upwards from a leaf, as far as all children of a block are done. */
static void climb(struct mx_holding *holding, uint32_t *waiting, uint32_t leaf)
{
    uint32_t at = leaf, owner;
    while ((owner = holding->owners[at]) != MX_NO_BLOCK) {
        holding->bytes[owner] += holding->bytes[at];
        waiting[at] = DONE;
        if (--waiting[owner])
            return;
        at = owner;
    }
    waiting[at] = DONE;
}

/*
 * Ways may lead over words that the dominator tree takes for none, and then hang two blocks on each other. Such a ring
 * is cut where the tree was mended: what stood there hangs on the root.
 */
static void cut_rings(struct mx_holding *holding, uint32_t *waiting)
{
    const struct mx_dominators *dominators = &holding->retained->dominators;
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        uint32_t owner = holding->owners[block];
        if (waiting[block] == DONE || owner == MX_NO_BLOCK || owner == dominators->idoms[block])
            continue;
        holding->owners[block] = mx_dominators_root(dominators);
        if (!--waiting[owner])
            climb(holding, waiting, owner);
    }
}

/* From the leaves up, each block when its last child is done. */
static struct mx_error *add_up(struct mx_holding *holding)
{
    uint32_t count = holding->retained->dominators.blocks + 2, block = 0;
    uint32_t *waiting = mx_calloc(count, sizeof(*waiting));
    if (!waiting)
        return mx_error_no_memory();
    for (block = 0; block < count; block++)
        if (holding->owners[block] != MX_NO_BLOCK)
            waiting[holding->owners[block]]++;
    bool go_on = true;
    for (block = 0; go_on && block < count; block++) {
        go_on = block % STEP || mx_work_step(&holding->work, STEP);
        if (!waiting[block])
            climb(holding, waiting, block);
    }
    if (go_on)
        cut_rings(holding, waiting);
    free(waiting);
    return go_on ? NULL : mx_error_cancelled();
}

static struct mx_error *build(struct mx_holding *holding, const struct mx_heap *since)
{
    MX_TRY(mx_graph_referrers(holding->retained->graph, holding->work.progress));
    MX_TRY(mx_graph_parents(holding->retained->graph, holding->work.progress));
    MX_TRY(mark_spaces(holding));
    if (!find_owners(holding))
        return mx_error_cancelled();
    if (since)
        MX_TRY(keep_new(holding, since));
    return add_up(holding);
}

struct mx_error *mx_holding_open(struct mx_retained *retained, const struct mx_heap *since,
                                 const struct mx_progress *progress, struct mx_holding *ret)
{
    size_t count = (size_t)retained->dominators.blocks + 2;
    *ret = (struct mx_holding){.retained = retained};
    ret->owners = malloc(count * sizeof(*ret->owners));
    ret->bytes = malloc(count * sizeof(*ret->bytes));
    ret->spaces = mx_calloc(count / 8 + 1, 1);
    mx_work_begin(&ret->work, progress, "looking for holders", count * (since ? 5 : 4));
    bool complete = ret->owners && ret->bytes && ret->spaces;
    struct mx_error *error = complete ? build(ret, since) : mx_error_no_memory();
    if (error)
        mx_holding_deinit(ret);
    return error;
}

void mx_holding_deinit(struct mx_holding *holding)
{
    free(holding->owners);
    free(holding->bytes);
    free(holding->spaces);
    *holding = (struct mx_holding){0};
}
