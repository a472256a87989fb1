/* SPDX-License-Identifier: Apache-2.0
 *
 * Target.save(): a path in, two numbers out.
 */
#include "saved.h"

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
