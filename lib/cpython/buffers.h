/* SPDX-License-Identifier: Apache-2.0
 *
 * The raw blocks that belong to objects (a list's items, a dict's tables, an
 * array's numbers), without a look at what is in them: where in an object such
 * an address can stand, by type. It is asked about every object of a heap.
 */
#ifndef MX_CPYTHON_BUFFERS_H
#define MX_CPYTHON_BUFFERS_H

#include "cpython/referents.h"

/* Whose buffer it is, in the order in which a shared one is told to be of the first. */
enum mx_buffer_owner {
    MX_BUFFER_NONE,
    MX_BUFFER_DICT,
    MX_BUFFER_LIST,
    MX_BUFFER_SET,
    MX_BUFFER_STR,
    MX_BUFFER_BYTEARRAY,
    MX_BUFFER_ARRAY,
    MX_BUFFER_NDARRAY, /* numpy's */
    MX_BUFFER_DEQUE,
    MX_BUFFER_INSTANCE, /* the values of its attributes */
    MX_BUFFER_OTHER,
    MX_BUFFER_OWNERS,
};

/* "dict", "list" ... */
const char *mx_buffer_owner_name(enum mx_buffer_owner owner);

/* Of one type. */
struct mx_buffer_plan {
    uint32_t first, count; /* in mx_buffers.places */
    uint8_t owner;         /* enum mx_buffer_owner; NONE: its instances have no buffers */
    bool is_str, walks;    /* addresses stand elsewhere as well */
    bool is_known;         /* of a class statement, its slots and bases all known: there are no further addresses */
};

struct mx_buffers {
    struct mx_referents referents;
    MX_ARRAY(struct mx_buffer_plan) plans; /* by type index */
    MX_ARRAY(int32_t) places;              /* offsets of words from the object; before it where negative */
};

struct mx_error *mx_buffers_open(const struct mx_types *types, struct mx_buffers *ret);
void mx_buffers_close(struct mx_buffers *buffers);

/*
 * Calls `visit` with each address that can be of, or in, a buffer of the object: what is no raw block there is none.
 * `bytes` are the object's own, `before` of them in front of it and `available` from it on.
 */
typedef void (*mx_buffer_visit)(void *context, mx_addr address, enum mx_buffer_owner owner);
void mx_buffers_each(const struct mx_buffers *buffers, uint32_t type, mx_addr object, const uint8_t *bytes,
                     size_t before, size_t available, mx_buffer_visit visit, void *context);

#endif
