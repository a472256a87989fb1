/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage to saved targets that no checksum tells.
 */
#ifndef MX_TESTS_FUZZ_SAVED_DAMAGE_H
#define MX_TESTS_FUZZ_SAVED_DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Writes other numbers into the index of the file at `path` and makes all checksums right; false on any failure. */
bool damage_saved(const char *path, uint64_t seed);

#endif
