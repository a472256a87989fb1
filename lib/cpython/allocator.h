/* SPDX-License-Identifier: Apache-2.0
 *
 * Which allocator the target's objects come from, seen from the objects.
 */
#ifndef MX_CPYTHON_ALLOCATOR_H
#define MX_CPYTHON_ALLOCATOR_H

#include "cpython/runtime.h"

/* Sets runtime->allocator and runtime->block_padding. The interpreters must be listed. */
void mx_allocator_detect(struct mx_runtime *runtime);

#endif
