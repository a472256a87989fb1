/* SPDX-License-Identifier: Apache-2.0
 *
 * What a saved target does without: memory that no answer is made from. It
 * reads as zeros then, and compresses to nothing.
 *
 *   free blocks      all but the links that the allocators' walks follow
 *   long texts       the middle of str and bytes; a line with its length and checksum stands at its beginning, so that
 *                    texts that differed still do
 *   data buffers     numbers in large raw blocks (numpy arrays, bytearrays, C libraries' memory): what is no address
 *   programs' text   instructions, and constants that nothing points to
 *   other files      what the process has mapped of them
 */
#ifndef MX_HEAP_LIGHTEN_H
#define MX_HEAP_LIGHTEN_H

#include "heap/heap.h"

struct mx_lightening {
    const struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_map loose;              /* 1 + id of the large raw blocks of which only addresses count */
    struct mx_map pages;              /* numbers of the pages of modules' constants that are needed */
    MX_ARRAY(struct mx_range) unused; /* behind the last chunk of malloc's arenas */
    MX_ARRAY(struct mx_range) stacks; /* what is searched for roots, and may reach beyond the stack: kept as it is */
};

/* Looks at the heap; it is to be one of this target's. */
struct mx_error *mx_lightening_open(const struct mx_target *target, const struct mx_heap *heap, struct mx_work *work,
                                    struct mx_lightening *ret);
void mx_lightening_close(struct mx_lightening *lightening);

/* Finds out what `loose` and `pages` hold; for mx_lightening_open(). */
struct mx_error *mx_lightening_find_needs(struct mx_lightening *lightening, struct mx_work *work);

/* For struct mx_saved_content; `context` is a struct mx_lightening. */
bool mx_lightening_skips(void *context, const struct mx_region *region);
void mx_lightening_clear(void *context, mx_addr start, uint8_t *bytes, size_t length);

/* Constants of a program or library, which are kept by the page. */
bool mx_is_constant(const struct mx_region *region);

#endif
