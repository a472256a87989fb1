/* SPDX-License-Identifier: Apache-2.0
 *
 * The allocating half of the growable arrays.
 */
#include "base/array.h"

#include <stdint.h>

bool mx_array_grow(void **items, size_t *capacity, size_t item_size, size_t wanted)
{
    size_t larger = *capacity + *capacity / 2 + 16;
    if (larger < wanted)
        larger = wanted;
    if (larger > PTRDIFF_MAX / item_size)
        return false;
    void *moved = realloc(*items, larger * item_size);
    if (!moved)
        return false;
    *items = moved;
    *capacity = larger;
    return true;
}

void *mx_calloc(size_t count, size_t item_size)
{
    if (item_size && count > PTRDIFF_MAX / item_size)
        return NULL;
    return calloc(count ? count : 1, item_size);
}
