/* SPDX-License-Identifier: Apache-2.0
 *
 * The dominator tree, cut to what can be seen: of the items that were found
 * the largest are shown, each below its parent, and what is left of a parent's
 * is its rest.
 */
#include "report/outline.h"

#include <string.h>

enum {
    NODES = 20000,
    LEAST_NODES = 2, /* the top and its rest */
};

struct mx_outline {
    MX_ARRAY(struct mx_outline_node) nodes;
    struct mx_strtab names;
};

/* A shown block that wants the name of the reference from its holder. */
struct named {
    uint32_t holder, block, node;
};

struct choice {
    struct mx_outline *outline;
    struct mx_cut cut;
    uint32_t *first, *sorted; /* children of items: sorted[first[i]..first[i + 1]) */
    uint32_t *node;           /* by item: its node, MX_NO_BLOCK when it is not shown */
    uint32_t *left;           /* by item: children that are not shown */
    MX_ARRAY(uint32_t) queue; /* a heap of items whose parent is shown, the largest on top */
    MX_ARRAY(uint32_t) shown; /* items, by node */
    size_t rests;             /* shown items with children that are not */
    MX_ARRAY(struct named) named;
    struct mx_map by_block; /* block + 1 -> node, of those that want a name */
};

static bool sort_children(struct choice *choice)
{
    const struct mx_cut_item *items = choice->cut.items.items;
    size_t count = choice->cut.items.count;
    choice->first = mx_calloc(count + 1, sizeof(uint32_t));
    choice->sorted = mx_calloc(count, sizeof(uint32_t));
    choice->node = mx_calloc(count, sizeof(uint32_t));
    choice->left = mx_calloc(count, sizeof(uint32_t));
    if (!choice->first || !choice->sorted || !choice->node || !choice->left)
        return false;
    memset(choice->node, 0xff, count * sizeof(uint32_t));
    for (size_t i = 1; i < count; i++)
        choice->first[items[i].parent]++;
    for (size_t i = 0, sum = 0; i <= count; i++) {
        sum += choice->first[i];
        choice->first[i] = (uint32_t)sum;
    }
    for (size_t i = count; i-- > 1;)
        choice->sorted[--choice->first[items[i].parent]] = (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        choice->left[i] = choice->first[i + 1] - choice->first[i];
    return true;
}

static bool is_larger(const struct choice *choice, uint32_t left, uint32_t right)
{
    const struct mx_cut_item *items = choice->cut.items.items;
    return items[left].retained != items[right].retained ? items[left].retained > items[right].retained : left < right;
}

static bool enqueue(struct choice *choice, uint32_t item)
{
    if (!mx_array_push(&choice->queue, item))
        return false;
    uint32_t *queue = choice->queue.items;
    size_t at = choice->queue.count - 1;
    for (; at > 0 && is_larger(choice, item, queue[(at - 1) / 2]); at = (at - 1) / 2)
        queue[at] = queue[(at - 1) / 2];
    queue[at] = item;
    return true;
}

static uint32_t dequeue(struct choice *choice)
{
    uint32_t *queue = choice->queue.items, top = queue[0], moved = queue[--choice->queue.count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < choice->queue.count) {
        child += child + 1 < choice->queue.count && is_larger(choice, queue[child + 1], queue[child]);
        if (!is_larger(choice, queue[child], moved))
            break;
        queue[at] = queue[child];
        at = child;
    }
    queue[at] = moved;
    return top;
}

/* Showing one more never makes the nodes fewer, so that the first that does not fit is the end. */
static bool has_room(struct choice *choice, uint32_t item)
{
    bool ends_rest = item && choice->left[choice->cut.items.items[item].parent] == 1;
    size_t rests = choice->rests + (choice->left[item] > 0) - ends_rest;
    if (choice->shown.count + 1 + rests > choice->cut.query.nodes)
        return false;
    choice->rests = rests;
    return true;
}

static bool choose(struct choice *choice)
{
    bool ok = enqueue(choice, 0);
    while (ok && choice->queue.count) {
        uint32_t item = dequeue(choice);
        if (!has_room(choice, item))
            break;
        if (item)
            choice->left[choice->cut.items.items[item].parent]--;
        choice->node[item] = (uint32_t)choice->shown.count;
        ok = mx_array_push(&choice->shown, item);
        for (uint32_t i = choice->first[item]; ok && i < choice->first[item + 1]; i++)
            ok = enqueue(choice, choice->sorted[i]);
    }
    return ok;
}

static const char *label_text(const struct choice *choice, const struct mx_cut_item *item)
{
    if (item->label != MX_MAP_NONE)
        return choice->cut.origins.labels.items[item->label];
    return choice->cut.graph->heap->kinds[item->block] == MX_BLOCK_RAW ? mx_label_unowned : mx_label_garbage;
}

static struct mx_outline_node describe(struct choice *choice, const struct mx_cut_item *item)
{
    struct mx_outline_node node = {.count = item->count, .retained = item->retained, .name = ""};
    node.parent = choice->node[item->parent];
    if (item->kind == MX_CUT_LABEL) {
        const char *text = label_text(choice, item);
        node.type = mx_strtab_add(&choice->outline->names, text, strlen(text));
        return node;
    }
    if (item->block == MX_NO_BLOCK) {
        node.type = "heap";
        return node;
    }
    struct mx_node block = mx_node_describe(choice->cut.graph, item->block);
    node.type = block.type;
    node.address = item->count == 1 ? block.address : 0;
    node.own = item->kind == MX_CUT_GROUP ? item->retained : mx_cut_own(&choice->cut, item->block);
    return node;
}

/* What is not shown of an item's children. */
static struct mx_outline_node describe_rest(const struct choice *choice, uint32_t item)
{
    struct mx_outline_node rest = {.parent = choice->node[item], .type = "rest", .name = ""};
    for (uint32_t i = choice->first[item]; i < choice->first[item + 1]; i++) {
        const struct mx_cut_item *child = &choice->cut.items.items[choice->sorted[i]];
        if (choice->node[choice->sorted[i]] != MX_NO_BLOCK)
            continue;
        rest.count += child->count;
        rest.retained += child->retained;
    }
    rest.own = rest.retained;
    return rest;
}

static bool make_nodes(struct choice *choice)
{
    struct mx_outline *outline = choice->outline;
    for (size_t i = 0; i < choice->shown.count; i++) {
        struct mx_outline_node node = describe(choice, &choice->cut.items.items[choice->shown.items[i]]);
        if (!node.type || !mx_array_push(&outline->nodes, node))
            return false;
    }
    for (size_t i = 0; i < choice->shown.count; i++)
        if (choice->left[choice->shown.items[i]] &&
            !mx_array_push(&outline->nodes, describe_rest(choice, choice->shown.items[i])))
            return false;
    return true;
}

/* A parent names what it retains; what hangs on a root is named by the last step of the shortest way to it. */
static uint32_t holder_of(const struct choice *choice, const struct mx_cut_item *item)
{
    const struct mx_cut_item *parent = &choice->cut.items.items[item->parent];
    if (item->kind == MX_CUT_TOP || item->kind == MX_CUT_LABEL || item->count != 1)
        return MX_NO_BLOCK;
    if (parent->kind != MX_CUT_LABEL)
        return parent->block;
    uint32_t holder = choice->cut.graph->parents[item->block];
    return holder == item->block ? MX_NO_BLOCK : holder;
}

static bool list_named(struct choice *choice)
{
    for (uint32_t i = 0; i < choice->shown.count; i++) {
        const struct mx_cut_item *item = &choice->cut.items.items[choice->shown.items[i]];
        struct named named = {holder_of(choice, item), item->block, i};
        if (named.holder == MX_NO_BLOCK)
            continue;
        if (!mx_array_push(&choice->named, named) || !mx_map_set(&choice->by_block, (uint64_t)named.block + 1, i))
            return false;
    }
    return true;
}

static int compare_named(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    if (left->holder != right->holder)
        return left->holder < right->holder ? -1 : 1;
    return left->node < right->node ? -1 : left->node > right->node;
}

struct naming {
    struct choice *choice;
    const struct named *first, *end; /* of one holder */
    size_t left;                     /* without a name */
    bool no_memory;
};

static bool is_awaited(const struct naming *naming, uint32_t node)
{
    struct named wanted = {.holder = naming->first->holder, .node = node};
    return bsearch(&wanted, naming->first, (size_t)(naming->end - naming->first), sizeof(wanted), compare_named);
}

static bool name_node(void *context, const struct mx_edge *edge)
{
    struct naming *naming = context;
    struct choice *choice = naming->choice;
    uint32_t block = mx_graph_target(choice->cut.graph, edge);
    uint32_t index = block == MX_NO_BLOCK ? MX_MAP_NONE : mx_map_get(&choice->by_block, (uint64_t)block + 1);
    if (index == MX_MAP_NONE || (edge->class & MX_EDGE_CLASS) == MX_EDGE_BORROWED || !is_awaited(naming, index))
        return true;
    struct mx_outline_node *node = &choice->outline->nodes.items[index];
    if (*node->name)
        return true;
    node->name = mx_edge_label(choice->cut.graph, edge, &choice->outline->names);
    naming->no_memory = !node->name;
    return !naming->no_memory && --naming->left;
}

/* All that one holder has in one look at it: it may have a million more. */
static const struct named *name_of_holder(struct choice *choice, const struct named *first, const struct named *last)
{
    const struct mx_type *type;
    struct naming naming = {.choice = choice, .first = first, .end = first};
    while (naming.end < last && naming.end->holder == first->holder)
        naming.end++;
    naming.left = (size_t)(naming.end - first);
    mx_addr object = mx_graph_object(choice->cut.graph, first->holder, &type);
    if (object)
        mx_referents_each(&choice->cut.graph->referents, type, object, name_node, &naming);
    return naming.no_memory ? NULL : naming.end;
}

static struct mx_error *name_nodes(struct choice *choice)
{
    if (!list_named(choice))
        return mx_error_no_memory();
    if (choice->named.count)
        qsort(choice->named.items, choice->named.count, sizeof(struct named), compare_named);
    mx_work_begin(&choice->cut.work, choice->cut.work.progress, "naming what is large", choice->named.count);
    const struct named *at = choice->named.items, *end = at + choice->named.count;
    while (at < end) {
        const struct named *next = name_of_holder(choice, at, end);
        if (!next)
            return mx_error_no_memory();
        if (!mx_work_step(&choice->cut.work, (uint64_t)(next - at)))
            return mx_error_cancelled();
        at = next;
    }
    return NULL;
}

static struct mx_error *fill(struct choice *choice)
{
    if (!sort_children(choice) || !choose(choice) || !make_nodes(choice))
        return mx_error_no_memory();
    return name_nodes(choice);
}

static void drop_choice(struct choice *choice)
{
    mx_cut_deinit(&choice->cut);
    free(choice->first);
    free(choice->sorted);
    free(choice->node);
    free(choice->left);
    mx_array_free(&choice->queue);
    mx_array_free(&choice->shown);
    mx_array_free(&choice->named);
    mx_map_deinit(&choice->by_block);
}

struct mx_error *mx_outline_open(struct mx_retained *retained, const struct mx_outline_query *query,
                                 const struct mx_progress *progress, struct mx_outline **ret)
{
    struct mx_outline_query bounded = *query;
    struct choice choice = {.outline = mx_calloc(1, sizeof(struct mx_outline))};
    if (!choice.outline)
        return mx_error_no_memory();
    bounded.nodes = !query->nodes ? NODES : query->nodes < LEAST_NODES ? LEAST_NODES : query->nodes;
    struct mx_error *error = mx_cut_open(retained, &bounded, progress, &choice.cut);
    if (!error)
        error = fill(&choice);
    drop_choice(&choice);
    if (error) {
        mx_outline_close(choice.outline);
        return error;
    }
    *ret = choice.outline;
    return NULL;
}

const struct mx_outline_node *mx_outline_nodes(const struct mx_outline *outline, size_t *count)
{
    *count = outline->nodes.count;
    return outline->nodes.items;
}

void mx_outline_close(struct mx_outline *outline)
{
    if (!outline)
        return;
    mx_array_free(&outline->nodes);
    mx_strtab_deinit(&outline->names);
    free(outline);
}
