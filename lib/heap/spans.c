/* SPDX-License-Identifier: Apache-2.0
 *
 * Block ids to addresses and back. The page map has two levels: one table for
 * each GB of address space in use, with one entry a 4 KB page, so that a look-up
 * is two loads, and one multiplication inside a pool.
 */
#include "heap/spans.h"

#include <string.h>

#include "base/pages.h"

enum {
    RECIPROCAL_BITS = 44, /* exact for offsets below 2^25 and blocks up to 2^19: pools and pages of many blocks */
    /* of the pools that a page's entry can tell of: struct mx_page is exact for these */
    MOST_BLOCK = 512,
    MOST_POOL = 16384,
};

/* Reserved, not allocated: a small heap touches a page or two of each, and malloc would clear what it hands out again.
 */
static const size_t TABLE_BYTES = sizeof(struct mx_page) << MX_PAGE_TABLE_BITS;
static const size_t TABLES_BYTES = MX_PAGE_TABLES * sizeof(struct mx_page *);

static int compare_spans(const void *a, const void *b)
{
    mx_addr left = ((const struct mx_span *)a)->start, right = ((const struct mx_span *)b)->start;
    return left < right ? -1 : left > right;
}

static struct mx_error *number_blocks(struct mx_spans *spans)
{
    uint64_t next = 0;
    for (size_t i = 0; i < spans->spans.count; i++) {
        struct mx_span *span = &spans->spans.items[i];
        span->first = (uint32_t)next;
        next += span->count;
        if (next >= MX_NO_BLOCK)
            return mx_error_new(MX_ERROR_UNSUPPORTED, "the heap has more than 4 billion blocks, memext's limit");
        if (span->kind == MX_SPAN_POOL)
            span->reciprocal =
                span->count > 1 ? ((UINT64_C(1) << RECIPROCAL_BITS) + span->block_size - 1) / span->block_size : 0;
    }
    spans->blocks = (uint32_t)next;
    return NULL;
}

static size_t table_of(mx_addr address)
{
    return address >> (MX_PAGE_BITS + MX_PAGE_TABLE_BITS);
}

static struct mx_page *page_table(struct mx_spans *spans, mx_addr address)
{
    size_t index = table_of(address);
    if (index >= MX_PAGE_TABLES)
        return NULL;
    if (!spans->pages[index]) {
        spans->pages[index] = mx_pages_reserve_sparse(TABLE_BYTES);
        spans->pages_memory += TABLE_BYTES;
    }
    return spans->pages[index];
}

static struct mx_page page_of_pool(const struct mx_span *span, mx_addr page)
{
    uint64_t units = span->block_size / 16;
    int64_t before = (int64_t)(page - span->start);
    bool fits = span->kind == MX_SPAN_POOL && span->block_size % 16 == 0 && units && span->block_size <= MOST_BLOCK &&
                (uint64_t)span->count * span->block_size <= MOST_POOL && before > -MOST_POOL && before < MOST_POOL;
    if (!fits)
        return (struct mx_page){0};
    return (struct mx_page){.first = span->first,
                            .before = (int16_t)before,
                            .length = (uint16_t)(span->count * span->block_size),
                            .reciprocal = (uint16_t)(((1u << 15) + units - 1) / units),
                            .block_size = (uint16_t)span->block_size};
}

/* A page's entry is the first span in it; the following ones are found by stepping. */
static bool map_span(struct mx_spans *spans, const struct mx_span *span, uint32_t index)
{
    mx_addr last = (span->end - 1) >> MX_PAGE_BITS;
    for (mx_addr page = span->start >> MX_PAGE_BITS; page <= last; page++) {
        struct mx_page *table = page_table(spans, page << MX_PAGE_BITS);
        if (!table)
            return false;
        struct mx_page *entry = &table[page & ((1u << MX_PAGE_TABLE_BITS) - 1)];
        if (entry->span) {
            entry->length = 0;
            continue;
        }
        *entry = page_of_pool(span, page << MX_PAGE_BITS);
        entry->span = index + 1;
    }
    return true;
}

struct mx_error *mx_spans_seal(struct mx_spans *spans)
{
    if (spans->spans.count)
        qsort(spans->spans.items, spans->spans.count, sizeof(struct mx_span), compare_spans);
    MX_TRY(number_blocks(spans));
    spans->pages = mx_pages_reserve_sparse(TABLES_BYTES);
    if (!spans->pages)
        return mx_error_no_memory();
    for (size_t i = 0; i < spans->spans.count; i++)
        if (spans->spans.items[i].count && !map_span(spans, &spans->spans.items[i], (uint32_t)i))
            return mx_error_no_memory();
    return NULL;
}

/* By the spans, for to look through all tables there can be takes longer than a small heap's count. */
static void release_tables(struct mx_spans *spans)
{
    for (size_t i = 0; spans->pages && i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (mx_addr index = table_of(span->start); index < MX_PAGE_TABLES && index <= table_of(span->end - 1);
             index++) {
            mx_pages_release(spans->pages[index], TABLE_BYTES);
            spans->pages[index] = NULL;
        }
    }
}

void mx_spans_deinit(struct mx_spans *spans)
{
    release_tables(spans);
    mx_pages_release(spans->pages, TABLES_BYTES);
    mx_array_free(&spans->spans);
    mx_array_free(&spans->starts);
    *spans = (struct mx_spans){0};
}

uint64_t mx_spans_memory(const struct mx_spans *spans)
{
    return spans->spans.capacity * sizeof(struct mx_span) + spans->starts.capacity * sizeof(uint32_t) +
           (spans->pages ? TABLES_BYTES + spans->pages_memory : 0);
}

uint64_t mx_block_size(const struct mx_spans *spans, const struct mx_span *span, uint32_t block)
{
    if (span->kind == MX_SPAN_POOL)
        return span->block_size;
    mx_addr start = mx_block_address(spans, span, block);
    bool last = block - span->first + 1 == span->count;
    return (last ? span->end : mx_block_address(spans, span, block + 1)) - start;
}

/* The last listed block that begins at or before `address`; MX_NO_BLOCK before the first one. */
static uint32_t find_listed(const struct mx_spans *spans, const struct mx_span *span, mx_addr address)
{
    const uint32_t *starts = spans->starts.items + span->list;
    uint64_t wanted = (address - span->start) / 8;
    if (wanted < starts[0])
        return MX_NO_BLOCK;
    uint32_t low = 0, high = span->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (starts[middle] <= wanted)
            low = middle;
        else
            high = middle;
    }
    return span->first + low;
}

static uint32_t find_in_span(const struct mx_spans *spans, const struct mx_span *span, mx_addr address)
{
    if (span->kind != MX_SPAN_POOL)
        return find_listed(spans, span, address);
    uint64_t offset = address - span->start;
    return span->first + (uint32_t)((offset * span->reciprocal) >> RECIPROCAL_BITS);
}

uint32_t mx_spans_locate(const struct mx_spans *spans, mx_addr address, const struct mx_span **span)
{
    const struct mx_page *page = mx_spans_page(spans, address);
    if (!page || !page->span)
        return MX_NO_BLOCK;
    for (size_t at = page->span - 1; at < spans->spans.count && spans->spans.items[at].start <= address; at++) {
        *span = &spans->spans.items[at];
        if (address < (*span)->end)
            return find_in_span(spans, *span, address);
    }
    return MX_NO_BLOCK;
}

uint32_t mx_spans_find(const struct mx_spans *spans, mx_addr address)
{
    const struct mx_span *span;
    uint32_t block, offset;
    return mx_spans_in_pool(spans, address, &block, &offset) ? block : mx_spans_locate(spans, address, &span);
}

const struct mx_span *mx_spans_of(const struct mx_spans *spans, uint32_t block)
{
    size_t low = 0, high = spans->spans.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (spans->spans.items[middle].first <= block)
            low = middle;
        else
            high = middle;
    }
    return &spans->spans.items[low];
}
