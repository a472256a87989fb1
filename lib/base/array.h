/* SPDX-License-Identifier: Apache-2.0
 *
 * Growable arrays of any item type. An array that is all zeros is empty and
 * valid; its items move when it grows, so keep indices, not pointers.
 */
#ifndef MX_BASE_ARRAY_H
#define MX_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define MX_ARRAY(item_type)                                                                                            \
    struct {                                                                                                           \
        item_type *items;                                                                                              \
        size_t count;                                                                                                  \
        size_t capacity;                                                                                               \
    }

/* Makes room for `wanted` items of `item_size` bytes; false when there is no memory (nothing is lost). */
bool mx_array_grow(void **items, size_t *capacity, size_t item_size, size_t wanted);

#define mx_array_reserve(array, wanted)                                                                                \
    ((wanted) <= (array)->capacity ||                                                                                  \
     mx_array_grow((void **)&(array)->items, &(array)->capacity, sizeof(*(array)->items), (wanted)))

/* Appends one item; false when there is no memory. */
#define mx_array_push(array, ...)                                                                                      \
    (mx_array_reserve((array), (array)->count + 1) && ((array)->items[(array)->count++] = (__VA_ARGS__), true))

#define mx_array_free(array)                                                                                           \
    do {                                                                                                               \
        free((array)->items);                                                                                          \
        (array)->items = NULL;                                                                                         \
        (array)->count = 0;                                                                                            \
        (array)->capacity = 0;                                                                                         \
    } while (0)

/* calloc that also refuses a product too large for ptrdiff_t. */
void *mx_calloc(size_t count, size_t item_size);

#endif
