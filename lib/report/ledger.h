/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the ledger share: the book, into which stretches of the address space are written in rising order.
 *
 *   posts        |--a--|  |-b-||-c-|          what allocators, stacks and so on say
 *   regions    |---------------|   |------|   what is not posted goes to the rows of its region
 *   residents    |-----|    |------|  |--|    which of it is in RAM
 *
 * A byte is written once: what a post says of bytes before the book's place is ignored, and what lies between two posts
 * is filled in. So the rows add up to the regions whatever a damaged target claims.
 */
#ifndef MX_REPORT_LEDGER_H
#define MX_REPORT_LEDGER_H

#include "base/map.h"
#include "base/strtab.h"
#include "cpython/buffers.h"
#include "heap/heap.h"
#include "memory/resident.h"

struct mx_book {
    const struct mx_target *target;
    const struct mx_resident *resident;
    MX_ARRAY(struct mx_ledger_row) rows;
    struct mx_strtab texts;
    struct mx_map by_kind; /* the interned kind's address -> row */
    mx_addr at;            /* all before is written */
    size_t region, run;    /* the first ones that end behind `at` */
    uint64_t total_resident, total_virtual;
    struct mx_ledger_row trimmable;
    bool no_memory;
};

struct mx_error *mx_book_open(const struct mx_target *target, const struct mx_resident *resident, struct mx_book *ret);
void mx_book_close(struct mx_book *book);

/* The row of that kind, made when there is none; 0, which is a row as well, when there is no memory. */
uint32_t mx_book_row(struct mx_book *book, const char *format, ...) MX_PRINTF(2, 3);

/* Writes [start, end), as far as it is mapped and not written yet. */
void mx_book_post(struct mx_book *book, uint32_t row, mx_addr start, mx_addr end, uint64_t count);

/* Writes all before `address` that is not written yet to the rows of its regions. */
void mx_book_reach(struct mx_book *book, mx_addr address);

/*
 * Whether all of [start, end) is mapped, not written yet, and either all in RAM or all not (*in_ram). If so the caller
 * writes it, to the rows and the totals, and the book goes on behind it.
 */
bool mx_book_claim(struct mx_book *book, mx_addr start, mx_addr end, bool *in_ram);

static inline void mx_book_add(struct mx_book *book, uint32_t row, uint64_t bytes, bool in_ram, uint64_t count)
{
    struct mx_ledger_row *to = &book->rows.items[row];
    to->virtual_bytes += bytes;
    to->resident += in_ram ? bytes : 0;
    to->count += count;
}

/* Raw blocks that no object owns, by what leads to them; numbers beside those of enum mx_buffer_owner. */
enum mx_holder {
    MX_HOLDER_OBJECTS = MX_BUFFER_OWNERS, /* Python objects, directly or over other raw blocks */
    MX_HOLDER_GLOBALS,                    /* modules' data, threads' variables, pages of C code */
    MX_HOLDER_STACKS,
    MX_HOLDER_END,
    MX_HOLDERS = 1 + MX_HOLDER_END - MX_HOLDER_OBJECTS, /* with "nobody" */
};
_Static_assert(MX_HOLDER_END <= 16, "four bits a block");

/* Who owns raw blocks, or leads to them: four bits a block, 0 where nobody does. */
struct mx_block_owners {
    _Atomic uint8_t *pairs;
    size_t mapped;
};

struct mx_error *mx_block_owners_find(const struct mx_target *target, const struct mx_heap *heap,
                                      const struct mx_progress *progress, struct mx_block_owners *ret);
void mx_block_owners_close(struct mx_block_owners *owners);

/* The second part of mx_block_owners_find(): from what objects have on. */
struct mx_error *mx_block_holders_find(const struct mx_target *target, const struct mx_heap *heap, struct mx_work *work,
                                       struct mx_block_owners *owners);

/* An enum mx_buffer_owner, or an enum mx_holder. */
static inline unsigned mx_block_owner(const struct mx_block_owners *owners, uint32_t block)
{
    return (unsigned)owners->pairs[block / 2] >> (block % 2 * 4) & 15u;
}

/* Of raw blocks without an owner: "nobody", then by enum mx_holder. */
struct mx_holder_rows {
    uint32_t rows[MX_HOLDERS];
};

/* The rows of what is in blocks. */
struct mx_block_rows {
    struct mx_book *book;
    const struct mx_heap *heap;
    const struct mx_block_owners *owners;
    uint32_t *types; /* by type index */
    uint32_t buffers[MX_BUFFER_OWNERS];
    struct mx_holder_rows raw, used, mapped;
    uint32_t free_blocks, free_pools, pool_headers, pool_tails, alignment;
    uint32_t mimalloc_headers, mimalloc_unused;
    uint32_t bins, tcache, fastbins, top, overhead, not_walked;
};

struct mx_error *mx_block_rows_open(struct mx_book *book, const struct mx_heap *heap,
                                    const struct mx_block_owners *owners, struct mx_block_rows *ret);
void mx_block_rows_close(struct mx_block_rows *rows);

/* The row of a block in use or free; `raw` are those of blocks that no object owns. */
uint32_t mx_block_row(const struct mx_block_rows *rows, uint32_t block, const struct mx_holder_rows *raw);

/* The first span of blocks that begins at or behind `address`; the number of spans when there is none. */
size_t mx_first_span(const struct mx_heap *heap, mx_addr address);

/* Each writes one allocation of its allocator from end to end. */
void mx_ledger_arena(const struct mx_block_rows *rows, const struct mx_arena *arena, mx_addr end);
void mx_ledger_segment(const struct mx_block_rows *rows, const struct mx_mi_segment *segment);
void mx_ledger_extent(const struct mx_block_rows *rows, const struct mx_malloc_extent *extent, struct mx_work *work);
void mx_ledger_mapped(const struct mx_block_rows *rows, mx_addr start, const struct mx_chunk_span *span);

#endif
