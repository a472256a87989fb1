/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading object headers.
 */
#include "cpython/header.h"

int64_t mx_refcount(const struct mx_layout *layout, uint64_t word, bool *immortal)
{
    int32_t low = (int32_t)(uint32_t)word;
    *immortal = false;
    switch (layout->header_shape) {
    case MX_HEADER_REFCOUNT:
        *immortal = mx_is_static_refcount(word);
        return (int64_t)word;
    case MX_HEADER_IMMORTAL_LOW:
        *immortal = low < 0;
        return low < 0 ? (int64_t)(uint32_t)word : (int64_t)word;
    case MX_HEADER_SPLIT_WORD:
        if ((word >> 32) & 0xffff)
            return 0;
        *immortal = low < 0;
        return (int64_t)(uint32_t)word;
    case MX_HEADER_FREE_THREADED:
        return (int64_t)word;
    }
    return 0;
}

/* Static types stand in a module's data without a GC head, though their type's flags speak of one. */
static bool has_gc_head(const struct mx_types *types, const struct mx_type *type, mx_addr object)
{
    if (!(type->flags & MX_TPFLAGS_HAVE_GC) || types->runtime->layout.preheader_shape == MX_PREHEADER_NO_GC)
        return false;
    if (type->kind != MX_KIND_TYPE)
        return true;
    uint64_t flags = mx_memory_pointer(types->runtime->memory, object + (mx_addr)types->runtime->layout.type.tp_flags);
    return flags & MX_TPFLAGS_HEAPTYPE;
}

bool mx_header_read(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_header *ret)
{
    const struct mx_runtime *runtime = types->runtime;
    uint64_t word, gc_next = 0;
    if (!mx_memory_u64(runtime->memory, object + (mx_addr)runtime->layout.object.ob_refcnt, &word))
        return false;
    ret->refcount = mx_refcount(&runtime->layout, word, &ret->immortal);
    if (has_gc_head(types, type, object))
        mx_memory_u64(runtime->memory, object - 16, &gc_next);
    ret->tracked = gc_next != 0;
    return ret->refcount > 0;
}
