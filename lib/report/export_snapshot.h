/* SPDX-License-Identifier: Apache-2.0
 *
 * A V8 heap snapshot that is being written: nodes and strings in
 * export_snapshot.c, edges in export_edges.c.
 */
#ifndef MX_REPORT_EXPORT_SNAPSHOT_H
#define MX_REPORT_EXPORT_SNAPSHOT_H

#include "report/export.h"

/* Nodes below the root; what is unreachable comes last. */
enum mx_root_group {
    MX_GROUP_MODULES,
    MX_GROUP_FRAMES,
    MX_GROUP_THREADS,
    MX_GROUP_INTERPRETERS,
    MX_GROUP_STATIC,
    MX_GROUP_GLOBALS,
    MX_GROUP_STACKS,
    MX_GROUP_GARBAGE,
    MX_GROUP_UNOWNED,
    MX_GROUPS
};

enum { MX_FIRST_BLOCK_NODE = 1 + MX_GROUPS };

struct mx_snapshot {
    struct mx_export *export;
    struct mx_export_ids ids;
    struct mx_bits used, strs, garbage;
    uint32_t group_edges[MX_GROUPS];
    uint64_t nodes, edges; /* put so far */
    struct mx_strtab texts;
    struct mx_map numbers; /* kept text -> number of the string */
    struct mx_map fields;  /* text of the decoders' -> number of the string */
    MX_ARRAY(const char *) names;
    size_t name_bytes;                   /* of names that were made for one object */
    uint32_t *type_names, *buffer_names; /* by type: 1 + number of the string; 0 = not yet made */
};

/* MX_GROUPS for what keeps nothing alive: caches, and words that an object's reference count leaves no room for. */
enum mx_root_group mx_snapshot_group(const struct mx_snapshot *snapshot, const struct mx_graph_root *root);

/* The number of a string that is no value of a str object; a failed allocation is an error of the file's. */
uint32_t mx_snapshot_name(struct mx_snapshot *snapshot, const char *text, size_t length);

struct mx_error *mx_snapshot_put_edges(struct mx_snapshot *snapshot);

#endif
