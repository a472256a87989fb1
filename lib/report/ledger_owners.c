/* SPDX-License-Identifier: Apache-2.0
 *
 * Which raw blocks belong to objects: one pass over all objects that marks the
 * blocks that they say are theirs, and those that words of objects lead to whose
 * struct may have more in it. It reads objects only, through windows that keep
 * nothing, and never follows what is in a container.
 */
#include "base/pages.h"
#include "heap/plain.h"
#include "report/ledger.h"

enum {
    SLICES = 256,
    KINDS = 1 << 16,  /* of blocks */
    SEEN = 512,       /* bytes of an object in a chunk that are looked at, ... */
    MOST_SEEN = 4096, /* ... and where all of its words may lead to raw blocks */
    AHEAD = 2048,     /* bytes that are fetched before they are looked at */
    MARKED_TOGETHER = 64,
};

struct search {
    const struct mx_heap *heap;
    const struct mx_target *target;
    struct mx_buffers buffers;
    uint8_t *asked; /* by kind of block: whether it may be an object that leads to raw blocks */
    uint8_t *plain; /* by type: whether what it says of its buffers is all */
    struct mx_block_owners *ret;
    struct mx_work work;
};

/* Blocks that are said to belong to objects wait until enough came together: looking at one at a time waits for each.
 */
struct marking {
    const struct search *search;
    size_t count;
    struct {
        uint32_t block;
        uint8_t owner;
    } waiting[MARKED_TOGETHER];
};

/* The smaller owner stays, so that who comes first does not matter. */
static void set_owner(const struct search *search, uint32_t block, unsigned owner)
{
    if (search->heap->kinds[block] != MX_BLOCK_RAW)
        return;
    _Atomic uint8_t *pair = &search->ret->pairs[block / 2];
    unsigned shift = block % 2 * 4;
    uint8_t old = atomic_load_explicit(pair, memory_order_relaxed), new;
    do {
        unsigned there = (unsigned)old >> shift & 15u;
        if (there && there <= owner)
            return;
        new = (uint8_t)((old & ~(15u << shift)) | owner << shift);
    } while (!atomic_compare_exchange_weak(pair, &old, new));
}

static void set_owners(struct marking *marking)
{
    for (size_t i = 0; i < marking->count; i++)
        set_owner(marking->search, marking->waiting[i].block, marking->waiting[i].owner);
    marking->count = 0;
}

static void mark(struct marking *marking, mx_addr address, unsigned owner)
{
    const struct search *search = marking->search;
    uint32_t block = mx_spans_find(&search->heap->spans, address);
    if (block == MX_NO_BLOCK)
        return;
    __builtin_prefetch(&search->heap->kinds[block]);
    __builtin_prefetch((const void *)&search->ret->pairs[block / 2]);
    marking->waiting[marking->count].block = block;
    marking->waiting[marking->count++].owner = (uint8_t)owner;
    if (marking->count == MARKED_TOGETHER)
        set_owners(marking);
}

static void mark_owned(void *context, mx_addr address, enum mx_buffer_owner owner)
{
    mark(context, address, owner);
}

/* A code object's instructions are no addresses. */
static void mark_words(struct marking *marking, uint32_t type, const uint8_t *object, size_t available)
{
    const struct mx_type *what = &marking->search->target->types.types.items[type];
    size_t length =
        what->kind == MX_KIND_CODE && (uint64_t)what->basicsize < available ? (size_t)what->basicsize : available;
    for (size_t i = 0; i + 8 <= length; i += 8)
        if (mx_load_u64(object + i) % 8 == 0)
            mark(marking, mx_load_u64(object + i), MX_HOLDER_OBJECTS);
}

static bool is_asked(const struct search *search, size_t type)
{
    return search->buffers.plans.items[type].owner || !search->plain[type];
}

/* The type of the object in a block, if objects of that type can lead to raw blocks; else MX_MAP_NONE. */
static inline uint32_t type_to_ask(const struct search *search, uint32_t block)
{
    if (!search->asked[search->heap->kinds[block]])
        return MX_MAP_NONE;
    uint32_t type = mx_heap_type_of(search->heap, block);
    return type < search->buffers.plans.count && is_asked(search, type) ? type : MX_MAP_NONE;
}

/* `bytes` are those of the block. */
static void ask(struct marking *marking, const struct mx_span *span, uint32_t block, uint32_t type,
                const uint8_t *bytes, size_t length)
{
    const struct search *search = marking->search;
    mx_addr object = mx_heap_object(search->heap, span, block, type);
    size_t before = (size_t)(object - mx_block_address(&search->heap->spans, span, block));
    if (before >= length)
        return;
    if (search->buffers.plans.items[type].owner)
        mx_buffers_each(&search->buffers, type, object, bytes, before, length - before, mark_owned, marking);
    if (!search->plain[type])
        mark_words(marking, type, bytes + before, length - before);
}

static void ask_pool(struct marking *marking, struct mx_cursor *cursor, const struct mx_span *span)
{
    const struct search *search = marking->search;
    const uint8_t *bytes = mx_cursor_view(cursor, span->start, (size_t)(span->end - span->start));
    for (uint32_t i = 0; bytes && i < span->count; i++) {
        uint32_t type = type_to_ask(search, span->first + i);
        __builtin_prefetch(bytes + (size_t)i * span->block_size + AHEAD);
        if (type != MX_MAP_NONE)
            ask(marking, span, span->first + i, type, bytes + (size_t)i * span->block_size, span->block_size);
    }
}

static void ask_listed(struct marking *marking, struct mx_cursor *cursor, const struct mx_span *span, uint32_t from,
                       uint32_t until)
{
    const struct search *search = marking->search;
    for (uint32_t block = from; block < until; block++) {
        uint32_t type = type_to_ask(search, block);
        if (type == MX_MAP_NONE)
            continue;
        mx_addr address = mx_block_address(&search->heap->spans, span, block);
        uint64_t size = mx_block_size(&search->heap->spans, span, block);
        size_t most = search->plain[type] ? SEEN : MOST_SEEN, length = size < most ? (size_t)size : most;
        const uint8_t *bytes = mx_cursor_view(cursor, address, length);
        if (bytes)
            ask(marking, span, block, type, bytes, length);
    }
}

/* A pool belongs to the slice in which it begins. */
static void ask_slice(void *context, size_t slice)
{
    struct search *search = context;
    const struct mx_spans *spans = &search->heap->spans;
    uint32_t from = (uint32_t)((uint64_t)spans->blocks * slice / SLICES);
    uint32_t until = (uint32_t)((uint64_t)spans->blocks * (slice + 1) / SLICES);
    struct mx_cursor cursor;
    struct marking marking = {.search = search};
    if (from == until || !mx_work_step(&search->work, 0))
        return;
    mx_cursor_init(&cursor, search->target->memory);
    const struct mx_span *end = spans->spans.items + spans->spans.count;
    for (const struct mx_span *span = mx_spans_of(spans, from); span < end && span->first < until; span++) {
        uint32_t first = span->first > from ? span->first : from;
        uint32_t last = span->first + span->count < until ? span->first + span->count : until;
        if (span->kind != MX_SPAN_POOL)
            ask_listed(&marking, &cursor, span, first, last);
        else if (span->first >= from)
            ask_pool(&marking, &cursor, span);
    }
    set_owners(&marking);
    mx_cursor_deinit(&cursor);
    mx_work_step(&search->work, until - from);
}

static bool is_plain(const struct search *search, size_t type)
{
    const struct mx_types *types = &search->target->types;
    return search->buffers.plans.items[type].is_known || mx_is_plain(types, &types->types.items[type]);
}

static bool list_kinds(struct search *search)
{
    size_t types = search->buffers.plans.count;
    search->asked = mx_calloc(KINDS, sizeof(*search->asked));
    search->plain = mx_calloc(types + 1, sizeof(*search->plain));
    if (!search->asked || !search->plain)
        return false;
    for (size_t i = 0; i < types; i++)
        search->plain[i] = is_plain(search, i);
    for (size_t i = 0; i < types && i < MX_BLOCK_FAR_TYPE; i++)
        search->asked[i] = is_asked(search, i);
    search->asked[MX_BLOCK_FAR_TYPE] = true;
    return true;
}

static struct mx_error *look(struct search *search, const struct mx_progress *progress)
{
    size_t bytes = (size_t)search->heap->spans.blocks / 2 + 1;
    void *pairs = mx_pages_reserve_sparse(bytes);
    if (!pairs)
        return mx_error_no_memory();
    *search->ret = (struct mx_block_owners){pairs, bytes};
    if (!list_kinds(search))
        return mx_error_no_memory();
    mx_work_begin(&search->work, progress, "looking for buffers", search->heap->spans.blocks);
    if (search->heap->spans.spans.count)
        mx_work_parallel(mx_memory_threads(search->target->memory), SLICES, ask_slice, search);
    if (atomic_load(&search->work.cancelled))
        return mx_error_cancelled();
    return mx_block_holders_find(search->target, search->heap, &search->work, search->ret);
}

struct mx_error *mx_block_owners_find(const struct mx_target *target, const struct mx_heap *heap,
                                      const struct mx_progress *progress, struct mx_block_owners *ret)
{
    struct search search = {.heap = heap, .target = target, .ret = ret};
    *ret = (struct mx_block_owners){0};
    MX_TRY(mx_buffers_open(&target->types, &search.buffers));
    struct mx_error *error = look(&search, progress);
    free(search.asked);
    free(search.plain);
    mx_buffers_close(&search.buffers);
    if (error)
        mx_block_owners_close(ret);
    return error;
}

void mx_block_owners_close(struct mx_block_owners *owners)
{
    mx_pages_release((void *)(uintptr_t)owners->pairs, owners->mapped);
    *owners = (struct mx_block_owners){0};
}
