/* SPDX-License-Identifier: Apache-2.0
 *
 * Single chunks of glibc's malloc and the chains that cached ones form; for alloc/glibc.c only. It does not know arenas
 * or where chunks come from. (glibc malloc/malloc.c: struct malloc_chunk, tcache_perthread_struct)
 */
#ifndef MX_ALLOC_CHUNK_H
#define MX_ALLOC_CHUNK_H

#include "alloc/glibc.h"

enum {
    MX_CHUNK_PREV_INUSE = 1,
    MX_CHUNK_IS_MMAPPED = 2,
    MX_CHUNK_FLAGS = 7,
    MX_CHUNK_HEADER = 16, /* from the chunk to its user memory */
    MX_CHUNK_LEAST = 32,
    MX_CHUNK_ANY_SIZE = 0, /* of a chain whose chunks differ in size: large ones in tcache, since 2.42 */
    MX_CHUNK_SHOWN = 512,  /* bytes of user memory that a walk shows */
};

/* A cursor's view, kept over many chunks. All zeros but for `cursor` is a fresh one. */
struct mx_chunk_reader {
    struct mx_cursor *cursor;
    const uint8_t *bytes;
    mx_addr start, end;
};

/* `length` bytes at `address`, valid until the next call; NULL when they are not there. */
const uint8_t *mx_chunk_view(struct mx_chunk_reader *reader, mx_addr address, size_t length);

struct mx_chunk_step {
    uint64_t size;         /* without flags */
    bool in_use;           /* or cached: the next chunk does not say that this one is free */
    const uint8_t *memory; /* min(size - 8, MX_CHUNK_SHOWN) bytes of user memory, or NULL */
};

/* Reads the chunk at `chunk`. False when its size makes no sense, reaches beyond `limit`, or is not there. */
bool mx_chunk_step(struct mx_chunk_reader *reader, mx_addr chunk, mx_addr limit, struct mx_chunk_step *ret);

/* Whether a run of chunks begins at `chunk`, judged by the first sixteen or all up to `limit`. */
bool mx_chunk_plausible(const struct mx_memory *memory, mx_addr chunk, mx_addr limit);

/* Reads without keeping what was read: scattered single words of a live target. */
bool mx_chunk_peek(const struct mx_memory *memory, mx_addr address, size_t length, uint8_t *out);

/*
 * Adds to `cached` the chunks of a chain of free ones, all of `size` bytes or MX_CHUNK_ANY_SIZE: `user` is the first's
 * user memory, a link is `link_bias` less than the next one's user memory (fastbins link chunks, tcache links user
 * memory). Links may be mangled (glibc 2.32+) or plain. False when there is no memory.
 */
bool mx_chunk_chain(struct mx_glibc *glibc, mx_addr user, uint64_t size, uint64_t link_bias, uint64_t most);

/* Adds what the tcache at `user` holds, if the memory there is one: a chunk of `size` bytes. False: no memory. */
bool mx_chunk_tcache(struct mx_glibc *glibc, mx_addr user, uint64_t size);

/* Memory that malloc can have got: anonymous, private, writable, and there. */
bool mx_chunk_anonymous(const struct mx_region *region);

/* Whether [start, end) is such memory without a gap: one mapping may be several regions (madvise splits it). */
bool mx_chunk_mapped(const struct mx_memory *memory, mx_addr start, mx_addr end);

/* Adds a span for each mmapped chunk outside the ranges `taken`, which are sorted by start. False: no memory. */
bool mx_chunk_find_mmapped(struct mx_glibc *glibc, const struct mx_range *taken, size_t count);

/* Whether what a step shows of a chunk can be a tcache: most that have the size are told apart by their first bytes. */
bool mx_chunk_may_be_tcache(const struct mx_chunk_step *step);

/* Whether a chunk of this size can hold a tcache. */
static inline bool mx_chunk_tcache_size(uint64_t size)
{
    /* 2.26-2.29: u8 counts; 2.30-2.41: u16; 2.42+: 76 bins. 16 more when malloc had no chunk that fitted exactly. */
    return size == 0x290 || size == 0x2a0 || size == 0x250 || size == 0x260 || size == 0x300 || size == 0x310;
}

#endif
