/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/referents_cython: the generations of Cython's types, as modules compiled with 0.29.37, 3.0.12, 3.1.6 and
 * 3.2.0 have them on CPython 3.8-3.13, and what only looks like one.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cpython/walk.h"

static bool plan_of(const char *name, int64_t basicsize, int64_t dictoffset, int64_t weaklist,
                    struct mx_cython_plan *plan)
{
    struct mx_type type = {.name = name, .basicsize = basicsize, .dictoffset = dictoffset, .flags = MX_TPFLAGS_HAVE_GC};
    return mx_cython_plan(&type, NULL, weaklist, plan);
}

static const struct mx_plan_field *field_of(const struct mx_cython_plan *plan, const char *text)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!strcmp(plan->fields[i].text, text))
            return &plan->fields[i];
    return NULL;
}

static void expect(const struct mx_cython_plan *plan, const char *text, int32_t offset, uint8_t class)
{
    const struct mx_plan_field *field = field_of(plan, text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(field);
    CU_ASSERT_EQUAL(field->offset, offset);
    CU_ASSERT_EQUAL(field->class, class);
}

static void test_functions_of_each_generation(void)
{
    static const struct {
        const char *name;
        int64_t basicsize, dictoffset;
        int32_t closure, defaults, tuple;
        uint8_t constant;
    } known[] = {
        {"cython_function_or_method", 168, 56, 104, 120, 136, MX_EDGE_TRAVERSED}, /* 0.29.0 */
        {"cython_function_or_method", 184, 56, 104, 120, 152, MX_EDGE_TRAVERSED},
        {"_cython_3_0_12.cython_function_or_method", 192, 56, 104, 120, 152, MX_EDGE_TRAVERSED}, /* CPython 3.8 */
        {"_cython_3_0_12.cython_function_or_method", 192, 64, 112, 120, 152, MX_EDGE_TRAVERSED},
        {"_cython_3_1_6.cython_function_or_method", 176, 56, 104, 120, 136, MX_EDGE_OWNED}, /* CPython 3.8 */
        {"cython_function_or_method", 176, 64, 112, 120, 136, MX_EDGE_OWNED},
        {"cython_function_or_method", 168, -1, 104, 112, 128, MX_EDGE_OWNED}, /* 3.2, CPython 3.12 */
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct mx_cython_plan plan;
        CU_ASSERT_TRUE_FATAL(plan_of(known[i].name, known[i].basicsize, known[i].dictoffset, 40, &plan));
        expect(&plan, "<closure>", known[i].closure, MX_EDGE_TRAVERSED);
        expect(&plan, "__name__", known[i].dictoffset < 0 ? 64 : (int32_t)known[i].dictoffset + 8, known[i].constant);
        expect(&plan, "__defaults__", known[i].tuple, MX_EDGE_TRAVERSED);
        bool is_array = known[i].constant == MX_EDGE_TRAVERSED;
        expect(&plan, "<defaults>", known[i].defaults, is_array ? MX_EDGE_BUFFER : MX_EDGE_TRAVERSED);
        CU_ASSERT_EQUAL(plan.decode == mx_refer_cython_defaults, is_array);
    }
}

static void test_fused_functions_add_to_functions(void)
{
    struct mx_type base = {.name = "cython_function_or_method", .basicsize = 184};
    struct mx_type fused = {.name = "fused_cython_function", .basicsize = 208, .flags = MX_TPFLAGS_HAVE_GC};
    struct mx_cython_plan plan;
    CU_ASSERT_TRUE_FATAL(mx_cython_plan(&fused, &base, 0, &plan));
    expect(&plan, "__signatures__", 184, MX_EDGE_TRAVERSED);
    expect(&plan, "__self__", 200, MX_EDGE_TRAVERSED);
    base.basicsize = 192;
    CU_ASSERT_TRUE_FATAL(mx_cython_plan(&fused, &base, 0, &plan));
    expect(&plan, "__self__", 200, MX_EDGE_TRAVERSED);
    CU_ASSERT_FALSE(mx_cython_plan(&fused, NULL, 0, &plan));
    base.name = "object";
    CU_ASSERT_FALSE(mx_cython_plan(&fused, &base, 0, &plan));
}

static void test_coroutines_of_each_generation(void)
{
    static const struct {
        const char *name;
        int64_t basicsize, weaklist;
        int32_t yield_from, code;
        size_t exceptions;
    } known[] = {
        {"generator", 136, 64, 80, 112, 3},
        {"generator", 128, 56, 72, 104, 3},
        {"_cython_3_0_12.coroutine", 120, 48, 64, 96, 1},
        {"_cython_3_1_6.generator", 128, 48, 64, 104, 1},
        {"_cython_3_2_0.generator", 120, -32, 56, 96, 1},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct mx_cython_plan plan;
        size_t exceptions = 0;
        CU_ASSERT_TRUE_FATAL(plan_of(known[i].name, known[i].basicsize, 0, known[i].weaklist, &plan));
        expect(&plan, "<closure>", 24, MX_EDGE_TRAVERSED);
        expect(&plan, "<yield from>", known[i].yield_from, MX_EDGE_TRAVERSED);
        expect(&plan, "<code>", known[i].code, MX_EDGE_OWNED);
        for (size_t k = 0; k < plan.count; k++)
            exceptions += !strcmp(plan.fields[k].text, "<exception>");
        CU_ASSERT_EQUAL(exceptions, known[i].exceptions);
    }
}

static void test_others_are_left_to_scans(void)
{
    struct mx_cython_plan plan;
    struct mx_type own = {
        .name = "generator", .basicsize = 136, .flags = MX_TPFLAGS_HAVE_GC, .kind = MX_KIND_GENERATOR};
    CU_ASSERT_FALSE(mx_cython_plan(&own, NULL, 64, &plan));
    CU_ASSERT_FALSE(plan_of("cython_function_or_method", 1000, 56, 40, &plan));
    CU_ASSERT_FALSE(plan_of("cython_function_or_method", 184, 72, 40, &plan));
    CU_ASSERT_FALSE(plan_of("app.generator", 136, 0, 64, &plan));
    CU_ASSERT_FALSE(plan_of("generator", 136, 0, 1 << 20, &plan));
    CU_ASSERT_FALSE(plan_of("generator", INT64_MAX, 0, INT64_MIN, &plan));
}

void suite_cython(CU_pSuite suite);
void suite_cython(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_functions_of_each_generation);
    CU_ADD_TEST(suite, test_fused_functions_add_to_functions);
    CU_ADD_TEST(suite, test_coroutines_of_each_generation);
    CU_ADD_TEST(suite, test_others_are_left_to_scans);
}
