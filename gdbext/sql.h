/* SPDX-License-Identifier: Apache-2.0
 *
 * The Sql of the binding: what _memext.c needs of sql.c.
 */
#ifndef MX_BINDING_SQL_H
#define MX_BINDING_SQL_H

#include "binding.h"

/* _memext.sql_check(statement) */
PyObject *mx_module_sql_check(PyObject *module, PyObject *args);

/* Target.sql(heap, statement, graph=None, retained=None, progress=None) */
PyObject *mx_target_sql(PyObject *self, PyObject *args, PyObject *keywords);

extern PyMethodDef mx_sql_methods[];

#endif
