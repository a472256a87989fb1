/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL statements for Python: what they need, and the Sql handle, whose rows are fetched some at a time.
 */
#include "sql.h"

#include "graph.h"
#include "retained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A statement outlives the call that began it: its progress goes to the call under way. */
struct run {
    struct mx_progress progress;
    struct mx_sql *sql;
    struct mx_call *call; /* NULL between calls */
};

static bool relay(void *context, const char *stage, uint64_t done, uint64_t total)
{
    const struct run *run = context;
    return !run->call || run->call->progress.report(run->call->progress.context, stage, done, total);
}

static void close_run(void *pointer)
{
    struct run *run = pointer;
    mx_sql_close(run->sql);
    free(run);
}

PyObject *mx_module_sql_check(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *statement;
    unsigned needs;
    if (!PyArg_ParseTuple(args, "s", &statement))
        return NULL;
    struct mx_call call;
    mx_call_begin(&call, Py_None);
    if (!mx_call_end(&call, mx_sql_check(statement, &needs)))
        return NULL;
    return Py_BuildValue("{sN sN}", "graph", boolean(needs & MX_NEEDS_GRAPH), "retained",
                         boolean(needs & MX_NEEDS_RETAINED));
}

static struct run *open_run(const struct mx_sources *sources, const char *statement, PyObject *progress)
{
    struct run *run = calloc(1, sizeof(*run));
    if (!run) {
        PyErr_NoMemory();
        return NULL;
    }
    struct mx_call call;
    run->progress = (struct mx_progress){relay, run};
    mx_call_begin(&call, progress);
    run->call = &call;
    struct mx_error *error = mx_sql_open(sources, statement, &run->progress, &run->sql);
    run->call = NULL;
    if (mx_call_end(&call, error))
        return run;
    free(run);
    return NULL;
}

PyObject *mx_target_sql(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "statement", "graph", "retained", "progress", NULL};
    PyObject *heap, *graph = Py_None, *retained = Py_None, *progress = Py_None;
    const char *statement;
    void *heap_handle, *graph_handle, *retained_handle;
    const struct mx_binding_state *state = mx_binding_state();
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Os|OOO", (char **)names, &heap, &statement, &graph, &retained,
                                     &progress) ||
        !mx_use_argument(heap, state->heap_type, false, &heap_handle) ||
        !mx_use_argument(graph, state->graph_type, true, &graph_handle) ||
        !mx_use_argument(retained, state->retained_type, true, &retained_handle))
        return NULL;
    struct mx_target *target = mx_use(self);
    if (!target)
        return NULL;
    const struct mx_sources sources = {target, heap_handle, graph_handle, retained_handle};
    struct run *run = open_run(&sources, statement, progress);
    PyObject *handle = run ? mx_handle_new(state->sql_type, run, close_run) : NULL;
    /* Retained sizes keep their graph, and a graph its target and heap. */
    if (handle && retained != Py_None)
        mx_handle_need(handle, retained, graph != Py_None ? graph : NULL);
    else if (handle)
        mx_handle_need(handle, graph != Py_None ? graph : self, heap);
    return handle;
}

static PyObject *sql_columns(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct run *run = mx_use(self);
    if (!run)
        return NULL;
    const char *const *names;
    size_t count = mx_sql_columns(run->sql, &names);
    return mx_text_list(names, count);
}

static PyObject *value_object(const struct mx_sql_value *value)
{
    char address[2 + 16 + 1];
    switch (value->type) {
    case MX_SQL_INTEGER:
        return PyLong_FromLongLong(value->integer);
    case MX_SQL_ADDRESS:
        snprintf(address, sizeof(address), "0x%llx", (unsigned long long)value->integer);
        return PyUnicode_FromString(address);
    case MX_SQL_REAL:
        return PyFloat_FromDouble(value->real);
    case MX_SQL_TEXT:
        return PyUnicode_DecodeUTF8(value->text, (Py_ssize_t)value->length, "backslashreplace");
    case MX_SQL_NULL:
        break;
    }
    Py_INCREF(Py_None);
    return Py_None;
}

static PyObject *row_tuple(const struct mx_sql_value *values, size_t count)
{
    PyObject *row = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; row && i < count; i++) {
        PyObject *value = value_object(&values[i]);
        if (!value || PyTuple_SetItem(row, (Py_ssize_t)i, value) < 0)
            Py_CLEAR(row);
    }
    return row;
}

/* The rows go to `list` as they come: the library's values live until the next one. */
static struct mx_error *fetch(struct run *run, size_t columns, Py_ssize_t limit, PyObject **list)
{
    struct mx_error *error = NULL;
    const struct mx_sql_value *values = NULL;
    for (Py_ssize_t i = 0; i < limit && *list; i++) {
        error = mx_sql_next(run->sql, &values);
        if (error || !values)
            break;
        PyEval_RestoreThread(run->call->thread);
        mx_append(list, row_tuple(values, columns));
        run->call->thread = PyEval_SaveThread();
    }
    return error;
}

static PyObject *sql_rows(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"limit", "progress", NULL};
    Py_ssize_t limit;
    PyObject *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "n|O", (char **)names, &limit, &progress))
        return NULL;
    struct run *run = mx_use(self);
    PyObject *list = run ? PyList_New(0) : NULL;
    if (!list)
        return NULL;
    const char *const *columns;
    size_t count = mx_sql_columns(run->sql, &columns);
    struct mx_call call;
    mx_call_begin(&call, progress);
    run->call = &call;
    struct mx_error *error = fetch(run, count, limit, &list);
    run->call = NULL;
    if (!mx_call_end(&call, error))
        Py_CLEAR(list);
    else if (!list)
        PyErr_NoMemory();
    return list;
}

PyMethodDef mx_sql_methods[] = {
    {"columns", sql_columns, METH_NOARGS, "The names of the columns."},
    {"rows", WITH_KEYWORDS(sql_rows), METH_VARARGS | METH_KEYWORDS,
     "rows(limit, progress=None): the next rows, at most so many, as tuples; [] behind the last. Addresses are '0x…'."},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};
