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

#include "base/array.h"
#include "base/map.h"
#include "memory/note.h"

struct symbol {
    const char *name; /* in the file's mapping */
    size_t length;    /* of the part that is looked up: ".lto_priv.N" is not */
    Elf64_Sym symbol;
};

struct symbol_index {
    pthread_mutex_t lock;
    bool built;
    MX_ARRAY(struct symbol) symbols;
    struct mx_map by_hash; /* of the name; colliding names take the next keys */
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

/* Only regular files: opening a device that a target has mapped could do something. */
static struct mx_error *map_file(struct mx_elf *elf, const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return mx_error_os(errno, "cannot open %s", path);
    if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(Elf64_Ehdr))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not an ELF file", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return mx_error_os(errno, "cannot open %s", path);
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int reason = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return mx_error_os(reason, "cannot map %s", path);
    elf->bytes = bytes;
    elf->size = (size_t)status.st_size;
    return NULL;
}

static struct mx_error *check_header(const struct mx_elf *elf, const char *path)
{
    Elf64_Ehdr header;
    memcpy(&header, elf->bytes, sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG))
        return mx_error_new(MX_ERROR_BAD_DATA, "%s is not an ELF file", path);
    if (header.e_ident[EI_CLASS] != ELFCLASS64)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is a 32-bit file; memext reads 64-bit ones", path);
    if (header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "%s is for another machine (ELF machine %u); memext reads x86-64",
                            path, header.e_machine);
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
    mx_array_free(&index->symbols);
    mx_map_deinit(&index->by_hash);
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

static uint64_t hash_name(const char *name, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

/* The symbol of that name, or NULL and the key that a new one is to have. */
static const struct symbol *look_up(const struct symbol_index *index, const char *name, size_t length, uint64_t *key)
{
    *key = hash_name(name, length);
    for (uint32_t at; (at = mx_map_get(&index->by_hash, *key)) != MX_MAP_NONE; ++*key) {
        const struct symbol *known = &index->symbols.items[at];
        if (known->length == length && !memcmp(known->name, name, length))
            return known;
    }
    return NULL;
}

static bool can_be_looked_up(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
           (type == STT_OBJECT || type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

/* The first of a name wins, but a file's local one gives way to a global; no memory means that look-ups find less. */
static void add_symbol(struct symbol_index *index, const char *name, size_t length, const Elf64_Sym *symbol)
{
    uint64_t key;
    const struct symbol *known = length ? look_up(index, name, length, &key) : NULL;
    if (known && ELF64_ST_BIND(known->symbol.st_info) == STB_LOCAL && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
        index->symbols.items[known - index->symbols.items].symbol = *symbol;
    if (!length || known)
        return;
    if (mx_array_push(&index->symbols, (struct symbol){.name = name, .length = length, .symbol = *symbol}))
        mx_map_set(&index->by_hash, key, (uint32_t)(index->symbols.count - 1));
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
            add_symbol(elf->index, name, name_length(name, privatized), &symbol);
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

bool mx_elf_symbol(const struct mx_elf *elf, const char *name, Elf64_Sym *ret)
{
    uint64_t key;
    build_index(elf);
    const struct symbol *symbol = look_up(elf->index, name, strlen(name), &key);
    if (symbol)
        *ret = symbol->symbol;
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
