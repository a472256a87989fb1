/* SPDX-License-Identifier: Apache-2.0
 *
 * sys.getsizeof() from the outside: `__sizeof__` of each kind plus what
 * _PySys_GetSizeOf adds for what stands before the object.
 */
#ifndef MX_CPYTHON_SIZE_H
#define MX_CPYTHON_SIZE_H

#include "cpython/type.h"

/*
 * The shallow size of the object at `address`, whose first `available` bytes are at `bytes` (at least 64 or the whole
 * object). `needs_more`, when not NULL, is set instead of reading anything beyond those bytes (a dict's keys table, a
 * type's flags): the caller then calls again without it when that is cheap to read, or keeps the lower bound returned.
 * What is not in the target counts as nothing.
 */
uint64_t mx_object_size(const struct mx_types *types, const struct mx_type *type, mx_addr address, const uint8_t *bytes,
                        size_t available, bool *needs_more);

/* The shallow size of every instance of a type; 0 when they differ. */
uint64_t mx_object_fixed_size(const struct mx_type *type);

/* Where a dict's keys table is, and whether it has values of its own beside it; `bytes` are the dict's. */
struct mx_dict_tables {
    mx_addr keys;
    bool split;
};
struct mx_dict_tables mx_dict_tables(const struct mx_layout *layout, const uint8_t *bytes);

/*
 * What a dict's tables add to its size: for passes that gather the tables' headers (layout->dict_keys.size bytes each)
 * themselves. `split`: the dict has values of its own beside the keys.
 */
uint64_t mx_dict_tables_size(const struct mx_layout *layout, const uint8_t *keys_header, bool split);

#endif
