/* SPDX-License-Identifier: Apache-2.0
 *
 * Which malloc a program has, told by the files that are loaded and by what they define. It reads no heap.
 */
#ifndef MX_ALLOC_KNOWN_H
#define MX_ALLOC_KNOWN_H

#include "memory/module.h"

struct mx_known_malloc {
    const struct mx_module *libc; /* glibc's, or NULL */
    bool musl;
    const char
        *other; /* "jemalloc", "tcmalloc", "mimalloc": one that takes malloc's place, loaded or linked in; NULL */
};

void mx_known_malloc_find(const struct mx_modules *modules, struct mx_known_malloc *ret);

/* "glibc 2.36", from the text that every libc.so.6 carries; "glibc" where there is none. */
void mx_known_glibc_name(const struct mx_module *libc, char *name, size_t size);

/* Whether a name that this gave is of a glibc before 2.32, whose free chunks are linked by plain addresses. */
bool mx_known_plain_links(const char *name);

#endif
