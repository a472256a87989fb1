/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the suspects share: the tree of holders, those that were
 * picked from it, and why each of them holds.
 */
#ifndef MX_REPORT_SUSPECTS_H
#define MX_REPORT_SUSPECTS_H

#include "base/strtab.h"
#include "report/retained.h"

/*
 * The tree of holders: the dominator tree, in which what only a namespace (a module, a class) or nothing at all
 * dominates hangs on the object before it on the shortest way from a root instead. So two globals that share their
 * elements still explain them: the one that is nearer does.
 *
 *   dominators   root -> Order, Order, ... (in a.CACHE and in b.LIST)      holders   root -> a -> a.CACHE -> Order, ...
 *
 * Both trees go down the tree of shortest ways, but for words that only look like references: rings are cut.
 */
struct mx_holding {
    struct mx_retained *retained;
    uint32_t *owners; /* by block, then of the root and of the unreachable; MX_NO_BLOCK for free blocks and the root */
    uint64_t *bytes;  /* the same: of all that hangs on it, itself included */
    uint8_t *spaces;  /* bits by block: modules, classes and their dicts */
    struct mx_work work;
};

/* `since`: only blocks that this earlier heap does not have weigh anything; NULL: all. */
struct mx_error *mx_holding_open(struct mx_retained *retained, const struct mx_heap *since,
                                 const struct mx_progress *progress, struct mx_holding *ret);
void mx_holding_deinit(struct mx_holding *holding);

static inline bool mx_holding_is_space(const struct mx_holding *holding, uint32_t block)
{
    uint32_t root = mx_dominators_root(&holding->retained->dominators);
    return block >= root ? block == root : holding->spaces[block / 8] >> block % 8 & 1;
}

/* The same holder in another process of the same program, or MX_NO_BLOCK. */
struct mx_error *mx_twin_find(struct mx_graph *graph, uint32_t block, struct mx_graph *other, uint32_t *ret);

struct mx_pick {
    uint32_t holder; /* a block */
    uint32_t inner;  /* where its bytes fan out: itself, or the dict inside a cache */
    uint64_t bytes;
    bool is_rest; /* without those of its elements that were picked themselves */
};

struct mx_picks {
    MX_ARRAY(struct mx_pick) items;
};

/* The holders of at least `least` bytes each; with `before`, of so many bytes more than there. What nothing reaches is
   not among them. */
struct mx_error *mx_picks_choose(struct mx_holding *holding, const struct mx_holding *before, uint64_t least,
                                 struct mx_picks *ret);

/* Fills path, is_expression, cause and why. */
struct mx_error *mx_cause_find(const struct mx_holding *holding, const struct mx_pick *pick, struct mx_strtab *names,
                               struct mx_suspect *ret);

/* Fills what each pick holds: rows[i] is of the i-th. `least` as it was chosen with. */
struct mx_error *mx_holds_find(struct mx_holding *holding, const struct mx_picks *picks, uint64_t least,
                               struct mx_strtab *names, struct mx_suspect *rows);

/* What no root leads to: garbage, objects that somebody counts a reference to, C data. Fills a row of each. */
enum { MX_LOST_GARBAGE, MX_LOST_HELD, MX_LOST_DATA, MX_LOST_KINDS };
struct mx_error *mx_suspects_lost(struct mx_holding *holding, struct mx_suspect *rows);

/* "sys.modules['app'].CACHE" as a name path: app.CACHE. NULL when there is no memory. */
const char *mx_name_path(const char *expression, struct mx_strtab *names);

/* The label of an edge between two blocks; "" when there is none. NULL when there is no memory. */
const char *mx_label_between(const struct mx_graph *graph, uint32_t from, uint32_t to, struct mx_strtab *names);

#endif
