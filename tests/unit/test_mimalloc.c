/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/alloc/mimalloc: segments written into byte arrays as both bundled generations lay them out, whole and damaged.
 * The slow twin of the free chains is a table of what was freed.
 */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/mimalloc.h"

#define SEGMENT ((mx_addr)1 << MX_MI_SEGMENT_SHIFT)
#define SLICE ((mx_addr)1 << MX_MI_SLICE_SHIFT)
#define BASE ((mx_addr)0x7f0000000000)
#define KEY UINT64_C(0x5bd1e995a5a5a5a5)
enum { SEGMENTS = 3, HEAP_AT = 1 << 15 };

/* CPython 3.14.7t and 3.14.10t. */
static const struct mx_mimalloc_facts generations[] = {
    {.present = true,
     .cookie = 216,
     .segment_slices = 224,
     .segment_info_slices = 232,
     .slice_entries = 248,
     .thread_id = 256,
     .slices = 264,
     .page_size = 96,
     .slice_offset = 4,
     .capacity = 10,
     .reserved = 12,
     .free = 16,
     .used = 24,
     .block_size = 28,
     .local_free = 32,
     .xthread_free = 40,
     .xheap = 48,
     .delayed_free = 2840},
    {.present = true,
     .cookie = 224,
     .segment_slices = 248,
     .segment_info_slices = 256,
     .slice_entries = 272,
     .thread_id = 280,
     .slices = 288,
     .page_size = 112,
     .slice_offset = 4,
     .capacity = 10,
     .reserved = 12,
     .free = 16,
     .local_free = 24,
     .used = 32,
     .heap_tag = 35,
     .block_size = 40,
     .page_start = 48,
     .xthread_free = 56,
     .xheap = 64,
     .delayed_free = 8},
};
enum { GENERATIONS = sizeof(generations) / sizeof(generations[0]) };

struct made {
    const struct mx_mimalloc_facts *facts;
    struct mx_memory *memory;
    uint8_t *bytes; /* of BASE */
};

static void put(struct made *made, mx_addr address, uint64_t value, size_t size)
{
    memcpy(made->bytes + (address - BASE), &value, size);
}

static mx_addr descriptor(const struct made *made, mx_addr segment, uint32_t slice)
{
    return segment + made->facts->slices + (mx_addr)slice * made->facts->page_size;
}

static void put_span(struct made *made, mx_addr segment, uint32_t slice, uint32_t count)
{
    put(made, descriptor(made, segment, slice) + made->facts->slice_count, count, 4);
    put(made, descriptor(made, segment, slice) + made->facts->slice_offset, 0, 4);
}

static void put_segment(struct made *made, mx_addr segment, uint64_t thread)
{
    const struct mx_mimalloc_facts *facts = made->facts;
    put(made, segment + facts->cookie, KEY ^ segment, 8);
    put(made, segment + facts->segment_slices, MX_MI_SLICES, 8);
    put(made, segment + facts->segment_info_slices, 1, 8);
    put(made, segment + facts->slice_entries, MX_MI_SLICES, 8);
    put(made, segment + facts->thread_id, thread, 8);
    put_span(made, segment, 0, 1);
    put_span(made, segment, 1, MX_MI_SLICES - 1);
}

/* A page of `capacity` used blocks in `count` slices; what is behind it is one free span. */
static mx_addr put_page(struct made *made, mx_addr segment, uint32_t slice, uint32_t count, uint32_t block_size,
                        uint32_t capacity, uint8_t tag)
{
    const struct mx_mimalloc_facts *facts = made->facts;
    mx_addr at = descriptor(made, segment, slice), area = segment + slice * SLICE;
    mx_addr start = area + (block_size <= 64 ? 3 * block_size : block_size <= 512 ? block_size : 0);
    put_span(made, segment, slice, count);
    put_span(made, segment, slice + count, MX_MI_SLICES - slice - count);
    put(made, at + facts->capacity, capacity, 2);
    put(made, at + facts->reserved, capacity, 2);
    put(made, at + facts->block_size, block_size, facts->page_start ? 8 : 4);
    put(made, at + facts->used, capacity, facts->page_start ? 2 : 4);
    put(made, at + facts->xheap, segment + HEAP_AT, 8);
    if (facts->page_start) {
        put(made, at + facts->page_start, start, 8);
        put(made, at + facts->heap_tag, tag, 1);
    } else {
        put(made, at + 8, (uint64_t)tag << 3, 1);
    }
    return start;
}

static uint64_t word_at(const struct made *made, mx_addr address)
{
    return mx_load_u64(made->bytes + (address - BASE));
}

/* Blocks that the page's own thread frees are no longer in its count; those of other threads still are. */
static void free_block(struct made *made, mx_addr page, uint32_t chain, mx_addr block)
{
    const struct mx_mimalloc_facts *facts = made->facts;
    mx_addr head = page + (chain == facts->xthread_free ? facts->xthread_free : chain);
    uint64_t flags = chain == facts->xthread_free ? 2 : 0;
    put(made, block, word_at(made, head) & ~UINT64_C(3), 8);
    put(made, head, block | flags, 8);
    if (chain != facts->xthread_free)
        put(made, page + facts->used, mx_load_u16(made->bytes + (page + facts->used - BASE)) - 1u, 2);
}

static struct made make(const struct mx_mimalloc_facts *facts)
{
    struct made made = {.facts = facts, .bytes = calloc(SEGMENTS, SEGMENT)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(made.bytes);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&made.memory));
    struct mx_region region = {.start = BASE,
                               .end = BASE + SEGMENTS * SEGMENT,
                               .bytes = made.bytes,
                               .flags = MX_REGION_READ | MX_REGION_WRITE,
                               .module = MX_NO_MODULE};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(made.memory, region));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(made.memory));
    return made;
}

static void discard(struct made *made)
{
    mx_memory_close(made->memory);
    free(made->bytes);
}

static struct mx_mimalloc open(const struct made *made)
{
    struct mx_mimalloc mimalloc;
    CU_ASSERT_PTR_NULL_FATAL(mx_mimalloc_open(made->facts, made->memory, &mimalloc));
    return mimalloc;
}

/* All pages of a segment; returns how many. */
static size_t list_pages(const struct mx_mimalloc *mimalloc, size_t segment, struct mx_mi_page *pages, size_t room,
                         uint64_t *damaged)
{
    const struct mx_mi_segment *at = &mimalloc->segments.items[segment];
    const uint8_t *slices = mx_mimalloc_slices(mimalloc, at);
    size_t count = 0;
    *damaged = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(slices);
    for (uint32_t slice = 0; count < room && mx_mimalloc_next(mimalloc, at, slices, &slice, &pages[count], damaged);)
        count++;
    return count;
}

static void test_segments_are_found_by_their_headers(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        struct made made = make(&generations[i]);
        put_segment(&made, BASE, 77);
        put_segment(&made, BASE + SEGMENT, 0); /* its thread has ended */
        put_segment(&made, BASE + 2 * SEGMENT, 77);
        put(&made, BASE + 2 * SEGMENT + made.facts->cookie, 12345, 8); /* another mimalloc's */
        struct mx_mimalloc mimalloc = open(&made);
        CU_ASSERT_EQUAL_FATAL(mimalloc.segments.count, 2);
        CU_ASSERT_EQUAL(mimalloc.segments.items[0].thread, 77);
        CU_ASSERT_EQUAL(mimalloc.segments.items[1].thread, 0);
        CU_ASSERT_EQUAL(mimalloc.segments.items[1].end, BASE + 2 * SEGMENT);
        CU_ASSERT_EQUAL(mimalloc.skipped, 1);
        mx_mimalloc_close(&mimalloc);
        discard(&made);
    }
}

static void test_pages_of_every_kind(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        struct made made = make(&generations[i]);
        put_segment(&made, BASE, 1);
        mx_addr starts[] = {put_page(&made, BASE, 1, 1, 16, 4000, 0), put_page(&made, BASE, 2, 1, 512, 127, 1),
                            put_page(&made, BASE, 3, 8, 32768, 16, 2), put_page(&made, BASE, 11, 20, 1 << 20, 1, 3)};
        struct mx_mi_page pages[8];
        uint64_t damaged;
        struct mx_mimalloc mimalloc = open(&made);
        CU_ASSERT_EQUAL_FATAL(mimalloc.segments.count, 1);
        CU_ASSERT_EQUAL_FATAL(list_pages(&mimalloc, 0, pages, 8, &damaged), 4);
        CU_ASSERT_EQUAL(damaged, 0);
        for (uint8_t page = 0; page < 4; page++) {
            CU_ASSERT_EQUAL(pages[page].start, starts[page]);
            CU_ASSERT_EQUAL(pages[page].tag, page);
            CU_ASSERT_EQUAL(pages[page].end, pages[page].start + pages[page].capacity * pages[page].block_size);
        }
        CU_ASSERT_EQUAL(pages[3].block_size, 1 << 20);
        mx_mimalloc_close(&mimalloc);
        discard(&made);
    }
}

static uint32_t free_of(const struct made *made, const struct mx_mimalloc *mimalloc, uint64_t *bits, bool *whole)
{
    struct mx_mi_page page;
    uint64_t damaged;
    uint32_t count = 0;
    CU_ASSERT_EQUAL_FATAL(list_pages(mimalloc, 0, &page, 1, &damaged), 1);
    *whole = mx_mimalloc_free(mimalloc, &page, made->bytes + (page.start - BASE), bits, &count);
    return count;
}

static void test_free_blocks_of_all_chains(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        struct made made = make(&generations[i]);
        const uint32_t chains[] = {made.facts->free, made.facts->local_free, made.facts->xthread_free};
        uint64_t bits[MX_MI_WORDS];
        bool freed[1000] = {false}, whole;
        put_segment(&made, BASE, 1);
        mx_addr start = put_page(&made, BASE, 1, 1, 48, 1000, 1), page = descriptor(&made, BASE, 1);
        uint32_t expected = 0, wrong = 0;
        for (uint32_t n = 0; n < 300; n++, expected++) {
            uint32_t number = n * 7 % 1000;
            freed[number] = true;
            free_block(&made, page, chains[n % 3], start + 48 * number);
        }
        /* The heap's chain, of what other threads freed in a page that was full. */
        freed[999] = true;
        put(&made, BASE + HEAP_AT + made.facts->delayed_free, start + 48 * 999, 8);
        struct mx_mimalloc mimalloc = open(&made);
        CU_ASSERT_EQUAL(mimalloc.delayed.count, 1);
        CU_ASSERT_EQUAL(free_of(&made, &mimalloc, bits, &whole), expected + 1);
        CU_ASSERT_TRUE(whole);
        for (uint32_t number = 0; number < 1000; number++)
            wrong += freed[number] != (bits[number / 64] >> number % 64 & 1);
        CU_ASSERT_EQUAL(wrong, 0);
        mx_mimalloc_close(&mimalloc);
        discard(&made);
    }
}

static void test_damaged_chains_end(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        struct made made = make(&generations[i]);
        put_segment(&made, BASE, 1);
        mx_addr start = put_page(&made, BASE, 1, 1, 48, 1000, 1), page = descriptor(&made, BASE, 1);
        free_block(&made, page, made.facts->free, start);
        free_block(&made, page, made.facts->free, start + 48);
        const mx_addr wrong[] = {start, start + 48, start + 49, start - 48, start + 48 * 1000, 1, UINT64_MAX};
        for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++) {
            uint64_t bits[MX_MI_WORDS];
            bool whole;
            put(&made, start, wrong[n], 8);
            struct mx_mimalloc mimalloc = open(&made);
            CU_ASSERT_EQUAL(free_of(&made, &mimalloc, bits, &whole), 2);
            CU_ASSERT_FALSE(whole);
            mx_mimalloc_close(&mimalloc);
        }
        discard(&made);
    }
}

/* A page that cannot be is passed over and counted; the next one is found. */
static void test_descriptors_that_make_no_sense(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        const struct mx_mimalloc_facts *facts = &generations[i];
        const struct {
            uint32_t field, size;
            uint64_t value;
        } cases[] = {{facts->block_size, 4, 3},     {facts->block_size, 4, 1 << 20}, {facts->reserved, 2, 9},
                     {facts->slice_count, 4, 9999}, {facts->slice_count, 4, 0},      {facts->slice_offset, 4, 96},
                     {facts->used, 2, 2000}};
        for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
            struct made made = make(facts);
            put_segment(&made, BASE, 1);
            put_page(&made, BASE, 1, 1, 48, 1000, 1);
            mx_addr second = put_page(&made, BASE, 2, 1, 64, 500, 1);
            put(&made, descriptor(&made, BASE, 1) + cases[n].field, cases[n].value, cases[n].size);
            struct mx_mi_page pages[4];
            uint64_t damaged;
            struct mx_mimalloc mimalloc = open(&made);
            CU_ASSERT_EQUAL_FATAL(list_pages(&mimalloc, 0, pages, 4, &damaged), 1);
            CU_ASSERT_EQUAL(pages[0].start, second);
            CU_ASSERT_EQUAL(damaged, 1);
            mx_mimalloc_close(&mimalloc);
            discard(&made);
        }
    }
}

/* Headers with impossible numbers are no segments; a descriptor table that is not there is skipped. */
static void test_what_is_no_segment(void)
{
    for (size_t i = 0; i < GENERATIONS; i++) {
        const struct mx_mimalloc_facts *facts = &generations[i];
        const struct {
            uint32_t field;
            uint64_t value;
        } cases[] = {{facts->segment_slices, 0},      {facts->segment_slices, UINT64_MAX},
                     {facts->segment_info_slices, 0}, {facts->segment_info_slices, 500},
                     {facts->slice_entries, 5},       {facts->slices + facts->slice_count, 7}};
        for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
            struct made made = make(facts);
            put_segment(&made, BASE, 1);
            put(&made, BASE + cases[n].field, cases[n].value, 8);
            struct mx_mimalloc mimalloc = open(&made);
            CU_ASSERT_EQUAL(mimalloc.segments.count, 0);
            mx_mimalloc_close(&mimalloc);
            discard(&made);
        }
    }
}

void suite_mimalloc(CU_pSuite suite);
void suite_mimalloc(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_segments_are_found_by_their_headers);
    CU_ADD_TEST(suite, test_pages_of_every_kind);
    CU_ADD_TEST(suite, test_free_blocks_of_all_chains);
    CU_ADD_TEST(suite, test_damaged_chains_end);
    CU_ADD_TEST(suite, test_descriptors_that_make_no_sense);
    CU_ADD_TEST(suite, test_what_is_no_segment);
}
