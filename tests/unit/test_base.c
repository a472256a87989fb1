/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/base: errors, arrays, the address map, interned strings, workers.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "base/strtab.h"
#include "base/work.h"

static void test_error_keeps_its_message(void)
{
    struct mx_error *error = mx_error_new(MX_ERROR_BAD_DATA, "field %s is %d", "tp_basicsize", 7);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_BAD_DATA);
    CU_ASSERT_STRING_EQUAL(error->message, "field tp_basicsize is 7");
    mx_error_free(error);
    error = mx_error_os(2, "cannot open %s", "x");
    CU_ASSERT_STRING_EQUAL(error->message, "cannot open x: No such file or directory");
    mx_error_free(error);
    error = mx_error_new(MX_ERROR_OS, "no file %s", "a\nb\033[2J");
    CU_ASSERT_STRING_EQUAL(error->message, "no file a?b?[2J");
    mx_error_free(error);
    mx_error_free(mx_error_no_memory());
    mx_error_free(NULL);
}

static void test_array_grows_and_keeps_items(void)
{
    MX_ARRAY(uint32_t) array = {0};
    for (uint32_t i = 0; i < 1000; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&array, i * 3));
    CU_ASSERT_EQUAL(array.count, 1000);
    CU_ASSERT_EQUAL(array.items[999], 2997);
    CU_ASSERT_FALSE(mx_array_reserve(&array, (size_t)PTRDIFF_MAX));
    CU_ASSERT_EQUAL(array.items[999], 2997);
    mx_array_free(&array);
    CU_ASSERT_PTR_NULL(array.items);
}

static void test_map_finds_what_was_set(void)
{
    struct mx_map map = {0};
    CU_ASSERT_EQUAL(mx_map_get(&map, 16), MX_MAP_NONE);
    for (uint32_t i = 1; i <= 5000; i++)
        CU_ASSERT_TRUE_FATAL(mx_map_set(&map, (uint64_t)i << 4, i));
    CU_ASSERT_EQUAL(map.count, 5000);
    for (uint32_t i = 1; i <= 5000; i++)
        CU_ASSERT_EQUAL(mx_map_get(&map, (uint64_t)i << 4), i);
    CU_ASSERT_EQUAL(mx_map_get(&map, 8), MX_MAP_NONE);
    CU_ASSERT_TRUE(mx_map_set(&map, 16, 99));
    CU_ASSERT_EQUAL(mx_map_get(&map, 16), 99);
    CU_ASSERT_EQUAL(map.count, 5000);
    CU_ASSERT_FALSE(mx_map_set(&map, 0, 1));
    mx_map_deinit(&map);
}

static void test_strtab_keeps_each_text_once(void)
{
    struct mx_strtab table = {0};
    char text[16];
    const char *first = mx_strtab_add(&table, "name 7", 6);
    for (int i = 0; i < 500; i++) {
        int length = snprintf(text, sizeof(text), "name %d", i);
        CU_ASSERT_STRING_EQUAL(mx_strtab_add(&table, text, (size_t)length), text);
    }
    CU_ASSERT_PTR_EQUAL(mx_strtab_add(&table, "name 7x", 6), first);
    CU_ASSERT_EQUAL(table.strings.count, 500);
    mx_strtab_deinit(&table);
}

struct sum {
    _Atomic uint64_t total;
    struct mx_work work;
};

static void add_task(void *context, size_t task)
{
    struct sum *sum = context;
    atomic_fetch_add(&sum->total, task);
    mx_work_step(&sum->work, 1);
}

static void test_parallel_runs_each_task_once(void)
{
    struct sum sum = {0};
    mx_work_begin(&sum.work, NULL, "adding", 1000);
    mx_work_parallel(4, 1000, add_task, &sum);
    CU_ASSERT_EQUAL(atomic_load(&sum.total), 499500);
    CU_ASSERT_EQUAL(atomic_load(&sum.work.done), 1000);
}

static bool refuse(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage, (void)total;
    *(uint64_t *)context = done;
    return false;
}

static void test_progress_can_cancel(void)
{
    uint64_t seen = 0;
    struct mx_progress progress = {refuse, &seen};
    struct mx_work work;
    mx_work_begin(&work, &progress, "stage", 10);
    CU_ASSERT_FALSE(mx_work_step(&work, 4));
    CU_ASSERT_EQUAL(seen, 4);
    mx_work_begin(&work, &progress, "stage", 10);
    mx_work_step(&work, 400);
    CU_ASSERT_EQUAL(seen, 10);
    mx_work_begin(&work, NULL, "stage", 10);
    CU_ASSERT_TRUE(mx_work_step(&work, 4));
}

void suite_base(CU_pSuite suite);
void suite_base(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_error_keeps_its_message);
    CU_ADD_TEST(suite, test_array_grows_and_keeps_items);
    CU_ADD_TEST(suite, test_map_finds_what_was_set);
    CU_ADD_TEST(suite, test_strtab_keeps_each_text_once);
    CU_ADD_TEST(suite, test_parallel_runs_each_task_once);
    CU_ADD_TEST(suite, test_progress_can_cancel);
}
