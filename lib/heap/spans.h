/* SPDX-License-Identifier: Apache-2.0
 *
 * All blocks of the heap as dense numbers. A span is a stretch of memory that
 * one allocator cut into blocks; block ids count through the spans in address
 * order, so that everything above is an array indexed by id.
 *
 *   span     [ pool: equal blocks ] [ chunks: a list of starts ] [ static objects: a list ]     a mimalloc page is a
 * pool id       0 1 2 3 ...            k k+1 ...                    m m+1 ...
 *
 * Free blocks have ids too: they keep the arithmetic simple.
 */
#ifndef MX_HEAP_SPANS_H
#define MX_HEAP_SPANS_H

#include "base/array.h"
#include "base/error.h"

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
    struct page_map *pages;         /* 4 KB page -> the first span that ends behind its start */
};

/* Sorts the spans by address, numbers the blocks and builds the page map. BAD_DATA when there are 2^32 blocks. */
struct mx_error *mx_spans_seal(struct mx_spans *spans);
void mx_spans_deinit(struct mx_spans *spans);

uint64_t mx_spans_memory(const struct mx_spans *spans);

/* The id of the block that holds `address` (anywhere inside), or MX_NO_BLOCK. */
uint32_t mx_spans_find(const struct mx_spans *spans, mx_addr address);

/* The same, and the span that the block is in: for passes that ask millions of times. */
uint32_t mx_spans_locate(const struct mx_spans *spans, mx_addr address, const struct mx_span **span);

/* The span of a block id. */
const struct mx_span *mx_spans_of(const struct mx_spans *spans, uint32_t block);

/* Where a block begins, and how many bytes it has (up to the next block of its span). */
mx_addr mx_block_address(const struct mx_spans *spans, const struct mx_span *span, uint32_t block);
uint64_t mx_block_size(const struct mx_spans *spans, const struct mx_span *span, uint32_t block);

#endif
