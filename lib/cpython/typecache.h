/* SPDX-License-Identifier: Apache-2.0
 *
 * The type cache: where the interpreter remembers which attribute it found in
 * which type's MRO. It owns the names, and only borrows what it found.
 */
#ifndef MX_CPYTHON_TYPECACHE_H
#define MX_CPYTHON_TYPECACHE_H

#include "cpython/type.h"

/* CPython Objects/typeobject.c (3.8, 3.9), Include/internal/pycore_interp.h, pycore_typeobject.h: {version, name,
 * value} */
enum { MX_CACHE_ENTRY = 24, MX_CACHE_NAME = 8, MX_CACHE_VALUE = 16 };

/*
 * No symbol and no debug offset tells where it is, but nothing else looks like it: looks through `length` bytes of the
 * target that begin at an aligned address. Returns the offset of its first used entry, and in *entries how many there
 * are up to its last one, unused ones included; *entries is 0 when it is not there, or hardly used.
 */
size_t mx_type_cache_find(const struct mx_types *types, const uint8_t *bytes, size_t length, size_t *entries);

/* Whether the entry is in use: it has a version and a name. */
bool mx_type_cache_used(const struct mx_types *types, const uint8_t *entry);

#endif
