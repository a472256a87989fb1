/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/heap/lost.c and lib/report/leaks.c on a fake target: raw blocks that a page of nobody's leads to, and others.
 *
 *   page -> HELD -> BEHIND        page -odd-> ODD -> AFTER
 *   HEAD -> TAIL                  RING <-> BACK
 */
#include <CUnit/CUnit.h>

#include "fake.h"
#include "heap/lost.h"
#include "memory/source.h"
#include "report/ledger.h"

enum { HELD, BEHIND, ODD, AFTER, HEAD, TAIL, RING, BACK, BLOCKS };
enum { BLOCK_SIZE = 64 };

struct made {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_graph *graph;
    mx_addr blocks[BLOCKS];
};

static void link_blocks(struct made *made, struct fake *fake)
{
    const mx_addr *blocks = made->blocks;
    mx_addr page = FAKE_BASE + FAKE_SIZE / 2;
    fake_put(fake, page, 80, blocks[HELD]);
    fake_put(fake, page, 88, blocks[ODD] + 3);
    fake_put(fake, blocks[HELD], 16, blocks[BEHIND] + 24);
    fake_put(fake, blocks[ODD], 0, blocks[AFTER]);
    fake_put(fake, blocks[HEAD], 8, blocks[TAIL]);
    fake_put(fake, blocks[HEAD], 16, blocks[HEAD]);
    fake_put(fake, blocks[RING], 0, blocks[BACK]);
    fake_put(fake, blocks[BACK], 0, blocks[RING]);
}

static void open_made(struct made *made, struct fake *fake)
{
    for (size_t i = 0; i < BLOCKS; i++)
        made->blocks[i] = fake_alloc(fake, BLOCK_SIZE);
    link_blocks(made, fake);
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    made->target.path = (char *)"core";
    made->heap.kinds = malloc(BLOCKS * sizeof(uint16_t));
    struct mx_span span = {.start = made->blocks[0],
                           .end = made->blocks[BLOCKS - 1] + BLOCK_SIZE,
                           .count = BLOCKS,
                           .kind = MX_SPAN_CHUNKS};
    struct mx_chunk_span all = {.start = FAKE_BASE, .end = FAKE_BASE + FAKE_SIZE / 2};
    CU_ASSERT_TRUE_FATAL(made->heap.kinds && mx_array_push(&made->heap.spans.spans, span));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->target.allocators.glibc.spans, all));
    for (size_t i = 0; i < BLOCKS; i++) {
        made->heap.kinds[i] = MX_BLOCK_RAW;
        uint32_t start = (uint32_t)((made->blocks[i] - made->blocks[0]) / 8);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.starts, start));
    }
    made->heap.info.raw_blocks = BLOCKS;
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->graph));
}

static void close_made(struct made *made)
{
    mx_graph_close(made->graph);
    mx_spans_deinit(&made->heap.spans);
    mx_array_free(&made->target.allocators.glibc.spans);
    free(made->heap.kinds);
}

static void check_marks(const struct made *made)
{
    static const uint8_t expected[BLOCKS] = {
        [HELD] = MX_HELD_FIRMLY,  [BEHIND] = MX_HELD_FIRMLY,
        [ODD] = MX_HELD_POSSIBLY, [AFTER] = MX_HELD_POSSIBLY_INDIRECT,
        [HEAD] = MX_HELD_LOST,    [TAIL] = MX_HELD_LOST_INDIRECT,
        [RING] = MX_HELD_LOST,    [BACK] = MX_HELD_LOST_INDIRECT,
    };
    struct mx_work work;
    struct mx_lost lost;
    mx_work_begin(&work, NULL, "testing", 0);
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_referrers(made->graph, NULL));
    CU_ASSERT_PTR_NULL_FATAL(mx_lost_find(made->graph, &work, &lost));
    for (size_t i = 0; i < BLOCKS; i++)
        CU_ASSERT_EQUAL(lost.held[i], expected[i]);
    CU_ASSERT_EQUAL(lost.heads[TAIL], HEAD);
    CU_ASSERT_EQUAL(lost.heads[BACK], RING);
    CU_ASSERT_EQUAL(lost.heads[AFTER], ODD);
    CU_ASSERT_EQUAL_FATAL(lost.possible, 1);
    CU_ASSERT_EQUAL(lost.words[0], FAKE_BASE + FAKE_SIZE / 2 + 88);
    mx_lost_deinit(&lost);
}

static void test_marks(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        open_made(&made, &fake);
        check_marks(&made);
        close_made(&made);
    }
}

static void test_groups(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_leaks *leaks;
        struct mx_leaks_info info;
        size_t count;
        open_made(&made, &fake);
        CU_ASSERT_PTR_NULL_FATAL(mx_leaks_open(made.graph, &(struct mx_leaks_query){0}, NULL, &leaks));
        const struct mx_leak_row *rows = mx_leaks_rows(leaks, &count);
        mx_leaks_info(leaks, &info);
        CU_ASSERT_EQUAL(info.definite_blocks, 2);
        CU_ASSERT_EQUAL(info.indirect_blocks, 2);
        CU_ASSERT_EQUAL(info.possible_blocks, 2);
        CU_ASSERT_TRUE_FATAL(count >= 4);
        CU_ASSERT_EQUAL(rows[0].class, MX_LEAK_DEFINITE);
        CU_ASSERT_EQUAL(rows[0].held_count, 1);
        CU_ASSERT_EQUAL(rows[count - 1].class, MX_LEAK_POSSIBLE);
        mx_leaks_close(leaks);
        CU_ASSERT_PTR_NULL_FATAL(
            mx_leaks_open(made.graph, &(struct mx_leaks_query){.since = &made.heap}, NULL, &leaks));
        mx_leaks_rows(leaks, &count);
        CU_ASSERT_EQUAL(count, 0);
        mx_leaks_close(leaks);
        close_made(&made);
    }
}

/* The ledger's mark: without the graph, and an odd address holds nothing. */
static void test_holders(void)
{
    static const uint8_t expected[BLOCKS] = {[HELD] = MX_HOLDER_GLOBALS, [BEHIND] = MX_HOLDER_GLOBALS};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_block_owners owners;
        open_made(&made, &fake);
        CU_ASSERT_PTR_NULL_FATAL(mx_block_owners_find(&made.target, &made.heap, NULL, &owners));
        for (uint32_t i = 0; i < BLOCKS; i++)
            CU_ASSERT_EQUAL(mx_block_owner(&owners, i), expected[i]);
        mx_block_owners_close(&owners);
        close_made(&made);
    }
}

/* Two pages that are read on demand; the first begins with a word, the second cannot be read. */
struct guarded {
    struct mx_memory_source source;
    mx_addr start, word;
};

static size_t read_up_to_the_guard(struct mx_memory_source *source, const struct iovec *local,
                                   const struct iovec *remote, size_t count)
{
    const struct guarded *guarded = (const struct guarded *)source;
    mx_addr at = (mx_addr)(uintptr_t)remote->iov_base, guard = guarded->start + MX_PAGE;
    (void)count;
    if (at >= guard)
        return 0;
    size_t length = remote->iov_len < guard - at ? remote->iov_len : guard - at;
    memset(local->iov_base, 0, length);
    if (at == guarded->start)
        memcpy(local->iov_base, &guarded->word, sizeof(guarded->word));
    return length;
}

static void test_holders_before_a_guard_page(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_block_owners owners;
        struct guarded guarded = {.start = FAKE_BASE + 2 * (mx_addr)FAKE_SIZE};
        mx_source_init(&guarded.source);
        guarded.source.read = read_up_to_the_guard;
        CU_ASSERT_PTR_NULL_FATAL(
            mx_memory_add(fake.memory, (struct mx_region){.start = guarded.start,
                                                          .end = guarded.start + 2 * MX_PAGE,
                                                          .flags = MX_REGION_READ | MX_REGION_WRITE | MX_REGION_LIVE,
                                                          .module = MX_NO_MODULE}));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        open_made(&made, &fake);
        guarded.word = made.blocks[HEAD];
        fake.memory->source = &guarded.source;
        CU_ASSERT_PTR_NULL_FATAL(mx_block_owners_find(&made.target, &made.heap, NULL, &owners));
        CU_ASSERT_EQUAL(mx_block_owner(&owners, HEAD), MX_HOLDER_GLOBALS);
        CU_ASSERT_EQUAL(mx_block_owner(&owners, TAIL), MX_HOLDER_GLOBALS);
        mx_block_owners_close(&owners);
        fake.memory->source = NULL;
        close_made(&made);
        mx_source_deinit(&guarded.source);
    }
}

/* What malloc left behind in a block is not told as the data of the C library. */
static void test_lists_of_malloc(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_leaks *leaks;
        size_t count, found = 0;
        const struct mx_glibc_arena arena = {.address = UINT64_C(0x7f0000000000)};
        open_made(&made, &fake);
        fake_put(&fake, made.blocks[HEAD], 0, arena.address + MX_GLIBC_STATE_SIZE - 8);
        fake_put(&fake, made.blocks[RING], 8, arena.address + MX_GLIBC_STATE_SIZE);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made.target.allocators.glibc.arenas, arena));
        CU_ASSERT_PTR_NULL_FATAL(mx_leaks_open(made.graph, &(struct mx_leaks_query){0}, NULL, &leaks));
        const struct mx_leak_row *rows = mx_leaks_rows(leaks, &count);
        for (size_t i = 0; i < count; i++)
            found += strstr(rows[i].content, "malloc's list") != NULL;
        CU_ASSERT_EQUAL(found, 1);
        mx_leaks_close(leaks);
        mx_array_free(&made.target.allocators.glibc.arenas);
        close_made(&made);
    }
}

/* A damaged core can claim half of the address space for a stack: this must end. */
static void test_a_stack_that_is_not_there(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_region claimed = {
            .start = 0x10000, .end = (mx_addr)1 << 46, .flags = MX_REGION_MISSING, .module = MX_NO_MODULE};
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake.memory, claimed));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        open_made(&made, &fake);
        struct mx_thread thread = {.tid = 1, .stack_pointer = 0x20000, .fs_base = 0x10000000};
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made.target.threads.threads, thread));
        check_marks(&made);
        mx_array_free(&made.target.threads.threads);
        close_made(&made);
    }
}

void suite_lost(CU_pSuite suite);

void suite_lost(CU_pSuite suite)
{
    CU_add_test(suite, "marks", test_marks);
    CU_add_test(suite, "groups", test_groups);
    CU_add_test(suite, "a stack that is not there", test_a_stack_that_is_not_there);
    CU_add_test(suite, "holders", test_holders);
    CU_add_test(suite, "holders before a guard page", test_holders_before_a_guard_page);
    CU_add_test(suite, "lists of malloc", test_lists_of_malloc);
}
