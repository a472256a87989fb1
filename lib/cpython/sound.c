/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariants by kind. (CPython Objects/listobject.c: list_resize, list.sort;
 * dictobject.c: _PyDict_CheckConsistency; setobject.c; typeobject.c)
 */
#include "cpython/sound.h"

#include "cpython/dict.h"
#include "cpython/size.h"

enum { HEAD = 64, MOST_BASES = 4096 };

static uint64_t field(const struct mx_types *types, mx_addr object, int32_t offset)
{
    return mx_memory_pointer(types->runtime->memory, object + (uint64_t)offset);
}

static int64_t length_of(const struct mx_types *types, mx_addr object)
{
    return (int64_t)field(types, object, types->runtime->layout.var_object.ob_size);
}

/* While a list is being sorted it has no items, and -1 places. */
static const char *check_list(const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    int64_t length = length_of(types, object);
    int64_t allocated = (int64_t)field(types, object, layout->list.allocated);
    if (length < 0)
        return "its length is negative";
    if (length > allocated && (allocated != -1 || length))
        return "its length is more than was allocated";
    return allocated > 0 && !field(types, object, layout->list.ob_item) ? "its items have no address" : NULL;
}

static const char *check_dict(const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    struct mx_dict_keys keys;
    mx_addr table = field(types, object, layout->dict.ma_keys);
    int64_t used = (int64_t)field(types, object, layout->dict.ma_used);
    if (!mx_memory_view(types->runtime->memory, table, (size_t)layout->dict_keys.size))
        return NULL;
    if (!mx_dict_keys_read(types->runtime, table, &keys))
        return "the head of its table makes no sense";
    if (used < 0 || (uint64_t)used > keys.entries)
        return "it counts more items than its table has";
    return keys.entries > keys.size || keys.usable > keys.size - keys.entries ? "its table has more entries than places"
                                                                              : NULL;
}

static const char *check_set(const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    uint64_t mask = field(types, object, layout->set.mask), fill = field(types, object, layout->set.fill);
    uint64_t used = field(types, object, layout->set.used);
    if (mask & (mask + 1))
        return "the size of its table is no power of two";
    if (used > fill)
        return "it counts more items than places that are taken";
    return fill > mask ? "more places of its table are taken than it has" : NULL;
}

/* Items that stand in the object itself end where its block does. */
static const char *check_items(const struct mx_types *types, const struct mx_type *type, mx_addr object, uint64_t rest)
{
    const uint8_t *bytes = mx_memory_view(types->runtime->memory, object, HEAD);
    if (type->kind != MX_KIND_INT && length_of(types, object) < 0)
        return "its length is negative";
    if (!bytes)
        return NULL;
    uint64_t size = mx_object_size(types, type, object, bytes, HEAD, NULL);
    return size > type->preheader && size - type->preheader > rest ? "its items do not fit into its block" : NULL;
}

const char *mx_sound_numbers(const struct mx_types *types, const struct mx_type *type, mx_addr object, uint64_t rest)
{
    if (!mx_memory_view(types->runtime->memory, object, (size_t)types->runtime->layout.var_object.size))
        return NULL;
    switch (type->kind) {
    case MX_KIND_LIST:
        return check_list(types, object);
    case MX_KIND_DICT:
        return check_dict(types, object);
    case MX_KIND_SET:
        return check_set(types, object);
    case MX_KIND_TUPLE:
    case MX_KIND_BYTES:
    case MX_KIND_INT:
        return check_items(types, type, object, rest);
    default:
        return NULL;
    }
}

static bool has_root(const struct mx_types *types, const struct mx_type *type)
{
    for (int i = 0; i < MOST_BASES; i++) {
        if (!type->base)
            return true;
        type = mx_types_find(types, type->base);
        if (!type)
            return false;
    }
    return false;
}

const char *mx_sound_type(const struct mx_types *types, const struct mx_type *type)
{
    const struct mx_layout *layout = &types->runtime->layout;
    /* Types that a program has and never uses are as the compiler left them. */
    if (!(type->flags & MX_TPFLAGS_READY) ||
        !mx_memory_view(types->runtime->memory, type->address, (size_t)layout->object.size))
        return NULL;
    const struct mx_type *metatype = mx_type_of(types, type->address);
    if (!metatype || metatype->kind != MX_KIND_TYPE)
        return "its own type is no type";
    if (!has_root(types, type))
        return "its bases do not end at object";
    return type->basicsize < layout->object.size || type->itemsize < 0
               ? "its instances would be smaller than any object"
               : NULL;
}
