/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of damage, from a flipped byte to whole pages that stand elsewhere.
 */
#include "damage.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit ? (size_t)(random_next(state) % limit) : 0;
}

static void flip_bytes(struct image *image, uint64_t *seed, size_t from, size_t to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image->bytes[from + below(seed, to - from)] = (uint8_t)random_next(seed);
}

static void flip_anywhere(struct image *image, uint64_t *seed)
{
    flip_bytes(image, seed, 0, image->size, 1 + below(seed, 4000));
}

/* ELF header, program headers and the notes behind them. */
static void flip_headers(struct image *image, uint64_t *seed)
{
    flip_bytes(image, seed, 0, image->size < 16384 ? image->size : 16384, 1 + below(seed, 20));
}

static void flip_program_header(struct image *image, uint64_t *seed)
{
    Elf64_Ehdr header;
    memcpy(&header, image->bytes, sizeof(header));
    size_t at = (size_t)header.e_phoff + below(seed, header.e_phnum) * sizeof(Elf64_Phdr);
    uint64_t value = random_next(seed) >> below(seed, 64);
    if (at + sizeof(Elf64_Phdr) <= image->size)
        memcpy(image->bytes + at + 8 * below(seed, sizeof(Elf64_Phdr) / 8), &value, sizeof(value));
}

static void cut(struct image *image, uint64_t *seed)
{
    image->size = below(seed, image->size);
}

static uint8_t *random_word(const struct image *image, uint64_t *seed)
{
    return image->bytes + 8 * below(seed, image->size / 8);
}

/* Pointers that point somewhere else that exists: the damage that plausibility checks see least. */
static void swap_words(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 3000); i > 0; i--) {
        uint8_t *one = random_word(image, seed), *other = random_word(image, seed);
        uint64_t kept;
        memcpy(&kept, one, 8);
        memcpy(one, other, 8);
        memcpy(other, &kept, 8);
    }
}

static bool is_pointer(uint64_t word)
{
    return (word >> 40) == 0x7f || (word > 0x400000 && word < UINT64_C(0x7f0000000000));
}

/* Hits pointers only, by a little: off by some words, misaligned, or into the neighbour. */
static void nudge_pointers(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 20000); i > 0; i--) {
        uint8_t *at = random_word(image, seed);
        uint64_t word;
        memcpy(&word, at, 8);
        if (!is_pointer(word))
            continue;
        word += below(seed, 256) - 128;
        memcpy(at, &word, 8);
    }
}

/* Sizes, counts and links at the limits of their types. */
static void plant_extremes(struct image *image, uint64_t *seed)
{
    static const uint64_t extremes[] = {0,          1,         UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
                                        UINT32_MAX, INT32_MAX, 1 << 16};
    for (size_t i = 1 + below(seed, 5000); i > 0; i--)
        memcpy(random_word(image, seed), &extremes[below(seed, sizeof(extremes) / sizeof(*extremes))], 8);
}

static void zero_pages(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 40); i > 0; i--) {
        size_t at = below(seed, image->size / 4096) * 4096;
        memset(image->bytes + at, 0, 4096);
    }
}

/* A page of the core over another one: whole structures where they do not belong. */
static void copy_pages(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 40); i > 0; i--) {
        size_t from = below(seed, image->size / 4096) * 4096, to = below(seed, image->size / 4096) * 4096;
        memmove(image->bytes + to, image->bytes + from, 4096);
    }
}

static void (*const damages[])(struct image *, uint64_t *) = {
    flip_anywhere,  flip_headers,   flip_program_header, cut,        swap_words,
    nudge_pointers, plant_extremes, zero_pages,          copy_pages,
};
enum { DAMAGES = sizeof(damages) / sizeof(*damages) };

uint64_t damage_kinds(void)
{
    return DAMAGES;
}

void damage_image(struct image *image, uint64_t number)
{
    uint64_t seed = number;
    damages[number % DAMAGES](image, &seed);
}
