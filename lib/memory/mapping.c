/* SPDX-License-Identifier: Apache-2.0
 *
 * Laying regions: one sweep over the address space, from boundary to boundary
 * of three sorted lists.
 *
 *   segments   |----------|     |---------|        bytes, or known to lack them
 *   mappings   |----||-------------|               a file, an offset
 *   modules    |----------------------|            bss: in a module, no mapping
 *   regions    |----||----|-----|--|--|---|
 */
#include "memory/mapping.h"

#include "memory/elf.h"
#include "memory/source.h"

static int compare_starts(const void *left, const void *right)
{
    const struct mx_mapping *a = left, *b = right;
    if (a->start != b->start)
        return a->start > b->start ? 1 : -1;
    return (a->end > b->end) - (a->end < b->end);
}

void mx_mappings_sort(struct mx_mappings *mappings)
{
    struct mx_mapping *items = mappings->mappings.items;
    if (mappings->mappings.count)
        qsort(items, mappings->mappings.count, sizeof(*items), compare_starts);
    size_t kept = 0;
    mx_addr end = 0;
    for (size_t i = 0; i < mappings->mappings.count; i++) {
        struct mx_mapping mapping = items[i];
        if (mapping.end <= mapping.start || mapping.end <= end)
            continue;
        if (mapping.start < end) {
            mapping.offset += end - mapping.start;
            mapping.start = end;
        }
        end = mapping.end;
        items[kept++] = mapping;
    }
    mappings->mappings.count = kept;
}

struct sweep {
    const struct mx_memory *segments;
    const struct mx_mappings *mappings;
    const struct mx_modules *modules;
    size_t segment, mapping;
    mx_addr at, next;
};

/* Both lists: skips what ends before `at`, and moves `next` down to the nearest boundary above `at`. */
static const struct mx_region *segment_here(struct sweep *sweep)
{
    const struct mx_region *items = sweep->segments->regions.items;
    while (sweep->segment < sweep->segments->regions.count && items[sweep->segment].end <= sweep->at)
        sweep->segment++;
    if (sweep->segment == sweep->segments->regions.count)
        return NULL;
    const struct mx_region *segment = &items[sweep->segment];
    mx_addr boundary = segment->start <= sweep->at ? segment->end : segment->start;
    if (boundary < sweep->next)
        sweep->next = boundary;
    return segment->start <= sweep->at ? segment : NULL;
}

static const struct mx_mapping *mapping_here(struct sweep *sweep)
{
    const struct mx_mapping *items = sweep->mappings->mappings.items;
    while (sweep->mapping < sweep->mappings->mappings.count && items[sweep->mapping].end <= sweep->at)
        sweep->mapping++;
    if (sweep->mapping == sweep->mappings->mappings.count)
        return NULL;
    const struct mx_mapping *mapping = &items[sweep->mapping];
    mx_addr boundary = mapping->start <= sweep->at ? mapping->end : mapping->start;
    if (boundary < sweep->next)
        sweep->next = boundary;
    return mapping->start <= sweep->at ? mapping : NULL;
}

static const struct mx_module *module_here(struct sweep *sweep)
{
    const struct mx_module *module = mx_modules_at(sweep->modules, sweep->at);
    if (module && module->end < sweep->next)
        sweep->next = module->end;
    return module;
}

/* What the file's own segments say of start..end: their flags together. */
static uint32_t flags_in_file(const struct mx_module *module, mx_addr start, mx_addr end)
{
    uint32_t flags = 0;
    Elf64_Phdr header;
    for (size_t i = 0; mx_elf_segment(module->elf, i, &header); i++) {
        mx_addr low = (module->bias + header.p_vaddr) & ~(mx_addr)(MX_PAGE - 1);
        mx_addr high = module->bias + header.p_vaddr + header.p_memsz;
        if (header.p_type != PT_LOAD || high <= start || low >= end)
            continue;
        flags |= header.p_flags & PF_R ? (uint32_t)MX_REGION_READ : 0;
        flags |= header.p_flags & PF_W ? (uint32_t)MX_REGION_WRITE : 0;
        flags |= header.p_flags & PF_X ? (uint32_t)MX_REGION_EXEC : 0;
    }
    return flags;
}

/*
 * Lets the file stand in for bytes that the core lacks. What the file has as writable is INITIAL even where the target
 * has made it read-only since: relocations were written to it before.
 */
static void serve_from_file(struct mx_region *region, const struct mx_module *module)
{
    size_t size;
    const uint8_t *bytes = mx_elf_bytes(module->elf, &size);
    uint32_t flags = flags_in_file(module, region->start, region->end);
    if (!flags)
        return;
    if (!(region->flags & (MX_REGION_READ | MX_REGION_WRITE | MX_REGION_EXEC)))
        region->flags |= flags;
    if (region->file_offset >= size || region->end - region->start > size - region->file_offset)
        return;
    if ((flags | region->flags) & MX_REGION_WRITE)
        region->flags |= MX_REGION_INITIAL;
    region->flags &= ~(uint32_t)MX_REGION_MISSING;
    region->flags |= MX_REGION_FROM_FILE;
    region->bytes = bytes + region->file_offset;
}

static uint32_t module_index(const struct sweep *sweep, const struct mx_module *module)
{
    return module ? (uint32_t)(module - sweep->modules->modules.items) : MX_NO_MODULE;
}

static void describe_mapping(const struct sweep *sweep, const struct mx_mapping *mapping,
                             const struct mx_module *module, struct mx_region *region)
{
    region->name = mapping->path;
    region->file_offset = mapping->offset + (sweep->at - mapping->start);
    region->flags |= MX_REGION_FILE;
    if (!module || module->path != mapping->path)
        return;
    region->module = module_index(sweep, module);
    bool live = sweep->segments->source && sweep->segments->source->read;
    if (region->flags & MX_REGION_MISSING && module->elf && !live)
        serve_from_file(region, module);
}

/* The last page of a file's mapping may reach past the file's end: those bytes are not to be had. */
static void stop_at_file_end(struct sweep *sweep, const struct mx_region *segment, const struct mx_mapping *mapping,
                             const struct mx_module *module)
{
    size_t size;
    if ((segment && !(segment->flags & MX_REGION_MISSING)) || !mapping || !module || !module->elf)
        return;
    mx_elf_bytes(module->elf, &size);
    uint64_t offset = mapping->offset + (sweep->at - mapping->start);
    if (offset < size && size - offset < sweep->next - sweep->at)
        sweep->next = sweep->at + (size - offset);
}

static struct mx_error *lay_one(struct sweep *sweep, struct mx_memory *memory)
{
    const struct mx_region *segment = segment_here(sweep);
    const struct mx_mapping *mapping = mapping_here(sweep);
    const struct mx_module *module = segment || mapping ? module_here(sweep) : NULL;
    if (!segment && !mapping)
        return NULL;
    stop_at_file_end(sweep, segment, mapping, module);
    struct mx_region region = {.flags = MX_REGION_MISSING};
    if (segment) {
        region = *segment;
        /* A shadow belongs to its segment. */
        bool shared = segment->bytes && !(segment->flags & MX_REGION_LIVE);
        region.bytes = shared ? segment->bytes + (sweep->at - segment->start) : NULL;
        region.fetched = NULL;
    }
    region.start = sweep->at;
    region.end = sweep->next;
    region.module = MX_NO_MODULE;
    if (mapping) {
        describe_mapping(sweep, mapping, module, &region);
    } else if (module && !region.name) {
        region.flags |= MX_REGION_BSS;
        region.module = module_index(sweep, module);
    }
    return mx_memory_add(memory, region);
}

struct mx_error *mx_regions_lay(const struct mx_memory *segments, const struct mx_mappings *mappings,
                                const struct mx_modules *modules, struct mx_memory *memory)
{
    struct sweep sweep = {.segments = segments, .mappings = mappings, .modules = modules};
    for (;;) {
        sweep.next = UINT64_MAX;
        MX_TRY(lay_one(&sweep, memory));
        if (sweep.next == UINT64_MAX)
            return NULL;
        sweep.at = sweep.next;
    }
}
