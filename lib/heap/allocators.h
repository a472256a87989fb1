/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings the allocators (alloc/) and the interpreter's facts about them
 * (cpython/) together.
 */
#ifndef MX_HEAP_ALLOCATORS_H
#define MX_HEAP_ALLOCATORS_H

#include "alloc/glibc.h"
#include "alloc/mimalloc.h"
#include "alloc/pymalloc.h"
#include "cpython/runtime.h"
#include "memory/thread.h"

struct mx_allocators {
    struct mx_pymalloc_facts facts;
    struct mx_arenas arenas;
    struct mx_mimalloc mimalloc;
    struct mx_glibc glibc;
};

/* Where the allocators' own tables stand, which does not change while a process lives; zeros: not known. */
struct mx_allocator_places {
    struct mx_arena_places arenas;
    mx_addr bins;
    bool plain_links; /* struct mx_glibc's */
};
struct mx_allocator_places mx_allocators_places(const struct mx_allocators *allocators);

/* `places`: those of an earlier stop, or NULL. `threads`: nothing of malloc's is looked for in their stacks. */
struct mx_error *mx_allocators_open(const struct mx_runtime *runtime, const struct mx_threads *threads,
                                    const struct mx_allocator_places *places, struct mx_allocators *ret);

/* The process ran on, and its memory was read anew; `cursor` is on that. */
struct mx_error *mx_allocators_reopen(const struct mx_runtime *runtime, struct mx_cursor *cursor,
                                      struct mx_allocators *allocators);
void mx_allocators_close(struct mx_allocators *allocators);

#endif
