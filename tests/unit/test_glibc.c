/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/alloc/glibc: a forged malloc in byte arrays, as glibc 2.26, 2.31 and 2.36 would lay it out: a brk heap with
 * chunks in tcache and fastbins, a thread arena of two heaps, mmapped chunks; then the same, damaged.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "alloc/chunk.h"
#include "alloc/glibc.h"
#include "alloc/known.h"
#include "memory/symbols.h"

enum { PREV_INUSE = 1, MMAPPED = 2, NON_MAIN = 4 };
enum { MOST_CHUNKS = 64, BINS_BYTES = 127 * 16 };
static const mx_addr data_at = 0x7f0000001000, brk_at = 0x600000, old_heap_at = 0x7e0000000000,
                     new_heap_at = 0x7e0004000000, mapped_at = 0x7f0001000000;

struct forged {
    uint8_t data[0x2000], brk[0x3000], old_heap[0x2000], new_heap[0x2000], mapped[0x60000];
    mx_addr bins, thread_arena;
    uint64_t bins_after_state; /* 112, in 2.26 104 */
    bool mangled;              /* 2.32+ */
    bool wide;                 /* 2.30+: tcache counts have 16 bits */
    struct mx_memory *memory;
    struct mx_module modules[2];
    struct mx_modules list;
    struct mx_glibc glibc;
    struct mx_chunk seen[MOST_CHUNKS];
    size_t seen_count;
};

static uint8_t *at(struct forged *forged, mx_addr address)
{
    if (address - data_at < sizeof(forged->data))
        return forged->data + (address - data_at);
    if (address - brk_at < sizeof(forged->brk))
        return forged->brk + (address - brk_at);
    if (address - old_heap_at < sizeof(forged->old_heap))
        return forged->old_heap + (address - old_heap_at);
    if (address - new_heap_at < sizeof(forged->new_heap))
        return forged->new_heap + (address - new_heap_at);
    CU_ASSERT_TRUE_FATAL(address - mapped_at < sizeof(forged->mapped));
    return forged->mapped + (address - mapped_at);
}

static void put(struct forged *forged, mx_addr address, uint64_t value)
{
    memcpy(at(forged, address), &value, sizeof(value));
}

/* Writes a chunk's header; what it says of the chunk before is a flag, and its size when that one is free. */
static mx_addr put_chunk(struct forged *forged, mx_addr chunk, uint64_t size, uint64_t flags, uint64_t previous)
{
    put(forged, chunk, previous);
    put(forged, chunk + 8, size | flags);
    return chunk + size;
}

/* Puts the chunk into a chain whose head is the word at `head`; `bias` is from what is linked to the user memory. */
static void cache_chunk(struct forged *forged, mx_addr head, mx_addr user, uint64_t bias)
{
    mx_addr next = mx_load_u64(at(forged, head));
    put(forged, user, forged->mangled ? (user >> 12) ^ next : next);
    put(forged, head, user - bias);
}

static void put_empty_bins(struct forged *forged, mx_addr bins)
{
    for (mx_addr bin = 0; bin < 127; bin++) {
        put(forged, bins + bin * 16, bins + bin * 16 - 16);
        put(forged, bins + bin * 16 + 8, bins + bin * 16 - 16);
    }
}

static void put_state(struct forged *forged, mx_addr bins, mx_addr top, mx_addr next, uint64_t system_mem)
{
    put_empty_bins(forged, bins);
    put(forged, bins - 16, top);
    put(forged, bins + 2048, next);
    put(forged, bins + 2072, system_mem);
}

/* Chunks of the brk heap, by what they are. */
enum { TCACHE = 0x600000, LIVE = TCACHE + 0x290, CACHED = LIVE + 0x40, FAST = CACHED + 0x80, FREE = FAST + 0x60 };
enum { LAST = FREE + 0x500, TOP = LAST + 0x60 };

static void put_brk_heap(struct forged *forged)
{
    mx_addr bin = forged->bins + 0x600, counts = TCACHE + 16, entries = counts + (forged->wide ? 128 : 64);
    put_chunk(forged, TCACHE, 0x290, PREV_INUSE, 0);
    if (!forged->wide) {
        /* The smaller struct, and a live chunk behind it. */
        put_chunk(forged, TCACHE, 0x250, PREV_INUSE, 0);
        put_chunk(forged, TCACHE + 0x250, 0x40, PREV_INUSE, 0);
    }
    put_chunk(forged, LIVE, 0x40, PREV_INUSE, 0);
    put_chunk(forged, CACHED, 0x40, PREV_INUSE, 0);
    put_chunk(forged, CACHED + 0x40, 0x40, PREV_INUSE, 0);
    put_chunk(forged, FAST, 0x30, PREV_INUSE, 0);
    put_chunk(forged, FAST + 0x30, 0x30, PREV_INUSE, 0);
    put_chunk(forged, FREE, 0x500, PREV_INUSE, 0);
    put_chunk(forged, LAST, 0x60, 0, 0x500);
    put_chunk(forged, TOP, brk_at + sizeof(forged->brk) - TOP, PREV_INUSE, 0);
    cache_chunk(forged, entries + 16, CACHED + 16, 0);
    cache_chunk(forged, entries + 16, CACHED + 0x50, 0);
    *at(forged, counts + (forged->wide ? 2 * 2 : 2)) = 2;
    cache_chunk(forged, forged->bins - 96 + 8, FAST + 16, 16);
    cache_chunk(forged, forged->bins - 96 + 8, FAST + 0x40, 16);
    /* The free chunk is in a bin, which is a ring through it. */
    put(forged, FREE + 16, bin - 16);
    put(forged, FREE + 24, bin - 16);
    put(forged, bin, FREE);
    put(forged, bin + 8, FREE);
}

/* The older heap ends in fenceposts, as it does when a heap is full and malloc goes on in a new one. */
static void put_thread_heaps(struct forged *forged)
{
    mx_addr arena = forged->thread_arena, bins = arena + forged->bins_after_state;
    mx_addr first = (bins + 2088 + 15) & ~(mx_addr)15, fence = old_heap_at + sizeof(forged->old_heap) - 32;
    put(forged, old_heap_at, arena);
    put(forged, old_heap_at + 16, sizeof(forged->old_heap));
    put(forged, new_heap_at, arena);
    put(forged, new_heap_at + 8, old_heap_at);
    put(forged, new_heap_at + 16, sizeof(forged->new_heap));
    mx_addr chunk = put_chunk(forged, first, 0x100, PREV_INUSE | NON_MAIN, 0);
    put_chunk(forged, chunk, fence - chunk, PREV_INUSE | NON_MAIN, 0);
    put_chunk(forged, fence, 16, NON_MAIN, fence - chunk);
    put_chunk(forged, fence + 16, 0, PREV_INUSE, 0);
    chunk = put_chunk(forged, new_heap_at + (arena - old_heap_at), 0x80, PREV_INUSE | NON_MAIN, 0);
    put_chunk(forged, chunk, new_heap_at + sizeof(forged->new_heap) - chunk, PREV_INUSE, 0);
    put_state(forged, bins, chunk, forged->bins - forged->bins_after_state, 0x4000);
}

enum { PLAIN_MAPPED = 0x1000, ALIGNED_MAPPED = 0x22000, EXCLUDED = 0x50000 };

/* One plain chunk; one from memalign, which was shrunk since, so that the header in front is stale. */
static void put_mapped(struct forged *forged)
{
    mx_addr aligned = mapped_at + ALIGNED_MAPPED;
    put_chunk(forged, mapped_at + PLAIN_MAPPED, 0x21000, MMAPPED, 0);
    put_chunk(forged, aligned, 0x3f000, MMAPPED, 0);
    put_chunk(forged, aligned + 1008, 0x23000 - 1008, MMAPPED, 1008);
    put_chunk(forged, mapped_at + 0x46000, 0x21000, MMAPPED, 0); /* does not fit before the excluded range */
    put_chunk(forged, mapped_at + 0x47000, 0x1008, MMAPPED, 0);  /* no whole pages */
    put_chunk(forged, mapped_at + EXCLUDED, 0x2000, MMAPPED, 0);
}

static void add_region(struct forged *forged, mx_addr start, uint64_t size, uint32_t flags, uint32_t module)
{
    struct mx_region region = {.start = start,
                               .end = start + size,
                               .bytes = at(forged, start),
                               .flags = flags | MX_REGION_READ | MX_REGION_WRITE,
                               .module = module};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(forged->memory, region));
}

static void forge(struct forged *forged, uint64_t bins_after_state, bool wide, bool mangled, bool threads)
{
    memset(forged, 0, sizeof(*forged));
    forged->bins_after_state = bins_after_state;
    forged->wide = wide;
    forged->mangled = mangled;
    forged->bins = data_at + 0x260 + bins_after_state;
    forged->thread_arena = old_heap_at + (mangled ? 0x30 : 0x20);
    mx_addr main_arena = forged->bins - bins_after_state;
    put_state(forged, forged->bins, TOP, threads ? forged->thread_arena : main_arena, sizeof(forged->brk));
    put_brk_heap(forged);
    put_thread_heaps(forged);
    put_mapped(forged);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&forged->memory));
    add_region(forged, data_at, sizeof(forged->data), MX_REGION_BSS, 0);
    add_region(forged, brk_at, sizeof(forged->brk), 0, MX_NO_MODULE);
    add_region(forged, old_heap_at, sizeof(forged->old_heap), 0, MX_NO_MODULE);
    add_region(forged, new_heap_at, sizeof(forged->new_heap), 0, MX_NO_MODULE);
    add_region(forged, mapped_at, sizeof(forged->mapped), 0, MX_NO_MODULE);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(forged->memory));
    forged->modules[0].path = "/lib/x86_64-linux-gnu/libc.so.6";
    forged->list.modules.items = forged->modules;
    forged->list.modules.count = 1;
}

static bool see(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    struct forged *forged = context;
    CU_ASSERT_PTR_EQUAL(bytes, at(forged, chunk->address));
    if (forged->seen_count == MOST_CHUNKS)
        return false;
    forged->seen[forged->seen_count++] = *chunk;
    return true;
}

/* Opens and walks everything; the chunks are in forged->seen. */
static void walk(struct forged *forged)
{
    const struct mx_range excluded = {mapped_at + EXCLUDED, mapped_at + 0x60000};
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, forged->memory);
    CU_ASSERT_PTR_NULL_FATAL(mx_glibc_open(forged->memory, &forged->list, &excluded, 1, &cursor, &forged->glibc));
    forged->seen_count = 0;
    for (size_t i = 0; i < forged->glibc.spans.count; i++)
        CU_ASSERT_TRUE(mx_glibc_walk(&forged->glibc, &forged->glibc.spans.items[i], &cursor, NULL, see, forged));
    uint64_t chunks = 0, bytes = 0;
    for (size_t i = 0; i < forged->seen_count; i++) {
        chunks += forged->seen[i].used;
        bytes += forged->seen[i].used ? forged->seen[i].size : 0;
    }
    uint64_t used_chunks, used_bytes;
    mx_glibc_usage(&forged->glibc, &cursor, &used_chunks, &used_bytes);
    mx_cursor_deinit(&cursor);
    CU_ASSERT_TRUE(used_chunks == chunks && used_bytes == bytes);
}

static void dispose(struct forged *forged)
{
    mx_glibc_close(&forged->glibc);
    mx_memory_close(forged->memory);
}

static const struct mx_chunk *seen_at(const struct forged *forged, mx_addr address)
{
    for (size_t i = 0; i < forged->seen_count; i++)
        if (forged->seen[i].address == address)
            return &forged->seen[i];
    return NULL;
}

static void expect(const struct forged *forged, mx_addr user, uint64_t size, bool used)
{
    const struct mx_chunk *chunk = seen_at(forged, user);
    CU_ASSERT_PTR_NOT_NULL_FATAL(chunk);
    if (!chunk)
        return;
    CU_ASSERT_EQUAL(chunk->size, size);
    CU_ASSERT_EQUAL(chunk->used, used);
}

static void expect_brk_heap(const struct forged *forged)
{
    expect(forged, TCACHE + 16, forged->wide ? 0x288 : 0x248, true);
    expect(forged, LIVE + 16, 0x38, true);
    expect(forged, CACHED + 16, 0x38, false);
    expect(forged, CACHED + 0x50, 0x38, false);
    expect(forged, FAST + 16, 0x28, false);
    expect(forged, FAST + 0x40, 0x28, false);
    expect(forged, FREE + 16, 0x4f8, false);
    expect(forged, LAST + 16, 0x58, true);
    CU_ASSERT_TRUE(seen_at(forged, CACHED + 16)->cached && seen_at(forged, FAST + 16)->cached);
    CU_ASSERT_FALSE(seen_at(forged, FREE + 16)->cached || seen_at(forged, LIVE + 16)->cached);
    CU_ASSERT_TRUE(mx_glibc_is_fast(&forged->glibc, FAST + 16) && !mx_glibc_is_fast(&forged->glibc, CACHED + 16));
    CU_ASSERT_PTR_NULL(seen_at(forged, TOP + 16));
}

static void expect_mapped(const struct forged *forged)
{
    expect(forged, mapped_at + PLAIN_MAPPED + 16, 0x21000 - 16, true);
    expect(forged, mapped_at + ALIGNED_MAPPED + 1024, 0x23000 - 1024, true);
}

/* 2.26: smaller struct; up to 2.29 narrow counts; from 2.32 on mangled links. */
static void test_versions_without_threads(void)
{
    static struct forged forged;
    const struct {
        uint64_t bins_after_state;
        bool wide, mangled;
    } versions[] = {{104, false, false}, {112, false, false}, {112, true, false}, {112, true, true}};
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        forge(&forged, versions[i].bins_after_state, versions[i].wide, versions[i].mangled, false);
        walk(&forged);
        CU_ASSERT_TRUE(forged.glibc.found);
        CU_ASSERT_STRING_EQUAL(forged.glibc.name, "glibc");
        CU_ASSERT_EQUAL(forged.glibc.arenas.count, 1);
        CU_ASSERT_EQUAL(forged.glibc.arenas.items[0].top, TOP);
        CU_ASSERT_EQUAL(mx_glibc_top_size(&forged.glibc, &forged.glibc.arenas.items[0]),
                        brk_at + sizeof(forged.brk) - TOP);
        CU_ASSERT_EQUAL(forged.glibc.cached.count, 4);
        CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
        CU_ASSERT_EQUAL(forged.seen_count, (size_t)(versions[i].wide ? 8 : 9) + 2);
        expect_brk_heap(&forged);
        expect_mapped(&forged);
        dispose(&forged);
    }
}

/* 16 bytes more than fenceposts need stood at the older heap's end: they are no chunk that anybody has. */
static void test_a_long_fencepost(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, true);
    mx_addr end = old_heap_at + sizeof(forged.old_heap), bins = forged.thread_arena + forged.bins_after_state;
    mx_addr first = (bins + 2088 + 15) & ~(mx_addr)15, last = first + 0x100, fence = end - 48;
    put_chunk(&forged, last, fence - last, PREV_INUSE | NON_MAIN, 0);
    put_chunk(&forged, fence, 32, PREV_INUSE, 0);
    put_chunk(&forged, end - 16, 0, PREV_INUSE, 32);
    walk(&forged);
    expect(&forged, last + 16, fence - last - 8, true);
    CU_ASSERT_PTR_NULL(seen_at(&forged, fence + 16));
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
    dispose(&forged);
}

/* Where the arena stood before it is looked at first; what is not there any more is searched. */
static void test_a_place_that_is_known(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    walk(&forged);
    mx_addr bins = forged.glibc.bins;
    CU_ASSERT_NOT_EQUAL(bins, 0);
    const mx_addr places[] = {bins, brk_at + 64, 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        mx_glibc_close(&forged.glibc);
        forged.glibc.bins = places[i];
        walk(&forged);
        CU_ASSERT_EQUAL(forged.glibc.bins, bins);
        CU_ASSERT_EQUAL(forged.seen_count, 10);
    }
    dispose(&forged);
}

/* The tcache of 2.42+ where the free chunk was: counts are of what may still be added. */
static void put_late_tcache(struct forged *forged, uint16_t room, uint16_t used)
{
    mx_addr counts = FREE + 16, entries = counts + 76 * 2, bin = forged->bins + 0x600;
    put_chunk(forged, FREE, 0x300, PREV_INUSE, 0);
    put_chunk(forged, FREE + 0x300, 0x200, PREV_INUSE, 0);
    put_chunk(forged, LAST, 0x60, PREV_INUSE, 0);
    put(forged, bin, bin - 16);
    put(forged, bin + 8, bin - 16);
    memset(at(forged, counts), 0, 0x2f0);
    for (mx_addr i = 0; i < 76; i++)
        memcpy(at(forged, counts + i * 2), &room, sizeof(room));
    uint16_t left = (uint16_t)(room - used);
    memcpy(at(forged, counts + 2), &left, sizeof(left));
    cache_chunk(forged, entries + 8, FAST + 16, 0);
    cache_chunk(forged, entries + 8, FAST + 0x40, 0);
}

/* 2.43: no fastbins in front of the bins. */
static void test_no_fastbins_and_a_tcache_that_counts_room(void)
{
    static struct forged forged;
    forge(&forged, 24, true, true, false);
    put_late_tcache(&forged, 16, 2);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
    CU_ASSERT_EQUAL(forged.glibc.arenas.count, 1);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 4);
    CU_ASSERT_EQUAL(forged.glibc.fast.count, 0);
    expect(&forged, FAST + 16, 0x28, false);
    expect(&forged, FAST + 0x40, 0x28, false);
    expect(&forged, CACHED + 16, 0x38, false);
    expect(&forged, FREE + 16, 0x2f8, true);
    dispose(&forged);
}

/* A block of that size that is nearly all zeros, with one address in it: no count says that this is a chunk. */
static void test_what_is_no_late_tcache(void)
{
    static struct forged forged;
    forge(&forged, 24, true, true, false);
    put_late_tcache(&forged, 0, 0);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 2);
    expect(&forged, FAST + 16, 0x28, true);
    dispose(&forged);
}

/* A table of 76 addresses of chunks, none of which has its bin's size; the words before pass for counts. */
static void test_a_table_of_addresses_is_no_late_tcache(void)
{
    static struct forged forged;
    forge(&forged, 24, true, true, false);
    put_late_tcache(&forged, 16, 2);
    mx_addr counts = FREE + 16, entries = counts + 76 * 2;
    const uint16_t left = 9;
    for (mx_addr i = 0; i < 76; i++) {
        put(&forged, entries + i * 8, i == 3 ? FAST + 16 : LIVE + 16);
        if (i)
            memcpy(at(&forged, counts + i * 2), &left, sizeof(left));
    }
    memcpy(at(&forged, counts), &left, sizeof(left));
    *at(&forged, counts + 2) = 16;
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 2);
    expect(&forged, LIVE + 16, 0x38, true);
    expect(&forged, FAST + 16, 0x28, true);
    dispose(&forged);
}

/* A second block of a tcache's size: zeros, and one address of a live chunk of the right size. */
static void test_an_address_among_zeros_is_no_tcache(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    put_chunk(&forged, FREE, 0x290, PREV_INUSE, 0);
    put_chunk(&forged, FREE + 0x290, 0x270, PREV_INUSE, 0);
    put_chunk(&forged, LAST, 0x60, PREV_INUSE, 0);
    put(&forged, forged.bins + 0x600, forged.bins + 0x600 - 16);
    put(&forged, forged.bins + 0x608, forged.bins + 0x600 - 16);
    memset(at(&forged, FREE + 16), 0, 0x280);
    put(&forged, FREE + 16 + 128 + 2 * 8, LIVE + 16);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 4);
    expect(&forged, LIVE + 16, 0x38, true);
    dispose(&forged);
}

static void test_thread_arenas_and_their_heaps(void)
{
    static struct forged forged;
    for (int old = 0; old < 2; old++) {
        forge(&forged, old ? 104 : 112, !old, !old, true);
        walk(&forged);
        mx_addr first = (forged.thread_arena + forged.bins_after_state + 2088 + 15) & ~(mx_addr)15;
        CU_ASSERT_EQUAL_FATAL(forged.glibc.arenas.count, 2);
        CU_ASSERT_EQUAL(forged.glibc.arenas.items[1].address, forged.thread_arena);
        CU_ASSERT_EQUAL(forged.glibc.arenas.items[1].system_mem, 0x4000);
        CU_ASSERT_EQUAL(forged.glibc.spans.count, 5);
        CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
        expect_brk_heap(&forged);
        expect_mapped(&forged);
        expect(&forged, first + 16, 0xf8, true);
        expect(&forged, first + 0x110, old_heap_at + sizeof(forged.old_heap) - 32 - first - 0x108, false);
        expect(&forged, new_heap_at + forged.thread_arena - old_heap_at + 16, 0x78, true);
        CU_ASSERT_EQUAL(forged.seen_count, (size_t)(old ? 9 : 8) + 5);
        dispose(&forged);
    }
}

/* A size that makes no sense: what is behind is found again. */
static void test_broken_size_is_counted_and_passed(void)
{
    static struct forged forged;
    const uint64_t sizes[] = {0, 0x28, UINT64_MAX, 0x40 | MMAPPED, 0x100000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        forge(&forged, 112, true, true, false);
        put(&forged, LIVE + 8, sizes[i]);
        walk(&forged);
        CU_ASSERT_TRUE(forged.glibc.found);
        expect(&forged, TCACHE + 16, 0x288, true);
        CU_ASSERT_PTR_NULL(seen_at(&forged, LIVE + 16));
        expect(&forged, CACHED + 16, 0x38, false);
        expect(&forged, LAST + 16, 0x58, true);
        CU_ASSERT_EQUAL(forged.glibc.walk_errors, 1);
        dispose(&forged);
    }
}

/* malloc fences its top off when somebody else calls sbrk, and goes on behind what that one got. */
static void test_foreign_sbrk_is_no_error(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    put_chunk(&forged, LIVE, 16, PREV_INUSE, 0);
    put_chunk(&forged, LIVE + 16, 16, PREV_INUSE, 0);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
    CU_ASSERT_EQUAL(forged.glibc.spans.count, 4);
    expect(&forged, TCACHE + 16, 0x288, true);
    expect(&forged, LAST + 16, 0x58, true);
    dispose(&forged);
}

/* What an old glibc's link would be if it were mangled is a chunk of the same size, too. */
static void test_plain_links_are_taken_as_they_are(void)
{
    static struct forged forged;
    forge(&forged, 112, true, false, false);
    put(&forged, ((CACHED + 0x50) >> 12 ^ (CACHED + 16)) - 8, 0x40 | PREV_INUSE);
    struct mx_glibc glibc = {.memory = forged.memory, .plain_links = true};
    CU_ASSERT_TRUE(mx_chunk_chain(&glibc, CACHED + 0x50, 0x40, 0, 3));
    CU_ASSERT_EQUAL_FATAL(glibc.cached.count, 2);
    CU_ASSERT_EQUAL(glibc.cached.items[1], CACHED + 16);
    mx_glibc_close(&glibc);
    CU_ASSERT_TRUE(mx_known_plain_links("glibc 2.31") && mx_known_plain_links("glibc 2.26"));
    CU_ASSERT_FALSE(mx_known_plain_links("glibc 2.32") || mx_known_plain_links("glibc"));
    forged.glibc.plain_links = true;
    walk(&forged);
    CU_ASSERT_TRUE(forged.glibc.plain_links);
    expect(&forged, CACHED + 16, 0x38, false);
    dispose(&forged);
}

static void test_chains_that_run_in_circles_end(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    put(&forged, FAST + 16, (FAST + 16) >> 12 ^ (FAST + 0x30));
    put(&forged, CACHED + 16, (CACHED + 16) >> 12 ^ (CACHED + 16));
    walk(&forged);
    CU_ASSERT_TRUE(forged.glibc.cached.count >= 4 && forged.glibc.cached.count < 12);
    expect_brk_heap(&forged);
    dispose(&forged);
}

static void test_chains_that_leave_the_heap_end(void)
{
    static struct forged forged;
    const mx_addr links[] = {8, 0xdead0000, LAST, UINT64_MAX};
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        forge(&forged, 112, true, true, false);
        put(&forged, FAST + 0x40, (FAST + 0x40) >> 12 ^ links[i]);
        walk(&forged);
        expect(&forged, FAST + 0x40, 0x28, false);
        expect(&forged, FAST + 16, 0x28, true);
        CU_ASSERT_EQUAL(forged.glibc.cached.count, 3);
        dispose(&forged);
    }
}

/* Memory of a tcache's size that is none. */
static void test_what_is_no_tcache(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    *at(&forged, TCACHE + 16) = 1;
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 4);
    dispose(&forged);
    forge(&forged, 112, true, true, false);
    *at(&forged, TCACHE + 16) = 1;
    *at(&forged, TCACHE + 18) = 1;
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.cached.count, 2);
    expect(&forged, CACHED + 16, 0x38, true);
    dispose(&forged);
}

/* brk failed at some time: main_arena's memory is no longer one piece, and nothing lists the pieces. */
static void test_main_arena_in_pieces(void)
{
    static struct forged forged;
    const mx_addr piece = mapped_at + 0x48000;
    forge(&forged, 112, true, true, true);
    put(&forged, forged.bins + 2072, 0x100000);
    mx_addr chunk = put_chunk(&forged, piece, 0x1000, PREV_INUSE, 0);
    chunk = put_chunk(&forged, chunk, 0xfe0, PREV_INUSE, 0);
    put_chunk(&forged, put_chunk(&forged, chunk, 16, PREV_INUSE, 0), 16, PREV_INUSE, 0);
    chunk = put_chunk(&forged, piece + 0x2000, 0x1fe0, PREV_INUSE, 0);
    put_chunk(&forged, put_chunk(&forged, chunk, 16, PREV_INUSE, 0), 16, PREV_INUSE, 0);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 0);
    expect_brk_heap(&forged);
    expect_mapped(&forged);
    expect(&forged, piece + 0x2010, 0x1fd8, true);
    expect(&forged, piece + 16, 0xff8, true);
    expect(&forged, piece + 0x1010, 0xfd8, true);
    CU_ASSERT_EQUAL(forged.seen_count, 16);
    dispose(&forged);
}

/* A stop in the midst of malloc: top has moved on behind a chunk that is being cut off, and nobody wrote its size yet.
 */
static void test_top_without_a_size(void)
{
    static struct forged forged;
    const uint64_t sizes[] = {0, 0x41, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        forge(&forged, 112, true, true, false);
        put(&forged, TOP + 8, sizes[i]);
        walk(&forged);
        CU_ASSERT_TRUE(forged.glibc.found);
        expect_brk_heap(&forged);
        expect_mapped(&forged);
        dispose(&forged);
    }
}

/* The ring leads nowhere, or in a circle without main_arena. */
static void test_broken_ring_ends(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, true);
    put(&forged, forged.thread_arena + 112 + 2048, 0x7e0000000050);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.arenas.count, 2);
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 1);
    dispose(&forged);
    forge(&forged, 112, true, true, true);
    put(&forged, forged.thread_arena + 112 + 2048, forged.thread_arena);
    walk(&forged);
    CU_ASSERT_EQUAL(forged.glibc.arenas.count, 2);
    CU_ASSERT_EQUAL(forged.glibc.walk_errors, 1);
    dispose(&forged);
    forge(&forged, 112, true, true, true);
    put(&forged, new_heap_at + 8, new_heap_at);
    walk(&forged);
    CU_ASSERT_TRUE(forged.glibc.found);
    dispose(&forged);
}

/* A core that lost libc's data: the brk heap is known by its first chunk, thread arenas by where they lie. */
static void test_without_main_arena(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, true);
    memset(at(&forged, forged.bins), 0, BINS_BYTES);
    walk(&forged);
    CU_ASSERT_TRUE(forged.glibc.found);
    CU_ASSERT_EQUAL(forged.glibc.arenas.count, 2);
    expect(&forged, LIVE + 16, 0x38, true);
    expect(&forged, FREE + 16, 0x4f8, false);
    expect(&forged, CACHED + 16, 0x38, false);
    expect(&forged, new_heap_at + forged.thread_arena - old_heap_at + 16, 0x78, true);
    mx_glibc_close(&forged.glibc);
    forged.list.modules.count = 0;
    walk(&forged);
    CU_ASSERT_STRING_EQUAL(forged.glibc.name, "glibc (by its heap only)");
    expect(&forged, LIVE + 16, 0x38, true);
    dispose(&forged);
}

/* Since 2.43 the size of a chunk with a mapping of its own leaves out one header. */
static void test_mapped_chunks_of_late_versions(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, true);
    put_chunk(&forged, mapped_at + PLAIN_MAPPED, 0x21000 - 16, MMAPPED, 0);
    walk(&forged);
    expect_mapped(&forged);
    dispose(&forged);
}

static void check_name(struct forged *forged, const char *first, const char *second, bool found, const char *name)
{
    forged->modules[0].path = first;
    forged->modules[1].path = second;
    forged->list.modules.count = second ? 2 : 1;
    walk(forged);
    CU_ASSERT_EQUAL(forged->glibc.found, found);
    CU_ASSERT_STRING_EQUAL(forged->glibc.name, name);
    CU_ASSERT_EQUAL(forged->seen_count > 0, found);
    mx_glibc_close(&forged->glibc);
}

static void test_other_allocators_are_named(void)
{
    static struct forged forged;
    forge(&forged, 112, true, true, false);
    check_name(&forged, "/lib/ld-musl-x86_64.so.1", NULL, false, "musl (not walked)");
    check_name(&forged, "/usr/lib/x86_64-linux-musl/libc.so", NULL, false, "musl (not walked)");
    check_name(&forged, "/usr/bin/python3", NULL, false, "unknown malloc, no libc.so.6 (not walked)");
    check_name(&forged, "/lib/libc-2.31.so", "/usr/lib/libjemalloc.so.2", true, "glibc beside jemalloc (not walked)");
    put(&forged, forged.bins + 2072, 0);
    check_name(&forged, "/lib/libc.so.6", "/usr/lib/libtcmalloc_minimal.so.4", false, "tcmalloc (not walked)");
    memset(at(&forged, forged.bins), 0, BINS_BYTES);
    check_name(&forged, "/lib/libc.so.6", "/usr/lib/libmimalloc.so.2", false, "mimalloc (not walked)");
    mx_memory_close(forged.memory);
}

static void define(struct mx_symbols *symbols, const char *name)
{
    const Elf64_Sym symbol = {.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = 16};
    mx_symbols_add(symbols, name, strlen(name), &symbol);
}

/* An allocator that is linked into another file is known by what that defines, if malloc is among it. */
static void test_linked_allocators_are_named(void)
{
    static struct forged forged;
    static const struct {
        const char *symbol, *name;
    } cases[] = {{"mallctl", "glibc beside jemalloc (not walked)"},
                 {"je_malloc", "glibc beside jemalloc (not walked)"},
                 {"tc_malloc", "glibc beside tcmalloc (not walked)"},
                 {"mi_malloc", "glibc beside mimalloc (not walked)"},
                 {"my_malloc", "glibc"}};
    forge(&forged, 112, true, true, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mx_symbols symbols = {0};
        forged.modules[1].symbols = &symbols;
        define(&symbols, cases[i].symbol);
        check_name(&forged, "/lib/libc.so.6", "/usr/lib/libpython3.13.so.1.0", true, "glibc");
        define(&symbols, "malloc");
        check_name(&forged, "/lib/libc.so.6", "/opt/app/libfast.so", true, cases[i].name);
        mx_symbols_deinit(&symbols);
    }
    mx_memory_close(forged.memory);
}

/* Under any name: musl's libc is its own loader. */
static void test_musl_is_known_by_its_loader(void)
{
    static struct forged forged;
    struct mx_symbols symbols = {0};
    forge(&forged, 112, true, true, false);
    forged.modules[0].symbols = &symbols;
    define(&symbols, "__dls3");
    check_name(&forged, "/opt/app/libc.so", NULL, false, "unknown malloc, no libc.so.6 (not walked)");
    define(&symbols, "malloc");
    check_name(&forged, "/opt/app/libc.so", NULL, false, "musl (not walked)");
    mx_symbols_deinit(&symbols);
    mx_memory_close(forged.memory);
}

void suite_glibc(CU_pSuite suite);
void suite_glibc(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_versions_without_threads);
    CU_ADD_TEST(suite, test_a_place_that_is_known);
    CU_ADD_TEST(suite, test_a_long_fencepost);
    CU_ADD_TEST(suite, test_thread_arenas_and_their_heaps);
    CU_ADD_TEST(suite, test_broken_size_is_counted_and_passed);
    CU_ADD_TEST(suite, test_foreign_sbrk_is_no_error);
    CU_ADD_TEST(suite, test_plain_links_are_taken_as_they_are);
    CU_ADD_TEST(suite, test_chains_that_run_in_circles_end);
    CU_ADD_TEST(suite, test_chains_that_leave_the_heap_end);
    CU_ADD_TEST(suite, test_what_is_no_tcache);
    CU_ADD_TEST(suite, test_no_fastbins_and_a_tcache_that_counts_room);
    CU_ADD_TEST(suite, test_what_is_no_late_tcache);
    CU_ADD_TEST(suite, test_a_table_of_addresses_is_no_late_tcache);
    CU_ADD_TEST(suite, test_an_address_among_zeros_is_no_tcache);
    CU_ADD_TEST(suite, test_main_arena_in_pieces);
    CU_ADD_TEST(suite, test_top_without_a_size);
    CU_ADD_TEST(suite, test_broken_ring_ends);
    CU_ADD_TEST(suite, test_without_main_arena);
    CU_ADD_TEST(suite, test_other_allocators_are_named);
    CU_ADD_TEST(suite, test_linked_allocators_are_named);
    CU_ADD_TEST(suite, test_musl_is_known_by_its_loader);
    CU_ADD_TEST(suite, test_mapped_chunks_of_late_versions);
}
