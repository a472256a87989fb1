/* SPDX-License-Identifier: Apache-2.0
 *
 * The outline as text for other tools: folded stacks for flame graphs, and a
 * picture for Graphviz.
 */
#include "report/export.h"

enum {
    PICTURE_NODES = 60,
    MOST_FRAMES = 200, /* of one stack: a list of nodes that hold each other can be as long as the heap */
    MOST_LABEL = 60,   /* bytes of a name in the picture */
};

static struct mx_error *open_outline(struct mx_export *export, size_t nodes, struct mx_outline **ret)
{
    struct mx_outline_query query = {.nodes = nodes};
    return mx_outline_open(export->retained, &query, export->work.progress, ret);
}

/* What ends a frame or a line in a folded stack cannot stand in one. */
static void put_frame_text(struct mx_text_out *out, const char *text)
{
    for (; *text; text++)
        mx_out_char(out, *text == ';' ? ',' : (unsigned char)*text < ' ' ? ' ' : *text);
}

static void put_frame(struct mx_text_out *out, const struct mx_outline_node *node)
{
    if (*node->name) {
        put_frame_text(out, node->name);
        mx_out_char(out, ' ');
    }
    put_frame_text(out, node->type);
    if (node->count > 1 && !node->address && node->own)
        mx_out_print(out, " ×%u", node->count);
}

/* From below the heap's root to the node. */
static void put_stack(struct mx_text_out *out, const struct mx_outline_node *nodes, uint32_t index, uint32_t *way)
{
    uint32_t depth = 0;
    for (uint32_t at = index; at; at = nodes[at].parent)
        way[depth++] = at;
    for (uint32_t i = 0; i < depth && i < MOST_FRAMES; i++) {
        mx_out_literal(out, i ? ";" : "");
        put_frame(out, &nodes[way[depth - 1 - i]]);
    }
    mx_out_literal(out, depth > MOST_FRAMES ? ";… " : " ");
    mx_out_number(out, nodes[index].own);
    mx_out_char(out, '\n');
}

struct mx_error *mx_export_collapsed(struct mx_export *export)
{
    struct mx_outline *outline;
    size_t count;
    MX_TRY(open_outline(export, 0, &outline));
    const struct mx_outline_node *nodes = mx_outline_nodes(outline, &count);
    uint32_t *way = mx_calloc(count, sizeof(uint32_t));
    for (uint32_t i = 1; way && i < count; i++)
        if (nodes[i].own)
            put_stack(&export->out, nodes, i, way);
    free(way);
    mx_outline_close(outline);
    export->info.nodes = count;
    return way ? NULL : mx_error_no_memory();
}

/* Graphviz takes an ampersand for the start of an entity. */
static void put_quoted(struct mx_text_out *out, const char *text)
{
    size_t length = strlen(text);
    bool is_cut = length > MOST_LABEL;
    length = is_cut ? MOST_LABEL : length;
    while (is_cut && length && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            mx_out_char(out, '\\');
        if (text[i] == '&')
            mx_out_literal(out, "&amp;");
        else
            mx_out_char(out, (unsigned char)text[i] < ' ' ? ' ' : text[i]);
    }
    if (is_cut)
        mx_out_literal(out, "…");
}

static void put_size(struct mx_text_out *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double scaled = (double)bytes;
    size_t unit = 0;
    for (; scaled >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        scaled /= 1024;
    mx_out_print(out, "%.*f %s", !unit || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2, scaled, units[unit]);
}

/* As wide as the bytes' share, so that the eye finds the way. */
static double width_of(const struct mx_outline_node *nodes, size_t index)
{
    return nodes[0].retained ? 0.5 + 6 * (double)nodes[index].retained / (double)nodes[0].retained : 0.5;
}

static void put_box(struct mx_text_out *out, const struct mx_outline_node *nodes, size_t index)
{
    const struct mx_outline_node *node = &nodes[index];
    bool is_root = index && !node->parent && !node->address && !node->own;
    double share = nodes[0].retained ? 100 * (double)node->retained / (double)nodes[0].retained : 0;
    mx_out_print(out, "  n%zu [label=\"", index);
    if (node->count > 1 && !is_root)
        mx_out_print(out, "%u × ", node->count);
    put_quoted(out, node->type);
    mx_out_literal(out, "\\n");
    put_size(out, node->retained);
    mx_out_print(out, " (%.1f %%)\"", share);
    if (node->address)
        mx_out_print(out, ", tooltip=\"0x%llx\"", (unsigned long long)node->address);
    if (is_root)
        mx_out_literal(out, ", shape=ellipse, color=\"#b26a00\", fillcolor=\"#ffe6bf\"");
    else if (index && !node->address)
        mx_out_literal(out, ", style=\"filled,dashed\", color=\"#8a94a3\", fillcolor=\"#ffffff\"");
    mx_out_literal(out, "];\n");
}

static void put_arrow(struct mx_text_out *out, const struct mx_outline_node *nodes, size_t index)
{
    const struct mx_outline_node *node = &nodes[index];
    mx_out_print(out, "  n%u -> n%zu [penwidth=%.2f", node->parent, index, width_of(nodes, index));
    if (*node->name) {
        mx_out_literal(out, ", label=\" ");
        put_quoted(out, node->name);
        mx_out_literal(out, " \"");
    } else if (node->address) {
        mx_out_literal(out, ", style=dashed");
    }
    mx_out_literal(out, "];\n");
}

struct mx_error *mx_export_dot(struct mx_export *export)
{
    static const char head[] =
        "digraph memext {\n"
        "  graph [charset=\"UTF-8\", rankdir=LR, bgcolor=\"white\", fontname=\"sans-serif\", nodesep=0.15]\n"
        "  node [shape=box, style=\"filled\", fontname=\"sans-serif\", fontsize=10, margin=\"0.12,0.06\", "
        "color=\"#5f6b7a\", fillcolor=\"#f5f7fa\", fontcolor=\"#101418\"]\n"
        "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#4a5563\", fontcolor=\"#1d2733\", arrowsize=0.6]\n"
        "  label=\"What retains most: each box is kept alive by the one to its left alone. Dashed lines: several "
        "ways lead there\"; labelloc=t; fontsize=11;\n";
    struct mx_outline *outline;
    size_t count;
    MX_TRY(open_outline(export, PICTURE_NODES, &outline));
    const struct mx_outline_node *nodes = mx_outline_nodes(outline, &count);
    mx_out_literal(&export->out, head);
    for (size_t i = 0; i < count; i++)
        put_box(&export->out, nodes, i);
    for (size_t i = 1; i < count; i++)
        put_arrow(&export->out, nodes, i);
    mx_out_literal(&export->out, "}\n");
    mx_outline_close(outline);
    export->info.nodes = count;
    export->info.edges = count - 1;
    return NULL;
}
