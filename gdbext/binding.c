/* SPDX-License-Identifier: Apache-2.0
 *
 * The ground under _memext.c; see binding.h.
 */
#include "binding.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Seconds before progress is first shown, and between two showings. */
static const double progress_after = 0.5;
static const double progress_every = 0.1;

struct mx_binding_state *mx_binding_state(void)
{
    return PyModule_GetState(PyState_FindModule(&mx_binding_module));
}

PyObject *mx_text(const char *string)
{
    if (!string)
        Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(string, (Py_ssize_t)strlen(string), "backslashreplace");
}

PyObject *mx_text_list(const char *const *strings, size_t count)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, mx_text(strings[i]));
    return list;
}

void mx_append(PyObject **list, PyObject *item)
{
    if (*list && (!item || PyList_Append(*list, item) < 0))
        Py_CLEAR(*list);
    Py_XDECREF(item);
}

bool mx_is_not_negative(const char *name, Py_ssize_t value)
{
    if (value < 0)
        PyErr_Format(PyExc_ValueError, "%s is not negative", name);
    return value >= 0;
}

static const char *code_name(enum mx_error_code code)
{
    switch (code) {
    case MX_ERROR_NO_MEMORY:
        return "no-memory";
    case MX_ERROR_OS:
        return "os";
    case MX_ERROR_ARGUMENT:
        return "argument";
    case MX_ERROR_NOT_FOUND:
        return "not-found";
    case MX_ERROR_BAD_DATA:
        return "bad-data";
    case MX_ERROR_UNSUPPORTED:
        return "unsupported";
    case MX_ERROR_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

PyObject *mx_raise(const char *code, const char *message)
{
    struct mx_binding_state *state = mx_binding_state();
    PyObject *sentence = mx_text(message);
    PyObject *exception = sentence ? PyObject_CallFunctionObjArgs(state->error, sentence, NULL) : NULL;
    PyObject *name = exception ? PyUnicode_FromString(code) : NULL;
    if (name && PyObject_SetAttrString(exception, "code", name) == 0)
        PyErr_SetObject(state->error, exception);
    Py_XDECREF(name);
    Py_XDECREF(exception);
    Py_XDECREF(sentence);
    return NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static sigset_t only_sigint(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    return set;
}

/* In the thread that made the call, without the GIL. */
static bool report(void *context, const char *stage, uint64_t done, uint64_t total)
{
    struct mx_call *call = context;
    sigset_t pending;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1) {
        call->interrupted = true;
        return false;
    }
    double time = now();
    if (!call->callable || time < call->next)
        return true;
    call->next = time + progress_every;
    PyEval_RestoreThread(call->thread);
    PyObject *result = PyObject_CallFunction(call->callable, "NKK", mx_text(stage), (unsigned long long)done,
                                             (unsigned long long)total);
    bool failed = !result;
    Py_XDECREF(result);
    call->thread = PyEval_SaveThread();
    return !failed;
}

void mx_call_begin(struct mx_call *call, PyObject *callable)
{
    memset(call, 0, sizeof(*call));
    call->progress = (struct mx_progress){report, call};
    call->callable = callable == Py_None ? NULL : callable;
    call->next = now() + progress_after;
    sigset_t sigint = only_sigint();
    pthread_sigmask(SIG_BLOCK, &sigint, &call->mask);
    mx_binding_state()->busy++;
    call->thread = PyEval_SaveThread();
}

bool mx_call_end(struct mx_call *call, struct mx_error *error)
{
    PyEval_RestoreThread(call->thread);
    mx_binding_state()->busy--;
    bool cancelled = error && error->code == MX_ERROR_CANCELLED;
    if (cancelled && call->interrupted) {
        /* The exception below is the answer to this Ctrl-C: GDB's handler must not give a second one. */
        sigset_t sigint = only_sigint();
        sigtimedwait(&sigint, NULL, &(struct timespec){0});
    }
    pthread_sigmask(SIG_SETMASK, &call->mask, NULL);
    if (!error) {
        /* Too late to stop: the answer is there. What the callable raised is not worth losing it. */
        PyErr_Clear();
        return true;
    }
    if (cancelled && call->interrupted)
        PyErr_SetNone(PyExc_KeyboardInterrupt);
    else if (!PyErr_Occurred())
        mx_raise(code_name(error->code), error->message);
    mx_error_free(error);
    return false;
}

PyObject *mx_handle_new(PyObject *type, void *pointer, void (*close)(void *pointer))
{
    struct mx_handle *handle = (struct mx_handle *)PyType_GenericAlloc((PyTypeObject *)type, 0);
    if (!handle) {
        close(pointer);
        return NULL;
    }
    handle->pointer = pointer;
    handle->close = close;
    return (PyObject *)handle;
}

void mx_handle_need(PyObject *self, PyObject *first, PyObject *second)
{
    struct mx_handle *handle = (struct mx_handle *)self;
    handle->needs[0] = first;
    handle->needs[1] = second;
    for (int i = 0; i < 2 && handle->needs[i]; i++) {
        Py_INCREF(handle->needs[i]);
        ((struct mx_handle *)handle->needs[i])->users++;
    }
}

static void drop_pointer(struct mx_handle *handle)
{
    if (handle->pointer)
        handle->close(handle->pointer);
    handle->pointer = NULL;
    for (int i = 0; i < 2; i++) {
        if (handle->needs[i])
            ((struct mx_handle *)handle->needs[i])->users--;
        Py_CLEAR(handle->needs[i]);
    }
}

void mx_handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    drop_pointer((struct mx_handle *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

void *mx_use(PyObject *self)
{
    struct mx_handle *handle = (struct mx_handle *)self;
    if (mx_binding_state()->busy)
        mx_raise("argument", "memext is at work: a progress callable cannot call it");
    else if (!handle->pointer)
        mx_raise("argument", "this handle is closed");
    else
        return handle->pointer;
    return NULL;
}

PyObject *mx_handle_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (((struct mx_handle *)self)->pointer) {
        if (!mx_use(self))
            return NULL;
        if (((struct mx_handle *)self)->users)
            return mx_raise("argument", "a Graph, Retained or Sql still reads from this handle: close that first");
        drop_pointer((struct mx_handle *)self);
    }
    Py_INCREF(Py_None);
    return Py_None;
}

bool mx_use_argument(PyObject *argument, PyObject *type, bool optional, void **ret)
{
    *ret = NULL;
    if (optional && argument == Py_None)
        return true;
    if (!PyObject_TypeCheck(argument, (PyTypeObject *)type)) {
        PyErr_SetString(PyExc_TypeError, "a handle of the wrong type");
        return false;
    }
    *ret = mx_use(argument);
    return *ret != NULL;
}

void *mx_call_begin_on(struct mx_call *call, PyObject *self, PyObject *callable)
{
    void *pointer = mx_use(self);
    if (pointer)
        mx_call_begin(call, callable);
    return pointer;
}

void *mx_call_begin_alone(struct mx_call *call, PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"progress", NULL};
    PyObject *progress = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", (char **)names, &progress))
        return NULL;
    return mx_call_begin_on(call, self, progress);
}

bool mx_heap_call_begin(struct mx_heap_call *ret, PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "progress", NULL};
    PyObject *progress = Py_None;
    void *heap;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O", (char **)names, &ret->heap_object, &progress) ||
        !mx_use_argument(ret->heap_object, mx_binding_state()->heap_type, false, &heap))
        return false;
    ret->heap = heap;
    ret->target = mx_call_begin_on(&ret->call, self, progress);
    return ret->target;
}
