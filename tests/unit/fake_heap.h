/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap of a made-up target's objects, with the graph and the retained sizes
 * above it: for tests of reports. Each object is a chunk of malloc's.
 */
#ifndef MX_TESTS_FAKE_HEAP_H
#define MX_TESTS_FAKE_HEAP_H

#include "fake.h"
#include "heap/graph.h"

struct fake_heap {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_graph *graph;
    struct mx_retained *retained;
    uint64_t all; /* bytes of all chunks */
};

/* Of these objects; those that `roots` lists are held by threads. Failures are fatal. */
void fake_heap_open(struct fake_heap *made, struct fake *fake, const mx_addr *objects, size_t count,
                    const mx_addr *roots, size_t root_count);
void fake_heap_close(struct fake_heap *made);

/* The bytes of an object's chunk. */
uint64_t fake_heap_chunk(const struct fake_heap *made, mx_addr object);

#endif
