/* SPDX-License-Identifier: Apache-2.0
 *
 * The binding's part for processes that only GDB reaches.
 */
#ifndef MX_GDBEXT_REMOTE_H
#define MX_GDBEXT_REMOTE_H

#include "binding.h"

PyObject *mx_module_open_remote(PyObject *module, PyObject *args, PyObject *keywords);

#endif
