/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/ledger*.c: the book against a twin that looks at every byte; a made-up arena, an extent with good and
 * damaged chunks, stacks; and lib/cpython/buffers.c on each layout.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "fake.h"
#include "report/ledger.h"

void suite_ledger(CU_pSuite suite);

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 40);
}

static void add_region(struct mx_memory *memory, mx_addr start, mx_addr end, const uint8_t *bytes, uint32_t flags,
                       const char *name)
{
    struct mx_region region = {
        .start = start, .end = end, .bytes = bytes, .flags = flags, .module = MX_NO_MODULE, .name = name};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(memory, region));
}

/* ---- The book ---- */

enum { SPACE = 4096, POSTS = 300, TWIN_ROWS = 6, NOBODY = 100, UNMAPPED = 200 };

struct twin {
    uint8_t rows[SPACE]; /* who wrote the byte; NOBODY: its region, UNMAPPED */
    bool in_ram[SPACE];
};

static void make_space(uint64_t *state, struct mx_target *target, struct mx_resident *resident, struct twin *twin)
{
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&target->memory));
    memset(twin->rows, UNMAPPED, sizeof(twin->rows));
    for (size_t at = next_random(state) % 50; at < SPACE;) {
        size_t end = at + 1 + next_random(state) % 400;
        end = end < SPACE ? end : SPACE;
        add_region(target->memory, at, end, NULL, MX_REGION_READ | MX_REGION_WRITE, NULL);
        memset(twin->rows + at, NOBODY, end - at);
        at = end + (next_random(state) % 2 ? 0 : next_random(state) % 60);
    }
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(target->memory));
    for (size_t at = 0; at < SPACE; at += 16) {
        bool in_ram = next_random(state) % 3 != 0;
        for (size_t i = at; i < at + 16; i++)
            twin->in_ram[i] = in_ram && twin->rows[i] != UNMAPPED;
    }
    for (size_t at = 0; at < SPACE; at++)
        if (twin->in_ram[at])
            CU_ASSERT_TRUE_FATAL(mx_array_push(&resident->runs, (struct mx_page_run){at, at + 1}));
}

static void post(struct mx_book *book, struct twin *twin, mx_addr *at, uint32_t row, mx_addr start, mx_addr end)
{
    bool in_ram;
    if (row % 2 && start < end && mx_book_claim(book, start, end, &in_ram)) {
        CU_ASSERT_TRUE(start >= *at);
        CU_ASSERT_EQUAL(in_ram, twin->in_ram[start]);
        mx_book_add(book, row, end - start, in_ram, 1);
    } else {
        mx_book_post(book, row, start, end, 1);
    }
    for (mx_addr i = start > *at ? start : *at; i < end && i < SPACE; i++)
        if (twin->rows[i] != UNMAPPED)
            twin->rows[i] = (uint8_t)row;
    *at = end > *at && end > start ? end : *at;
}

static void check_twin(const struct mx_book *book, const struct twin *twin)
{
    uint64_t bytes[TWIN_ROWS + 1] = {0}, in_ram[TWIN_ROWS + 1] = {0}, all = 0;
    for (size_t i = 0; i < SPACE; i++) {
        size_t row = twin->rows[i] == NOBODY ? 0 : twin->rows[i];
        if (twin->rows[i] == UNMAPPED)
            continue;
        all++;
        bytes[row]++;
        in_ram[row] += twin->in_ram[i];
    }
    for (size_t row = 0; row <= TWIN_ROWS; row++) {
        CU_ASSERT_EQUAL(book->rows.items[row].virtual_bytes, bytes[row]);
        CU_ASSERT_EQUAL(book->rows.items[row].resident, in_ram[row]);
    }
    CU_ASSERT_EQUAL(book->total_virtual, all);
}

/* Posts rise in the main, overlap, go back, reach over gaps. */
static void test_book_agrees_with_its_twin(void)
{
    uint64_t state = 7;
    for (int round = 0; round < 200; round++) {
        struct mx_target target = {0};
        struct mx_resident resident = {0};
        struct mx_book book;
        struct twin twin = {0};
        mx_addr at = 0;
        make_space(&state, &target, &resident, &twin);
        CU_ASSERT_PTR_NULL_FATAL(mx_book_open(&target, &resident, &book));
        for (uint32_t row = 1; row <= TWIN_ROWS; row++)
            CU_ASSERT_EQUAL_FATAL(mx_book_row(&book, "row/%u", row), row);
        for (int i = 0; i < POSTS && at < SPACE; i++) {
            mx_addr start = at + next_random(&state) % 40 - (next_random(&state) % 8 ? 0 : at < 30 ? at : 30);
            post(&book, &twin, &at, 1 + next_random(&state) % TWIN_ROWS, start, start + next_random(&state) % 90);
        }
        mx_book_reach(&book, UINT64_MAX);
        check_twin(&book, &twin);
        mx_book_close(&book);
        mx_array_free(&resident.runs);
        mx_memory_close(target.memory);
    }
}

static void test_book_keeps_one_row_a_kind(void)
{
    struct mx_target target = {0};
    struct mx_resident resident = {0};
    struct mx_book book;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&target.memory));
    CU_ASSERT_PTR_NULL_FATAL(mx_book_open(&target, &resident, &book));
    uint32_t one = mx_book_row(&book, "a/%s", "b"), two = mx_book_row(&book, "a/c");
    CU_ASSERT_NOT_EQUAL(one, two);
    CU_ASSERT_EQUAL(mx_book_row(&book, "%s", "a/b"), one);
    CU_ASSERT_STRING_EQUAL(book.rows.items[two].kind, "a/c");
    mx_book_close(&book);
    mx_memory_close(target.memory);
}

/* ---- A process ---- */

#define ARENA UINT64_C(0x10000000)
#define HEAP UINT64_C(0x20000000)
#define STACK UINT64_C(0x30000000)
enum {
    ARENA_SIZE = 4 * 4096,
    POOL = 4096,
    HEADER = 48,
    BLOCK = 512,
    CARVED = 5,
    HEAP_SIZE = 8192,
    STACK_SIZE = 4 * 4096,
    CHUNKS = 6,
    CHUNK = 256,
    TOP = CHUNKS * CHUNK,
};

struct process {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_ledger *ledger;
    uint8_t heap_bytes[HEAP_SIZE], arena_bytes[ARENA_SIZE], stack_bytes[STACK_SIZE];
};

/* An arena that begins behind a pool's border: three pools fit, of which one is in use. */
static void make_arena(struct process *process, uint16_t *kinds)
{
    struct mx_allocators *allocators = &process->target.allocators;
    const struct mx_arena arena = {
        .address = ARENA + 2048, .pools = ARENA + POOL, .pools_end = ARENA + 3 * POOL, .free_pools = 1};
    allocators->facts = (struct mx_pymalloc_facts){.pool_size = POOL, .arena_size = ARENA_SIZE, .header_size = HEADER};
    allocators->arenas.from_array = true;
    CU_ASSERT_TRUE_FATAL(mx_array_push(&allocators->arenas.arenas, arena));
    const struct mx_span span = {.start = ARENA + POOL + HEADER,
                                 .end = ARENA + POOL + HEADER + CARVED * BLOCK,
                                 .count = CARVED,
                                 .block_size = BLOCK,
                                 .kind = MX_SPAN_POOL};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&process->heap.spans.spans, span));
    const uint16_t made[CARVED] = {0, 0, MX_BLOCK_RAW, MX_BLOCK_FREE, 0};
    memcpy(kinds, made, sizeof(made));
}

static void put(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, sizeof(word));
}

/* used, used, free (bin), used but cached, cached (fastbin), used; then top. A broken size ends what can be walked. */
static void make_chunks(struct process *process, uint16_t *kinds, int broken)
{
    struct mx_glibc *glibc = &process->target.allocators.glibc;
    for (int i = 0; i < CHUNKS; i++)
        put(process->heap_bytes + i * CHUNK + 8, (uint64_t)(i == broken ? 8 : CHUNK) | (i == 3 ? 0 : 1));
    put(process->heap_bytes + 3 * CHUNK, CHUNK);
    put(process->heap_bytes + TOP + 8, (HEAP_SIZE - TOP) | 1);
    *glibc = (struct mx_glibc){.memory = process->target.memory, .found = true};
    CU_ASSERT_TRUE_FATAL(
        mx_array_push(&glibc->arenas, (struct mx_glibc_arena){.top = HEAP + TOP, .system_mem = HEAP_SIZE}));
    CU_ASSERT_TRUE_FATAL(
        mx_array_push(&glibc->extents, (struct mx_malloc_extent){HEAP, HEAP + HEAP_SIZE, HEAP + HEAP_SIZE, 0}));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->spans, (struct mx_chunk_span){HEAP + 16, HEAP + TOP + 8, 0}));
    for (mx_addr i = 3; i < 5; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->cached, HEAP + i * CHUNK + 16));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&glibc->fast, HEAP + 4 * CHUNK + 16));
    const struct mx_span span = {.start = HEAP, .end = HEAP + TOP + 8, .count = CHUNKS, .kind = MX_SPAN_CHUNKS};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&process->heap.spans.spans, span));
    const uint16_t made[CHUNKS] = {0, MX_BLOCK_RAW, MX_BLOCK_FREE, MX_BLOCK_FREE, MX_BLOCK_FREE, 0};
    memcpy(kinds, made, sizeof(made));
    for (uint32_t i = 0; i < CHUNKS; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&process->heap.spans.starts, (i * CHUNK + 16) / 8));
}

static void open_process(struct process *process, struct fake *fake, int broken)
{
    struct mx_target *target = &process->target;
    fake_next_row(fake);
    target->runtime = fake->runtime;
    target->runtime.threads.count = 0;
    target->types = fake->types;
    target->types.runtime = &target->runtime;
    target->path = (char *)(uintptr_t) "core";
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&target->memory));
    const uint32_t plain = MX_REGION_READ | MX_REGION_WRITE;
    add_region(target->memory, ARENA, ARENA + ARENA_SIZE + 4096, process->arena_bytes, plain, NULL);
    add_region(target->memory, HEAP, HEAP + HEAP_SIZE, process->heap_bytes, plain | MX_REGION_HEAP, "[heap]");
    add_region(target->memory, STACK, STACK + STACK_SIZE, process->stack_bytes, plain, NULL);
    add_region(target->memory, STACK + STACK_SIZE, STACK + 2 * STACK_SIZE, NULL, MX_REGION_MISSING, NULL);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(target->memory));
    target->runtime.memory = target->memory;
    process->heap.kinds = calloc(CARVED + CHUNKS, sizeof(uint16_t));
    CU_ASSERT_PTR_NOT_NULL_FATAL(process->heap.kinds);
    make_arena(process, process->heap.kinds);
    make_chunks(process, process->heap.kinds + CARVED, broken);
    CU_ASSERT_TRUE_FATAL(mx_array_push(&process->heap.types, (struct mx_heap_type){.name = "app.Thing"}));
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&process->heap.spans));
    process->stack_bytes[4096 + 100] = 1;
    const struct mx_thread thread = {.stack_pointer = STACK + 8192 + 128, .fs_base = STACK + 3 * 4096 + 64};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&target->threads.threads, thread));
    CU_ASSERT_PTR_NULL_FATAL(mx_ledger_open(target, &process->heap, NULL, &process->ledger));
}

static void close_process(struct process *process, struct fake *fake)
{
    mx_ledger_close(process->ledger);
    mx_spans_deinit(&process->heap.spans);
    mx_array_free(&process->heap.types);
    free(process->heap.kinds);
    mx_threads_deinit(&process->target.threads);
    mx_allocators_close(&process->target.allocators);
    mx_memory_close(process->target.memory);
    fake_close(fake);
}

static struct mx_ledger_row row_of(const struct process *process, const char *kind)
{
    size_t count;
    const struct mx_ledger_row *rows = mx_ledger_rows(process->ledger, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].kind, kind))
            return rows[i];
    return (struct mx_ledger_row){.kind = kind};
}

static void check_row(const struct process *process, const char *kind, uint64_t bytes, uint64_t count)
{
    struct mx_ledger_row row = row_of(process, kind);
    if (row.virtual_bytes != bytes || row.count != count)
        fprintf(stderr, "%s: %lu bytes in %lu\n", kind, (unsigned long)row.virtual_bytes, (unsigned long)row.count);
    CU_ASSERT_EQUAL(row.virtual_bytes, bytes);
    CU_ASSERT_EQUAL(row.count, count);
}

static void check_sums(const struct process *process)
{
    const uint64_t held = ARENA_SIZE + 4096 + HEAP_SIZE + STACK_SIZE;
    uint64_t resident = 0, bytes = 0;
    size_t count;
    const struct mx_ledger_row *rows = mx_ledger_rows(process->ledger, &count);
    for (size_t i = 0; i < count; i++) {
        resident += rows[i].resident;
        bytes += rows[i].virtual_bytes;
    }
    struct mx_ledger_row total;
    mx_ledger_part(process->ledger, MX_LEDGER_TOTAL, &total);
    CU_ASSERT_EQUAL(resident, held);
    CU_ASSERT_EQUAL(total.resident, held);
    CU_ASSERT_EQUAL(bytes, held + STACK_SIZE);
    CU_ASSERT_EQUAL(total.virtual_bytes, held + STACK_SIZE);
}

static void test_rows_of_allocators_and_stacks(void)
{
    struct fake fake = {0};
    static struct process process;
    process = (struct process){0};
    open_process(&process, &fake, -1);
    check_sums(&process);
    check_row(&process, "python/objects/app.Thing", 3 * BLOCK + 2 * (CHUNK - 8), 5);
    check_row(&process, "python/raw/nobody", BLOCK, 1);
    check_row(&process, "pymalloc/pool-headers", HEADER, 1);
    check_row(&process, "pymalloc/free-blocks", 3 * BLOCK, 3);
    check_row(&process, "pymalloc/pool-tails", POOL - HEADER - 7 * BLOCK, 1);
    check_row(&process, "pymalloc/free-pools", 2 * POOL, 2);
    check_row(&process, "pymalloc/arena-alignment", 4096, 0);
    check_row(&process, "malloc/used/nobody", CHUNK - 8, 1);
    check_row(&process, "malloc/overhead", 3 * 8, 3);
    check_row(&process, "malloc/free/bins", CHUNK, 1);
    check_row(&process, "malloc/free/tcache", CHUNK, 1);
    check_row(&process, "malloc/free/fastbins", CHUNK, 1);
    check_row(&process, "malloc/free/top", HEAP_SIZE - TOP, 1);
    check_row(&process, "untouched/stacks", 4096, 1);
    check_row(&process, "stacks/unused", 4096, 1);
    check_row(&process, "stacks/used", 4096 + 64, 1);
    check_row(&process, "stacks/thread-blocks", 4096 - 64, 1);
    check_row(&process, "reserved/no-access", STACK_SIZE, 1);
    check_row(&process, "other/anonymous", 2048 + 2048, 2);
    close_process(&process, &fake);
}

/* Wherever the walk breaks off, the rest is said to be not walked, and everything adds up as before. */
static void test_broken_chunks_still_add_up(void)
{
    for (int broken = 0; broken < CHUNKS; broken++) {
        struct fake fake = {0};
        static struct process process;
        process = (struct process){0};
        open_process(&process, &fake, broken);
        check_sums(&process);
        check_row(&process, "malloc/not-walked", (uint64_t)(CHUNKS - broken) * CHUNK, 1);
        check_row(&process, "malloc/free/top", HEAP_SIZE - TOP, 1);
        close_process(&process, &fake);
    }
}

/* ---- Buffers ---- */

struct seen {
    mx_addr addresses[16];
    enum mx_buffer_owner owners[16];
    size_t count;
};

static void see(void *context, mx_addr address, enum mx_buffer_owner owner)
{
    struct seen *seen = context;
    if (seen->count < 16) {
        seen->addresses[seen->count] = address;
        seen->owners[seen->count++] = owner;
    }
}

static bool is_seen(const struct seen *seen, mx_addr address, enum mx_buffer_owner owner)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->addresses[i] == address && seen->owners[i] == owner)
            return true;
    return false;
}

static struct seen buffers_of(struct fake *fake, const struct mx_buffers *buffers, mx_addr object, size_t size)
{
    struct seen seen = {0};
    const struct mx_type *type = mx_type_of(&fake->types, object);
    CU_ASSERT_PTR_NOT_NULL_FATAL(type);
    mx_buffers_each(buffers, (uint32_t)(type - fake->types.types.items), object,
                    fake_at(fake, object - type->preheader), type->preheader, size, see, &seen);
    return seen;
}

static bool visit_edge(void *context, const struct mx_edge *edge)
{
    if (edge->class == MX_EDGE_BUFFER)
        see(context, edge->target, MX_BUFFER_OTHER);
    return true;
}

/* What the graph's decoders call buffers is among the addresses; a damaged size of the object makes them none. */
static void check_buffers(struct fake *fake, const struct mx_buffers *buffers, mx_addr object, size_t size,
                          enum mx_buffer_owner owner)
{
    struct seen wanted = {0}, got = buffers_of(fake, buffers, object, size);
    mx_referents_each(&buffers->referents, mx_type_of(&fake->types, object), object, visit_edge, &wanted);
    for (size_t i = 0; i < wanted.count; i++)
        CU_ASSERT_TRUE(is_seen(&got, wanted.addresses[i], owner));
    CU_ASSERT_EQUAL(buffers_of(fake, buffers, object, 0).count, owner == MX_BUFFER_INSTANCE ? got.count : 0);
}

static void test_buffers_are_those_of_the_graph(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_buffers buffers;
        mx_addr items[] = {fake_int(&fake, 1), fake_int(&fake, 2)}, keys[64] = {fake_str(&fake, "k")};
        mx_addr list = fake_list(&fake, items, 2), set = fake_set(&fake, fake.builtins[MX_KIND_SET], keys, 64);
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, keys, items, 1), text = fake_str(&fake, "plain");
        CU_ASSERT_PTR_NULL_FATAL(mx_buffers_open(&fake.types, &buffers));
        check_buffers(&fake, &buffers, list, (size_t)fake.runtime.layout.list.size, MX_BUFFER_LIST);
        check_buffers(&fake, &buffers, set, (size_t)fake.runtime.layout.set.size, MX_BUFFER_SET);
        check_buffers(&fake, &buffers, dict, (size_t)fake.runtime.layout.dict.size, MX_BUFFER_DICT);
        CU_ASSERT_EQUAL(buffers_of(&fake, &buffers, text, 64).count, 0);
        mx_buffers_close(&buffers);
    }
}

void suite_ledger(CU_pSuite suite)
{
    CU_add_test(suite, "the book agrees with its twin", test_book_agrees_with_its_twin);
    CU_add_test(suite, "one row a kind", test_book_keeps_one_row_a_kind);
    CU_add_test(suite, "rows of allocators and stacks", test_rows_of_allocators_and_stacks);
    CU_add_test(suite, "broken chunks still add up", test_broken_chunks_still_add_up);
    CU_add_test(suite, "buffers are those of the graph", test_buffers_are_those_of_the_graph);
}
