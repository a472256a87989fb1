/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash map from a non-zero 64-bit key (an address, mostly) to a 32-bit value:
 * open addressing, linear probing, at most half full. No removal.
 */
#ifndef MX_BASE_MAP_H
#define MX_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mx_map {
    uint64_t *keys; /* 0 = empty slot */
    uint32_t *values;
    size_t count;
    unsigned bits; /* log2 of the number of slots; 0 = nothing allocated */
};

#define MX_MAP_NONE UINT32_MAX

void mx_map_deinit(struct mx_map *map);

/* Adds or replaces; false when there is no memory or the key is 0. */
bool mx_map_set(struct mx_map *map, uint64_t key, uint32_t value);

static inline size_t mx_map_slot(const struct mx_map *map, uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - map->bits));
}

/* The value of a key, or MX_MAP_NONE. */
static inline uint32_t mx_map_get(const struct mx_map *map, uint64_t key)
{
    if (!map->bits)
        return MX_MAP_NONE;
    size_t mask = ((size_t)1 << map->bits) - 1;
    for (size_t slot = mx_map_slot(map, key); map->keys[slot]; slot = (slot + 1) & mask)
        if (map->keys[slot] == key)
            return map->values[slot];
    return MX_MAP_NONE;
}

#endif
