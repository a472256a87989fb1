/* SPDX-License-Identifier: Apache-2.0
 *
 * Lost memory for Python: groups as tuples and the figures as a dict.
 */
#include "leaks.h"

static PyObject *figures(const struct mx_leaks *leaks)
{
    struct mx_leaks_info info;
    mx_leaks_info(leaks, &info);
    return Py_BuildValue("{sK sK sK sK sK sK sK sK}", "blocks", number(info.blocks), "bytes", number(info.bytes),
                         "definite_blocks", number(info.definite_blocks), "definite_bytes", number(info.definite_bytes),
                         "indirect_blocks", number(info.indirect_blocks), "indirect_bytes", number(info.indirect_bytes),
                         "possible_blocks", number(info.possible_blocks), "possible_bytes",
                         number(info.possible_bytes));
}

static PyObject *row_tuple(const struct mx_leak_row *row)
{
    static const char *const classes[] = {
        [MX_LEAK_DEFINITE] = "definite", [MX_LEAK_INDIRECT] = "indirect", [MX_LEAK_POSSIBLE] = "possible"};
    return Py_BuildValue("(sKKKKKNNKN)", classes[row->class], number(row->size), number(row->count), number(row->bytes),
                         number(row->held_count), number(row->held_bytes), mx_text(row->content), mx_text(row->module),
                         number(row->example), mx_text(row->place));
}

static PyObject *result(const struct mx_leaks *leaks)
{
    size_t count;
    const struct mx_leak_row *rows = mx_leaks_rows(leaks, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, row_tuple(&rows[i]));
    return list ? Py_BuildValue("(NN)", list, figures(leaks)) : NULL;
}

PyObject *mx_graph_leaks(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"since", "progress", NULL};
    PyObject *since_object = Py_None, *progress = Py_None;
    struct mx_leaks_query query = {0};
    void *since;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO", (char **)names, &since_object, &progress) ||
        !mx_use_argument(since_object, mx_binding_state()->heap_type, true, &since))
        return NULL;
    query.since = since;
    struct mx_leaks *leaks;
    struct mx_call call;
    struct mx_graph *graph = mx_call_begin_on(&call, self, progress);
    if (!graph || !mx_call_end(&call, mx_leaks_open(graph, &query, &call.progress, &leaks)))
        return NULL;
    PyObject *found = result(leaks);
    mx_leaks_close(leaks);
    return found;
}
