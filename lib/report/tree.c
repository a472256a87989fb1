/* SPDX-License-Identifier: Apache-2.0
 *
 * The neighbourhood of an object. Which references are shown is decided on the
 * rows alone; only these are decoded again for their names.
 */
#include "report/groups.h"

struct mx_tree {
    const struct mx_graph *graph;
    struct mx_tree_query query;
    MX_ARRAY(struct mx_node) nodes; /* also the queue of the search */
    MX_ARRAY(uint32_t) blocks;      /* of the nodes */
    MX_ARRAY(struct mx_reference) references;
    struct mx_map by_block; /* block + 1 -> index of its node */
    struct mx_strtab names;
    struct mx_work *work;
    uint32_t steps;           /* references since the work was told */
    struct mx_groups *groups; /* of the node that is being expanded; NULL where all are shown one by one */
    bool no_memory, cancelled;
};

enum { STEPS_TOGETHER = 1024 };

/* The better ones are shown when there is not room for all. */
enum rank { RANK_MODULE, RANK_TRAVERSED, RANK_OWNED, RANK_INEXACT, RANK_BORROWED, RANKS, NOT_WANTED = RANKS };

static bool is_wanted(const struct mx_tree *tree, uint8_t class)
{
    switch (class & MX_EDGE_CLASS) {
    case MX_EDGE_BORROWED:
        return tree->query.borrowed;
    case MX_EDGE_BUFFER:
        return tree->query.buffers;
    default:
        return true;
    }
}

static enum rank rank_of(const struct mx_tree *tree, uint32_t block, uint8_t class)
{
    if (!is_wanted(tree, class))
        return NOT_WANTED;
    if ((class & MX_EDGE_CLASS) == MX_EDGE_BORROWED)
        return RANK_BORROWED;
    if ((class & MX_EDGE_CLASS) == MX_EDGE_BUFFER)
        return RANK_OWNED;
    if (class & MX_EDGE_INEXACT)
        return RANK_INEXACT;
    const struct mx_heap *heap = tree->graph->heap;
    uint32_t type = mx_heap_type_of(heap, block);
    if (type != MX_MAP_NONE && tree->graph->target->types.types.items[type].kind == MX_KIND_MODULE)
        return RANK_MODULE;
    return (class & MX_EDGE_CLASS) == MX_EDGE_TRAVERSED ? RANK_TRAVERSED : RANK_OWNED;
}

static bool add_node(struct mx_tree *tree, uint32_t block, uint32_t depth)
{
    if (mx_map_get(&tree->by_block, (uint64_t)block + 1) != MX_MAP_NONE)
        return true;
    struct mx_node node = mx_node_describe(tree->graph, block);
    node.depth = depth;
    return mx_map_set(&tree->by_block, (uint64_t)block + 1, (uint32_t)tree->nodes.count) &&
           mx_array_push(&tree->nodes, node) && mx_array_push(&tree->blocks, block);
}

static mx_addr address_of(const struct mx_tree *tree, uint32_t block)
{
    return tree->nodes.items[mx_map_get(&tree->by_block, (uint64_t)block + 1)].address;
}

static bool is_over(const struct mx_tree *tree)
{
    return tree->no_memory || tree->cancelled;
}

/* A node may have millions of references. */
static void count_step(struct mx_tree *tree)
{
    if (++tree->steps < STEPS_TOGETHER)
        return;
    tree->cancelled = !mx_work_step(tree->work, tree->steps);
    tree->steps = 0;
}

static bool group_edge(struct mx_tree *tree, uint32_t far, const struct mx_edge *edge)
{
    char name[MX_REFERENCE_NAME];
    const struct mx_type *type;
    mx_edge_text(tree->graph, edge, name);
    mx_graph_object(tree->graph, far, &type);
    return mx_groups_add(
        tree->groups, far, type ? type->name : "raw block",
        &(struct mx_reference){
            .kind = mx_reference_kind_of(edge->class), .exact = edge->exact, .name = name, .count = 1});
}

/* Adds the other end as a node where it is new. `name` NULL: there was no memory for it. */
static bool add_reference(struct mx_tree *tree, uint32_t from, uint32_t to, const struct mx_edge *edge, uint32_t depth)
{
    count_step(tree);
    if (tree->groups)
        return group_edge(tree, tree->query.direction == MX_REFERRERS ? from : to, edge);
    const char *name = mx_edge_label(tree->graph, edge, &tree->names);
    if (!name || !add_node(tree, from, depth) || !add_node(tree, to, depth))
        return false;
    return mx_array_push(&tree->references, (struct mx_reference){.from = address_of(tree, from),
                                                                  .to = address_of(tree, to),
                                                                  .kind = mx_reference_kind_of(edge->class),
                                                                  .exact = edge->exact,
                                                                  .name = name,
                                                                  .count = 1});
}

static bool group_root(struct mx_tree *tree, const struct mx_root *root)
{
    char name[MX_REFERENCE_NAME];
    mx_root_text(tree->graph, root, name);
    return mx_groups_add(
        tree->groups, MX_NO_BLOCK, "",
        &(struct mx_reference){.kind = MX_REFERENCE_ROOT, .exact = root->exact, .name = name, .count = 1});
}

static bool add_root(struct mx_tree *tree, uint32_t to, const struct mx_root *root)
{
    if (tree->groups)
        return group_root(tree, root);
    const char *name = mx_root_label(tree->graph, root, &tree->names);
    return name && mx_array_push(&tree->references, (struct mx_reference){.to = address_of(tree, to),
                                                                          .kind = MX_REFERENCE_ROOT,
                                                                          .exact = root->exact,
                                                                          .name = name,
                                                                          .count = 1});
}

/* References of one node: what is shown so far and what there is. */
struct listing {
    struct mx_tree *tree;
    uint32_t block;
    uint32_t depth; /* of the other ends */
    uint64_t shown, total;
    uint32_t other;       /* the referrer whose edges are looked at */
    uint32_t passed;      /* edges from it that were met */
    uint32_t first, last; /* which of them are wanted */
};

static bool has_room(const struct listing *listing)
{
    const struct mx_tree *tree = listing->tree;
    return !tree->query.width || tree->groups || listing->shown < tree->query.width;
}

static bool name_wanted(void *context, const struct mx_edge *edge)
{
    struct listing *listing = context;
    uint32_t ordinal = listing->passed++;
    if (ordinal < listing->first)
        return true;
    if (!add_reference(listing->tree, listing->other, listing->block, edge, listing->depth))
        listing->tree->no_memory = true;
    return !is_over(listing->tree) && ordinal < listing->last;
}

/*
 * A referrer stands once in the row for each of its edges, in the order in which they are decoded: from..until - 1 are
 * those of one referrer, of which the wanted ones of one rank need not be neighbours.
 */
static void list_referrer(struct listing *listing, uint32_t from, uint32_t until, enum rank rank)
{
    const struct mx_rows *rows = &listing->tree->graph->reverse;
    listing->other = rows->targets[from];
    for (uint32_t i = from; i < until && has_room(listing) && !is_over(listing->tree); i++) {
        if (rank_of(listing->tree, listing->other, rows->classes[i]) != rank)
            continue;
        uint32_t last = i;
        while (last + 1 < until && rows->classes[last + 1] == rows->classes[i] &&
               (!listing->tree->query.width || listing->tree->groups ||
                listing->shown + (last - i) + 1 < listing->tree->query.width))
            last++;
        listing->passed = 0;
        listing->first = i - from;
        listing->last = last - from;
        mx_edges_between(listing->tree->graph, listing->other, listing->block, name_wanted, listing);
        listing->shown += last - i + 1;
        i = last;
    }
}

static void list_rank(struct listing *listing, enum rank rank)
{
    const struct mx_rows *rows = &listing->tree->graph->reverse;
    uint32_t end = rows->first[listing->block + 1];
    for (uint32_t i = rows->first[listing->block]; i < end && has_room(listing) && !is_over(listing->tree);) {
        uint32_t until = i + 1;
        while (until < end && rows->targets[until] == rows->targets[i])
            until++;
        list_referrer(listing, i, until, rank);
        i = until;
    }
}

static void list_roots(struct listing *listing, bool exact)
{
    size_t first, count = mx_graph_roots_of(listing->tree->graph, listing->block, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &listing->tree->graph->roots.items[listing->tree->graph->roots_by_block[i]].root;
        if (root->exact != exact || (root->kind == MX_ROOT_CACHE && !listing->tree->query.borrowed))
            continue;
        listing->total++;
        if (!has_room(listing))
            continue;
        listing->shown++;
        if (!add_root(listing->tree, listing->block, root))
            listing->tree->no_memory = true;
    }
}

static void count_wanted(struct listing *listing, const struct mx_rows *rows)
{
    for (uint32_t i = rows->first[listing->block]; i < rows->first[listing->block + 1]; i++)
        listing->total += is_wanted(listing->tree, rows->classes[i]);
}

static void list_referrers(struct listing *listing)
{
    const struct mx_rows *rows = &listing->tree->graph->reverse;
    list_roots(listing, true);
    count_wanted(listing, rows);
    for (enum rank rank = 0; rank < RANKS; rank++)
        list_rank(listing, rank);
    list_roots(listing, false);
}

static bool list_referent(void *context, const struct mx_edge *edge)
{
    struct listing *listing = context;
    uint32_t target = mx_graph_target(listing->tree->graph, edge);
    if (target == MX_NO_BLOCK || !is_wanted(listing->tree, edge->class))
        return true;
    listing->shown++;
    if (!add_reference(listing->tree, listing->block, target, edge, listing->depth))
        listing->tree->no_memory = true;
    return !is_over(listing->tree) && has_room(listing);
}

static void list_referents(struct listing *listing)
{
    const struct mx_graph *graph = listing->tree->graph;
    const struct mx_type *type;
    mx_addr object = mx_graph_object(graph, listing->block, &type);
    count_wanted(listing, &graph->forward);
    if (object)
        mx_referents_each(&graph->referents, type, object, list_referent, listing);
}

/* A group is named by what its members have in common, or as its only member. */
static bool add_group(struct listing *listing, const struct mx_group *group)
{
    struct mx_tree *tree = listing->tree;
    struct mx_reference reference = group->reference;
    const char *name = reference.count > 1 ? group->form : reference.name;
    reference.name = mx_strtab_add(&tree->names, name, strlen(name));
    bool is_root = group->far == MX_NO_BLOCK;
    if (!reference.name || (!is_root && !add_node(tree, group->far, listing->depth)))
        return false;
    mx_addr far = is_root ? 0 : address_of(tree, group->far), near = address_of(tree, listing->block);
    bool leads_here = tree->query.direction == MX_REFERRERS;
    reference.from = leads_here ? far : near;
    reference.to = leads_here ? near : far;
    return mx_array_push(&tree->references, reference);
}

/* From now on the width counts groups, and what is shown are their members. */
static void list_groups(struct listing *listing)
{
    struct mx_groups *groups = listing->tree->groups;
    listing->shown = 0;
    mx_groups_sort(groups);
    for (size_t i = 0; i < groups->items.count && !is_over(listing->tree); i++) {
        if (listing->tree->query.width && i >= listing->tree->query.width)
            break;
        listing->shown += groups->items.items[i].reference.count;
        listing->tree->no_memory = !add_group(listing, &groups->items.items[i]);
    }
}

static void expand(struct mx_tree *tree, size_t index)
{
    struct listing listing = {
        .tree = tree, .block = tree->blocks.items[index], .depth = tree->nodes.items[index].depth + 1};
    struct mx_groups groups = {0};
    tree->groups = tree->query.grouped ? &groups : NULL;
    if (tree->query.direction == MX_REFERRERS)
        list_referrers(&listing);
    else
        list_referents(&listing);
    if (tree->groups)
        list_groups(&listing);
    tree->groups = NULL;
    mx_groups_deinit(&groups);
    tree->nodes.items[index].hidden = listing.total > listing.shown ? listing.total - listing.shown : 0;
    count_step(tree);
}

static struct mx_error *grow(struct mx_graph *graph, struct mx_tree *tree)
{
    uint32_t start;
    const struct mx_tree_query *query = &tree->query;
    MX_TRY(mx_place_find(graph, query->start, query->buffers, &start));
    if (query->direction == MX_REFERRERS)
        MX_TRY(mx_graph_referrers(graph, tree->work->progress));
    tree->no_memory = !add_node(tree, start, 0);
    for (size_t i = 0; i < tree->nodes.count && !is_over(tree); i++) {
        const struct mx_node *node = &tree->nodes.items[i];
        bool is_culled = i && query->stop_at_modules && node->is_module;
        if (!is_culled && (!query->depth || node->depth < query->depth))
            expand(tree, i);
    }
    return tree->no_memory ? mx_error_no_memory() : tree->cancelled ? mx_error_cancelled() : NULL;
}

struct mx_error *mx_tree_open(struct mx_graph *graph, const struct mx_tree_query *query,
                              const struct mx_progress *progress, struct mx_tree **ret)
{
    struct mx_work work;
    struct mx_tree *tree = mx_calloc(1, sizeof(*tree));
    if (!tree)
        return mx_error_no_memory();
    tree->graph = graph;
    tree->query = *query;
    tree->work = &work;
    mx_work_begin(&work, progress, "looking at references", 0);
    struct mx_error *error = grow(graph, tree);
    tree->work = NULL;
    if (error) {
        mx_tree_close(tree);
        return error;
    }
    *ret = tree;
    return NULL;
}

const struct mx_node *mx_tree_nodes(const struct mx_tree *tree, size_t *count)
{
    *count = tree->nodes.count;
    return tree->nodes.items;
}

const struct mx_reference *mx_tree_references(const struct mx_tree *tree, size_t *count)
{
    *count = tree->references.count;
    return tree->references.items;
}

void mx_tree_close(struct mx_tree *tree)
{
    if (!tree)
        return;
    mx_array_free(&tree->nodes);
    mx_array_free(&tree->blocks);
    mx_array_free(&tree->references);
    mx_map_deinit(&tree->by_block);
    mx_strtab_deinit(&tree->names);
    free(tree);
}
