/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/dict: combined and split tables, and instances' attributes, on
 * every row; tables that lie.
 */
#include <CUnit/CUnit.h>

#include "cpython/dict.h"
#include "fake.h"

struct seen {
    mx_addr keys[16], values[16];
    size_t count, stop_at;
};

static bool remember(void *context, mx_addr key, mx_addr value)
{
    struct seen *seen = context;
    CU_ASSERT_TRUE_FATAL(seen->count < 16);
    seen->keys[seen->count] = key;
    seen->values[seen->count++] = value;
    return seen->count != seen->stop_at;
}

static struct seen entries_of(const struct fake *fake, mx_addr dict)
{
    struct seen seen = {.count = 0};
    CU_ASSERT_EQUAL(mx_dict_each(&fake->runtime, dict, remember, &seen), seen.count);
    return seen;
}

static struct seen attributes_of(const struct fake *fake, mx_addr object)
{
    struct seen seen = {.count = 0};
    size_t count = mx_attributes_each(&fake->types, mx_type_of(&fake->types, object), object, remember, &seen);
    CU_ASSERT_EQUAL(count, seen.count);
    return seen;
}

static void make_pairs(struct fake *fake, mx_addr *keys, mx_addr *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        keys[i] = fake_str(fake, name);
        values[i] = fake_int(fake, (int64_t)i);
    }
}

static void test_combined_keeps_order_and_skips_deleted(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[12], values[12];
        make_pairs(&fake, keys, values, 12);
        for (int kind = FAKE_KEYS_GENERAL; kind <= FAKE_KEYS_UNICODE; kind++) {
            mx_addr dict = fake_dict(&fake, (enum fake_keys_kind)kind, keys, values, 12);
            struct seen seen = entries_of(&fake, dict);
            CU_ASSERT_EQUAL_FATAL(seen.count, 12);
            CU_ASSERT_EQUAL(seen.keys[11], keys[11]);
            CU_ASSERT_EQUAL(seen.values[4], values[4]);
            mx_addr deleted = values[4];
            values[4] = 0;
            seen = entries_of(&fake, fake_dict(&fake, (enum fake_keys_kind)kind, keys, values, 12));
            CU_ASSERT_EQUAL(seen.count, 11);
            CU_ASSERT_EQUAL(seen.keys[4], keys[5]);
            values[4] = deleted;
        }
    }
}

static void test_visiting_stops_when_told(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[4], values[4];
        make_pairs(&fake, keys, values, 4);
        struct seen seen = {.stop_at = 2};
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, keys, values, 4);
        CU_ASSERT_EQUAL(mx_dict_each(&fake.runtime, dict, remember, &seen), 2);
    }
}

static void test_get_finds_by_text(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[6], values[6];
        make_pairs(&fake, keys, values, 6);
        keys[2] = fake_int(&fake, 7);
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_GENERAL, keys, values, 6);
        CU_ASSERT_EQUAL(mx_dict_get(&fake.runtime, dict, "f"), values[5]);
        CU_ASSERT_EQUAL(mx_dict_get(&fake.runtime, dict, "c"), 0);
    }
}

static void test_split_follows_order_where_kept(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[3], values[3];
        make_pairs(&fake, keys, values, 3);
        mx_addr table = fake_keys(&fake, FAKE_KEYS_SPLIT, keys, NULL, 3);
        struct fake_values spec = {values, 3, (const uint8_t[]){2, 0}, 2, 5};
        values[1] = 0;
        struct seen seen = entries_of(&fake, fake_split_dict(&fake, table, fake_values(&fake, &spec), 2));
        bool ordered = fake.runtime.layout.values_shape != MX_VALUES_PLAIN;
        CU_ASSERT_EQUAL_FATAL(seen.count, 2);
        CU_ASSERT_EQUAL(seen.keys[0], keys[ordered ? 2 : 0]);
        CU_ASSERT_EQUAL(seen.values[0], values[ordered ? 2 : 0]);
        CU_ASSERT_EQUAL(seen.keys[1], keys[ordered ? 0 : 2]);
    }
}

static void test_order_beyond_the_keys_is_skipped(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[4], values[4];
        make_pairs(&fake, keys, values, 4);
        mx_addr table = fake_keys(&fake, FAKE_KEYS_SPLIT, keys, NULL, 4);
        /* What stands behind the last entry is stale. */
        fake_put(&fake, table, fake.runtime.layout.dict_keys.dk_nentries, 2);
        struct fake_values spec = {values, 4, (const uint8_t[]){255, 1, 3}, 3, 4};
        struct seen seen = entries_of(&fake, fake_split_dict(&fake, table, fake_values(&fake, &spec), 2));
        CU_ASSERT_EQUAL(seen.count, fake.runtime.layout.values_shape == MX_VALUES_PLAIN ? 2 : 1);
    }
}

static void test_broken_keys_are_refused(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr keys[3], values[3];
        struct mx_dict_keys read;
        make_pairs(&fake, keys, values, 3);
        mx_addr table = fake_keys(&fake, FAKE_KEYS_UNICODE, keys, values, 3);
        CU_ASSERT_TRUE(mx_dict_keys_read(&fake.runtime, table, &read));
        CU_ASSERT_TRUE(read.entries == 3 && read.usable == 2 && read.size == 8 && read.refcount == 1);
        fake_put(&fake, table, layout->dict_keys.dk_nentries, 6);
        CU_ASSERT_FALSE(mx_dict_keys_read(&fake.runtime, table, &read));
        fake_put(&fake, table, layout->dict_keys.dk_nentries, UINT64_MAX);
        CU_ASSERT_FALSE(mx_dict_keys_read(&fake.runtime, table, &read));
        fake_put(&fake, table, layout->dict_keys.dk_nentries, 3);
        bool by_word = layout->dict_shape == MX_DICT_SIZE_WORD;
        fake_put(&fake, table, by_word ? layout->dict_keys.dk_size : layout->dict_keys.dk_log2_size,
                 by_word ? 7 : 0xff);
        CU_ASSERT_FALSE(mx_dict_keys_read(&fake.runtime, table, &read));
        mx_addr dict = fake_split_dict(&fake, table, 0, 3);
        CU_ASSERT_EQUAL(mx_dict_each(&fake.runtime, dict, remember, NULL), 0);
        CU_ASSERT_EQUAL(mx_dict_each(&fake.runtime, FAKE_BASE + FAKE_SIZE - 16, remember, NULL), 0);
    }
}

/* A table whose entries would run past the end of memory. */
static void test_entries_outside_memory_are_not_read(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr keys[1], values[1];
        make_pairs(&fake, keys, values, 1);
        mx_addr near = fake_keys(&fake, FAKE_KEYS_UNICODE, keys, values, 1), far = FAKE_BASE + FAKE_SIZE - 64;
        fake_put_bytes(&fake, far, fake_at(&fake, near), (size_t)layout->dict_keys.size);
        fake_put(&fake, far, layout->dict_keys.dk_nentries, 5);
        mx_addr dict = fake_split_dict(&fake, far, 0, 5);
        CU_ASSERT_EQUAL(mx_dict_each(&fake.runtime, dict, remember, NULL), 0);
    }
}

static void test_attributes_in_every_place(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const char *const names[] = {"customer", "price", "note"};
        mx_addr type = fake_class(&fake, "app.Order", names, 3);
        mx_addr values[] = {fake_int(&fake, 1), fake_float(&fake, 1.25)};
        mx_addr object = fake_instance(&fake, type, values, 2);
        struct seen seen = attributes_of(&fake, object);
        CU_ASSERT_EQUAL_FATAL(seen.count, 2);
        CU_ASSERT_EQUAL(seen.values[0], values[0]);
        CU_ASSERT_EQUAL(seen.values[1], values[1]);
        mx_addr key = fake_str(&fake, "z");
        fake_set_dict(&fake, object, fake_dict(&fake, FAKE_KEYS_UNICODE, &key, values, 1));
        seen = attributes_of(&fake, object);
        CU_ASSERT_EQUAL_FATAL(seen.count, 1);
        CU_ASSERT_EQUAL(seen.keys[0], key);
    }
}

/* 3.13: a dict made from inline values goes on using them; values that are no longer valid are stale. */
static void test_inline_values_shared_and_stale(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        if (layout->values_shape != MX_VALUES_HEADER)
            continue;
        const char *const names[] = {"a", "b"};
        mx_addr type = fake_class(&fake, "C", names, 2);
        mx_addr values[] = {fake.none, fake_int(&fake, 5)};
        mx_addr object = fake_instance(&fake, type, values, 2);
        fake_set_dict(&fake, object, 0);
        CU_ASSERT_EQUAL(attributes_of(&fake, object).count, 0);
        object = fake_instance(&fake, type, values, 2);
        mx_addr keys = mx_memory_pointer(fake.memory, type + (uint64_t)layout->heap_type.ht_cached_keys);
        mx_addr place = object - (layout->preheader_shape == MX_PREHEADER_NO_GC ? 8 : 24);
        fake_put(&fake, place, 0, fake_split_dict(&fake, keys, object + (uint64_t)layout->object.size, 2));
        struct seen seen = attributes_of(&fake, object);
        CU_ASSERT_EQUAL_FATAL(seen.count, 2);
        CU_ASSERT_EQUAL(seen.values[1], values[1]);
    }
}

/* Subclasses of int, tuple and bytes before 3.12 have their dict behind the items. */
static void test_dict_behind_the_items(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        if (layout->int_shape != MX_INT_OB_SIZE)
            continue;
        const struct fake_type spec = {.name = "app.Money",
                                       .kind = MX_KIND_INT,
                                       .basicsize = 32,
                                       .itemsize = 4,
                                       .dictoffset = -8,
                                       .flags = MX_TPFLAGS_HEAPTYPE | MX_TPFLAGS_HAVE_GC | MX_TPFLAGS_LONG_SUBCLASS,
                                       .is_python_class = true};
        mx_addr key = fake_str(&fake, "unit"), value = fake_str(&fake, "EUR");
        mx_addr object = fake_object(&fake, fake_type(&fake, &spec), 64);
        fake_put(&fake, object, layout->var_object.ob_size, 0 - UINT64_C(3));
        /* 32 + 3 * 4 rounded up to words is 48, and the dict is the last of them. */
        fake_put(&fake, object, 40, fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &value, 1));
        struct seen seen = attributes_of(&fake, object);
        CU_ASSERT_TRUE(seen.count == 1 && seen.keys[0] == key && seen.values[0] == value);
        fake_put(&fake, object, layout->var_object.ob_size, UINT64_C(1) << 61);
        CU_ASSERT_EQUAL(attributes_of(&fake, object).count, 0);
    }
}

void suite_dict(CU_pSuite suite);
void suite_dict(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_combined_keeps_order_and_skips_deleted);
    CU_ADD_TEST(suite, test_visiting_stops_when_told);
    CU_ADD_TEST(suite, test_get_finds_by_text);
    CU_ADD_TEST(suite, test_split_follows_order_where_kept);
    CU_ADD_TEST(suite, test_order_beyond_the_keys_is_skipped);
    CU_ADD_TEST(suite, test_broken_keys_are_refused);
    CU_ADD_TEST(suite, test_entries_outside_memory_are_not_read);
    CU_ADD_TEST(suite, test_attributes_in_every_place);
    CU_ADD_TEST(suite, test_inline_values_shared_and_stale);
    CU_ADD_TEST(suite, test_dict_behind_the_items);
}
