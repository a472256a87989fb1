/* SPDX-License-Identifier: Apache-2.0
 *
 * Audited reference counts for Python: rows as tuples and the figures as a dict.
 */
#include "audit.h"

static PyObject *figures(const struct mx_audit *audit)
{
    struct mx_audit_info info;
    mx_audit_info(audit, &info);
    return Py_BuildValue("{sK sK sK sK sK sK}", "objects", number(info.objects), "exact", number(info.exact),
                         "explained", number(info.explained), "surplus", number(info.surplus), "deficit",
                         number(info.deficit), "uncounted", number(info.uncounted));
}

static PyObject *result(const struct mx_audit *audit)
{
    size_t count;
    const struct mx_audit_row *rows = mx_audit_rows(audit, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(KNLKK)", number(rows[i].address), mx_text(rows[i].type),
                                       (long long)rows[i].refcount, number(rows[i].found), number(rows[i].explained)));
    return list ? Py_BuildValue("(NN)", list, figures(audit)) : NULL;
}

PyObject *mx_graph_audit(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"type", "deficits", "since", "progress", NULL};
    PyObject *since_object = Py_None, *progress = Py_None;
    int deficits = 0;
    struct mx_audit_query query = {0};
    void *since;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|zpOO", (char **)names, &query.type, &deficits, &since_object,
                                     &progress) ||
        !mx_use_argument(since_object, mx_binding_state()->heap_type, true, &since))
        return NULL;
    query.deficits = deficits;
    query.since = since;
    struct mx_audit *audit;
    struct mx_call call;
    struct mx_graph *graph = mx_call_begin_on(&call, self, progress);
    if (!graph || !mx_call_end(&call, mx_audit_open(graph, &query, &call.progress, &audit)))
        return NULL;
    PyObject *found = result(audit);
    mx_audit_close(audit);
    return found;
}
