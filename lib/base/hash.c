/* SPDX-License-Identifier: Apache-2.0
 *
 * The checksum: four lanes of eight bytes, so that the multiplications do not
 * wait for each other.
 */
#include "base/hash.h"

#include <string.h>

enum { LANES = 4, STRIDE = 8 * LANES };

static const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate((lane ^ word) * prime, 29);
}

static uint64_t finish(uint64_t value)
{
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

uint64_t mx_hash(uint64_t seed, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t lanes[LANES] = {seed, seed + prime, seed ^ prime, ~seed}, word, hash = length;
    size_t left = length;
    for (; left >= STRIDE; left -= STRIDE, at += STRIDE)
        for (size_t i = 0; i < LANES; i++) {
            memcpy(&word, at + 8 * i, 8);
            lanes[i] = mix(lanes[i], word);
        }
    for (int i = 0; i < LANES; i++)
        hash = mix(hash, lanes[i]);
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        hash = mix(hash, word);
    }
    word = 0;
    if (left)
        memcpy(&word, at, left);
    return finish(mix(hash, word));
}
