/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/heap/spans: block ids to addresses and back, against a slow twin that looks
 * at every block of every span.
 */
#include <CUnit/CUnit.h>

#include "heap/spans.h"

static struct mx_span pool(mx_addr address, uint32_t block_size, uint32_t count)
{
    mx_addr start = address + 48;
    return (struct mx_span){.start = start,
                            .end = start + (mx_addr)block_size * count,
                            .block_size = block_size,
                            .count = count,
                            .kind = MX_SPAN_POOL};
}

static void add_listed(struct mx_spans *spans, mx_addr start, const uint32_t *sizes, uint32_t count)
{
    struct mx_span span = {
        .start = start, .count = count, .list = spans->starts.count, .kind = MX_SPAN_CHUNKS, .end = start};
    for (uint32_t i = 0; i < count; i++) {
        CU_ASSERT_TRUE_FATAL(mx_array_push(&spans->starts, (uint32_t)((span.end - start) / 8)));
        span.end += sizes[i];
    }
    CU_ASSERT_TRUE_FATAL(mx_array_push(&spans->spans, span));
}

/* All ways in which spans can share pages: pools of every size class, chunks between and after them, far away ones. */
static void make_spans(struct mx_spans *spans)
{
    static const uint32_t sizes[] = {24, 5000, 16, 40, 70000, 8};
    mx_addr base = 0x7f0000000000;
    for (uint32_t class = 0; class < 32; class ++) {
        uint32_t block_size = (class + 1) * 16;
        struct mx_span span = pool(base + class * 16384, block_size, (16384 - 48) / block_size);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&spans->spans, span));
    }
    add_listed(spans, 0x1234010, sizes, 6);
    add_listed(spans, 0x1234010 + 75088, sizes, 3);
    add_listed(spans, base + 32 * 16384 + 16, sizes, 6);
    struct mx_span partly = pool(base + 0x40000000, 48, 3);
    CU_ASSERT_TRUE_FATAL(mx_array_push(&spans->spans, partly));
    struct mx_error *error = mx_spans_seal(spans);
    CU_ASSERT_PTR_NULL_FATAL(error);
}

static uint32_t slow_find(const struct mx_spans *spans, mx_addr address)
{
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (uint32_t block = span->first; block < span->first + span->count; block++) {
            mx_addr start = mx_block_address(spans, span, block);
            if (address >= start && address < start + mx_block_size(spans, span, block))
                return block;
        }
    }
    return MX_NO_BLOCK;
}

static void test_ids_are_dense_and_in_address_order(void)
{
    struct mx_spans spans = {0};
    make_spans(&spans);
    mx_addr last = 0;
    uint32_t next = 0;
    for (size_t i = 0; i < spans.spans.count; i++) {
        const struct mx_span *span = &spans.spans.items[i];
        CU_ASSERT_EQUAL(span->first, next);
        for (uint32_t block = span->first; block < span->first + span->count; block++, next++) {
            mx_addr address = mx_block_address(&spans, span, block);
            CU_ASSERT_TRUE(address > last);
            CU_ASSERT_PTR_EQUAL(mx_spans_of(&spans, block), span);
            last = address;
        }
    }
    CU_ASSERT_EQUAL(next, spans.blocks);
    mx_spans_deinit(&spans);
}

static void test_every_byte_finds_its_block(void)
{
    struct mx_spans spans = {0};
    make_spans(&spans);
    for (size_t i = 0; i < spans.spans.count; i++) {
        const struct mx_span *span = &spans.spans.items[i];
        for (uint32_t block = span->first; block < span->first + span->count; block++) {
            mx_addr start = mx_block_address(&spans, span, block);
            uint64_t size = mx_block_size(&spans, span, block);
            CU_ASSERT_EQUAL(mx_spans_find(&spans, start), block);
            CU_ASSERT_EQUAL(mx_spans_find(&spans, start + size / 2), block);
            CU_ASSERT_EQUAL(mx_spans_find(&spans, start + size - 1), block);
        }
    }
    mx_spans_deinit(&spans);
}

static void test_page_map_agrees_with_its_slow_twin(void)
{
    struct mx_spans spans = {0};
    make_spans(&spans);
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 3000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        mx_addr bases[] = {0x1230000, 0x7f0000000000, 0x7f0000000000 + 31 * 16384, 0x7f0040000000};
        mx_addr address = bases[random % 4] + (random >> 8) % 150000;
        CU_ASSERT_EQUAL(mx_spans_find(&spans, address), slow_find(&spans, address));
    }
    CU_ASSERT_EQUAL(mx_spans_find(&spans, 0), MX_NO_BLOCK);
    CU_ASSERT_EQUAL(mx_spans_find(&spans, UINT64_MAX), MX_NO_BLOCK);
    mx_spans_deinit(&spans);
}

static void test_no_spans_find_nothing(void)
{
    struct mx_spans spans = {0};
    CU_ASSERT_EQUAL(mx_spans_find(&spans, 4096), MX_NO_BLOCK);
    CU_ASSERT_PTR_NULL(mx_spans_seal(&spans));
    CU_ASSERT_EQUAL(spans.blocks, 0);
    CU_ASSERT_EQUAL(mx_spans_find(&spans, 4096), MX_NO_BLOCK);
    mx_spans_deinit(&spans);
}

void suite_spans(CU_pSuite suite);
void suite_spans(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_ids_are_dense_and_in_address_order);
    CU_ADD_TEST(suite, test_every_byte_finds_its_block);
    CU_ADD_TEST(suite, test_page_map_agrees_with_its_slow_twin);
    CU_ADD_TEST(suite, test_no_spans_find_nothing);
}
