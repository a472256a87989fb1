/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/alloc/pymalloc: pools and arenas written into byte arrays from CPython's geometry, whole and damaged. The
 * slow twins: block numbers by division, arenas by looking at every page.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "alloc/pymalloc.h"
#include "memory/elf.h"

#define POOL_FIELDS                                                                                                    \
    .header_size = 48, .ref_count = 0, .freeblock = 8, .nextpool = 16, .prevpool = 24, .arenaindex = 32, .szidx = 36,  \
    .nextoffset = 40, .maxnextoffset = 44, .arena_object_size = 48, .address = 0, .pool_address = 8, .nfreepools = 16, \
    .ntotalpools = 20, .freepools = 24

static const struct mx_pymalloc_facts small_pools = {.pool_size = 4096, .arena_size = 256 << 10, POOL_FIELDS};
static const struct mx_pymalloc_facts large_pools = {.pool_size = 16384, .arena_size = 1 << 20, POOL_FIELDS};
static const struct mx_pymalloc_facts with_state = {.pool_size = 16384,
                                                    .arena_size = 1 << 20,
                                                    POOL_FIELDS,
                                                    .arenas_after_usedpools = 512,
                                                    .maxarenas_after_usedpools = 520};

/* The interpreter's module is the one that has this name: here the test program itself. */
static const char _PyRuntime[8] __attribute__((used)) = "runtime";

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

/* A pool of `carved` blocks, all of them used. */
static void make_pool(const struct mx_pymalloc_facts *facts, uint8_t *bytes, uint32_t class_index, uint32_t carved)
{
    uint32_t size = (class_index + 1) * 16;
    memset(bytes, 0xa5, facts->pool_size);
    memset(bytes, 0, 48);
    put32(bytes, carved);
    put32(bytes + 36, class_index);
    put32(bytes + 40, 48 + carved * size);
    put32(bytes + 44, facts->pool_size - size);
}

static void free_block(uint8_t *bytes, mx_addr address, uint32_t number)
{
    size_t at = 48 + (size_t)number * (mx_load_u32(bytes + 36) + 1) * 16;
    put64(bytes + at, mx_load_u64(bytes + 8));
    put64(bytes + 8, address + at);
    put32(bytes, mx_load_u32(bytes) - 1);
}

static bool is_free(const uint64_t *bits, uint32_t number)
{
    return bits[number / 64] >> number % 64 & 1;
}

#define POOL_AT ((mx_addr)0x7f0000010000)

static void check_class(const struct mx_pymalloc_facts *facts, uint8_t *bytes, uint32_t class_index)
{
    struct mx_pool pool;
    uint64_t bits[MX_POOL_WORDS];
    uint32_t capacity = (facts->pool_size - 48) / ((class_index + 1) * 16), wrong = 0, freed = 0;
    for (uint32_t carved = capacity - 1; carved <= capacity; carved++) {
        make_pool(facts, bytes, class_index, carved);
        freed = 0;
        /* 7 and the number of blocks may share a factor: then some are visited twice, and freed once only. */
        for (uint32_t i = 0, number = 0; i < carved / 2; i++, number += 7)
            if (number < carved && ++freed)
                free_block(bytes, POOL_AT, number);
        CU_ASSERT_TRUE(mx_pool_header_plausible(facts, bytes, POOL_AT));
        CU_ASSERT_TRUE_FATAL(mx_pool_read(facts, bytes, POOL_AT, &pool, bits));
        CU_ASSERT_EQUAL(pool.block_size, (class_index + 1) * 16);
        CU_ASSERT_EQUAL(pool.carved, carved);
        CU_ASSERT_EQUAL(pool.used, carved - freed);
        CU_ASSERT_FALSE(pool.damaged);
        for (uint32_t number = 0; number < carved; number++)
            wrong += is_free(bits, number) != (number % 7 == 0 && number / 7 < carved / 2);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_every_size_class(void)
{
    static uint8_t bytes[16384];
    for (uint32_t i = 0; i < 32; i++) {
        check_class(&small_pools, bytes, i);
        check_class(&large_pools, bytes, i);
    }
}

/* The block number comes from a multiplication; division is its slow twin, for every class and offset. */
static void test_block_numbers_equal_division(void)
{
    static uint8_t bytes[16384];
    struct mx_pool pool;
    uint64_t bits[MX_POOL_WORDS];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t size = (i + 1) * 16, capacity = (16384 - 48) / size;
        for (uint32_t offset = 0; offset < 16384; offset++) {
            make_pool(&large_pools, bytes, i, capacity);
            bool block = offset >= 48 && (offset - 48) % size == 0 && (offset - 48) / size < capacity;
            if (block)
                put64(bytes + offset, 0);
            put32(bytes, capacity - 1);
            put64(bytes + 8, POOL_AT + offset);
            wrong += !mx_pool_read(&large_pools, bytes, POOL_AT, &pool, bits) || pool.damaged == block ||
                     pool.used != capacity - block || (block && !is_free(bits, (offset - 48) / size));
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_damaged_chains_end(void)
{
    static uint8_t bytes[16384];
    struct mx_pool pool;
    uint64_t bits[MX_POOL_WORDS];
    const mx_addr wrong[] = {POOL_AT + 48,          /* a circle */
                             POOL_AT + 48 + 64,     /* a shorter one */
                             POOL_AT + 48 + 0xc8,   /* inside a block */
                             POOL_AT + 8,           /* the header */
                             POOL_AT + 48 + 0x1900, /* not carved yet */
                             POOL_AT + 16384 + 48,  1, UINT64_MAX, 0xdddddddddddddddd};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        make_pool(&large_pools, bytes, 3, 100);
        free_block(bytes, POOL_AT, 0);
        free_block(bytes, POOL_AT, 1);
        put64(bytes + 48, wrong[i]);
        CU_ASSERT_TRUE_FATAL(mx_pool_read(&large_pools, bytes, POOL_AT, &pool, bits));
        CU_ASSERT_TRUE(pool.damaged);
        CU_ASSERT_EQUAL(pool.used, 98);
        CU_ASSERT_TRUE(is_free(bits, 0) && is_free(bits, 1) && !is_free(bits, 2));
    }
}

static void test_torn_count_is_noticed(void)
{
    static uint8_t bytes[4096];
    struct mx_pool pool;
    uint64_t bits[MX_POOL_WORDS];
    make_pool(&small_pools, bytes, 1, 20);
    free_block(bytes, POOL_AT, 5);
    put32(bytes, 20);
    CU_ASSERT_TRUE_FATAL(mx_pool_read(&small_pools, bytes, POOL_AT, &pool, bits));
    CU_ASSERT_TRUE(pool.damaged);
    CU_ASSERT_EQUAL(pool.used, 19);
    put64(bytes + 8, 0xdead);
    CU_ASSERT_TRUE_FATAL(mx_pool_read(&small_pools, bytes, POOL_AT, &pool, bits));
    CU_ASSERT_TRUE(pool.damaged);
    CU_ASSERT_EQUAL(pool.used, 20);
    CU_ASSERT_FALSE(mx_pool_header_plausible(&small_pools, bytes, POOL_AT));
}

static void refuse(uint8_t *bytes, size_t offset, uint32_t value)
{
    struct mx_pool pool;
    uint64_t bits[MX_POOL_WORDS];
    make_pool(&large_pools, bytes, 3, 100);
    CU_ASSERT_TRUE(mx_pool_read(&large_pools, bytes, POOL_AT, &pool, bits));
    put32(bytes + offset, value);
    CU_ASSERT_FALSE(mx_pool_read(&large_pools, bytes, POOL_AT, &pool, bits));
    CU_ASSERT_FALSE(mx_pool_header_plausible(&large_pools, bytes, POOL_AT));
}

static void test_what_is_no_pool_in_use(void)
{
    static uint8_t bytes[16384];
    refuse(bytes, 0, 0);           /* a free pool keeps its header, but for the count */
    refuse(bytes, 0, 256);         /* more blocks than fit */
    refuse(bytes, 36, 32);         /* no such class */
    refuse(bytes, 36, UINT32_MAX); /* the class of a pool that never was used */
    refuse(bytes, 40, 48);
    refuse(bytes, 40, 48 + 8);
    refuse(bytes, 40, 48 + 64 * 1000);
    refuse(bytes, 44, 16384);
    make_pool(&large_pools, bytes, 3, 100);
    CU_ASSERT_FALSE(mx_pool_header_plausible(&large_pools, bytes, POOL_AT + 16));
}

/*
 * A forged interpreter: module data with `usedpools` (and, in front, the pointer `arenas`), a brk heap with the table,
 * and two arenas, of which the second is not pool aligned.
 */
enum {
    DATA_AT = 0x500000,
    USEDPOOLS_AT = DATA_AT + 0x208,
    ARENAS_AT = DATA_AT + 0x1f0,
    HEAP_AT = 0x600000,
    TABLE_AT = HEAP_AT + 0x110,
    ARENA_SIZE = 1 << 20,
    POOL = 16384,
};
static const mx_addr arena_at[2] = {0x7f0000100000, 0x7f0000303000};
static const mx_addr pools_at[2] = {0x7f0000100000, 0x7f0000304000};

struct forged {
    uint8_t data[0x1000], heap[0x1000];
    uint8_t *arenas[2];
    struct mx_memory *memory;
    struct mx_module module;
    struct mx_modules modules;
};

static void put_arena(struct forged *forged, uint32_t index, int arena, uint32_t carved, uint32_t free_pools)
{
    uint8_t *slot = forged->heap + (TABLE_AT - HEAP_AT) + (size_t)index * 48;
    uint32_t total = arena_at[arena] == pools_at[arena] ? 64 : 63;
    put64(slot, arena_at[arena]);
    put64(slot + 8, pools_at[arena] + carved * (mx_addr)POOL);
    put32(slot + 16, free_pools + total - carved);
    put32(slot + 20, total);
}

/* Pools of each class: class i has those numbers p of both arenas for which p % 32 == i, p < 40; number 35 is free. */
static void put_pools(struct forged *forged, int arena, uint32_t index)
{
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t *bytes = forged->arenas[arena] + (pools_at[arena] - arena_at[arena]) + i * (size_t)POOL;
        make_pool(&large_pools, bytes, i % 32, 3);
        put32(bytes + 32, index);
        if (i == 35)
            put32(bytes, 0);
    }
}

static uint8_t *pool_bytes(struct forged *forged, int arena, uint32_t number)
{
    return forged->arenas[arena] + (pools_at[arena] - arena_at[arena]) + number * (size_t)POOL;
}

/* Even classes have two pools in their list, one of each arena; odd ones are empty. */
static void put_usedpools(struct forged *forged)
{
    for (uint32_t i = 0; i < 32; i++) {
        mx_addr slot = USEDPOOLS_AT + (mx_addr)i * 16, head = slot - 16;
        mx_addr first = i % 2 ? head : pools_at[0] + i * (mx_addr)POOL;
        mx_addr last = i % 2 ? head : pools_at[1] + i * (mx_addr)POOL;
        put64(forged->data + (slot - DATA_AT), first);
        put64(forged->data + (slot - DATA_AT) + 8, last);
        if (i % 2)
            continue;
        put64(pool_bytes(forged, 0, i) + 24, head);
        put64(pool_bytes(forged, 0, i) + 16, last);
        put64(pool_bytes(forged, 1, i) + 24, first);
        put64(pool_bytes(forged, 1, i) + 16, head);
    }
}

static void add_region(struct forged *forged, mx_addr start, size_t size, const uint8_t *bytes, uint32_t flags)
{
    uint32_t module = flags & MX_REGION_BSS ? 0 : MX_NO_MODULE;
    CU_ASSERT_PTR_NULL(
        mx_memory_add(forged->memory, (struct mx_region){.start = start,
                                                         .end = start + size,
                                                         .bytes = bytes,
                                                         .flags = flags | MX_REGION_READ | MX_REGION_WRITE,
                                                         .module = module}));
}

static void forge(struct forged *forged)
{
    memset(forged, 0, sizeof(*forged));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&forged->memory));
    for (int i = 0; i < 2; i++) {
        forged->arenas[i] = calloc(1, ARENA_SIZE);
        CU_ASSERT_PTR_NOT_NULL_FATAL(forged->arenas[i]);
        if (!forged->arenas[i])
            return;
        put_pools(forged, i, i ? 5 : 2);
        put_arena(forged, i ? 5 : 2, i, 40, 1);
        add_region(forged, arena_at[i], ARENA_SIZE, forged->arenas[i], 0);
    }
    put64(forged->heap + (TABLE_AT - HEAP_AT) - 8, 16 * 48 + 16 + 1);
    put64(forged->data + (ARENAS_AT - DATA_AT), TABLE_AT);
    put_usedpools(forged);
    put64(forged->data + (USEDPOOLS_AT - DATA_AT) + 512, TABLE_AT);
    put32(forged->data + (USEDPOOLS_AT - DATA_AT) + 520, 16);
    add_region(forged, DATA_AT, sizeof(forged->data), forged->data, MX_REGION_BSS);
    add_region(forged, HEAP_AT, sizeof(forged->heap), forged->heap, MX_REGION_HEAP);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(forged->memory));
    CU_ASSERT_PTR_NULL_FATAL(mx_elf_open((const char *)getauxval(AT_EXECFN), &forged->module.elf));
    forged->module.path = "/usr/bin/python3";
    forged->modules.modules.items = &forged->module;
    forged->modules.modules.count = 1;
}

static void dispose(struct forged *forged)
{
    mx_memory_close(forged->memory);
    mx_elf_close(forged->module.elf);
    free(forged->arenas[0]);
    free(forged->arenas[1]);
}

/* What the headers say is what the free chains say. */
static void check_usage(const struct forged *forged, const struct mx_pymalloc_facts *facts,
                        const struct mx_arenas *arenas)
{
    uint64_t blocks, sizes, walked_blocks = 0, walked_sizes = 0;
    for (size_t i = 0; i < arenas->arenas.count; i++)
        for (mx_addr at = arenas->arenas.items[i].pools; at < arenas->arenas.items[i].pools_end; at += POOL) {
            struct mx_pool pool;
            uint64_t bits[MX_POOL_WORDS];
            const uint8_t *bytes = mx_memory_view(forged->memory, at, POOL);
            if (!bytes || !mx_pool_read(facts, bytes, at, &pool, bits))
                continue;
            walked_blocks += pool.used;
            walked_sizes += (uint64_t)pool.used * pool.block_size;
        }
    mx_arenas_usage(facts, forged->memory, arenas, &blocks, &sizes);
    CU_ASSERT_TRUE(blocks && blocks == walked_blocks && sizes == walked_sizes);
}

static void check_arenas(struct forged *forged, const struct mx_pymalloc_facts *facts, const mx_addr *states,
                         size_t state_count, bool from_array)
{
    struct mx_arenas found = {0};
    CU_ASSERT_PTR_NULL_FATAL(mx_arenas_find(facts, forged->memory, &forged->modules, states, state_count, &found));
    CU_ASSERT_EQUAL(found.from_array, from_array);
    CU_ASSERT_EQUAL_FATAL(found.arenas.count, 2);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(found.arenas.items[i].address, from_array ? arena_at[i] : pools_at[i]);
        CU_ASSERT_EQUAL(found.arenas.items[i].pools, pools_at[i]);
        CU_ASSERT_EQUAL(found.arenas.items[i].pools_end, pools_at[i] + 40 * (mx_addr)POOL);
        CU_ASSERT_EQUAL(found.arenas.items[i].free_pools, 1);
    }
    check_usage(forged, facts, &found);
    mx_arenas_deinit(&found);
}

static void test_arenas_from_states(void)
{
    static struct forged forged;
    const mx_addr states[2] = {USEDPOOLS_AT, USEDPOOLS_AT};
    forge(&forged);
    check_arenas(&forged, &with_state, states, 1, true);
    check_arenas(&forged, &with_state, states, 2, true);
    dispose(&forged);
}

static void test_arenas_by_invariants(void)
{
    static struct forged forged;
    forge(&forged);
    check_arenas(&forged, &large_pools, NULL, 0, true);
    check_arenas(&forged, &with_state, NULL, 0, true);
    /* Stopped while a pool was being linked: one class may contradict itself. */
    put64(pool_bytes(&forged, 0, 4) + 24, 0);
    check_arenas(&forged, &large_pools, NULL, 0, true);
    put64(pool_bytes(&forged, 0, 6) + 24, 0);
    check_arenas(&forged, &large_pools, NULL, 0, false);
    dispose(&forged);
}

/* Looking at every page is the slow twin of the table, and what is left when the table is lost. */
static void test_arenas_by_looking_at_pages(void)
{
    static struct forged forged;
    const mx_addr lost[2] = {USEDPOOLS_AT, 0x700000};
    forge(&forged);
    check_arenas(&forged, &with_state, lost, 2, false);
    put64(forged.data + (USEDPOOLS_AT - DATA_AT) + 512, 0x700000);
    check_arenas(&forged, &with_state, lost, 1, false);
    forged.modules.modules.count = 0;
    check_arenas(&forged, &large_pools, NULL, 0, false);
    dispose(&forged);
}

static void test_arenas_that_contradict_themselves(void)
{
    static struct forged forged;
    struct mx_arenas found = {0};
    const mx_addr state = USEDPOOLS_AT;
    const uint64_t wrong[] = {1, arena_at[0] + 16, UINT64_MAX - 4095, 0x7f0000400000};
    forge(&forged);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        put64(forged.heap + (TABLE_AT - HEAP_AT) + 0x60, wrong[i]);
        CU_ASSERT_PTR_NULL_FATAL(mx_arenas_find(&with_state, forged.memory, &forged.modules, &state, 1, &found));
        CU_ASSERT_EQUAL(found.arenas.count, 1);
        mx_arenas_deinit(&found);
    }
    put32(forged.data + (USEDPOOLS_AT - DATA_AT) + 520, UINT32_MAX);
    check_arenas(&forged, &with_state, &state, 1, false);
    dispose(&forged);
}

static void test_the_arena_above_an_address(void)
{
    enum { COUNT = 5, STEP = 0x100000 };
    struct mx_arenas arenas = {.from_array = false};
    CU_ASSERT_EQUAL(mx_arenas_above(&arenas, STEP), 0);
    for (mx_addr i = 1; i <= COUNT; i++) {
        const struct mx_arena arena = {.address = i * STEP};
        CU_ASSERT_TRUE_FATAL(mx_array_push(&arenas.arenas, arena));
    }
    for (mx_addr address = 0; address < (COUNT + 2) * STEP; address += STEP / 4)
        CU_ASSERT_EQUAL(mx_arenas_above(&arenas, address), address / STEP < COUNT ? address / STEP : COUNT);
    mx_arenas_deinit(&arenas);
}

void suite_pymalloc(CU_pSuite suite);
void suite_pymalloc(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_the_arena_above_an_address);
    CU_ADD_TEST(suite, test_every_size_class);
    CU_ADD_TEST(suite, test_block_numbers_equal_division);
    CU_ADD_TEST(suite, test_damaged_chains_end);
    CU_ADD_TEST(suite, test_torn_count_is_noticed);
    CU_ADD_TEST(suite, test_what_is_no_pool_in_use);
    CU_ADD_TEST(suite, test_arenas_from_states);
    CU_ADD_TEST(suite, test_arenas_by_invariants);
    CU_ADD_TEST(suite, test_arenas_by_looking_at_pages);
    CU_ADD_TEST(suite, test_arenas_that_contradict_themselves);
}
