/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts and bytes by type: of a heap, or from rows that were saved.
 */
#include "report/histogram.h"

#include <string.h>

static int compare_rows(const void *a, const void *b)
{
    const struct mx_histogram_row *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->type, right->type);
}

static struct mx_error *finish(struct mx_histogram *histogram, bool ok, struct mx_histogram **ret)
{
    if (!ok) {
        mx_histogram_close(histogram);
        return mx_error_no_memory();
    }
    if (histogram->rows.count)
        qsort(histogram->rows.items, histogram->rows.count, sizeof(struct mx_histogram_row), compare_rows);
    *ret = histogram;
    return NULL;
}

/* Adds a row, or adds to the row of that name when `by_name` is given. */
static bool add_row(struct mx_histogram *histogram, struct mx_map *by_name, const struct mx_histogram_row *row)
{
    const char *name = mx_strtab_add(&histogram->names, row->type, strlen(row->type));
    if (!name)
        return false;
    uint32_t known = by_name ? mx_map_get(by_name, (uintptr_t)name) : MX_MAP_NONE;
    if (known == MX_MAP_NONE) {
        struct mx_histogram_row copy = *row;
        copy.type = name;
        if (by_name && !mx_map_set(by_name, (uintptr_t)name, (uint32_t)histogram->rows.count))
            return false;
        return mx_array_push(&histogram->rows, copy);
    }
    struct mx_histogram_row *sum = &histogram->rows.items[known];
    sum->types += row->types;
    sum->count += row->count;
    sum->bytes += row->bytes;
    return true;
}

static struct mx_error *of_heap(const struct mx_heap *heap, enum mx_count_what what, bool merge,
                                struct mx_histogram **ret)
{
    struct mx_map by_name = {0};
    struct mx_histogram *histogram = mx_calloc(1, sizeof(*histogram));
    if (!histogram)
        return mx_error_no_memory();
    bool ok = true;
    for (size_t i = 0; ok && i < heap->types.count; i++) {
        const struct mx_tally *tally = &heap->tallies[i];
        bool tracked = what == MX_COUNT_TRACKED;
        struct mx_histogram_row row = {
            .type = heap->types.items[i].name,
            .type_addr = heap->types.items[i].address,
            .types = 1,
            .count = tracked ? tally->tracked_count : tally->count,
            .bytes = tracked ? tally->tracked_bytes : tally->bytes,
        };
        ok = !row.count || add_row(histogram, merge ? &by_name : NULL, &row);
    }
    mx_map_deinit(&by_name);
    return finish(histogram, ok, ret);
}

struct mx_error *mx_histogram_of_heap(const struct mx_heap *heap, enum mx_count_what what, struct mx_histogram **ret)
{
    return of_heap(heap, what, true, ret);
}

struct mx_error *mx_histogram_of_types(const struct mx_heap *heap, enum mx_count_what what, struct mx_histogram **ret)
{
    return of_heap(heap, what, false, ret);
}

struct mx_error *mx_histogram_of_rows(const struct mx_histogram_row *rows, size_t count, struct mx_histogram **ret)
{
    struct mx_map by_name = {0};
    struct mx_histogram *histogram = mx_calloc(1, sizeof(*histogram));
    if (!histogram)
        return mx_error_no_memory();
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_row(histogram, &by_name, &rows[i]);
    mx_map_deinit(&by_name);
    return finish(histogram, ok, ret);
}

const struct mx_histogram_row *mx_histogram_rows(const struct mx_histogram *histogram, size_t *count)
{
    *count = histogram->rows.count;
    return histogram->rows.items;
}

void mx_histogram_close(struct mx_histogram *histogram)
{
    if (!histogram)
        return;
    mx_array_free(&histogram->rows);
    mx_strtab_deinit(&histogram->names);
    free(histogram);
}
