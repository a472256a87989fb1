/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of C code that nothing reaches any more: a conservative mark over all
 * raw blocks, with Python's objects as what holds them.
 *
 *   objects, C data, pages of threads and libraries -> blocks -> blocks they point to ...   HELD
 *   words on C stacks, odd addresses                                                        POSSIBLE
 *   no word at all: heads, and what only they lead to                                       LOST, INDIRECT
 *
 * An address counts wherever it stands in memory that is in use, in any of the block's bytes. Words inside of Python's
 * values (the text of a str, the digits of an int), of tables that hold references only, and malloc's own lists do not.
 */
#ifndef MX_HEAP_LOST_H
#define MX_HEAP_LOST_H

#include "base/work.h"
#include "heap/graph.h"

enum mx_held {
    MX_HELD_OTHER,             /* free, or an object: not looked for */
    MX_HELD_FIRMLY,            /* reached */
    MX_HELD_POSSIBLY,          /* reached by weak words only: these lead to it themselves ... */
    MX_HELD_POSSIBLY_INDIRECT, /* ... or to what leads to it */
    MX_HELD_LOST,              /* by none: the head of what was lost with it */
    MX_HELD_LOST_INDIRECT,     /* by lost blocks only */
};

struct mx_lost {
    uint8_t *held;           /* enum mx_held, by block */
    uint32_t *heads;         /* by block: of indirect ones, the head that leads there */
    mx_addr *words;          /* by number of a POSSIBLY block in address order: where a word that leads to it stands */
    uint32_t possible;       /* how many these are */
    MX_ARRAY(uint32_t) left; /* raw blocks that are not held firmly, in address order */
    uint32_t blocks;
};

/* Needs mx_graph_referrers(). */
struct mx_error *mx_lost_find(const struct mx_graph *graph, struct mx_work *work, struct mx_lost *ret);
void mx_lost_deinit(struct mx_lost *lost);

#endif
