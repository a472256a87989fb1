/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit of reference counts in the binding: what graph.c needs of audit.c.
 */
#ifndef MX_BINDING_AUDIT_H
#define MX_BINDING_AUDIT_H

#include "binding.h"

/* Graph.audit(type=None, deficits=False, since=None, progress=None) */
PyObject *mx_graph_audit(PyObject *self, PyObject *args, PyObject *keywords);

#endif
