/* SPDX-License-Identifier: Apache-2.0
 *
 * Edits of words, as a fuzzer's input has them: u32 which word, u8 how, u24 value.
 */
#ifndef MX_TESTS_FUZZ_EDIT_H
#define MX_TESTS_FUZZ_EDIT_H

#include <stdint.h>

enum { EDIT_SIZE = 8 };

struct edit {
    uint32_t word;
    uint8_t how;
    uint32_t value;
};

struct edit edit_read(const uint8_t *bytes);

/* What the word becomes: a near miss, an extreme, `other` (one that stands elsewhere), or a value. */
uint64_t edit_apply(const struct edit *edit, uint64_t word, uint64_t other);

#endif
