/* SPDX-License-Identifier: Apache-2.0
 *
 * What a function calls its arguments and free variables, and where a
 * suspended frame stands: for telling people what holds an object.
 */
#ifndef MX_CPYTHON_FUNCTION_H
#define MX_CPYTHON_FUNCTION_H

#include "cpython/type.h"

/* The name of the argument whose default is __defaults__[index]; false when it cannot be told. */
bool mx_function_default_name(const struct mx_types *types, mx_addr function, uint64_t index, char *buffer,
                              size_t size);

/* The name of the variable whose cell is __closure__[index]. */
bool mx_function_closure_name(const struct mx_types *types, mx_addr function, uint64_t index, char *buffer,
                              size_t size);

/* "f (app.py:12)" of a frame object, or of a generator or coroutine that is suspended. */
bool mx_suspended_title(const struct mx_types *types, mx_addr object, char *buffer, size_t size);

#endif
