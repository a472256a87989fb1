/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports for Python: one call that writes a file and tells what went into it.
 */
#include "export.h"

#include <string.h>

static bool parse_format(const char *name, enum mx_export_format *ret)
{
    static const char *const names[] = {[MX_EXPORT_HEAPSNAPSHOT] = "heapsnapshot",
                                        [MX_EXPORT_SQLITE] = "sqlite",
                                        [MX_EXPORT_DOT] = "dot",
                                        [MX_EXPORT_JSON_LINES] = "json",
                                        [MX_EXPORT_COLLAPSED] = "collapsed"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum mx_export_format)i;
            return true;
        }
    PyErr_SetString(PyExc_ValueError, "format is 'heapsnapshot', 'sqlite', 'dot', 'json' or 'collapsed'");
    return false;
}

static PyObject *export_to(const struct mx_sources *sources, enum mx_export_format format, const char *path,
                           PyObject *progress)
{
    struct mx_export_info info;
    struct mx_call call;
    mx_call_begin(&call, progress);
    if (!mx_call_end(&call, mx_export(sources, format, path, &call.progress, &info)))
        return NULL;
    return Py_BuildValue("{sK sK sK}", "nodes", number(info.nodes), "edges", number(info.edges), "bytes",
                         number(info.bytes));
}

PyObject *mx_target_export(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "graph", "retained", "format", "path", "progress", NULL};
    PyObject *heap_object, *graph_object, *retained_object, *path, *progress = Py_None, *result = NULL;
    const char *format_name;
    enum mx_export_format format;
    void *heap, *graph, *retained;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOsO&|O", (char **)names, &heap_object, &graph_object,
                                     &retained_object, &format_name, PyUnicode_FSConverter, &path, &progress))
        return NULL;
    const struct mx_binding_state *state = mx_binding_state();
    struct mx_target *target = mx_use(self);
    if (target && mx_use_argument(heap_object, state->heap_type, false, &heap) &&
        mx_use_argument(graph_object, state->graph_type, false, &graph) &&
        mx_use_argument(retained_object, state->retained_type, false, &retained) &&
        parse_format(format_name, &format)) {
        struct mx_sources sources = {target, heap, graph, retained};
        result = export_to(&sources, format, PyBytes_AsString(path), progress);
    }
    Py_DECREF(path);
    return result;
}
