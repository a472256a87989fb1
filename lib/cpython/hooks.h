/* SPDX-License-Identifier: Apache-2.0
 *
 * The debug hooks of CPython's allocators, seen from the objects.
 */
#ifndef MX_CPYTHON_HOOKS_H
#define MX_CPYTHON_HOOKS_H

#include "cpython/runtime.h"

/* Bytes that debug hooks put before each object's block: 16, or 0 without hooks. The interpreters must be listed. */
uint32_t mx_hooks_padding(const struct mx_runtime *runtime);

#endif
