/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks and functions in the binding: methods of Target.
 */
#ifndef MX_BINDING_STACKS_H
#define MX_BINDING_STACKS_H

#include "binding.h"

/* Target.stacks(frames=0, locals=False) */
PyObject *mx_target_stacks(PyObject *self, PyObject *args, PyObject *keywords);

/* Target.functions(heap, progress=None) */
PyObject *mx_target_functions(PyObject *self, PyObject *args, PyObject *keywords);

/* Target.functions_of_code(code, globals=0) */
PyObject *mx_target_functions_of_code(PyObject *self, PyObject *args);

/* Target.reread() */
PyObject *mx_target_look_again(PyObject *self, PyObject *ignored);

#endif
