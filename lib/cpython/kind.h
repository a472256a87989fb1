/* SPDX-License-Identifier: Apache-2.0
 *
 * Which C struct an object is: told by the type's exported symbol, else by its
 * tp_name (types of extension modules), else by its subclass flags; subclasses
 * inherit it.
 */
#ifndef MX_CPYTHON_KIND_H
#define MX_CPYTHON_KIND_H

#include "cpython/type.h"

/* Looks up the exported types that memext knows, fills types->known, and calls `add` for each; false when that fails.
 */
bool mx_kinds_open(struct mx_types *types, bool (*add)(struct mx_types *types, mx_addr address));

/* Sets `kind` and `is_python_class` of the types from `first` on; those before it are done. */
void mx_kinds_assign(struct mx_types *types, size_t first);

#endif
