/* SPDX-License-Identifier: Apache-2.0
 *
 * Retained sizes for Python: the Retained handle, what one object retains, and tables as lists of tuples.
 */
#include "retained.h"

#include <string.h>

#include "suspects.h"

static void close_retained(void *pointer)
{
    mx_retained_close(pointer);
}

PyObject *mx_graph_retained(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_retained *retained;
    struct mx_call call;
    struct mx_graph *graph = mx_call_begin_alone(&call, self, args, keywords);
    if (!graph || !mx_call_end(&call, mx_retained_open(graph, &call.progress, &retained)))
        return NULL;
    PyObject *handle = mx_handle_new(mx_binding_state()->retained_type, retained, close_retained);
    if (handle)
        mx_handle_need(handle, self, NULL);
    return handle;
}

static PyObject *retained_info(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_retained *retained = mx_use(self);
    if (!retained)
        return NULL;
    struct mx_retained_info info;
    mx_retained_info(retained, &info);
    return Py_BuildValue("{sK sK sK sK sK sK sK sK}", "total", number(info.total), "static_bytes",
                         number(info.static_bytes), "unreachable", number(info.unreachable), "unowned",
                         number(info.unowned), "blocks", number(info.blocks), "unreachable_blocks",
                         number(info.unreachable_blocks), "inexact", number(info.inexact), "memory",
                         number(info.memory));
}

static PyObject *retained_of(PyObject *self, PyObject *args)
{
    unsigned long long address;
    if (!PyArg_ParseTuple(args, "K", &address))
        return NULL;
    struct mx_retained_size size;
    struct mx_call call;
    const struct mx_retained *retained = mx_call_begin_on(&call, self, Py_None);
    if (!retained || !mx_call_end(&call, mx_retained_of(retained, address, &size)))
        return NULL;
    return Py_BuildValue("(KKK)", number(size.block), number(size.owned), number(size.retained));
}

static bool parse_by(const char *name, enum mx_retained_by *ret)
{
    static const char *const names[] = {[MX_RETAINED_BY_OBJECT] = "object",
                                        [MX_RETAINED_BY_TYPE] = "type",
                                        [MX_RETAINED_BY_MODULE] = "module",
                                        [MX_RETAINED_BY_ROOT] = "root"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum mx_retained_by)i;
            return true;
        }
    PyErr_SetString(PyExc_ValueError, "by is 'object', 'type', 'module' or 'root'");
    return false;
}

static PyObject *table_result(const struct mx_retained_table *table)
{
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list,
                  Py_BuildValue("(KNKKdK)", number(rows[i].address), mx_text(rows[i].name), number(rows[i].retained),
                                number(rows[i].size), rows[i].share, number(rows[i].count)));
    return list ? Py_BuildValue("(NK)", list, number(total)) : NULL;
}

static PyObject *retained_rows(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"by", "within", "limit", "progress", NULL};
    const char *by = "object";
    unsigned long long within = 0;
    Py_ssize_t limit = 0;
    PyObject *progress = Py_None;
    struct mx_retained_query query;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|sKnO", (char **)names, &by, &within, &limit, &progress) ||
        !parse_by(by, &query.by) || !mx_is_not_negative("limit", limit))
        return NULL;
    query.within = within;
    query.limit = (size_t)limit;
    struct mx_retained_table *table;
    struct mx_call call;
    struct mx_retained *retained = mx_call_begin_on(&call, self, progress);
    if (!retained || !mx_call_end(&call, mx_retained_table_open(retained, &query, &call.progress, &table)))
        return NULL;
    PyObject *result = table_result(table);
    mx_retained_table_close(table);
    return result;
}

static PyObject *outline_result(const struct mx_outline *outline)
{
    size_t count;
    const struct mx_outline_node *nodes = mx_outline_nodes(outline, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(IIKNNKK)", (unsigned)nodes[i].parent, (unsigned)nodes[i].count,
                                       number(nodes[i].address), mx_text(nodes[i].type), mx_text(nodes[i].name),
                                       number(nodes[i].own), number(nodes[i].retained)));
    return list;
}

static PyObject *retained_outline(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"within", "least", "nodes", "since", "progress", NULL};
    unsigned long long within = 0, least = 0;
    Py_ssize_t nodes = 0;
    PyObject *since_object = Py_None, *progress = Py_None;
    void *since;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|KKnOO", (char **)names, &within, &least, &nodes, &since_object,
                                     &progress) ||
        !mx_use_argument(since_object, mx_binding_state()->heap_type, true, &since) ||
        !mx_is_not_negative("nodes", nodes))
        return NULL;
    struct mx_outline_query query = {.within = within, .least = least, .nodes = (size_t)nodes, .since = since};
    struct mx_outline *outline;
    struct mx_call call;
    struct mx_retained *retained = mx_call_begin_on(&call, self, progress);
    if (!retained || !mx_call_end(&call, mx_outline_open(retained, &query, &call.progress, &outline)))
        return NULL;
    PyObject *result = outline_result(outline);
    mx_outline_close(outline);
    return result;
}

PyMethodDef mx_retained_methods[] = {
    {"info", retained_info, METH_NOARGS, "A dict of mx_retained_info's members."},
    {"of", retained_of, METH_VARARGS, "of(addr): (block, owned, retained), bytes"},
    {"rows", WITH_KEYWORDS(retained_rows), METH_VARARGS | METH_KEYWORDS,
     "rows(by='object', within=0, limit=0, progress=None):\n"
     "([(addr, name, retained, size, share, count)], total rows); by object, type, module or root"},
    {"outline", WITH_KEYWORDS(retained_outline), METH_VARARGS | METH_KEYWORDS,
     "outline(within=0, least=0, nodes=0, since=None, progress=None):\n"
     "[(parent, count, addr, type, name, own, retained)], parents first; `since`: an earlier Heap"},
    {"suspects", WITH_KEYWORDS(mx_retained_suspects), METH_VARARGS | METH_KEYWORDS,
     "suspects(since=None, since_retained=None, least_share=0.0, limit=0, progress=None):\n"
     "([a dict of mx_suspect's members], bytes to be explained)"},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};
