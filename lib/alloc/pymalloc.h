/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython's small-object allocator: arenas cut into pools, pools into blocks
 * of one size. (CPython Objects/obmalloc.c; Include/internal/pycore_obmalloc.h)
 *
 *   arena  256 KB or 1 MB   [pool][pool][pool]...      pools aligned to their size
 *   pool   4 or 16 KB       [48-byte header][block][block]...[carved up to nextoffset][virgin]
 *   free blocks are a chain through their first word, from header.freeblock
 *
 * The sizes and offsets are plain numbers that the caller brings; nothing here
 * knows what is in a block.
 */
#ifndef MX_ALLOC_PYMALLOC_H
#define MX_ALLOC_PYMALLOC_H

#include "memory/memory.h"
#include "memory/module.h"

/* Every pool has at most (16384 - 48) / 16 = 1021 blocks. */
enum { MX_POOL_MOST_BLOCKS = 1021, MX_POOL_WORDS = 16 };

struct mx_pymalloc_facts {
    uint32_t pool_size, arena_size;
    uint32_t header_size; /* 48 */
    /* struct pool_header */
    uint32_t ref_count, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset, maxnextoffset;
    /* struct arena_object */
    uint32_t arena_object_size, address, pool_address, nfreepools, ntotalpools, freepools;
    /* struct _obmalloc_state (3.12+), relative to its `pools.used`; 0 before */
    uint32_t arenas_after_usedpools, maxarenas_after_usedpools;
};

struct mx_pool {
    mx_addr address;
    uint32_t block_size;
    uint32_t carved; /* blocks that were ever handed out: ids are kept for all of them */
    uint32_t used;
    bool
        damaged; /* the free chain contradicts ref.count: what the chain proves free is free, the rest counts as used */
};

/*
 * Reads the pool whose `pool_size` bytes are at `bytes`. False when this is no pool in use (a free one, or anything
 * else). `free_bits` gets one bit a carved block: 1 = free.
 */
bool mx_pool_read(const struct mx_pymalloc_facts *facts, const uint8_t *bytes, mx_addr address, struct mx_pool *ret,
                  uint64_t free_bits[MX_POOL_WORDS]);

/* Whether the first 48 bytes at `bytes` can be the header of a pool in use at `address`. */
bool mx_pool_header_plausible(const struct mx_pymalloc_facts *facts, const uint8_t *bytes, mx_addr address);

struct mx_arena {
    mx_addr address;          /* as mmap gave it: page aligned, not always pool aligned */
    mx_addr pools, pools_end; /* first pool, and the end of those that were ever used */
    uint32_t free_pools;      /* of those in [pools, pools_end) */
};

/* Where the interpreter's own tables stand in its data, where no symbol tells (before 3.12); 0: not known. */
struct mx_arena_places {
    mx_addr usedpools;
    mx_addr arenas; /* of the pointer to the array */
};

struct mx_arenas {
    MX_ARRAY(struct mx_arena) arenas; /* sorted by address */
    MX_ARRAY(mx_addr) tables;         /* CPython's own, that were read */
    struct mx_arena_places places;
    bool from_array; /* true: from CPython's own table; false: found by looking at every pool-sized page */
};

void mx_arenas_deinit(struct mx_arenas *arenas);

/* Index of the first arena that begins above `address`; their number where none does. */
size_t mx_arenas_above(const struct mx_arenas *arenas, mx_addr address);

/*
 * Finds the arenas. `states` are addresses of `usedpools` arrays where the caller knows them (3.12+), else `usedpools`
 * and `arenas` are found in the writable data of the modules by their invariants; where that fails (a cut core), every
 * pool-aligned page of anonymous memory is looked at and runs of pools become arenas. ret->places is read, too: at a
 * later stop of the same process a search for what is still there can be spared.
 */
struct mx_error *mx_arenas_find(const struct mx_pymalloc_facts *facts, const struct mx_memory *memory,
                                const struct mx_modules *modules, const mx_addr *states, size_t state_count,
                                struct mx_arenas *ret);

/*
 * How many blocks are used, and their bytes, by the pools' own counts: their headers are read, not the blocks. A pool
 * in the middle of a malloc or free may be one off.
 */
void mx_arenas_usage(const struct mx_pymalloc_facts *facts, const struct mx_memory *memory,
                     const struct mx_arenas *arenas, uint64_t *ret_blocks, uint64_t *ret_bytes);

#endif
