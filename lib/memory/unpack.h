/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed files (zstd, gzip, xz) as plain ones: streamed to a temporary
 * file without a name. Knows nothing of what is in them. Only lib/memory
 * includes this.
 */
#ifndef MX_MEMORY_UNPACK_H
#define MX_MEMORY_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * The program that made a file which begins so ("zstd", "gzip", "xz", "lz4"), NULL when it is not known to be
 * compressed; *ret_readable: mx_unpack() can read it.
 */
const char *mx_compression(const uint8_t *bytes, size_t size, bool *ret_readable);

/*
 * Unpacks into an anonymous file of TMPDIR (else /var/tmp), in which pages of zeros are holes; the caller closes its
 * descriptor. A file that is cut or damaged gives what comes before that. `path` is for messages.
 */
struct mx_error *mx_unpack(const char *path, const uint8_t *bytes, size_t size, const struct mx_progress *progress,
                           int *ret_descriptor);

#endif
