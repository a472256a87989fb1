/* SPDX-License-Identifier: Apache-2.0
 *
 * Which root explains best why a block is alive that no single object retains:
 * what hangs on the dominator tree's root itself, by the roots' labels.
 */
#ifndef MX_REPORT_ORIGINS_H
#define MX_REPORT_ORIGINS_H

#include "base/strtab.h"
#include "heap/graph.h"

struct mx_origins {
    const struct mx_graph *graph;
    struct mx_strtab *names;       /* the caller's: where labels are kept */
    MX_ARRAY(const char *) labels; /* by falling age: the newest is last */
    uint32_t *known; /* by block: the first block on the way from a root to it; MX_NO_BLOCK: not yet looked for */
    struct mx_map by_block; /* first block + 1 -> label */
    struct mx_map by_name;
};

/* Labels of what no root reaches: garbage, and C data apart from it. */
extern const char mx_label_garbage[], mx_label_unowned[];

/* `names` must outlive it. To be deinitialised only when it was opened. */
struct mx_error *mx_origins_open(struct mx_graph *graph, struct mx_strtab *names, const struct mx_progress *progress,
                                 struct mx_origins *ret);
void mx_origins_deinit(struct mx_origins *origins);

/*
 * The label's index for a block that the roots reach; MX_MAP_NONE when there is no memory. *origin is the first block
 * on the way from the root, MX_NO_BLOCK when none is known.
 */
uint32_t mx_origins_label(struct mx_origins *origins, uint32_t block, uint32_t *origin);

#endif
