/* SPDX-License-Identifier: Apache-2.0
 *
 * A C extension with the classic mistakes, for the tests to plant: references
 * that are never dropped, and memory that is never freed.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

/* first(list): PyList_GetItem lends its reference, and the caller owns one more than it gives away. */
static PyObject *first(PyObject *self, PyObject *list)
{
    (void)self;
    PyObject *item = PyList_GetItem(list, 0);
    if (!item)
        return NULL;
    Py_INCREF(item);
    Py_INCREF(item);
    return item;
}

/* store(dict, text): PyDict_SetItemString takes a reference of its own; the one from the making is never dropped. */
static PyObject *store(PyObject *self, PyObject *args)
{
    PyObject *dict;
    const char *text;
    (void)self;
    if (!PyArg_ParseTuple(args, "Os", &dict, &text))
        return NULL;
    PyObject *value = PyUnicode_FromFormat("stored: %s", text);
    if (!value || PyDict_SetItemString(dict, text, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

struct record {
    char name[48];
    double values[12];
};

/* Not inlined: what is written to memory that nobody reads is left out otherwise. */
__attribute__((noinline)) static void fill(struct record *record, const char *text)
{
    strncpy(record->name, text, sizeof(record->name) - 1);
    __asm__ volatile("" : : "r"(record) : "memory");
}

/* parse(text): the record is dropped on the error's path, without being freed. */
static PyObject *parse(PyObject *self, PyObject *args)
{
    const char *text;
    (void)self;
    if (!PyArg_ParseTuple(args, "s", &text))
        return NULL;
    struct record *record = calloc(1, sizeof(*record));
    if (!record)
        return PyErr_NoMemory();
    fill(record, text);
    if (strchr(text, '!')) {
        PyErr_SetString(PyExc_ValueError, "no '!' please");
        return NULL;
    }
    free(record);
    Py_RETURN_NONE;
}

struct node {
    struct node *next;
    void (*visit)(struct node *node);
    char text[32];
};

static void visit(struct node *node)
{
    node->text[0]++;
}

/* build(n): a list of n nodes whose head is forgotten. */
static PyObject *build(PyObject *self, PyObject *args)
{
    int count;
    struct node *head = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &count))
        return NULL;
    for (int i = 0; i < count; i++) {
        struct node *node = calloc(1, sizeof(*node));
        if (!node)
            return PyErr_NoMemory();
        node->next = head;
        node->visit = visit;
        snprintf(node->text, sizeof(node->text), "node %d", i);
        head = node;
    }
    if (head)
        head->visit(head);
    Py_RETURN_NONE;
}

static void *kept[4096];
static int kept_count;

/* keep(n): memory that stays reachable from this extension's data. */
static PyObject *keep(PyObject *self, PyObject *args)
{
    int count;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &count))
        return NULL;
    for (int i = 0; i < count && kept_count < 4096; i++)
        kept[kept_count++] = calloc(1, 100);
    return PyLong_FromLong(kept_count);
}

static PyMethodDef methods[] = {
    {"first", first, METH_O, "first(list): its first item"},
    {"store", store, METH_VARARGS, "store(dict, text)"},
    {"parse", parse, METH_VARARGS, "parse(text)"},
    {"build", build, METH_VARARGS, "build(n)"},
    {"keep", keep, METH_VARARGS, "keep(n)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "faulty", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_faulty(void);

PyMODINIT_FUNC PyInit_faulty(void)
{
    return PyModule_Create(&definition);
}
