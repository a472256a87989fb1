/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands at the head of every object: reference count, immortality, and
 * whether the garbage collector tracks it. (CPython Include/object.h)
 */
#ifndef MX_CPYTHON_HEADER_H
#define MX_CPYTHON_HEADER_H

#include "cpython/type.h"

struct mx_header {
    int64_t refcount;
    bool immortal;
    bool tracked;
};

/* False when the object is dead (on a free list) or not readable. */
bool mx_header_read(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_header *ret);

/* 3.11 gives static objects this count to begin with; it drifts, for they are counted all the same. */
#define MX_STATIC_REFCOUNT INT64_C(999999999)

static inline bool mx_is_static_refcount(uint64_t word)
{
    const int64_t drift = 1 << 20;
    return (int64_t)word > MX_STATIC_REFCOUNT - drift && (int64_t)word < MX_STATIC_REFCOUNT + drift;
}

/* The count in a reference count word; *immortal tells that it does not count. 0 = dead. */
int64_t mx_refcount(const struct mx_layout *layout, uint64_t word, bool *immortal);

#endif
