/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspects for Python: a list of dicts, one a holder.
 */
#include "suspects.h"

/* None when it holds nothing but itself. */
static PyObject *holds(const struct mx_suspect *row)
{
    if (!row->holds_count)
        return Py_BuildValue("");
    return Py_BuildValue("{sN sK sK}", "type", mx_text(row->holds_type), "count", number(row->holds_count), "bytes",
                         number(row->holds_bytes));
}

static PyObject *suspect_row(const struct mx_suspect *row)
{
    return Py_BuildValue("{sK sN sN sN sN sN sK sK sd sN sK sN sN}", "addr", number(row->address), "type",
                         mx_text(row->type), "path", mx_text(row->path), "is_expression", boolean(row->is_expression),
                         "cause", mx_text(mx_cause_name(row->cause)), "why", mx_text(row->why), "retained",
                         number(row->retained), "alone", number(row->alone), "share", row->share, "holds", holds(row),
                         "example", number(row->example), "example_path", mx_text(row->example_path), "next",
                         mx_text(row->next));
}

static PyObject *suspects_result(const struct mx_suspects *suspects)
{
    size_t count;
    uint64_t total;
    const struct mx_suspect *rows = mx_suspects_rows(suspects, &count, &total);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, suspect_row(&rows[i]));
    return list ? Py_BuildValue("(NK)", list, number(total)) : NULL;
}

static PyObject *find_suspects(PyObject *self, const struct mx_suspects_query *query, PyObject *progress)
{
    struct mx_suspects *suspects;
    struct mx_call call;
    struct mx_retained *retained = mx_call_begin_on(&call, self, progress);
    if (!retained || !mx_call_end(&call, mx_suspects_open(retained, query, &call.progress, &suspects)))
        return NULL;
    PyObject *result = suspects_result(suspects);
    mx_suspects_close(suspects);
    return result;
}

PyObject *mx_retained_suspects(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"since", "since_retained", "least_share", "limit", "progress", NULL};
    PyObject *since_object = Py_None, *retained_object = Py_None, *progress = Py_None;
    struct mx_suspects_query query = {0};
    Py_ssize_t limit = 0;
    void *since, *since_retained;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OOdnO", (char **)names, &since_object, &retained_object,
                                     &query.least_share, &limit, &progress) ||
        !mx_use_argument(since_object, mx_binding_state()->heap_type, true, &since) ||
        !mx_use_argument(retained_object, mx_binding_state()->retained_type, true, &since_retained) ||
        !mx_is_not_negative("limit", limit))
        return NULL;
    query.since = since;
    query.since_retained = since_retained;
    query.limit = (size_t)limit;
    return find_suspects(self, &query, progress);
}
