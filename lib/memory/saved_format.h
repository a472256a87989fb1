/* SPDX-License-Identifier: Apache-2.0
 *
 * The format of saved targets, for what writes and what reads them. Numbers are
 * eight bytes, the lowest first. Only lib/memory/saved*.c include this.
 */
#ifndef MX_MEMORY_SAVED_FORMAT_H
#define MX_MEMORY_SAVED_FORMAT_H

#include "base/strtab.h"
#include "memory/saved.h"

enum {
    MX_SAVED_MAGIC_SIZE = 8,
    MX_SAVED_VERSION = 1, /* readers refuse greater ones */
    MX_SAVED_HEADER = 64,
    MX_SAVED_FRAME = 256 * 1024, /* of memory, at most; larger ones compress hardly better (measured) */
    MX_SAVED_LEVEL = 3,          /* of zstd: level 1 is a third faster and 2 % larger, level 5 half as fast */
};

extern const uint8_t mx_saved_magic[MX_SAVED_MAGIC_SIZE];

/* Behind the magic, in this order; `header_hash` is of all that stands before it. */
struct mx_saved_header {
    uint64_t version, file_size, index_offset, index_packed, index_size, index_hash, header_hash;
};

/* A stretch of memory, and where its bytes are. */
struct mx_saved_frame {
    mx_addr address;
    uint64_t length;
    uint64_t offset; /* in the file */
    uint64_t packed; /* bytes there; 0 = all zeros, of any length */
    uint64_t hash;   /* of these */
    uint64_t near;   /* 1: addresses are told by their distance where that is small */
};

struct mx_saved_frames {
    MX_ARRAY(struct mx_saved_frame) frames; /* sorted, not overlapping */
};

/* Rewrites the words at `start` that point near themselves; false, and nothing is changed, where that cannot be undone.
 */
bool mx_saved_pack_near(mx_addr start, uint8_t *bytes, size_t length);
void mx_saved_unpack_near(mx_addr start, uint8_t *bytes, size_t length);

/* The index, apart from the frames. `names` keeps the texts that regions, modules and symbols point to. */
void mx_saved_put_facts(struct mx_blob *blob, const struct mx_saved_content *content);
struct mx_error *mx_saved_get_facts(struct mx_blob_reader *reader, struct mx_strtab *names, struct mx_memory *memory,
                                    struct mx_modules *modules, struct mx_threads *threads, struct mx_blob *facts);

#endif
