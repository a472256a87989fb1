/* SPDX-License-Identifier: Apache-2.0
 *
 * The ground under _memext.c: one call into the library made safe inside GDB, memext.h's handles as Python objects, and
 * its errors as exceptions. It knows nothing of any one handle's methods. Functions returning PyObject * give new
 * references, or NULL with an exception set.
 *
 * Ctrl-C: SIGINT is blocked while the library works and looked for whenever it reports progress. No signal disposition
 * changes (GDB forbids that for SIGINT), no Python code runs in between unawares, and it behaves alike in every GDB,
 * where a handler of Python's or GDB's own would not.
 */
#ifndef MX_BINDING_H
#define MX_BINDING_H

/* One file for every Python from 3.8 on. */
#define Py_LIMITED_API 0x03080000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "memext.h"

#include <signal.h>

struct mx_binding_state {
    PyObject *error;
    PyObject *target_type, *heap_type, *histogram_type, *graph_type, *retained_type, *sql_type, *recall_type;
    unsigned busy; /* calls into the library under way: their progress callables must not touch a handle */
};

extern struct PyModuleDef mx_binding_module;

struct mx_binding_state *mx_binding_state(void);

/* Both are for Py_BuildValue, which converts nothing by itself. */
static inline PyObject *boolean(bool value)
{
    return PyBool_FromLong(value);
}

static inline unsigned long long number(uint64_t value)
{
    return value;
}

#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

/* None for NULL. Bytes that are no UTF-8 are escaped: names in a damaged target can hold anything. */
PyObject *mx_text(const char *string);
PyObject *mx_text_list(const char *const *strings, size_t count);

/* Takes over `item`; on failure drops the list, so that loops can go on without a way out of their own. */
void mx_append(PyObject **list, PyObject *item);

/* Raises ValueError when it is, with the argument's name. */
bool mx_is_not_negative(const char *name, Py_ssize_t value);

/* Raises _memext.Error; always NULL. */
PyObject *mx_raise(const char *code, const char *message);

/* One call into the library, between mx_call_begin() and mx_call_end(): the GIL is released, SIGINT is blocked. */
struct mx_call {
    struct mx_progress progress; /* to hand to the library */
    PyObject *callable;          /* or NULL */
    PyThreadState *thread;
    sigset_t mask;    /* to go back to */
    double next;      /* when progress is shown again */
    bool interrupted; /* Ctrl-C was seen */
};

/* `callable(stage, done, total)`, or None. */
void mx_call_begin(struct mx_call *call, PyObject *callable);

/* False with an exception set when the call failed. Frees `error`. */
bool mx_call_end(struct mx_call *call, struct mx_error *error);

/*
 * A method's call into the library: begun when `self` is open and the arguments are right; else NULL (or false) with an
 * exception set. The pointer is the handle's own.
 */
void *mx_call_begin_on(struct mx_call *call, PyObject *self, PyObject *callable);

/* For a method of (progress=None). */
void *mx_call_begin_alone(struct mx_call *call, PyObject *self, PyObject *args, PyObject *keywords);

/* For a Target's method of (heap, progress=None). */
struct mx_heap_call {
    struct mx_call call;
    struct mx_target *target;
    struct mx_heap *heap;
    PyObject *heap_object; /* borrowed */
};

bool mx_heap_call_begin(struct mx_heap_call *ret, PyObject *self, PyObject *args, PyObject *keywords);

/* Every type of the module: a pointer of memext.h, NULL once closed. */
struct mx_handle {
    PyObject_HEAD void *pointer;
    void (*close)(void *pointer);
    PyObject *needs[2]; /* handles that this one reads from: they stay open as long as it is */
    unsigned users;     /* open handles that need this one */
};

/* Takes over `pointer`, also when it fails. */
PyObject *mx_handle_new(PyObject *type, void *pointer, void (*close)(void *pointer));
void mx_handle_dealloc(PyObject *self);

/* Keeps both open until `self` is closed; `second` may be NULL. */
void mx_handle_need(PyObject *self, PyObject *first, PyObject *second);

/* Raises when another handle needs this one. */
PyObject *mx_handle_close(PyObject *self, PyObject *ignored);

/* The pointer; NULL with an exception set when it is closed, or in use further up the stack. */
void *mx_use(PyObject *self);

/* As mx_use, for an argument: None is NULL where `optional`. */
bool mx_use_argument(PyObject *argument, PyObject *type, bool optional, void **ret);

#endif
