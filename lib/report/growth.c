/* SPDX-License-Identifier: Apache-2.0
 *
 * What changed between two histograms, joined by type name.
 */
#include <string.h>

#include "report/histogram.h"

struct mx_growth {
    MX_ARRAY(struct mx_growth_row) rows;
    struct mx_strtab names;
};

static int compare_growth(const void *a, const void *b)
{
    const struct mx_growth_row *left = a, *right = b;
    if (left->count_delta != right->count_delta)
        return left->count_delta < right->count_delta ? 1 : -1;
    if (left->bytes_delta != right->bytes_delta)
        return left->bytes_delta < right->bytes_delta ? 1 : -1;
    return strcmp(left->type, right->type);
}

/* Row number of a name; a new row of zeros when there is none yet; MX_MAP_NONE without memory. */
static uint32_t row_of(struct mx_growth *growth, struct mx_map *by_name, const struct mx_histogram_row *row)
{
    const char *name = mx_strtab_add(&growth->names, row->type, strlen(row->type));
    uint32_t known = name ? mx_map_get(by_name, (uintptr_t)name) : MX_MAP_NONE;
    if (!name || known != MX_MAP_NONE)
        return known;
    uint32_t index = (uint32_t)growth->rows.count;
    struct mx_growth_row fresh = {.type = name, .type_addr = row->type_addr};
    if (!mx_map_set(by_name, (uintptr_t)name, index) || !mx_array_push(&growth->rows, fresh))
        return MX_MAP_NONE;
    return index;
}

static bool join(struct mx_growth *growth, const struct mx_histogram *before, const struct mx_histogram *now)
{
    struct mx_map by_name = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < now->rows.count; i++) {
        const struct mx_histogram_row *row = &now->rows.items[i];
        uint32_t index = row_of(growth, &by_name, row);
        ok = index != MX_MAP_NONE;
        if (ok) {
            struct mx_growth_row *joined = &growth->rows.items[index];
            joined->count = row->count;
            joined->bytes = row->bytes;
            joined->count_delta = (int64_t)row->count;
            joined->bytes_delta = (int64_t)row->bytes;
        }
    }
    for (size_t i = 0; ok && i < before->rows.count; i++) {
        const struct mx_histogram_row *row = &before->rows.items[i];
        uint32_t index = row_of(growth, &by_name, row);
        ok = index != MX_MAP_NONE;
        if (ok) {
            growth->rows.items[index].count_delta -= (int64_t)row->count;
            growth->rows.items[index].bytes_delta -= (int64_t)row->bytes;
        }
    }
    mx_map_deinit(&by_name);
    return ok;
}

static void drop_unchanged(struct mx_growth *growth)
{
    size_t kept = 0;
    for (size_t i = 0; i < growth->rows.count; i++)
        if (growth->rows.items[i].count_delta || growth->rows.items[i].bytes_delta)
            growth->rows.items[kept++] = growth->rows.items[i];
    growth->rows.count = kept;
}

struct mx_error *mx_growth_open(const struct mx_histogram *before, const struct mx_histogram *now,
                                struct mx_growth **ret)
{
    struct mx_growth *growth = mx_calloc(1, sizeof(*growth));
    if (!growth)
        return mx_error_no_memory();
    if (!join(growth, before, now)) {
        mx_growth_close(growth);
        return mx_error_no_memory();
    }
    drop_unchanged(growth);
    if (growth->rows.count)
        qsort(growth->rows.items, growth->rows.count, sizeof(struct mx_growth_row), compare_growth);
    *ret = growth;
    return NULL;
}

const struct mx_growth_row *mx_growth_rows(const struct mx_growth *growth, size_t *count)
{
    *count = growth->rows.count;
    return growth->rows.items;
}

void mx_growth_close(struct mx_growth *growth)
{
    if (!growth)
        return;
    mx_array_free(&growth->rows);
    mx_strtab_deinit(&growth->names);
    free(growth);
}
