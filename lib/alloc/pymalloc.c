/* SPDX-License-Identifier: Apache-2.0
 *
 * CPython's small-object allocator: reads one pool, and finds the arenas. It knows how pools, arenas and `usedpools`
 * refer to each other; it does not know interpreters or objects.
 */
#include "alloc/pymalloc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/work.h"

enum {
    CLASS_COUNT = 32,
    USEDPOOLS_BYTES = CLASS_COUNT * 16,
    CLASS_STEP = 16,
    RECIPROCAL_BITS = 26,
    MOST_SAMPLES = 8,
    MOST_TRIES = 8,
    MOST_MISFITS = 1,   /* classes of `usedpools` that may be half linked when the target was stopped */
    LEAST_EVIDENCE = 4, /* classes that must prove themselves */
    FIRST_ARENAS = 16,  /* INITIAL_ARENA_OBJECTS: the table starts with so many slots and doubles */
    MOST_ARENAS = 1 << 22,
    GATHER_ROWS = 2048,
    USAGE_ROWS = 64,
    FEW_ARENAS = 32,
    HEADER_BYTES = 48,
};

/* ref.count, szidx, nextoffset and maxnextoffset of a pool in use fit each other. */
static bool header_fits(const struct mx_pymalloc_facts *facts, const uint8_t *bytes)
{
    uint32_t class_index = mx_load_u32(bytes + facts->szidx);
    if (class_index >= CLASS_COUNT)
        return false;
    uint32_t size = (class_index + 1) * CLASS_STEP;
    uint32_t next = mx_load_u32(bytes + facts->nextoffset), count = mx_load_u32(bytes + facts->ref_count);
    return mx_load_u32(bytes + facts->maxnextoffset) == facts->pool_size - size && next > facts->header_size &&
           next <= facts->pool_size && (next - facts->header_size) % size == 0 && count > 0 &&
           count <= (facts->pool_size - facts->header_size) / size;
}

bool mx_pool_header_plausible(const struct mx_pymalloc_facts *facts, const uint8_t *bytes, mx_addr address)
{
    if (address % facts->pool_size || !header_fits(facts, bytes))
        return false;
    mx_addr block = mx_load_u64(bytes + facts->freeblock);
    if (!block)
        return true;
    uint32_t size = (mx_load_u32(bytes + facts->szidx) + 1) * CLASS_STEP;
    mx_addr offset = block - address - facts->header_size;
    return offset < mx_load_u32(bytes + facts->nextoffset) - facts->header_size && offset % size == 0;
}

/*
 * Marks the free blocks. A bit that is set already means a cycle, so the walk takes at most `carved` steps. False when
 * the chain leaves the carved blocks or runs in a circle.
 */
static bool follow_chain(const uint8_t *blocks, mx_addr first, mx_addr link, const struct mx_pool *pool, uint64_t *bits,
                         uint32_t *ret_free)
{
    /* Rounded up: rounded down, block numbers of some classes come out one too small. */
    uint64_t reciprocal = ((UINT64_C(1) << RECIPROCAL_BITS) + pool->block_size - 1) / pool->block_size;
    uint64_t limit = (uint64_t)pool->carved * pool->block_size;
    uint32_t count = 0;
    bool whole = true;
    while (link) {
        uint64_t offset = link - first;
        uint64_t number = offset < limit ? offset * reciprocal >> RECIPROCAL_BITS : 0;
        uint64_t bit = UINT64_C(1) << number % 64;
        whole = offset < limit && number * pool->block_size == offset && !(bits[number / 64] & bit);
        if (!whole)
            break;
        bits[number / 64] |= bit;
        count++;
        link = mx_load_u64(blocks + offset);
    }
    *ret_free = count;
    return whole;
}

bool mx_pool_read(const struct mx_pymalloc_facts *facts, const uint8_t *bytes, mx_addr address, struct mx_pool *ret,
                  uint64_t free_bits[MX_POOL_WORDS])
{
    if (!header_fits(facts, bytes))
        return false;
    uint32_t size = (mx_load_u32(bytes + facts->szidx) + 1) * CLASS_STEP, count;
    struct mx_pool pool = {.address = address, .block_size = size};
    pool.carved = (mx_load_u32(bytes + facts->nextoffset) - facts->header_size) / size;
    memset(free_bits, 0, (pool.carved + 63) / 64 * sizeof(*free_bits));
    bool whole = follow_chain(bytes + facts->header_size, address + facts->header_size,
                              mx_load_u64(bytes + facts->freeblock), &pool, free_bits, &count);
    pool.used = pool.carved - count;
    pool.damaged = !whole || pool.used != mx_load_u32(bytes + facts->ref_count);
    *ret = pool;
    return true;
}

void mx_arenas_deinit(struct mx_arenas *arenas)
{
    mx_array_free(&arenas->arenas);
    mx_array_free(&arenas->tables);
}

size_t mx_arenas_above(const struct mx_arenas *arenas, mx_addr address)
{
    size_t low = 0, high = arenas->arenas.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (arenas->arenas.items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A pool that `usedpools` refers to: it tells where the arena of that index must be. */
struct sample {
    mx_addr pool;
    uint32_t arena;
};

struct search {
    const struct mx_pymalloc_facts *facts;
    const struct mx_memory *memory;
    struct mx_arenas *arenas;
    bool complete;  /* a table of arenas was read, even if it was empty */
    unsigned tries; /* places that were taken for `usedpools` */
    struct sample samples[MOST_SAMPLES];
    size_t sample_count;
};

/*
 * One slot of the `arenas` array. The target may have been stopped while it took or returned a pool, so the counts may
 * be one apart.
 */
static bool read_arena(const struct mx_pymalloc_facts *facts, const uint8_t *slot, struct mx_arena *ret)
{
    mx_addr address = mx_load_u64(slot + facts->address), carved_end = mx_load_u64(slot + facts->pool_address);
    uint32_t free_pools = mx_load_u32(slot + facts->nfreepools), total = mx_load_u32(slot + facts->ntotalpools);
    mx_addr first = (address + facts->pool_size - 1) / facts->pool_size * facts->pool_size;
    if (!address || address % 4096 || first < address || address > UINT64_MAX - facts->arena_size ||
        carved_end < first || carved_end > address + facts->arena_size || carved_end % facts->pool_size)
        return false;
    uint32_t carved = (uint32_t)((carved_end - first) / facts->pool_size);
    if (total != facts->arena_size / facts->pool_size - (first != address) || free_pools > total || carved > total ||
        total - carved > free_pools + 1)
        return false;
    uint32_t virgin = total - carved;
    *ret = (struct mx_arena){.address = address,
                             .pools = first,
                             .pools_end = carved_end,
                             .free_pools = free_pools > virgin ? free_pools - virgin : 0};
    return true;
}

/*
 * How many slots the array at `table` has, where no variable tells (before 3.12, no symbols): glibc keeps the size of
 * the memory in front of it, and the array has 16 * 2^n slots. 0 when that makes no sense.
 */
static uint32_t slots_by_chunk(const struct search *search, mx_addr table)
{
    uint64_t size = mx_memory_pointer(search->memory, table - 8) & ~(uint64_t)7;
    uint64_t slots = FIRST_ARENAS, slot_size = search->facts->arena_object_size;
    if (size < slots * slot_size || size > (uint64_t)MOST_ARENAS * slot_size)
        return 0;
    while (slots * 2 * slot_size <= size)
        slots *= 2;
    return (uint32_t)slots;
}

/*
 * Adds the arenas of an array of `slots` slots; where that is not known (0), the first slot that makes no sense ends
 * it. *ret_found is how many were added. False when there is no memory.
 */
static bool add_table(struct search *search, mx_addr table, uint32_t slots, size_t *ret_found)
{
    uint32_t step = search->facts->arena_object_size;
    uint32_t known = slots ? slots : slots_by_chunk(search, table);
    *ret_found = 0;
    if (!mx_array_push(&search->arenas->tables, table))
        return false;
    for (uint32_t i = 0; i < (known ? known : MOST_ARENAS); i++) {
        const uint8_t *slot = mx_memory_state(search->memory, table + (mx_addr)i * step, step);
        struct mx_arena arena;
        if (!slot)
            break;
        if (read_arena(search->facts, slot, &arena)) {
            if (!mx_array_push(&search->arenas->arenas, arena))
                return false;
            ++*ret_found;
        } else if (!known && mx_load_u64(slot + search->facts->address)) {
            break;
        }
    }
    return true;
}

/* The table that an _obmalloc_state (3.12+) refers to. */
static bool add_state(struct search *search, mx_addr usedpools)
{
    mx_addr table;
    uint32_t slots;
    size_t found = 0;
    if (!mx_memory_u64(search->memory, usedpools + search->facts->arenas_after_usedpools, &table) ||
        !mx_memory_u32(search->memory, usedpools + search->facts->maxarenas_after_usedpools, &slots))
        return true;
    if (slots > MOST_ARENAS || !table != !slots)
        return true;
    if (table && !add_table(search, table, slots, &found))
        return false;
    search->complete |= !table || found;
    return true;
}

/* Without keeping it: the pools of a live target are everywhere. */
static bool peek_header(const struct search *search, mx_addr pool, uint8_t bytes[HEADER_BYTES])
{
    return mx_memory_gather(search->memory, &pool, 1, HEADER_BYTES, bytes, NULL) == 1;
}

/* Whether `pool` can be what the list of a class in `usedpools` refers to; `link` is the field that points back. */
static bool links_back(const struct search *search, mx_addr pool, uint32_t class_index, uint32_t link, mx_addr head)
{
    const struct mx_pymalloc_facts *facts = search->facts;
    uint8_t bytes[HEADER_BYTES];
    return peek_header(search, pool, bytes) && mx_load_u32(bytes + facts->szidx) == class_index &&
           mx_load_u64(bytes + link) == head &&
           mx_load_u32(bytes + facts->maxnextoffset) == facts->pool_size - CLASS_STEP * (class_index + 1);
}

static void take_sample(struct search *search, mx_addr pool)
{
    uint8_t header[HEADER_BYTES];
    if (search->sample_count == MOST_SAMPLES || !peek_header(search, pool, header))
        return;
    uint32_t arena = mx_load_u32(header + search->facts->arenaindex);
    if (arena < MOST_ARENAS)
        search->samples[search->sample_count++] = (struct sample){pool, arena};
}

/* The words at `words`, which are at `address` in the target, are a `usedpools` array: 32 heads of lists of pools. */
static bool is_usedpools(struct search *search, const uint8_t *words, mx_addr address)
{
    const struct mx_pymalloc_facts *facts = search->facts;
    uint32_t evidence = 0, misfits = 0;
    search->sample_count = 0;
    for (uint32_t i = 0; i < CLASS_COUNT; i++) {
        size_t at = (size_t)i * 16;
        mx_addr head = address + at - facts->nextpool;
        mx_addr next = mx_load_u64(words + at), prev = mx_load_u64(words + at + 8);
        bool pools = next && prev && next % facts->pool_size == 0 && prev % facts->pool_size == 0;
        if (next == head && prev == head) {
            evidence++;
        } else if (pools && links_back(search, next, i, facts->prevpool, head) &&
                   links_back(search, prev, i, facts->nextpool, head)) {
            evidence++;
            take_sample(search, next);
        } else if (!pools || mx_memory_state(search->memory, next, facts->header_size)) {
            /* A pool that the core lacks proves nothing, neither way. */
            if (++misfits > MOST_MISFITS)
                return false;
        }
    }
    return evidence >= LEAST_EVIDENCE;
}

/* Whether the array at `table` can be `arenas`: every sampled pool lies in the arena that its header names. */
static bool is_arena_table(const struct search *search, mx_addr table)
{
    const struct mx_region *region = mx_memory_region(search->memory, table);
    if (table % 16 || !region || !(region->flags & MX_REGION_WRITE) || region->module != MX_NO_MODULE)
        return false;
    for (size_t i = 0; i < search->sample_count; i++) {
        mx_addr slot = table + (mx_addr)search->samples[i].arena * search->facts->arena_object_size;
        const uint8_t *bytes = mx_memory_state(search->memory, slot, search->facts->arena_object_size);
        struct mx_arena arena;
        if (!bytes || !read_arena(search->facts, bytes, &arena) || search->samples[i].pool < arena.pools ||
            search->samples[i].pool >= arena.pools_end)
            return false;
    }
    return search->sample_count > 0;
}

static bool is_module_data(const struct mx_region *region, uint32_t module)
{
    return region->module == module && (region->flags & MX_REGION_WRITE) &&
           !(region->flags & (MX_REGION_INITIAL | MX_REGION_MISSING));
}

/* Looks for the word `arenas` in the module's data, given samples. */
static bool add_table_by_samples(struct search *search, mx_addr usedpools, uint32_t module)
{
    const struct mx_memory *memory = search->memory;
    size_t found;
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        size_t length = region->end - region->start;
        const uint8_t *bytes = is_module_data(region, module) ? mx_memory_state(memory, region->start, length) : NULL;
        for (size_t at = 0; bytes && at + 8 <= length; at += 8) {
            mx_addr word = mx_load_u64(bytes + at);
            if (!word || !is_arena_table(search, word))
                continue;
            search->complete = true;
            search->arenas->places = (struct mx_arena_places){usedpools, region->start + at};
            return add_table(search, word, 0, &found);
        }
    }
    return true;
}

/* `usedpools` was found at `address`: go on to the arenas. In damaged data it is "found" many times. */
static bool add_found(struct search *search, mx_addr address, uint32_t module)
{
    if (search->tries++ >= MOST_TRIES)
        return true;
    if (search->facts->arenas_after_usedpools)
        return add_state(search, address);
    return add_table_by_samples(search, address, module);
}

static bool search_region(struct search *search, const struct mx_region *region, uint32_t module)
{
    size_t length = region->end - region->start;
    const uint8_t *bytes = mx_memory_state(search->memory, region->start, length);
    uint64_t pool_mask = search->facts->pool_size - 1;
    for (size_t at = 0; bytes && at + USEDPOOLS_BYTES <= length; at += 8) {
        mx_addr address = region->start + at, word = mx_load_u64(bytes + at);
        /* Nearly every word ends here: neither an empty list of the first class nor a pool. */
        if (word != address - search->facts->nextpool && (!word || (word & pool_mask)))
            continue;
        if (is_usedpools(search, bytes + at, address) && !add_found(search, address, module))
            return false;
    }
    return true;
}

static bool search_module_data(struct search *search, uint32_t module)
{
    for (size_t i = 0; i < search->memory->regions.count; i++) {
        const struct mx_region *region = &search->memory->regions.items[i];
        if (is_module_data(region, module) && !search_region(search, region, module))
            return false;
    }
    return true;
}

/* Before 3.12 the names are static, but an unstripped interpreter has them. */
static bool add_by_symbols(struct search *search, const struct mx_module *module)
{
    struct mx_symbol arenas, most;
    mx_addr table;
    uint32_t slots = 0;
    size_t found = 0;
    if (search->facts->arenas_after_usedpools || !mx_module_symbol(module, "arenas", &arenas) ||
        !mx_memory_u64(search->memory, arenas.address, &table))
        return true;
    if (mx_module_symbol(module, "maxarenas", &most) && mx_memory_u32(search->memory, most.address, &slots) &&
        slots > MOST_ARENAS)
        return true;
    if (table && !add_table(search, table, slots, &found))
        return false;
    search->complete |= !table || found;
    return true;
}

/* Where both stood at an earlier stop; they prove themselves as if they had been found. */
static bool add_known(struct search *search)
{
    const struct mx_arena_places *places = &search->arenas->places;
    const uint8_t *words = mx_memory_state(search->memory, places->usedpools, USEDPOOLS_BYTES);
    mx_addr table = mx_memory_pointer(search->memory, places->arenas);
    size_t found;
    if (!words || !is_usedpools(search, words, places->usedpools) || !is_arena_table(search, table))
        return true;
    search->complete = true;
    return add_table(search, table, 0, &found);
}

static bool search_modules(struct search *search, const struct mx_modules *modules)
{
    struct mx_symbol runtime;
    if (search->arenas->places.arenas && !add_known(search))
        return false;
    for (uint32_t i = 0; i < modules->modules.count && !search->complete; i++) {
        const struct mx_module *module = &modules->modules.items[i];
        if (!mx_module_symbol(module, "_PyRuntime", &runtime))
            continue;
        if (!add_by_symbols(search, module) || (!search->complete && !search_module_data(search, i)))
            return false;
    }
    return true;
}

/* A pool in use joins the last arena when it has the same index and is near enough, else it begins one. */
static bool add_pool(struct search *search, mx_addr pool, uint32_t index, uint32_t *last_index)
{
    const struct mx_pymalloc_facts *facts = search->facts;
    struct mx_arenas *arenas = search->arenas;
    struct mx_arena *last = arenas->arenas.count ? &arenas->arenas.items[arenas->arenas.count - 1] : NULL;
    if (last && *last_index == index && pool - last->pools < facts->arena_size) {
        last->free_pools += (uint32_t)((pool - last->pools_end) / facts->pool_size);
        last->pools_end = pool + facts->pool_size;
        return true;
    }
    *last_index = index;
    return mx_array_push(&arenas->arenas,
                         (struct mx_arena){.address = pool, .pools = pool, .pools_end = pool + facts->pool_size});
}

/* Room for one batch of headers; too large for a stack inside a debugger. */
struct batch {
    mx_addr addresses[GATHER_ROWS];
    uint8_t headers[GATHER_ROWS * HEADER_BYTES];
};

static bool scan_region(struct search *search, const struct mx_region *region, struct batch *batch, uint32_t *last)
{
    const struct mx_pymalloc_facts *facts = search->facts;
    mx_addr pool = (region->start + facts->pool_size - 1) / facts->pool_size * facts->pool_size;
    while (pool < region->end && region->end - pool >= facts->pool_size) {
        size_t count = 0;
        for (; count < GATHER_ROWS && region->end - pool >= facts->pool_size; pool += facts->pool_size)
            batch->addresses[count++] = pool;
        mx_memory_gather(search->memory, batch->addresses, count, HEADER_BYTES, batch->headers, NULL);
        for (size_t i = 0; i < count; i++) {
            const uint8_t *header = batch->headers + i * HEADER_BYTES;
            if (mx_pool_header_plausible(facts, header, batch->addresses[i]) &&
                !add_pool(search, batch->addresses[i], mx_load_u32(header + facts->arenaindex), last))
                return false;
        }
    }
    return true;
}

/* Without a table: every pool-aligned address of anonymous memory is looked at. */
static bool scan_memory(struct search *search)
{
    uint32_t unwanted = MX_REGION_FILE | MX_REGION_BSS | MX_REGION_HEAP | MX_REGION_STACK | MX_REGION_MISSING |
                        MX_REGION_KERNEL | MX_REGION_INITIAL | MX_REGION_SHARED;
    struct batch *batch = malloc(sizeof(*batch));
    bool fine = batch;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; fine && i < search->memory->regions.count; i++) {
        const struct mx_region *region = &search->memory->regions.items[i];
        if ((region->flags & MX_REGION_WRITE) && !(region->flags & unwanted))
            fine = scan_region(search, region, batch, &last);
    }
    free(batch);
    return fine;
}

static int by_address(const void *left, const void *right)
{
    const struct mx_arena *a = left, *b = right;
    return (a->address > b->address) - (a->address < b->address);
}

/* Sorts, and drops arenas that overlap one before (two states may have named the same table). */
static void tidy(const struct mx_pymalloc_facts *facts, struct mx_arenas *arenas)
{
    size_t kept = 0;
    struct mx_arena *items = arenas->arenas.items;
    if (!items)
        return;
    qsort(items, arenas->arenas.count, sizeof(*items), by_address);
    for (size_t i = 0; i < arenas->arenas.count; i++) {
        mx_addr end = kept ? items[kept - 1].pools_end : 0;
        if (arenas->from_array && kept)
            end = items[kept - 1].address + facts->arena_size;
        if (items[i].address >= end)
            items[kept++] = items[i];
    }
    arenas->arenas.count = kept;
}

/* Every state must be readable: the pools of one that is not (a cut core) are found only by looking at all pages. */
static bool add_states(struct search *search, const mx_addr *states, size_t count)
{
    bool all = count > 0 && search->facts->arenas_after_usedpools;
    for (size_t i = 0; all && i < count; i++) {
        search->complete = false;
        if (!add_state(search, states[i]))
            return false;
        all = search->complete;
    }
    search->complete = all;
    return true;
}

static bool find(struct search *search, const struct mx_modules *modules, const mx_addr *states, size_t state_count)
{
    if (!add_states(search, states, state_count) || (!state_count && !search_modules(search, modules)))
        return false;
    search->arenas->from_array = search->complete;
    if (search->complete)
        return true;
    search->arenas->arenas.count = 0;
    return scan_memory(search);
}

struct mx_error *mx_arenas_find(const struct mx_pymalloc_facts *facts, const struct mx_memory *memory,
                                const struct mx_modules *modules, const mx_addr *states, size_t state_count,
                                struct mx_arenas *ret)
{
    *ret = (struct mx_arenas){.places = ret->places};
    uint32_t pool = facts->pool_size, arena = facts->arena_size;
    if (pool < 4096 || pool > 16384 || (pool & (pool - 1)) || !arena || arena % pool ||
        facts->header_size != HEADER_BYTES || !facts->arena_object_size)
        return mx_error_new(MX_ERROR_ARGUMENT, "pools of %u bytes in arenas of %u bytes are not pymalloc's", pool,
                            arena);
    struct search search = {.facts = facts, .memory = memory, .arenas = ret};
    if (!find(&search, modules, states, state_count)) {
        mx_arenas_deinit(ret);
        return mx_error_no_memory();
    }
    tidy(facts, ret);
    return NULL;
}

/* What the threads share that add up pools. */
struct usage {
    const struct mx_pymalloc_facts *facts;
    const struct mx_memory *memory;
    const struct mx_arenas *arenas;
    _Atomic uint64_t blocks, bytes;
};

static void add_headers(struct usage *usage, const mx_addr *pools, size_t count)
{
    uint8_t headers[USAGE_ROWS * HEADER_BYTES];
    mx_memory_gather(usage->memory, pools, count, HEADER_BYTES, headers, NULL);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *header = headers + i * HEADER_BYTES;
        if (!header_fits(usage->facts, header))
            continue;
        uint64_t used = mx_load_u32(header + usage->facts->ref_count);
        atomic_fetch_add(&usage->blocks, used);
        atomic_fetch_add(&usage->bytes, used * (mx_load_u32(header + usage->facts->szidx) + 1) * CLASS_STEP);
    }
}

static void add_arena(void *context, size_t index)
{
    struct usage *usage = context;
    const struct mx_arena *arena = &usage->arenas->arenas.items[index];
    mx_addr pools[USAGE_ROWS] = {0};
    size_t count = 0;
    for (mx_addr pool = arena->pools; arena->pools_end - pool >= usage->facts->pool_size;
         pool += usage->facts->pool_size) {
        pools[count++] = pool;
        if (count < USAGE_ROWS)
            continue;
        add_headers(usage, pools, count);
        count = 0;
    }
    add_headers(usage, pools, count);
}

void mx_arenas_usage(const struct mx_pymalloc_facts *facts, const struct mx_memory *memory,
                     const struct mx_arenas *arenas, uint64_t *ret_blocks, uint64_t *ret_bytes)
{
    struct usage usage = {.facts = facts, .memory = memory, .arenas = arenas};
    /* To start a thread costs as much as to read a hundred headers. */
    unsigned threads = arenas->arenas.count < FEW_ARENAS ? 1 : mx_memory_threads(memory);
    mx_work_parallel(threads, arenas->arenas.count, add_arena, &usage);
    *ret_blocks = atomic_load(&usage.blocks);
    *ret_bytes = atomic_load(&usage.bytes);
}
