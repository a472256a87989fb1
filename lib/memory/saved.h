/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved targets: a memory, its modules and threads in one compressed file, and
 * reading it back as one more kind of target that is read on demand. What may
 * be left out of the bytes is for the caller to say.
 *
 *   [header][frame][frame]...[index]
 *
 *   header  64 bytes: magic, version, lengths, checksums (saved_format.h)
 *   frame   up to 256 KB of one region, compressed by itself, so that any place is near
 *   index   compressed: regions, modules with their symbols, threads, the caller's facts, and each frame's address,
 *           place in the file and checksum. Ranges of zeros are entries without a frame.
 */
#ifndef MX_MEMORY_SAVED_H
#define MX_MEMORY_SAVED_H

#include "base/blob.h"
#include "base/work.h"
#include "memory/memory.h"
#include "memory/module.h"
#include "memory/thread.h"

/* What is saved. */
struct mx_saved_content {
    const struct mx_memory *memory;
    const struct mx_modules *modules;
    const struct mx_threads *threads;
    const struct mx_blob *facts; /* the caller's own, given back as they are */

    /* Nothing of this region is needed: it will read as zeros. */
    bool (*skips)(void *context, const struct mx_region *region);
    /* Clears what is not needed of the bytes at `start`, which are of one region. Threads call it at once. */
    void (*lighten)(void *context, mx_addr start, uint8_t *bytes, size_t length);
    void *context;
};

/* Writes the file; *ret_bytes is its length. `work` counts the bytes of the regions. */
struct mx_error *mx_saved_write(const struct mx_saved_content *content, const char *path, struct mx_work *work,
                                uint64_t *ret_bytes);

/* The bytes of all regions that are there: the total that mx_saved_write() counts to. */
uint64_t mx_saved_extent(const struct mx_memory *memory);

/*
 * Opens a file, once its checksums agree: BAD_DATA when it is no such file, damaged or cut, UNSUPPORTED when a newer
 * memext wrote it. Modules have symbols, but no files. The results are closed as those of mx_core_open(); `facts` is
 * freed by the caller.
 */
struct mx_error *mx_saved_open(const char *path, struct mx_memory **memory, struct mx_modules *modules,
                               struct mx_threads *threads, struct mx_blob *facts);

/* Whether a file that begins with these bytes is a saved target. */
bool mx_saved_begins(const uint8_t *bytes, size_t length);

#endif
