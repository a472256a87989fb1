/* SPDX-License-Identifier: Apache-2.0
 *
 * The same holder in another process of the same program: found by its path,
 * as a Python expression or, where there is none, by the names of the root and
 * of the steps without what differs from run to run (threads, lines).
 */
#include <string.h>

#include "report/reference.h"
#include "report/suspects.h"

enum {
    MOST_STEPS = 16,     /* of a path without an expression */
    MOST_EDGES = 1 << 16 /* of one object that are looked at for a step's name */
};

/* "local rows in main (app.py:12), thread 7" up to the function's name. */
static size_t root_length(const char *name)
{
    const char *end = strstr(name, " (");
    end = end ? end : strstr(name, ", thread ");
    return end ? (size_t)(end - name) : strlen(name);
}

/* "thread 7: context" from the colon on. */
static const char *root_begin(const char *name)
{
    const char *colon = strncmp(name, "thread ", 7) ? NULL : strchr(name, ':');
    return colon ? colon : name;
}

static bool is_same_root(const char *left, const char *right)
{
    left = root_begin(left);
    right = root_begin(right);
    size_t length = root_length(left);
    return length == root_length(right) && !strncmp(left, right, length);
}

static uint32_t find_root(const struct mx_graph *graph, const char *wanted)
{
    char name[MX_REFERENCE_NAME];
    for (size_t i = 0; i < graph->roots.count; i++) {
        const struct mx_graph_root *root = &graph->roots.items[i];
        if (root->root.kind != MX_ROOT_CACHE && root->root.kind != MX_ROOT_C_STACK &&
            mx_root_name(&graph->target->types, &root->root, MX_EDGE_LABEL, name, sizeof(name)) &&
            is_same_root(name, wanted))
            return root->block;
    }
    return MX_NO_BLOCK;
}

struct step {
    const struct mx_graph *graph;
    const char *wanted;
    unsigned seen;
    uint32_t found;
};

static bool visit_step(void *context, const struct mx_edge *edge)
{
    struct step *step = context;
    char name[MX_REFERENCE_NAME];
    if (edge->class <= MX_EDGE_OWNED &&
        mx_edge_name(&step->graph->target->types, edge, MX_EDGE_LABEL, name, sizeof(name)) &&
        !strcmp(name, step->wanted))
        step->found = mx_graph_target(step->graph, edge);
    return step->found == MX_NO_BLOCK && ++step->seen < MOST_EDGES;
}

static uint32_t follow(const struct mx_graph *graph, uint32_t block, const char *name)
{
    struct step step = {.graph = graph, .wanted = name, .found = MX_NO_BLOCK};
    const struct mx_type *type;
    mx_addr object = mx_graph_object(graph, block, &type);
    if (object)
        mx_referents_each(&graph->referents, type, object, visit_step, &step);
    return step.found;
}

static uint32_t find_by_names(const struct mx_path *path, const struct mx_graph *other)
{
    size_t count;
    const struct mx_reference *references = mx_path_references(path, &count);
    uint32_t block = count && count <= MOST_STEPS ? find_root(other, references[0].name) : MX_NO_BLOCK;
    for (size_t i = 1; block != MX_NO_BLOCK && i < count; i++)
        block = follow(other, block, references[i].name);
    return block;
}

static struct mx_error *find_by_expression(const char *expression, struct mx_graph *other, uint32_t *ret)
{
    mx_addr address;
    *ret = MX_NO_BLOCK;
    struct mx_error *error = mx_target_resolve(other->target, expression, &address);
    if (!error)
        error = mx_place_find(other, address, false, ret);
    bool is_absent = error && (error->code == MX_ERROR_NOT_FOUND || error->code == MX_ERROR_ARGUMENT);
    if (!is_absent)
        return error;
    mx_error_free(error);
    return NULL;
}

struct mx_error *mx_twin_find(struct mx_graph *graph, uint32_t block, struct mx_graph *other, uint32_t *ret)
{
    const struct mx_type *type;
    struct mx_path *path;
    *ret = MX_NO_BLOCK;
    struct mx_error *error = mx_path_open(graph, mx_graph_object(graph, block, &type), 0, NULL, NULL, &path);
    if (error && error->code == MX_ERROR_NOT_FOUND) {
        mx_error_free(error);
        return NULL;
    }
    if (error)
        return error;
    const char *expression = mx_path_expression(path);
    if (expression)
        error = find_by_expression(expression, other, ret);
    else
        *ret = find_by_names(path, other);
    mx_path_close(path);
    return error;
}
