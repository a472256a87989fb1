/* SPDX-License-Identifier: Apache-2.0
 *
 * Single references and nodes of the graph, described: shared by trees and
 * paths.
 */
#ifndef MX_REPORT_REFERENCE_H
#define MX_REPORT_REFERENCE_H

#include "base/strtab.h"
#include "heap/graph.h"

/* The block of the object at `address`; raw blocks only when `raw` allows. ARGUMENT says what else is there. */
struct mx_error *mx_place_find(const struct mx_graph *graph, mx_addr address, bool raw, uint32_t *ret);

/* Address, type and size of what is in a block. */
struct mx_node mx_node_describe(const struct mx_graph *graph, uint32_t block);

/* enum mx_reference_kind of an edge's class. */
uint8_t mx_reference_kind_of(uint8_t class);

enum { MX_REFERENCE_NAME = 1024 }; /* room for a name */

/* The edges from one block to another in the decoder's order; false stops. */
typedef bool (*mx_parallel_visit)(void *context, const struct mx_edge *edge);
void mx_edges_between(const struct mx_graph *graph, uint32_t from, uint32_t to, mx_parallel_visit visit, void *context);

/* Names of edges and roots for trees in a buffer of MX_REFERENCE_NAME bytes. */
void mx_edge_text(const struct mx_graph *graph, const struct mx_edge *edge, char *buffer);
void mx_root_text(const struct mx_graph *graph, const struct mx_root *root, char *buffer);

/* The same, interned in `names`; NULL when there is no memory. */
const char *mx_edge_label(const struct mx_graph *graph, const struct mx_edge *edge, struct mx_strtab *names);
const char *mx_root_label(const struct mx_graph *graph, const struct mx_root *root, struct mx_strtab *names);

/* The root of a block that explains best; NULL when it has none but caches. */
const struct mx_root *mx_root_best(const struct mx_graph *graph, uint32_t block);

#endif
