/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/show: values as repr() prints them, on every row; limits,
 * cycles and damage.
 */
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpython/show.h"
#include "fake.h"

static const struct mx_show_options unlimited = {.one_line = true};

static void expect(const struct fake *fake, mx_addr object, const struct mx_show_options *options, const char *wanted)
{
    char *shown = NULL;
    struct mx_error *error = mx_show(&fake->types, object, options, &shown);
    CU_ASSERT_PTR_NULL_FATAL(error);
    CU_ASSERT_STRING_EQUAL(shown, wanted);
    if (strcmp(shown, wanted) != 0)
        printf("row %s: %s instead of %s\n", fake->row_name, shown, wanted);
    free(shown);
}

static void expect_whole(const struct fake *fake, mx_addr object, const char *wanted)
{
    expect(fake, object, &unlimited, wanted);
}

static void test_ints_of_any_size(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        expect_whole(&fake, fake.none, "None");
        expect_whole(&fake, fake_int(&fake, 0), "0");
        expect_whole(&fake, fake_int(&fake, -7), "-7");
        expect_whole(&fake, fake_int(&fake, 1000000000), "1000000000");
        expect_whole(&fake, fake_int(&fake, INT64_MIN), "-9223372036854775808");
        const uint32_t digits[] = {0, 0, 0, 1 << 10};
        expect_whole(&fake, fake_big_int(&fake, digits, 4, false), "1267650600228229401496703205376");
        expect_whole(&fake, fake_subclass(&fake, "app.N", MX_KIND_INT), "<class 'app.N'>");
    }
}

/* 2^14280 has 4299 decimal digits, 2^14310 has 4308: past Python's limit of 4300. */
static void test_ints_beyond_the_limit_are_hexadecimal(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        uint32_t digits[478] = {0};
        char *shown;
        digits[476] = 1;
        CU_ASSERT_PTR_NULL_FATAL(mx_show(&fake.types, fake_big_int(&fake, digits, 477, true), &unlimited, &shown));
        CU_ASSERT_EQUAL(strlen(shown), 1 + 4299);
        CU_ASSERT_EQUAL(strncmp(shown, "-51090256", 9), 0);
        CU_ASSERT_STRING_EQUAL(shown + 1 + 4299 - 8, "13938176");
        free(shown);
        digits[477] = 1;
        CU_ASSERT_PTR_NULL_FATAL(mx_show(&fake.types, fake_big_int(&fake, digits, 478, false), &unlimited, &shown));
        CU_ASSERT_EQUAL(strlen(shown), 2 + 3578);
        CU_ASSERT_EQUAL(strncmp(shown, "0x400000010000000", 17), 0);
        free(shown);
    }
}

static void test_floats_are_shortest(void)
{
    static const struct {
        double value;
        const char *shown;
    } floats[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {0.1, "0.1"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {-2.5e-7, "-2.5e-07"},
        {5e-324, "5e-324"},
        {2.0 / 3, "0.6666666666666666"},
        {123456789012345.6, "123456789012345.6"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0x1p-44, "5.684341886080802e-14"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {100.0, "100.0"},
        {12.5, "12.5"},
        {9007199254740993.0, "9007199254740992.0"},
    };
    struct fake fake;
    fake_open(&fake, mx_layout_row(0, NULL));
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++)
        expect_whole(&fake, fake_float(&fake, floats[i].value), floats[i].shown);
    fake_close(&fake);
}

static mx_addr fake_complex(struct fake *fake, double real, double imaginary)
{
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_COMPLEX], 32);
    double parts[2] = {real, imaginary};
    fake_put_bytes(fake, object + (uint64_t)fake->runtime.layout.complex_.cval, parts, sizeof(parts));
    return object;
}

static void test_complex_numbers(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        expect_whole(&fake, fake_complex(&fake, 1, 2), "(1+2j)");
        expect_whole(&fake, fake_complex(&fake, 0, -1.5), "-1.5j");
        expect_whole(&fake, fake_complex(&fake, -0.0, 1), "(-0+1j)");
        expect_whole(&fake, fake_complex(&fake, 1, NAN), "(1+nanj)");
    }
}

static void test_text_is_quoted_and_escaped(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        expect_whole(&fake, fake_str(&fake, "it's"), "\"it's\"");
        expect_whole(&fake, fake_str(&fake, "it's \"q\""), "'it\\'s \"q\"'");
        expect_whole(&fake, fake_str(&fake, "a\\b\n\t\r\x01\x7f"), "'a\\\\b\\n\\t\\r\\x01\\x7f'");
        expect_whole(&fake, fake_points(&fake, (const uint32_t[]){0xe9, 0xa0, 0x65e5, 0x200b}, 4),
                     "'\xc3\xa9\\xa0\xe6\x97\xa5\\u200b'");
        expect_whole(&fake, fake_points(&fake, (const uint32_t[]){0xdc80, 0x1f600, 0xe0001}, 3),
                     "'\\udc80\xf0\x9f\x98\x80\\U000e0001'");
        expect_whole(&fake, fake_bytes(&fake, "a'\x00\xff\n", 5), "b\"a'\\x00\\xff\\n\"");
        struct mx_show_options short_text = {.characters = 2};
        expect(&fake, fake_str(&fake, "abcde"), &short_text, "'ab'…+3 more");
        expect(&fake, fake_bytes(&fake, "abcde", 5), &short_text, "b'ab'…+3 more");
    }
}

static void test_containers_nest(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr one = fake_int(&fake, 1), key = fake_str(&fake, "a");
        mx_addr tuple = fake_tuple(&fake, &one, 1), list = fake_list(&fake, (mx_addr[]){one, tuple, fake.none}, 3);
        expect_whole(&fake, list, "[1, (1,), None]");
        expect_whole(&fake, fake_list(&fake, NULL, 0), "[]");
        expect_whole(&fake, fake_tuple(&fake, NULL, 0), "()");
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &list, 1);
        expect_whole(&fake, dict, "{'a': [1, (1,), None]}");
        expect(&fake, dict, &(struct mx_show_options){.depth = 1}, "{'a': […+3 more]}");
        expect(&fake, dict, &(struct mx_show_options){.depth = 2}, "{'a': [1, (…+1 more), None]}");
        expect(&fake, list, &(struct mx_show_options){.items = 1}, "[1, …+2 more]");
    }
}

static void test_sets(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr one = fake_int(&fake, 1), two = fake_int(&fake, 2), set = fake.builtins[MX_KIND_SET];
        mx_addr keys[8] = {0, one, 0, two, one}, none[8] = {0};
        mx_addr object = fake_set(&fake, set, keys, 8);
        /* The last one was removed: a dummy with hash -1 stands in its place. */
        fake_put(&fake, object, fake.runtime.layout.set.smalltable + 4 * 16 + 8, UINT64_MAX);
        fake_put(&fake, object, fake.runtime.layout.set.used, 2);
        expect_whole(&fake, object, "{1, 2}");
        expect_whole(&fake, fake_set(&fake, set, none, 8), "set()");
        expect_whole(&fake, fake_set(&fake, fake.frozenset, none, 8), "frozenset()");
        expect_whole(&fake, fake_set(&fake, fake.frozenset, keys, 4), "frozenset({1, 2})");
    }
}

static void test_deques_run_over_blocks(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr deque = fake_object(&fake, fake.builtins[MX_KIND_DEQUE], (size_t)layout->deque.size);
        mx_addr left = fake_alloc(&fake, 528), right = fake_alloc(&fake, 528);
        fake_put(&fake, left, 8 + 63 * 8, fake_int(&fake, 1));
        fake_put(&fake, left, 520, right);
        fake_put(&fake, right, 8, fake_int(&fake, 2));
        fake_put(&fake, deque, layout->var_object.ob_size, 2);
        fake_put(&fake, deque, layout->deque.leftblock, left);
        fake_put(&fake, deque, layout->deque.leftindex, 63);
        fake_put(&fake, deque, layout->deque.maxlen, UINT64_MAX);
        expect_whole(&fake, deque, "collections.deque([1, 2])");
        fake_put(&fake, deque, layout->deque.maxlen, 5);
        expect_whole(&fake, deque, "collections.deque([1, 2], maxlen=5)");
        fake_put(&fake, left, 520, 8);
        expect_whole(&fake, deque, "collections.deque([1, …+1 more], maxlen=5)");
    }
}

static void test_cycles_end(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr list = fake_list(&fake, &fake.none, 1), key = fake_str(&fake, "d");
        fake_put(&fake, mx_memory_pointer(fake.memory, list + (uint64_t)layout->list.ob_item), 0, list);
        expect_whole(&fake, list, "[[...]]");
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &list, 1);
        fake_put(&fake, mx_memory_pointer(fake.memory, list + (uint64_t)layout->list.ob_item), 0, dict);
        expect_whole(&fake, dict, "{'d': [{...}]}");
    }
}

/* Deeper than any stack should be used for; the innermost brackets are cut. */
static void test_depth_has_a_hard_bound(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr list = fake_list(&fake, NULL, 0);
        for (int i = 0; i < 1000; i++)
            list = fake_list(&fake, &list, 1);
        char opening[65] = "", closing[65] = "", wanted[200];
        memset(opening, '[', 64);
        memset(closing, ']', 64);
        snprintf(wanted, sizeof(wanted), "%s[...]%s", opening, closing);
        expect_whole(&fake, list, wanted);
    }
}

/* Every list holds the one before it twice: 2^60 values, of which 64 MB are printed. */
static void test_output_has_a_hard_bound(void)
{
    struct fake fake;
    fake_open(&fake, mx_layout_row(0, NULL));
    mx_addr list = fake_list(&fake, NULL, 0);
    for (int i = 0; i < 60; i++)
        list = fake_list(&fake, (mx_addr[]){list, list}, 2);
    char *shown;
    CU_ASSERT_PTR_NULL_FATAL(mx_show(&fake.types, list, &unlimited, &shown));
    size_t length = strlen(shown);
    CU_ASSERT_TRUE(length > (size_t)60 << 20 && length < (size_t)65 << 20);
    CU_ASSERT_STRING_EQUAL(shown + length - 3, "…");
    free(shown);
    fake_close(&fake);
}

static void test_subclasses_are_named(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr one = fake_int(&fake, 1);
        mx_addr list = fake_list(&fake, &one, 1), value = fake_int(&fake, 5);
        fake_put(&fake, list, fake.runtime.layout.object.ob_type, fake_subclass(&fake, "app.Rows", MX_KIND_LIST));
        expect_whole(&fake, list, "app.Rows([1])");
        fake_put(&fake, value, fake.runtime.layout.object.ob_type, fake_subclass(&fake, "app.N", MX_KIND_INT));
        expect_whole(&fake, value, "app.N(5)");
    }
}

static void test_named_tuples(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr names[] = {fake_str(&fake, "x"), fake_str(&fake, "y")};
        mx_addr key = fake_str(&fake, "_fields"), fields = fake_tuple(&fake, names, 2);
        mx_addr type = fake_subclass(&fake, "app.Point", MX_KIND_TUPLE);
        fake_put(&fake, type, fake.runtime.layout.type.tp_dict, fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &fields, 1));
        mx_addr point = fake_tuple(&fake, (mx_addr[]){fake_int(&fake, 1), fake.none}, 2);
        fake_put(&fake, point, fake.runtime.layout.object.ob_type, type);
        expect_whole(&fake, point, "Point(x=1, y=None)");
    }
}

static void test_enum_members(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const char *const names[] = {"_value_", "_name_"};
        mx_addr meta = fake_subclass(&fake, "enum.EnumMeta", MX_KIND_TYPE);
        mx_addr type = fake_class(&fake, "app.Colour", names, 2);
        fake_put(&fake, type, fake.runtime.layout.object.ob_type, meta);
        mx_addr member = fake_instance(&fake, type, (mx_addr[]){fake_int(&fake, 1), fake_str(&fake, "RED")}, 2);
        expect_whole(&fake, member, "<Colour.RED: 1>");
        expect(&fake, member, &(struct mx_show_options){.attributes = true}, "<Colour.RED: 1>");
    }
}

static void test_instances_with_attributes(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        char wanted[200];
        const char *const names[] = {"customer", "price"};
        mx_addr type = fake_class(&fake, "app.Order", names, 2);
        mx_addr order = fake_instance(&fake, type, (mx_addr[]){fake_str(&fake, "bob"), fake_float(&fake, 1.25)}, 2);
        snprintf(wanted, sizeof(wanted), "<app.Order at 0x%llx>", (unsigned long long)order);
        expect_whole(&fake, order, wanted);
        snprintf(wanted, sizeof(wanted), "<app.Order at 0x%llx> {customer='bob', price=1.25}",
                 (unsigned long long)order);
        expect(&fake, order, &(struct mx_show_options){.one_line = true, .attributes = true}, wanted);
        snprintf(wanted, sizeof(wanted), "<app.Order at 0x%llx>\n    customer = 'bob'\n    …+1 more",
                 (unsigned long long)order);
        expect(&fake, order, &(struct mx_show_options){.items = 1, .attributes = true}, wanted);
    }
}

static void put_member(struct fake *fake, mx_addr member, const char *name, uint32_t type, uint64_t offset)
{
    mx_addr text = fake_alloc(fake, strlen(name) + 1);
    fake_put_bytes(fake, text, name, strlen(name));
    fake_put(fake, member, 0, text);
    fake_put(fake, member, 8, type);
    fake_put(fake, member, 16, offset);
}

static void test_slots_of_a_class_and_its_base(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const uint64_t flags = MX_TPFLAGS_HEAPTYPE | MX_TPFLAGS_HAVE_GC;
        int32_t first = fake.runtime.layout.object.size, second = first + 8;
        uint64_t a = (uint64_t)first, b = (uint64_t)second;
        struct fake_type spec = {.name = "app.Base",
                                 .basicsize = second,
                                 .flags = flags,
                                 .base = fake.builtins[MX_KIND_OTHER],
                                 .is_python_class = true};
        mx_addr base = fake_type(&fake, &spec), members = fake_alloc(&fake, 80), more = fake_alloc(&fake, 160);
        spec = (struct fake_type){
            .name = "app.Sub", .basicsize = second + 16, .flags = flags, .base = base, .is_python_class = true};
        mx_addr sub = fake_type(&fake, &spec), object = fake_object(&fake, sub, 4096);
        put_member(&fake, members, "a", 16, a);
        put_member(&fake, more, "b", 16, b);
        put_member(&fake, more + 40, "number", 1, b);
        put_member(&fake, more + 80, "outside", 16, 4000);
        fake_put(&fake, base, fake.runtime.layout.type.tp_members, members);
        fake_put(&fake, sub, fake.runtime.layout.type.tp_members, more);
        fake_put(&fake, object, first, fake_int(&fake, 1));
        fake_put(&fake, object, second, object);
        fake_put(&fake, object, 4000, fake.none);
        char wanted[200];
        snprintf(wanted, sizeof(wanted), "<app.Sub at 0x%llx> {a=1, b=<... at 0x%llx>}", (unsigned long long)object,
                 (unsigned long long)object);
        expect(&fake, object, &(struct mx_show_options){.one_line = true, .attributes = true}, wanted);
    }
}

static void test_exceptions(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr texts[] = {fake_str(&fake, "bad"), fake_int(&fake, 3)};
        mx_addr error = fake_object(&fake, fake.builtins[MX_KIND_EXCEPTION], (size_t)layout->exception.size);
        fake_put(&fake, error, layout->exception.args, fake_tuple(&fake, texts, 1));
        expect_whole(&fake, error, "BaseException('bad')");
        fake_put(&fake, error, layout->exception.args, fake_tuple(&fake, texts, 2));
        expect_whole(&fake, error, "BaseException('bad', 3)");
        fake_put(&fake, error, layout->exception.args, 0);
        expect_whole(&fake, error, "BaseException(?)");
    }
}

static void test_names_with_control_characters(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr function = fake_object(&fake, fake.builtins[MX_KIND_FUNCTION], (size_t)layout->function.size);
        char wanted[100];
        fake_put(&fake, function, layout->function.func_qualname, fake_str(&fake, "f\n\x1b"));
        snprintf(wanted, sizeof(wanted), "<function f\\n\\x1b at 0x%llx>", (unsigned long long)function);
        expect_whole(&fake, function, wanted);
        expect_whole(&fake, fake_type(&fake, &(struct fake_type){.name = "bad\xff\xc0name\xe6\x97"}),
                     "<class 'bad\\xff\\xc0name\\xe6\\x97'>");
    }
}

static void test_damage_is_shown_as_addresses(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr list = fake_list(&fake, (mx_addr[]){0x10, fake.none}, 2);
        expect_whole(&fake, list, "[<0x10>, None]");
        fake_put(&fake, list, layout->var_object.ob_size, UINT64_C(1) << 60);
        char *shown;
        CU_ASSERT_PTR_NULL_FATAL(mx_show(&fake.types, list, &unlimited, &shown));
        CU_ASSERT_PTR_NOT_NULL(strstr(shown, "[<1152921504606846976 items at 0x"));
        free(shown);
        struct mx_error *error = mx_show(&fake.types, 0x10, &unlimited, &shown);
        CU_ASSERT_TRUE(error && error->code == MX_ERROR_NOT_FOUND);
        mx_error_free(error);
    }
}

void suite_show(CU_pSuite suite);
void suite_show(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_ints_of_any_size);
    CU_ADD_TEST(suite, test_ints_beyond_the_limit_are_hexadecimal);
    CU_ADD_TEST(suite, test_floats_are_shortest);
    CU_ADD_TEST(suite, test_complex_numbers);
    CU_ADD_TEST(suite, test_text_is_quoted_and_escaped);
    CU_ADD_TEST(suite, test_containers_nest);
    CU_ADD_TEST(suite, test_sets);
    CU_ADD_TEST(suite, test_deques_run_over_blocks);
    CU_ADD_TEST(suite, test_cycles_end);
    CU_ADD_TEST(suite, test_depth_has_a_hard_bound);
    CU_ADD_TEST(suite, test_output_has_a_hard_bound);
    CU_ADD_TEST(suite, test_subclasses_are_named);
    CU_ADD_TEST(suite, test_named_tuples);
    CU_ADD_TEST(suite, test_enum_members);
    CU_ADD_TEST(suite, test_instances_with_attributes);
    CU_ADD_TEST(suite, test_slots_of_a_class_and_its_base);
    CU_ADD_TEST(suite, test_exceptions);
    CU_ADD_TEST(suite, test_names_with_control_characters);
    CU_ADD_TEST(suite, test_damage_is_shown_as_addresses);
}
