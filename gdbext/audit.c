/* SPDX-License-Identifier: Apache-2.0
 *
 * Audited reference counts, and checked invariants, for Python: rows as tuples and
 * the figures as a dict.
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

static PyObject *checks(const struct mx_verification *verification)
{
    struct mx_verification_info info;
    size_t count;
    const struct mx_check *check = mx_verification_checks(verification, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list,
                  Py_BuildValue("(sssKKKs)", check[i].name, check[i].what, check[i].unit, number(check[i].checked),
                                number(check[i].failed), number(check[i].example), check[i].why));
    mx_verification_info(verification, &info);
    return list ? Py_BuildValue("(N{sK sK sd})", list, "checked", number(info.checked), "failed", number(info.failed),
                                "exact", info.exact)
                : NULL;
}

PyObject *mx_graph_verify(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"progress", NULL};
    PyObject *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", (char **)names, &progress))
        return NULL;
    struct mx_graph *graph = mx_use(self);
    if (!graph)
        return NULL;
    struct mx_verification *verification;
    struct mx_call call;
    mx_call_begin(&call, progress);
    if (!mx_call_end(&call, mx_verification_open(graph, &call.progress, &verification)))
        return NULL;
    PyObject *found = checks(verification);
    mx_verification_close(verification);
    return found;
}
