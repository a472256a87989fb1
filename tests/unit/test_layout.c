/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/layout: the rows that are built in, and choosing among them.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpython/layout.h"

static void test_fields_cover_the_struct_once(void)
{
    const struct mx_layout_field *field;
    size_t count = 0;
    for (; (field = mx_layout_field(count)); count++) {
        CU_ASSERT_EQUAL(field->position, count * sizeof(int32_t));
        CU_ASSERT_PTR_NOT_NULL(field->member ? field->paths : field->structs);
    }
    CU_ASSERT_EQUAL(count * sizeof(int32_t), offsetof(struct mx_layout, version_hex));
    CU_ASSERT_PTR_NULL(mx_layout_field(SIZE_MAX));
}

/* A flexible array may begin where its struct ends. */
static void check_bounds(const char *name, const struct mx_layout *layout)
{
    const struct mx_layout_field *field;
    int32_t size = MX_ABSENT;
    for (size_t i = 0; (field = mx_layout_field(i)); i++) {
        int32_t value = mx_layout_value(layout, field);
        if (!field->member)
            size = value;
        bool good = value == MX_ABSENT || (value >= 0 && value <= size);
        if (!good)
            printf("\n    %s: %s.%s is %d of %d\n", name, field->group, field->member, value, size);
        CU_ASSERT_TRUE(good);
    }
}

static void test_row_offsets_lie_in_their_structs(void)
{
    const char *name;
    const struct mx_layout *layout;
    size_t rows = 0;
    for (; (layout = mx_layout_row(rows, &name)); rows++)
        check_bounds(name, layout);
    CU_ASSERT_TRUE(rows >= 6);
}

/* A field that fields.def got after a row was written would be a silent 0: the rows must be written anew. */
static void check_is_written(const char *name)
{
    char path[128], wanted[128];
    static char text[1 << 16];
    snprintf(path, sizeof(path), "lib/cpython/rows/%s.inc", name);
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const struct mx_layout_field *field;
    for (size_t i = 0; (field = mx_layout_field(i)); i++) {
        snprintf(wanted, sizeof(wanted), " .%s.%s = ", field->group, field->member ? field->member : "size");
        if (!strstr(text, wanted))
            printf("\n    %s lacks%s: run `make layouts`\n", path, wanted);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted));
    }
}

static void test_rows_have_every_field(void)
{
    const char *name;
    for (size_t row = 0; mx_layout_row(row, &name); row++)
        check_is_written(name);
}

static void test_row_shapes_follow_from_the_version(void)
{
    const struct mx_layout *row;
    for (size_t i = 0; (row = mx_layout_row(i, NULL)); i++) {
        struct mx_layout layout = *row;
        layout.header_shape = 99, layout.gc_shape = 99, layout.preheader_shape = 99, layout.dict_shape = 99;
        layout.values_shape = 99, layout.str_shape = 99, layout.int_shape = 99, layout.frame_shape = 99;
        layout.presize_shape = 99, layout.pool_size = 0, layout.arena_size = 0;
        mx_layout_shapes(&layout);
        CU_ASSERT_EQUAL(memcmp(&layout, row, sizeof(layout)), 0);
    }
}

/* CPython gh-149590, the first releases without faulthandler_traverse(): 3.13.14, 3.14.6, 3.15.0b2. */
static void test_faulthandler_hides_its_file_since_some_micro_release(void)
{
    static const uint32_t shown[] = {0x030800f0, 0x030c01f0, 0x030d0df0, 0x030e00f0, 0x030e05f0, 0x030f00b1};
    static const uint32_t hidden[] = {0x030d0ef0, 0x030d12f0, 0x030e06f0, 0x030e0af0, 0x030f00b2, 0x030f02f0};
    struct mx_layout layout = *mx_layout_row(0, NULL);
    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        layout.version_hex = shown[i];
        mx_layout_shapes(&layout);
        CU_ASSERT_FALSE(layout.hides_faulthandler);
        layout.version_hex = hidden[i];
        mx_layout_shapes(&layout);
        CU_ASSERT_TRUE(layout.hides_faulthandler);
    }
}

/* What each shape promises to its readers. */
static void check_promises(const struct mx_layout *layout)
{
    CU_ASSERT_EQUAL(layout->gc_shape == MX_GC_RUNTIME, layout->runtime.gc >= 0);
    CU_ASSERT_EQUAL(layout->gc_shape == MX_GC_RUNTIME, layout->interpreter.gc < 0);
    CU_ASSERT_TRUE(layout->free_threaded || (layout->gc_shape == MX_GC_YOUNG_OLD) == (layout->gc.old >= 0));
    CU_ASSERT_EQUAL(layout->header_shape == MX_HEADER_FREE_THREADED, layout->object.ob_tid >= 0);
    CU_ASSERT_TRUE(layout->free_threaded ||
                   (layout->header_shape == MX_HEADER_SPLIT_WORD) == (layout->object.ob_flags >= 0));
    CU_ASSERT_EQUAL(layout->dict_shape == MX_DICT_SIZE_WORD, layout->dict_keys.dk_size >= 0);
    CU_ASSERT_EQUAL(layout->dict_shape == MX_DICT_LOG2, layout->dict_keys.dk_log2_size >= 0);
    CU_ASSERT_EQUAL(layout->values_shape == MX_VALUES_HEADER, layout->dict_values.capacity >= 0);
    CU_ASSERT_EQUAL(layout->values_shape == MX_VALUES_PLAIN, layout->dict_values.size < 0);
    CU_ASSERT_EQUAL(layout->str_shape == MX_STR_WSTR, layout->ascii.wstr >= 0);
    CU_ASSERT_EQUAL(layout->int_shape == MX_INT_LV_TAG, layout->integer.lv_tag >= 0);
    CU_ASSERT_EQUAL(layout->frame_shape == MX_FRAME_OBJECTS, layout->frame.f_localsplus >= 0);
    CU_ASSERT_EQUAL(layout->frame_shape == MX_FRAME_CFRAME, layout->cframe.current_frame >= 0);
    CU_ASSERT_EQUAL(layout->frame_shape == MX_FRAME_OBJECTS, layout->interpreter_frame.size < 0);
}

static void test_rows_keep_the_promises_of_their_shapes(void)
{
    const struct mx_layout *row;
    for (size_t i = 0; (row = mx_layout_row(i, NULL)); i++) {
        check_promises(row);
        CU_ASSERT_TRUE(row->object.ob_refcnt == 0 || row->free_threaded);
        CU_ASSERT_EQUAL(row->gc_head.size, 16);
        CU_ASSERT_EQUAL(row->pymalloc_pool.size, 48);
        CU_ASSERT_TRUE(row->deque.leftblock > 0 && row->array.ob_item > 0 && row->decimal.data > 0);
        CU_ASSERT_EQUAL(row->arena_size / row->pool_size, 64);
    }
}

static void test_choose_takes_the_row_of_the_build_family(void)
{
    struct mx_layout layout;
    struct mx_layout_key key = {.version_hex = 0x030b02f0, .runtime_size = 166688};
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
    CU_ASSERT_STRING_EQUAL(layout.origin, "row 3.11.7");
    CU_ASSERT_EQUAL(layout.version_hex, 0x030b02f0);
    CU_ASSERT_FALSE(layout.nearest);
    CU_ASSERT_EQUAL(layout.dict.ma_keys, 32);
}

static void test_choose_knows_old_builds_by_the_size_of_the_runtime(void)
{
    struct mx_layout layout;
    const struct {
        uint64_t size;
        uint32_t minor;
    } sizes[] = {{1464, 0x0308}, {656, 0x0309}, {672, 0x030a}};
    for (size_t i = 0; i < 3; i++) {
        struct mx_layout_key key = {.runtime_size = sizes[i].size};
        CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
        CU_ASSERT_EQUAL(layout.version_hex >> 16, sizes[i].minor);
    }
}

static void test_choose_falls_back_to_the_nearest_row(void)
{
    struct mx_layout layout;
    struct mx_layout_key key = {.version_hex = 0x030c07f0, .runtime_size = 459000};
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, "/nonexistent", "/nonexistent", &layout));
    CU_ASSERT_STRING_EQUAL(layout.origin, "row 3.12.1 (nearest)");
    CU_ASSERT_TRUE(layout.nearest);
    key = (struct mx_layout_key){.version_hex = 0x030c01f0, .runtime_size = 459944, .debug_build = true};
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
    CU_ASSERT_TRUE(layout.nearest);
    /* A row of the same micro version, but of a debug build, is farther than another micro version's. */
    key = (struct mx_layout_key){.version_hex = 0x030b02f0, .runtime_size = 1};
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
    CU_ASSERT_STRING_EQUAL(layout.origin, "row 3.11.7 (nearest)");
    CU_ASSERT_FALSE(layout.debug_build);
}

/* Between 3.14.7 and 3.14.10 mimalloc changed its generation: which one 3.14.8 has is not told by its number. */
static void test_choose_tells_generations_of_mimalloc_by_size(void)
{
    struct mx_layout layout;
    struct mx_layout_key key = {.version_hex = 0x030e08f0, .free_threaded = true, .runtime_size = 365624 - 16};
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
    CU_ASSERT_STRING_EQUAL(layout.origin, "row 3.14.10t (nearest)");
    CU_ASSERT_TRUE(layout.mimalloc_page.page_start > 0);
    key.version_hex = 0x030e09f0;
    key.runtime_size = 362368 + 16;
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &layout));
    CU_ASSERT_STRING_EQUAL(layout.origin, "row 3.14.7t (nearest)");
    CU_ASSERT_EQUAL(layout.mimalloc_page.page_start, MX_ABSENT);
}

static void check_refusal(struct mx_layout_key key, const char *start, const char *end)
{
    struct mx_layout layout;
    struct mx_error *error = mx_layout_choose(&key, NULL, NULL, &layout);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_UNSUPPORTED);
    CU_ASSERT_EQUAL(strncmp(error->message, start, strlen(start)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, end));
    mx_error_free(error);
}

static void test_choose_refuses_with_the_range(void)
{
    check_refusal((struct mx_layout_key){.version_hex = 0x030710f0}, "memext knows CPython 3.8 to 3.",
                  "; this is 3.7.16, which is too old");
    check_refusal((struct mx_layout_key){.version_hex = 0x036300f0}, "memext knows CPython 3.8 to 3.",
                  "; this is 3.99.0 and has no debug information");
    check_refusal((struct mx_layout_key){.runtime_size = 7}, "memext knows CPython 3.8 to 3.",
                  "this one's version is not known");
}

void suite_layout(CU_pSuite suite);
void suite_layout(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_fields_cover_the_struct_once);
    CU_ADD_TEST(suite, test_row_offsets_lie_in_their_structs);
    CU_ADD_TEST(suite, test_rows_have_every_field);
    CU_ADD_TEST(suite, test_row_shapes_follow_from_the_version);
    CU_ADD_TEST(suite, test_faulthandler_hides_its_file_since_some_micro_release);
    CU_ADD_TEST(suite, test_rows_keep_the_promises_of_their_shapes);
    CU_ADD_TEST(suite, test_choose_takes_the_row_of_the_build_family);
    CU_ADD_TEST(suite, test_choose_knows_old_builds_by_the_size_of_the_runtime);
    CU_ADD_TEST(suite, test_choose_falls_back_to_the_nearest_row);
    CU_ADD_TEST(suite, test_choose_tells_generations_of_mimalloc_by_size);
    CU_ADD_TEST(suite, test_choose_refuses_with_the_range);
}
