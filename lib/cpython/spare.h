/* SPDX-License-Identifier: Apache-2.0
 *
 * Room that containers have allocated and do not use: what building them anew
 * with the same items would save.
 */
#ifndef MX_CPYTHON_SPARE_H
#define MX_CPYTHON_SPARE_H

#include "cpython/type.h"

struct mx_spare {
    uint64_t used;   /* items */
    uint64_t places; /* that there is memory for */
    uint64_t bytes;  /* that as many items would not need */
};

/*
 * Of a list, dict or set (or a subclass); false when nothing is spare, or the object is torn or not all there.
 *   lists  what x[:] would not allocate
 *   dicts  the smallest table that holds as many entries; of a split one, the values beyond it
 *   sets   what set(x) would not allocate
 */
bool mx_container_spare(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_spare *ret);

/* Whether instances of a type can have a `__dict__`. Of modules and classes it is the namespace, and not looked at. */
bool mx_type_has_dict(const struct mx_types *types, const struct mx_type *type);

/* The `__dict__` of an instance of such a type, when it was made and holds nothing; else 0. */
mx_addr mx_instance_empty_dict(const struct mx_types *types, const struct mx_type *type, mx_addr object);

/* Bytes of a dict's values that are inside of its instance: sys.getsizeof() counts them with the dict, too. */
uint64_t mx_dict_embedded_bytes(const struct mx_types *types, mx_addr dict);

#endif
