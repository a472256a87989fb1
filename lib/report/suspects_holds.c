/* SPDX-License-Identifier: Apache-2.0
 *
 * What holders hold: the elements directly below them by type, and one of the
 * type that most bytes are of, with its name.
 */
#include <stdio.h>
#include <string.h>

#include "report/reference.h"
#include "report/suspects.h"

enum {
    ROOM = 1536,
    MOST_STEPS = 6, /* from a holder to its example */
    STEP = 1 << 20, /* blocks between looks at the progress */
};

/* What hangs directly on one holder, of one type. */
struct share {
    uint32_t pick; /* index */
    uint32_t type; /* of the heap, or MX_MAP_NONE for buffers */
    uint64_t count, bytes, most;
    uint32_t example; /* the largest */
};

struct shares {
    const struct mx_picks *picks;
    struct mx_map by_inner; /* block + 1 -> index of the pick whose bytes fan out there */
    struct mx_map by_key;   /* pick and type -> index */
    MX_ARRAY(struct share) shares;
};

static bool add_share(struct shares *shares, uint32_t pick, uint32_t type, uint32_t block, uint64_t bytes)
{
    uint64_t key = ((uint64_t)pick << 32 | type) + 1;
    uint32_t index = mx_map_get(&shares->by_key, key);
    if (index == MX_MAP_NONE) {
        index = (uint32_t)shares->shares.count;
        if (!mx_array_push(&shares->shares, (struct share){.pick = pick, .type = type}) ||
            !mx_map_set(&shares->by_key, key, index))
            return false;
    }
    struct share *share = shares->shares.items ? &shares->shares.items[index] : NULL;
    if (!share)
        return false;
    share->example = bytes > share->most ? block : share->example;
    share->most = bytes > share->most ? bytes : share->most;
    share->count++;
    share->bytes += bytes;
    return true;
}

static bool index_picks(struct shares *shares)
{
    for (uint32_t i = 0; i < shares->picks->items.count; i++)
        if (!mx_map_set(&shares->by_inner, (uint64_t)shares->picks->items.items[i].inner + 1, i))
            return false;
    return true;
}

/* Of a namespace's rest, what is large was picked by itself. */
static struct mx_error *count_shares(struct mx_holding *holding, uint64_t least, struct shares *shares)
{
    const struct mx_heap *heap = holding->retained->graph->heap;
    uint32_t blocks = holding->retained->dominators.blocks;
    for (uint32_t block = 0; block < blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(&holding->work, STEP))
            return mx_error_cancelled();
        uint64_t bytes = holding->bytes[block];
        uint32_t owner = holding->owners[block];
        uint32_t pick = owner >= blocks || !bytes ? MX_MAP_NONE : mx_map_get(&shares->by_inner, (uint64_t)owner + 1);
        if (pick == MX_MAP_NONE || (shares->picks->items.items[pick].is_rest && bytes >= least))
            continue;
        if (!add_share(shares, pick, mx_heap_type_of(heap, block), block, bytes))
            return mx_error_no_memory();
    }
    return NULL;
}

struct label_search {
    const struct mx_graph *graph;
    struct mx_strtab *names;
    const char *label;
};

static bool take_label(void *context, const struct mx_edge *edge)
{
    struct label_search *search = context;
    if (edge->class > MX_EDGE_OWNED)
        return true;
    search->label = mx_edge_label(search->graph, edge, search->names);
    return false;
}

const char *mx_label_between(const struct mx_graph *graph, uint32_t from, uint32_t to, struct mx_strtab *names)
{
    struct label_search search = {graph, names, ""};
    mx_edges_between(graph, from, to, take_label, &search);
    return search.label;
}

static void append_label(char *text, const char *label)
{
    size_t used = strlen(text);
    bool is_field = strchr("[.<", *label) == NULL, is_told = !strncmp(label, "local ", 6) || !strncmp(label, "key ", 4);
    const char *joint = used && (*label == '<' || is_told) ? " → " : is_field && !is_told ? "." : "";
    snprintf(text + used, ROOM - used, "%s%s", joint, label);
}

/* The names of the steps from the holder to its example along the shortest way; "" when that goes elsewhere. */
static const char *name_example(const struct mx_graph *graph, uint32_t holder, uint32_t example,
                                struct mx_strtab *names)
{
    uint32_t steps[MOST_STEPS], at = example;
    size_t count = 0;
    char text[ROOM] = "";
    while (at != holder && at != MX_NO_BLOCK && count < MOST_STEPS && graph->parents[at] != at) {
        steps[count++] = at;
        at = graph->parents[at];
    }
    for (bool leads = at == holder; leads && count > 0; at = steps[--count]) {
        const char *label = mx_label_between(graph, at, steps[count - 1], names);
        if (!label)
            return NULL;
        append_label(text, label);
    }
    return mx_strtab_add(names, text, strlen(text));
}

static struct mx_error *describe_share(const struct mx_holding *holding, const struct shares *shares,
                                       const struct share *share, struct mx_strtab *names, struct mx_suspect *rows)
{
    const struct mx_graph *graph = holding->retained->graph;
    struct mx_suspect *row = &rows[share->pick];
    const struct mx_type *type;
    if (share->bytes <= row->holds_bytes)
        return NULL;
    bool is_raw = share->type == MX_MAP_NONE;
    row->holds_type = is_raw ? "raw block" : graph->heap->types.items[share->type].name;
    row->holds_count = share->count;
    row->holds_bytes = share->bytes;
    row->example = is_raw ? 0 : mx_graph_object(graph, share->example, &type);
    row->example_path =
        is_raw ? "" : name_example(graph, shares->picks->items.items[share->pick].holder, share->example, names);
    return row->example_path ? NULL : mx_error_no_memory();
}

struct mx_error *mx_holds_find(struct mx_holding *holding, const struct mx_picks *picks, uint64_t least,
                               struct mx_strtab *names, struct mx_suspect *rows)
{
    struct shares shares = {.picks = picks};
    struct mx_error *error = index_picks(&shares) ? count_shares(holding, least, &shares) : mx_error_no_memory();
    for (size_t i = 0; !error && i < shares.shares.count; i++)
        error = describe_share(holding, &shares, &shares.shares.items[i], names, rows);
    mx_map_deinit(&shares.by_inner);
    mx_map_deinit(&shares.by_key);
    mx_array_free(&shares.shares);
    return error;
}
