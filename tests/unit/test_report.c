/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report: histograms from rows, and growth between two of them.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "memext.h"

static struct mx_histogram *histogram(const struct mx_histogram_row *rows, size_t count)
{
    struct mx_histogram *made = NULL;
    struct mx_error *error = mx_histogram_of_rows(rows, count, &made);
    CU_ASSERT_PTR_NULL_FATAL(error);
    return made;
}

static void test_rows_of_one_name_are_merged_and_sorted(void)
{
    static const struct mx_histogram_row rows[] = {
        {"app.Order", 0x10, 1, 3, 300},
        {"str", 0x20, 1, 100, 5000},
        {"app.Order", 0x30, 1, 2, 200},
        {"int", 0x40, 1, 10, 500},
    };
    struct mx_histogram *made = histogram(rows, 4);
    size_t count;
    const struct mx_histogram_row *sorted = mx_histogram_rows(made, &count);
    CU_ASSERT_EQUAL_FATAL(count, 3);
    CU_ASSERT_STRING_EQUAL(sorted[0].type, "str");
    CU_ASSERT_STRING_EQUAL(sorted[1].type, "int"); /* the same bytes, but more of them */
    CU_ASSERT_STRING_EQUAL(sorted[2].type, "app.Order");
    CU_ASSERT_EQUAL(sorted[2].types, 2);
    CU_ASSERT_EQUAL(sorted[2].count, 5);
    CU_ASSERT_EQUAL(sorted[2].bytes, 500);
    mx_histogram_close(made);
}

static void test_growth_joins_by_name(void)
{
    static const struct mx_histogram_row before[] = {
        {"dict", 0, 1, 10, 1000}, {"gone", 0, 1, 4, 40}, {"same", 0, 1, 7, 70}, {"bytes", 0, 1, 1, 33}};
    static const struct mx_histogram_row now[] = {
        {"dict", 5, 1, 12, 900}, {"new", 6, 1, 3, 60}, {"same", 7, 1, 7, 70}, {"bytes", 8, 1, 1, 1033}};
    struct mx_histogram *old = histogram(before, 4), *fresh = histogram(now, 4);
    struct mx_growth *growth;
    CU_ASSERT_PTR_NULL_FATAL(mx_growth_open(old, fresh, &growth));
    size_t count;
    const struct mx_growth_row *rows = mx_growth_rows(growth, &count);
    CU_ASSERT_EQUAL_FATAL(count, 4);
    CU_ASSERT_STRING_EQUAL(rows[0].type, "new");
    CU_ASSERT_EQUAL(rows[0].count_delta, 3);
    CU_ASSERT_STRING_EQUAL(rows[1].type, "dict");
    CU_ASSERT_EQUAL(rows[1].count, 12);
    CU_ASSERT_EQUAL(rows[1].bytes_delta, -100);
    CU_ASSERT_EQUAL(rows[1].type_addr, 5);
    CU_ASSERT_STRING_EQUAL(rows[2].type, "bytes");
    CU_ASSERT_EQUAL(rows[2].bytes_delta, 1000);
    CU_ASSERT_STRING_EQUAL(rows[3].type, "gone");
    CU_ASSERT_EQUAL(rows[3].count, 0);
    CU_ASSERT_EQUAL(rows[3].count_delta, -4);
    mx_growth_close(growth);
    mx_histogram_close(old);
    mx_histogram_close(fresh);
}

static void test_nothing_grows_from_nothing(void)
{
    struct mx_histogram *empty = histogram(NULL, 0);
    struct mx_growth *growth;
    CU_ASSERT_PTR_NULL_FATAL(mx_growth_open(empty, empty, &growth));
    size_t count = 1;
    mx_growth_rows(growth, &count);
    CU_ASSERT_EQUAL(count, 0);
    mx_growth_close(growth);
    mx_histogram_close(empty);
}

void suite_report(CU_pSuite suite);
void suite_report(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_rows_of_one_name_are_merged_and_sorted);
    CU_ADD_TEST(suite, test_growth_joins_by_name);
    CU_ADD_TEST(suite, test_nothing_grows_from_nothing);
}
