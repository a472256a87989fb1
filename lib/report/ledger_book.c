/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger's book: rows by kind, and stretches of memory written to them. Of
 * itself it knows what a region is when nobody has said more of it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory/elf.h"
#include "report/ledger.h"

enum { MOST_KIND = 512 };

struct mx_error *mx_book_open(const struct mx_target *target, const struct mx_resident *resident, struct mx_book *ret)
{
    *ret = (struct mx_book){.target = target, .resident = resident};
    mx_book_row(ret, "other/anonymous");
    return ret->no_memory ? mx_error_no_memory() : NULL;
}

void mx_book_close(struct mx_book *book)
{
    mx_array_free(&book->rows);
    mx_strtab_deinit(&book->texts);
    mx_map_deinit(&book->by_kind);
}

uint32_t mx_book_row(struct mx_book *book, const char *format, ...)
{
    char kind[MOST_KIND];
    va_list args;
    va_start(args, format);
    vsnprintf(kind, sizeof(kind), format, args);
    va_end(args);
    const char *kept = mx_strtab_add(&book->texts, kind, strlen(kind));
    uint32_t row = kept ? mx_map_get(&book->by_kind, (uintptr_t)kept) : MX_MAP_NONE;
    if (row != MX_MAP_NONE)
        return row;
    row = (uint32_t)book->rows.count;
    if (kept && mx_array_push(&book->rows, (struct mx_ledger_row){.kind = kept}) &&
        mx_map_set(&book->by_kind, (uintptr_t)kept, row))
        return row;
    book->no_memory = true;
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Where the module's file ends in its data: what follows is bss. The region's end when the file is not there. */
static mx_addr bss_start(const struct mx_module *module, const struct mx_region *region)
{
    Elf64_Phdr header;
    for (size_t i = 0; module->elf && mx_elf_segment(module->elf, i, &header); i++) {
        mx_addr start = module->bias + header.p_vaddr, end = start + header.p_filesz;
        if (header.p_type == PT_LOAD && header.p_filesz < header.p_memsz && end > region->start && end < region->end)
            return end;
    }
    return region->flags & MX_REGION_BSS ? region->start : region->end;
}

/* Regions of data go on into bss; *stop becomes the border where it comes first. */
static const char *module_part(const struct mx_module *module, const struct mx_region *region, mx_addr start,
                               mx_addr *stop)
{
    if (region->flags & MX_REGION_EXEC)
        return "text";
    if (!(region->flags & MX_REGION_WRITE))
        return region->flags & MX_REGION_READ ? "read-only" : "reserved";
    mx_addr bss = bss_start(module, region);
    if (start >= bss)
        return "bss";
    *stop = *stop < bss ? *stop : bss;
    return "data";
}

/* Shared, and of no file that anybody wrote: a core tells it by the names only. */
static bool is_shared_memory(const struct mx_region *region)
{
    static const char *const prefixes[] = {"/dev/shm/", "/memfd:", "/SYSV", "/dev/zero", "/anon_hugepage", NULL};
    if ((region->flags & MX_REGION_SHARED) && !(region->flags & MX_REGION_FILE))
        return true;
    for (const char *const *prefix = prefixes; region->name && *prefix; prefix++)
        if (!strncmp(region->name, *prefix, strlen(*prefix)))
            return true;
    return false;
}

static uint32_t anonymous_row(struct mx_book *book, const struct mx_region *region)
{
    if (!(region->flags & (MX_REGION_READ | MX_REGION_WRITE | MX_REGION_EXEC)))
        return mx_book_row(book, "reserved/no-access");
    if (region->flags & MX_REGION_EXEC)
        return mx_book_row(book, "other/executable");
    return mx_book_row(book, "other/%s", region->flags & MX_REGION_HEAP ? "brk" : "anonymous");
}

/* The row of what is at `start` in the region, up to *stop at most, which comes nearer where another row begins. */
static uint32_t region_row(struct mx_book *book, const struct mx_region *region, mx_addr start, mx_addr *stop)
{
    const struct mx_modules *modules = &book->target->modules;
    const char *name = region->name ? base_name(region->name) : "anonymous";
    if (region->flags & MX_REGION_KERNEL)
        return mx_book_row(book, "kernel/%.*s", (int)strcspn(name + 1, "]"), name + (*name == '['));
    if (region->module < modules->modules.count) {
        const struct mx_module *module = &modules->modules.items[region->module];
        const char *part = module_part(module, region, start, stop);
        return mx_book_row(book, "modules/%s/%s", base_name(module->path), part);
    }
    if (region->flags & MX_REGION_STACK)
        return mx_book_row(book, "stacks/unused");
    if (is_shared_memory(region))
        return mx_book_row(book, "shared/%s", name);
    return region->flags & MX_REGION_FILE ? mx_book_row(book, "files/%s", name) : anonymous_row(book, region);
}

/* Bytes of [start, end) that are in RAM. */
static uint64_t count_resident(struct mx_book *book, mx_addr start, mx_addr end)
{
    const struct mx_page_run *runs = book->resident->runs.items;
    size_t count = book->resident->runs.count;
    uint64_t bytes = 0;
    while (book->run < count && runs[book->run].end <= start)
        book->run++;
    for (size_t i = book->run; i < count && runs[i].start < end; i++) {
        mx_addr from = runs[i].start > start ? runs[i].start : start;
        bytes += (runs[i].end < end ? runs[i].end : end) - from;
    }
    return bytes;
}

static void write_part(struct mx_book *book, uint32_t row, mx_addr start, mx_addr end, uint64_t count)
{
    uint64_t resident = count_resident(book, start, end);
    struct mx_ledger_row *to = &book->rows.items[row];
    to->virtual_bytes += end - start;
    to->resident += resident;
    to->count += count;
    book->total_virtual += end - start;
    book->total_resident += resident;
}

/* The first region that ends behind the book's place, or NULL. */
static const struct mx_region *region_here(struct mx_book *book)
{
    const struct mx_memory *memory = book->target->memory;
    while (book->region < memory->regions.count && memory->regions.items[book->region].end <= book->at)
        book->region++;
    return book->region < memory->regions.count ? &memory->regions.items[book->region] : NULL;
}

/* Goes on to `end`, writing each region's part to `row`, or to the region's own where that is MX_MAP_NONE. */
static void go_on(struct mx_book *book, uint32_t row, mx_addr end)
{
    const struct mx_region *region;
    while (book->at < end && (region = region_here(book)) && region->start < end) {
        mx_addr start = region->start > book->at ? region->start : book->at;
        mx_addr stop = region->end < end ? region->end : end;
        uint32_t to = row == MX_MAP_NONE ? region_row(book, region, start, &stop) : row;
        write_part(book, to, start, stop, row == MX_MAP_NONE);
        book->at = stop;
    }
    book->at = end > book->at ? end : book->at;
}

void mx_book_reach(struct mx_book *book, mx_addr address)
{
    if (address > book->at)
        go_on(book, MX_MAP_NONE, address);
}

void mx_book_post(struct mx_book *book, uint32_t row, mx_addr start, mx_addr end, uint64_t count)
{
    if (end <= book->at || end <= start)
        return;
    mx_book_reach(book, start);
    uint64_t before = book->total_virtual;
    go_on(book, row, end);
    if (book->total_virtual != before)
        book->rows.items[row].count += count;
}

bool mx_book_claim(struct mx_book *book, mx_addr start, mx_addr end, bool *in_ram)
{
    mx_book_reach(book, start);
    const struct mx_region *region = region_here(book);
    if (book->at != start || !region || region->start > start || region->end < end)
        return false;
    uint64_t resident = count_resident(book, start, end);
    if (resident && resident != end - start)
        return false;
    *in_ram = resident != 0;
    book->total_virtual += end - start;
    book->total_resident += resident;
    book->at = end;
    return true;
}
