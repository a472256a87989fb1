/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways in which a word can be nearly right, or not at all.
 */
#include "edit.h"

#include <string.h>

struct edit edit_read(const uint8_t *bytes)
{
    struct edit edit = {.how = bytes[4], .value = bytes[5] | (uint32_t)bytes[6] << 8 | (uint32_t)bytes[7] << 16};
    memcpy(&edit.word, bytes, sizeof(edit.word));
    return edit;
}

uint64_t edit_apply(const struct edit *edit, uint64_t word, uint64_t other)
{
    static const uint64_t extremes[] = {0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT32_MAX, INT32_MAX};
    switch (edit->how % 6) {
    case 0:
        return word + (uint64_t)(int8_t)edit->value;
    case 1:
        return word + 8 * (uint64_t)(int16_t)edit->value;
    case 2:
        return extremes[edit->value % (sizeof(extremes) / sizeof(*extremes))];
    case 3:
        return other;
    case 4:
        return word ^ UINT64_C(1) << edit->value % 64;
    default:
        return (uint64_t)edit->value << edit->how % 41;
    }
}
