/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a target on demand: shadows that keep what was looked at, and bulk
 * reads that keep nothing.
 *
 * A shadow is filled in 64 KB blocks, but what is there is recorded by 4 KB
 * page, since a block may hold pages that cannot be read. A page's bytes are
 * written once, before its bit is set, so a reader that sees the bit may use
 * the bytes without a lock.
 */
#include "base/pages.h"
#include "memory/source.h"

enum {
    BLOCK = 64 * 1024,
    WINDOW = 4 * 1024 * 1024, /* of a cursor */
    KEPT = 1024 * 1024,       /* of what a cursor read, for views that go back a little */
    PIECE = 512 * 1024,       /* one read of a cursor: 256 KB to 1 MB measured fastest */
    AHEAD = 1024 * 1024,      /* one read of a shadow that will be needed whole */
    ROWS = 1024               /* UIO_MAXIOV */
};

void mx_source_init(struct mx_memory_source *source)
{
    *source = (struct mx_memory_source){0};
    pthread_mutex_init(&source->lock, NULL);
}

void mx_source_deinit(struct mx_memory_source *source)
{
    pthread_mutex_destroy(&source->lock);
    mx_strtab_deinit(&source->names);
}

size_t mx_live_read(const struct mx_memory *memory, mx_addr address, uint8_t *out, size_t length)
{
    struct iovec local = {.iov_base = out, .iov_len = length};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = length};
    return memory->source->read(memory->source, &local, &remote, 1);
}

static size_t shadow_pages(const struct mx_region *region)
{
    return (region->end - region->start + MX_PAGE - 1) / MX_PAGE;
}

void mx_live_drop(struct mx_region *region)
{
    if (!region->fetched)
        return;
    mx_pages_release((void *)(uintptr_t)region->bytes, region->end - region->start);
    free((void *)region->fetched);
    region->bytes = NULL;
    region->fetched = NULL;
}

/* Under the lock. Huge pages would be zeroed before they are overwritten: three times slower, measured. */
static bool reserve_shadow(struct mx_region *region)
{
    if (region->fetched)
        return true;
    size_t size = region->end - region->start;
    _Atomic uint64_t *fetched = mx_calloc(shadow_pages(region) / 64 + 1, sizeof(*fetched));
    if (!fetched)
        return false;
    void *shadow = mx_pages_reserve_sparse(size);
    if (!shadow) {
        free((void *)fetched);
        return false;
    }
    region->bytes = shadow;
    __atomic_store_n(&region->fetched, fetched, __ATOMIC_RELEASE);
    return true;
}

static bool page_is_there(const _Atomic uint64_t *fetched, size_t page)
{
    return atomic_load_explicit(&fetched[page / 64], memory_order_acquire) >> (page % 64) & 1;
}

/* The first page of first..last that is not in the shadow; last + 1 when all are. */
static size_t first_absent(const _Atomic uint64_t *fetched, size_t first, size_t last)
{
    while (first <= last && page_is_there(fetched, first))
        first++;
    return first;
}

/* Reads pages from..end - 1, stopping at the first that is there already: published bytes never change. */
static void fetch_pages(const struct mx_memory *memory, struct mx_region *region, size_t from, size_t end)
{
    size_t until = from;
    while (until < end && !page_is_there(region->fetched, until))
        until++;
    size_t start = from * MX_PAGE;
    size_t size = region->end - region->start;
    size_t length = (until * MX_PAGE < size ? until * MX_PAGE : size) - start;
    if (!length)
        return;
    size_t read = mx_live_read(memory, region->start + start, (uint8_t *)(uintptr_t)region->bytes + start, length);
    size_t whole = read == length ? until - from : read / MX_PAGE;
    for (size_t page = from; page < from + whole; page++)
        atomic_fetch_or_explicit(&region->fetched[page / 64], UINT64_C(1) << (page % 64), memory_order_release);
}

/* The whole block first; then from the wanted page on, in case an unreadable one before it ended the first read. */
static bool fetch_block_of(const struct mx_memory *memory, struct mx_region *region, size_t page)
{
    size_t pages = shadow_pages(region);
    size_t begin = page / (BLOCK / MX_PAGE) * (BLOCK / MX_PAGE);
    size_t end = begin + BLOCK / MX_PAGE < pages ? begin + BLOCK / MX_PAGE : pages;
    size_t from = first_absent(region->fetched, begin, page);
    fetch_pages(memory, region, from, end);
    if (from != page && !page_is_there(region->fetched, page))
        fetch_pages(memory, region, page, end);
    return page_is_there(region->fetched, page);
}

static bool fetch(const struct mx_memory *memory, struct mx_region *region, size_t first, size_t last)
{
    pthread_mutex_lock(&memory->source->lock);
    bool complete = !atomic_load(&memory->source->gone) && reserve_shadow(region);
    while (complete && (first = first_absent(region->fetched, first, last)) <= last)
        complete = fetch_block_of(memory, region, first);
    pthread_mutex_unlock(&memory->source->lock);
    return complete;
}

/* Goes on behind pages that cannot be read: what is missing is found out when it is looked at. */
static void fetch_ahead(const struct mx_memory *memory, struct mx_region *region, size_t page, size_t end)
{
    pthread_mutex_lock(&memory->source->lock);
    bool ready = !atomic_load(&memory->source->gone) && reserve_shadow(region);
    for (; ready && page < end; page += AHEAD / MX_PAGE) {
        size_t until = end - page < AHEAD / MX_PAGE ? end : page + AHEAD / MX_PAGE;
        for (size_t from = page; from < until; from++) {
            from = first_absent(region->fetched, from, until - 1);
            if (from < until)
                fetch_pages(memory, region, from, until);
        }
    }
    pthread_mutex_unlock(&memory->source->lock);
}

void mx_memory_fetch(const struct mx_memory *memory, mx_addr address, uint64_t length)
{
    for (size_t i = 0; i < memory->regions.count; i++) {
        struct mx_region *region = &memory->regions.items[i];
        if (!(region->flags & MX_REGION_LIVE) || region->end <= address || region->start >= address + length)
            continue;
        mx_addr from = address > region->start ? address : region->start;
        mx_addr until = address + length < region->end ? address + length : region->end;
        fetch_ahead(memory, region, (from - region->start) / MX_PAGE, (until - region->start + MX_PAGE - 1) / MX_PAGE);
    }
}

const uint8_t *mx_live_view(const struct mx_memory *memory, struct mx_region *region, mx_addr address, size_t length)
{
    size_t offset = address - region->start;
    size_t first = offset / MX_PAGE;
    size_t last = length ? (offset + length - 1) / MX_PAGE : first;
    const _Atomic uint64_t *fetched = __atomic_load_n(&region->fetched, __ATOMIC_ACQUIRE);
    if (!fetched || first_absent(fetched, first, last) <= last)
        if (!fetch(memory, region, first, last))
            return NULL;
    return region->bytes + offset;
}

struct batch {
    struct iovec local[ROWS], remote[ROWS];
    size_t rows[ROWS];
    size_t count;
};

static void mark_found(uint64_t *found, size_t row)
{
    if (found)
        found[row / 64] |= UINT64_C(1) << (row % 64);
}

/* A read ends at the first row that faults: that row is given up, and the read goes on behind it. */
static size_t read_batch(const struct mx_memory *memory, struct batch *batch, size_t length, uint64_t *found)
{
    size_t good = 0;
    for (size_t at = 0; at < batch->count; at++) {
        size_t read = memory->source->read(memory->source, batch->local + at, batch->remote + at, batch->count - at);
        for (size_t rows = read / length; rows; rows--, at++, good++)
            mark_found(found, batch->rows[at]);
        if (at < batch->count)
            memset(batch->local[at].iov_base, 0, length);
    }
    batch->count = 0;
    return good;
}

static bool is_live_row(const struct mx_memory *memory, mx_addr address, size_t length)
{
    const struct mx_region *region = mx_memory_region(memory, address);
    return region && region->flags & MX_REGION_LIVE && region->end - address >= length && !memory->source->remote;
}

static void push_row(struct batch *batch, size_t row, uint8_t *out, mx_addr address, size_t length)
{
    batch->local[batch->count] = (struct iovec){.iov_base = out, .iov_len = length};
    batch->remote[batch->count] = (struct iovec){.iov_base = (void *)(uintptr_t)address, .iov_len = length};
    batch->rows[batch->count++] = row;
}

static bool copy_row(const struct mx_memory *memory, mx_addr address, size_t length, uint8_t *out)
{
    const uint8_t *bytes = mx_memory_view(memory, address, length);
    if (bytes)
        memcpy(out, bytes, length);
    else
        memset(out, 0, length);
    return bytes;
}

size_t mx_memory_gather(const struct mx_memory *memory, const mx_addr *addresses, size_t count, size_t length,
                        uint8_t *out, uint64_t *found)
{
    struct batch batch;
    batch.count = 0;
    size_t good = 0;
    if (found)
        memset(found, 0, (count + 63) / 64 * sizeof(*found));
    for (size_t row = 0; row < count && length; row++) {
        if (is_live_row(memory, addresses[row], length)) {
            push_row(&batch, row, out + row * length, addresses[row], length);
        } else if (copy_row(memory, addresses[row], length, out + row * length)) {
            mark_found(found, row);
            good++;
        }
        if (batch.count == ROWS)
            good += read_batch(memory, &batch, length, found);
    }
    return good + read_batch(memory, &batch, length ? length : 1, found);
}

void mx_cursor_init(struct mx_cursor *cursor, const struct mx_memory *memory)
{
    *cursor = (struct mx_cursor){.memory = memory};
}

void mx_cursor_reset(struct mx_cursor *cursor, const struct mx_memory *memory)
{
    *cursor = (struct mx_cursor){.memory = memory, .window = cursor->window};
}

void mx_cursor_deinit(struct mx_cursor *cursor)
{
    free(cursor->window);
    *cursor = (struct mx_cursor){0};
}

/*
 * Whether the window grows to where `address` is. A pass that only goes on begins it anew instead: the same few pages
 * of it stay in the processor's caches, and the others are never touched.
 */
static bool window_grows(const struct mx_cursor *cursor, mx_addr address, size_t length, mx_addr region_start)
{
    mx_addr window_end = cursor->start + cursor->length;
    if (!cursor->length || address < cursor->start || address > window_end || cursor->start < region_start ||
        address - cursor->start + length > WINDOW)
        return false;
    return cursor->length < KEPT || window_end - address > length / 8;
}

/* Moves the window to the page of `address`, unless it grows. */
static void place_window(struct mx_cursor *cursor, mx_addr address, size_t length, mx_addr region_start)
{
    if (window_grows(cursor, address, length, region_start))
        return;
    mx_addr page = address - address % MX_PAGE;
    cursor->start = page > region_start ? page : region_start;
    cursor->length = 0;
}

/* Reads on, a piece at a time, until the window holds address..address + length. */
static bool grow_window(struct mx_cursor *cursor, mx_addr address, size_t length, mx_addr region_end)
{
    size_t wanted = address - cursor->start + length;
    size_t room = region_end - cursor->start < WINDOW ? region_end - cursor->start : WINDOW;
    while (cursor->length < wanted) {
        size_t piece = room - cursor->length < PIECE ? room - cursor->length : PIECE;
        size_t read =
            mx_live_read(cursor->memory, cursor->start + cursor->length, cursor->window + cursor->length, piece);
        cursor->length += read;
        if (read < piece)
            break;
    }
    return cursor->length >= wanted;
}

const uint8_t *mx_cursor_view(struct mx_cursor *cursor, mx_addr address, size_t length)
{
    if (cursor->length && address >= cursor->start && address - cursor->start <= cursor->length &&
        length <= cursor->length - (address - cursor->start))
        return cursor->window + (address - cursor->start);
    const struct mx_region *region = mx_memory_region(cursor->memory, address);
    if (!region || !(region->flags & MX_REGION_LIVE) || cursor->memory->source->remote)
        return mx_memory_view(cursor->memory, address, length);
    if (region->end - address < length || length > WINDOW / 2)
        return NULL;
    if (!cursor->window && !(cursor->window = aligned_alloc(MX_PAGE, WINDOW)))
        return NULL;
    place_window(cursor, address, length, region->start);
    if (!grow_window(cursor, address, length, region->end))
        return NULL;
    return cursor->window + (address - cursor->start);
}
