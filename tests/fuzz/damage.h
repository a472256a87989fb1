/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage to the bytes of a core: a number is a kind of damage and its seed, so
 * that the same number makes the same damage everywhere.
 */
#ifndef MX_TESTS_FUZZ_DAMAGE_H
#define MX_TESTS_FUZZ_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image {
    uint8_t *bytes;
    size_t size;
};

/* How many kinds there are: `number` makes kind number % damage_kinds(). */
uint64_t damage_kinds(void);

/* Changes bytes in place, or lowers the size. */
void damage_image(struct image *image, uint64_t number);

/* splitmix64. */
uint64_t random_next(uint64_t *state);

#endif
