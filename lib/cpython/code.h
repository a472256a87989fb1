/* SPDX-License-Identifier: Apache-2.0
 *
 * Code objects: what they are called, where their first instruction stands, and
 * the code inside of them. (CPython Include/cpython/code.h)
 */
#ifndef MX_CPYTHON_CODE_H
#define MX_CPYTHON_CODE_H

#include "cpython/type.h"

bool mx_is_code(const struct mx_types *types, mx_addr object);

/* Text of a code object as mx_str_utf8() gives it; "?" when it cannot be read. */
void mx_code_file(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size);

/* co_qualname, or co_name before 3.11; tells which. */
bool mx_code_title(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size);
void mx_code_name(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size);

/* Of its `def` or first decorator. */
uint32_t mx_code_first_line(const struct mx_runtime *runtime, mx_addr code);

/* The address of the first code unit, which every call reads first; 0 when it is not there. */
mx_addr mx_code_entry(const struct mx_runtime *runtime, mx_addr code);

/* Of a function, a lambda or a comprehension: not the body of a class or of a module. */
bool mx_code_is_function(const struct mx_runtime *runtime, mx_addr code);

/* The code object among its constants at `index` or behind it, 0 when there is no further one; *index goes behind it.
 */
mx_addr mx_code_next_inner(const struct mx_types *types, mx_addr code, uint32_t *index);

#endif
