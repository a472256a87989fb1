/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands behind a memory: the owner of its names and mappings, and, for a
 * target that is read on demand, the reading. Only lib/memory includes this.
 */
#ifndef MX_MEMORY_SOURCE_H
#define MX_MEMORY_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/strtab.h"
#include "memory/memory.h"

struct mx_memory_source {
    struct mx_strtab names; /* region names and module paths */
    pthread_mutex_t lock;   /* live: held while a shadow is reserved or filled */
    _Atomic bool gone;

    /*
     * Fills `local` from `remote`, both of `count` pieces of pairwise equal length; stops at the first byte that cannot
     * be read and returns how many bytes came before it. NULL when all bytes are mapped already. Any thread may call
     * it.
     */
    size_t (*read)(struct mx_memory_source *source, const struct iovec *local, const struct iovec *remote,
                   size_t count);

    /* Frees what the kind of source added, then the source itself. */
    void (*close)(struct mx_memory_source *source);
};

void mx_source_init(struct mx_memory_source *source);
void mx_source_deinit(struct mx_memory_source *source);

/* A view into the shadow of a live region, which holds address..address + length. */
const uint8_t *mx_live_view(const struct mx_memory *memory, struct mx_region *region, mx_addr address, size_t length);

/* Frees a live region's shadow. */
void mx_live_drop(struct mx_region *region);

/* One read of a live target: how many bytes from `address` on could be read. */
size_t mx_live_read(const struct mx_memory *memory, mx_addr address, uint8_t *out, size_t length);

#endif
