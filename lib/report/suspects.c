/* SPDX-License-Identifier: Apache-2.0
 *
 * The few holders that explain most: picked from the tree of holders, named,
 * and told what they hold; and what nothing reaches, as a whole.
 */
#include "report/suspects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LEAST_SHARE 0.01

enum {
    ROOM = 512,
    MOST_TYPED = 160 /* characters of an expression that somebody is asked to type */
};

struct mx_suspects {
    struct mx_holding holding, before; /* while it is made */
    struct mx_picks picks;
    MX_ARRAY(struct mx_suspect) rows;
    struct mx_strtab names;
    uint64_t total, least;
    bool is_comparison;
};

const char *mx_cause_name(enum mx_cause cause)
{
    static const char *const names[] = {
        [MX_CAUSE_MODULE_GLOBAL] = "module-global",
        [MX_CAUSE_CLASS_ATTRIBUTE] = "class-attribute",
        [MX_CAUSE_MEMOIZATION] = "memoization",
        [MX_CAUSE_FRAME_LOCAL] = "frame-local",
        [MX_CAUSE_THREAD_LOCAL] = "thread-local",
        [MX_CAUSE_EXCEPTION] = "exception",
        [MX_CAUSE_GENERATOR] = "generator",
        [MX_CAUSE_TEST_FRAMEWORK] = "test-framework",
        [MX_CAUSE_EXTENSION_MODULE] = "extension-module",
        [MX_CAUSE_GARBAGE] = "garbage",
        [MX_CAUSE_OTHER] = "other",
    };
    return (size_t)cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "other";
}

/* The command that shows more of it. */
static const char *next_command(const struct mx_suspect *row, struct mx_strtab *names)
{
    char text[ROOM];
    if (row->is_expression && strlen(row->path) <= MOST_TYPED)
        snprintf(text, sizeof(text), "py-refs %s -depth 2", row->path);
    else if (row->address)
        snprintf(text, sizeof(text), "py-refs 0x%" PRIx64 " -depth 2", row->address);
    else if (row->example)
        snprintf(text, sizeof(text), "py-backrefs 0x%" PRIx64 " -depth 3", row->example);
    else
        snprintf(text, sizeof(text), "py-retained -by root");
    return mx_strtab_add(names, text, strlen(text));
}

static struct mx_error *finish_row(struct mx_suspects *suspects, struct mx_suspect *row)
{
    row->share = (double)row->retained / (double)suspects->total;
    row->next = next_command(row, &suspects->names);
    return row->next ? NULL : mx_error_no_memory();
}

/* Of comparisons no dominator tree tells; and nobody lets go of a namespace. */
static uint64_t alone(const struct mx_suspects *suspects, const struct mx_pick *pick)
{
    uint64_t retained = mx_retained_block(suspects->holding.retained, pick->holder);
    bool is_all = suspects->is_comparison || mx_holding_is_space(&suspects->holding, pick->holder);
    return is_all || retained > pick->bytes ? pick->bytes : retained;
}

static struct mx_error *describe_picks(struct mx_suspects *suspects)
{
    const struct mx_graph *graph = suspects->holding.retained->graph;
    if (!mx_array_reserve(&suspects->rows, suspects->picks.items.count + MX_LOST_KINDS))
        return mx_error_no_memory();
    for (size_t i = 0; i < suspects->picks.items.count; i++) {
        const struct mx_pick *pick = &suspects->picks.items.items[i];
        const struct mx_type *type;
        struct mx_suspect row = {.address = mx_graph_object(graph, pick->holder, &type),
                                 .retained = pick->bytes,
                                 .holds_type = "",
                                 .example_path = ""};
        row.type = type ? type->name : "?";
        row.alone = alone(suspects, pick);
        MX_TRY(mx_cause_find(&suspects->holding, pick, &suspects->names, &row));
        suspects->rows.items[suspects->rows.count++] = row;
    }
    return mx_holds_find(&suspects->holding, &suspects->picks, suspects->least, &suspects->names, suspects->rows.items);
}

/* With another process, what is lost there counts as it was. */
static struct mx_error *add_lost(struct mx_suspects *suspects)
{
    struct mx_suspect lost[MX_LOST_KINDS] = {0}, before[MX_LOST_KINDS] = {0};
    MX_TRY(mx_suspects_lost(&suspects->holding, lost));
    if (suspects->before.retained)
        MX_TRY(mx_suspects_lost(&suspects->before, before));
    for (size_t i = 0; i < MX_LOST_KINDS; i++) {
        lost[i].retained -= before[i].retained < lost[i].retained ? before[i].retained : lost[i].retained;
        lost[i].alone = lost[i].retained;
        if (lost[i].retained >= suspects->least && !mx_array_push(&suspects->rows, lost[i]))
            return mx_error_no_memory();
    }
    return NULL;
}

static int compare_rows(const void *a, const void *b)
{
    const struct mx_suspect *left = a, *right = b;
    if (left->retained != right->retained)
        return left->retained < right->retained ? 1 : -1;
    return left->address < right->address ? -1 : left->address > right->address;
}

static struct mx_error *explain(struct mx_suspects *suspects, const struct mx_suspects_query *query)
{
    const struct mx_holding *before = suspects->before.retained ? &suspects->before : NULL;
    double share = query->least_share > 0 ? query->least_share : LEAST_SHARE;
    suspects->least = (uint64_t)(share * (double)suspects->total);
    suspects->least = suspects->least ? suspects->least : 1;
    MX_TRY(mx_picks_choose(&suspects->holding, before, suspects->least, &suspects->picks));
    MX_TRY(describe_picks(suspects));
    MX_TRY(add_lost(suspects));
    if (suspects->rows.count)
        qsort(suspects->rows.items, suspects->rows.count, sizeof(struct mx_suspect), compare_rows);
    if (query->limit && suspects->rows.count > query->limit)
        suspects->rows.count = query->limit;
    for (size_t i = 0; i < suspects->rows.count; i++)
        MX_TRY(finish_row(suspects, &suspects->rows.items[i]));
    return NULL;
}

static uint64_t bytes_in_all(const struct mx_holding *holding)
{
    return holding->bytes[mx_dominators_root(&holding->retained->dominators)];
}

static struct mx_error *build(struct mx_suspects *suspects, struct mx_retained *retained,
                              const struct mx_suspects_query *query, const struct mx_progress *progress)
{
    suspects->is_comparison = query->since || query->since_retained;
    MX_TRY(mx_holding_open(retained, query->since, progress, &suspects->holding));
    suspects->total = bytes_in_all(&suspects->holding);
    if (query->since_retained) {
        MX_TRY(mx_holding_open(query->since_retained, NULL, progress, &suspects->before));
        uint64_t before = bytes_in_all(&suspects->before);
        suspects->total = suspects->total > before ? suspects->total - before : 0;
    }
    return suspects->total ? explain(suspects, query) : NULL;
}

static void drop_workings(struct mx_suspects *suspects)
{
    mx_holding_deinit(&suspects->holding);
    mx_holding_deinit(&suspects->before);
    mx_array_free(&suspects->picks.items);
}

struct mx_error *mx_suspects_open(struct mx_retained *retained, const struct mx_suspects_query *query,
                                  const struct mx_progress *progress, struct mx_suspects **ret)
{
    if (query->since && query->since_retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "compare with an earlier stop or with another process, not with both");
    struct mx_suspects *suspects = mx_calloc(1, sizeof(*suspects));
    if (!suspects)
        return mx_error_no_memory();
    struct mx_error *error = build(suspects, retained, query, progress);
    drop_workings(suspects);
    if (error) {
        mx_suspects_close(suspects);
        return error;
    }
    *ret = suspects;
    return NULL;
}

const struct mx_suspect *mx_suspects_rows(const struct mx_suspects *suspects, size_t *count, uint64_t *total)
{
    *count = suspects->rows.count;
    *total = suspects->total;
    return suspects->rows.items;
}

void mx_suspects_close(struct mx_suspects *suspects)
{
    if (!suspects)
        return;
    mx_array_free(&suspects->rows);
    mx_strtab_deinit(&suspects->names);
    free(suspects);
}
