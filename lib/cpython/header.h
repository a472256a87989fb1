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
    bool deferred; /* free-threaded builds: the count says nothing */
    bool tracked;
};

/* False when the object is dead (on a free list) or not readable. */
bool mx_header_read(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_header *ret);

/* 3.11 gives static objects this count to begin with; small numbers add what refers to them in 2 GB of pointers. */
#define MX_STATIC_REFCOUNT INT64_C(999999999)

static inline bool mx_is_static_refcount(uint64_t word)
{
    const int64_t down = 1 << 20, up = 1 << 28;
    return (int64_t)word > MX_STATIC_REFCOUNT - down && (int64_t)word < MX_STATIC_REFCOUNT + up;
}

/*
 * Free-threaded builds: the owner's count and the others' together. A deferred one leaves out references from frames
 * and some that threads count apart, so that it says nothing. (CPython Include/internal/pycore_object.h)
 */
int64_t mx_threaded_refcount(const struct mx_layout *layout, const uint8_t *object, bool *immortal, bool *deferred);

/* Free-threaded builds: whether gc.get_objects() lists an object with these ob_gc_bits. */
bool mx_threaded_tracked(uint8_t gc_bits);

/* The same, but moved out of its sight by gc.freeze(). */
bool mx_threaded_frozen(uint8_t gc_bits);

/* The count in a reference count word; *immortal tells that it does not count. 0 = dead. */
int64_t mx_refcount(const struct mx_layout *layout, uint64_t word, bool *immortal);

/* Whether a header of a version that has immortal objects (3.12+) says that its object is none. */
bool mx_is_mortal(const struct mx_layout *layout, const uint8_t *object);

#endif
