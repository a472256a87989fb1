/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks holders from their tree: down from the root along what keeps nearly
 * all of its holder's bytes, to the point where the bytes fan out.
 *
 *   namespace     each large element is looked at by itself, the rest is the namespace's
 *   instance ...  when a few large elements make up nearly all of it, each by itself
 *   container     itself
 *
 * Only blocks that hold at least the wanted share are in memory here; they are few, unless a list is linked.
 */
#include "report/suspects.h"

#include <string.h>

enum {
    FOLLOWED_PERCENT = 80, /* of its holder's bytes: an element that is followed, or several that stand for it */
    MOST_PARTS = 8,        /* elements that are told one by one where none of them stands out */
    OUTSTANDING_PERCENT = 20,
    MOST_ALIKE = 16, /* steps over objects of one type: more are a linked list */
    MOST_LIFTS = 3,
};

struct big {
    uint32_t block;
    uint32_t parent;      /* index; of the root, itself */
    uint32_t first, next; /* children, largest first; MX_MAP_NONE = none */
    bool is_known;        /* `value` is */
    uint64_t value;       /* bytes to be explained */
};

struct chooser {
    struct mx_holding *holding;
    const struct mx_holding *before;
    uint64_t least;
    MX_ARRAY(struct big) bigs; /* the root first */
    struct mx_map by_block;    /* block + 1 -> index */
    MX_ARRAY(uint32_t) waiting;
    struct mx_picks *picks;
};

static const struct mx_graph *graph_of(const struct chooser *chooser)
{
    return chooser->holding->retained->graph;
}

static int compare_bigs(const void *a, const void *b)
{
    const struct big *left = a, *right = b;
    if (left->value != right->value)
        return left->value < right->value ? 1 : -1;
    return left->block < right->block ? -1 : left->block > right->block;
}

/* Objects only: a buffer is its owner's. Until they are linked, `value` is what hangs on them. */
static bool collect(struct chooser *chooser)
{
    const struct mx_holding *holding = chooser->holding;
    const uint16_t *kinds = graph_of(chooser)->heap->kinds;
    uint32_t blocks = holding->retained->dominators.blocks;
    struct big root = {.block = blocks, .first = MX_MAP_NONE, .next = MX_MAP_NONE, .value = holding->bytes[blocks]};
    if (!mx_array_push(&chooser->bigs, root))
        return false;
    for (uint32_t block = 0; block < blocks; block++) {
        if (holding->bytes[block] < chooser->least || kinds[block] == MX_BLOCK_RAW || kinds[block] == MX_BLOCK_FREE)
            continue;
        struct big big = {.block = block, .first = MX_MAP_NONE, .value = holding->bytes[block]};
        if (!mx_array_push(&chooser->bigs, big))
            return false;
    }
    qsort(chooser->bigs.items + 1, chooser->bigs.count - 1, sizeof(struct big), compare_bigs);
    return true;
}

/* From the smallest to the largest, so that the largest child comes first. What nothing reaches is left alone. */
static bool link_children(struct chooser *chooser)
{
    struct big *bigs = chooser->bigs.items;
    for (uint32_t i = 0; i < chooser->bigs.count; i++)
        if (!mx_map_set(&chooser->by_block, (uint64_t)bigs[i].block + 1, i))
            return false;
    for (uint32_t i = (uint32_t)chooser->bigs.count; i-- > 1;) {
        uint32_t owner = chooser->holding->owners[bigs[i].block];
        uint32_t parent = mx_map_get(&chooser->by_block, (uint64_t)owner + 1);
        bigs[i].parent = parent;
        bigs[i].next = MX_MAP_NONE;
        if (parent == MX_MAP_NONE)
            continue;
        bigs[i].next = bigs[parent].first;
        bigs[parent].first = i;
    }
    return true;
}

/* How much more it is than in the other process; all of it when it was not there. */
static struct mx_error *find_value(struct chooser *chooser, struct big *big)
{
    uint32_t twin;
    if (big->is_known)
        return NULL;
    big->is_known = true;
    if (!chooser->before)
        return NULL;
    MX_TRY(mx_twin_find(chooser->holding->retained->graph, big->block, chooser->before->retained->graph, &twin));
    uint64_t before = twin == MX_NO_BLOCK ? 0 : chooser->before->bytes[twin];
    big->value = big->value > before ? big->value - before : 0;
    return NULL;
}

/* The children that matter. */
struct kids {
    uint32_t count, best;
    uint64_t sum, most;
};

static struct mx_error *count_kids(struct chooser *chooser, uint32_t at, struct kids *ret)
{
    struct kids kids = {.best = MX_MAP_NONE};
    for (uint32_t i = chooser->bigs.items[at].first; i != MX_MAP_NONE; i = chooser->bigs.items[i].next) {
        struct big *big = &chooser->bigs.items[i];
        MX_TRY(find_value(chooser, big));
        if (big->value < chooser->least)
            continue;
        kids.count++;
        kids.sum += big->value;
        kids.best = big->value > kids.most ? i : kids.best;
        kids.most = big->value > kids.most ? big->value : kids.most;
    }
    *ret = kids;
    return NULL;
}

static bool is_percent(uint64_t part, uint64_t whole, unsigned percent)
{
    return (double)part * 100 >= (double)whole * percent;
}

static const struct mx_type *type_of(const struct chooser *chooser, uint32_t index)
{
    const struct mx_type *type = NULL;
    if (index)
        mx_graph_object(graph_of(chooser), chooser->bigs.items[index].block, &type);
    return type;
}

/* Whether the label of what leads to a block is that of an instance's dict. */
static struct mx_error *is_instance_dict(const struct chooser *chooser, uint32_t index, bool *ret)
{
    const struct big *big = &chooser->bigs.items[index];
    const struct mx_type *type = type_of(chooser, index);
    struct mx_strtab names = {0};
    *ret = false;
    if (!type || type->kind != MX_KIND_DICT || !big->parent || big->parent == MX_MAP_NONE)
        return NULL;
    const char *label = mx_label_between(graph_of(chooser), chooser->bigs.items[big->parent].block, big->block, &names);
    *ret = label && !strcmp(label, "__dict__");
    struct mx_error *error = label ? NULL : mx_error_no_memory();
    mx_strtab_deinit(&names);
    return error;
}

/* A reader knows a holder by what owns it: a cache by its wrapper, a dict of attributes by its instance. */
static struct mx_error *lift(const struct chooser *chooser, uint32_t *index)
{
    uint32_t at = *index;
    for (int i = 0; i < MOST_LIFTS && at && at != MX_MAP_NONE; i++, at = chooser->bigs.items[at].parent) {
        const struct mx_type *type = type_of(chooser, at);
        if (type && !strcmp(type->name, "functools._lru_cache_wrapper"))
            *index = at;
    }
    bool is_dict;
    MX_TRY(is_instance_dict(chooser, *index, &is_dict));
    if (is_dict)
        *index = chooser->bigs.items[*index].parent;
    return NULL;
}

static struct mx_error *pick(struct chooser *chooser, uint32_t index, uint64_t bytes, bool is_rest)
{
    uint32_t holder = index;
    MX_TRY(lift(chooser, &holder));
    struct big *big = &chooser->bigs.items[holder];
    MX_TRY(find_value(chooser, big));
    struct mx_pick pick = {.holder = big->block,
                           .inner = chooser->bigs.items[index].block,
                           .bytes = is_rest || big->value < bytes ? bytes : big->value,
                           .is_rest = is_rest};
    return mx_array_push(&chooser->picks->items, pick) ? NULL : mx_error_no_memory();
}

/* Each large child by itself, and the rest if that is large. */
static struct mx_error *split(struct chooser *chooser, uint32_t at, const struct kids *kids)
{
    uint64_t value = chooser->bigs.items[at].value;
    for (uint32_t i = chooser->bigs.items[at].first; i != MX_MAP_NONE; i = chooser->bigs.items[i].next)
        if (chooser->bigs.items[i].value >= chooser->least && !mx_array_push(&chooser->waiting, i))
            return mx_error_no_memory();
    bool has_rest = at && value > kids->sum && value - kids->sum >= chooser->least;
    return has_rest ? pick(chooser, at, value - kids->sum, true) : NULL;
}

/* How often each type came on the way down, and where first. */
struct way {
    struct mx_map first, times; /* by type's address */
};

/* True once there were so many objects of its type that they must be a list's links. */
static bool is_linked(struct way *way, const struct mx_type *type, uint32_t index, uint32_t *first)
{
    if (!type)
        return false;
    uint32_t times = mx_map_get(&way->times, type->address);
    if (times == MX_MAP_NONE) {
        mx_map_set(&way->first, type->address, index);
        times = 0;
    }
    mx_map_set(&way->times, type->address, times + 1);
    *first = mx_map_get(&way->first, type->address);
    return times >= MOST_ALIKE && *first != MX_MAP_NONE;
}

static bool is_container(const struct mx_type *type)
{
    switch (type ? type->kind : MX_KIND_OTHER) {
    case MX_KIND_LIST:
    case MX_KIND_TUPLE:
    case MX_KIND_DICT:
    case MX_KIND_ORDERED_DICT:
    case MX_KIND_SET:
    case MX_KIND_DEQUE:
        return true;
    default:
        return false;
    }
}

static struct mx_error *end(struct chooser *chooser, uint32_t at, const struct kids *kids)
{
    bool is_dict, is_split = kids->count && kids->count <= MOST_PARTS &&
                             is_percent(kids->sum, chooser->bigs.items[at].value, FOLLOWED_PERCENT);
    MX_TRY(is_instance_dict(chooser, at, &is_dict));
    if (is_split && (is_dict || !is_container(type_of(chooser, at))))
        return split(chooser, at, kids);
    return pick(chooser, at, chooser->bigs.items[at].value, false);
}

static struct mx_error *end_in_space(struct chooser *chooser, uint32_t at, const struct kids *kids)
{
    bool is_crowd =
        kids->count > MOST_PARTS && !is_percent(kids->most, chooser->bigs.items[at].value, OUTSTANDING_PERCENT);
    if (at && (is_crowd || !kids->count))
        return pick(chooser, at, chooser->bigs.items[at].value, false);
    return split(chooser, at, kids);
}

static struct mx_error *descend(struct chooser *chooser, uint32_t at, struct way *way)
{
    while (true) {
        struct kids kids;
        uint32_t first;
        MX_TRY(count_kids(chooser, at, &kids));
        if (is_linked(way, type_of(chooser, at), at, &first))
            return pick(chooser, first, chooser->bigs.items[first].value, false);
        if (mx_holding_is_space(chooser->holding, chooser->bigs.items[at].block))
            return end_in_space(chooser, at, &kids);
        if (!kids.count || !is_percent(kids.most, chooser->bigs.items[at].value, FOLLOWED_PERCENT))
            return end(chooser, at, &kids);
        at = kids.best;
    }
}

static struct mx_error *choose(struct chooser *chooser)
{
    if (!collect(chooser) || !link_children(chooser))
        return mx_error_no_memory();
    struct big *root = &chooser->bigs.items[0];
    root->is_known = true;
    struct mx_error *error = mx_array_push(&chooser->waiting, 0) ? NULL : mx_error_no_memory();
    while (!error && chooser->waiting.count) {
        struct way way = {0};
        error = descend(chooser, chooser->waiting.items[--chooser->waiting.count], &way);
        mx_map_deinit(&way.first);
        mx_map_deinit(&way.times);
    }
    return error;
}

struct mx_error *mx_picks_choose(struct mx_holding *holding, const struct mx_holding *before, uint64_t least,
                                 struct mx_picks *ret)
{
    struct chooser chooser = {.holding = holding, .before = before, .least = least ? least : 1, .picks = ret};
    struct mx_error *error = choose(&chooser);
    mx_array_free(&chooser.bigs);
    mx_array_free(&chooser.waiting);
    mx_map_deinit(&chooser.by_block);
    return error;
}
