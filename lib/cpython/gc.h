/* SPDX-License-Identifier: Apache-2.0
 *
 * The garbage collector's lists. (CPython Modules/gcmodule.c, Python/gc.c)
 */
#ifndef MX_CPYTHON_GC_H
#define MX_CPYTHON_GC_H

#include "cpython/runtime.h"

enum mx_gc_list { MX_GC_GENERATIONS, MX_GC_PERMANENT };

/* Called with the address of each object (not of its head); false stops. */
typedef bool (*mx_gc_visit)(void *context, mx_addr object);

struct mx_gc_walk {
    uint64_t objects;
    uint64_t broken; /* lists that did not close; they were walked from both ends as far as they hold */
};

/* Walks the lists of every interpreter. */
void mx_gc_each(const struct mx_runtime *runtime, enum mx_gc_list which, mx_gc_visit visit, void *context,
                struct mx_gc_walk *ret);

#endif
