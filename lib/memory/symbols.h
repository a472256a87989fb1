/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols by name: those of an ELF file, or those that a saved target brings
 * along. Knows nothing of files.
 */
#ifndef MX_MEMORY_SYMBOLS_H
#define MX_MEMORY_SYMBOLS_H

#include <elf.h>

#include "base/array.h"
#include "base/map.h"
#include "base/strtab.h"

struct mx_symbol_entry {
    const char *name; /* not NUL-terminated; its owner keeps it */
    size_t length;    /* of the part that is looked up: ".lto_priv.N" is not */
    Elf64_Sym symbol;
};

struct mx_symbols {
    MX_ARRAY(struct mx_symbol_entry) symbols;
    struct mx_map by_hash;      /* of the name; colliding names take the next keys */
    struct mx_strtab own_names; /* those that have no other owner */
};

void mx_symbols_deinit(struct mx_symbols *symbols);

/* The first of a name wins, but a file's local one gives way to a global; no memory means that look-ups find less. */
void mx_symbols_add(struct mx_symbols *symbols, const char *name, size_t length, const Elf64_Sym *symbol);

/* The symbol of that name, or NULL. */
const Elf64_Sym *mx_symbols_find(const struct mx_symbols *symbols, const char *name);

#endif
