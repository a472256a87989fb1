/* SPDX-License-Identifier: Apache-2.0
 *
 * Unpacks the index of a saved target, changes a few of its words, and packs it
 * again, so that what reads it has to doubt each of them.
 */
#include "saved_damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "memory/saved_format.h"

struct file {
    uint8_t header[MX_SAVED_HEADER];
    uint8_t *index, *packed;
    uint64_t offset, packed_size, size;
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 31;
}

static bool read_index(FILE *stream, struct file *file)
{
    if (fread(file->header, sizeof(file->header), 1, stream) != 1)
        return false;
    file->offset = mx_load_u64(file->header + 24);
    file->packed_size = mx_load_u64(file->header + 32);
    file->size = mx_load_u64(file->header + 40);
    file->index = malloc(file->size);
    file->packed = malloc(ZSTD_compressBound(file->size));
    return file->index && file->packed && !fseek(stream, (long)file->offset, SEEK_SET) &&
           fread(file->packed, file->packed_size, 1, stream) == 1 &&
           ZSTD_decompress(file->index, file->size, file->packed, file->packed_size) == file->size;
}

/* Small steps from what is there, too: what is nearly right is believed for longer. */
static void change_words(struct file *file, uint64_t seed)
{
    for (uint64_t i = 1 + next_random(&seed) % 8; i > 0; i--) {
        uint8_t *at = file->index + next_random(&seed) % (file->size / 8) * 8;
        uint64_t word = mx_load_u64(at), random = next_random(&seed);
        word = random % 3 ? word + random % 4096 - 2048 : random >> random % 64;
        memcpy(at, &word, 8);
    }
}

static void put(struct file *file, size_t at, uint64_t value)
{
    memcpy(file->header + at, &value, 8);
}

static bool write_index(FILE *stream, struct file *file)
{
    file->packed_size = ZSTD_compress(file->packed, ZSTD_compressBound(file->size), file->index, file->size, 1);
    put(file, 16, file->offset + file->packed_size);
    put(file, 32, file->packed_size);
    put(file, 48, mx_hash(0, file->packed, file->packed_size));
    put(file, 56, mx_hash(0, file->header, 56));
    return !fseek(stream, (long)file->offset, SEEK_SET) && fwrite(file->packed, file->packed_size, 1, stream) == 1 &&
           !fseek(stream, 0, SEEK_SET) && fwrite(file->header, sizeof(file->header), 1, stream) == 1;
}

bool damage_saved(const char *path, uint64_t seed)
{
    struct file file = {.size = 0};
    FILE *stream = fopen(path, "r+b");
    bool good = stream && read_index(stream, &file);
    if (good) {
        change_words(&file, seed);
        good = write_index(stream, &file);
    }
    if (stream)
        good = !fclose(stream) && good;
    free(file.index);
    free(file.packed);
    return good;
}
