/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash table of symbols.
 */
#include "memory/symbols.h"

#include <string.h>

#include "base/hash.h"

void mx_symbols_deinit(struct mx_symbols *symbols)
{
    mx_array_free(&symbols->symbols);
    mx_map_deinit(&symbols->by_hash);
    mx_strtab_deinit(&symbols->own_names);
}

static uint64_t hash_name(const char *name, size_t length)
{
    uint64_t hash = mx_hash(0, name, length);
    return hash ? hash : 1;
}

/* The index of the symbol of that name; MX_MAP_NONE, and the key that a new one is to have. */
static uint32_t look_up(const struct mx_symbols *symbols, const char *name, size_t length, uint64_t *key)
{
    *key = hash_name(name, length);
    for (uint32_t at; (at = mx_map_get(&symbols->by_hash, *key)) != MX_MAP_NONE; *key = *key + 1 ? *key + 1 : 1) {
        const struct mx_symbol_entry *known = &symbols->symbols.items[at];
        if (known->length == length && !memcmp(known->name, name, length))
            return at;
    }
    return MX_MAP_NONE;
}

void mx_symbols_add(struct mx_symbols *symbols, const char *name, size_t length, const Elf64_Sym *symbol)
{
    uint64_t key;
    if (!length)
        return;
    uint32_t known = look_up(symbols, name, length, &key);
    if (known == MX_MAP_NONE) {
        if (mx_array_push(&symbols->symbols, (struct mx_symbol_entry){name, length, *symbol}))
            mx_map_set(&symbols->by_hash, key, (uint32_t)(symbols->symbols.count - 1));
        return;
    }
    Elf64_Sym *old = &symbols->symbols.items[known].symbol;
    if (ELF64_ST_BIND(old->st_info) == STB_LOCAL && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
        *old = *symbol;
}

const Elf64_Sym *mx_symbols_find(const struct mx_symbols *symbols, const char *name)
{
    uint64_t key;
    uint32_t at = look_up(symbols, name, strlen(name), &key);
    return at == MX_MAP_NONE ? NULL : &symbols->symbols.items[at].symbol;
}
