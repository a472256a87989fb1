/* SPDX-License-Identifier: Apache-2.0
 *
 * What a type's name tells of where it is from.
 */
#ifndef MX_REPORT_TYPENAME_H
#define MX_REPORT_TYPENAME_H

#include "cpython/referents.h"

/*
 * How much of a type's name is its module's: the longest part that is one in the dict `modules` (mx_lookup_modules());
 * for a module that is gone, the longest part. 0: a builtin type.
 */
size_t mx_type_module_length(const struct mx_referents *referents, mx_addr modules, const char *name);

#endif
