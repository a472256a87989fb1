/* SPDX-License-Identifier: Apache-2.0
 *
 * Wasted memory for Python: rows as tuples, and the sums of their kinds.
 */
#include "waste.h"

static const char *const kind_names[] = {
    [MX_WASTE_STRINGS] = "strings", [MX_WASTE_BYTES] = "bytes", [MX_WASTE_LISTS] = "lists",
    [MX_WASTE_DICTS] = "dicts",     [MX_WASTE_SETS] = "sets",   [MX_WASTE_EMPTY_DICTS] = "empty-dicts"};
enum { KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

static PyObject *kind_list(const struct mx_waste *waste)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < KINDS; i++) {
        uint64_t count, wasted = mx_waste_of_kind(waste, (enum mx_waste_kind)i, &count);
        mx_append(&list, Py_BuildValue("(sKK)", kind_names[i], number(count), number(wasted)));
    }
    return list;
}

static PyObject *result_of(const struct mx_waste *waste)
{
    size_t count;
    uint64_t total;
    const struct mx_waste_row *rows = mx_waste_rows(waste, &count, &total);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(sKNKKKN)", kind_names[rows[i].kind], number(rows[i].example),
                                       mx_text(rows[i].value), number(rows[i].count), number(rows[i].bytes),
                                       number(rows[i].wasted), mx_text(rows[i].holder)));
    return Py_BuildValue("(NNK)", list, kind_list(waste), number(total));
}

PyObject *mx_target_waste(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "graph", "limit", "least", "progress", NULL};
    PyObject *heap_object, *graph_object = Py_None, *progress = Py_None;
    void *heap, *graph;
    Py_ssize_t limit = 0;
    unsigned long long least = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OnKO", (char **)names, &heap_object, &graph_object, &limit,
                                     &least, &progress) ||
        !mx_use_argument(heap_object, mx_binding_state()->heap_type, false, &heap) ||
        !mx_use_argument(graph_object, mx_binding_state()->graph_type, true, &graph) ||
        !mx_is_not_negative("limit", limit))
        return NULL;
    const struct mx_waste_query query = {.limit = (size_t)limit, .least = least};
    struct mx_waste *waste;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, progress);
    if (!target || !mx_call_end(&call, mx_waste_open(target, heap, graph, &query, &call.progress, &waste)))
        return NULL;
    PyObject *result = result_of(waste);
    mx_waste_close(waste);
    return result;
}
