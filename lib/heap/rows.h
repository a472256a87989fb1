/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a graph's rows. The edges of blocks come from a callback, so that
 * tests can build graphs of their own.
 */
#ifndef MX_HEAP_ROWS_H
#define MX_HEAP_ROWS_H

#include "heap/graph.h"

/* The edges of consecutive blocks, as one worker finds them. */
struct mx_edge_buffer {
    MX_ARRAY(uint32_t) targets;
    MX_ARRAY(uint8_t) classes; /* as many */
    uint64_t dangling, inexact;
    bool no_memory;
    struct mx_found_edges found; /* the callback's own, kept from call to call */
};

/*
 * Appends the edges of blocks from..until - 1 and sets ends[i] to the number of edges in the buffer behind those of
 * block from + i. Called by several threads at once, each with its own buffer.
 */
typedef void (*mx_edges_of_blocks)(void *context, uint32_t from, uint32_t until, struct mx_edge_buffer *buffer,
                                   uint32_t *ends);

struct mx_rows_plan {
    uint32_t blocks;
    size_t most_edges; /* more are an error; memory is taken for those that are there only */
    unsigned threads;
    struct mx_work *work; /* a step a block */
    mx_edges_of_blocks edges;
    void *context;
};

/* The sums of all buffers are added to *dangling and *inexact. The rows are the same for any number of threads. */
struct mx_error *mx_rows_build(const struct mx_rows_plan *plan, struct mx_rows *ret, uint64_t *dangling,
                               uint64_t *inexact);

/* The same edges by target. */
struct mx_error *mx_rows_reverse(const struct mx_rows *rows, unsigned threads, struct mx_work *work,
                                 struct mx_rows *ret);

void mx_rows_deinit(struct mx_rows *rows);

#endif
