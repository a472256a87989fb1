/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a type that are references: the __slots__ of a class, and what a type made in C wants Python to see.
 * Those of a type's bases are not among them.
 */
#ifndef MX_CPYTHON_MEMBER_H
#define MX_CPYTHON_MEMBER_H

#include "cpython/type.h"

struct mx_member {
    const char *name; /* valid as mx_memory_text() says */
    int64_t offset;   /* as the target has it: any number */
};

struct mx_member_walk {
    const struct mx_memory *memory;
    mx_addr next;
    unsigned left; /* entries that a damaged table may still have */
};

struct mx_member_walk mx_members(const struct mx_types *types, const struct mx_type *type);

/* False behind the last one. */
bool mx_member_next(struct mx_member_walk *walk, struct mx_member *ret);

#endif
