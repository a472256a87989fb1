/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocators in the binding: what _memext.c needs of allocators.c.
 */
#ifndef MX_BINDING_ALLOCATORS_H
#define MX_BINDING_ALLOCATORS_H

#include "binding.h"

/* Target.pymalloc(heap, progress=None), Target.malloc(progress=None) */
PyObject *mx_target_pymalloc(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mx_target_malloc(PyObject *self, PyObject *args, PyObject *keywords);

#endif
