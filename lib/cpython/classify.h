/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells Python objects from other blocks of memory by looking at the block: an
 * object is where a word is the address of a known type, with the preheader
 * that this type's instances have before it and a sane reference count.
 *
 *   block  [debug pad 16][managed dict/weakrefs 16][GC head 16][ob_refcnt][ob_type]...
 *                         \-- preheader: 0, 16 or 32 bytes --/
 */
#ifndef MX_CPYTHON_CLASSIFY_H
#define MX_CPYTHON_CLASSIFY_H

#include "cpython/type.h"

enum {
    MX_PREHEADERS = 3, /* 0, 16, 32 bytes */
    MX_FILTER_BITS = 13,
};

struct mx_classifier {
    const struct mx_types *types;
    const struct mx_layout *layout;
    const struct mx_memory *memory;
    struct mx_map by_preheader[MX_PREHEADERS]; /* type address -> index */
    /* By some bits of an address: whether there can be such a type. Most words of a heap are none's. */
    uint64_t filters[MX_PREHEADERS][(1 << MX_FILTER_BITS) / 64];
    MX_ARRAY(uint32_t) least; /* by type: bytes that an instance has at the least */
};

/* Builds the look-up tables; types that are added later need a new classifier. */
struct mx_error *mx_classifier_open(const struct mx_types *types, struct mx_classifier *ret);
void mx_classifier_close(struct mx_classifier *classifier);

struct mx_found_object {
    uint32_t type;   /* index */
    uint32_t offset; /* of the object in the block */
    bool tracked;    /* by the garbage collector */
};

/*
 * The object in a used block of `size` bytes, whose first `available` ones (at least min(size, 512)) are at `bytes` and
 * whose first `padding` ones are debug hooks'; false when the block holds something else.
 */
bool mx_classify_block(const struct mx_classifier *classifier, const uint8_t *bytes, uint64_t size, size_t available,
                       uint32_t padding, struct mx_found_object *ret);

/*
 * The same for a used block of a mimalloc heap with this tag. A free-threaded interpreter keeps memory, objects and
 * those that the collector can track in heaps of their own, so that the tag says what the block is before its bytes do.
 * (CPython Include/internal/pycore_mimalloc.h: mi_heap_tag_t)
 */
bool mx_classify_in_heap(const struct mx_classifier *classifier, uint8_t tag, const uint8_t *bytes, uint64_t size,
                         size_t available, uint32_t padding, struct mx_found_object *ret);

/*
 * The bytes that debug hooks put before a block's data: [size][api id][0xFD * 7], once, or twice for blocks that the
 * object domain's hook asks of the raw domain's (above 512 bytes). (CPython Objects/obmalloc.c: _PyMem_DebugRawAlloc)
 */
uint32_t mx_hook_padding(const uint8_t *bytes, size_t available);

/* Whether a static object begins at `bytes` in a module's data (`available` bytes follow). No preheader is expected. */
bool mx_classify_static(const struct mx_classifier *classifier, const uint8_t *bytes, size_t available,
                        struct mx_found_object *ret);

#endif
