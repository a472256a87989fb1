/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap of one stop: which blocks there are, and what each of them is. It
 * keeps nothing of the target, so that it can be compared with a later one.
 */
#ifndef MX_HEAP_HEAP_H
#define MX_HEAP_HEAP_H

#include "base/map.h"
#include "base/strtab.h"
#include "heap/spans.h"
#include "heap/target.h"

/* What `kinds` says of a block; smaller numbers are indices of types. */
enum {
    MX_BLOCK_FREE = 0xffff,
    MX_BLOCK_RAW = 0xfffe,     /* in use, but no object */
    MX_BLOCK_FAR_TYPE = 0xfffd /* an object whose type's index is in `far_types` */
};

struct mx_heap_type {
    mx_addr address;
    const char *name;   /* interned in `names` */
    uint32_t preheader; /* bytes from the block's start to the object, without debug padding */
};

struct mx_tally {
    uint64_t count, bytes;
    uint64_t tracked_count, tracked_bytes; /* of these, what gc.get_objects() lists */
};

struct mx_heap {
    struct mx_spans spans;
    uint16_t *kinds;         /* by block id */
    size_t kinds_mapped;     /* bytes of the mapping that holds them */
    struct mx_map far_types; /* block id + 1 -> index of its type: only in heaps with more than 65,533 types */
    MX_ARRAY(struct mx_heap_type) types;
    struct mx_strtab names;
    struct mx_tally *tallies; /* by type index */
    uint32_t padding;         /* of debug hooks in pools' blocks; listed starts are behind theirs */
    struct mx_heap_info info;
    struct mx_size_class size_classes[32];
    MX_ARRAY(char *) warnings;
};

/*
 * Copies the heap's memory out of a live process; does nothing otherwise. For passes that follow references or look at
 * contents, which reads the heap all over: at once it is several times faster than page by page, and what later
 * questions show is of the same moment.
 */
struct mx_error *mx_heap_fetch(const struct mx_heap *heap, const struct mx_target *target,
                               const struct mx_progress *progress);

/* The type's index of the object in a block, or MX_MAP_NONE when it holds none. */
uint32_t mx_heap_type_of(const struct mx_heap *heap, uint32_t block);

/* Address of the object in a block of that type. */
static inline mx_addr mx_heap_object(const struct mx_heap *heap, const struct mx_span *span, uint32_t block,
                                     uint32_t type)
{
    mx_addr address = mx_block_address(&heap->spans, span, block);
    if (span->kind == MX_SPAN_STATIC)
        return address;
    return address + (span->kind == MX_SPAN_POOL ? heap->padding : 0) + heap->types.items[type].preheader;
}

#endif
