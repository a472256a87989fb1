/* SPDX-License-Identifier: Apache-2.0
 *
 * The audits of a graph in the binding, of reference counts and of all invariants: what graph.c
 * needs of audit.c.
 */
#ifndef MX_BINDING_AUDIT_H
#define MX_BINDING_AUDIT_H

#include "binding.h"

/* Graph.audit(type=None, deficits=False, since=None, progress=None) */
PyObject *mx_graph_audit(PyObject *self, PyObject *args, PyObject *keywords);

/* Graph.verify(progress=None) */
PyObject *mx_graph_verify(PyObject *self, PyObject *args, PyObject *keywords);

#endif
