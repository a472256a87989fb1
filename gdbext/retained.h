/* SPDX-License-Identifier: Apache-2.0
 *
 * The Retained of the binding: what _memext.c and graph.c need of retained.c.
 */
#ifndef MX_BINDING_RETAINED_H
#define MX_BINDING_RETAINED_H

#include "binding.h"

/* Graph.retained(progress=None) */
PyObject *mx_graph_retained(PyObject *self, PyObject *args, PyObject *keywords);

extern PyMethodDef mx_retained_methods[];

#endif
