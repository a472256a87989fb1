/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects in memory of a malloc that nobody here can walk: the garbage
 * collector's lists lead to those that it tracks.
 */
#ifndef MX_HEAP_TRACKED_H
#define MX_HEAP_TRACKED_H

#include "heap/scan.h"
#include "heap/target.h"

/* Neighbours in one mapping: objects[first..first + count). */
struct mx_tracked_group {
    size_t first, count;
    mx_addr end; /* of the mapping, or where an arena begins in it: no block reaches further */
};

struct mx_tracked {
    MX_ARRAY(mx_addr) objects; /* sorted */
    MX_ARRAY(struct mx_tracked_group) groups;
};

/* Finds the tracked objects that are neither in pymalloc's arenas nor in modules' data. */
struct mx_error *mx_tracked_find(const struct mx_target *target, struct mx_tracked *ret);
void mx_tracked_deinit(struct mx_tracked *tracked);

/* Lists a group as a span of chunks, free ones standing for what is between the objects. */
void mx_tracked_scan(struct mx_worker *worker, const struct mx_tracked *tracked, size_t group, struct mx_listed *ret);

#endif
