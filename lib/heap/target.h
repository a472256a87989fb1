/* SPDX-License-Identifier: Apache-2.0
 *
 * One stop of a process, opened: its memory, its files, its interpreter, its
 * types. What is expensive (the heap) is opened on top of it, on demand.
 */
#ifndef MX_HEAP_TARGET_H
#define MX_HEAP_TARGET_H

#include "cpython/runtime.h"
#include "cpython/type.h"
#include "heap/allocators.h"
#include "heap/origin.h"
#include "memory/core.h"
#include "memory/process.h"

struct mx_target {
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
    struct mx_runtime runtime;
    struct mx_types types;
    char *path;              /* of the core or saved target; NULL when live */
    struct mx_origin origin; /* of a saved target */
    struct mx_remote remote; /* of a process that a debugger reaches; zeros otherwise */
    struct mx_allocators allocators;
    struct mx_recall *recall; /* the caller's; NULL: none */
    struct mx_cursor cursor;  /* of mx_target_usage(), which is called again and again */
};

#endif
