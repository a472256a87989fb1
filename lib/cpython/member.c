/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of PyMemberDef, which end with one without a name.
 */
#include "cpython/member.h"

enum {
    MOST_MEMBERS = 4096, /* of one type */
    MOST_NAME = 512,
    /* CPython Include/structmember.h: PyMemberDef, and the types of its members that are references */
    MEMBER_SIZE = 40,
    MEMBER_NAME = 0,
    MEMBER_TYPE = 8,
    MEMBER_OFFSET = 16,
    MEMBER_OBJECT = 6,
    MEMBER_OBJECT_EX = 16,
};

struct mx_member_walk mx_members(const struct mx_types *types, const struct mx_type *type)
{
    const struct mx_runtime *runtime = types->runtime;
    mx_addr first = mx_memory_pointer(runtime->memory, type->address + (mx_addr)runtime->layout.type.tp_members);
    return (struct mx_member_walk){runtime->memory, first, MOST_MEMBERS};
}

bool mx_member_next(struct mx_member_walk *walk, struct mx_member *ret)
{
    while (walk->next && walk->left) {
        walk->left--;
        const uint8_t *bytes = mx_memory_view(walk->memory, walk->next, MEMBER_SIZE);
        mx_addr name = bytes ? mx_load_u64(bytes + MEMBER_NAME) : 0;
        ret->name = name ? mx_memory_text(walk->memory, name, MOST_NAME) : NULL;
        if (!ret->name)
            return false;
        uint32_t kind = mx_load_u32(bytes + MEMBER_TYPE);
        ret->offset = mx_load_i64(bytes + MEMBER_OFFSET);
        walk->next += MEMBER_SIZE;
        if (kind == MEMBER_OBJECT || kind == MEMBER_OBJECT_EX)
            return true;
    }
    return false;
}
