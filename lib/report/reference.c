/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes and references in words, and what stands at an address that is no
 * object.
 */
#include "report/reference.h"

#include <inttypes.h>

#include "heap/reach.h"
#include "report/object.h"

static struct mx_error *no_object(mx_addr address, const char *what)
{
    return mx_error_new(MX_ERROR_ARGUMENT, "0x%" PRIx64 " is no Python object: it is %s", address, what);
}

/* Blocks outside the heap: what the memory there is for. */
static struct mx_error *explain_elsewhere(const struct mx_graph *graph, mx_addr address)
{
    const struct mx_region *region = mx_memory_region(graph->target->memory, address);
    const struct mx_module *module = mx_modules_at(&graph->target->modules, address);
    if (!region)
        return no_object(address, "not mapped");
    if (region->flags & MX_REGION_MISSING)
        return no_object(address, "in memory that is missing from the core");
    if (module)
        return mx_error_new(MX_ERROR_ARGUMENT, "0x%" PRIx64 " is no Python object: it is %s %s+0x%" PRIx64, address,
                            region->flags & MX_REGION_WRITE ? "a C global in" : "in the read-only part of",
                            module->path, address - module->bias);
    if (region->flags & MX_REGION_STACK)
        return no_object(address, "on the main thread's C stack");
    return no_object(address, "in memory that no allocator of Python or malloc has given out");
}

/* For one answer all edges are looked at: rows of referrers would take longer. */
static uint32_t find_owner(const struct mx_graph *graph, uint32_t buffer)
{
    const struct mx_rows *rows = &graph->forward;
    for (uint32_t block = 0; block < rows->blocks; block++)
        for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++)
            if (rows->targets[i] == buffer && (rows->classes[i] & MX_EDGE_CLASS) == MX_EDGE_BUFFER)
                return block;
    return MX_NO_BLOCK;
}

static struct mx_error *explain_raw(const struct mx_graph *graph, uint32_t block, mx_addr address, uint64_t size)
{
    uint32_t holder = find_owner(graph, block);
    if (holder == MX_NO_BLOCK)
        return mx_error_new(MX_ERROR_ARGUMENT,
                            "0x%" PRIx64 " is no Python object: it is in a block of %" PRIu64 " bytes of C data",
                            address, size);
    struct mx_node owner = mx_node_describe(graph, holder);
    return mx_error_new(MX_ERROR_ARGUMENT,
                        "0x%" PRIx64 " is no Python object: it is in a buffer of the %s at 0x%" PRIx64, address,
                        owner.type, owner.address);
}

static struct mx_error *explain(const struct mx_graph *graph, mx_addr address)
{
    const struct mx_span *span;
    const struct mx_type *type;
    uint64_t size;
    bool is_raw;
    uint32_t block = mx_spans_locate(&graph->heap->spans, address, &span);
    mx_addr start = graph->referents.find_block(graph->referents.context, address, &size, &is_raw);
    if (start && is_raw)
        return explain_raw(graph, block, address, size);
    if (start) {
        mx_graph_object(graph, block, &type);
        return mx_error_new(MX_ERROR_ARGUMENT,
                            "0x%" PRIx64 " is inside the %s at 0x%" PRIx64 ", at offset %" PRIu64
                            ": give the address of the object itself",
                            address, type->name, start, address - start);
    }
    if (block == MX_NO_BLOCK || span->kind == MX_SPAN_STATIC)
        return explain_elsewhere(graph, address);
    if (graph->heap->kinds[block] == MX_BLOCK_FREE)
        return mx_error_new(MX_ERROR_ARGUMENT,
                            "0x%" PRIx64 " is no Python object: it is in a freed block of %" PRIu64 " bytes", address,
                            mx_block_size(&graph->heap->spans, span, block));
    mx_addr object = mx_graph_object(graph, block, &type);
    return mx_error_new(MX_ERROR_ARGUMENT, "0x%" PRIx64 " is in what stands before the %s at 0x%" PRIx64, address,
                        type ? type->name : "object", object);
}

struct mx_error *mx_place_find(const struct mx_graph *graph, mx_addr address, bool raw, uint32_t *ret)
{
    struct mx_edge edge = {.target = address, .class = MX_EDGE_TRAVERSED, .exact = true};
    uint32_t block = mx_graph_target(graph, &edge);
    if (block == MX_NO_BLOCK || (graph->heap->kinds[block] == MX_BLOCK_RAW && !raw))
        return explain(graph, address);
    *ret = block;
    return NULL;
}

struct mx_node mx_node_describe(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_type *type;
    mx_addr object = mx_graph_object(graph, block, &type);
    if (object)
        return (struct mx_node){.address = object,
                                .type = type->name,
                                .size = mx_object_shallow_size(graph->target, object),
                                .is_module = type->kind == MX_KIND_MODULE};
    const struct mx_span *span = mx_spans_of(&graph->heap->spans, block);
    return (struct mx_node){.address = mx_block_address(&graph->heap->spans, span, block),
                            .type = "raw block",
                            .size = mx_block_size(&graph->heap->spans, span, block)};
}

uint8_t mx_reference_kind_of(uint8_t class)
{
    static const uint8_t kinds[] = {
        [MX_EDGE_TRAVERSED] = MX_REFERENCE_TRAVERSED,
        [MX_EDGE_OWNED] = MX_REFERENCE_OWNED,
        [MX_EDGE_BORROWED] = MX_REFERENCE_BORROWED,
        [MX_EDGE_BUFFER] = MX_REFERENCE_BUFFER,
    };
    return kinds[class & MX_EDGE_CLASS];
}

struct parallel {
    const struct mx_graph *graph;
    uint32_t to;
    mx_parallel_visit visit;
    void *context;
};

static bool visit_if_parallel(void *context, const struct mx_edge *edge)
{
    struct parallel *parallel = context;
    return mx_graph_target(parallel->graph, edge) != parallel->to || parallel->visit(parallel->context, edge);
}

void mx_edges_between(const struct mx_graph *graph, uint32_t from, uint32_t to, mx_parallel_visit visit, void *context)
{
    const struct mx_type *type;
    struct parallel parallel = {graph, to, visit, context};
    mx_addr wanted = mx_graph_object(graph, to, &type); /* 0: a raw block, which may be pointed at anywhere */
    mx_addr object = mx_graph_object(graph, from, &type);
    if (object)
        mx_referents_find(&graph->referents, type, object, wanted, visit_if_parallel, &parallel);
}

void mx_edge_text(const struct mx_graph *graph, const struct mx_edge *edge, char *buffer)
{
    if (!mx_edge_name(&graph->target->types, edge, MX_EDGE_LABEL, buffer, MX_REFERENCE_NAME))
        buffer[0] = '\0';
}

void mx_root_text(const struct mx_graph *graph, const struct mx_root *root, char *buffer)
{
    if (!mx_root_name(&graph->target->types, root, MX_EDGE_LABEL, buffer, MX_REFERENCE_NAME))
        buffer[0] = '\0';
}

const char *mx_edge_label(const struct mx_graph *graph, const struct mx_edge *edge, struct mx_strtab *names)
{
    char name[MX_REFERENCE_NAME];
    mx_edge_text(graph, edge, name);
    return mx_strtab_add(names, name, strlen(name));
}

const char *mx_root_label(const struct mx_graph *graph, const struct mx_root *root, struct mx_strtab *names)
{
    char name[MX_REFERENCE_NAME];
    mx_root_text(graph, root, name);
    return mx_strtab_add(names, name, strlen(name));
}

const struct mx_root *mx_root_best(const struct mx_graph *graph, uint32_t block)
{
    const struct mx_root *best = NULL;
    size_t first, count = mx_graph_roots_of(graph, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &graph->roots.items[graph->roots_by_block[i]].root;
        if (root->kind != MX_ROOT_CACHE && (!best || mx_root_rank(root) < mx_root_rank(best)))
            best = root;
    }
    return best;
}
