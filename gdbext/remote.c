/* SPDX-License-Identifier: Apache-2.0
 *
 * open_remote(): the library's functions for a remote process, given by a
 * Python object. It runs while a call into the library is under way, in the
 * thread of that call, which has let go of the GIL. What it raises means that
 * the bytes or the file are not to be had.
 */
#include "remote.h"

#include <stdlib.h>
#include <string.h>

/* How much is asked for at once: GDB is slower with more, and Ctrl-C would have to wait. */
static const size_t most_read = (size_t)256 * 1024;

static void close_target(void *pointer)
{
    mx_target_close(pointer);
}

/* Copies what reader.read(address, length) gives; how much that was. */
static size_t read_piece(PyObject *reader, mx_addr address, uint8_t *out, size_t length)
{
    PyObject *bytes = PyObject_CallMethod(reader, "read", "Kn", number(address), (Py_ssize_t)length);
    char *items = NULL;
    Py_ssize_t count = 0;
    if (!bytes || PyBytes_AsStringAndSize(bytes, &items, &count) < 0)
        PyErr_Clear();
    size_t got = (size_t)count < length ? (size_t)count : length;
    if (items)
        memcpy(out, items, got);
    Py_XDECREF(bytes);
    return got;
}

static size_t read_remote(void *context, mx_addr address, uint8_t *out, size_t length)
{
    PyGILState_STATE state = PyGILState_Ensure();
    size_t done = 0;
    while (done < length) {
        size_t piece = length - done < most_read ? length - done : most_read;
        size_t got = read_piece(context, address + done, out + done, piece);
        done += got;
        if (got < piece)
            break;
    }
    PyGILState_Release(state);
    return done;
}

static char *fetch_remote(void *context, const char *path)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *copy = PyObject_CallMethod(context, "fetch", "N", PyUnicode_DecodeFSDefault(path));
    PyObject *name = NULL;
    char *result = NULL;
    if (copy && copy != Py_None && PyUnicode_FSConverter(copy, &name))
        result = strdup(PyBytes_AsString(name));
    PyErr_Clear();
    Py_XDECREF(name);
    Py_XDECREF(copy);
    PyGILState_Release(state);
    return result;
}

/* Called with the GIL when a handle is closed, without it when opening has failed. */
static void close_remote(void *context)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *result = PyObject_CallMethod(context, "close", NULL);
    PyErr_Restore(type, value, traceback);
    Py_XDECREF(result);
    Py_DECREF((PyObject *)context);
    PyGILState_Release(state);
}

/* From [(tid, stack pointer, fs_base)]; the caller frees it. NULL with an exception set. */
static struct mx_remote_thread *parse_threads(PyObject *list, size_t *count)
{
    Py_ssize_t size = PyList_Check(list) ? PyList_Size(list) : -1;
    struct mx_remote_thread *threads = size < 0 ? NULL : calloc((size_t)size + 1, sizeof(*threads));
    if (!threads) {
        PyErr_SetString(PyExc_TypeError, "threads is a list of (tid, stack pointer, fs_base)");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        unsigned long long stack_pointer, fs_base;
        if (!PyArg_ParseTuple(PyList_GetItem(list, i), "iKK", &threads[i].tid, &stack_pointer, &fs_base)) {
            free(threads);
            return NULL;
        }
        threads[i].stack_pointer = stack_pointer;
        threads[i].fs_base = fs_base;
    }
    *count = (size_t)size;
    return threads;
}

PyObject *mx_module_open_remote(PyObject *module, PyObject *args, PyObject *keywords)
{
    (void)module;
    static const char *const names[] = {"pid",          "reader",     "threads",  "executable", "sysroot",
                                        "library_path", "debug_path", "progress", NULL};
    PyObject *reader, *list, *progress = Py_None;
    struct mx_target_options options = {0};
    struct mx_remote remote = {.read = read_remote, .fetch = fetch_remote, .close = close_remote};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "iOO|zzzzO", (char **)names, &remote.pid, &reader, &list,
                                     &options.executable, &options.sysroot, &options.library_path, &options.debug_path,
                                     &progress))
        return NULL;
    struct mx_remote_thread *threads = parse_threads(list, &remote.thread_count);
    if (!threads)
        return NULL;
    remote.threads = threads;
    Py_INCREF(reader);
    remote.context = reader;
    struct mx_target *target;
    struct mx_call call;
    mx_call_begin(&call, progress);
    options.progress = &call.progress;
    bool opened = mx_call_end(&call, mx_target_open_remote(&remote, &options, &target));
    free(threads);
    return opened ? mx_handle_new(mx_binding_state()->target_type, target, close_target) : NULL;
}
