/* SPDX-License-Identifier: Apache-2.0
 *
 * References between objects for Python: the Graph handle, its trees and paths as lists of tuples. It knows nothing of
 * how they are drawn.
 */
#include "graph.h"

#include "audit.h"
#include "leaks.h"
#include "retained.h"

#include <string.h>

static void close_graph(void *pointer)
{
    mx_graph_close(pointer);
}

PyObject *mx_target_graph(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_graph *graph;
    struct mx_heap_call on;
    if (!mx_heap_call_begin(&on, self, args, keywords) ||
        !mx_call_end(&on.call, mx_graph_open(on.target, on.heap, &on.call.progress, &graph)))
        return NULL;
    PyObject *handle = mx_handle_new(mx_binding_state()->graph_type, graph, close_graph);
    if (handle)
        mx_handle_need(handle, self, on.heap_object);
    return handle;
}

static PyObject *graph_info(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_graph *graph = mx_use(self);
    if (!graph)
        return NULL;
    struct mx_graph_info info;
    mx_graph_info(graph, &info);
    return Py_BuildValue("{sK sK sK sK sK sK}", "nodes", number(info.nodes), "edges", number(info.edges), "roots",
                         number(info.roots), "inexact", number(info.inexact), "dangling", number(info.dangling),
                         "memory", number(info.memory));
}

static PyObject *node_list(const struct mx_node *nodes, size_t count)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(KNKIKNN)", number(nodes[i].address), mx_text(nodes[i].type),
                                       number(nodes[i].size), (unsigned)nodes[i].depth, number(nodes[i].hidden),
                                       boolean(nodes[i].repeated), boolean(nodes[i].is_module)));
    return list;
}

static const char *kind_name(uint8_t kind)
{
    switch ((enum mx_reference_kind)kind) {
    case MX_REFERENCE_TRAVERSED:
        return "traversed";
    case MX_REFERENCE_OWNED:
        return "owned";
    case MX_REFERENCE_BORROWED:
        return "borrowed";
    case MX_REFERENCE_BUFFER:
        return "buffer";
    case MX_REFERENCE_ROOT:
        return "root";
    }
    return "unknown";
}

static PyObject *reference_list(const struct mx_reference *references, size_t count, bool grouped)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list,
                  Py_BuildValue(grouped ? "(KKsNNK)" : "(KKsNN)", number(references[i].from), number(references[i].to),
                                kind_name(references[i].kind), boolean(references[i].exact),
                                mx_text(references[i].name ? references[i].name : ""), number(references[i].count)));
    return list;
}

static bool parse_direction(const char *name, enum mx_direction *ret)
{
    *ret = strcmp(name, "referrers") == 0 ? MX_REFERRERS : MX_REFERENTS;
    if (*ret == MX_REFERRERS || strcmp(name, "referents") == 0)
        return true;
    PyErr_SetString(PyExc_ValueError, "direction is 'referents' or 'referrers'");
    return false;
}

static PyObject *open_tree(struct mx_graph *graph, const struct mx_tree_query *query, PyObject *progress)
{
    struct mx_tree *tree;
    struct mx_call call;
    mx_call_begin(&call, progress);
    if (!mx_call_end(&call, mx_tree_open(graph, query, &call.progress, &tree)))
        return NULL;
    size_t node_count, reference_count;
    const struct mx_node *nodes = mx_tree_nodes(tree, &node_count);
    const struct mx_reference *references = mx_tree_references(tree, &reference_count);
    PyObject *result = Py_BuildValue("(NN)", node_list(nodes, node_count),
                                     reference_list(references, reference_count, query->grouped));
    mx_tree_close(tree);
    return result;
}

static PyObject *graph_tree(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"start",   "direction",       "depth",   "width",    "borrowed",
                                        "buffers", "stop_at_modules", "grouped", "progress", NULL};
    unsigned long long start;
    const char *direction = "referents";
    int borrowed = 0, buffers = 0, stop_at_modules = 0, grouped = 0;
    PyObject *progress = Py_None;
    struct mx_tree_query query = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "K|sIIppppO", (char **)names, &start, &direction, &query.depth,
                                     &query.width, &borrowed, &buffers, &stop_at_modules, &grouped, &progress) ||
        !parse_direction(direction, &query.direction))
        return NULL;
    query.start = start;
    query.borrowed = borrowed;
    query.buffers = buffers;
    query.stop_at_modules = stop_at_modules;
    query.grouped = grouped;
    struct mx_graph *graph = mx_use(self);
    return graph ? open_tree(graph, &query, progress) : NULL;
}

static PyObject *path_result(const struct mx_path *path)
{
    size_t node_count, reference_count;
    const struct mx_node *nodes = mx_path_nodes(path, &node_count);
    const struct mx_reference *references = mx_path_references(path, &reference_count);
    return Py_BuildValue("(NNN)", node_list(nodes, node_count), reference_list(references, reference_count, false),
                         mx_text(mx_path_expression(path)));
}

static PyObject *graph_path(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"object", "nth", "from_", "progress", NULL};
    unsigned long long object;
    unsigned nth = 0;
    const char *from = NULL;
    PyObject *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "K|IzO", (char **)names, &object, &nth, &from, &progress))
        return NULL;
    struct mx_path *path;
    struct mx_call call;
    struct mx_graph *graph = mx_call_begin_on(&call, self, progress);
    if (!graph || !mx_call_end(&call, mx_path_open(graph, object, nth, from, &call.progress, &path)))
        return NULL;
    PyObject *result = path_result(path);
    mx_path_close(path);
    return result;
}

PyMethodDef mx_graph_methods[] = {
    {"info", graph_info, METH_NOARGS, "A dict of mx_graph_info's members."},
    {"tree", WITH_KEYWORDS(graph_tree), METH_VARARGS | METH_KEYWORDS,
     "tree(start, direction='referents', depth=0, width=0, borrowed=False, buffers=False, stop_at_modules=False,\n"
     "grouped=False, progress=None): ([(addr, type, size, depth, hidden, repeated, is_module)],\n"
     "[(from, to, kind, exact, name)]); grouped ones with their count behind the name"},
    {"path", WITH_KEYWORDS(graph_path), METH_VARARGS | METH_KEYWORDS,
     "path(object, nth=0, from_=None, progress=None): (nodes, references, expression or None), from the root's object "
     "on"},
    {"audit", WITH_KEYWORDS(mx_graph_audit), METH_VARARGS | METH_KEYWORDS,
     "audit(type=None, deficits=False, since=None, progress=None):\n"
     "([(addr, type, refcount, found, explained)], a dict of mx_audit_info's members)"},
    {"leaks", WITH_KEYWORDS(mx_graph_leaks), METH_VARARGS | METH_KEYWORDS,
     "leaks(since=None, progress=None):\n"
     "([(class, size, count, bytes, held count, held bytes, content, module, example, place)], mx_leaks_info's dict)"},
    {"retained", WITH_KEYWORDS(mx_graph_retained), METH_VARARGS | METH_KEYWORDS,
     "retained(progress=None): what objects keep alive; a Retained"},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};
