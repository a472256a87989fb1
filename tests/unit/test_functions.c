/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/functions.c: the functions in a module's code, on every row, and in code that is damaged.
 *
 *   module: f { g }, class C { m }
 */
#include <CUnit/CUnit.h>

#include "fake.h"
#include "heap/target.h"

enum { CO_OPTIMIZED = 1 };

static mx_addr make_code(struct fake *fake, const char *name, uint32_t line, bool is_function, const mx_addr *constants,
                         size_t count)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    mx_addr code = fake_object(fake, fake->builtins[MX_KIND_CODE], (size_t)layout->code.size + 64);
    uint32_t flags = is_function ? CO_OPTIMIZED : 0;
    fake_put(fake, code, layout->code.co_name, fake_str(fake, name));
    fake_put(fake, code, layout->code.co_filename, fake_str(fake, "/srv/app.py"));
    fake_put(fake, code, layout->code.co_consts, fake_tuple(fake, constants, count));
    fake_put_bytes(fake, code + (mx_addr)layout->code.co_firstlineno, &line, sizeof(line));
    fake_put_bytes(fake, code + (mx_addr)layout->code.co_flags, &flags, sizeof(flags));
    if (layout->code.co_code_adaptive < 0)
        fake_put(fake, code, layout->code.co_code, fake_bytes(fake, "\x97\0", 2));
    return code;
}

static void open_target(struct fake *fake, struct mx_target *target)
{
    *target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    target->types.runtime = &target->runtime;
}

static mx_addr make_module(struct fake *fake)
{
    mx_addr g = make_code(fake, "g", 5, true, NULL, 0), m = make_code(fake, "m", 11, true, NULL, 0);
    mx_addr f = make_code(fake, "f", 4, true, (mx_addr[]){fake_int(fake, 7), g}, 2);
    mx_addr class = make_code(fake, "C", 10, false, (mx_addr[]){m}, 1);
    return make_code(fake, "<module>", 1, false, (mx_addr[]){fake->none, class, f}, 3);
}

static mx_addr make_globals(struct fake *fake)
{
    return fake_dict(fake, FAKE_KEYS_GENERAL, (mx_addr[]){fake_str(fake, "__name__")},
                     (mx_addr[]){fake_str(fake, "app")}, 1);
}

static void test_names_are_qualified_by_where_they_stand(void)
{
    static const struct {
        const char *name;
        uint32_t line;
    } wanted[] = {{"f", 4}, {"f.<locals>.g", 5}, {"C.m", 11}};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_target target;
        struct mx_functions *functions;
        size_t count;
        open_target(&fake, &target);
        CU_ASSERT_PTR_NULL_FATAL(mx_functions_of_code(&target, make_module(&fake), make_globals(&fake), &functions));
        const struct mx_function *rows = mx_functions_rows(functions, &count);
        CU_ASSERT_EQUAL_FATAL(count, 3);
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT_STRING_EQUAL(rows[i].name, wanted[i].name);
            CU_ASSERT_STRING_EQUAL(rows[i].file, "/srv/app.py");
            CU_ASSERT_STRING_EQUAL(rows[i].module, "app");
            CU_ASSERT_EQUAL(rows[i].line, wanted[i].line);
            CU_ASSERT_TRUE(rows[i].is_qualified && rows[i].code && rows[i].entry > FAKE_BASE);
        }
        mx_functions_close(functions);
    }
}

static void test_a_function_is_one_of_those_in_its_code(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_target target;
        struct mx_functions *functions;
        size_t count;
        open_target(&fake, &target);
        mx_addr inner = make_code(&fake, "g", 5, true, NULL, 0);
        mx_addr outer = make_code(&fake, "f", 4, true, (mx_addr[]){inner}, 1);
        CU_ASSERT_PTR_NULL_FATAL(mx_functions_of_code(&target, outer, 0, &functions));
        const struct mx_function *rows = mx_functions_rows(functions, &count);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_TRUE(rows[0].code == outer && rows[1].code == inner && rows[0].entry != rows[1].entry);
        CU_ASSERT_STRING_EQUAL(rows[0].name, "f");
        CU_ASSERT_STRING_EQUAL(rows[1].name, "f.<locals>.g");
        mx_functions_close(functions);
    }
}

/* Code that holds itself twice at every level, and constants that are nowhere. */
static void test_damaged_code_ends(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_target target;
        struct mx_functions *functions;
        size_t count;
        open_target(&fake, &target);
        mx_addr ring = make_code(&fake, "ring", 1, true, NULL, 0), lost = make_code(&fake, "lost", 2, true, NULL, 0);
        int32_t constants = fake.runtime.layout.code.co_consts;
        fake_put(&fake, ring, constants, fake_tuple(&fake, (mx_addr[]){ring, lost, ring}, 3));
        fake_put(&fake, lost, constants, FAKE_BASE + FAKE_SIZE);
        CU_ASSERT_PTR_NULL_FATAL(mx_functions_of_code(&target, ring, FAKE_BASE + FAKE_SIZE, &functions));
        CU_ASSERT_STRING_EQUAL(mx_functions_rows(functions, &count)[0].module, "");
        CU_ASSERT_EQUAL(count, 2);
        mx_functions_close(functions);
        struct mx_error *error = mx_functions_of_code(&target, fake.none, 0, &functions);
        CU_ASSERT_TRUE(error && error->code == MX_ERROR_NOT_FOUND);
        mx_error_free(error);
    }
}

void suite_functions(CU_pSuite suite);
void suite_functions(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_names_are_qualified_by_where_they_stand);
    CU_ADD_TEST(suite, test_a_function_is_one_of_those_in_its_code);
    CU_ADD_TEST(suite, test_damaged_code_ends);
}
