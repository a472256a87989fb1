/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap snapshot as V8 writes it: https://developer.chrome.com/docs/devtools/memory-problems tells how to read one.
 *
 *   nodes     the root; a node for each kind of root, which are no synthetic ones so that distances count from them;
 *             what no root reaches; then all blocks in order
 *   edges     of each node in this order, as the decoders name them
 *   strings   values of str objects in their order, read once more when they are written; then all other names
 *
 * Numbers of nodes and strings follow from block ids by counting bits, so that no more is kept in memory than the
 * names that are not texts of the heap. Edges that keep nothing alive are weak: borrowed ones, and those from garbage.
 */
#include "report/export_snapshot.h"

#include <stdio.h>

enum { MOST_TEXT = 100 /* characters of a str */ };

enum v8_node { V8_STRING = 2, V8_OBJECT = 3, V8_NATIVE = 8, V8_SYNTHETIC = 9 };

static const char *const group_names[MX_GROUPS] = {
    [MX_GROUP_MODULES] = "(modules)",
    [MX_GROUP_FRAMES] = "(running frames)",
    [MX_GROUP_THREADS] = "(threads)",
    [MX_GROUP_INTERPRETERS] = "(interpreters)",
    [MX_GROUP_STATIC] = "(static objects)",
    [MX_GROUP_GLOBALS] = "(C globals)",
    [MX_GROUP_STACKS] = "(C stacks)",
    [MX_GROUP_GARBAGE] = "(unreachable)",
    [MX_GROUP_UNOWNED] = "(C data of unknown owners)",
};

enum mx_root_group mx_snapshot_group(const struct mx_snapshot *snapshot, const struct mx_graph_root *root)
{
    static const uint8_t groups[] = {
        [MX_ROOT_MODULE] = MX_GROUP_MODULES,   [MX_ROOT_LOCAL] = MX_GROUP_FRAMES,
        [MX_ROOT_FRAME] = MX_GROUP_FRAMES,     [MX_ROOT_INTERPRETER] = MX_GROUP_INTERPRETERS,
        [MX_ROOT_THREAD] = MX_GROUP_THREADS,   [MX_ROOT_STATIC_TYPE] = MX_GROUP_STATIC,
        [MX_ROOT_C_GLOBAL] = MX_GROUP_GLOBALS, [MX_ROOT_C_STACK] = MX_GROUP_STACKS,
        [MX_ROOT_CACHE] = MX_GROUPS,
    };
    bool counts = mx_retained_counts_root(root, snapshot->export->retained->accounted.bits);
    return counts ? groups[root->root.kind] : MX_GROUPS;
}

uint32_t mx_snapshot_name(struct mx_snapshot *snapshot, const char *text, size_t length)
{
    const char *kept = mx_strtab_add(&snapshot->texts, text, length);
    uint32_t known = kept ? mx_map_get(&snapshot->numbers, (uintptr_t)kept) : MX_MAP_NONE;
    if (known != MX_MAP_NONE)
        return known;
    uint32_t number = snapshot->strs.count + (uint32_t)snapshot->names.count;
    if (kept && mx_array_push(&snapshot->names, kept) && mx_map_set(&snapshot->numbers, (uintptr_t)kept, number))
        return number;
    if (!snapshot->export->out.error)
        snapshot->export->out.error = mx_error_no_memory();
    return 0;
}

/* Which group an unreachable block hangs on, if it is not in what another one holds. */
static enum mx_root_group group_of_unreached(const struct mx_export *export, uint32_t block)
{
    const struct mx_dominators *dominators = &export->retained->dominators;
    if (dominators->idoms[block] != mx_dominators_unreachable(dominators))
        return MX_GROUPS;
    return export->heap->kinds[block] == MX_BLOCK_RAW ? MX_GROUP_UNOWNED : MX_GROUP_GARBAGE;
}

static struct mx_error *survey_block(struct mx_export *export, const struct mx_span *span, uint32_t block,
                                     void *context)
{
    struct mx_snapshot *snapshot = context;
    mx_bits_set(&snapshot->used, block);
    if (mx_export_is_str(export, block))
        mx_bits_set(&snapshot->strs, block);
    snapshot->group_edges[MX_GROUP_STATIC] += span->kind == MX_SPAN_STATIC;
    enum mx_root_group group = group_of_unreached(export, block);
    if (group != MX_GROUPS)
        snapshot->group_edges[group]++;
    return NULL;
}

static struct mx_error *survey(struct mx_snapshot *snapshot)
{
    struct mx_export *export = snapshot->export;
    uint32_t blocks = export->heap->spans.blocks;
    struct mx_bits known = {0};
    bool ok = mx_bits_open(&snapshot->used, blocks) && mx_bits_open(&snapshot->strs, blocks) &&
              mx_bits_open(&snapshot->garbage, blocks) && mx_bits_open(&known, blocks);
    struct mx_error *error =
        ok ? mx_export_each(export, "looking at blocks", survey_block, snapshot) : mx_error_no_memory();
    if (!error)
        mx_export_mark_garbage(export, &snapshot->garbage, &known);
    mx_bits_close(&known);
    if (error)
        return error;
    mx_bits_rank(&snapshot->used);
    mx_bits_rank(&snapshot->strs);
    for (size_t i = 0; i < export->graph->roots.count; i++) {
        enum mx_root_group group = mx_snapshot_group(snapshot, &export->graph->roots.items[i]);
        if (group != MX_GROUPS)
            snapshot->group_edges[group]++;
    }
    export->info.nodes = MX_FIRST_BLOCK_NODE + (uint64_t)snapshot->used.count;
    export->info.edges = MX_GROUPS + export->graph->forward.edges;
    for (int i = 0; i < MX_GROUPS; i++)
        export->info.edges += snapshot->group_edges[i];
    return NULL;
}

static void put_header(struct mx_snapshot *snapshot)
{
    static const char meta[] =
        "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\","
        "\"trace_node_id\",\"detachedness\"],\n\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\","
        "\"closure\",\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\",\"sliced string\","
        "\"symbol\",\"bigint\",\"object shape\"],\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],\n"
        "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\n\"edge_types\":[[\"context\",\"element\","
        "\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"],\n"
        "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\",\"line\",\"column\"],"
        "\n\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],\n"
        "\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],\n"
        "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]},\n";
    struct mx_export *export = snapshot->export;
    mx_out_literal(&export->out, meta);
    mx_out_print(&export->out, "\"node_count\":%llu,\"edge_count\":%llu,\"trace_function_count\":0},\n\"nodes\":[",
                 (unsigned long long)export->info.nodes, (unsigned long long)export->info.edges);
}

static void put_node(struct mx_snapshot *snapshot, enum v8_node type, uint32_t name, uint32_t id, uint64_t size,
                     uint32_t edges)
{
    struct mx_text_out *out = &snapshot->export->out;
    mx_out_number(out, type);
    mx_out_char(out, ',');
    mx_out_number(out, name);
    mx_out_char(out, ',');
    mx_out_number(out, id);
    mx_out_char(out, ',');
    mx_out_number(out, size < UINT32_MAX ? size : UINT32_MAX);
    mx_out_char(out, ',');
    mx_out_number(out, edges);
    bool is_last = ++snapshot->nodes == snapshot->export->info.nodes;
    mx_out_literal(out, is_last ? ",0,0" : ",0,0,\n");
}

static void put_group_nodes(struct mx_snapshot *snapshot)
{
    put_node(snapshot, V8_SYNTHETIC, mx_snapshot_name(snapshot, "", 0), 1, 0, MX_GROUPS);
    for (int i = 0; i < MX_GROUPS; i++) {
        bool is_reached = i < MX_GROUP_GARBAGE;
        uint32_t name = mx_snapshot_name(snapshot, group_names[i], strlen(group_names[i]));
        put_node(snapshot, is_reached ? V8_NATIVE : V8_SYNTHETIC, name, (uint32_t)(2 * i + 3), 0,
                 snapshot->group_edges[i]);
    }
}

/* The name of a type, or of buffers of objects of that type, which is remembered by type. */
static uint32_t name_of_type(struct mx_snapshot *snapshot, uint32_t type, bool is_buffer)
{
    const struct mx_heap *heap = snapshot->export->heap;
    uint32_t *known = &(is_buffer ? snapshot->buffer_names : snapshot->type_names)[type];
    char text[MX_REFERENCE_NAME];
    if (*known)
        return *known - 1;
    int length = snprintf(text, sizeof(text), is_buffer ? "buffer of %s" : "%s", heap->types.items[type].name);
    uint32_t name = mx_snapshot_name(snapshot, text, length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
    *known = name + 1;
    return name;
}

static uint32_t name_of_raw(struct mx_snapshot *snapshot, uint32_t block)
{
    static const char unowned[] = "C data";
    const struct mx_rows *reverse = &snapshot->export->graph->reverse;
    for (uint32_t i = reverse->first[block]; i < reverse->first[block + 1]; i++) {
        uint32_t type = mx_heap_type_of(snapshot->export->heap, reverse->targets[i]);
        if ((reverse->classes[i] & MX_EDGE_CLASS) == MX_EDGE_BUFFER && type != MX_MAP_NONE)
            return name_of_type(snapshot, type, true);
    }
    return mx_snapshot_name(snapshot, unowned, strlen(unowned));
}

static struct mx_error *put_block_node(struct mx_export *export, const struct mx_span *span, uint32_t block,
                                       void *context)
{
    struct mx_snapshot *snapshot = context;
    const struct mx_rows *rows = &export->graph->forward;
    uint32_t type = mx_heap_type_of(export->heap, block), name;
    enum v8_node kind = V8_OBJECT;
    if (mx_bits_has(&snapshot->strs, block)) {
        name = mx_bits_before(&snapshot->strs, block);
        kind = V8_STRING;
    } else if (type != MX_MAP_NONE) {
        name = name_of_type(snapshot, type, false);
    } else {
        name = name_of_raw(snapshot, block);
        kind = V8_NATIVE;
    }
    mx_addr address = mx_block_address(&export->heap->spans, span, block);
    put_node(snapshot, kind, name, mx_export_id(&snapshot->ids, address, (uint32_t)snapshot->nodes),
             mx_block_weight(export->target, export->heap, span, block), rows->first[block + 1] - rows->first[block]);
    return NULL;
}

static struct mx_error *put_str(struct mx_export *export, const struct mx_span *span, uint32_t block, void *context)
{
    struct mx_snapshot *snapshot = context;
    struct mx_str str;
    if (!mx_bits_has(&snapshot->strs, block))
        return NULL;
    uint32_t type = mx_heap_type_of(export->heap, block);
    if (mx_str_read(&export->target->runtime, mx_heap_object(export->heap, span, block, type), &str))
        mx_out_json_str(&export->out, &str, MOST_TEXT);
    else
        mx_out_literal(&export->out, "\"\"");
    mx_out_literal(&export->out, ",\n");
    return NULL;
}

static struct mx_error *put_strings(struct mx_snapshot *snapshot)
{
    struct mx_export *export = snapshot->export;
    mx_out_literal(&export->out, "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n"
                                 "\"locations\":[],\n\"strings\":[");
    MX_TRY(mx_export_each(export, "writing strings", put_str, snapshot));
    for (size_t i = 0; i < snapshot->names.count; i++) {
        mx_out_json(&export->out, snapshot->names.items[i]);
        mx_out_literal(&export->out, i + 1 < snapshot->names.count ? ",\n" : "]}\n");
    }
    return NULL;
}

static struct mx_error *write_all(struct mx_snapshot *snapshot)
{
    struct mx_export *export = snapshot->export;
    size_t types = export->heap->types.count;
    snapshot->type_names = mx_calloc(types + 1, sizeof(uint32_t));
    snapshot->buffer_names = mx_calloc(types + 1, sizeof(uint32_t));
    if (!snapshot->type_names || !snapshot->buffer_names)
        return mx_error_no_memory();
    MX_TRY(mx_export_ids_open(export, &snapshot->ids));
    MX_TRY(survey(snapshot));
    put_header(snapshot);
    put_group_nodes(snapshot);
    MX_TRY(mx_export_each(export, "writing nodes", put_block_node, snapshot));
    mx_out_literal(&export->out, "],\n\"edges\":[");
    MX_TRY(mx_snapshot_put_edges(snapshot));
    return put_strings(snapshot);
}

struct mx_error *mx_export_heapsnapshot(struct mx_export *export)
{
    struct mx_snapshot snapshot = {.export = export};
    struct mx_error *error = write_all(&snapshot);
    mx_bits_close(&snapshot.used);
    mx_bits_close(&snapshot.strs);
    mx_bits_close(&snapshot.garbage);
    mx_map_deinit(&snapshot.ids.slots);
    mx_map_deinit(&snapshot.numbers);
    mx_map_deinit(&snapshot.fields);
    mx_strtab_deinit(&snapshot.texts);
    mx_array_free(&snapshot.names);
    free(snapshot.type_names);
    free(snapshot.buffer_names);
    return error;
}
