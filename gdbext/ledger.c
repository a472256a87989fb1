/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger for Python: a dict of rows, parts and figures as tuples.
 */
#include "ledger.h"

static PyObject *row_list(const struct mx_ledger *ledger)
{
    size_t count;
    const struct mx_ledger_row *rows = mx_ledger_rows(ledger, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(NKKK)", mx_text(rows[i].kind), number(rows[i].resident),
                                       number(rows[i].virtual_bytes), number(rows[i].count)));
    return list;
}

static PyObject *part_list(const struct mx_ledger *ledger)
{
    static const char *const names[MX_LEDGER_PARTS] = {[MX_LEDGER_TOTAL] = "total",
                                                       [MX_LEDGER_PYMALLOC] = "pymalloc",
                                                       [MX_LEDGER_MALLOC] = "malloc",
                                                       [MX_LEDGER_MAPPED] = "mapped",
                                                       [MX_LEDGER_TRIMMABLE] = "trimmable"};
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < MX_LEDGER_PARTS; i++) {
        struct mx_ledger_row part;
        mx_ledger_part(ledger, (enum mx_ledger_part)i, &part);
        mx_append(&list, Py_BuildValue("(sKKK)", names[i], number(part.resident), number(part.virtual_bytes),
                                       number(part.count)));
    }
    return list;
}

static PyObject *figure_list(const struct mx_ledger *ledger)
{
    static const char *const known[] = {
        [MX_KNOWN_NOT] = "not", [MX_KNOWN_AT_LEAST] = "at least", [MX_KNOWN_EXACTLY] = "exactly"};
    size_t count;
    const struct mx_ledger_figure *figures = mx_ledger_figures(ledger, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(sKs)", figures[i].name, number(figures[i].bytes), known[figures[i].known]));
    return list;
}

PyObject *mx_target_ledger(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_ledger *ledger;
    struct mx_heap_call on;
    if (!mx_heap_call_begin(&on, self, args, keywords) ||
        !mx_call_end(&on.call, mx_ledger_open(on.target, on.heap, &on.call.progress, &ledger)))
        return NULL;
    PyObject *result = Py_BuildValue("{sN sN sN sK}", "rows", row_list(ledger), "parts", part_list(ledger), "figures",
                                     figure_list(ledger), "guessed", number(mx_ledger_guessed(ledger)));
    mx_ledger_close(ledger);
    return result;
}
