/* SPDX-License-Identifier: Apache-2.0
 *
 * The region table and the look-ups in it. Knows nothing of where the bytes
 * come from, except that a live region's are to be asked for (live.c).
 */
#include "memory/memory.h"

#include "base/pages.h"
#include "base/work.h"
#include "memory/source.h"

enum {
    SLOT_BITS = 21,         /* 2 MB of address space a slot */
    WALK_MOST = 8,          /* regions looked at one by one before bisecting */
    MOST_SLOTTED = 65535,   /* a slot holds 1 + index in 16 bits */
    MOST_TOUCHED = 1 << 24, /* 32 TB of address space: a sanitizer reserves half as much for itself */
};

static const size_t slots_size = sizeof(uint16_t) << (MX_ADDRESS_BITS - SLOT_BITS);

struct mx_error *mx_memory_new(struct mx_memory **ret)
{
    struct mx_memory *memory = mx_calloc(1, sizeof(*memory));
    if (!memory)
        return mx_error_no_memory();
    *ret = memory;
    return NULL;
}

static void drop_slots(struct mx_memory *memory)
{
    mx_pages_release(memory->slots, slots_size);
    memory->slots = NULL;
}

void mx_memory_clear(struct mx_memory *memory)
{
    drop_slots(memory);
    for (size_t i = 0; i < memory->regions.count; i++)
        if (memory->regions.items[i].flags & MX_REGION_LIVE)
            mx_live_drop(&memory->regions.items[i]);
    memory->regions.count = 0;
}

void mx_memory_close(struct mx_memory *memory)
{
    if (!memory)
        return;
    mx_memory_clear(memory);
    mx_array_free(&memory->regions);
    if (memory->source)
        memory->source->close(memory->source);
    free(memory);
}

struct mx_error *mx_memory_add(struct mx_memory *memory, struct mx_region region)
{
    if (region.end <= region.start)
        return mx_error_new(MX_ERROR_BAD_DATA, "a memory region ends at 0x%llx, before its start 0x%llx",
                            (unsigned long long)region.end, (unsigned long long)region.start);
    drop_slots(memory);
    if (!mx_array_push(&memory->regions, region))
        return mx_error_no_memory();
    return NULL;
}

static int compare_starts(const void *left, const void *right)
{
    mx_addr a = ((const struct mx_region *)left)->start;
    mx_addr b = ((const struct mx_region *)right)->start;
    return (a > b) - (a < b);
}

/* A module's .bss goes on where its .data ends: objects lie across the border. */
static bool is_bss_of(const struct mx_region *low, const struct mx_region *high)
{
    const uint32_t kinds = MX_REGION_FILE | MX_REGION_BSS;
    return low->module != MX_NO_MODULE && low->module == high->module && (low->flags & MX_REGION_WRITE) &&
           (low->flags & kinds) && (high->flags & kinds) == MX_REGION_BSS && !((low->flags ^ high->flags) & ~kinds);
}

/* Views may cross from `low` to `high`: nothing that anybody asks a region for tells them apart. */
static bool continues(const struct mx_region *low, const struct mx_region *high)
{
    if (low->end != high->start)
        return false;
    bool alike = low->flags == high->flags && low->module == high->module && low->name == high->name;
    if (!alike && !is_bss_of(low, high))
        return false;
    uint64_t length = low->end - low->start;
    if (alike && low->name && low->flags & MX_REGION_FILE && low->file_offset + length != high->file_offset)
        return false;
    if (!low->bytes || !high->bytes)
        return low->bytes == high->bytes;
    return low->bytes + length == high->bytes;
}

static struct mx_error *merge_neighbours(struct mx_memory *memory)
{
    struct mx_region *regions = memory->regions.items;
    size_t kept = 0;
    for (size_t i = 0; i < memory->regions.count; i++) {
        struct mx_region *last = kept ? &regions[kept - 1] : NULL;
        if (last && regions[i].start < last->end)
            return mx_error_new(MX_ERROR_BAD_DATA, "two memory regions overlap at 0x%llx",
                                (unsigned long long)regions[i].start);
        if (last && continues(last, &regions[i]))
            last->end = regions[i].end;
        else
            regions[kept++] = regions[i];
    }
    memory->regions.count = kept;
    return NULL;
}

/* The last slot that a region which begins in the table touches. */
static size_t last_slot(const struct mx_region *region)
{
    mx_addr last = region->end - 1;
    return (last >> MX_ADDRESS_BITS ? (UINT64_C(1) << MX_ADDRESS_BITS) - 1 : last) >> SLOT_BITS;
}

/* A damaged core may claim all of the address space: then its table would take more memory than the core. */
static bool is_slotted(const struct mx_memory *memory)
{
    uint64_t touched = 0;
    for (size_t i = 0; i < memory->regions.count && !(memory->regions.items[i].start >> MX_ADDRESS_BITS); i++)
        touched += last_slot(&memory->regions.items[i]) - (memory->regions.items[i].start >> SLOT_BITS) + 1;
    return memory->regions.count <= MOST_SLOTTED && touched <= MOST_TOUCHED;
}

/* Only the slots that regions touch are written: the rest of the table stays unbacked zero pages. */
static void fill_slots(struct mx_memory *memory)
{
    if (!is_slotted(memory))
        return;
    memory->slots = mx_pages_reserve_sparse(slots_size);
    if (!memory->slots)
        return;
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (region->start >> MX_ADDRESS_BITS)
            break;
        for (size_t slot = region->start >> SLOT_BITS; slot <= last_slot(region); slot++)
            if (!memory->slots[slot])
                memory->slots[slot] = (uint16_t)(i + 1);
    }
}

struct mx_error *mx_memory_seal(struct mx_memory *memory)
{
    drop_slots(memory);
    if (!memory->regions.count)
        return NULL;
    qsort(memory->regions.items, memory->regions.count, sizeof(*memory->regions.items), compare_starts);
    MX_TRY(merge_neighbours(memory));
    fill_slots(memory);
    return NULL;
}

bool mx_memory_gone(const struct mx_memory *memory)
{
    return memory->source && atomic_load(&memory->source->gone);
}

bool mx_memory_on_demand(const struct mx_memory *memory)
{
    return memory->source && memory->source->read;
}

unsigned mx_memory_threads(const struct mx_memory *memory)
{
    return memory->source && memory->source->remote ? 1 : mx_work_threads();
}

/* The first region from `low` on that ends above `address`; the count when there is none. */
static size_t bisect(const struct mx_memory *memory, size_t low, mx_addr address)
{
    size_t high = memory->regions.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->regions.items[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mx_region *find_region(const struct mx_memory *memory, mx_addr address)
{
    size_t at;
    if (memory->slots && !(address >> MX_ADDRESS_BITS)) {
        at = memory->slots[address >> SLOT_BITS];
        if (!at--)
            return NULL;
        size_t limit = at + WALK_MOST;
        while (at < limit && at < memory->regions.count && memory->regions.items[at].end <= address)
            at++;
        if (at == limit)
            at = bisect(memory, at, address);
    } else {
        at = bisect(memory, 0, address);
    }
    if (at == memory->regions.count || memory->regions.items[at].start > address)
        return NULL;
    return &memory->regions.items[at];
}

const struct mx_region *mx_memory_region(const struct mx_memory *memory, mx_addr address)
{
    return find_region(memory, address);
}

static const uint8_t *view_in(const struct mx_memory *memory, struct mx_region *region, mx_addr address, size_t length)
{
    if (!region || region->end - address < length)
        return NULL;
    if (region->flags & MX_REGION_LIVE)
        return mx_live_view(memory, region, address, length);
    return region->bytes ? region->bytes + (address - region->start) : NULL;
}

const uint8_t *mx_memory_view(const struct mx_memory *memory, mx_addr address, size_t length)
{
    return view_in(memory, find_region(memory, address), address, length);
}

const uint8_t *mx_memory_state(const struct mx_memory *memory, mx_addr address, size_t length)
{
    struct mx_region *region = find_region(memory, address);
    if (region && region->flags & MX_REGION_INITIAL)
        return NULL;
    return view_in(memory, region, address, length);
}

/* Asked for page by page, so that a text near unreadable bytes is found and a live target is read no further. */
const char *mx_memory_text(const struct mx_memory *memory, mx_addr address, size_t most)
{
    struct mx_region *region = find_region(memory, address);
    if (!region)
        return NULL;
    size_t limit = region->end - address <= most ? region->end - address : most + 1;
    size_t known = 0;
    const uint8_t *text = NULL;
    while (known < limit) {
        size_t step = MX_PAGE - (address + known) % MX_PAGE;
        if (step > limit - known)
            step = limit - known;
        text = view_in(memory, region, address, known + step);
        if (!text)
            return NULL;
        if (memchr(text + known, 0, step))
            return (const char *)text;
        known += step;
    }
    return NULL;
}

bool mx_memory_u64(const struct mx_memory *memory, mx_addr address, uint64_t *ret)
{
    const uint8_t *bytes = mx_memory_view(memory, address, sizeof(*ret));
    if (bytes)
        *ret = mx_load_u64(bytes);
    return bytes;
}

bool mx_memory_u32(const struct mx_memory *memory, mx_addr address, uint32_t *ret)
{
    const uint8_t *bytes = mx_memory_view(memory, address, sizeof(*ret));
    if (bytes)
        *ret = mx_load_u32(bytes);
    return bytes;
}

bool mx_memory_u8(const struct mx_memory *memory, mx_addr address, uint8_t *ret)
{
    const uint8_t *bytes = mx_memory_view(memory, address, sizeof(*ret));
    if (bytes)
        *ret = *bytes;
    return bytes;
}

mx_addr mx_memory_pointer(const struct mx_memory *memory, mx_addr address)
{
    const uint8_t *bytes = mx_memory_view(memory, address, sizeof(mx_addr));
    return bytes ? mx_load_u64(bytes) : 0;
}
