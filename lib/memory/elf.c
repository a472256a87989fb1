/* SPDX-License-Identifier: Apache-2.0
 *
 * ELF files through libelf, over a mapping of our own. Symbols are hashed by
 * name at the first look-up: most modules are never asked for one.
 */
#include "memory/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/machine.h"
#include "memory/note.h"

struct symbol_index {
    pthread_mutex_t lock;
    bool built;
    struct mx_symbols symbols; /* names are in the file's mapping */
};

struct mx_elf {
    char *path;
    const uint8_t *bytes;
    size_t size;
    Elf *elf;
    const uint8_t *build_id;
    size_t build_id_size;
    struct symbol_index *index;
};

static struct mx_error *check_kind(const struct stat *status, const char *path)
{
    if (!S_ISREG(status->st_mode) || status->st_size < (off_t)sizeof(Elf64_Ehdr))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not an ELF file", path);
    return NULL;
}

static struct mx_error *map_descriptor(struct mx_elf *elf, const char *path, int fd)
{
    struct stat status;
    if (fstat(fd, &status))
        return mx_error_os(errno, "cannot read %s", path);
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return mx_error_os(errno, "cannot map %s", path);
    elf->bytes = bytes;
    elf->size = (size_t)status.st_size;
    return NULL;
}

struct mx_error *mx_elf_descriptor(const char *path, int *ret)
{
    struct stat status;
    if (stat(path, &status))
        return mx_error_os(errno, "cannot open %s", path);
    MX_TRY(check_kind(&status, path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return mx_error_os(errno, "cannot open %s", path);
    /* It may be another one by now. */
    struct mx_error *error =
        fstat(fd, &status) ? mx_error_os(errno, "cannot read %s", path) : check_kind(&status, path);
    if (error)
        close(fd);
    else
        *ret = fd;
    return error;
}

static struct mx_error *map_file(struct mx_elf *elf, const char *path)
{
    int fd;
    MX_TRY(mx_elf_descriptor(path, &fd));
    struct mx_error *error = map_descriptor(elf, path, fd);
    close(fd);
    return error;
}

static struct mx_error *check_header(const struct mx_elf *elf, const char *path)
{
    Elf64_Ehdr header;
    memcpy(&header, elf->bytes, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not an ELF file", path);
    if (header.e_ident[EI_CLASS] != ELFCLASS64)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is a 32-bit file; memext reads 64-bit ones", path);
    if (header.e_ident[EI_DATA] != ELFDATA2LSB || !mx_machine_find(header.e_machine))
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is for another machine (ELF machine %u); memext reads %s", path,
                            header.e_machine, mx_machine_names());
    return NULL;
}

static void find_build_id(struct mx_elf *elf)
{
    Elf64_Phdr header;
    for (size_t i = 0; !elf->build_id && mx_elf_segment(elf, i, &header); i++)
        if (header.p_type == PT_NOTE && header.p_offset <= elf->size && header.p_filesz <= elf->size - header.p_offset)
            elf->build_id =
                mx_note_build_id(elf->bytes + header.p_offset, header.p_filesz, header.p_align, &elf->build_id_size);
}

/* elf_memory() takes a non-const image but only reads it. */
static struct mx_error *open_parts(struct mx_elf *elf, const char *path)
{
    elf->path = strdup(path);
    elf->index = mx_calloc(1, sizeof(*elf->index));
    if (!elf->path || !elf->index)
        return mx_error_no_memory();
    pthread_mutex_init(&elf->index->lock, NULL);
    MX_TRY(map_file(elf, path));
    MX_TRY(check_header(elf, path));
    if (elf_version(EV_CURRENT) == EV_NONE)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "libelf is too old: %s", elf_errmsg(-1));
    elf->elf = elf_memory((char *)(uintptr_t)elf->bytes, elf->size);
    if (!elf->elf || elf_kind(elf->elf) != ELF_K_ELF)
        return mx_error_new(MX_ERROR_BAD_DATA, "cannot read %s: %s", path, elf_errmsg(-1));
    find_build_id(elf);
    return NULL;
}

struct mx_error *mx_elf_open(const char *path, struct mx_elf **ret)
{
    struct mx_elf *elf = mx_calloc(1, sizeof(*elf));
    if (!elf)
        return mx_error_no_memory();
    struct mx_error *error = open_parts(elf, path);
    if (error)
        mx_elf_close(elf);
    else
        *ret = elf;
    return error;
}

static void free_index(struct symbol_index *index)
{
    if (!index)
        return;
    pthread_mutex_destroy(&index->lock);
    mx_symbols_deinit(&index->symbols);
    free(index);
}

void mx_elf_close(struct mx_elf *elf)
{
    if (!elf)
        return;
    if (elf->elf)
        elf_end(elf->elf);
    if (elf->bytes)
        munmap((void *)(uintptr_t)elf->bytes, elf->size);
    free_index(elf->index);
    free(elf->path);
    free(elf);
}

const char *mx_elf_path(const struct mx_elf *elf)
{
    return elf->path;
}

const uint8_t *mx_elf_bytes(const struct mx_elf *elf, size_t *size)
{
    *size = elf->size;
    return elf->bytes;
}

size_t mx_elf_segment_count(const struct mx_elf *elf)
{
    size_t count;
    return elf_getphdrnum(elf->elf, &count) ? 0 : count;
}

bool mx_elf_segment(const struct mx_elf *elf, size_t index, Elf64_Phdr *ret)
{
    return index < mx_elf_segment_count(elf) && gelf_getphdr(elf->elf, (int)index, ret);
}

const uint8_t *mx_elf_build_id(const struct mx_elf *elf, size_t *size)
{
    *size = elf->build_id_size;
    return elf->build_id;
}

static bool can_be_looked_up(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
           (type == STT_OBJECT || type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

static size_t name_length(const char *name, bool privatized)
{
    const char *suffix = privatized ? strstr(name, ".lto_priv.") : NULL;
    if (privatized)
        return suffix ? (size_t)(suffix - name) : 0;
    return strlen(name);
}

/* `privatized`: only the names that link-time optimisation has given a suffix, without it. */
static void add_table(const struct mx_elf *elf, Elf_Scn *section, const Elf64_Shdr *header, bool privatized)
{
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data)
        return;
    Elf64_Sym symbol;
    for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
        if (!can_be_looked_up(&symbol))
            continue;
        const char *name = elf_strptr(elf->elf, header->sh_link, symbol.st_name);
        if (name)
            mx_symbols_add(&elf->index->symbols, name, name_length(name, privatized), &symbol);
    }
}

static void add_tables(const struct mx_elf *elf, uint32_t type, bool privatized)
{
    Elf_Scn *section = NULL;
    Elf64_Shdr header;
    while ((section = elf_nextscn(elf->elf, section)))
        if (gelf_getshdr(section, &header) && header.sh_type == type)
            add_table(elf, section, &header, privatized);
}

static void build_index(const struct mx_elf *elf)
{
    pthread_mutex_lock(&elf->index->lock);
    if (!elf->index->built) {
        add_tables(elf, SHT_DYNSYM, false);
        add_tables(elf, SHT_SYMTAB, false);
        add_tables(elf, SHT_SYMTAB, true);
        elf->index->built = true;
    }
    pthread_mutex_unlock(&elf->index->lock);
}

const struct mx_symbols *mx_elf_symbols(const struct mx_elf *elf)
{
    build_index(elf);
    return &elf->index->symbols;
}

bool mx_elf_symbol(const struct mx_elf *elf, const char *name, Elf64_Sym *ret)
{
    const Elf64_Sym *symbol = mx_symbols_find(mx_elf_symbols(elf), name);
    if (symbol)
        *ret = *symbol;
    return symbol;
}

bool mx_elf_section(const struct mx_elf *elf, const char *name, Elf64_Shdr *ret)
{
    size_t names;
    if (elf_getshdrstrndx(elf->elf, &names))
        return false;
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf->elf, section))) {
        Elf64_Shdr header;
        const char *found = gelf_getshdr(section, &header) ? elf_strptr(elf->elf, names, header.sh_name) : NULL;
        if (found && !strcmp(found, name)) {
            *ret = header;
            return true;
        }
    }
    return false;
}
