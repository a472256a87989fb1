/* SPDX-License-Identifier: Apache-2.0
 *
 * mimalloc 2.x as CPython bundles it: segments cut into slices, slices joined to pages, pages into blocks of one size.
 * (CPython Objects/mimalloc/; Include/internal/mimalloc/mimalloc/types.h)
 *
 *   segment  32 MB, aligned to that   [header, slice descriptors][slice][slice]...     512 slices of 64 KB
 *   page     one or more slices       [block][block]...[reserved, never handed out]
 *   free blocks are three chains through their first words: the owner's two, and one for other threads; what other
 *   threads free in a full page goes to a fourth one, that of the owner's heap
 *
 * Segments are found by their alignment and by what their headers must hold, so that neither symbols nor the threads'
 * heaps are needed, and those that ended threads left behind are found like any other. The offsets are plain numbers
 * that the caller brings; nothing here knows what is in a block.
 */
#ifndef MX_ALLOC_MIMALLOC_H
#define MX_ALLOC_MIMALLOC_H

#include "memory/memory.h"

enum {
    MX_MI_SEGMENT_SHIFT = 25,
    MX_MI_SLICE_SHIFT = 16,
    MX_MI_SLICES = 512,
    MX_MI_MOST_BLOCKS = 65535, /* a page counts them in 16 bits */
    MX_MI_WORDS = 1024,
    MX_MI_MANY_BYTES = 512 << 10, /* pages of more than one block are no larger */
};

struct mx_mimalloc_facts {
    bool present; /* false: this interpreter has no mimalloc */
    /* struct mi_segment_s */
    uint32_t cookie, segment_slices, segment_info_slices, slice_entries, thread_id, slices;
    /* struct mi_page_s; 0 where it has no such field */
    uint32_t page_size, slice_count, slice_offset, capacity, reserved, free, local_free, xthread_free, xheap, used,
        block_size, page_start, heap_tag, page_keys;
    /* struct mi_heap_s */
    uint32_t delayed_free, heap_keys;
};

struct mx_mi_segment {
    mx_addr address, end;
    uint64_t thread;     /* of the owner; 0 when it has ended */
    uint32_t info, used; /* slices of the header; slices that have a descriptor */
};

struct mx_mimalloc {
    struct mx_mimalloc_facts facts;
    const struct mx_memory *memory;
    MX_ARRAY(struct mx_mi_segment) segments; /* sorted by address */
    MX_ARRAY(mx_addr) delayed;               /* sorted: blocks that other threads freed in full pages */
    uint64_t skipped;                        /* what looked like a segment of another mimalloc, or lacks its header */
};

/* Looks at each place where a segment can begin. Without mimalloc it finds none. */
struct mx_error *mx_mimalloc_open(const struct mx_mimalloc_facts *facts, const struct mx_memory *memory,
                                  struct mx_mimalloc *ret);
void mx_mimalloc_close(struct mx_mimalloc *mimalloc);

struct mx_mi_page {
    mx_addr start, end; /* of the blocks that were ever handed out */
    mx_addr area_end;   /* of the slices that it has */
    uint64_t block_size;
    uint32_t capacity;  /* blocks from start to end */
    uint32_t used;      /* as mimalloc counts: what other threads freed is still in it */
    uint8_t tag;        /* of its heap: CPython's free-threaded builds keep kinds of blocks apart by it */
    mx_addr chains[3];  /* free blocks */
    uint64_t keys[2];   /* that encode the chains; zeros in release builds */
    mx_addr descriptor; /* its address */
};

/*
 * The next page of a segment at or behind slice *at, which moves behind it; false past the last one. `slices` are the
 * descriptors (mx_mimalloc_slices). Descriptors that make no sense are passed over and counted in *damaged.
 */
bool mx_mimalloc_next(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment, const uint8_t *slices,
                      uint32_t *at, struct mx_mi_page *ret, uint64_t *damaged);

/* The pages of all segments, one after the other. Begins as {.mimalloc = mimalloc}. */
struct mx_mi_walk {
    const struct mx_mimalloc *mimalloc;
    size_t segment; /* the one that `slices` is of, or that comes next */
    const uint8_t *slices;
    uint32_t at;
};

bool mx_mimalloc_walk(struct mx_mi_walk *walk, struct mx_mi_page *ret);

/* The descriptors of a segment, as long as the memory lives; NULL when they are not there. */
const uint8_t *mx_mimalloc_slices(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment);

/*
 * Sets a bit for each free block of a page whose blocks' bytes are at `bytes`: all of them, or of a page with one block
 * its first word. False when the chains contradict themselves or the page's count: what they prove free is free.
 */
bool mx_mimalloc_free(const struct mx_mimalloc *mimalloc, const struct mx_mi_page *page, const uint8_t *bytes,
                      uint64_t free_bits[MX_MI_WORDS], uint32_t *ret_free);

#endif
