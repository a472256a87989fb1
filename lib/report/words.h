/* SPDX-License-Identifier: Apache-2.0
 *
 * Words in memory that nobody decodes (C data, unknown structs, pages that no
 * allocator gave out) which look like references to chosen objects.
 */
#ifndef MX_REPORT_WORDS_H
#define MX_REPORT_WORDS_H

#include "base/work.h"
#include "heap/graph.h"

/* An object whose count says that somebody else refers to it. */
struct mx_suspicion {
    mx_addr object;
    uint32_t block;
    int64_t refcount;
    uint64_t found; /* counted references */
    uint64_t words; /* uncertain ones; mx_words_count() adds to it */
};

/*
 * Adds to each suspicion's `words` how many words elsewhere hold its address: in raw blocks that no decoder knows, and
 * on pages that no allocator gave out. Frames, C stacks and C data are not looked at: the graph's roots have them.
 */
struct mx_error *mx_words_count(const struct mx_graph *graph, struct mx_work *work, struct mx_suspicion *suspicions,
                                size_t count);

#endif
