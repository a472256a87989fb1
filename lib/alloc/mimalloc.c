/* SPDX-License-Identifier: Apache-2.0
 *
 * mimalloc's segments, pages and free chains, read without its symbols. Every number is the target's: what does not
 * fit its neighbours is passed over and counted.
 */
#include "alloc/mimalloc.h"

#include <stdlib.h>

#include "alloc/chunk.h"
#include "base/map.h"

#define SEGMENT_SIZE ((mx_addr)1 << MX_MI_SEGMENT_SHIFT)
#define SLICE_SIZE ((mx_addr)1 << MX_MI_SLICE_SHIFT)

enum {
    WORD = 8,
    BATCH = 256,          /* candidates that are looked at with one read */
    MOST_HEADER = 512,    /* bytes of a segment before its descriptors, and the first of these */
    MOST_INFO_SLICES = 4, /* that the header takes */
    MOST_HEAPS = 1 << 16,
    MOST_DELAYED = 1 << 24,
    FLAG_BITS = 3, /* of xthread_free */
    TAG_BYTE = 8,
    TAG_SHIFT = 3,
    TAG_MASK = 15, /* 2.1.2: a bit field of its page */
    SMALL_BLOCK = 64,
    MEDIUM_BLOCK = 512,
    SMALL_LEAD = 3,
};
#define HUGE_BLOCK (UINT64_C(1) << 31) /* 2.1.2: the block is the whole page */
#define MOST_SEGMENT_SLICES (UINT64_C(1) << 31)

struct candidate {
    struct mx_mi_segment segment;
    uint64_t key; /* the same for all segments of one mimalloc */
};

struct search {
    const struct mx_mimalloc_facts *facts;
    const struct mx_memory *memory;
    MX_ARRAY(mx_addr) places;
    MX_ARRAY(struct candidate) found;
};

/* The header describes itself: its slices, and the first descriptor, which is the header's own. */
static bool read_header(const struct mx_mimalloc_facts *facts, const uint8_t *bytes, mx_addr address,
                        struct candidate *ret)
{
    uint64_t slices = mx_load_u64(bytes + facts->segment_slices),
             info = mx_load_u64(bytes + facts->segment_info_slices),
             entries = mx_load_u64(bytes + facts->slice_entries);
    const uint8_t *first = bytes + facts->slices;
    uint64_t most = slices > MX_MI_SLICES ? MX_MI_SLICES : slices;
    if (!slices || slices > MOST_SEGMENT_SLICES || !info || info > MOST_INFO_SLICES || entries < info ||
        (entries != most && entries + 1 != most))
        return false;
    if (mx_load_u32(first + facts->slice_count) != info || mx_load_u32(first + facts->slice_offset))
        return false;
    ret->key = mx_load_u64(bytes + facts->cookie) ^ address;
    ret->segment = (struct mx_mi_segment){.address = address,
                                          .end = address + slices * SLICE_SIZE,
                                          .thread = mx_load_u64(bytes + facts->thread_id),
                                          .info = (uint32_t)info,
                                          .used = (uint32_t)entries};
    return true;
}

static bool add_places(struct search *search)
{
    for (size_t i = 0; i < search->memory->regions.count; i++) {
        const struct mx_region *region = &search->memory->regions.items[i];
        if (!mx_chunk_anonymous(region))
            continue;
        mx_addr at = (region->start + SEGMENT_SIZE - 1) & ~(SEGMENT_SIZE - 1);
        for (; at < region->end && at >= region->start; at += SEGMENT_SIZE)
            if (!mx_array_push(&search->places, at))
                return false;
    }
    return true;
}

static bool look_at_places(struct search *search)
{
    size_t length = search->facts->slices + search->facts->page_size;
    uint8_t *rows = malloc((size_t)BATCH * MOST_HEADER);
    uint64_t found[BATCH / 64];
    bool ok = rows != NULL;
    for (size_t at = 0; ok && at < search->places.count; at += BATCH) {
        size_t count = search->places.count - at < BATCH ? search->places.count - at : BATCH;
        mx_memory_gather(search->memory, search->places.items + at, count, length, rows, found);
        for (size_t i = 0; ok && i < count; i++) {
            struct candidate candidate;
            if ((found[i / 64] >> i % 64 & 1) &&
                read_header(search->facts, rows + i * length, search->places.items[at + i], &candidate))
                ok = mx_array_push(&search->found, candidate);
        }
    }
    free(rows);
    return ok;
}

/* The key that most have, by Boyer and Moore's vote. */
static uint64_t common_key(const struct search *search)
{
    uint64_t key = 0;
    size_t votes = 0;
    for (size_t i = 0; i < search->found.count; i++) {
        if (!votes)
            key = search->found.items[i].key;
        votes = search->found.items[i].key == key ? votes + 1 : votes - 1;
    }
    return key;
}

/* Places come in address order, so that a segment in another one's slices is an old header in a block. */
static bool keep_segments(const struct search *search, struct mx_mimalloc *ret)
{
    uint64_t key = common_key(search);
    mx_addr end = 0;
    for (size_t i = 0; i < search->found.count; i++) {
        const struct candidate *one = &search->found.items[i];
        if (one->segment.address < end)
            continue;
        if (one->key != key || !mx_mimalloc_slices(ret, &one->segment)) {
            ret->skipped++;
            continue;
        }
        end = one->segment.end;
        if (!mx_array_push(&ret->segments, one->segment))
            return false;
    }
    return true;
}

static struct mx_error *find_segments(struct mx_mimalloc *ret)
{
    struct search search = {.facts = &ret->facts, .memory = ret->memory};
    bool ok = add_places(&search) && look_at_places(&search) && keep_segments(&search, ret);
    mx_array_free(&search.places);
    mx_array_free(&search.found);
    return ok ? NULL : mx_error_no_memory();
}

const uint8_t *mx_mimalloc_slices(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment)
{
    return mx_memory_view(mimalloc->memory, segment->address + mimalloc->facts.slices,
                          (size_t)segment->used * mimalloc->facts.page_size);
}

/* CPython Objects/mimalloc/segment.c: _mi_segment_page_start_from_slice() */
static mx_addr start_of_blocks(mx_addr area, uint64_t block_size)
{
    if (block_size >= WORD && block_size <= SMALL_BLOCK)
        return area + SMALL_LEAD * block_size;
    return area + (block_size >= WORD && block_size <= MEDIUM_BLOCK ? block_size : 0);
}

/* 2.5.2 has wider sizes, narrower counts, and says where the blocks begin. */
static void read_generation(const struct mx_mimalloc_facts *facts, const uint8_t *bytes, mx_addr area,
                            struct mx_mi_page *ret)
{
    if (facts->page_start) {
        ret->block_size = mx_load_u64(bytes + facts->block_size);
        ret->used = mx_load_u16(bytes + facts->used);
        ret->start = mx_load_u64(bytes + facts->page_start);
        ret->tag = bytes[facts->heap_tag];
        return;
    }
    ret->block_size = mx_load_u32(bytes + facts->block_size);
    if (ret->block_size >= HUGE_BLOCK)
        ret->block_size = ret->area_end - area;
    ret->used = mx_load_u32(bytes + facts->used);
    ret->start = start_of_blocks(area, ret->block_size);
    ret->tag = bytes[TAG_BYTE] >> TAG_SHIFT & TAG_MASK;
}

static void read_chains(const struct mx_mimalloc_facts *facts, const uint8_t *bytes, struct mx_mi_page *ret)
{
    ret->chains[0] = mx_load_u64(bytes + facts->free);
    ret->chains[1] = mx_load_u64(bytes + facts->local_free);
    ret->chains[2] = mx_load_u64(bytes + facts->xthread_free) & ~(uint64_t)FLAG_BITS;
    ret->keys[0] = facts->page_keys ? mx_load_u64(bytes + facts->page_keys) : 0;
    ret->keys[1] = facts->page_keys ? mx_load_u64(bytes + facts->page_keys + WORD) : 0;
}

/* Whether the page at slice `at` holds blocks; `bytes` is its descriptor. */
static bool read_page(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment, const uint8_t *bytes,
                      uint32_t at, uint64_t slices, struct mx_mi_page *ret)
{
    const struct mx_mimalloc_facts *facts = &mimalloc->facts;
    mx_addr area = segment->address + (mx_addr)at * SLICE_SIZE;
    uint32_t capacity = mx_load_u16(bytes + facts->capacity);
    *ret = (struct mx_mi_page){.area_end = area + slices * SLICE_SIZE,
                               .capacity = capacity,
                               .descriptor = segment->address + facts->slices + (mx_addr)at * facts->page_size};
    read_generation(facts, bytes, area, ret);
    if (ret->start < area || ret->start >= ret->area_end || ret->block_size < WORD || ret->block_size % WORD ||
        capacity > mx_load_u16(bytes + facts->reserved) || ret->used > capacity)
        return false;
    uint64_t room = ret->area_end - ret->start;
    if (capacity == 1 && ret->block_size > room)
        ret->block_size = room;
    if (ret->block_size > room / (capacity ? capacity : 1) ||
        (capacity > 1 && capacity * ret->block_size > MX_MI_MANY_BYTES))
        return false;
    ret->end = ret->start + capacity * ret->block_size;
    read_chains(facts, bytes, ret);
    return true;
}

static bool is_free_span(const struct mx_mimalloc_facts *facts, const uint8_t *bytes)
{
    return facts->page_start ? !mx_load_u64(bytes + facts->block_size) : !mx_load_u32(bytes + facts->block_size);
}

bool mx_mimalloc_next(const struct mx_mimalloc *mimalloc, const struct mx_mi_segment *segment, const uint8_t *slices,
                      uint32_t *at, struct mx_mi_page *ret, uint64_t *damaged)
{
    const struct mx_mimalloc_facts *facts = &mimalloc->facts;
    uint64_t all = (segment->end - segment->address) / SLICE_SIZE;
    if (*at < segment->info)
        *at = segment->info;
    while (*at < segment->used) {
        uint32_t index = *at;
        const uint8_t *bytes = slices + (size_t)index * facts->page_size;
        uint64_t count = mx_load_u32(bytes + facts->slice_count);
        if (!count || count > all - index || mx_load_u32(bytes + facts->slice_offset)) {
            (*damaged)++;
            (*at)++;
            continue;
        }
        *at = count > segment->used - index ? segment->used : index + (uint32_t)count;
        if (is_free_span(facts, bytes))
            continue;
        if (read_page(mimalloc, segment, bytes, index, count, ret) && ret->capacity)
            return true;
        *damaged += ret->capacity != 0;
    }
    return false;
}

/* Links are plain in release builds; Py_DEBUG ones encode them. (mimalloc/internal.h: mi_ptr_decode) */
static mx_addr decode(const uint64_t keys[2], mx_addr null, uint64_t word)
{
    if (!keys[0] && !keys[1])
        return word;
    uint64_t value = word - keys[0];
    unsigned shift = keys[0] & 63;
    value = shift ? value >> shift | value << (64 - shift) : value;
    value ^= keys[1];
    return value == null ? 0 : value;
}

/* The number of the block that begins at `address`; MX_MI_MOST_BLOCKS when none does. */
static uint32_t block_number(const struct mx_mi_page *page, mx_addr address)
{
    if (address < page->start || address >= page->end || (address - page->start) % page->block_size)
        return MX_MI_MOST_BLOCKS;
    return (uint32_t)((address - page->start) / page->block_size);
}

static bool mark(uint64_t *free_bits, uint32_t number, uint32_t *count)
{
    uint64_t bit = UINT64_C(1) << number % 64;
    if (free_bits[number / 64] & bit)
        return false;
    free_bits[number / 64] |= bit;
    (*count)++;
    return true;
}

/* A block that comes twice ends the chain, so that no circle is walked. */
static bool mark_chain(const struct mx_mi_page *page, const uint8_t *bytes, mx_addr head, uint64_t *free_bits,
                       uint32_t *count)
{
    for (mx_addr at = head; at;) {
        uint32_t number = block_number(page, at);
        if (number >= page->capacity || !mark(free_bits, number, count))
            return false;
        at = decode(page->keys, page->descriptor, mx_load_u64(bytes + (at - page->start)));
    }
    return true;
}

static void mark_delayed(const struct mx_mimalloc *mimalloc, const struct mx_mi_page *page, uint64_t *free_bits,
                         uint32_t *count)
{
    size_t low = 0, high = mimalloc->delayed.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mimalloc->delayed.items[middle] < page->start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < mimalloc->delayed.count && mimalloc->delayed.items[low] < page->end; low++) {
        uint32_t number = block_number(page, mimalloc->delayed.items[low]);
        if (number < page->capacity)
            mark(free_bits, number, count);
    }
}

bool mx_mimalloc_free(const struct mx_mimalloc *mimalloc, const struct mx_mi_page *page, const uint8_t *bytes,
                      uint64_t free_bits[MX_MI_WORDS], uint32_t *ret_free)
{
    uint32_t count = 0;
    memset(free_bits, 0, ((size_t)page->capacity + 63) / 64 * sizeof(*free_bits));
    bool whole = mark_chain(page, bytes, page->chains[0], free_bits, &count);
    whole &= mark_chain(page, bytes, page->chains[1], free_bits, &count);
    whole &= page->used + count == page->capacity;
    whole &= mark_chain(page, bytes, page->chains[2], free_bits, &count);
    mark_delayed(mimalloc, page, free_bits, &count);
    *ret_free = count;
    return whole;
}

bool mx_mimalloc_walk(struct mx_mi_walk *walk, struct mx_mi_page *ret)
{
    const struct mx_mimalloc *mimalloc = walk->mimalloc;
    uint64_t damaged = 0;
    for (; walk->segment < mimalloc->segments.count; walk->segment++, walk->slices = NULL, walk->at = 0) {
        const struct mx_mi_segment *segment = &mimalloc->segments.items[walk->segment];
        if (!walk->slices)
            walk->slices = mx_mimalloc_slices(mimalloc, segment);
        if (walk->slices && mx_mimalloc_next(mimalloc, segment, walk->slices, &walk->at, ret, &damaged))
            return true;
    }
    return false;
}

static bool add_heap(const struct mx_mimalloc *mimalloc, mx_addr descriptor, struct mx_map *seen)
{
    mx_addr heap = mx_memory_pointer(mimalloc->memory, descriptor + mimalloc->facts.xheap);
    if (!heap || seen->count >= MOST_HEAPS || !mx_memory_region(mimalloc->memory, heap))
        return true;
    return mx_map_set(seen, heap, 1);
}

static bool list_heaps(const struct mx_mimalloc *mimalloc, struct mx_map *seen)
{
    struct mx_mi_page page;
    for (struct mx_mi_walk walk = {.mimalloc = mimalloc}; mx_mimalloc_walk(&walk, &page);)
        if (!add_heap(mimalloc, page.descriptor, seen))
            return false;
    return true;
}

static bool add_delayed(struct mx_mimalloc *mimalloc, mx_addr heap)
{
    const struct mx_mimalloc_facts *facts = &mimalloc->facts;
    uint64_t keys[2] = {0, 0};
    if (facts->page_keys) {
        mx_memory_u64(mimalloc->memory, heap + facts->heap_keys, &keys[0]);
        mx_memory_u64(mimalloc->memory, heap + facts->heap_keys + WORD, &keys[1]);
    }
    mx_addr at = mx_memory_pointer(mimalloc->memory, heap + facts->delayed_free);
    while (at && mimalloc->delayed.count < MOST_DELAYED) {
        uint64_t link;
        if (!mx_memory_u64(mimalloc->memory, at, &link))
            break;
        if (!mx_array_push(&mimalloc->delayed, at))
            return false;
        at = decode(keys, heap, link);
    }
    return true;
}

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return left < right ? -1 : left > right;
}

static struct mx_error *find_delayed(struct mx_mimalloc *mimalloc)
{
    struct mx_map seen = {0};
    bool ok = list_heaps(mimalloc, &seen);
    for (size_t i = 0; ok && seen.bits && i < (size_t)1 << seen.bits; i++)
        if (seen.keys[i])
            ok = add_delayed(mimalloc, seen.keys[i]);
    mx_map_deinit(&seen);
    if (mimalloc->delayed.count)
        qsort(mimalloc->delayed.items, mimalloc->delayed.count, sizeof(mx_addr), compare_addresses);
    return ok ? NULL : mx_error_no_memory();
}

struct mx_error *mx_mimalloc_open(const struct mx_mimalloc_facts *facts, const struct mx_memory *memory,
                                  struct mx_mimalloc *ret)
{
    *ret = (struct mx_mimalloc){.facts = *facts, .memory = memory};
    if (!facts->present || facts->slices + facts->page_size > MOST_HEADER)
        return NULL;
    MX_TRY(find_segments(ret));
    return find_delayed(ret);
}

void mx_mimalloc_close(struct mx_mimalloc *mimalloc)
{
    mx_array_free(&mimalloc->segments);
    mx_array_free(&mimalloc->delayed);
}
