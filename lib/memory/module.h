/* SPDX-License-Identifier: Apache-2.0
 *
 * ELF modules of the target (executable and shared libraries): where they are
 * mapped, which file they came from, whether that file is still the same one
 * (build-id), and their symbols. .dynsym is enough; .symtab is used when there.
 */
#ifndef MX_MEMORY_MODULE_H
#define MX_MEMORY_MODULE_H

#include "memory/memory.h"

enum mx_module_file {
    MX_FILE_MATCHED,   /* opened; its build-id equals the one in the target's memory */
    MX_FILE_UNCHECKED, /* opened; the target's memory holds no build-id to compare */
    MX_FILE_MISSING,   /* no such file */
    MX_FILE_DIFFERS,   /* there is a file, but of another build: not used */
};

struct mx_elf;     /* an open ELF file: memory/elf.h */
struct mx_symbols; /* memory/symbols.h */

struct mx_module {
    const char *path;           /* as the target names it, " (deleted)" removed */
    char *file_path;            /* as opened here; NULL when not opened */
    mx_addr start, end;         /* lowest and highest mapped address, bss included */
    mx_addr bias;               /* add to the file's virtual addresses */
    struct mx_elf *elf;         /* NULL unless the file was opened and not found to differ */
    struct mx_symbols *symbols; /* of a saved target, which has no file; NULL: ask `elf` */
    enum mx_module_file state;
    uint8_t build_id[32]; /* from the target's memory, or the file's where that is missing */
    uint8_t build_id_size;
    bool is_executable; /* the main executable */
};

struct mx_modules {
    MX_ARRAY(struct mx_module) modules; /* sorted by start */
    uint64_t code_hash;                 /* live: of what code is mapped from which files, and where */
};

void mx_modules_deinit(struct mx_modules *modules);

/* The module whose mapped range holds `address`, or NULL. */
const struct mx_module *mx_modules_at(const struct mx_modules *modules, mx_addr address);

struct mx_symbol {
    mx_addr address; /* in the target */
    uint64_t size;
    const struct mx_module *module;
};

/* All symbols of one module, NULL when it has none. */
const struct mx_symbols *mx_module_symbols(const struct mx_module *module);

/* A symbol of one module, .dynsym first; false when it has none of that name. */
bool mx_module_symbol(const struct mx_module *module, const char *name, struct mx_symbol *ret);

/* The n-th module's symbol of that name over all modules, executable first; false when there are not so many. */
bool mx_modules_symbol(const struct mx_modules *modules, const char *name, unsigned nth, struct mx_symbol *ret);

/* A section of the module by name, as a range of target addresses (.PyRuntime, .data); false when absent, and
   for a saved target's modules. */
bool mx_module_section(const struct mx_module *module, const char *name, mx_addr *start, mx_addr *end);

#endif
