/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/resolve: name paths through the modules of a fake target, and what is said of those that lead nowhere.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "fake.h"
#include "heap/target.h"

/*
 * sys.modules = {'app': app, 'app.views': views, 'builtins': builtins}
 * app.ORDERS = [1, 2, 'x'], app.CACHE = {'k': ORDERS, b'k': 7, 5: PAIR, (1, 'b'): 'x'}, app.PAIR = (1, 2)
 * views.handler = 'x', builtins.limit = 2
 */
struct world {
    struct mx_target target;
    mx_addr app, views, orders, cache, pair, one, two, seven, text;
};

static mx_addr make_dict(struct fake *fake, const char *const *names, const mx_addr *values, size_t count)
{
    mx_addr keys[8];
    for (size_t i = 0; i < count; i++)
        keys[i] = fake_str(fake, names[i]);
    return fake_dict(fake, FAKE_KEYS_UNICODE, keys, values, count);
}

static mx_addr make_module(struct fake *fake, mx_addr type, mx_addr dict)
{
    mx_addr module = fake_object(fake, type, (size_t)fake->runtime.layout.module.size);
    fake_put(fake, module, fake->runtime.layout.module.md_dict, dict);
    return module;
}

static mx_addr make_cache(struct fake *fake, const struct world *world)
{
    mx_addr key[2] = {fake_int(fake, 1), fake_str(fake, "b")};
    mx_addr keys[4] = {fake_str(fake, "k"), fake_bytes(fake, "k", 1), fake_int(fake, 5), fake_tuple(fake, key, 2)};
    mx_addr values[4] = {world->orders, world->seven, world->pair, world->text};
    return fake_dict(fake, FAKE_KEYS_GENERAL, keys, values, 4);
}

static void make_modules(struct fake *fake, struct world *world)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    mx_addr type = fake_type(fake, &(struct fake_type){.name = "module",
                                                       .kind = MX_KIND_MODULE,
                                                       .basicsize = layout->module.size,
                                                       .dictoffset = layout->module.md_dict,
                                                       .flags = MX_TPFLAGS_HAVE_GC});
    const char *const names[] = {"ORDERS", "CACHE", "PAIR"};
    const mx_addr values[] = {world->orders, world->cache, world->pair};
    world->app = make_module(fake, type, make_dict(fake, names, values, 3));
    world->views = make_module(fake, type, make_dict(fake, (const char *[]){"handler"}, &world->text, 1));
    mx_addr builtins = make_module(fake, type, make_dict(fake, (const char *[]){"limit"}, &world->two, 1));
    const char *const module_names[] = {"app", "app.views", "builtins"};
    const mx_addr modules[] = {world->app, world->views, builtins};
    struct mx_interpreter interpreter = {.address = fake_alloc(fake, (size_t)layout->interpreter.size)};
    fake_put(fake, interpreter.address, layout->interpreter.modules, make_dict(fake, module_names, modules, 3));
    CU_ASSERT_TRUE_FATAL(mx_array_push(&fake->runtime.interpreters, interpreter));
}

static void make_world(struct fake *fake, struct world *world)
{
    *world = (struct world){.one = fake_int(fake, 1), .two = fake_int(fake, 2), .seven = fake_int(fake, 7)};
    world->text = fake_str(fake, "x");
    world->orders = fake_list(fake, (mx_addr[]){world->one, world->two, world->text}, 3);
    world->pair = fake_tuple(fake, (mx_addr[]){world->one, world->two}, 2);
    world->cache = make_cache(fake, world);
    make_modules(fake, world);
    world->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    world->target.types.runtime = &world->target.runtime;
}

static void expect_object(struct world *world, const char *expression, mx_addr expected)
{
    mx_addr found = 0;
    struct mx_error *error = mx_target_resolve(&world->target, expression, &found);
    CU_ASSERT_PTR_NULL(error);
    CU_ASSERT_EQUAL(found, expected);
    mx_error_free(error);
}

static void expect_error(struct world *world, const char *expression, enum mx_error_code code, const char *part)
{
    mx_addr found = 42;
    struct mx_error *error = mx_target_resolve(&world->target, expression, &found);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, code);
    CU_ASSERT_EQUAL(found, 42);
    if (!strstr(error->message, part))
        CU_FAIL(error->message);
    mx_error_free(error);
}

static void test_names_lead_to_objects(void)
{
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        expect_object(&world, "app", world.app);
        expect_object(&world, "app.views", world.views); /* the longest name that is a module */
        expect_object(&world, "app.views.handler", world.text);
        expect_object(&world, "app.ORDERS", world.orders);
        expect_object(&world, "app.__dict__['ORDERS']", world.orders);
        expect_object(&world, "limit", world.two); /* a builtin */
    }
}

static void test_subscripts_lead_to_items(void)
{
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        expect_object(&world, "app.ORDERS[0]", world.one);
        expect_object(&world, "app.ORDERS[-1]", world.text);
        expect_object(&world, "app.ORDERS[-3]", world.one);
        expect_object(&world, "app.PAIR[1]", world.two);
        expect_object(&world, "app.CACHE['k'][2]", world.text);
        expect_object(&world, "app.CACHE[\"k\"]", world.orders);
        expect_object(&world, "app.CACHE[b'k']", world.seven);
        expect_object(&world, "app.CACHE[5][-2]", world.one);
        expect_object(&world, "app.CACHE[(1, 'b')]", world.text);
    }
}

static void test_wrong_names_say_what_is_near(void)
{
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        expect_error(&world, "app.CACH", MX_ERROR_NOT_FOUND,
                     "no attribute 'CACH' in module app; did you mean 'CACHE'?");
        expect_error(&world, "app.orders", MX_ERROR_NOT_FOUND, "did you mean 'ORDERS'?");
        expect_error(&world, "ap.ORDERS", MX_ERROR_NOT_FOUND, "no module 'ap' in this process; did you mean 'app'?");
        expect_error(&world, "app.__dict__['PAIRS']", MX_ERROR_NOT_FOUND, "did you mean 'PAIR'?");
        expect_error(&world, "app.ORDERS.x", MX_ERROR_NOT_FOUND, "no attribute 'x' in app.ORDERS (list)");
        expect_error(&world, "app.ORDERS[3]", MX_ERROR_NOT_FOUND, "no item [3] in app.ORDERS (list), which has 3");
        expect_error(&world, "app.ORDERS[-4]", MX_ERROR_NOT_FOUND, "no item [-4] in app.ORDERS (list), which has 3");
        expect_error(&world, "app.CACHE[b'x']", MX_ERROR_NOT_FOUND, "no item [b'x'] in app.CACHE (dict)");
    }
}

static void test_names_that_are_far_are_not_offered(void)
{
    struct fake fake;
    struct world world;
    mx_addr found;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        struct mx_error *error = mx_target_resolve(&world.target, "app.quite_another", &found);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_STRING_EQUAL(error->message, "no attribute 'quite_another' in module app");
        mx_error_free(error);
    }
}

static void test_what_is_no_path(void)
{
    static const char *const bad[] = {"",          "1x",           "app.",        "app.1",         "app..CACHE",
                                      "app CACHE", "app.ORDERS[0", "app.ORDERS[", "app.ORDERS[x]", "app.ORDERS[0 1]",
                                      "app.f()",   "[0]"};
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            mx_addr found = 42;
            struct mx_error *error = mx_target_resolve(&world.target, bad[i], &found);
            CU_ASSERT_PTR_NOT_NULL(error);
            CU_ASSERT_EQUAL(found, 42);
            mx_error_free(error);
        }
        expect_error(&world, "app.ORDERS[0", MX_ERROR_ARGUMENT, "']' is expected");
        expect_error(&world, "app.ORDERS+1", MX_ERROR_ARGUMENT, "'.' or '[' is expected where '+1' stands");
    }
}

static void test_without_modules(void)
{
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        world.target.runtime.interpreters.count = 0;
        expect_error(&world, "app", MX_ERROR_NOT_FOUND, "sys.modules of this process is not there");
    }
}

static void expect_names(struct world *world, const char *typed, const char *expected)
{
    struct mx_names *names;
    char text[256] = "";
    size_t count;
    CU_ASSERT_PTR_NULL_FATAL(mx_names_complete(&world->target, typed, &names));
    const char *const *paths = mx_names(names, &count);
    for (size_t i = 0; i < count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, paths[i]);
    }
    CU_ASSERT_STRING_EQUAL(text, expected);
    mx_names_close(names);
}

static void test_begun_paths_are_completed(void)
{
    struct fake fake;
    struct world world;
    FAKE_EACH_ROW(&fake)
    {
        make_world(&fake, &world);
        expect_names(&world, "", "app builtins");
        expect_names(&world, "a", "app");
        expect_names(&world, "app.", "app.CACHE app.ORDERS app.PAIR app.views");
        expect_names(&world, "app.CA", "app.CACHE");
        expect_names(&world, "app.views.h", "app.views.handler");
        expect_names(&world, "app.__di", "app.__dict__");
        expect_names(&world, "app.quite.", "");
        expect_names(&world, "app..", "");
        expect_names(&world, ".", "");
        world.target.runtime.interpreters.count = 0;
        expect_names(&world, "app.", "");
    }
}

void suite_resolve(CU_pSuite suite);
void suite_resolve(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_names_lead_to_objects);
    CU_ADD_TEST(suite, test_subscripts_lead_to_items);
    CU_ADD_TEST(suite, test_wrong_names_say_what_is_near);
    CU_ADD_TEST(suite, test_names_that_are_far_are_not_offered);
    CU_ADD_TEST(suite, test_what_is_no_path);
    CU_ADD_TEST(suite, test_without_modules);
    CU_ADD_TEST(suite, test_begun_paths_are_completed);
}
