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

/* CPython Include/internal/pycore_gc.h: _PyGC_BITS_* */
enum { GC_TRACKED = 1, GC_UNREACHABLE = 4, GC_FROZEN = 8, GC_DEFERRED = 64 };

bool mx_threaded_tracked(uint8_t gc_bits)
{
    return (gc_bits & (GC_TRACKED | GC_UNREACHABLE | GC_FROZEN)) == GC_TRACKED;
}

bool mx_threaded_frozen(uint8_t gc_bits)
{
    return (gc_bits & (GC_TRACKED | GC_FROZEN)) == (GC_TRACKED | GC_FROZEN);
}

int64_t mx_threaded_refcount(const struct mx_layout *layout, const uint8_t *object, bool *immortal, bool *deferred)
{
    enum { SHARED_FLAG_BITS = 2 };
    const int64_t deferred_bias = INT64_MAX / 8;
    uint32_t local = mx_load_u32(object + layout->object.ob_ref_local);
    int64_t shared = mx_load_i64(object + layout->object.ob_ref_shared) >> SHARED_FLAG_BITS;
    *immortal = local == UINT32_MAX;
    *deferred = object[layout->object.ob_gc_bits] & GC_DEFERRED;
    if (*immortal)
        return local;
    if (shared > deferred_bias / 2)
        shared -= deferred_bias;
    return shared + local;
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

static bool read_threaded(const struct mx_types *types, const struct mx_type *type, mx_addr object,
                          struct mx_header *ret)
{
    const struct mx_layout *layout = &types->runtime->layout;
    const uint8_t *bytes = mx_memory_view(types->runtime->memory, object, (size_t)layout->object.size);
    if (!bytes)
        return false;
    ret->refcount = mx_threaded_refcount(layout, bytes, &ret->immortal, &ret->deferred);
    ret->tracked = (type->flags & MX_TPFLAGS_HAVE_GC) && mx_threaded_tracked(bytes[layout->object.ob_gc_bits]);
    return ret->immortal || ret->deferred || ret->refcount > 0;
}

bool mx_header_read(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_header *ret)
{
    const struct mx_runtime *runtime = types->runtime;
    if (runtime->layout.header_shape == MX_HEADER_FREE_THREADED)
        return read_threaded(types, type, object, ret);
    uint64_t word, gc_next = 0;
    if (!mx_memory_u64(runtime->memory, object + (mx_addr)runtime->layout.object.ob_refcnt, &word))
        return false;
    ret->refcount = mx_refcount(&runtime->layout, word, &ret->immortal);
    if (has_gc_head(types, type, object))
        mx_memory_u64(runtime->memory, object - 16, &gc_next);
    ret->tracked = gc_next != 0;
    ret->deferred = false;
    return ret->refcount > 0;
}

bool mx_is_mortal(const struct mx_layout *layout, const uint8_t *object)
{
    bool immortal = false, deferred;
    if (layout->header_shape == MX_HEADER_FREE_THREADED)
        mx_threaded_refcount(layout, object, &immortal, &deferred);
    else
        mx_refcount(layout, mx_load_u64(object + layout->object.ob_refcnt), &immortal);
    return layout->header_shape != MX_HEADER_REFCOUNT && !immortal;
}
