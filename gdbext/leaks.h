/* SPDX-License-Identifier: Apache-2.0
 *
 * Lost memory in the binding: what graph.c needs of leaks.c.
 */
#ifndef MX_BINDING_LEAKS_H
#define MX_BINDING_LEAKS_H

#include "binding.h"

/* Graph.leaks(since=None, progress=None) */
PyObject *mx_graph_leaks(PyObject *self, PyObject *args, PyObject *keywords);

#endif
