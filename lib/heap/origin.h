/* SPDX-License-Identifier: Apache-2.0
 *
 * What a saved target tells of the target that it was saved from, and what of
 * its interpreter needs the program's files to be found out.
 */
#ifndef MX_HEAP_ORIGIN_H
#define MX_HEAP_ORIGIN_H

#include "base/blob.h"
#include "cpython/layout.h"

struct mx_origin {
    char *kind;    /* "core" or "live"; NULL: this target was not saved */
    char *path;    /* of the core; NULL when live */
    int64_t time;  /* seconds since 1970 */
    char *malloc;  /* the native allocator's name, whose version is in its file */
    bool measured; /* `layout` was measured from DWARF */
    struct mx_layout layout;
};

void mx_origin_deinit(struct mx_origin *origin);

void mx_origin_put(const struct mx_origin *origin, struct mx_blob *blob);

/* BAD_DATA when the bytes are no such thing. */
struct mx_error *mx_origin_get(const struct mx_blob *blob, struct mx_origin *ret);

#endif
