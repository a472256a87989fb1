/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels of the roots that blocks hang on. It knows shortest paths, and nothing
 * of sizes.
 */
#include "report/origins.h"

#include <string.h>

#include "heap/reach.h"
#include "report/reference.h"

const char mx_label_garbage[] = "unreachable";
const char mx_label_unowned[] = "C data of unknown owners";

static const char static_objects[] = "static objects";

/* The index of a label, made when it is new; MX_MAP_NONE when there is no memory. */
static uint32_t label_of(struct mx_origins *origins, const char *text, size_t length)
{
    const char *name = mx_strtab_add(origins->names, text, length);
    uint32_t known = name ? mx_map_get(&origins->by_name, (uintptr_t)name) : MX_MAP_NONE;
    if (!name || known != MX_MAP_NONE)
        return known;
    uint32_t label = (uint32_t)origins->labels.count;
    bool ok = mx_array_push(&origins->labels, name) && mx_map_set(&origins->by_name, (uintptr_t)name, label);
    return ok ? label : MX_MAP_NONE;
}

static uint32_t origin_of(struct mx_origins *origins, uint32_t block)
{
    const uint32_t *parents = origins->graph->parents;
    uint32_t at = block;
    while (origins->known[at] == MX_NO_BLOCK && parents[at] != at)
        at = parents[at];
    uint32_t origin = origins->known[at] == MX_NO_BLOCK ? at : origins->known[at];
    for (; block != at; block = parents[block])
        origins->known[block] = origin;
    return origin;
}

/* Buffers are not on ways from roots: the first object that has one stands for it. */
static uint32_t holder_of(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_rows *rows = &graph->reverse;
    if (graph->parents[block] != MX_NO_BLOCK)
        return block;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
        if ((rows->classes[i] & MX_EDGE_CLASS) != MX_EDGE_BORROWED && graph->parents[rows->targets[i]] != MX_NO_BLOCK)
            return rows->targets[i];
    return MX_NO_BLOCK;
}

/* The words of one library's or thread's data are one root here, and so are all static types. */
static uint32_t label_of_root(struct mx_origins *origins, uint32_t origin)
{
    static const char unknown[] = "buffers of unknown owners";
    const struct mx_graph *graph = origins->graph;
    char name[MX_REFERENCE_NAME];
    const struct mx_root *root = origin == MX_NO_BLOCK ? NULL : mx_root_best(graph, origin);
    if (!root)
        return label_of(origins, unknown, strlen(unknown));
    if (root->kind == MX_ROOT_STATIC_TYPE)
        return label_of(origins, static_objects, strlen(static_objects));
    if (!mx_root_name(&graph->target->types, root, MX_EDGE_LABEL, name, sizeof(name)))
        name[0] = '\0';
    char *offset = strstr(name, "+0x");
    return label_of(origins, name, offset ? (size_t)(offset - name) : strlen(name));
}

uint32_t mx_origins_label(struct mx_origins *origins, uint32_t block, uint32_t *origin)
{
    const struct mx_graph *graph = origins->graph;
    *origin = MX_NO_BLOCK;
    if (mx_spans_of(&graph->heap->spans, block)->kind == MX_SPAN_STATIC)
        return label_of(origins, static_objects, strlen(static_objects));
    uint32_t holder = holder_of(graph, block);
    if (holder != MX_NO_BLOCK)
        *origin = origin_of(origins, holder);
    uint64_t key = (uint64_t)*origin + 1;
    uint32_t label = mx_map_get(&origins->by_block, key);
    if (label == MX_MAP_NONE) {
        label = label_of_root(origins, *origin);
        if (label == MX_MAP_NONE || !mx_map_set(&origins->by_block, key, label))
            return MX_MAP_NONE;
    }
    return label;
}

struct mx_error *mx_origins_open(struct mx_graph *graph, struct mx_strtab *names, const struct mx_progress *progress,
                                 struct mx_origins *ret)
{
    MX_TRY(mx_graph_parents(graph, progress));
    MX_TRY(mx_graph_referrers(graph, progress));
    size_t blocks = graph->heap->spans.blocks;
    uint32_t *known = malloc((blocks + 1) * sizeof(uint32_t));
    if (!known)
        return mx_error_no_memory();
    memset(known, 0xff, blocks * sizeof(uint32_t));
    *ret = (struct mx_origins){.graph = graph, .names = names, .known = known};
    return NULL;
}

void mx_origins_deinit(struct mx_origins *origins)
{
    free(origins->known);
    mx_array_free(&origins->labels);
    mx_map_deinit(&origins->by_block);
    mx_map_deinit(&origins->by_name);
}
