/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/str: every form of str on every row, and broken ones.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cpython/str.h"
#include "fake.h"

static const uint32_t latin[] = {'h', 0xe9, 'l'};
static const uint32_t wide[] = {'a', 0x65e5, 0xd800};
static const uint32_t widest[] = {'a', 0x1f600};

static void test_reads_each_kind(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_str str;
        CU_ASSERT_TRUE_FATAL(mx_str_read(&fake.runtime, fake_str(&fake, "abc"), &str));
        CU_ASSERT_TRUE(str.ascii && str.kind == 1 && str.length == 3 && !memcmp(str.data, "abc", 3));
        CU_ASSERT_TRUE_FATAL(mx_str_read(&fake.runtime, fake_points(&fake, latin, 3), &str));
        CU_ASSERT_TRUE(!str.ascii && str.kind == 1 && str.length == 3 && mx_str_at(&str, 1) == 0xe9);
        CU_ASSERT_TRUE_FATAL(mx_str_read(&fake.runtime, fake_points(&fake, wide, 3), &str));
        CU_ASSERT_TRUE(str.kind == 2 && mx_str_at(&str, 1) == 0x65e5);
        CU_ASSERT_TRUE_FATAL(mx_str_read(&fake.runtime, fake_points(&fake, widest, 2), &str));
        CU_ASSERT_TRUE(str.kind == 4 && mx_str_at(&str, 1) == 0x1f600);
        CU_ASSERT_TRUE(mx_str_read(&fake.runtime, fake_str(&fake, ""), &str) && str.length == 0);
    }
}

static void test_utf8_is_cut_between_characters(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        char text[16];
        mx_addr smile = fake_points(&fake, widest, 2);
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, smile, text, sizeof(text)), 5);
        CU_ASSERT_STRING_EQUAL(text, "a\xf0\x9f\x98\x80");
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, smile, text, 5), 1);
        CU_ASSERT_STRING_EQUAL(text, "a");
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, smile, text, 6), 5);
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, smile, text, 1), 0);
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, smile, text, 0), -1);
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, fake_points(&fake, latin, 3), text, sizeof(text)), 4);
        CU_ASSERT_STRING_EQUAL(text, "h\xc3\xa9l");
        CU_ASSERT_EQUAL(mx_str_utf8(&fake.runtime, fake_points(&fake, wide, 3), text, sizeof(text)), 7);
        CU_ASSERT_STRING_EQUAL(text, "a\xe6\x97\xa5\xef\xbf\xbd");
    }
}

static void test_equals_compares_all_of_it(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr name = fake_str(&fake, "__name__");
        CU_ASSERT_TRUE(mx_str_equals(&fake.runtime, name, "__name__"));
        CU_ASSERT_FALSE(mx_str_equals(&fake.runtime, name, "__name_"));
        CU_ASSERT_FALSE(mx_str_equals(&fake.runtime, name, "__name__x"));
        CU_ASSERT_FALSE(mx_str_equals(&fake.runtime, name, "__nAme__"));
    }
}

static void test_str_whose_data_stand_elsewhere(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr data = fake_alloc(&fake, 8), other = fake_object(&fake, fake.builtins[MX_KIND_STR], 96);
        uint16_t state = layout->str_shape == MX_STR_WIDE_STATE ? (1 | 1 << 4) << 8 : 1 << 2 | 1 << 6;
        fake_put_bytes(&fake, data, "xyz", 3);
        fake_put(&fake, other, layout->ascii.length, 3);
        fake_put(&fake, other, layout->unicode.data, data);
        fake_put_bytes(&fake, other + (uint64_t)layout->ascii.state, &state, sizeof(state));
        CU_ASSERT_TRUE(mx_str_equals(&fake.runtime, other, "xyz"));
        fake_put(&fake, other, layout->unicode.data, 0);
        CU_ASSERT_FALSE(mx_str_equals(&fake.runtime, other, "xyz"));
        if (layout->str_shape != MX_STR_WSTR)
            continue;
        /* Legacy: not made ready, so neither kind nor length are set. */
        mx_addr legacy = fake_object(&fake, fake.builtins[MX_KIND_STR], 96), wchars = fake_alloc(&fake, 16);
        fake_put_bytes(&fake, wchars, (uint32_t[]){'w', 0x1f600}, 8);
        fake_put(&fake, legacy, layout->ascii.wstr, wchars);
        fake_put(&fake, legacy, layout->compact_unicode.wstr_length, 2);
        struct mx_str str;
        CU_ASSERT_TRUE_FATAL(mx_str_read(&fake.runtime, legacy, &str));
        CU_ASSERT_TRUE(str.length == 2 && str.kind == 4 && mx_str_at(&str, 1) == 0x1f600);
    }
}

static void test_refuses_what_is_no_str(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_str str;
        mx_addr broken = fake_str(&fake, "abc");
        fake_put(&fake, broken, fake.runtime.layout.ascii.length, UINT64_MAX / 2);
        CU_ASSERT_FALSE(mx_str_read(&fake.runtime, broken, &str));
        fake_put(&fake, broken, fake.runtime.layout.ascii.length, FAKE_SIZE);
        CU_ASSERT_FALSE(mx_str_read(&fake.runtime, broken, &str));
        mx_addr disguised = fake_str(&fake, "abc");
        fake_put(&fake, disguised, fake.runtime.layout.object.ob_type, fake.builtins[MX_KIND_BYTES]);
        CU_ASSERT_FALSE(mx_str_read(&fake.runtime, disguised, &str));
        CU_ASSERT_FALSE(mx_str_read(&fake.runtime, 0, &str));
        CU_ASSERT_FALSE(mx_str_read(&fake.runtime, FAKE_BASE + FAKE_SIZE - 8, &str));
    }
}

void suite_str(CU_pSuite suite);
void suite_str(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_reads_each_kind);
    CU_ADD_TEST(suite, test_utf8_is_cut_between_characters);
    CU_ADD_TEST(suite, test_equals_compares_all_of_it);
    CU_ADD_TEST(suite, test_str_whose_data_stand_elsewhere);
    CU_ADD_TEST(suite, test_refuses_what_is_no_str);
}
