/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules: found among the file mappings, and asked for symbols. Opening their
 * files is locate.c's work.
 */
#include "memory/module.h"

#include <string.h>

#include "memory/elf.h"
#include "memory/locate.h"
#include "memory/mapping.h"
#include "memory/note.h"
#include "memory/source.h"

enum { MOST_SEGMENTS = 64, MOST_NOTES = 4096 };

void mx_modules_deinit(struct mx_modules *modules)
{
    for (size_t i = 0; i < modules->modules.count; i++) {
        mx_elf_close(modules->modules.items[i].elf);
        if (modules->modules.items[i].symbols)
            mx_symbols_deinit(modules->modules.items[i].symbols);
        free(modules->modules.items[i].symbols);
        free(modules->modules.items[i].file_path);
    }
    mx_array_free(&modules->modules);
}

const struct mx_module *mx_modules_at(const struct mx_modules *modules, mx_addr address)
{
    size_t low = 0, high = modules->modules.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (modules->modules.items[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct mx_module *module = low ? &modules->modules.items[low - 1] : NULL;
    return module && address < module->end ? module : NULL;
}

/* A module's program headers, from the target's memory or, where that lacks them, from the file. */
struct image {
    Elf64_Phdr segments[MOST_SEGMENTS];
    size_t count;
};

/* Where reading is slow, no more than is asked for. */
static bool read_target(const struct mx_memory *memory, mx_addr address, void *out, size_t length)
{
    if (memory->source && memory->source->remote)
        return mx_live_read(memory, address, out, length) == length;
    return mx_memory_gather(memory, &address, 1, length, out, NULL) == 1;
}

/* 1 = an ELF image begins at `start`; 0 = the bytes are not there to tell; -1 = something else is there. */
static int read_image(const struct mx_memory *memory, mx_addr start, struct image *image)
{
    Elf64_Ehdr header;
    image->count = 0;
    if (!read_target(memory, start, &header, sizeof(header)))
        return 0;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64)
        return -1;
    if (header.e_phentsize != sizeof(Elf64_Phdr) || !header.e_phnum || header.e_phnum > MOST_SEGMENTS)
        return -1;
    if (!read_target(memory, start + header.e_phoff, image->segments, header.e_phnum * sizeof(Elf64_Phdr)))
        return 0;
    image->count = header.e_phnum;
    return 1;
}

static void copy_image(const struct mx_elf *elf, struct image *image)
{
    image->count = 0;
    while (image->count < MOST_SEGMENTS && mx_elf_segment(elf, image->count, &image->segments[image->count]))
        image->count++;
}

/* The bias that puts the file's `offset` at `start`, by the segment that holds it (on its first page at least). */
static bool find_bias(const struct image *image, mx_addr start, uint64_t offset, mx_addr *ret)
{
    for (size_t i = 0; i < image->count; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        uint64_t page = segment->p_offset & ~(uint64_t)(MX_PAGE - 1);
        if (segment->p_type != PT_LOAD || offset < page || offset - page >= segment->p_filesz + MX_PAGE)
            continue;
        *ret = (start - offset) - (segment->p_vaddr - segment->p_offset);
        return true;
    }
    return false;
}

/* Where the module's memory ends, from its lowest mapping on; 0 when the image tells nothing sensible. */
static mx_addr image_end(const struct image *image, mx_addr bias)
{
    mx_addr end = 0;
    for (size_t i = 0; i < image->count; i++) {
        mx_addr size = image->segments[i].p_vaddr + image->segments[i].p_memsz;
        if (image->segments[i].p_type == PT_LOAD && size >= image->segments[i].p_vaddr && size > end)
            end = size;
    }
    end += MX_PAGE - 1;
    return (bias + end) & ~(mx_addr)(MX_PAGE - 1);
}

static void read_build_id(const struct mx_memory *memory, const struct image *image, struct mx_module *module)
{
    uint8_t notes[MOST_NOTES];
    for (size_t i = 0; i < image->count && !module->build_id_size; i++) {
        const Elf64_Phdr *segment = &image->segments[i];
        if (segment->p_type != PT_NOTE || segment->p_filesz > sizeof(notes) ||
            !read_target(memory, module->bias + segment->p_vaddr, notes, segment->p_filesz))
            continue;
        size_t size;
        const uint8_t *id = mx_note_build_id(notes, segment->p_filesz, segment->p_align, &size);
        if (id) {
            memcpy(module->build_id, id, size);
            module->build_id_size = (uint8_t)size;
        }
    }
}

struct finder {
    const struct mx_memory *memory;
    const struct mx_mapping *mappings; /* by path, then address */
    size_t count;
    const struct mx_mapping *by_address;
    const struct mx_module_search *search;
    const char *executable; /* its path */
};

/* A file that neither the core nor this machine has the bytes of: a guess by the name. */
static bool looks_like_module(const struct mx_module *module)
{
    const char *name = strrchr(module->path, '/');
    return module->is_executable || (name && strstr(name, ".so"));
}

/* Fills everything but `end`; false when the mappings from `first` on are not of an ELF file. */
static bool open_module(const struct finder *finder, const struct mx_mapping *first, struct image *image,
                        struct mx_module *module)
{
    *module = (struct mx_module){.path = first->path, .start = first->start, .state = MX_FILE_MISSING};
    module->is_executable = first->path == finder->executable;
    int kind = first->offset ? 0 : read_image(finder->memory, first->start, image);
    if (kind < 0)
        return false;
    if (kind > 0 && find_bias(image, first->start, first->offset, &module->bias))
        read_build_id(finder->memory, image, module);
    mx_module_open_file(module, finder->search, first);
    if (kind == 0 && module->elf) {
        copy_image(module->elf, image);
        find_bias(image, first->start, first->offset, &module->bias);
    }
    return image->count || looks_like_module(module);
}

/* Takes the mappings of one path that lie within the image; the first is always one of them. */
static size_t take_mappings(const struct finder *finder, size_t first, const struct image *image,
                            struct mx_module *module)
{
    mx_addr limit = image->count ? image_end(image, module->bias) : UINT64_MAX;
    size_t at = first;
    do
        module->end = finder->mappings[at++].end;
    while (at < finder->count && finder->mappings[at].path == module->path && finder->mappings[at].start < limit);
    return at;
}

/* The bss ends where the image does, but never reaches into the next file's mapping. */
static void add_bss(const struct finder *finder, const struct image *image, struct mx_module *module)
{
    mx_addr end = image->count ? image_end(image, module->bias) : 0;
    if (end <= module->end)
        return;
    size_t low = 0, high = finder->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (finder->by_address[middle].start < module->end)
            low = middle + 1;
        else
            high = middle;
    }
    mx_addr next = low < finder->count ? finder->by_address[low].start : UINT64_MAX;
    module->end = end < next ? end : next;
}

static size_t skip_path(const struct finder *finder, size_t at)
{
    const char *path = finder->mappings[at].path;
    while (at < finder->count && finder->mappings[at].path == path)
        at++;
    return at;
}

/* The rest of a path's mappings holds another module (dlmopen) only from an offset of 0 on; data otherwise. */
static size_t skip_data(const struct finder *finder, size_t at, const char *path)
{
    while (at < finder->count && finder->mappings[at].path == path && finder->mappings[at].offset)
        at++;
    return at;
}

static struct mx_error *add_modules(const struct finder *finder, struct mx_modules *modules)
{
    struct image image;
    for (size_t at = 0; at < finder->count;) {
        struct mx_module module;
        image.count = 0;
        if (!open_module(finder, &finder->mappings[at], &image, &module)) {
            at = skip_path(finder, at);
            continue;
        }
        at = take_mappings(finder, at, &image, &module);
        add_bss(finder, &image, &module);
        if (!mx_array_push(&modules->modules, module)) {
            mx_elf_close(module.elf);
            free(module.file_path);
            return mx_error_no_memory();
        }
        at = skip_data(finder, at, module.path);
    }
    return NULL;
}

static int compare_paths(const void *left, const void *right)
{
    const struct mx_mapping *a = left, *b = right;
    if (a->path != b->path)
        return (uintptr_t)a->path > (uintptr_t)b->path ? 1 : -1;
    return (a->start > b->start) - (a->start < b->start);
}

static int compare_modules(const void *left, const void *right)
{
    mx_addr a = ((const struct mx_module *)left)->start;
    mx_addr b = ((const struct mx_module *)right)->start;
    return (a > b) - (a < b);
}

static const char *executable_path(const struct mx_mappings *mappings, mx_addr inside)
{
    const struct mx_mapping *items = mappings->mappings.items;
    for (size_t i = 0; i < mappings->mappings.count; i++)
        if (inside >= items[i].start && inside < items[i].end)
            return items[i].path;
    return items[0].path;
}

struct mx_error *mx_modules_find(const struct mx_memory *memory, const struct mx_mappings *mappings,
                                 const struct mx_module_search *search, struct mx_modules *ret)
{
    size_t count = mappings->mappings.count;
    if (!count)
        return NULL;
    struct mx_mapping *sorted = mx_calloc(count, sizeof(*sorted));
    if (!sorted)
        return mx_error_no_memory();
    memcpy(sorted, mappings->mappings.items, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_paths);
    struct finder finder = {.memory = memory,
                            .mappings = sorted,
                            .count = count,
                            .by_address = mappings->mappings.items,
                            .search = search,
                            .executable = executable_path(mappings, search->inside_executable)};
    struct mx_error *error = add_modules(&finder, ret);
    free(sorted);
    if (ret->modules.count)
        qsort(ret->modules.items, ret->modules.count, sizeof(*ret->modules.items), compare_modules);
    return error;
}

const struct mx_symbols *mx_module_symbols(const struct mx_module *module)
{
    return module->symbols ? module->symbols : module->elf ? mx_elf_symbols(module->elf) : NULL;
}

bool mx_module_symbol(const struct mx_module *module, const char *name, struct mx_symbol *ret)
{
    const struct mx_symbols *symbols = mx_module_symbols(module);
    const Elf64_Sym *symbol = symbols ? mx_symbols_find(symbols, name) : NULL;
    if (symbol)
        *ret = (struct mx_symbol){module->bias + symbol->st_value, symbol->st_size, module};
    return symbol;
}

bool mx_modules_symbol(const struct mx_modules *modules, const char *name, unsigned nth, struct mx_symbol *ret)
{
    for (int executable = 1; executable >= 0; executable--)
        for (size_t i = 0; i < modules->modules.count; i++) {
            const struct mx_module *module = &modules->modules.items[i];
            struct mx_symbol symbol;
            if (module->is_executable != (bool)executable || !mx_module_symbol(module, name, &symbol) || nth--)
                continue;
            *ret = symbol;
            return true;
        }
    return false;
}

bool mx_module_section(const struct mx_module *module, const char *name, mx_addr *start, mx_addr *end)
{
    Elf64_Shdr section;
    if (!module->elf || !mx_elf_section(module->elf, name, &section) || !(section.sh_flags & SHF_ALLOC))
        return false;
    *start = module->bias + section.sh_addr;
    *end = *start + section.sh_size;
    return true;
}
