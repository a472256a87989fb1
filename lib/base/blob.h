/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and texts one after the other in bytes, for files of our own. Reading
 * trusts nothing: what is not there reads as 0 or "" and sets `broken`.
 */
#ifndef MX_BASE_BLOB_H
#define MX_BASE_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"

struct mx_blob {
    MX_ARRAY(uint8_t) bytes;
    bool no_memory; /* something could not be added */
};

void mx_blob_put(struct mx_blob *blob, const void *bytes, size_t length);
void mx_blob_put_u64(struct mx_blob *blob, uint64_t value);
void mx_blob_put_text(struct mx_blob *blob, const char *text); /* NULL stays NULL */

struct mx_blob_reader {
    const uint8_t *at;
    size_t left;
    bool broken;
};

/* A pointer to `length` bytes inside the blob, or NULL. */
const uint8_t *mx_blob_get(struct mx_blob_reader *reader, uint64_t length);
uint64_t mx_blob_get_u64(struct mx_blob_reader *reader);

/* A number of things that take at least `least` bytes each: broken when there is no room for so many. */
uint64_t mx_blob_get_count(struct mx_blob_reader *reader, size_t least);

/* A text inside the blob, without NUL; NULL when it was NULL, or is not there. */
const char *mx_blob_get_text(struct mx_blob_reader *reader, size_t *length);

/* A copy of the text that the caller frees; false when there is no memory. */
bool mx_blob_copy_text(struct mx_blob_reader *reader, char **ret);

#endif
