/* SPDX-License-Identifier: Apache-2.0
 *
 * The candidates of an outline: what outline_items.c finds and outline.c
 * chooses from.
 */
#ifndef MX_REPORT_OUTLINE_H
#define MX_REPORT_OUTLINE_H

#include "report/origins.h"
#include "report/reference.h"
#include "report/retained.h"
#include "report/since.h"

enum mx_cut_kind {
    MX_CUT_TOP,   /* the heap's root, or the block that the outline begins at */
    MX_CUT_LABEL, /* a root */
    MX_CUT_BLOCK, /* a block that retains enough */
    MX_CUT_GROUP, /* smaller blocks of one type and parent */
};

struct mx_cut_item {
    uint64_t retained;
    uint32_t parent; /* item; the first item is the top */
    uint32_t block;  /* LABEL, GROUP: the first one; TOP: MX_NO_BLOCK for the heap's root */
    uint32_t count;  /* blocks */
    uint32_t label;  /* LABEL: its index; MX_MAP_NONE: no root reaches it */
    uint8_t kind;    /* enum mx_cut_kind */
};

struct mx_cut {
    const struct mx_graph *graph;
    const struct mx_dominators *dominators;
    struct mx_outline_query query;
    uint32_t within;          /* MX_NO_BLOCK: the heap's root */
    uint64_t least;           /* bytes of a block that is an item */
    const uint64_t *retained; /* by block: the dominators', or of what is new */
    uint64_t *new_retained;
    struct mx_since since;
    uint8_t *scope;      /* by block: whether it is below `within`; NULL: all are */
    uint32_t *groups;    /* by type index: the first type of that name; at the end raw blocks */
    struct mx_map known; /* keys of items -> item */
    struct mx_origins origins;
    struct mx_strtab labels;
    MX_ARRAY(struct mx_cut_item) items;
    struct mx_work work;
};

/* `query.nodes` must be set. To be deinitialised in any case. */
struct mx_error *mx_cut_open(struct mx_retained *retained, const struct mx_outline_query *query,
                             const struct mx_progress *progress, struct mx_cut *ret);
void mx_cut_deinit(struct mx_cut *cut);

/* What a block itself weighs in this outline. */
uint64_t mx_cut_own(const struct mx_cut *cut, uint32_t block);

#endif
