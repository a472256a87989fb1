/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a file that is there whole or not at all: the bytes go to a new file
 * beside it, which takes its name at the end.
 */
#ifndef MX_BASE_OUTFILE_H
#define MX_BASE_OUTFILE_H

#include "base/error.h"

struct mx_outfile {
    char *path;      /* to be written; links are followed */
    char *temporary; /* beside it */
    int descriptor;  /* -1 = not open */
};

/* Readable by nobody but its owner, as cores are. ARGUMENT: there is something at `path` that is no regular file. */
struct mx_error *mx_outfile_open(const char *path, struct mx_outfile *ret);

/* Any thread may call it, for places that do not overlap. */
struct mx_error *mx_outfile_write(const struct mx_outfile *file, const void *bytes, size_t length, uint64_t offset);

/* Gives the file its name, or on `error` removes it, and frees the handle; returns the first error. */
struct mx_error *mx_outfile_close(struct mx_outfile *file, struct mx_error *error);

#endif
