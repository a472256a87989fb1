/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the type cache by its looks.
 */
#include "cpython/typecache.h"

enum { MOST_ENTRIES = 1 << 12, ENOUGH = 64 };

bool mx_type_cache_used(const struct mx_types *types, const uint8_t *entry)
{
    uint64_t version = mx_load_u64(entry);
    mx_addr name = mx_load_u64(entry + MX_CACHE_NAME);
    if (!version || version > UINT32_MAX || !name || name & 7 || mx_load_u64(entry + MX_CACHE_VALUE) & 7)
        return false;
    const struct mx_type *type = mx_type_of(types, name);
    return type && type->kind == MX_KIND_STR;
}

/* A cleared entry has no version and no value; its name is NULL or None. */
static bool is_unused(const uint8_t *entry)
{
    return !mx_load_u64(entry) && !(mx_load_u64(entry + MX_CACHE_NAME) & 7) && !mx_load_u64(entry + MX_CACHE_VALUE);
}

/* From a used entry on: up to the last used one. */
static size_t count_run(const struct mx_types *types, const uint8_t *entry, size_t most, size_t *used)
{
    size_t last = 0;
    *used = 0;
    for (size_t i = 0; i < most && i < MOST_ENTRIES; i++, entry += MX_CACHE_ENTRY) {
        if (mx_type_cache_used(types, entry))
            last = i, ++*used;
        else if (!is_unused(entry))
            break;
    }
    return last + 1;
}

size_t mx_type_cache_find(const struct mx_types *types, const uint8_t *bytes, size_t length, size_t *entries)
{
    size_t next[3] = {0, 0, 0}; /* by phase: what is before was part of a run that was too short */
    *entries = 0;
    for (size_t at = 0; at + MX_CACHE_ENTRY <= length; at += 8) {
        size_t phase = at / 8 % 3, used;
        if (at < next[phase] || !mx_type_cache_used(types, bytes + at))
            continue;
        size_t count = count_run(types, bytes + at, (length - at) / MX_CACHE_ENTRY, &used);
        if (used >= ENOUGH) {
            *entries = count;
            return at;
        }
        next[phase] = at + count * MX_CACHE_ENTRY;
    }
    return 0;
}
