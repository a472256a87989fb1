/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths from roots. The shortest one is what heap/reach.h keeps; the next ones
 * differ from it, and from each other, in what holds the object last: each is the
 * shortest way to another of its referrers, not by way of the object.
 */
#include <ctype.h>
#include <inttypes.h>

#include "heap/reach.h"
#include "report/reference.h"

enum {
    MOST_CANDIDATES = 4096,
    MOST_STEPS = 1 << 24,      /* of all candidates' ways together */
    MOST_EXPRESSION = 1 << 20, /* longer ones are not for reading */
};

struct mx_path {
    struct mx_graph *graph;
    MX_ARRAY(uint32_t) blocks; /* from the root's object on */
    MX_ARRAY(struct mx_node) nodes;
    MX_ARRAY(struct mx_reference) references;
    struct mx_strtab names;
    MX_ARRAY(char) expression; /* empty: there is none */
    bool has_expression;
    size_t dict_at; /* where ".__dict__" begins that may be left out; 0 = nowhere */
};

/* What holds the object last: a root or a block. */
struct candidate {
    uint32_t holder; /* MX_NO_BLOCK: a root */
    size_t root;     /* index; for a holder: unused */
    uint32_t length;
    uint32_t order;
};

struct search {
    struct mx_path *path;
    const struct mx_graph *graph;
    uint32_t block;
    const uint32_t *parents;
    const char *from;
    MX_ARRAY(struct candidate) candidates;
    uint32_t steps;
    bool no_memory;
};

static bool begins_with(const struct mx_graph *graph, const struct mx_root *root, const char *from)
{
    char name[MX_REFERENCE_NAME];
    return mx_root_name(&graph->target->types, root, MX_EDGE_LABEL, name, sizeof(name)) &&
           !strncmp(name, from, strlen(from));
}

static bool filter_roots(void *context, const struct mx_root *root)
{
    const struct search *search = context;
    return root->kind != MX_ROOT_CACHE && begins_with(search->graph, root, search->from);
}

static bool is_wanted(const struct search *search, const struct mx_root *root)
{
    return search->from ? begins_with(search->graph, root, search->from) : root->kind != MX_ROOT_CACHE;
}

static void add_candidate(struct search *search, struct candidate candidate)
{
    candidate.order = (uint32_t)search->candidates.count;
    if (!mx_array_push(&search->candidates, candidate))
        search->no_memory = true;
}

/* Words of one C stack have one name: as paths they are one. */
static bool repeats_last(const struct search *search, const struct mx_root *root)
{
    char name[MX_REFERENCE_NAME];
    size_t count = search->candidates.count;
    return count && !root->exact &&
           mx_root_name(&search->graph->target->types, root, MX_EDGE_LABEL, name, sizeof(name)) &&
           begins_with(search->graph, &search->graph->roots.items[search->candidates.items[count - 1].root].root, name);
}

/* The better roots first: by rank, then in their own order. */
static void add_root_candidates(struct search *search)
{
    size_t first, count = mx_graph_roots_of(search->graph, search->block, &first);
    for (unsigned rank = 0; rank < MX_ROOT_RANKS; rank++)
        for (size_t i = first; i < first + count; i++) {
            uint32_t index = search->graph->roots_by_block[i];
            const struct mx_root *root = &search->graph->roots.items[index].root;
            if (mx_root_rank(root) == rank && is_wanted(search, root) && !repeats_last(search, root))
                add_candidate(search, (struct candidate){.holder = MX_NO_BLOCK, .root = index});
        }
}

/* How many references lead from a root to the block; 0 when the way is by the object itself, or too long to tell. */
static uint32_t length_of(struct search *search, uint32_t block)
{
    uint32_t length = 1;
    for (; block != search->block && search->steps < MOST_STEPS; search->steps++, length++) {
        if (search->parents[block] == block)
            return length;
        block = search->parents[block];
    }
    return 0;
}

static void add_holder_candidates(struct search *search)
{
    const struct mx_rows *rows = &search->graph->reverse;
    uint32_t from = rows->first[search->block], until = rows->first[search->block + 1];
    for (uint32_t i = from; i < until && search->candidates.count < MOST_CANDIDATES; i++) {
        uint32_t holder = rows->targets[i];
        bool is_seen = i > from && rows->targets[i - 1] == holder && search->candidates.count &&
                       search->candidates.items[search->candidates.count - 1].holder == holder;
        if (is_seen || (rows->classes[i] & MX_EDGE_CLASS) > MX_EDGE_OWNED || search->parents[holder] == MX_NO_BLOCK)
            continue;
        uint32_t length = length_of(search, holder);
        if (length)
            add_candidate(search, (struct candidate){.holder = holder, .length = length});
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* The way that the search found goes first: it counts how good a root is before how far. */
static bool is_first(const struct search *search, const struct candidate *candidate)
{
    uint32_t parent = search->parents[search->block];
    return parent == search->block ? candidate->holder == MX_NO_BLOCK : candidate->holder == parent;
}

static struct mx_error *pick(struct search *search, unsigned nth, struct candidate *ret)
{
    size_t count = search->candidates.count, passed = 0;
    if (count)
        qsort(search->candidates.items, count, sizeof(struct candidate), compare_candidates);
    size_t first = 0;
    while (first < count && !is_first(search, &search->candidates.items[first]))
        first++;
    if (nth == 0 && first < count) {
        *ret = search->candidates.items[first];
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (i != first && ++passed == nth) {
            *ret = search->candidates.items[i];
            return NULL;
        }
    return mx_error_new(MX_ERROR_NOT_FOUND, "there %s only %zu path%s to this object", count == 1 ? "is" : "are", count,
                        count == 1 ? "" : "s");
}

static struct mx_error *choose(struct search *search, unsigned nth, struct candidate *ret)
{
    uint32_t parent = search->parents[search->block];
    if (nth == 0 && parent != search->block) {
        *ret = (struct candidate){.holder = parent};
        return NULL;
    }
    add_root_candidates(search);
    if (nth)
        add_holder_candidates(search);
    return search->no_memory ? mx_error_no_memory() : pick(search, nth, ret);
}

static struct mx_error *collect_blocks(struct search *search, const struct candidate *candidate)
{
    struct mx_path *path = search->path;
    bool ok = mx_array_push(&path->blocks, search->block);
    uint32_t block = candidate->holder;
    while (ok && block != MX_NO_BLOCK) {
        ok = mx_array_push(&path->blocks, block);
        block = search->parents[block] == block ? MX_NO_BLOCK : search->parents[block];
    }
    for (size_t low = 0, high = path->blocks.count; ok && low + 1 < high; low++, high--) {
        uint32_t swapped = path->blocks.items[low];
        path->blocks.items[low] = path->blocks.items[high - 1];
        path->blocks.items[high - 1] = swapped;
    }
    return ok ? NULL : mx_error_no_memory();
}

static bool append(struct mx_path *path, const char *text, size_t length)
{
    if (path->expression.count + length > MOST_EXPRESSION) {
        path->has_expression = false;
        return true;
    }
    if (!mx_array_reserve(&path->expression, path->expression.count + length + 1))
        return false;
    memcpy(path->expression.items + path->expression.count, text, length + 1);
    path->expression.count += length;
    return true;
}

/* "['name']" of an identifier: the length of the name, else 0. Names with two underscores mean other things to types.
 */
static size_t identifier_in_key(const char *text)
{
    size_t length = strlen(text);
    if (length < 5 || strncmp(text, "['", 2) != 0 || strcmp(text + length - 2, "']") != 0 || isdigit(text[2]))
        return 0;
    for (size_t i = 2; i < length - 2; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return 0;
    return strncmp(text + 2, "__", 2) ? length - 4 : 0;
}

static bool is_keyword(const char *name, size_t length)
{
    static const char *const keywords[] = {
        "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
        "class", "continue", "def",   "del",    "elif", "else",   "except", "for",      "finally",
        "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
        "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
    };
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (strlen(keywords[i]) == length && !strncmp(keywords[i], name, length))
            return true;
    return false;
}

/* Looked up on a type, or by way of one, these give something else than what the dict holds: they have a __get__. */
static bool is_plain(const struct mx_graph *graph, uint32_t owner, uint32_t value)
{
    const struct mx_type *owner_type, *type;
    mx_graph_object(graph, owner, &owner_type);
    mx_graph_object(graph, value, &type);
    return owner_type && type && (owner_type->kind != MX_KIND_TYPE || type->kind != MX_KIND_OTHER);
}

/* What a step adds, with obj.__dict__['name'] written as obj.name where that means the same. */
static bool append_step(struct mx_path *path, size_t index, const char *text)
{
    size_t name = path->dict_at ? identifier_in_key(text) : 0;
    if (name && !is_keyword(text + 2, name) &&
        is_plain(path->graph, path->blocks.items[index - 2], path->blocks.items[index])) {
        path->expression.count = path->dict_at;
        path->dict_at = 0;
        return append(path, ".", 1) && append(path, text + 2, name) &&
               (path->expression.items[path->expression.count] = '\0', true);
    }
    path->dict_at = !strcmp(text, ".__dict__") ? path->expression.count : 0;
    return append(path, text, strlen(text));
}

/* One step: of parallel edges a counted and exact one, and best one with a form in Python. */
struct step {
    struct mx_path *path;
    struct mx_edge edge;
    int quality; /* of `edge`; -1 = none yet */
    char text[MX_REFERENCE_NAME];
};

static bool weigh_edge(void *context, const struct mx_edge *edge)
{
    enum { BEST = 3 };
    struct step *step = context;
    char text[MX_REFERENCE_NAME];
    if (edge->class > MX_EDGE_OWNED)
        return true;
    bool has_form =
        mx_edge_name(&step->path->graph->target->types, edge, MX_EDGE_EXPRESSION, text, sizeof(text)) && text[0];
    int quality = edge->exact + 2 * has_form;
    if (quality <= step->quality)
        return true;
    step->quality = quality;
    step->edge = *edge;
    memcpy(step->text, has_form ? text : "", has_form ? strlen(text) + 1 : 1);
    return quality < BEST;
}

/* A function's annotations are a tuple until they are asked for, and a new dict from then on. */
static bool is_made_anew(const struct mx_path *path, size_t index, const char *text)
{
    const struct mx_type *type;
    mx_graph_object(path->graph, path->blocks.items[index], &type);
    return type && type->kind == MX_KIND_TUPLE && !strcmp(text, ".__annotations__");
}

static bool add_step(struct mx_path *path, size_t index)
{
    struct step step = {.path = path, .quality = -1};
    mx_edges_between(path->graph, path->blocks.items[index - 1], path->blocks.items[index], weigh_edge, &step);
    const char *name = step.quality < 0 ? "?" : mx_edge_label(path->graph, &step.edge, &path->names);
    path->has_expression = path->has_expression && step.text[0] && !is_made_anew(path, index, step.text);
    if (path->has_expression && !append_step(path, index, step.text))
        return false;
    return name && mx_array_push(&path->references, (struct mx_reference){.from = path->nodes.items[index - 1].address,
                                                                          .to = path->nodes.items[index].address,
                                                                          .kind = mx_reference_kind_of(step.edge.class),
                                                                          .exact = step.edge.exact,
                                                                          .name = name});
}

/* What a type calls its __dict__ is a proxy made when asked for: it stands for the dict only where it is looked into.
 */
static bool ends_in_proxy(const struct mx_path *path)
{
    const struct mx_type *type = NULL;
    if (path->dict_at && path->blocks.count > 1)
        mx_graph_object(path->graph, path->blocks.items[path->blocks.count - 2], &type);
    return type && type->kind == MX_KIND_TYPE;
}

static struct mx_error *describe(struct mx_path *path, const struct mx_root *root)
{
    char text[MX_REFERENCE_NAME];
    const char *name = mx_root_label(path->graph, root, &path->names);
    path->has_expression =
        mx_root_name(&path->graph->target->types, root, MX_EDGE_EXPRESSION, text, sizeof(text)) && text[0];
    bool ok = name && (!path->has_expression || append(path, text, strlen(text)));
    for (size_t i = 0; ok && i < path->blocks.count; i++) {
        struct mx_node node = mx_node_describe(path->graph, path->blocks.items[i]);
        node.depth = (uint32_t)i;
        ok = mx_array_push(&path->nodes, node);
        if (ok && i == 0)
            ok = mx_array_push(&path->references,
                               (struct mx_reference){
                                   .to = node.address, .kind = MX_REFERENCE_ROOT, .exact = root->exact, .name = name});
        else if (ok)
            ok = add_step(path, i);
    }
    path->has_expression = path->has_expression && !ends_in_proxy(path);
    return ok ? NULL : mx_error_no_memory();
}

/* The best root of the block that a path begins with. */
static const struct mx_root *best_root(struct search *search, uint32_t block)
{
    size_t first, count = mx_graph_roots_of(search->graph, block, &first);
    const struct mx_root *best = NULL;
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &search->graph->roots.items[search->graph->roots_by_block[i]].root;
        if (is_wanted(search, root) && (!best || mx_root_rank(root) < mx_root_rank(best)))
            best = root;
    }
    return best;
}

static struct mx_error *unreachable(const struct search *search)
{
    struct mx_node node = mx_node_describe(search->graph, search->block);
    if (search->from)
        return mx_error_new(MX_ERROR_NOT_FOUND, "no root whose name begins with '%s' reaches the %s at 0x%" PRIx64,
                            search->from, node.type, node.address);
    return mx_error_new(MX_ERROR_NOT_FOUND, "the %s at 0x%" PRIx64 " is unreachable: garbage, or held by C code only",
                        node.type, node.address);
}

static struct mx_error *follow(struct search *search, unsigned nth)
{
    struct candidate candidate = {.holder = MX_NO_BLOCK};
    if (search->parents[search->block] == MX_NO_BLOCK)
        return unreachable(search);
    MX_TRY(choose(search, nth, &candidate));
    MX_TRY(collect_blocks(search, &candidate));
    bool is_given = candidate.holder == MX_NO_BLOCK;
    const struct mx_root *root =
        is_given ? &search->graph->roots.items[candidate.root].root : best_root(search, search->path->blocks.items[0]);
    return root ? describe(search->path, root) : unreachable(search);
}

static struct mx_error *find(struct mx_path *path, mx_addr object, unsigned nth, const char *from,
                             const struct mx_progress *progress)
{
    struct mx_graph *graph = path->graph;
    struct search search = {.path = path, .graph = graph, .from = from && from[0] ? from : NULL};
    uint32_t *parents = NULL;
    MX_TRY(mx_place_find(graph, object, false, &search.block));
    MX_TRY(mx_graph_referrers(graph, progress));
    struct mx_reach_query query = {
        .filter = filter_roots, .context = &search, .until = nth ? MX_NO_BLOCK : search.block, .progress = progress};
    MX_TRY(search.from ? mx_graph_reach(graph, &query, &parents) : mx_graph_parents(graph, progress));
    search.parents = parents ? parents : graph->parents;
    struct mx_error *error = follow(&search, nth);
    mx_array_free(&search.candidates);
    free(parents);
    return error;
}

struct mx_error *mx_path_open(struct mx_graph *graph, mx_addr object, unsigned nth, const char *from,
                              const struct mx_progress *progress, struct mx_path **ret)
{
    struct mx_path *path = mx_calloc(1, sizeof(*path));
    if (!path)
        return mx_error_no_memory();
    path->graph = graph;
    struct mx_error *error = find(path, object, nth, from, progress);
    if (error) {
        mx_path_close(path);
        return error;
    }
    *ret = path;
    return NULL;
}

const struct mx_node *mx_path_nodes(const struct mx_path *path, size_t *count)
{
    *count = path->nodes.count;
    return path->nodes.items;
}

const struct mx_reference *mx_path_references(const struct mx_path *path, size_t *count)
{
    *count = path->references.count;
    return path->references.items;
}

const char *mx_path_expression(const struct mx_path *path)
{
    return path->has_expression ? path->expression.items : NULL;
}

void mx_path_close(struct mx_path *path)
{
    if (!path)
        return;
    mx_array_free(&path->blocks);
    mx_array_free(&path->nodes);
    mx_array_free(&path->references);
    mx_strtab_deinit(&path->names);
    mx_array_free(&path->expression);
    free(path);
}
