/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports of the binding.
 */
#ifndef MX_BINDING_EXPORT_H
#define MX_BINDING_EXPORT_H

#include "binding.h"

/* Target.export(heap, graph, retained, format, path, progress=None) */
PyObject *mx_target_export(PyObject *self, PyObject *args, PyObject *keywords);

#endif
