/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/size: sys.getsizeof() on every row. The expected numbers are
 * those that the interpreters print for the same objects.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cpython/size.h"
#include "fake.h"

/*
 * The numbers below are of builds with the GIL. A free-threaded header has 16 bytes more; where the others put a GC
 * head of 16 before the object that comes out even.
 */
static uint64_t comparable(const struct fake *fake, mx_addr object, uint64_t size)
{
    bool has_head = mx_type_of(&fake->types, object)->flags & MX_TPFLAGS_HAVE_GC;
    return fake->runtime.layout.free_threaded && !has_head ? size - 16 : size;
}

/* What the header of a row has more than 16 bytes. */
static uint64_t wider(const struct fake *fake)
{
    return (uint64_t)fake->runtime.layout.object.size - 16;
}

static uint64_t size_of(const struct fake *fake, mx_addr object)
{
    const uint8_t *bytes = mx_memory_view(fake->memory, object, 64);
    uint64_t size = mx_object_size(&fake->types, mx_type_of(&fake->types, object), object, bytes, 64, NULL);
    return comparable(fake, object, size);
}

/* As size_of(), where nothing but the first bytes may be read; *more tells that it should have been. */
static uint64_t size_at_hand(const struct fake *fake, mx_addr object, bool *more)
{
    *more = false;
    uint64_t size = mx_object_size(&fake->types, mx_type_of(&fake->types, object), object,
                                   mx_memory_view(fake->memory, object, 64), 64, more);
    return comparable(fake, object, size);
}

static bool is_before_3_11(const struct fake *fake)
{
    return fake->runtime.layout.dict_shape == MX_DICT_SIZE_WORD;
}

static void test_numbers(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        bool more;
        CU_ASSERT_EQUAL(size_of(&fake, fake_int(&fake, 0)), is_before_3_11(&fake) ? 24 : 28);
        CU_ASSERT_EQUAL(size_of(&fake, fake_int(&fake, 1)), 28);
        CU_ASSERT_EQUAL(size_of(&fake, fake_int(&fake, -(INT64_C(1) << 40))), 32);
        CU_ASSERT_EQUAL(size_at_hand(&fake, fake_float(&fake, 1.5), &more), 24);
        CU_ASSERT_FALSE(more);
        CU_ASSERT_EQUAL(size_of(&fake, fake.none), 16);
    }
}

static void test_text(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        bool more, wstr = fake.runtime.layout.str_shape == MX_STR_WSTR;
        CU_ASSERT_EQUAL(size_at_hand(&fake, fake_str(&fake, "abc"), &more), wstr ? 52 : 44);
        CU_ASSERT_FALSE(more);
        CU_ASSERT_EQUAL(size_of(&fake, fake_points(&fake, (const uint32_t[]){0xe9}, 1)), wstr ? 74 : 58);
        CU_ASSERT_EQUAL(size_of(&fake, fake_points(&fake, (const uint32_t[]){0x65e5}, 1)), wstr ? 76 : 60);
        CU_ASSERT_EQUAL(size_of(&fake, fake_points(&fake, (const uint32_t[]){0x1f600}, 1)), wstr ? 80 : 64);
        CU_ASSERT_EQUAL(size_of(&fake, fake_bytes(&fake, "abcd", 4)), 37);
    }
}

static void test_text_with_copies(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr text = fake_points(&fake, (const uint32_t[]){0xe9, 0xea}, 2), ascii = fake_str(&fake, "abc");
        uint64_t plain = size_of(&fake, text), plain_ascii = size_of(&fake, ascii);
        fake_put(&fake, text, layout->compact_unicode.utf8, fake_alloc(&fake, 8));
        fake_put(&fake, text, layout->compact_unicode.utf8_length, 4);
        CU_ASSERT_EQUAL(size_of(&fake, text), plain + 5);
        /* ASCII text that is not compact is its own UTF-8. */
        mx_addr apart = fake_object(&fake, fake.builtins[MX_KIND_STR], (size_t)layout->unicode.size);
        mx_addr data = fake_alloc(&fake, 8);
        uint16_t state = layout->str_shape == MX_STR_WIDE_STATE ? (1 | 1 << 4) << 8 : 1 << 2 | 1 << 6;
        fake_put_bytes(&fake, apart + (uint64_t)layout->ascii.state, &state, sizeof(state));
        fake_put(&fake, apart, layout->ascii.length, 3);
        fake_put(&fake, apart, layout->unicode.data, data);
        fake_put(&fake, apart, layout->compact_unicode.utf8, data);
        fake_put(&fake, apart, layout->compact_unicode.utf8_length, 3);
        CU_ASSERT_EQUAL(size_of(&fake, apart), (uint64_t)layout->unicode.size + 4 - wider(&fake));
        if (layout->str_shape != MX_STR_WSTR)
            continue;
        fake_put(&fake, ascii, layout->ascii.wstr, fake_alloc(&fake, 16));
        CU_ASSERT_EQUAL(size_of(&fake, ascii), plain_ascii + 16);
        mx_addr wide = fake_points(&fake, (const uint32_t[]){0x1f600}, 1);
        plain = size_of(&fake, wide);
        /* Code points of four bytes are wchar_t already: no copy. */
        fake_put(&fake, wide, layout->ascii.wstr, wide + (uint64_t)layout->compact_unicode.size);
        CU_ASSERT_EQUAL(size_of(&fake, wide), plain);
    }
}

static void test_sequences(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr items[3] = {fake.none, fake.none, fake.none};
        bool more;
        uint64_t empty = 16 + (uint64_t)fake.runtime.layout.tuple.ob_item - wider(&fake); /* 3.14: a hash before them */
        CU_ASSERT_EQUAL(size_at_hand(&fake, fake_tuple(&fake, items, 3), &more), empty + 24);
        CU_ASSERT_FALSE(more);
        CU_ASSERT_EQUAL(size_at_hand(&fake, fake_list(&fake, items, 3), &more), 80);
        CU_ASSERT_FALSE(more);
        mx_addr torn = fake_tuple(&fake, items, 3);
        fake_put(&fake, torn, fake.runtime.layout.var_object.ob_size, UINT64_C(1) << 62);
        CU_ASSERT_EQUAL(size_of(&fake, torn), empty);
    }
}

static void test_dicts(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr key = fake_str(&fake, "a");
        bool more;
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &fake.none, 1);
        CU_ASSERT_EQUAL(size_of(&fake, dict), is_before_3_11(&fake) ? 232 : 184);
        CU_ASSERT_EQUAL(size_at_hand(&fake, dict, &more), 64);
        CU_ASSERT_TRUE(more);
        mx_addr general = fake_dict(&fake, FAKE_KEYS_GENERAL, &key, &fake.none, 1);
        CU_ASSERT_EQUAL(size_of(&fake, general), is_before_3_11(&fake) ? 232 : 224);
        mx_addr keys = fake_keys(&fake, FAKE_KEYS_SPLIT, &key, NULL, 1);
        struct fake_values values = {&fake.none, 1, NULL, 0, 5};
        fake_put(&fake, keys, layout->dict_keys.dk_refcnt, 2);
        /* Five values, and keys that another dict has too. */
        CU_ASSERT_EQUAL(size_of(&fake, fake_split_dict(&fake, keys, fake_values(&fake, &values), 1)), 104);
        CU_ASSERT_EQUAL(size_of(&fake, fake_split_dict(&fake, FAKE_BASE + FAKE_SIZE, 0, 1)), 64);
    }
}

static void test_sets(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr places[32] = {fake.none};
        CU_ASSERT_EQUAL(size_of(&fake, fake_set(&fake, fake.builtins[MX_KIND_SET], places, 8)), 216);
        CU_ASSERT_EQUAL(size_of(&fake, fake_set(&fake, fake.frozenset, places, 32)), 728);
    }
}

static void test_deques(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr deque = fake_object(&fake, fake.builtins[MX_KIND_DEQUE], (size_t)layout->deque.size);
        fake_put(&fake, deque, layout->var_object.ob_size, 65);
        fake_put(&fake, deque, layout->deque.leftindex, 63);
        CU_ASSERT_EQUAL(size_of(&fake, deque), (uint64_t)layout->deque.size + 16 - wider(&fake) + UINT64_C(2) * 528);
        fake_put(&fake, deque, layout->deque.leftindex, 64);
        CU_ASSERT_EQUAL(size_of(&fake, deque), (uint64_t)layout->deque.size + 16 - wider(&fake) + UINT64_C(3) * 528);
    }
}

/* sys.getsizeof(object) and of a class: versions differ in whether a static type counts as having a GC head. */
static void test_types(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        uint64_t head = layout->presize_shape == MX_PRESIZE_BY_TYPE ? 16 : 0;
        CU_ASSERT_EQUAL(size_of(&fake, fake.builtins[MX_KIND_FLOAT]), (uint64_t)layout->type.size + head);
        const char *const names[] = {"a"};
        mx_addr type = fake_class(&fake, "C", names, 1);
        uint64_t keys = is_before_3_11(&fake) ? 40 + 8 + 5 * 24 : 32 + 8 + 5 * 16;
        CU_ASSERT_EQUAL(size_of(&fake, type), (uint64_t)layout->heap_type.size + keys + 16 - wider(&fake));
    }
}

static void test_instances_count_what_stands_before_them(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const char *const names[] = {"a"};
        mx_addr object = fake_instance(&fake, fake_class(&fake, "C", names, 1), &fake.none, 1);
        bool tagged_or_inline = fake.runtime.layout.str_shape != MX_STR_WSTR;
        /* 3.8-3.10: 16 + 32; 3.11: 32 + 24; 3.12 and later: 32 + 16. */
        uint64_t expected = is_before_3_11(&fake) ? 48 : tagged_or_inline ? 48 : 56;
        CU_ASSERT_EQUAL(size_of(&fake, object), expected);
    }
}

/* A layout without an extension module's fields must not read at offset -1. */
static void test_absent_fields_count_as_nothing(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        static const enum mx_kind kinds[] = {MX_KIND_ELEMENT,      MX_KIND_STRUCT,   MX_KIND_DECIMAL,
                                             MX_KIND_SIMPLE_QUEUE, MX_KIND_BUFFERED, MX_KIND_BYTESIO};
        struct mx_layout *layout = &fake.runtime.layout;
        memset(&layout->element, 0xff, sizeof(layout->element));
        memset(&layout->element_extra, 0xff, sizeof(layout->element_extra));
        memset(&layout->struct_, 0xff, sizeof(layout->struct_));
        memset(&layout->format_code, 0xff, sizeof(layout->format_code));
        memset(&layout->decimal, 0xff, sizeof(layout->decimal));
        memset(&layout->simple_queue, 0xff, sizeof(layout->simple_queue));
        memset(&layout->buffered, 0xff, sizeof(layout->buffered));
        memset(&layout->bytesio, 0xff, sizeof(layout->bytesio));
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            mx_addr type = fake_type(&fake, &(struct fake_type){.name = "x", .kind = kinds[i], .basicsize = 64});
            CU_ASSERT_EQUAL(size_of(&fake, fake_object(&fake, type, 64)), 64 - wider(&fake));
        }
    }
}

void suite_size(CU_pSuite suite);
void suite_size(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_numbers);
    CU_ADD_TEST(suite, test_text);
    CU_ADD_TEST(suite, test_text_with_copies);
    CU_ADD_TEST(suite, test_sequences);
    CU_ADD_TEST(suite, test_dicts);
    CU_ADD_TEST(suite, test_sets);
    CU_ADD_TEST(suite, test_deques);
    CU_ADD_TEST(suite, test_types);
    CU_ADD_TEST(suite, test_instances_count_what_stands_before_them);
    CU_ADD_TEST(suite, test_absent_fields_count_as_nothing);
}
