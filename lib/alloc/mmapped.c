/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks that glibc's malloc mapped one by one, because they are large: found by their headers at page starts of
 * anonymous memory. It knows nothing of arenas but the ranges that it must leave out.
 */
#include "alloc/chunk.h"

enum { PAGE_BATCH = 1024, MOST_LEAD_PAGES = 64, MOST_LEADS = MOST_LEAD_PAGES + 7 };

bool mx_chunk_anonymous(const struct mx_region *region)
{
    uint32_t unwanted =
        MX_REGION_FILE | MX_REGION_BSS | MX_REGION_MISSING | MX_REGION_KERNEL | MX_REGION_INITIAL | MX_REGION_SHARED;
    return (region->flags & MX_REGION_WRITE) && !(region->flags & unwanted);
}

bool mx_chunk_mapped(const struct mx_memory *memory, mx_addr start, mx_addr end)
{
    while (start < end) {
        const struct mx_region *region = mx_memory_region(memory, start);
        if (!region || !mx_chunk_anonymous(region))
            return false;
        start = region->end;
    }
    return true;
}

/* A stretch of pages without anything taken, being looked at. */
struct stretch {
    mx_addr at, stop; /* the next page, and the end of the region or of what is free in it */
    mx_addr taken;    /* chunks end here at the latest */
    size_t batch;     /* pages to look at at once */
};

/* What of a mapping's end is not in the chunk's size: nothing, or one header since glibc 2.43. */
static uint64_t bytes_behind(uint64_t lead, uint64_t size)
{
    return (lead + size) % MX_PAGE == MX_PAGE - MX_CHUNK_HEADER ? MX_CHUNK_HEADER : 0;
}

/*
 * Whether `header` is that of an mmapped chunk which lies `lead` bytes behind the page where its mapping begins;
 * *ret_end is where it ends then.
 */
static bool is_mmapped(const struct mx_memory *memory, mx_addr page, uint64_t lead, const uint8_t *header, mx_addr stop,
                       mx_addr *ret_end)
{
    uint64_t field = mx_load_u64(header + 8), size = field & ~(uint64_t)MX_CHUNK_FLAGS;
    size += bytes_behind(lead, size);
    if (mx_load_u64(header) != lead || (field & MX_CHUNK_FLAGS) != MX_CHUNK_IS_MMAPPED || size < MX_CHUNK_LEAST ||
        (size + lead) % MX_PAGE || page + lead > stop || size > stop - page - lead ||
        !mx_chunk_mapped(memory, page, page + lead + size))
        return false;
    *ret_end = page + lead + size;
    return true;
}

/*
 * memalign leaves the header at the page's start and writes a second one in front of the aligned memory; its prev_size
 * says how far it lies behind the first. realloc changes only the second, and may move both, so that the memory is no
 * longer aligned to more than a page. Fills `addresses` with where it can be and returns how many.
 */
static size_t second_headers(mx_addr page, mx_addr *addresses)
{
    size_t count = 0;
    for (mx_addr alignment = MX_CHUNK_LEAST; alignment < MX_PAGE; alignment *= 2)
        addresses[count++] = page + alignment - MX_CHUNK_HEADER;
    for (mx_addr pages = 1; pages <= MOST_LEAD_PAGES; pages++)
        addresses[count++] = page + pages * MX_PAGE - MX_CHUNK_HEADER;
    return count;
}

/* The chunk whose mapping begins at `page`, where `header` stands; false when there is none. */
static bool read_mmapped(const struct mx_memory *memory, mx_addr page, const uint8_t *header, mx_addr stop,
                         struct mx_chunk_span *ret)
{
    mx_addr addresses[MOST_LEADS];
    uint8_t seconds[MOST_LEADS * MX_CHUNK_HEADER];
    uint64_t field = mx_load_u64(header + 8);
    ret->arena = MX_ARENA_MMAPPED;
    ret->start = page + MX_CHUNK_HEADER;
    field += bytes_behind(0, field & ~(uint64_t)MX_CHUNK_FLAGS);
    if (mx_load_u64(header) || field % MX_PAGE != MX_CHUNK_IS_MMAPPED || field < MX_PAGE)
        return false;
    size_t count = second_headers(page, addresses);
    mx_memory_gather(memory, addresses, count, MX_CHUNK_HEADER, seconds, NULL);
    for (size_t i = 0; i < count; i++) {
        uint64_t lead = addresses[i] - page;
        if (!is_mmapped(memory, page, lead, seconds + i * MX_CHUNK_HEADER, stop, &ret->end))
            continue;
        ret->start = addresses[i] + MX_CHUNK_HEADER;
        return true;
    }
    return is_mmapped(memory, page, 0, header, stop, &ret->end);
}

/* Rounds up to a page; the last page of all is never anybody's. */
static mx_addr page_after(mx_addr address)
{
    return address > UINT64_MAX - MX_PAGE ? UINT64_MAX : (address + MX_PAGE - 1) & ~(mx_addr)(MX_PAGE - 1);
}

/*
 * Looks at the next pages; an mmapped chunk among them becomes a span, behind which there is often another one; where
 * there is none, pages are looked at by ever larger batches. False: no memory.
 */
static bool look_at_pages(struct mx_glibc *glibc, struct stretch *stretch)
{
    mx_addr pages[PAGE_BATCH];
    uint8_t headers[PAGE_BATCH * MX_CHUNK_HEADER];
    size_t count = 0;
    pages[0] = stretch->at;
    for (; stretch->at < stretch->stop && count < stretch->batch; stretch->at = page_after(stretch->at + 1))
        pages[count++] = stretch->at;
    mx_memory_gather(glibc->memory, pages, count, MX_CHUNK_HEADER, headers, NULL);
    stretch->batch = stretch->batch * 2 < PAGE_BATCH ? stretch->batch * 2 : PAGE_BATCH;
    for (size_t i = 0; i < count; i++) {
        struct mx_chunk_span span;
        if (!read_mmapped(glibc->memory, pages[i], headers + i * MX_CHUNK_HEADER, stretch->taken, &span))
            continue;
        stretch->at = span.end;
        stretch->batch = 1;
        return mx_array_push(&glibc->spans, span);
    }
    return true;
}

/* Neighbouring mappings merge, so chunks may begin at any page. */
bool mx_chunk_find_mmapped(struct mx_glibc *glibc, const struct mx_range *taken, size_t count)
{
    struct stretch stretch = {.batch = 1};
    size_t next = 0;
    for (size_t i = 0; i < glibc->memory->regions.count; i++) {
        const struct mx_region *region = &glibc->memory->regions.items[i];
        if (!mx_chunk_anonymous(region) || (region->flags & (MX_REGION_STACK | MX_REGION_HEAP)))
            continue;
        stretch.at = page_after(stretch.at > region->start ? stretch.at : region->start);
        while (stretch.at < region->end) {
            while (next < count && taken[next].end <= stretch.at)
                next++;
            if (next < count && taken[next].start <= stretch.at) {
                stretch.at = page_after(taken[next].end);
                continue;
            }
            stretch.taken = next < count ? taken[next].start : UINT64_MAX;
            stretch.stop = stretch.taken < region->end ? stretch.taken : region->end;
            if (!look_at_pages(glibc, &stretch))
                return false;
        }
    }
    return true;
}

mx_addr mx_glibc_mapping_start(const struct mx_glibc *glibc, const struct mx_chunk_span *span)
{
    mx_addr chunk = span->start - MX_CHUNK_HEADER, lead = mx_memory_pointer(glibc->memory, chunk);
    mx_addr least = chunk & ~(mx_addr)(MX_PAGE - 1);
    return lead <= chunk && (chunk - lead) % MX_PAGE == 0 ? chunk - lead : least;
}
