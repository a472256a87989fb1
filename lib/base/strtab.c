/* SPDX-License-Identifier: Apache-2.0
 *
 * String interning: a hash map to chains of equal hashes.
 */
#include "base/strtab.h"

#include <string.h>

void mx_strtab_deinit(struct mx_strtab *table)
{
    for (size_t i = 0; i < table->strings.count; i++)
        free(table->strings.items[i]);
    mx_array_free(&table->strings);
    mx_array_free(&table->next);
    mx_map_deinit(&table->by_hash);
}

/* FNV-1a, with 0 avoided because the map has no key 0. */
static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

static const char *append(struct mx_strtab *table, uint64_t hash, size_t older, const char *text, size_t length)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!mx_array_reserve(&table->strings, table->strings.count + 1) ||
        !mx_array_reserve(&table->next, table->next.count + 1) ||
        !mx_map_set(&table->by_hash, hash, (uint32_t)table->strings.count)) {
        free(copy);
        return NULL;
    }
    table->strings.items[table->strings.count++] = copy;
    table->next.items[table->next.count++] = older;
    return copy;
}

const char *mx_strtab_add(struct mx_strtab *table, const char *text, size_t length)
{
    uint64_t hash = hash_text(text, length);
    uint32_t newest = mx_map_get(&table->by_hash, hash);
    size_t first = newest == MX_MAP_NONE ? 0 : (size_t)newest + 1;
    for (size_t at = first; at; at = table->next.items[at - 1]) {
        const char *known = table->strings.items[at - 1];
        if (strlen(known) == length && !memcmp(known, text, length))
            return known;
    }
    return append(table, hash, first, text, length);
}
