/* SPDX-License-Identifier: Apache-2.0
 *
 * From an instruction to its line. (CPython Objects/lnotab_notes.txt, Objects/locations.md)
 */
#ifndef MX_CPYTHON_LINETABLE_H
#define MX_CPYTHON_LINETABLE_H

#include "cpython/runtime.h"

/* The line of the instruction at `offset` bytes in a code object; its first line when the table does not tell. */
uint32_t mx_code_line(const struct mx_runtime *runtime, mx_addr code, int64_t offset);

#endif
