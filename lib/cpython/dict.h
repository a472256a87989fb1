/* SPDX-License-Identifier: Apache-2.0
 *
 * Dicts from the outside: the entries of combined and split tables, and an
 * instance's attributes wherever a version keeps them.
 * (CPython Objects/dictobject.c, Include/internal/pycore_dict.h)
 */
#ifndef MX_CPYTHON_DICT_H
#define MX_CPYTHON_DICT_H

#include "cpython/type.h"

/* Called for each entry in insertion order; false stops. key and value are never 0. */
typedef bool (*mx_dict_visit)(void *context, mx_addr key, mx_addr value);

/* Entries of the dict (or subclass) at `dict`. Returns how many were visited; a broken table ends early. */
size_t mx_dict_each(const struct mx_runtime *runtime, mx_addr dict, mx_dict_visit visit, void *context);

/* The value under a str key equal to the ASCII `key`, or 0. */
mx_addr mx_dict_get(const struct mx_runtime *runtime, mx_addr dict, const char *key);

/* Where an instance keeps its attributes; 0 = not there. With both, the dict's values are those inside the object. */
struct mx_storage {
    mx_addr dict;
    mx_addr values; /* an array of values, whose names are in the type's ht_cached_keys */
};
/* CPython 3.11 Objects/object.c: _PyObject_ValuesPointer(), an offset from the object. */
enum { MX_MANAGED_VALUES = -32 };
struct mx_storage mx_attributes_storage(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object);

/* The attributes in such an array. */
size_t mx_values_each(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr values, mx_dict_visit visit,
                      void *context);

/* The start of the raw block that an array of values is in; 0 when it is inside of an object. */
mx_addr mx_values_block(const struct mx_runtime *runtime, mx_addr values);

/* Attributes of an instance: from its dict, its values array, or values inside the object; slots are not among them. */
size_t mx_attributes_each(const struct mx_types *types, const struct mx_type *type, mx_addr object, mx_dict_visit visit,
                          void *context);

/* The bytes that a dict's keys table occupies, from its header; false when the header makes no sense. */
struct mx_dict_keys {
    uint64_t bytes;      /* of the whole keys object */
    uint64_t entries;    /* dk_nentries */
    uint64_t usable;     /* dk_usable: places left */
    int64_t refcount;    /* dk_refcnt */
    uint64_t size;       /* slots of the index */
    mx_addr lookup;      /* dk_lookup; 0 since 3.11 */
    mx_addr first;       /* address of the first entry */
    uint32_t entry_size; /* 24, or 16 for tables of str keys */
};
bool mx_dict_keys_parse(const struct mx_layout *layout, mx_addr keys, const uint8_t *header, struct mx_dict_keys *ret);
bool mx_dict_keys_read(const struct mx_runtime *runtime, mx_addr keys, struct mx_dict_keys *ret);

#endif
