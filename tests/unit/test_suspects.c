/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/suspects*.c on fake targets: which holder is picked, how much it is said to hold, and what is new.
 */
#include <CUnit/CUnit.h>

#include "fake_heap.h"

enum { MANY = 200, CHAIN = 120, ROOM = 2 * MANY + 8 };

struct scene {
    struct fake fake;
    struct fake_heap made;
    mx_addr objects[ROOM], roots[4];
    size_t count, root_count;
    struct mx_suspects *suspects;
    const struct mx_suspect *rows;
    size_t found;
    uint64_t total;
};

static mx_addr add(struct scene *scene, mx_addr object)
{
    CU_ASSERT_TRUE_FATAL(scene->count < ROOM);
    return scene->objects[scene->count++] = object;
}

static mx_addr add_root(struct scene *scene, mx_addr object)
{
    return scene->roots[scene->root_count++] = add(scene, object);
}

/* Tuples of some words each. */
static void add_many(struct scene *scene, mx_addr *items, size_t count)
{
    mx_addr words[16];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = scene->fake.none;
    for (size_t i = 0; i < count; i++)
        items[i] = add(scene, fake_tuple(&scene->fake, words, sizeof(words) / sizeof(words[0])));
}

static void find(struct scene *scene, struct mx_suspects_query query)
{
    CU_ASSERT_PTR_NULL_FATAL(mx_suspects_open(scene->made.retained, &query, NULL, &scene->suspects));
    scene->rows = mx_suspects_rows(scene->suspects, &scene->found, &scene->total);
}

static void look(struct scene *scene, double least_share)
{
    fake_heap_open(&scene->made, &scene->fake, scene->objects, scene->count, scene->roots, scene->root_count);
    find(scene, (struct mx_suspects_query){.least_share = least_share});
    CU_ASSERT_EQUAL(scene->total, scene->made.all);
}

static void leave(struct scene *scene)
{
    mx_suspects_close(scene->suspects);
    fake_heap_close(&scene->made);
    scene->suspects = NULL;
    scene->count = scene->root_count = 0;
}

/* root -> [ [tuple, tuple, ...] ]: the inner list, where the bytes fan out. */
static void test_where_bytes_fan_out(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[MANY];
        add_many(&scene, items, MANY);
        mx_addr inner = add(&scene, fake_list(&scene.fake, items, MANY));
        add_root(&scene, fake_list(&scene.fake, &inner, 1));
        look(&scene, 0.05);
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].address, inner);
        CU_ASSERT_STRING_EQUAL(scene.rows[0].type, "list");
        CU_ASSERT_STRING_EQUAL(scene.rows[0].holds_type, "tuple");
        CU_ASSERT_EQUAL(scene.rows[0].holds_count, MANY);
        CU_ASSERT_EQUAL(scene.rows[0].alone, scene.rows[0].retained);
        CU_ASSERT_STRING_EQUAL(scene.rows[0].example_path, "[0]");
        CU_ASSERT_EQUAL(scene.rows[0].cause, MX_CAUSE_THREAD_LOCAL);
        CU_ASSERT_TRUE(scene.rows[0].share > 0.9 && scene.rows[0].share < 1);
        leave(&scene);
    }
}

/* Two lists with the same tuples: nothing dominates these, and the first list explains them. */
static void test_what_two_hold(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[MANY];
        add_many(&scene, items, MANY);
        mx_addr first = add_root(&scene, fake_list(&scene.fake, items, MANY));
        mx_addr second = add_root(&scene, fake_list(&scene.fake, items, MANY));
        look(&scene, 0.5);
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].address, first);
        CU_ASSERT_NOT_EQUAL(scene.rows[0].address, second);
        CU_ASSERT_EQUAL(scene.rows[0].holds_count, MANY);
        CU_ASSERT_EQUAL(scene.rows[0].alone, fake_heap_chunk(&scene.made, first));
        leave(&scene);
    }
}

/* One tuple in the other, each with a leaf: the outermost is the holder. */
static void test_linked_list(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[CHAIN], head = scene.fake.none;
        add_many(&scene, items, CHAIN);
        for (size_t i = 0; i < CHAIN; i++)
            head = add(&scene, fake_tuple(&scene.fake, (mx_addr[]){items[i], head}, 2));
        scene.roots[scene.root_count++] = head;
        look(&scene, 0.001);
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].address, head);
        CU_ASSERT_EQUAL(scene.rows[0].retained, scene.total);
        leave(&scene);
    }
}

/* A list that holds itself and more; no root. */
static void test_garbage(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[MANY];
        add_many(&scene, items, MANY);
        mx_addr list = add(&scene, fake_list(&scene.fake, items, MANY));
        mx_addr array = mx_memory_pointer(scene.fake.memory, list + (mx_addr)scene.fake.runtime.layout.list.ob_item);
        fake_put(&scene.fake, array, 0, list);
        look(&scene, 0.05);
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].cause, MX_CAUSE_GARBAGE);
        CU_ASSERT_EQUAL(scene.rows[0].address, 0);
        CU_ASSERT_STRING_EQUAL(scene.rows[0].holds_type, "list");
        CU_ASSERT_EQUAL(scene.rows[0].example, list);
        leave(&scene);
    }
}

/* A count that no reference explains: somebody in C holds it. */
static void test_held_by_nobody_known(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[MANY];
        add_many(&scene, items, MANY);
        look(&scene, 0.05);
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].cause, MX_CAUSE_EXTENSION_MODULE);
        CU_ASSERT_EQUAL(scene.rows[0].retained, scene.total);
        CU_ASSERT_EQUAL(scene.rows[0].holds_count, MANY);
        leave(&scene);
    }
}

/* An earlier heap without the second list and its tuples: only these are new. */
static void test_what_is_new(void)
{
    struct scene scene = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        struct fake_heap before = {0};
        mx_addr old[MANY], new[MANY / 2];
        add_many(&scene, old, MANY);
        add_root(&scene, fake_list(&scene.fake, old, MANY));
        fake_heap_open(&before, &scene.fake, scene.objects, scene.count, scene.roots, scene.root_count);
        add_many(&scene, new, MANY / 2);
        mx_addr list = add_root(&scene, fake_list(&scene.fake, new, MANY / 2));
        look(&scene, 0.05);
        CU_ASSERT_EQUAL(scene.found, 2);
        mx_suspects_close(scene.suspects);
        find(&scene, (struct mx_suspects_query){.since = &before.heap});
        CU_ASSERT_EQUAL_FATAL(scene.found, 1);
        CU_ASSERT_EQUAL(scene.rows[0].address, list);
        CU_ASSERT_EQUAL(scene.rows[0].retained, scene.total);
        CU_ASSERT_EQUAL(scene.rows[0].holds_count, MANY / 2);
        mx_suspects_close(scene.suspects);
        find(&scene, (struct mx_suspects_query){.since = &scene.made.heap});
        CU_ASSERT_EQUAL(scene.found, 0);
        CU_ASSERT_EQUAL(scene.total, 0);
        leave(&scene);
        fake_heap_close(&before);
    }
}

static bool stop(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)context, (void)stage, (void)done, (void)total;
    return false;
}

static void test_cancelled_and_wrong(void)
{
    struct scene scene = {0};
    struct mx_progress progress = {stop, NULL};
    struct mx_suspects_query query = {0};
    FAKE_EACH_ROW(&scene.fake)
    {
        mx_addr items[4];
        add_many(&scene, items, 4);
        add_root(&scene, fake_list(&scene.fake, items, 4));
        look(&scene, 0.05);
        struct mx_suspects *none = NULL;
        struct mx_error *error = mx_suspects_open(scene.made.retained, &query, &progress, &none);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
        mx_error_free(error);
        query.since = &scene.made.heap;
        query.since_retained = scene.made.retained;
        error = mx_suspects_open(scene.made.retained, &query, NULL, &none);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_EQUAL(error->code, MX_ERROR_ARGUMENT);
        mx_error_free(error);
        CU_ASSERT_PTR_NULL(none);
        query = (struct mx_suspects_query){0};
        leave(&scene);
    }
}

void suite_suspects(CU_pSuite suite);
void suite_suspects(CU_pSuite suite)
{
    CU_add_test(suite, "where bytes fan out", test_where_bytes_fan_out);
    CU_add_test(suite, "what two hold", test_what_two_hold);
    CU_add_test(suite, "linked list", test_linked_list);
    CU_add_test(suite, "garbage", test_garbage);
    CU_add_test(suite, "held by nobody known", test_held_by_nobody_known);
    CU_add_test(suite, "what is new", test_what_is_new);
    CU_add_test(suite, "cancelled, and a wrong question", test_cancelled_and_wrong);
}
