/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/arenas.c and mallocs.c: made-up arenas of pymalloc's that are full, nearly empty and fresh; arenas of
 * malloc's with every sort of chunk, with and without threads, and damaged.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "heap/heap.h"
#include "report/trim.h"

void suite_arenas(CU_pSuite suite);

static void add_region(struct mx_memory *memory, mx_addr start, uint64_t size, const uint8_t *bytes, uint32_t flags)
{
    struct mx_region region = {.start = start,
                               .end = start + size,
                               .bytes = bytes,
                               .flags = flags | MX_REGION_READ | MX_REGION_WRITE,
                               .module = MX_NO_MODULE};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(memory, region));
}

/* ---- pymalloc ---- */

#define ARENAS UINT64_C(0x10000000)
enum { POOL = 4096, HEADER = 48, BLOCK = 512, FIT = 7, POOLS = 4, SIZE = POOLS * POOL, COUNT = 4 };
enum { THING, OTHER, RAW = MX_BLOCK_RAW, FREE = MX_BLOCK_FREE };

struct pools {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_pymalloc *report;
    uint16_t kinds[COUNT * POOLS * FIT];
    uint32_t blocks;
    uint8_t bytes[COUNT * SIZE];
};

static void put_pool(struct pools *pools, int arena, int pool, const uint16_t kinds[FIT])
{
    mx_addr start = ARENAS + (mx_addr)arena * SIZE + (mx_addr)pool * POOL + HEADER;
    const struct mx_span span = {
        .start = start, .end = start + FIT * BLOCK, .count = FIT, .block_size = BLOCK, .kind = MX_SPAN_POOL};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&pools->heap.spans.spans, span));
    memcpy(pools->kinds + pools->blocks, kinds, FIT * sizeof(*kinds));
    pools->blocks += FIT;
}

static void put_arena(struct pools *pools, int arena, int pools_begun)
{
    mx_addr start = ARENAS + (mx_addr)arena * SIZE;
    const struct mx_arena made = {start, start, start + (mx_addr)pools_begun * POOL, 0};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&pools->target.allocators.arenas.arenas, made));
}

/* One object alone; all full; an object and C data; one object in an arena that was never full. */
static void open_pools(struct pools *pools, uint32_t last_region)
{
    static const uint16_t one[FIT] = {FREE, THING, FREE, FREE, FREE, FREE, FREE},
                          two[FIT] = {RAW, FREE, FREE, THING, FREE, FREE, FREE},
                          full[FIT] = {OTHER, OTHER, OTHER, THING, THING, RAW, OTHER};
    *pools = (struct pools){.target.allocators.facts = {.pool_size = POOL, .arena_size = SIZE, .header_size = HEADER},
                            .target.allocators.arenas.from_array = true};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&pools->target.memory));
    add_region(pools->target.memory, ARENAS, (COUNT - 1) * SIZE, pools->bytes, 0);
    add_region(pools->target.memory, ARENAS + (COUNT - 1) * SIZE, SIZE, pools->bytes, last_region);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(pools->target.memory));
    for (int arena = 0; arena < COUNT; arena++)
        put_arena(pools, arena, arena == 3 ? 1 : POOLS);
    put_pool(pools, 0, 2, one);
    for (int pool = 0; pool < POOLS; pool++)
        put_pool(pools, 1, pool, full);
    put_pool(pools, 2, 0, two);
    put_pool(pools, 3, 0, one);
    pools->heap.kinds = pools->kinds;
    CU_ASSERT_TRUE_FATAL(
        mx_array_push(&pools->heap.types, (struct mx_heap_type){.name = "app.Thing", .preheader = 16}));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&pools->heap.types, (struct mx_heap_type){.name = "app.Other"}));
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&pools->heap.spans));
    CU_ASSERT_PTR_NULL_FATAL(mx_pymalloc_open(&pools->target, &pools->heap, NULL, &pools->report));
}

static void close_pools(struct pools *pools)
{
    mx_pymalloc_close(pools->report);
    mx_spans_deinit(&pools->heap.spans);
    mx_array_free(&pools->heap.types);
    mx_allocators_close(&pools->target.allocators);
    mx_memory_close(pools->target.memory);
}

static void check_arena(const struct mx_pymalloc_arena *arena, uint64_t used, bool nearly_empty, const char *type,
                        uint64_t count)
{
    CU_ASSERT_EQUAL(arena->bytes, SIZE);
    CU_ASSERT_EQUAL(arena->pools, POOLS);
    CU_ASSERT_EQUAL(arena->used_blocks, used);
    CU_ASSERT_EQUAL(arena->used_bytes, used * BLOCK);
    CU_ASSERT_EQUAL(arena->free_bytes, (arena->used_pools * FIT - used) * BLOCK);
    CU_ASSERT_EQUAL(arena->nearly_empty, nearly_empty);
    CU_ASSERT_STRING_EQUAL(arena->type, type);
    CU_ASSERT_EQUAL(arena->type_count, count);
}

static void test_what_keeps_arenas(void)
{
    static struct pools pools;
    size_t count;
    open_pools(&pools, 0);
    const struct mx_pymalloc_arena *arenas = mx_pymalloc_arenas(pools.report, &count);
    CU_ASSERT_EQUAL_FATAL(count, COUNT);
    check_arena(&arenas[0], 1, true, "app.Thing", 1);
    check_arena(&arenas[1], 4 * FIT, false, "app.Other", 16);
    check_arena(&arenas[2], 2, true, "raw block", 1);
    check_arena(&arenas[3], 1, false, "app.Thing", 1);
    CU_ASSERT_EQUAL(arenas[3].unused_pools, 3);
    CU_ASSERT_EQUAL(arenas[0].example, ARENAS + 2 * POOL + HEADER + BLOCK + 16);
    const struct mx_pymalloc_keeper *keepers = mx_pymalloc_keepers(pools.report, &count);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_STRING_EQUAL(keepers[0].type, "app.Thing");
    CU_ASSERT_EQUAL(keepers[0].arenas, 2);
    CU_ASSERT_EQUAL(keepers[0].alone, 1);
    CU_ASSERT_EQUAL(keepers[0].count, 2);
    CU_ASSERT_EQUAL(keepers[0].bytes, 2 * BLOCK);
    CU_ASSERT_EQUAL(keepers[0].example, arenas[0].example);
    CU_ASSERT_STRING_EQUAL(keepers[1].type, "raw block");
    CU_ASSERT_EQUAL(keepers[1].alone, 0);
    CU_ASSERT_EQUAL(keepers[1].example, ARENAS + 2 * SIZE + HEADER);
    close_pools(&pools);
}

static void test_parts_add_up(void)
{
    for (int missing = 0; missing < 2; missing++) {
        static struct pools pools;
        struct mx_pymalloc_info info;
        open_pools(&pools, missing ? MX_REGION_MISSING : 0);
        mx_pymalloc_info(pools.report, &info);
        CU_ASSERT_EQUAL(info.arenas, COUNT);
        CU_ASSERT_EQUAL(info.arena_bytes, COUNT * SIZE);
        CU_ASSERT_EQUAL(info.missing_bytes, missing ? 3 * POOL : 0);
        CU_ASSERT_EQUAL(info.free_pool_bytes, (missing ? 6 : 9) * POOL);
        CU_ASSERT_EQUAL(info.used_pools, 7);
        CU_ASSERT_EQUAL(info.used_bytes, (4 * FIT + 4) * BLOCK);
        CU_ASSERT_EQUAL(info.header_bytes, 7 * HEADER);
        CU_ASSERT_EQUAL(info.tail_bytes, 7 * (POOL - HEADER - FIT * BLOCK));
        CU_ASSERT_EQUAL(info.used_bytes + info.free_bytes + info.free_pool_bytes + info.header_bytes + info.tail_bytes +
                            info.alignment_bytes + info.missing_bytes,
                        info.arena_bytes);
        CU_ASSERT_EQUAL(info.nearly_empty, 2);
        CU_ASSERT_EQUAL(info.nearly_empty_used, 3 * BLOCK);
        close_pools(&pools);
    }
}

/* ---- malloc ---- */

#define BRK UINT64_C(0x20000000)
#define THREAD UINT64_C(0x7e0000000000)
#define MAPPED UINT64_C(0x7f0000000000)
enum { BRK_SIZE = 16 * 4096, THREAD_SIZE = 4096, MAPPED_SIZE = 8192, SMALL = 0x100, LARGE = 0x5000 };
enum {
    USED_AT = 0,
    FREE_AT = SMALL,
    CACHED_AT = FREE_AT + LARGE,
    FAST_AT = CACHED_AT + SMALL,
    TOP_AT = FAST_AT + SMALL
};

struct process {
    struct mx_target target;
    struct mx_malloc *report;
    uint8_t brk[BRK_SIZE], thread[THREAD_SIZE], mapped[MAPPED_SIZE];
};

static void put(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, sizeof(word));
}

static void put_chunks(struct process *process)
{
    put(process->brk + USED_AT + 8, SMALL | 1);
    put(process->brk + FREE_AT + 8, LARGE | 1);
    put(process->brk + CACHED_AT, LARGE);
    put(process->brk + CACHED_AT + 8, SMALL);
    put(process->brk + FAST_AT + 8, SMALL | 1);
    put(process->brk + TOP_AT + 8, (BRK_SIZE - TOP_AT) | 1);
    put(process->thread + 8, SMALL | 1);
    put(process->thread + SMALL + 8, (THREAD_SIZE - SMALL) | 1);
    put(process->mapped + 8, MAPPED_SIZE | 2);
}

static void describe(struct process *process)
{
    struct mx_glibc *glibc = &process->target.allocators.glibc;
    const struct mx_glibc_arena arenas[] = {{BRK, BRK + TOP_AT, BRK_SIZE, 2}, {THREAD, THREAD + SMALL, THREAD_SIZE, 0}};
    const struct mx_chunk_span spans[] = {{BRK + 16, BRK + TOP_AT + 8, 0},
                                          {THREAD + 16, THREAD + SMALL + 8, 1},
                                          {MAPPED + 16, MAPPED + MAPPED_SIZE, MX_ARENA_MMAPPED}};
    *glibc = (struct mx_glibc){.memory = process->target.memory, .found = true, .name = "glibc 2.36"};
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->arenas, arenas[i]));
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->spans, spans[i]));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->extents, (struct mx_malloc_extent){BRK, BRK + BRK_SIZE, 0, 0}));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->cached, BRK + CACHED_AT + 16));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->cached, BRK + FAST_AT + 16));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->fast, BRK + FAST_AT + 16));
}

static void prepare(struct process *process)
{
    *process = (struct process){.target.path = (char *)(uintptr_t) "core"};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&process->target.memory));
    add_region(process->target.memory, BRK, BRK_SIZE, process->brk, MX_REGION_HEAP);
    add_region(process->target.memory, THREAD, THREAD_SIZE, process->thread, 0);
    add_region(process->target.memory, MAPPED, MAPPED_SIZE, process->mapped, 0);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(process->target.memory));
    put_chunks(process);
    describe(process);
}

static const struct mx_malloc_arena *open_process(struct process *process)
{
    size_t count;
    CU_ASSERT_PTR_NULL_FATAL(mx_malloc_open(&process->target, NULL, &process->report));
    const struct mx_malloc_arena *arenas = mx_malloc_arenas(process->report, &count);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(arenas[i].used + arenas[i].free + arenas[i].tcache + arenas[i].fast + arenas[i].top +
                            arenas[i].other,
                        arenas[i].system);
    return arenas;
}

static void close_process(struct process *process)
{
    mx_malloc_close(process->report);
    mx_allocators_close(&process->target.allocators);
    mx_memory_close(process->target.memory);
}

/* Neither of two chunks has a whole page, but both together, as malloc_trim() joins them. */
static void test_chunks_of_fastbins_join_their_neighbours(void)
{
    struct mx_trim_run run = {0}, old;
    mx_addr from, until;
    CU_ASSERT_FALSE(mx_trim_add(&run, BRK + 0x1000, BRK + 0x1fe0, &old));
    CU_ASSERT_FALSE(mx_trim_pages(&run, &from, &until));
    CU_ASSERT_TRUE(mx_trim_add(&run, BRK + 0x1fe0, BRK + 0x3000, &old));
    CU_ASSERT_TRUE(mx_trim_pages(&run, &from, &until));
    CU_ASSERT_EQUAL(from, BRK + 0x2000);
    CU_ASSERT_EQUAL(until, BRK + 0x3000);
    CU_ASSERT_FALSE(mx_trim_add(&run, BRK + 0x3100, BRK + 0x5000, &old));
    CU_ASSERT_EQUAL(old.end, BRK + 0x3000);
    CU_ASSERT_TRUE(mx_trim_pages(&run, &from, &until));
    CU_ASSERT_EQUAL(from, BRK + 0x4000);
}

static void test_what_arenas_hold(void)
{
    static struct process process;
    struct mx_malloc_info info;
    prepare(&process);
    const struct mx_malloc_arena *arenas = open_process(&process);
    CU_ASSERT_TRUE(arenas[0].main && !arenas[1].main);
    CU_ASSERT_EQUAL(arenas[0].heaps, 1);
    CU_ASSERT_EQUAL(arenas[0].threads, 2);
    CU_ASSERT_EQUAL(arenas[0].system, BRK_SIZE);
    CU_ASSERT_EQUAL(arenas[0].used, SMALL);
    CU_ASSERT_EQUAL(arenas[0].free, LARGE);
    CU_ASSERT_EQUAL(arenas[0].largest_free, LARGE);
    CU_ASSERT_EQUAL(arenas[0].tcache, SMALL);
    CU_ASSERT_EQUAL(arenas[0].fast, SMALL);
    CU_ASSERT_EQUAL(arenas[0].top, BRK_SIZE - TOP_AT);
    CU_ASSERT_EQUAL(arenas[0].other, 0);
    CU_ASSERT_EQUAL(arenas[0].whole_pages, 4 * 4096);
    CU_ASSERT_EQUAL(arenas[0].returnable, (4 + 10) * 4096);
    CU_ASSERT_EQUAL(arenas[0].absent, 0);
    CU_ASSERT_EQUAL(arenas[1].threads, 0);
    CU_ASSERT_EQUAL(arenas[1].used, SMALL);
    CU_ASSERT_EQUAL(arenas[1].top, THREAD_SIZE - SMALL);
    CU_ASSERT_EQUAL(arenas[1].returnable, 0);
    mx_malloc_info(process.report, &info);
    CU_ASSERT_EQUAL(info.mapped_chunks, 1);
    CU_ASSERT_EQUAL(info.mapped_bytes, MAPPED_SIZE);
    CU_ASSERT_FALSE(info.knows_resident);
    CU_ASSERT_STRING_EQUAL(info.name, "glibc 2.36");
    close_process(&process);
}

/* A walk that breaks off, and a top that makes no sense, are bytes that nobody knows; nothing is counted twice. */
static void test_damage_is_bounded(void)
{
    static struct process process;
    prepare(&process);
    put(process.brk + CACHED_AT + 8, 0x28);
    put(process.thread + SMALL + 8, UINT64_MAX);
    const struct mx_malloc_arena *arenas = open_process(&process);
    CU_ASSERT_EQUAL(arenas[0].other, 2 * SMALL);
    CU_ASSERT_EQUAL(arenas[0].fast_chunks + arenas[0].tcache_chunks, 0);
    CU_ASSERT_EQUAL(arenas[1].top, 0);
    CU_ASSERT_EQUAL(arenas[1].other, THREAD_SIZE - SMALL);
    close_process(&process);
    prepare(&process);
    process.target.allocators.glibc.arenas.items[0].top = UINT64_MAX - 7;
    process.target.allocators.glibc.arenas.items[1].system_mem = 0;
    arenas = open_process(&process);
    CU_ASSERT_EQUAL(arenas[0].top, 0);
    CU_ASSERT_EQUAL(arenas[1].system, SMALL);
    close_process(&process);
}

static void test_unknown_malloc_has_no_arenas(void)
{
    static struct process process;
    struct mx_malloc_info info;
    size_t count;
    process = (struct process){.target.path = (char *)(uintptr_t) "core"};
    strcpy(process.target.allocators.glibc.name, "jemalloc (not walked)");
    CU_ASSERT_PTR_NULL_FATAL(mx_malloc_open(&process.target, NULL, &process.report));
    mx_malloc_arenas(process.report, &count);
    mx_malloc_info(process.report, &info);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_STRING_EQUAL(info.name, "jemalloc (not walked)");
    mx_malloc_close(process.report);
}

void suite_arenas(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_what_keeps_arenas);
    CU_ADD_TEST(suite, test_parts_add_up);
    CU_ADD_TEST(suite, test_chunks_of_fastbins_join_their_neighbours);
    CU_ADD_TEST(suite, test_what_arenas_hold);
    CU_ADD_TEST(suite, test_damage_is_bounded);
    CU_ADD_TEST(suite, test_unknown_malloc_has_no_arenas);
}
