/* SPDX-License-Identifier: Apache-2.0
 *
 * What the passes that look for waste share: where to look, and what they find,
 * as block ids until it is known which rows are shown.
 */
#ifndef MX_REPORT_WASTE_H
#define MX_REPORT_WASTE_H

#include <pthread.h>

#include "base/work.h"
#include "heap/graph.h"

enum {
    MX_WASTE_KINDS = MX_WASTE_EMPTY_DICTS + 1,
    MX_WASTE_SAMPLES = 8,
    MX_WASTE_SLICES = 64, /* of the blocks: one task each */
};

/* What is to be done with the objects of a type. */
enum mx_waste_task {
    MX_WASTE_SKIP,
    MX_WASTE_TEXT,      /* to be compared: exactly str or bytes */
    MX_WASTE_CONTAINER, /* may have room to spare */
};

/* A row that may be shown. */
struct mx_waste_found {
    uint32_t samples[MX_WASTE_SAMPLES]; /* blocks of some of the objects, the first one first */
    uint32_t sample_count;
    const char *type; /* of the instances whose dicts are empty; else NULL */
    uint64_t count, bytes, wasted;
};

struct mx_waste_sum {
    MX_ARRAY(struct mx_waste_found) found; /* the limit is kept to now and then, not always */
    uint64_t count, bytes, wasted;         /* of all, also those that are no longer in `found` */
};

/* waste_holder.c: what naming holders looks up. All zeros is valid and closed; `graph` may be NULL. */
struct mx_waste_holders {
    const struct mx_graph *graph;
    struct mx_map modules; /* address of a module, or of its namespace -> index of its root */
};

struct mx_waste_search {
    struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_graph *graph; /* or NULL */
    struct mx_waste_query query;
    struct mx_work work;
    uint8_t *tasks;  /* enum mx_waste_task, by type */
    bool *has_dict;  /* by type: its instances may have a __dict__ */
    uint64_t *empty; /* a bit a block: an instance's dict that is empty */
    struct mx_waste_sum sums[MX_WASTE_KINDS];
    struct mx_waste_found *types; /* empty dicts, by type of instance */
    struct mx_waste_holders holders;
    pthread_mutex_t lock; /* of sums, empty and types */
    _Atomic bool no_memory;
};

/* Adds to a kind's sums, and to its rows where it is worth one. Any thread may call it. */
void mx_waste_add(struct mx_waste_search *search, enum mx_waste_kind kind, const struct mx_waste_found *found);

/* Calls `visit` for the objects in a slice that there is anything to do with; returns early when cancelled. */
typedef void (*mx_waste_visit)(void *context, uint32_t block, mx_addr object, uint32_t type);
void mx_waste_slice(struct mx_waste_search *search, size_t slice, mx_waste_visit visit, void *context);

/* Counts the room that a container has to spare. Any thread may call it. */
void mx_waste_container(struct mx_waste_search *search, uint32_t block, mx_addr object, uint32_t type);

/* waste_equal.c: the second pass: str and bytes objects that equal others; containers go to mx_waste_container(). */
struct mx_error *mx_waste_equal(struct mx_waste_search *search);

/* False when there is no memory. */
bool mx_waste_holders_open(const struct mx_graph *graph, struct mx_waste_holders *ret);
void mx_waste_holders_close(struct mx_waste_holders *holders);

/* Who holds most of the row's samples, interned in `texts`: "" when nobody is known, NULL when there is no memory. */
const char *mx_waste_holder(const struct mx_waste_holders *holders, const struct mx_waste_found *found,
                            struct mx_strtab *texts);

#endif
