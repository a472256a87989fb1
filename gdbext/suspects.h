/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspects for Python: what retained.c needs of suspects.c.
 */
#ifndef MX_BINDING_SUSPECTS_H
#define MX_BINDING_SUSPECTS_H

#include "binding.h"

/* Retained.suspects(since=None, since_retained=None, least_share=0.0, limit=0, progress=None) */
PyObject *mx_retained_suspects(PyObject *self, PyObject *args, PyObject *keywords);

#endif
