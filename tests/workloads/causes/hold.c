/* An extension module that keeps what it is given: in a C global, or in its state. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *kept;

struct state {
    PyObject *kept;
};

static PyObject *keep_global(PyObject *self, PyObject *object)
{
    (void)self;
    Py_INCREF(object);
    Py_XDECREF(kept);
    kept = object;
    Py_RETURN_NONE;
}

static PyObject *keep_state(PyObject *self, PyObject *object)
{
    struct state *state = PyModule_GetState(self);
    Py_INCREF(object);
    Py_XDECREF(state->kept);
    state->kept = object;
    Py_RETURN_NONE;
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    struct state *state = PyModule_GetState(self);
    Py_VISIT(state->kept);
    return 0;
}

static PyMethodDef methods[] = {
    {"keep_global", keep_global, METH_O, NULL},
    {"keep_state", keep_state, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "hold", NULL, sizeof(struct state), methods, slots, traverse, NULL, NULL,
};

PyMODINIT_FUNC PyInit_hold(void)
{
    return PyModuleDef_Init(&definition);
}
