/* SPDX-License-Identifier: Apache-2.0
 *
 * The waste of a heap for the binding: what _memext.c needs of waste.c.
 */
#ifndef MX_BINDING_WASTE_H
#define MX_BINDING_WASTE_H

#include "binding.h"

/* Target.waste(heap, graph=None, limit=0, least=0, progress=None) */
PyObject *mx_target_waste(PyObject *self, PyObject *args, PyObject *keywords);

#endif
