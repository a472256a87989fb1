/* SPDX-License-Identifier: Apache-2.0
 *
 * The Graph of the binding: what _memext.c needs of graph.c to make its types.
 */
#ifndef MX_BINDING_GRAPH_H
#define MX_BINDING_GRAPH_H

#include "binding.h"

/* Target.graph(heap, progress=None) */
PyObject *mx_target_graph(PyObject *self, PyObject *args, PyObject *keywords);

extern PyMethodDef mx_graph_methods[];

#endif
