/* SPDX-License-Identifier: Apache-2.0
 *
 * A fast 64-bit checksum of bytes. Every step is reversible, so that no change
 * of a single word goes unnoticed. It is no protection against malice.
 */
#ifndef MX_BASE_HASH_H
#define MX_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* `seed` chains calls: the hash of what came before, 0 at the start. The pieces are part of the result. */
uint64_t mx_hash(uint64_t seed, const void *bytes, size_t length);

#endif
