/* SPDX-License-Identifier: Apache-2.0
 *
 * glibc's malloc (2.26-2.43), from the outside and without symbols: arenas, heaps,
 * chunks in use. (glibc malloc/malloc.c, malloc/arena.c)
 *
 *   chunk   [prev_size][size | flags][user memory ...          ][next chunk's prev_size belongs to the user]
 *   in use  iff the next chunk has PREV_INUSE, minus what sits in tcache and fastbins
 *   main_arena: found by its bins, which point at themselves; thread arenas by `next`; their heaps are 64 MB aligned
 *   mmapped chunks: page aligned, prev_size < page, size | IS_MMAPPED
 */
#ifndef MX_ALLOC_GLIBC_H
#define MX_ALLOC_GLIBC_H

#include "base/work.h"
#include "memory/memory.h"
#include "memory/module.h"

/* A stretch of memory that is chunks from end to end. */
struct mx_chunk_span {
    mx_addr start;  /* user address of the first chunk (chunk + 16) */
    mx_addr end;    /* of the last one's memory: 8 bytes into the chunk behind it */
    uint32_t arena; /* index, or MX_ARENA_MMAPPED */
};
#define MX_ARENA_MMAPPED UINT32_MAX

/* A stretch of memory that an arena has from the system: chunks, and what malloc needs for itself around them. */
struct mx_malloc_extent {
    mx_addr start, end;
    mx_addr limit;  /* of what is reserved behind it */
    uint32_t arena; /* index */
};

struct mx_glibc_arena {
    mx_addr address;
    mx_addr top; /* its top chunk */
    uint64_t system_mem;
    uint64_t threads; /* attached to it: 0 when all have ended (attached_threads) */
};

struct mx_glibc {
    const struct mx_memory *memory;
    bool found;    /* false: no glibc malloc in this target (another libc or allocator), see `name` */
    char name[64]; /* "glibc 2.36", "musl (not walked)", "jemalloc (not walked)" */
    MX_ARRAY(struct mx_glibc_arena) arenas;    /* main first */
    MX_ARRAY(struct mx_chunk_span) spans;      /* sorted by address */
    MX_ARRAY(struct mx_malloc_extent) extents; /* sorted by address */
    MX_ARRAY(mx_addr) cached;                  /* sorted: user addresses that are free in tcache or fastbins */
    MX_ARRAY(mx_addr) fast;                    /* sorted: of these, those in fastbins */
    uint64_t walk_errors; /* spans that broke off early because a size made no sense, heaps that were lost */
    mx_addr bins;         /* main_arena's */
    bool plain_links;     /* known to be before 2.32: links of free chunks are not mangled */
};

/* A range that is no malloc memory (pymalloc arenas), so that no mmapped chunk is looked for inside. */
struct mx_range {
    mx_addr start, end;
};

/*
 * `excluded` is sorted. Never fails for what is in the target: it finds less and counts it. ret->bins is read, too: at
 * a later stop of the same process the search for what is still there can be spared; and ret->plain_links, where libc's
 * file may be lacking. `cursor` is on that memory.
 */
struct mx_error *mx_glibc_open(const struct mx_memory *memory, const struct mx_modules *modules,
                               const struct mx_range *excluded, size_t excluded_count, struct mx_cursor *cursor,
                               struct mx_glibc *ret);
void mx_glibc_close(struct mx_glibc *glibc);

struct mx_chunk {
    mx_addr address; /* of the user memory */
    uint64_t size;   /* usable bytes (malloc_usable_size); the chunk has 8 more */
    bool used;
    bool cached; /* free, but in tcache or a fastbin, where it is not merged with its neighbours */
};

/*
 * Calls `visit` for each chunk of a span in address order, free ones included; visit returns false to stop. `bytes`
 * points at the first min(size, 512) bytes of the user memory, NULL when they are not there. Returns false when stopped
 * or cancelled.
 */
bool mx_glibc_walk(const struct mx_glibc *glibc, const struct mx_chunk_span *span, struct mx_cursor *cursor,
                   struct mx_work *work,
                   bool (*visit)(void *context, const struct mx_chunk *chunk, const uint8_t *bytes), void *context);

/* How many chunks such a walk of all spans shows as used, and their bytes. */
void mx_glibc_usage(const struct mx_glibc *glibc, struct mx_cursor *cursor, uint64_t *ret_chunks, uint64_t *ret_bytes);

/* How many bytes of an arena malloc keeps free at its end; 0 when its top chunk makes no sense. */
uint64_t mx_glibc_top_size(const struct mx_glibc *glibc, const struct mx_glibc_arena *arena);

/* Where the mapping of an mmapped chunk begins: memalign says in front of its header how far that is. */
mx_addr mx_glibc_mapping_start(const struct mx_glibc *glibc, const struct mx_chunk_span *span);

/* struct malloc_state of glibc: the lists in it lead beside used chunks. (malloc/malloc.c) */
enum { MX_GLIBC_STATE_SIZE = 2200 };

/* Whether an address lies in an arena's lists: what malloc left in memory that it handed out again. */
bool mx_glibc_is_list(const struct mx_glibc *glibc, mx_addr address);

/* Whether a chunk that is cached sits in a fastbin. */
bool mx_glibc_is_fast(const struct mx_glibc *glibc, mx_addr user);

/* Of `cached` or `fast`: the index of the first address that is not below `user`; the count when there is none. */
size_t mx_glibc_first_at(const mx_addr *addresses, size_t count, mx_addr user);

#endif
