/* SPDX-License-Identifier: Apache-2.0
 *
 * Judged by a type's kind, bases and size alone.
 */
#include "heap/plain.h"

#include "cpython/size.h"

enum { OBJECT_HEAD = 64 }; /* bytes that tell an object's size */

static const struct mx_type *base_of(const struct mx_types *types, const struct mx_type *type)
{
    return type->base_index < types->types.count ? &types->types.items[type->base_index] : NULL;
}

/*
 * A class statement's, directly or by others on top of `object`, without slots: an address of its dict, where it is not
 * in front of the object, one of its weak references, and nothing else. C's types that leave their end to Python's
 * code look the same but for the dict.
 */
static bool is_bare_class(const struct mx_types *types, const struct mx_type *type)
{
    enum { HEAD = 16, MOST_BASES = 100 };
    for (int i = 0; type && type->base && i < MOST_BASES; i++, type = base_of(types, type)) {
        int64_t known = HEAD + (type->dictoffset ? 8 : 0) + (type->dictoffset > 0 ? 8 : 0);
        if (!type->is_python_class || type->kind != MX_KIND_OTHER || type->basicsize > known || type->itemsize)
            return false;
    }
    return type && !type->base;
}

bool mx_is_plain(const struct mx_types *types, const struct mx_type *type)
{
    const struct mx_type *base = base_of(types, type);
    if (type->is_python_class)
        return is_bare_class(types, type);
    if (!base || base->base)
        return false;
    switch (type->kind) {
    case MX_KIND_NONE:
    case MX_KIND_BOOL:
    case MX_KIND_INT:
    case MX_KIND_FLOAT:
    case MX_KIND_COMPLEX:
    case MX_KIND_STR:
    case MX_KIND_BYTES:
    case MX_KIND_LIST:
    case MX_KIND_TUPLE:
    case MX_KIND_DICT:
    case MX_KIND_SET:
    case MX_KIND_FUNCTION:
    case MX_KIND_METHOD:
    case MX_KIND_CELL:
    case MX_KIND_SLICE:
        return true;
    default:
        return false;
    }
}

bool mx_is_in_value(const struct mx_target *target, const struct mx_heap *heap, mx_addr place)
{
    const struct mx_span *span;
    const struct mx_types *types = &target->types;
    uint32_t block = mx_spans_locate(&heap->spans, place, &span);
    uint32_t index = block == MX_NO_BLOCK || span->kind != MX_SPAN_STATIC ? MX_MAP_NONE : mx_heap_type_of(heap, block);
    const struct mx_type *type = index < types->types.count ? &types->types.items[index] : NULL;
    if (!type || (type->kind != MX_KIND_CODE && !mx_is_plain(types, type)))
        return false;
    mx_addr object = mx_block_address(&heap->spans, span, block);
    const uint8_t *bytes = mx_memory_view(target->memory, object, OBJECT_HEAD);
    return bytes && place - object < mx_object_size(types, type, object, bytes, OBJECT_HEAD, NULL);
}
