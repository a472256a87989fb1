/* SPDX-License-Identifier: Apache-2.0
 *
 * What a count of the heap found in each pool, for the next count of the same
 * process: a pool whose bytes are the same holds the same blocks, so that it is
 * read and hashed, but not looked at again.
 *
 *   recall --> arena --> pool: hash, kinds of its blocks, sums by type, dicts
 *
 * What is in malloc's chunks and in modules' data is counted anew each time:
 * it is little, or changes all the time. Tables of dicts stand in other blocks:
 * they are sized anew, too.
 */
#ifndef MX_HEAP_RECALL_H
#define MX_HEAP_RECALL_H

#include "heap/scan.h"

/* The objects of one type in one pool; dicts whose size was put off are not in. */
struct mx_type_sum {
    struct mx_tally tally;
    uint32_t type;
};

/* One allocation. */
struct mx_pool_note {
    uint64_t hash;
    struct mx_pool pool;
    bool is_fixed; /* false: an object's size depends on memory outside of it, so that equal bytes prove nothing */
    uint32_t raw_blocks;
    uint32_t sum_count, dict_count;
    struct mx_type_sum *sums;
    struct mx_pending_dict *dicts;
    uint16_t *kinds; /* pool.carved of them */
};

struct mx_arena_note {
    mx_addr pools; /* address of the first */
    size_t count;
    struct mx_pool_note **notes; /* by pool; NULL: free when it was read last */
};

/* A type as the kinds in the notes number it. */
struct mx_recalled_type {
    mx_addr address;
    uint64_t flags;
    int64_t basicsize, itemsize, dictoffset;
    uint16_t preheader;
    uint8_t kind;
};

struct mx_recall {
    struct mx_allocator_places places;
    MX_ARRAY(struct mx_recalled_type) types;
    MX_ARRAY(struct mx_arena_note) arenas; /* sorted by address */
};

/*
 * Makes the notes fit this count: they get the numbers that its types have, arenas that are gone are dropped, and new
 * ones get empty notes. Afterwards recall->arenas and `arenas` are parallel.
 */
struct mx_error *mx_recall_begin(struct mx_recall *recall, const struct mx_types *types, const struct mx_arenas *arenas,
                                 uint32_t pool_size);

/* Forgets what pools held: their numbers of types are no longer those of any count. */
void mx_recall_clear(struct mx_recall *recall);

/* Scans the pools of an arena that differ from their notes, brings those up to date, and adds up all. */
void mx_recall_scan(struct mx_worker *worker, const struct mx_arena *arena, struct mx_arena_note *note);

#endif
