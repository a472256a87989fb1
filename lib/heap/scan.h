/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loop of the census: one worker turns stretches of blocks into kinds
 * and adds up what it saw. Workers share nothing that changes, so they need no
 * locks; their sums are added at the end.
 */
#ifndef MX_HEAP_SCAN_H
#define MX_HEAP_SCAN_H

#include "alloc/glibc.h"
#include "alloc/mimalloc.h"
#include "alloc/pymalloc.h"
#include "cpython/classify.h"
#include "heap/heap.h"

/* What all workers of a census read. */
struct mx_scan {
    const struct mx_types *types;
    const struct mx_classifier *classifier;
    const struct mx_pymalloc_facts *facts;
    const struct mx_mimalloc *mimalloc;
    const struct mx_memory *memory;
    const uint64_t *fixed_sizes; /* by type: sys.getsizeof of every instance, 0 when they differ */
    struct mx_work *work;
    uint32_t padding; /* of debug hooks in every pool's block; 0 = no hooks */
    bool live;        /* dicts' tables are put off to the end: reading them one by one would fetch the heap twice */
};

/* A dict whose size was put off, for its table lies in another block. */
struct mx_pending_dict {
    mx_addr keys;  /* address of the table */
    uint64_t size; /* without its tables */
    uint32_t type;
    bool tracked;
    bool is_split;
};

/* Blocks of one span as the scan found them; turned into spans when all are known. */
struct mx_listed {
    mx_addr start, end;
    MX_ARRAY(uint32_t) starts; /* / 8, from start */
    MX_ARRAY(uint16_t) kinds;
};

struct mx_far_type {
    mx_addr block; /* address of its block: ids are not known yet */
    uint32_t type;
};

struct mx_worker {
    const struct mx_scan *scan;
    struct mx_cursor cursor;
    struct mx_tally *tallies; /* by type index */
    struct mx_heap_info sums; /* only the counters that scanning adds to */
    struct mx_size_class size_classes[32];
    MX_ARRAY(struct mx_pending_dict) pending;
    MX_ARRAY(struct mx_far_type) far_types;
    bool no_memory;
    /* While a pool is looked at for notes (heap/recall.h): */
    bool notes;
    bool reads_elsewhere;       /* an object's size took more than its own bytes */
    struct mx_tally *scratch;   /* by type; all zeros between two pools */
    MX_ARRAY(uint32_t) touched; /* types that have a sum there */
};

/* `notes`: it will take notes about pools. */
bool mx_worker_init(struct mx_worker *worker, const struct mx_scan *scan, bool notes);
void mx_worker_deinit(struct mx_worker *worker);

/*
 * Scans the pools of an arena. Spans go to `spans` (room for every pool), kinds one after the other to `kinds` (room
 * for every block). Returns how many spans there are.
 */
size_t mx_scan_arena(struct mx_worker *worker, const struct mx_arena *arena, struct mx_span *spans, uint16_t *kinds);

/* How many spans and blocks a segment can have. */
struct mx_scan_room {
    size_t spans, blocks;
};
struct mx_scan_room mx_scan_segment_room(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment);

/* Scans the pages of a mimalloc segment, as mx_scan_arena() does the pools of an arena. */
size_t mx_scan_segment(struct mx_worker *worker, const struct mx_mi_segment *segment, struct mx_span *spans,
                       uint16_t *kinds);

/* The parts of that: one pool's blocks and its counters, and what it is as a span. */
void mx_scan_pool(struct mx_worker *worker, const struct mx_pool *pool, const uint8_t *bytes, const uint64_t *free_bits,
                  uint16_t *kinds);
void mx_scan_count_pool(struct mx_worker *worker, const struct mx_pool *pool);
struct mx_span mx_scan_pool_span(const struct mx_pymalloc_facts *facts, const struct mx_pool *pool);

/* Scans the chunks of one span of malloc's. */
void mx_scan_chunks(struct mx_worker *worker, const struct mx_glibc *glibc, const struct mx_chunk_span *span,
                    struct mx_listed *ret);

/* Scans a module's writable data for static objects; only these are listed. */
void mx_scan_static(struct mx_worker *worker, const struct mx_region *region, struct mx_listed *ret);

/* One block in use, of which `available` bytes are at `bytes`: counts what it holds; its kind. */
uint16_t mx_scan_block(struct mx_worker *worker, mx_addr block, const uint8_t *bytes, uint64_t size, size_t available);

/* Adds a block; false when there is no memory, or it is too far behind the first. */
bool mx_listed_add(struct mx_listed *listed, mx_addr start, uint16_t kind);

/* Sizes the dicts that were put off, their tables in address order. */
void mx_scan_pending(struct mx_worker *worker);

#endif
