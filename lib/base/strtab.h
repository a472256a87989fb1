/* SPDX-License-Identifier: Apache-2.0
 *
 * Interned strings: each text is kept once and its pointer stays valid until
 * the table is deinitialised, so equal texts are equal pointers.
 */
#ifndef MX_BASE_STRTAB_H
#define MX_BASE_STRTAB_H

#include <stddef.h>

#include "base/array.h"
#include "base/map.h"

struct mx_strtab {
    MX_ARRAY(char *) strings;
    MX_ARRAY(size_t) next; /* strings of one hash are chained: index + 1 */
    struct mx_map by_hash; /* hash -> index of the newest string of that hash */
};

void mx_strtab_deinit(struct mx_strtab *table);

/* The kept copy of text[0..length); NULL when there is no memory. */
const char *mx_strtab_add(struct mx_strtab *table, const char *text, size_t length);

#endif
