/* SPDX-License-Identifier: Apache-2.0
 *
 * Insertion and growth of the address map; look-ups are inline in the header.
 */
#include "base/map.h"

#include "base/array.h"

void mx_map_deinit(struct mx_map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct mx_map){0};
}

static void place(struct mx_map *map, uint64_t key, uint32_t value)
{
    size_t mask = ((size_t)1 << map->bits) - 1;
    size_t slot = mx_map_slot(map, key);
    while (map->keys[slot] && map->keys[slot] != key)
        slot = (slot + 1) & mask;
    if (!map->keys[slot])
        map->count++;
    map->keys[slot] = key;
    map->values[slot] = value; /* NOLINT(clang-analyzer-unix.Malloc): it takes grow()'s new arrays for the old ones */
}

static bool grow(struct mx_map *map)
{
    struct mx_map larger = {.bits = map->bits ? map->bits + 1 : 8};
    size_t slots = (size_t)1 << larger.bits;
    larger.keys = mx_calloc(slots, sizeof(*larger.keys));
    larger.values = mx_calloc(slots, sizeof(*larger.values));
    if (!larger.keys || !larger.values) {
        mx_map_deinit(&larger);
        return false;
    }
    size_t old_slots = map->bits ? (size_t)1 << map->bits : 0;
    for (size_t slot = 0; slot < old_slots; slot++)
        if (map->keys[slot])
            place(&larger, map->keys[slot], map->values[slot]);
    mx_map_deinit(map);
    *map = larger;
    return true;
}

bool mx_map_set(struct mx_map *map, uint64_t key, uint32_t value)
{
    if (!key)
        return false;
    if (!map->bits || map->count >= (size_t)1 << (map->bits - 1))
        if (!grow(map))
            return false;
    place(map, key, value);
    return true;
}
