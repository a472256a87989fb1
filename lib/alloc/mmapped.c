/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks that glibc's malloc mapped one by one, because they are large: found by their headers at page starts of
 * anonymous memory. It knows nothing of arenas but the ranges that it must leave out.
 */
#include "alloc/chunk.h"

enum { PAGE = 4096, PAGE_BATCH = 1024 };

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

/* An mmapped chunk's header at a page's start; *ret_end is where its mapping ends. */
static bool is_mmapped(const struct mx_memory *memory, mx_addr page, const uint8_t *header, mx_addr stop,
                       mx_addr *ret_end)
{
    uint64_t field = mx_load_u64(header + 8), size = field & ~(uint64_t)MX_CHUNK_FLAGS;
    if (mx_load_u64(header) || (field & MX_CHUNK_FLAGS) != MX_CHUNK_IS_MMAPPED || !size || size % PAGE ||
        size > stop - page || !mx_chunk_mapped(memory, page, page + size))
        return false;
    *ret_end = page + size;
    return true;
}

/*
 * memalign leaves the header at the page's start and writes a second one in front of the aligned memory; its prev_size
 * says how far it lies behind the first.
 */
static mx_addr mmapped_user(const struct mx_memory *memory, mx_addr page, mx_addr end)
{
    mx_addr seen = page;
    for (uint64_t alignment = MX_CHUNK_LEAST; alignment < end - page; alignment *= 2) {
        uint8_t header[MX_CHUNK_HEADER];
        mx_addr user = (page + MX_CHUNK_HEADER + alignment - 1) & ~(alignment - 1);
        mx_addr chunk = user - MX_CHUNK_HEADER;
        if (user >= end || chunk == seen)
            continue;
        seen = chunk;
        if (mx_chunk_peek(memory, chunk, sizeof(header), header) && mx_load_u64(header) == chunk - page &&
            mx_load_u64(header + 8) == ((end - chunk) | MX_CHUNK_IS_MMAPPED))
            return user;
    }
    return page + MX_CHUNK_HEADER;
}

/* Rounds up to a page; the last page of all is never anybody's. */
static mx_addr page_after(mx_addr address)
{
    return address > UINT64_MAX - PAGE ? UINT64_MAX : (address + PAGE - 1) & ~(mx_addr)(PAGE - 1);
}

/* A stretch of pages without anything taken, being looked at. */
struct stretch {
    mx_addr at, stop; /* the next page, and the end of the region or of what is free in it */
    mx_addr taken;    /* chunks end here at the latest */
    size_t batch;     /* pages to look at at once */
};

/*
 * Looks at the next pages; an mmapped chunk among them becomes a span, behind which there is often another one; where
 * there is none, pages are looked at by ever larger batches. False: no memory.
 */
static bool look_at_pages(struct mx_glibc *glibc, struct stretch *stretch)
{
    mx_addr pages[PAGE_BATCH], end;
    uint8_t headers[PAGE_BATCH * MX_CHUNK_HEADER];
    size_t count = 0;
    pages[0] = stretch->at;
    for (; stretch->at < stretch->stop && count < stretch->batch; stretch->at = page_after(stretch->at + 1))
        pages[count++] = stretch->at;
    mx_memory_gather(glibc->memory, pages, count, MX_CHUNK_HEADER, headers, NULL);
    stretch->batch = stretch->batch * 2 < PAGE_BATCH ? stretch->batch * 2 : PAGE_BATCH;
    for (size_t i = 0; i < count; i++) {
        if (!is_mmapped(glibc->memory, pages[i], headers + i * MX_CHUNK_HEADER, stretch->taken, &end))
            continue;
        stretch->at = end;
        stretch->batch = 1;
        mx_addr user = mmapped_user(glibc->memory, pages[i], end);
        return mx_array_push(&glibc->spans,
                             (struct mx_chunk_span){.start = user, .end = end, .arena = MX_ARENA_MMAPPED});
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
