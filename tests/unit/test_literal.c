/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/literal: what people type and what repr() prints, compared with objects of every layout.
 */
#include <CUnit/CUnit.h>

#include "cpython/literal.h"
#include "fake.h"

static bool equals(struct fake *fake, const char *text, mx_addr object)
{
    struct mx_literal literal = {0};
    const char *at = text;
    struct mx_error *error = mx_literal_read(&at, &literal);
    CU_ASSERT_PTR_NULL(error);
    CU_ASSERT_EQUAL(*at, '\0');
    bool equal = !error && mx_literal_equals(&literal, &fake->types, object);
    mx_error_free(error);
    mx_literal_deinit(&literal);
    return equal;
}

static void test_text(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr plain = fake_str(&fake, "a'b\n"), wide = fake_points(&fake, (uint32_t[]){0xe9, 0x20ac, 0x1f600}, 3);
        CU_ASSERT_TRUE(equals(&fake, "'a\\'b\\n'", plain));
        CU_ASSERT_TRUE(equals(&fake, "\"a'b\\x0a\"", plain));
        CU_ASSERT_TRUE(equals(&fake, "'\\x61\\47b\\12'", plain));
        CU_ASSERT_FALSE(equals(&fake, "\"a'b\"", plain));
        CU_ASSERT_TRUE(equals(&fake, "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'", wide));
        CU_ASSERT_TRUE(equals(&fake, "'\\xe9\\u20ac\\U0001f600'", wide));
        CU_ASSERT_FALSE(equals(&fake, "b'ab'", fake_str(&fake, "ab")));
        CU_ASSERT_TRUE(equals(&fake, "b'a\\xff'", fake_bytes(&fake, "a\xff", 2)));
        CU_ASSERT_FALSE(equals(&fake, "b'a\\xfe'", fake_bytes(&fake, "a\xff", 2)));
    }
}

static void test_numbers(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        uint32_t digits[] = {1, 0, 0, 0, 0, 0, 1};
        CU_ASSERT_TRUE(equals(&fake, "-17", fake_int(&fake, -17)));
        CU_ASSERT_TRUE(equals(&fake, "0x10", fake_int(&fake, 16)));
        CU_ASSERT_FALSE(equals(&fake, "17", fake_int(&fake, -17)));
        CU_ASSERT_FALSE(equals(&fake, "17.0", fake_int(&fake, 17)));
        CU_ASSERT_TRUE(equals(&fake, "1.5e3", fake_float(&fake, 1500)));
        CU_ASSERT_TRUE(equals(&fake, "None", fake.none));
        CU_ASSERT_TRUE(equals(&fake, "1532495540865888858358347027150309183618739122183602177",
                              fake_big_int(&fake, digits, 7, false)));
        mx_addr items[] = {fake_int(&fake, 1), fake_str(&fake, "x")};
        CU_ASSERT_TRUE(equals(&fake, "(1, 'x')", fake_tuple(&fake, items, 2)));
        CU_ASSERT_TRUE(equals(&fake, "( 1 , )", fake_tuple(&fake, items, 1)));
        CU_ASSERT_FALSE(equals(&fake, "(1, 'y')", fake_tuple(&fake, items, 2)));
    }
}

static void test_what_is_no_literal(void)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "'a",
                                      "b'\\u0041'",
                                      "'\\x4'",
                                      "(1",
                                      "(1 2)",
                                      "1.2.3",
                                      "[1]",
                                      "--1",
                                      "((((((((((((((((((((1))))))))))))))))))))"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mx_literal literal = {0};
        const char *at = bad[i];
        struct mx_error *error = mx_literal_read(&at, &literal);
        CU_ASSERT_PTR_NOT_NULL(error);
        CU_ASSERT_TRUE(error && error->code == MX_ERROR_ARGUMENT);
        mx_error_free(error);
        mx_literal_deinit(&literal);
    }
}

void suite_literal(CU_pSuite suite);
void suite_literal(CU_pSuite suite)
{
    CU_add_test(suite, "text", test_text);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "what is no literal", test_what_is_no_literal);
}
