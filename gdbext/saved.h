/* SPDX-License-Identifier: Apache-2.0
 *
 * The binding's part for saved targets: writing one.
 */
#ifndef MX_GDBEXT_SAVED_H
#define MX_GDBEXT_SAVED_H

#include "binding.h"

PyObject *mx_target_save_method(PyObject *self, PyObject *args, PyObject *keywords);

#endif
