/* SPDX-License-Identifier: Apache-2.0
 *
 * All blocks of the heap as dense numbers. A span is a stretch of memory that
 * one allocator cut into blocks; block ids count through the spans in address
 * order, so that everything above is an array indexed by id.
 *
 *   span     [ pool: equal blocks ] [ chunks: a list of starts ] [ static objects: a list ]
 *   id       0 1 2 3 ...            k k+1 ...                    m m+1 ...
 *
 * A page of mimalloc's is a pool. Free blocks have ids too: they keep the arithmetic simple.
 */
#ifndef MX_HEAP_SPANS_H
#define MX_HEAP_SPANS_H

#include "base/array.h"
#include "base/error.h"
#include "memory/machine.h"

enum mx_span_kind { MX_SPAN_POOL, MX_SPAN_CHUNKS, MX_SPAN_STATIC };

#define MX_NO_BLOCK UINT32_MAX

struct mx_span {
    mx_addr start, end; /* of the first block, and after the last one */
    uint32_t first;     /* id of the first block */
    uint32_t count;
    uint64_t block_size; /* MX_SPAN_POOL: of each block */
    union {
        uint64_t reciprocal; /* MX_SPAN_POOL: 2^44 / block_size, rounded up; 0 where there is one block */
        size_t list;         /* others: index of the first block's start in `starts` */
    };
    uint8_t kind; /* enum mx_span_kind */
};

struct mx_spans {
    MX_ARRAY(struct mx_span) spans; /* sorted by address */
    MX_ARRAY(uint32_t) starts;      /* (block's address - span's start) / 8, rising within a span */
    uint32_t blocks;                /* ids are below */
    struct mx_page **pages;         /* by GB of address space: a table of its pages, or NULL */
    uint64_t pages_memory;
};

/* What a look-up needs of a 4 KB page. Nearly all are one pool's alone: then it needs nothing else. */
struct mx_page {
    uint32_t span;       /* 1 + the first span that ends behind the page's start; 0: none does */
    uint32_t first;      /* id of the pool's first block */
    int16_t before;      /* bytes from there to the page */
    uint16_t length;     /* bytes of the pool's blocks; 0: the page is not one pool's alone */
    uint16_t reciprocal; /* 2^15 / (block_size / 16), rounded up */
    uint16_t block_size;
};

enum { MX_PAGE_TABLE_BITS = 18, MX_PAGE_TABLES = 1 << (MX_ADDRESS_BITS - MX_PAGE_BITS - MX_PAGE_TABLE_BITS) };

/* Sorts the spans by address, numbers the blocks and builds the page map. BAD_DATA when there are 2^32 blocks. */
struct mx_error *mx_spans_seal(struct mx_spans *spans);
void mx_spans_deinit(struct mx_spans *spans);

uint64_t mx_spans_memory(const struct mx_spans *spans);

static inline const struct mx_page *mx_spans_page(const struct mx_spans *spans, mx_addr address)
{
    size_t table = address >> (MX_PAGE_BITS + MX_PAGE_TABLE_BITS);
    if (!spans->pages || table >= MX_PAGE_TABLES || !spans->pages[table])
        return NULL;
    return &spans->pages[table][address >> MX_PAGE_BITS & ((1u << MX_PAGE_TABLE_BITS) - 1)];
}

/* The block that holds `address` and the address's offset in it; false where mx_spans_locate() has to look. */
static inline bool mx_spans_in_pool(const struct mx_spans *spans, mx_addr address, uint32_t *block, uint32_t *offset)
{
    const struct mx_page *page = mx_spans_page(spans, address);
    if (!page)
        return false;
    uint32_t at = (uint32_t)(address & ((1u << MX_PAGE_BITS) - 1)) + (uint32_t)(int32_t)page->before;
    if (at >= page->length)
        return false;
    uint32_t index = (at >> 4) * page->reciprocal >> 15;
    *block = page->first + index;
    *offset = at - index * page->block_size;
    return true;
}

/* The id of the block that holds `address` (anywhere inside), or MX_NO_BLOCK. */
uint32_t mx_spans_find(const struct mx_spans *spans, mx_addr address);

/* The same, and the span that the block is in: for passes that ask millions of times. */
uint32_t mx_spans_locate(const struct mx_spans *spans, mx_addr address, const struct mx_span **span);

/* The span of a block id. */
const struct mx_span *mx_spans_of(const struct mx_spans *spans, uint32_t block);

/* Where a block begins, and how many bytes it has (up to the next block of its span). */
static inline mx_addr mx_block_address(const struct mx_spans *spans, const struct mx_span *span, uint32_t block)
{
    uint32_t index = block - span->first;
    if (span->kind == MX_SPAN_POOL)
        return span->start + (mx_addr)index * span->block_size;
    return span->start + (mx_addr)spans->starts.items[span->list + index] * 8;
}

uint64_t mx_block_size(const struct mx_spans *spans, const struct mx_span *span, uint32_t block);

#endif
