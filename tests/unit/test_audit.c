/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/audit.c on a fake target: lists and tuples whose counts are right, too high, too low, or explained by a
 * word in a raw block.
 */
#include <CUnit/CUnit.h>

#include "fake.h"
#include "heap/graph.h"

enum { HOLDER, RIGHT, LEAKED, SHORT, EXPLAINED, RAW, BLOCKS };
enum { RAW_SIZE = 64 };

struct made {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_graph *graph;
    mx_addr blocks[BLOCKS];
};

/* The holder is a tuple that has the four others. */
static void make_blocks(struct made *made, struct fake *fake)
{
    mx_addr *blocks = made->blocks;
    for (int i = RIGHT; i <= EXPLAINED; i++)
        blocks[i] = fake_list(fake, &fake->none, 1);
    blocks[HOLDER] = fake_tuple(fake, blocks + RIGHT, 4);
    blocks[RAW] = fake_alloc(fake, RAW_SIZE);
    fake_put(fake, blocks[RAW], 24, blocks[EXPLAINED]);
    fake_set_refcount(fake, blocks[LEAKED], 3);
    fake_set_refcount(fake, blocks[EXPLAINED], 2);
    fake_put(fake, blocks[RAW], 32, blocks[HOLDER]);
}

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return left < right ? -1 : left > right;
}

static void open_made(struct made *made, struct fake *fake)
{
    mx_addr sorted[BLOCKS];
    make_blocks(made, fake);
    /* The tuple has SHORT twice, which counts once. */
    fake_put(fake, made->blocks[HOLDER], fake->runtime.layout.tuple.ob_item, made->blocks[SHORT]);
    fake_set_refcount(fake, made->blocks[RIGHT], 1);
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    made->target.path = (char *)"core";
    memcpy(sorted, made->blocks, sizeof(sorted));
    qsort(sorted, BLOCKS, sizeof(mx_addr), compare_addresses);
    made->heap.kinds = calloc(BLOCKS, sizeof(uint16_t));
    struct mx_span span = {
        .start = sorted[0], .end = made->blocks[RAW] + RAW_SIZE, .count = BLOCKS, .kind = MX_SPAN_CHUNKS};
    CU_ASSERT_TRUE_FATAL(made->heap.kinds && mx_array_push(&made->heap.spans.spans, span));
    for (size_t i = 0; i < BLOCKS; i++) {
        const struct mx_type *type = sorted[i] == made->blocks[RAW] ? NULL : mx_type_of(&made->target.types, sorted[i]);
        made->heap.kinds[i] = type ? (uint16_t)(type - made->target.types.types.items) : MX_BLOCK_RAW;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.starts, (uint32_t)((sorted[i] - sorted[0]) / 8)));
    }
    for (size_t i = 0; i < made->target.types.types.count; i++)
        CU_ASSERT_TRUE_FATAL(
            mx_array_push(&made->heap.types, (struct mx_heap_type){.name = made->target.types.types.items[i].name}));
    struct mx_chunk_span all = {.start = FAKE_BASE, .end = FAKE_BASE + FAKE_SIZE};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->target.allocators.glibc.spans, all));
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->graph));
}

static void close_made(struct made *made)
{
    mx_graph_close(made->graph);
    mx_spans_deinit(&made->heap.spans);
    mx_array_free(&made->heap.types);
    mx_array_free(&made->target.allocators.glibc.spans);
    free(made->heap.kinds);
}

static void check_surplus(const struct made *made)
{
    struct mx_audit *audit;
    struct mx_audit_info info;
    size_t count;
    CU_ASSERT_PTR_NULL_FATAL(mx_audit_open(made->graph, &(struct mx_audit_query){0}, NULL, &audit));
    const struct mx_audit_row *rows = mx_audit_rows(audit, &count);
    mx_audit_info(audit, &info);
    /* RIGHT lost its place in the tuple to SHORT, and nobody else has it. */
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_EQUAL(rows[0].address, made->blocks[LEAKED]);
    CU_ASSERT_EQUAL(rows[0].refcount, 3);
    CU_ASSERT_EQUAL(rows[0].found, 1);
    CU_ASSERT_EQUAL(rows[1].address, made->blocks[RIGHT]);
    CU_ASSERT_EQUAL(rows[1].found, 0);
    CU_ASSERT_EQUAL(info.objects, 5);
    CU_ASSERT_EQUAL(info.exact, 0);
    CU_ASSERT_EQUAL(info.explained, 2);
    CU_ASSERT_EQUAL(info.surplus, 2);
    CU_ASSERT_EQUAL(info.deficit, 1);
    mx_audit_close(audit);
}

static size_t rows_of(const struct made *made, const struct mx_audit_query *query, mx_addr *first)
{
    struct mx_audit *audit;
    size_t count;
    CU_ASSERT_PTR_NULL_FATAL(mx_audit_open(made->graph, query, NULL, &audit));
    const struct mx_audit_row *rows = mx_audit_rows(audit, &count);
    *first = count ? rows[0].address : 0;
    mx_audit_close(audit);
    return count;
}

static void test_surplus_and_deficit(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        mx_addr first;
        open_made(&made, &fake);
        check_surplus(&made);
        CU_ASSERT_EQUAL(rows_of(&made, &(struct mx_audit_query){.deficits = true}, &first), 1);
        CU_ASSERT_EQUAL(first, made.blocks[SHORT]);
        CU_ASSERT_EQUAL(rows_of(&made, &(struct mx_audit_query){.type = "tuple"}, &first), 0);
        CU_ASSERT_EQUAL(rows_of(&made, &(struct mx_audit_query){.type = "list"}, &first), 2);
        CU_ASSERT_EQUAL(rows_of(&made, &(struct mx_audit_query){.since = &made.heap}, &first), 0);
        close_made(&made);
    }
}

void suite_audit(CU_pSuite suite);

void suite_audit(CU_pSuite suite)
{
    CU_add_test(suite, "surplus and deficit", test_surplus_and_deficit);
}
