/* SPDX-License-Identifier: Apache-2.0
 *
 * Target.save() and open_saved(): paths in, a Target or two numbers out.
 */
#include "saved.h"

static void close_target(void *pointer)
{
    mx_target_close(pointer);
}

static PyObject *save(struct mx_target *target, const struct mx_heap *heap, PyObject *path, PyObject *progress)
{
    struct mx_save_info info;
    struct mx_call call;
    mx_call_begin(&call, progress);
    if (!mx_call_end(&call, mx_target_save(target, heap, PyBytes_AsString(path), &call.progress, &info)))
        return NULL;
    return Py_BuildValue("{sK sK}", "bytes", number(info.bytes), "memory", number(info.memory));
}

PyObject *mx_target_save_method(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "path", "progress", NULL};
    PyObject *heap_object, *path, *progress = Py_None;
    void *heap;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO&|O", (char **)names, &heap_object, PyUnicode_FSConverter,
                                     &path, &progress))
        return NULL;
    PyObject *info = NULL;
    struct mx_target *target = mx_use(self);
    if (target && mx_use_argument(heap_object, mx_binding_state()->heap_type, false, &heap))
        info = save(target, heap, path, progress);
    Py_DECREF(path);
    return info;
}

PyObject *mx_module_open_saved(PyObject *module, PyObject *args, PyObject *keywords)
{
    (void)module;
    static const char *const names[] = {"path", "progress", NULL};
    PyObject *path, *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&|O", (char **)names, PyUnicode_FSConverter, &path, &progress))
        return NULL;
    struct mx_target_options options = {0};
    struct mx_target *target;
    struct mx_call call;
    mx_call_begin(&call, progress);
    options.progress = &call.progress;
    bool opened = mx_call_end(&call, mx_target_open_saved(PyBytes_AsString(path), &options, &target));
    Py_DECREF(path);
    return opened ? mx_handle_new(mx_binding_state()->target_type, target, close_target) : NULL;
}
