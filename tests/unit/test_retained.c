/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/retained*.c on a fake target: a list that holds tuples of its own, tuples that two lists share, garbage.
 *
 *   root -> [0] -> {1 (2), (2)}      a tuple in a tuple, and beside it
 *   root -> [3] -> {(4)}             garbage: [5] holds itself and (6)
 */
#include <CUnit/CUnit.h>

#include "fake_heap.h"
#include "report/object.h"

enum { OUTER, PAIR, LEAF, OTHER, SINGLE, GARBAGE, LOST, OBJECTS };

struct made {
    struct fake_heap of;
    mx_addr objects[OBJECTS];
    uint64_t sizes[OBJECTS];
};

static void make_objects(struct made *made, struct fake *fake)
{
    mx_addr *objects = made->objects;
    objects[LEAF] = fake_tuple(fake, (mx_addr[]){fake->none, fake->none, fake->none}, 3);
    objects[PAIR] = fake_tuple(fake, &objects[LEAF], 1);
    objects[OUTER] = fake_list(fake, (mx_addr[]){objects[PAIR], objects[LEAF]}, 2);
    objects[SINGLE] = fake_tuple(fake, &fake->none, 1);
    objects[OTHER] = fake_list(fake, &objects[SINGLE], 1);
    objects[LOST] = fake_tuple(fake, &fake->none, 1);
    objects[GARBAGE] = fake_list(fake, (mx_addr[]){objects[LOST], 0}, 2);
    mx_addr items = objects[GARBAGE] + (mx_addr)fake->runtime.layout.list.ob_item;
    fake_put(fake, mx_memory_pointer(fake->memory, items), 8, objects[GARBAGE]);
}

static void open_made(struct made *made, struct fake *fake)
{
    make_objects(made, fake);
    const mx_addr roots[] = {made->objects[OUTER], made->objects[OTHER]};
    fake_heap_open(&made->of, fake, made->objects, OBJECTS, roots, 2);
    for (size_t i = 0; i < OBJECTS; i++)
        made->sizes[i] = fake_heap_chunk(&made->of, made->objects[i]);
}

static void close_made(struct made *made)
{
    fake_heap_close(&made->of);
}

static uint64_t retained_of(const struct made *made, int object)
{
    struct mx_retained_size size = {0};
    CU_ASSERT_PTR_NULL(mx_retained_of(made->of.retained, made->objects[object], &size));
    CU_ASSERT_EQUAL(size.block, made->sizes[object]);
    return size.retained;
}

static void test_of_an_object(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        open_made(&made, &fake);
        const uint64_t *sizes = made.sizes;
        CU_ASSERT_EQUAL(retained_of(&made, OUTER), sizes[OUTER] + sizes[PAIR] + sizes[LEAF]);
        CU_ASSERT_EQUAL(retained_of(&made, PAIR), sizes[PAIR]);
        CU_ASSERT_EQUAL(retained_of(&made, LEAF), sizes[LEAF]);
        CU_ASSERT_EQUAL(retained_of(&made, OTHER), sizes[OTHER] + sizes[SINGLE]);
        CU_ASSERT_EQUAL(retained_of(&made, GARBAGE), sizes[GARBAGE] + sizes[LOST]);
        struct mx_retained_info info;
        mx_retained_info(made.of.retained, &info);
        CU_ASSERT_EQUAL(info.total, made.of.all);
        CU_ASSERT_EQUAL(info.static_bytes, 0);
        CU_ASSERT_EQUAL(info.unreachable, sizes[GARBAGE] + sizes[LOST]);
        CU_ASSERT_EQUAL(info.unreachable_blocks, 2);
        CU_ASSERT_EQUAL(info.unowned, 0);
        struct mx_retained_size size;
        struct mx_error *error = mx_retained_of(made.of.retained, 0x1000, &size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_EQUAL(error->code, MX_ERROR_ARGUMENT);
        mx_error_free(error);
        close_made(&made);
    }
}

static struct mx_retained_table *open_table(struct made *made, struct mx_retained_query query)
{
    struct mx_retained_table *table;
    CU_ASSERT_PTR_NULL_FATAL(mx_retained_table_open(made->of.retained, &query, NULL, &table));
    return table;
}

static void test_by_object(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total;
        open_made(&made, &fake);
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.limit = 1});
        const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(total, OBJECTS);
        CU_ASSERT_EQUAL(rows[0].address, made.objects[OUTER]);
        CU_ASSERT_STRING_EQUAL(rows[0].name, "list");
        CU_ASSERT_EQUAL(rows[0].size, mx_object_shallow_size(&made.of.target, made.objects[OUTER]));
        CU_ASSERT_DOUBLE_EQUAL(rows[0].share, (double)rows[0].retained / (double)made.of.all, 1e-9);
        mx_retained_table_close(table);
        table = open_table(&made, (struct mx_retained_query){.within = made.objects[OUTER]});
        rows = mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_EQUAL(rows[0].address, made.objects[LEAF]);
        CU_ASSERT_EQUAL(rows[1].address, made.objects[PAIR]);
        mx_retained_table_close(table);
        close_made(&made);
    }
}

static const struct mx_retained_row *row_called(const struct mx_retained_table *table, const char *name)
{
    static const struct mx_retained_row none;
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    CU_FAIL("no such row");
    return &none;
}

static void test_by_type_and_module(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total, tuples;
        open_made(&made, &fake);
        tuples = made.sizes[PAIR] + made.sizes[LEAF] + made.sizes[SINGLE] + made.sizes[LOST];
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_TYPE});
        mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL(count, 2);
        CU_ASSERT_EQUAL(row_called(table, "list")->retained, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "list")->count, 3);
        CU_ASSERT_EQUAL(row_called(table, "tuple")->retained, tuples);
        CU_ASSERT_EQUAL(row_called(table, "tuple")->size, tuples);
        mx_retained_table_close(table);
        table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_MODULE});
        CU_ASSERT_EQUAL(row_called(table, "builtins")->retained, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "builtins")->count, OBJECTS);
        mx_retained_table_close(table);
        close_made(&made);
    }
}

static void test_by_root_adds_up(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total, sum = 0;
        open_made(&made, &fake);
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_ROOT});
        const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
        for (size_t i = 0; i < count; i++)
            sum += rows[i].retained;
        CU_ASSERT_EQUAL(sum, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "unreachable")->retained, made.sizes[GARBAGE] + made.sizes[LOST]);
        CU_ASSERT_EQUAL(row_called(table, "unreachable")->count, 1);
        mx_retained_table_close(table);
        struct mx_retained_query query = {.by = MX_RETAINED_BY_ROOT, .within = made.objects[OUTER]};
        struct mx_error *error = mx_retained_table_open(made.of.retained, &query, NULL, &table);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        close_made(&made);
    }
}

static void test_objects_by_what_they_retain(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_objects *objects;
        size_t count;
        uint64_t total, bytes;
        open_made(&made, &fake);
        struct mx_object_query query = {.type = "list", .order = MX_ORDER_RETAINED, .limit = 1};
        struct mx_error *error = mx_objects_find(&made.of.target, &made.of.heap, &query, NULL, &objects);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        query.retained = made.of.retained;
        CU_ASSERT_PTR_NULL_FATAL(mx_objects_find(&made.of.target, &made.of.heap, &query, NULL, &objects));
        const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(refs[0].address, made.objects[OUTER]);
        CU_ASSERT_EQUAL(refs[0].retained, retained_of(&made, OUTER));
        mx_objects_close(objects);
        close_made(&made);
    }
}

void suite_retained(CU_pSuite suite);
void suite_retained(CU_pSuite suite)
{
    CU_add_test(suite, "of an object", test_of_an_object);
    CU_add_test(suite, "by object", test_by_object);
    CU_add_test(suite, "by type and module", test_by_type_and_module);
    CU_add_test(suite, "by root adds up", test_by_root_adds_up);
    CU_add_test(suite, "objects by what they retain", test_objects_by_what_they_retain);
}
