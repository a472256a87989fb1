/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a core file: headers, segments clamped to the file, and what the
 * notes add. Opening touches the headers and notes only, never the segments.
 */
#include "memory/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/corenotes.h"
#include "memory/mapping.h"
#include "memory/saved.h"
#include "memory/source.h"
#include "memory/unpack.h"

/* The brk heap begins at a random place within 1 GB above the executable (arch_randomize_brk). */
#define MOST_BRK_GAP (UINT64_C(1) << 30)

struct core_source {
    struct mx_memory_source base;
    const uint8_t *bytes;
    size_t size;
};

struct core {
    const char *path;
    const struct mx_progress *progress;
    const uint8_t *bytes;
    size_t size;
    const uint8_t *headers; /* of segments; not aligned */
    size_t header_count;
    struct mx_memory *segments; /* as the program headers have them */
    struct mx_memory *memory;
    struct mx_mappings mappings;
    struct mx_modules modules;
    struct mx_threads threads;
    struct mx_core_notes notes;
};

static void close_core_source(struct mx_memory_source *base)
{
    struct core_source *source = (struct core_source *)base;
    if (source->bytes)
        munmap((void *)(uintptr_t)source->bytes, source->size);
    mx_source_deinit(base);
    free(source);
}

static struct mx_error *map_descriptor(int fd, const char *path, struct core_source *source)
{
    struct stat status;
    if (fstat(fd, &status))
        return mx_error_os(errno, "cannot read %s", path);
    if (!S_ISREG(status.st_mode))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not a file that can hold a core", path);
    if (!status.st_size)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is empty: the disk or the core size limit may have been used up",
                            path);
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (bytes == MAP_FAILED)
        return mx_error_os(errno, "cannot map %s", path);
    source->bytes = bytes;
    source->size = (size_t)status.st_size;
    return NULL;
}

/* What is compressed is mapped unpacked in its place. */
static struct mx_error *map_unpacked(struct core *core, struct core_source *source)
{
    bool readable;
    int fd;
    mx_compression(source->bytes, source->size, &readable);
    if (!readable)
        return NULL;
    MX_TRY(mx_unpack(core->path, source->bytes, source->size, core->progress, &fd));
    munmap((void *)(uintptr_t)source->bytes, source->size);
    source->bytes = NULL;
    struct mx_error *error = map_descriptor(fd, core->path, source);
    close(fd);
    return error;
}

static struct mx_error *map_core(struct core *core)
{
    struct core_source *source = mx_calloc(1, sizeof(*source));
    if (!source)
        return mx_error_no_memory();
    mx_source_init(&source->base);
    source->base.close = close_core_source;
    core->memory->source = &source->base;
    core->notes.names = &source->base.names;
    int fd = open(core->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return mx_error_os(errno, "cannot open %s", core->path);
    struct mx_error *error = map_descriptor(fd, core->path, source);
    close(fd);
    if (!error)
        error = map_unpacked(core, source);
    core->bytes = source->bytes;
    core->size = source->size;
    return error;
}

static struct mx_error *check_ident(const struct core *core)
{
    bool readable;
    const char *tool = mx_compression(core->bytes, core->size, &readable);
    if (mx_saved_begins(core->bytes, core->size))
        return mx_error_new(MX_ERROR_ARGUMENT, "%s is a saved target, not a core: py-open opens it", core->path);
    if (tool)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is compressed: unpack it first (%s -d)", core->path, tool);
    if (!core->bytes || core->size < EI_NIDENT || memcmp(core->bytes, ELFMAG, SELFMAG))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not a core dump (not an ELF file)", core->path);
    if (core->bytes[EI_CLASS] != ELFCLASS64)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is of a 32-bit process; memext reads 64-bit ones", core->path);
    if (core->size < sizeof(Elf64_Ehdr))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is cut off within its headers (%zu bytes): nothing can be read",
                            core->path, core->size);
    return NULL;
}

static struct mx_error *check_header(struct core *core, const Elf64_Ehdr *header)
{
    if (header->e_ident[EI_DATA] != ELFDATA2LSB || !mx_machine_find(header->e_machine))
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is of another machine (ELF machine %u); memext reads cores of %s",
                            core->path, header->e_machine, mx_machine_names());
    if (header->e_type == ET_EXEC || header->e_type == ET_DYN)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is a program or a library, not a core dump", core->path);
    if (header->e_type != ET_CORE)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not a core dump (ELF type %u)", core->path, header->e_type);
    core->notes.machine = mx_machine_find(header->e_machine);
    return NULL;
}

/* More than 65534 segments: their number is in the first section header. */
static struct mx_error *count_segments(struct core *core, const Elf64_Ehdr *header)
{
    core->header_count = header->e_phnum;
    if (header->e_phnum != PN_XNUM)
        return NULL;
    Elf64_Shdr section;
    if (header->e_shoff > core->size || core->size - header->e_shoff < sizeof(section))
        return mx_error_new(MX_ERROR_BAD_DATA,
                            "%s is cut off: its number of segments stood behind the %zu bytes that are there",
                            core->path, core->size);
    memcpy(&section, core->bytes + header->e_shoff, sizeof(section));
    core->header_count = section.sh_info;
    return NULL;
}

static struct mx_error *find_headers(struct core *core)
{
    Elf64_Ehdr header;
    MX_TRY(check_ident(core));
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): check_ident() refuses a file without bytes */
    memcpy(&header, core->bytes, sizeof(header));
    MX_TRY(check_header(core, &header));
    MX_TRY(count_segments(core, &header));
    if (header.e_phentsize != sizeof(Elf64_Phdr) || !core->header_count)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s has no segments: it is damaged", core->path);
    if (header.e_phoff > core->size || core->header_count > (core->size - header.e_phoff) / sizeof(Elf64_Phdr))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is cut off within its headers (%zu bytes): nothing can be read",
                            core->path, core->size);
    core->headers = core->bytes + header.e_phoff;
    return NULL;
}

static Elf64_Phdr segment_header(const struct core *core, size_t index)
{
    Elf64_Phdr header;
    memcpy(&header, core->headers + index * sizeof(header), sizeof(header));
    return header;
}

/* Bytes of a segment that the file really holds. */
static uint64_t held_bytes(const struct core *core, const Elf64_Phdr *header)
{
    if (header->p_offset >= core->size)
        return 0;
    uint64_t left = core->size - header->p_offset;
    return header->p_filesz < left ? header->p_filesz : left;
}

static struct mx_error *read_notes(struct core *core)
{
    for (size_t i = 0; i < core->header_count; i++) {
        Elf64_Phdr header = segment_header(core, i);
        uint64_t held = header.p_type == PT_NOTE ? held_bytes(core, &header) : 0;
        if (held)
            MX_TRY(mx_core_notes_read(core->bytes + header.p_offset, held, header.p_align, &core->notes));
    }
    return NULL;
}

static uint32_t region_flags(const Elf64_Phdr *header)
{
    return (header->p_flags & PF_R ? (uint32_t)MX_REGION_READ : 0) |
           (header->p_flags & PF_W ? (uint32_t)MX_REGION_WRITE : 0) |
           (header->p_flags & PF_X ? (uint32_t)MX_REGION_EXEC : 0);
}

static struct mx_error *add_piece(struct core *core, struct mx_region piece)
{
    return piece.start < piece.end ? mx_memory_add(core->segments, piece) : NULL;
}

/* The part that the file holds, and the rest: cut off, or never dumped. A saturated sum is only a number to print. */
static struct mx_error *add_segment(struct core *core, const Elf64_Phdr *header)
{
    struct mx_region piece = {.start = header->p_vaddr, .flags = region_flags(header), .module = MX_NO_MODULE};
    mx_addr end;
    if (__builtin_add_overflow(header->p_vaddr, header->p_memsz, &end))
        end = UINT64_MAX;
    Elf64_Phdr clipped = *header;
    if (clipped.p_filesz > end - header->p_vaddr)
        clipped.p_filesz = end - header->p_vaddr;
    uint64_t held = held_bytes(core, &clipped);
    struct mx_memory *memory = core->memory;
    if (__builtin_add_overflow(memory->expected_bytes, clipped.p_filesz, &memory->expected_bytes))
        memory->expected_bytes = UINT64_MAX;
    if (__builtin_add_overflow(memory->missing_bytes, clipped.p_filesz - held, &memory->missing_bytes))
        memory->missing_bytes = UINT64_MAX;
    piece.end = piece.start + held;
    piece.bytes = held ? core->bytes + header->p_offset : NULL;
    MX_TRY(add_piece(core, piece));
    piece.start = piece.end;
    piece.end = end;
    piece.bytes = NULL;
    piece.flags |= MX_REGION_MISSING;
    return add_piece(core, piece);
}

static int compare_headers(const void *left, const void *right)
{
    mx_addr a = ((const Elf64_Phdr *)left)->p_vaddr;
    mx_addr b = ((const Elf64_Phdr *)right)->p_vaddr;
    return (a > b) - (a < b);
}

/* A damaged header may make segments overlap: a later one loses what an earlier one has already. */
static void clip_header(Elf64_Phdr *header, mx_addr *end)
{
    uint64_t overlap = header->p_vaddr < *end ? *end - header->p_vaddr : 0;
    if (overlap > header->p_memsz)
        overlap = header->p_memsz;
    header->p_vaddr += overlap;
    header->p_memsz -= overlap;
    header->p_offset += overlap;
    header->p_filesz -= overlap < header->p_filesz ? overlap : header->p_filesz;
    mx_addr reached;
    if (__builtin_add_overflow(header->p_vaddr, header->p_memsz, &reached))
        reached = UINT64_MAX;
    *end = reached > *end ? reached : *end;
}

static struct mx_error *add_segments(struct core *core)
{
    Elf64_Phdr *sorted = mx_calloc(core->header_count, sizeof(*sorted));
    if (!sorted)
        return mx_error_no_memory();
    size_t count = 0;
    for (size_t i = 0; i < core->header_count; i++) {
        Elf64_Phdr header = segment_header(core, i);
        if (header.p_type == PT_LOAD && header.p_memsz)
            sorted[count++] = header;
    }
    qsort(sorted, count, sizeof(*sorted), compare_headers);
    struct mx_error *error = NULL;
    mx_addr end = 0;
    for (size_t i = 0; i < count && !error; i++) {
        clip_header(&sorted[i], &end);
        error = add_segment(core, &sorted[i]);
    }
    free(sorted);
    return error ? error : mx_memory_seal(core->segments);
}

static void name_region(struct mx_memory *memory, mx_addr address, uint32_t flag, const char *name)
{
    struct mx_region *region = (struct mx_region *)(uintptr_t)mx_memory_region(memory, address);
    if (!region || region->name || region->flags & MX_REGION_BSS)
        return;
    region->flags |= flag;
    region->name = name;
}

/* A core does not say which segment is the brk heap: it is the first anonymous one above the executable. */
static void name_heap(const struct core *core)
{
    mx_addr above = 0;
    for (size_t i = 0; i < core->modules.modules.count; i++)
        if (core->modules.modules.items[i].is_executable)
            above = core->modules.modules.items[i].end;
    for (size_t i = 0; above && i < core->memory->regions.count; i++) {
        const struct mx_region *region = &core->memory->regions.items[i];
        if (region->start < above)
            continue;
        bool fits = !region->name && region->flags & MX_REGION_WRITE && region->start - above <= MOST_BRK_GAP;
        if (fits)
            name_region(core->memory, region->start, MX_REGION_HEAP, "[heap]");
        return;
    }
}

static struct mx_error *lay_regions(struct core *core, const struct mx_file_options *options)
{
    mx_mappings_sort(&core->mappings);
    mx_addr inside = core->notes.program_headers ? core->notes.program_headers : core->notes.entry;
    struct mx_module_search search = {.options = options, .inside_executable = inside};
    MX_TRY(mx_modules_find(core->segments, &core->mappings, &search, &core->modules));
    MX_TRY(mx_regions_lay(core->segments, &core->mappings, &core->modules, core->memory));
    MX_TRY(mx_memory_seal(core->memory));
    name_region(core->memory, core->notes.vdso, MX_REGION_KERNEL, "[vdso]");
    if (core->notes.machine->vsyscall)
        name_region(core->memory, core->notes.machine->vsyscall, MX_REGION_KERNEL, "[vsyscall]");
    name_region(core->memory, core->notes.stack_top, MX_REGION_STACK, "[stack]");
    name_heap(core);
    return NULL;
}

static struct mx_error *open_parts(struct core *core, const struct mx_file_options *options)
{
    MX_TRY(mx_memory_new(&core->memory));
    MX_TRY(mx_memory_new(&core->segments));
    core->notes.threads = &core->threads;
    core->notes.mappings = &core->mappings;
    MX_TRY(map_core(core));
    MX_TRY(find_headers(core));
    MX_TRY(read_notes(core));
    MX_TRY(add_segments(core));
    return lay_regions(core, options);
}

struct mx_error *mx_core_open(const char *path, const struct mx_file_options *options, struct mx_memory **memory,
                              struct mx_modules *modules, struct mx_threads *threads)
{
    struct core core = {.path = path, .progress = options ? options->progress : NULL};
    struct mx_error *error = open_parts(&core, options);
    mx_memory_close(core.segments);
    mx_array_free(&core.mappings.mappings);
    if (error) {
        mx_threads_deinit(&core.threads);
        mx_modules_deinit(&core.modules);
        mx_memory_close(core.memory);
        return error;
    }
    *memory = core.memory;
    *modules = core.modules;
    *threads = core.threads;
    return NULL;
}
