/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON lines: one record a line, so that engines that read such files in
 * pieces can share the work. docs/fleet.md tells the fields.
 */
#include "report/export.h"

enum { MOST_TEXT = 100 /* characters of a str */ };

static const char *const kinds[] = {
    [MX_EDGE_TRAVERSED] = "traversed",
    [MX_EDGE_OWNED] = "owned",
    [MX_EDGE_BORROWED] = "borrowed",
    [MX_EDGE_BUFFER] = "buffer",
};

/* ,"key":"text" */
static void put_field(struct mx_text_out *out, const char *key, const char *text)
{
    mx_out_print(out, ",\"%s\":", key);
    if (text)
        mx_out_json(out, text);
    else
        mx_out_literal(out, "null");
}

static void put_count(struct mx_text_out *out, const char *key, uint64_t number)
{
    mx_out_print(out, ",\"%s\":", key);
    mx_out_number(out, number);
}

static void put_heap(struct mx_export *export)
{
    struct mx_text_out *out = &export->out;
    struct mx_target_info target;
    struct mx_heap_info heap;
    struct mx_retained_info retained;
    mx_target_info(export->target, &target);
    mx_heap_info(export->heap, &heap);
    mx_retained_info(export->retained, &retained);
    mx_out_literal(out, "{\"record\":\"heap\",\"schema\":\"memext/heap/1\"");
    put_field(out, "kind", target.kind);
    put_field(out, "path", target.path);
    put_count(out, "pid", (uint64_t)(target.pid > 0 ? target.pid : 0));
    put_field(out, "command", target.command);
    put_field(out, "executable", target.executable);
    put_field(out, "python_version", target.python_version);
    mx_out_print(out, ",\"complete\":%s", heap.complete && !target.missing_bytes ? "true" : "false");
    put_count(out, "objects", heap.objects);
    put_count(out, "object_bytes", heap.object_bytes);
    put_count(out, "raw_blocks", heap.raw_blocks);
    put_count(out, "raw_bytes", heap.raw_bytes);
    put_count(out, "retained", retained.total);
    put_count(out, "unreachable", retained.unreachable);
    mx_out_literal(out, "}\n");
}

static void put_roots(struct mx_export *export)
{
    const struct mx_graph *graph = export->graph;
    for (size_t i = 0; i < graph->roots.count; i++) {
        const struct mx_graph_root *root = &graph->roots.items[i];
        char name[MX_REFERENCE_NAME];
        if (root->root.kind == MX_ROOT_CACHE)
            continue;
        if (!mx_root_name(&export->target->types, &root->root, MX_EDGE_LABEL, name, sizeof(name)))
            name[0] = '\0';
        mx_out_print(&export->out, "{\"record\":\"root\",\"to\":%u", root->block);
        put_field(&export->out, "name", name);
        mx_out_print(&export->out, ",\"exact\":%s}\n", root->root.exact ? "true" : "false");
    }
}

static void put_value(struct mx_export *export, uint32_t block, mx_addr object)
{
    struct mx_str str;
    if (!mx_export_is_str(export, block) || !mx_str_read(&export->target->runtime, object, &str))
        return;
    mx_out_literal(&export->out, ",\"value\":");
    mx_out_json_str(&export->out, &str, MOST_TEXT);
}

struct lines {
    struct mx_bits garbage;
};

static struct mx_error *put_node(struct mx_export *export, const struct mx_span *span, uint32_t block, void *context)
{
    const struct lines *lines = context;
    const struct mx_dominators *dominators = &export->retained->dominators;
    struct mx_text_out *out = &export->out;
    struct mx_node node = mx_node_describe(export->graph, block);
    bool is_object = mx_heap_type_of(export->heap, block) != MX_MAP_NONE;
    mx_out_literal(out, "{\"record\":\"node\",\"id\":");
    mx_out_number(out, block);
    mx_out_print(out, ",\"addr\":\"0x%llx\"", (unsigned long long)node.address);
    put_field(out, "type", node.type);
    mx_out_print(out, ",\"object\":%s", is_object ? "true" : "false");
    put_count(out, "size", node.size);
    put_count(out, "block", mx_block_weight(export->target, export->heap, span, block));
    put_count(out, "retained", dominators->retained[block]);
    if (dominators->idoms[block] < dominators->blocks)
        put_count(out, "dominator", dominators->idoms[block]);
    else
        mx_out_literal(out, ",\"dominator\":null");
    mx_out_literal(out, mx_bits_has(&lines->garbage, block) ? ",\"reachable\":false" : ",\"reachable\":true");
    if (is_object)
        put_value(export, block, node.address);
    mx_out_literal(out, "}\n");
    export->info.nodes++;
    return NULL;
}

struct outgoing {
    struct mx_export *export;
    uint32_t block;
    uint32_t next, end; /* of its row, which knows what the decoder does not: interned strings are borrowed */
};

static bool put_edge(void *context, const struct mx_edge *edge)
{
    struct outgoing *outgoing = context;
    struct mx_export *export = outgoing->export;
    struct mx_text_out *out = &export->out;
    char name[MX_REFERENCE_NAME];
    uint32_t target = mx_graph_target(export->graph, edge);
    if (target == MX_NO_BLOCK)
        return true;
    if (outgoing->next == outgoing->end)
        return false;
    uint8_t class = export->graph->forward.classes[outgoing->next++];
    if (!mx_edge_name(&export->target->types, edge, MX_EDGE_LABEL, name, sizeof(name)))
        name[0] = '\0';
    mx_out_literal(out, "{\"record\":\"edge\",\"from\":");
    mx_out_number(out, outgoing->block);
    mx_out_literal(out, ",\"to\":");
    mx_out_number(out, target);
    mx_out_literal(out, ",\"kind\":\"");
    mx_out_literal(out, kinds[class & MX_EDGE_CLASS]);
    mx_out_literal(out, "\",\"name\":");
    mx_out_json(out, name);
    mx_out_literal(out, edge->exact ? ",\"exact\":true}\n" : ",\"exact\":false}\n");
    export->info.edges++;
    return !out->error;
}

static struct mx_error *put_edges(struct mx_export *export, const struct mx_span *span, uint32_t block, void *context)
{
    (void)context;
    const struct mx_rows *rows = &export->graph->forward;
    struct outgoing outgoing = {export, block, rows->first[block], rows->first[block + 1]};
    uint32_t type = mx_heap_type_of(export->heap, block);
    if (type < export->target->types.types.count)
        mx_referents_each(&export->graph->referents, &export->target->types.types.items[type],
                          mx_heap_object(export->heap, span, block, type), put_edge, &outgoing);
    return NULL;
}

static struct mx_error *write_records(struct mx_export *export, struct lines *lines)
{
    struct mx_bits known = {0};
    uint32_t blocks = export->heap->spans.blocks;
    bool ok = mx_bits_open(&lines->garbage, blocks) && mx_bits_open(&known, blocks);
    if (ok)
        mx_export_mark_garbage(export, &lines->garbage, &known);
    mx_bits_close(&known);
    if (!ok)
        return mx_error_no_memory();
    put_heap(export);
    put_roots(export);
    MX_TRY(mx_export_each(export, "writing nodes", put_node, lines));
    return mx_export_each(export, "writing references", put_edges, NULL);
}

struct mx_error *mx_export_json_lines(struct mx_export *export)
{
    struct lines lines = {0};
    struct mx_error *error = write_records(export, &lines);
    mx_bits_close(&lines.garbage);
    return error;
}
