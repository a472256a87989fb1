/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of glibc's malloc, one by one, and the chains of cached ones. Chunks of a live target are read through one
 * window that moves along; nothing is kept.
 */
#include "alloc/chunk.h"

enum {
    WINDOW = 1 << 20,
    PLAUSIBLE_STEPS = 16,
    TCACHE_SMALL_BINS = 64, /* of one size each */
    TCACHE_MOST_BINS = 76,
    TCACHE_LARGE = 0x420,  /* chunks of at least this size are in no bin of one size */
    MOST_CACHED = 1 << 16, /* of one tcache bin: counts have 16 bits */
};

const uint8_t *mx_chunk_view(struct mx_chunk_reader *reader, mx_addr address, size_t length)
{
    if (address >= reader->start && address < reader->end && length <= reader->end - address)
        return reader->bytes + (address - reader->start);
    const struct mx_region *region = mx_memory_region(reader->cursor->memory, address);
    if (!region || length > region->end - address)
        return NULL;
    uint64_t room = region->end - address;
    size_t window = room < WINDOW ? (size_t)room : WINDOW;
    const uint8_t *bytes = length <= window ? mx_cursor_view(reader->cursor, address, window) : NULL;
    reader->bytes = bytes;
    reader->start = bytes ? address : 0;
    reader->end = bytes ? address + window : 0;
    return bytes;
}

bool mx_chunk_peek(const struct mx_memory *memory, mx_addr address, size_t length, uint8_t *out)
{
    return mx_memory_gather(memory, &address, 1, length, out, NULL) == 1;
}

static bool size_fits(uint64_t field, uint64_t room)
{
    uint64_t size = field & ~(uint64_t)MX_CHUNK_FLAGS;
    return size >= MX_CHUNK_LEAST && size % 16 == 0 && size <= room && !(field & MX_CHUNK_IS_MMAPPED);
}

/* A free chunk is known by what follows it: a flag, and its size once more. A flag alone may be a damaged header's. */
static bool is_before_free(const uint8_t *next, uint64_t size)
{
    return !(mx_load_u64(next + 8) & MX_CHUNK_PREV_INUSE) && mx_load_u64(next) == size;
}

bool mx_chunk_step(struct mx_chunk_reader *reader, mx_addr chunk, mx_addr limit, struct mx_chunk_step *ret)
{
    const uint8_t *bytes = mx_chunk_view(reader, chunk, MX_CHUNK_HEADER);
    if (!bytes)
        return false;
    uint64_t field = mx_load_u64(bytes + 8), size = field & ~(uint64_t)MX_CHUNK_FLAGS;
    if (!size_fits(field, limit - chunk))
        return false;
    uint8_t copy[MX_CHUNK_HEADER];
    const uint8_t *next = NULL;
    size_t shown = size - 8 < MX_CHUNK_SHOWN ? (size_t)size - 8 : MX_CHUNK_SHOWN;
    bytes = NULL;
    if (size + MX_CHUNK_HEADER <= WINDOW / 2 && (bytes = mx_chunk_view(reader, chunk, size + MX_CHUNK_HEADER)))
        next = bytes + size;
    else if (mx_chunk_peek(reader->cursor->memory, chunk + size, MX_CHUNK_HEADER, copy))
        next = copy;
    if (!next)
        return false;
    if (!bytes)
        bytes = mx_chunk_view(reader, chunk, MX_CHUNK_HEADER + shown);
    *ret = (struct mx_chunk_step){
        .size = size, .in_use = !is_before_free(next, size), .memory = bytes ? bytes + MX_CHUNK_HEADER : NULL};
    return true;
}

/* Two chunks of nothing but a header: what malloc leaves where its memory ends for now. */
static bool are_fenceposts(const struct mx_memory *memory, mx_addr chunk)
{
    uint8_t headers[2 * MX_CHUNK_HEADER];
    return mx_chunk_peek(memory, chunk, sizeof(headers), headers) &&
           (mx_load_u64(headers + 8) & ~(uint64_t)MX_CHUNK_FLAGS) == MX_CHUNK_HEADER &&
           (mx_load_u64(headers + 24) & ~(uint64_t)MX_CHUNK_FLAGS) <= MX_CHUNK_HEADER;
}

/* Jumps by sizes that may be nonsense must not drag a live target's window along: headers are read one by one. */
bool mx_chunk_plausible(const struct mx_memory *memory, mx_addr chunk, mx_addr limit)
{
    uint8_t header[MX_CHUNK_HEADER];
    if (chunk > limit || !mx_chunk_peek(memory, chunk, sizeof(header), header))
        return false;
    for (int i = 0; i < PLAUSIBLE_STEPS && chunk != limit; i++) {
        uint64_t field = mx_load_u64(header + 8), size = field & ~(uint64_t)MX_CHUNK_FLAGS;
        if (i > 0 && size == MX_CHUNK_HEADER)
            return are_fenceposts(memory, chunk);
        if (!size_fits(field, limit - chunk) || !mx_chunk_peek(memory, chunk + size, sizeof(header), header))
            return false;
        /* What stands at the end may be a top that nobody wrote yet. */
        bool last = i > 0 && chunk + size == limit;
        if (!last && !(mx_load_u64(header + 8) & MX_CHUNK_PREV_INUSE) && mx_load_u64(header) != size)
            return false;
        chunk += size;
    }
    return true;
}

/* Whether `user` is the memory of a chunk of `size` bytes; *ret_link is its first word. */
static bool is_cached(const struct mx_memory *memory, mx_addr user, uint64_t size, uint64_t *ret_link)
{
    uint8_t bytes[16];
    if (user % 16 || user < MX_CHUNK_HEADER || !mx_chunk_peek(memory, user - 8, sizeof(bytes), bytes))
        return false;
    uint64_t found = mx_load_u64(bytes) & ~(uint64_t)MX_CHUNK_FLAGS;
    if (size == MX_CHUNK_ANY_SIZE ? found < TCACHE_LARGE : found != size)
        return false;
    *ret_link = mx_load_u64(bytes + 8);
    return true;
}

/*
 * The chunk after `user`, whose first word was `link`; 0 at the end, and where the chain makes no sense. A plain link
 * that is taken for a mangled one may happen to lead to a chunk of that size, too; the other way round it seldom does.
 */
static mx_addr next_cached(const struct mx_glibc *glibc, mx_addr user, uint64_t size, uint64_t bias, uint64_t *link)
{
    mx_addr mangled = (user >> 12) ^ *link, plain = *link;
    if (!mangled || !plain)
        return 0;
    if (!glibc->plain_links && is_cached(glibc->memory, mangled + bias, size, link))
        return mangled + bias;
    return is_cached(glibc->memory, plain + bias, size, link) ? plain + bias : 0;
}

bool mx_chunk_chain(struct mx_glibc *glibc, mx_addr user, uint64_t size, uint64_t link_bias, uint64_t most)
{
    uint64_t link, steps = 0, lap = 1;
    mx_addr mark = 0;
    if (!is_cached(glibc->memory, user, size, &link))
        return true;
    while (user && user != mark && steps < most) {
        if (!mx_array_push(&glibc->cached, user))
            return false;
        /* A chain that runs in a circle meets the mark, which moves on in ever longer laps. */
        if (++steps == lap) {
            mark = user;
            lap *= 2;
        }
        user = next_cached(glibc, user, size, link_bias, &link);
    }
    return true;
}

/* struct tcache_perthread_struct: counts, then one pointer a bin. */
struct tcache_shape {
    size_t bins, count_bytes;
    bool counts_room; /* 2.42+: a count is of the chunks that may still be added */
};

static struct tcache_shape tcache_shape(uint64_t chunk_size)
{
    if (chunk_size >= 0x300)
        return (struct tcache_shape){TCACHE_MOST_BINS, 2, true};
    return (struct tcache_shape){TCACHE_SMALL_BINS, chunk_size >= 0x290 ? 2 : 1, false};
}

/* The counts of all bins; false when there can be none. */
static bool read_counts(const struct tcache_shape *shape, const uint8_t *tcache, uint64_t *ret)
{
    uint64_t room = 0;
    for (size_t bin = 0; bin < shape->bins; bin++) {
        ret[bin] = shape->count_bytes == 2 ? mx_load_u16(tcache + bin * 2) : tcache[bin];
        room = ret[bin] > room ? ret[bin] : room;
    }
    /* An empty bin has all the room, and those of large chunks are empty unless a tunable wants them. */
    for (size_t bin = 0; shape->counts_room && bin < shape->bins; bin++)
        ret[bin] = room - ret[bin];
    return room || !shape->counts_room;
}

static uint64_t size_of_bin(size_t bin)
{
    return bin < TCACHE_SMALL_BINS ? (bin + 2) * 16 : MX_CHUNK_ANY_SIZE;
}

/*
 * Whether the first `bins` entries go with their counts. One bin may be half changed when the target was stopped inside
 * malloc. But a block of zeros with one address in it is any object, and one full of addresses any table: all other
 * bins must begin with a chunk of their size. `memory` NULL: the chunks are not looked at.
 */
static bool bins_agree(const struct mx_memory *memory, const struct tcache_shape *shape, const uint8_t *tcache,
                       const uint64_t *counts, size_t bins)
{
    const uint8_t *entries = tcache + shape->bins * shape->count_bytes;
    unsigned misfits = 0, filled = 0;
    for (size_t bin = 0; bin < bins && misfits <= 1; bin++) {
        mx_addr entry = mx_load_u64(entries + bin * 8);
        uint64_t link;
        bool fits = entry % 16 == 0 && !entry == !counts[bin];
        if (fits && entry && memory)
            fits = is_cached(memory, entry, size_of_bin(bin), &link);
        misfits += !fits;
        filled += fits && entry;
    }
    return !misfits || (misfits == 1 && (filled || bins < shape->bins));
}

bool mx_chunk_may_be_tcache(const struct mx_chunk_step *step)
{
    uint64_t counts[TCACHE_MOST_BINS];
    if (!step->in_use || !mx_chunk_tcache_size(step->size))
        return false;
    struct tcache_shape shape = tcache_shape(step->size);
    size_t shown = (MX_CHUNK_SHOWN - shape.bins * shape.count_bytes) / 8;
    return !step->memory || (read_counts(&shape, step->memory, counts) &&
                             bins_agree(NULL, &shape, step->memory, counts, shown < shape.bins ? shown : shape.bins));
}

bool mx_chunk_tcache(struct mx_glibc *glibc, mx_addr user, uint64_t size)
{
    struct tcache_shape shape = tcache_shape(size);
    uint8_t tcache[TCACHE_MOST_BINS * (2 + 8)];
    uint64_t counts[TCACHE_MOST_BINS];
    const uint8_t *entries = tcache + shape.bins * shape.count_bytes;
    if (!mx_chunk_peek(glibc->memory, user, shape.bins * (shape.count_bytes + 8), tcache) ||
        !read_counts(&shape, tcache, counts) || !bins_agree(glibc->memory, &shape, tcache, counts, shape.bins))
        return true;
    for (size_t bin = 0; bin < shape.bins; bin++) {
        mx_addr entry = mx_load_u64(entries + bin * 8);
        uint64_t most = counts[bin] + 1;
        if (entry && (counts[bin] || !shape.counts_room) &&
            !mx_chunk_chain(glibc, entry, size_of_bin(bin), 0, most < MOST_CACHED ? most : MOST_CACHED))
            return false;
    }
    return true;
}

size_t mx_glibc_first_at(const mx_addr *addresses, size_t count, mx_addr user)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (addresses[middle] < user)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool mx_glibc_is_list(const struct mx_glibc *glibc, mx_addr address)
{
    for (size_t i = 0; i < glibc->arenas.count; i++)
        if (address - glibc->arenas.items[i].address < MX_GLIBC_STATE_SIZE)
            return true;
    return false;
}

bool mx_glibc_is_fast(const struct mx_glibc *glibc, mx_addr user)
{
    size_t index = mx_glibc_first_at(glibc->fast.items, glibc->fast.count, user);
    return index < glibc->fast.count && glibc->fast.items[index] == user;
}

uint64_t mx_glibc_top_size(const struct mx_glibc *glibc, const struct mx_glibc_arena *arena)
{
    uint8_t header[MX_CHUNK_HEADER];
    if (!arena->top || !mx_chunk_peek(glibc->memory, arena->top, sizeof(header), header))
        return 0;
    uint64_t size = mx_load_u64(header + 8) & ~(uint64_t)MX_CHUNK_FLAGS;
    return size <= arena->system_mem ? size : 0;
}

static bool walk_mmapped(const struct mx_chunk_span *span, struct mx_chunk_reader *reader,
                         bool (*visit)(void *context, const struct mx_chunk *chunk, const uint8_t *bytes),
                         void *context)
{
    struct mx_chunk chunk = {.address = span->start, .size = span->end - span->start, .used = true};
    size_t shown = chunk.size < MX_CHUNK_SHOWN ? (size_t)chunk.size : MX_CHUNK_SHOWN;
    return visit(context, &chunk, mx_chunk_view(reader, span->start, shown));
}

bool mx_glibc_walk(const struct mx_glibc *glibc, const struct mx_chunk_span *span, struct mx_cursor *cursor,
                   struct mx_work *work,
                   bool (*visit)(void *context, const struct mx_chunk *chunk, const uint8_t *bytes), void *context)
{
    enum { BETWEEN_STEPS = 1 << 16 };
    struct mx_chunk_reader reader = {.cursor = cursor};
    if (span->arena == MX_ARENA_MMAPPED)
        return walk_mmapped(span, &reader, visit, context);
    struct mx_chunk_step step;
    mx_addr limit = span->end - 8, reported = span->start;
    size_t cached = mx_glibc_first_at(glibc->cached.items, glibc->cached.count, span->start);
    for (mx_addr user = span->start; user - MX_CHUNK_HEADER < limit; user += step.size) {
        if (!mx_chunk_step(&reader, user - MX_CHUNK_HEADER, limit, &step))
            return true;
        while (cached < glibc->cached.count && glibc->cached.items[cached] < user)
            cached++;
        bool kept = cached < glibc->cached.count && glibc->cached.items[cached] == user;
        struct mx_chunk chunk = {.address = user, .size = step.size - 8, .used = step.in_use && !kept, .cached = kept};
        if (!visit(context, &chunk, step.memory))
            return false;
        if (user - reported < BETWEEN_STEPS)
            continue;
        if (work && !mx_work_step(work, user - reported))
            return false;
        reported = user;
    }
    return true;
}

struct chunk_usage {
    uint64_t chunks, bytes;
};

static bool add_used(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    (void)bytes;
    struct chunk_usage *usage = context;
    usage->chunks += chunk->used;
    usage->bytes += chunk->used ? chunk->size : 0;
    return true;
}

void mx_glibc_usage(const struct mx_glibc *glibc, struct mx_cursor *cursor, uint64_t *ret_chunks, uint64_t *ret_bytes)
{
    struct chunk_usage usage = {0, 0};
    for (size_t i = 0; i < glibc->spans.count; i++)
        mx_glibc_walk(glibc, &glibc->spans.items[i], cursor, NULL, add_used, &usage);
    *ret_chunks = usage.chunks;
    *ret_bytes = usage.bytes;
}
