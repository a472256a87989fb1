/* SPDX-License-Identifier: Apache-2.0
 *
 * Edges of a V8 heap snapshot: one pass of the decoders gives those of an
 * object in the order of the graph's rows, from which their number was told.
 */
#include "report/export_snapshot.h"

enum {
    NODE_FIELDS = 7,
    MOST_NAME_BYTES = 64 << 20, /* of names for keys that are no str; the others have one name for all */
};

enum v8_edge { V8_CONTEXT, V8_ELEMENT, V8_PROPERTY, V8_INTERNAL, V8_HIDDEN, V8_SHORTCUT, V8_WEAK };

static void put_edge(struct mx_snapshot *snapshot, enum v8_edge type, uint64_t name, uint64_t node)
{
    struct mx_text_out *out = &snapshot->export->out;
    if (snapshot->edges++)
        mx_out_literal(out, ",\n");
    mx_out_number(out, type);
    mx_out_char(out, ',');
    mx_out_number(out, name);
    mx_out_char(out, ',');
    mx_out_number(out, node * NODE_FIELDS);
}

static uint64_t node_of(const struct mx_snapshot *snapshot, uint32_t block)
{
    return MX_FIRST_BLOCK_NODE + (uint64_t)mx_bits_before(&snapshot->used, block);
}

/* Texts of the decoders' own do not change: their addresses are looked up, not their letters. */
static uint32_t name_of_field(struct mx_snapshot *snapshot, const char *text)
{
    uint32_t known = mx_map_get(&snapshot->fields, (uintptr_t)text);
    if (known != MX_MAP_NONE)
        return known;
    known = mx_snapshot_name(snapshot, text, strlen(text));
    if (!mx_map_set(&snapshot->fields, (uintptr_t)text, known) && !snapshot->export->out.error)
        snapshot->export->out.error = mx_error_no_memory();
    return known;
}

/* The label of an edge without what only marks attributes; keys that are no str can be as many as there are objects. */
static uint32_t name_of_label(struct mx_snapshot *snapshot, const struct mx_edge *edge)
{
    char name[MX_REFERENCE_NAME];
    const char *text = name;
    if (snapshot->name_bytes > MOST_NAME_BYTES ||
        !mx_edge_name(&snapshot->export->target->types, edge, MX_EDGE_LABEL, name, sizeof(name)))
        text = edge->naming == MX_NAME_KEY ? "[…]" : "…";
    snapshot->name_bytes += strlen(text) + sizeof(char *);
    return mx_snapshot_name(snapshot, text + (*text == '.'), strlen(text) - (*text == '.'));
}

/* A str that is in the heap has a number already. */
static uint32_t name_of_str(struct mx_snapshot *snapshot, const struct mx_edge *edge)
{
    struct mx_edge name = {.target = edge->detail.object, .class = MX_EDGE_OWNED, .exact = true};
    uint32_t block = mx_graph_target(snapshot->export->graph, &name);
    if (block != MX_NO_BLOCK && mx_bits_has(&snapshot->strs, block))
        return mx_bits_before(&snapshot->strs, block);
    return name_of_label(snapshot, edge);
}

static bool is_small_int(const struct mx_snapshot *snapshot, const struct mx_edge *edge, uint64_t *ret)
{
    char name[MX_REFERENCE_NAME], *end;
    const struct mx_type *type = mx_type_of(&snapshot->export->target->types, edge->detail.object);
    if (!type || type->kind != MX_KIND_INT || type->is_python_class ||
        !mx_edge_name(&snapshot->export->target->types, edge, MX_EDGE_LABEL, name, sizeof(name)) || name[1] == '-')
        return false;
    *ret = strtoull(name + 1, &end, 10);
    return *end == ']' && *ret <= INT32_MAX;
}

static enum v8_edge name_edge(struct mx_snapshot *snapshot, const struct mx_edge *edge, uint64_t *name)
{
    switch (edge->naming) {
    case MX_NAME_TYPE:
        *name = name_of_field(snapshot, "__class__");
        return V8_PROPERTY;
    case MX_NAME_FIELD:
    case MX_NAME_SLOT:
        *name = name_of_field(snapshot, edge->detail.text);
        return edge->detail.text[0] == '<' ? V8_INTERNAL : V8_PROPERTY;
    case MX_NAME_INDEX:
        *name = edge->detail.index;
        return V8_ELEMENT;
    case MX_NAME_KEY:
        if (is_small_int(snapshot, edge, name))
            return V8_ELEMENT;
        *name = name_of_str(snapshot, edge);
        return V8_PROPERTY;
    case MX_NAME_KEY_ITSELF:
        *name = name_of_field(snapshot, "<key>");
        return V8_INTERNAL;
    case MX_NAME_ATTRIBUTE:
        *name = name_of_str(snapshot, edge);
        return V8_PROPERTY;
    case MX_NAME_LOCAL:
        *name = name_of_str(snapshot, edge);
        return V8_CONTEXT;
    default:
        *name = name_of_label(snapshot, edge);
        return V8_INTERNAL;
    }
}

/* Of one object: `next` of the row is the edge to come. */
struct outgoing {
    struct mx_snapshot *snapshot;
    uint32_t block, next, end;
};

static bool is_weak(const struct outgoing *outgoing, uint8_t class, uint32_t target)
{
    const struct mx_bits *garbage = &outgoing->snapshot->garbage;
    const uint64_t *accounted = outgoing->snapshot->export->retained->accounted.bits;
    return (class & MX_EDGE_CLASS) == MX_EDGE_BORROWED ||
           (class & MX_EDGE_INEXACT && mx_is_accounted(accounted, target)) ||
           (mx_bits_has(garbage, outgoing->block) && !mx_bits_has(garbage, target));
}

static bool put_outgoing(void *context, const struct mx_edge *edge)
{
    struct outgoing *outgoing = context;
    struct mx_snapshot *snapshot = outgoing->snapshot;
    uint32_t target = mx_graph_target(snapshot->export->graph, edge);
    uint64_t name;
    if (target == MX_NO_BLOCK)
        return true;
    if (outgoing->next == outgoing->end)
        return false;
    /* The row knows more than the decoder: interned strings are not held by their dict. */
    uint8_t class = snapshot->export->graph->forward.classes[outgoing->next++];
    enum v8_edge type = name_edge(snapshot, edge, &name);
    if (is_weak(outgoing, class, target)) {
        name = type == V8_ELEMENT ? name_of_label(snapshot, edge) : name;
        type = V8_WEAK;
    }
    put_edge(snapshot, type, name, node_of(snapshot, target));
    return true;
}

static struct mx_error *put_block_edges(struct mx_export *export, const struct mx_span *span, uint32_t block,
                                        void *context)
{
    const struct mx_rows *rows = &export->graph->forward;
    struct outgoing outgoing = {context, block, rows->first[block], rows->first[block + 1]};
    uint32_t type = mx_heap_type_of(export->heap, block);
    if (type < export->target->types.types.count && outgoing.next < outgoing.end)
        mx_referents_each(&export->graph->referents, &export->target->types.types.items[type],
                          mx_heap_object(export->heap, span, block, type), put_outgoing, &outgoing);
    if (outgoing.next < outgoing.end)
        return mx_error_new(MX_ERROR_BAD_DATA, "the process has changed since its references were read: ask again");
    return NULL;
}

static void put_root_edge(struct mx_snapshot *snapshot, const struct mx_graph_root *root)
{
    char name[MX_REFERENCE_NAME];
    if (!mx_root_name(&snapshot->export->target->types, &root->root, MX_EDGE_LABEL, name, sizeof(name)))
        name[0] = '\0';
    char *offset = strstr(name, "+0x");
    size_t length = offset ? (size_t)(offset - name) : strlen(name);
    put_edge(snapshot, V8_PROPERTY, mx_snapshot_name(snapshot, name, length), node_of(snapshot, root->block));
}

struct hanging {
    struct mx_snapshot *snapshot;
    enum mx_root_group group;
    uint64_t index;
};

/* What hangs on a group and is no root that has a name. */
static struct mx_error *put_hanging(struct mx_export *export, const struct mx_span *span, uint32_t block, void *context)
{
    struct hanging *hanging = context;
    const struct mx_dominators *dominators = &export->retained->dominators;
    bool is_raw = export->heap->kinds[block] == MX_BLOCK_RAW;
    bool is_wanted = hanging->group == MX_GROUP_STATIC
                         ? span->kind == MX_SPAN_STATIC
                         : dominators->idoms[block] == mx_dominators_unreachable(dominators) &&
                               is_raw == (hanging->group == MX_GROUP_UNOWNED);
    if (is_wanted)
        put_edge(hanging->snapshot, V8_ELEMENT, hanging->index++, node_of(hanging->snapshot, block));
    return NULL;
}

static struct mx_error *put_group_edges(struct mx_snapshot *snapshot, enum mx_root_group group)
{
    const struct mx_graph *graph = snapshot->export->graph;
    for (size_t i = 0; i < graph->roots.count; i++)
        if (mx_snapshot_group(snapshot, &graph->roots.items[i]) == group)
            put_root_edge(snapshot, &graph->roots.items[i]);
    struct hanging hanging = {.snapshot = snapshot, .group = group};
    if (group == MX_GROUP_STATIC || group >= MX_GROUP_GARBAGE)
        return mx_export_each(snapshot->export, "writing roots", put_hanging, &hanging);
    return NULL;
}

struct mx_error *mx_snapshot_put_edges(struct mx_snapshot *snapshot)
{
    for (uint64_t i = 0; i < MX_GROUPS; i++)
        put_edge(snapshot, V8_ELEMENT, i, 1 + i);
    for (enum mx_root_group group = 0; group < MX_GROUPS; group++)
        MX_TRY(put_group_edges(snapshot, group));
    return mx_export_each(snapshot->export, "writing references", put_block_edges, snapshot);
}
