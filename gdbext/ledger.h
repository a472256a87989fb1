/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger in the binding: what _memext.c needs of ledger.c.
 */
#ifndef MX_BINDING_LEDGER_H
#define MX_BINDING_LEDGER_H

#include "binding.h"

/* Target.ledger(heap, progress=None) */
PyObject *mx_target_ledger(PyObject *self, PyObject *args, PyObject *keywords);

#endif
