/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/gc: whole, torn and busy lists on every row.
 */
#include <CUnit/CUnit.h>

#include "cpython/gc.h"
#include "fake.h"

enum { LENGTH = 10, MOST = 40 };

struct lists {
    mx_addr state, head;
    mx_addr nodes[LENGTH];
};

static void link_nodes(struct fake *fake, mx_addr before, mx_addr after)
{
    /* Bit 0 of either word is a flag that may be set at rest. */
    fake_put(fake, before, fake->runtime.layout.gc_head.gc_next, after);
    fake_put(fake, after, fake->runtime.layout.gc_head.gc_prev, before | 1);
}

static void close_empty(struct fake *fake, mx_addr head)
{
    fake_put(fake, head, fake->runtime.layout.gc_head.gc_next, head);
    fake_put(fake, head, fake->runtime.layout.gc_head.gc_prev, head);
}

static mx_addr make_state(struct fake *fake)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    if (layout->gc_shape == MX_GC_RUNTIME) {
        fake->runtime.address = fake_alloc(fake, (size_t)layout->runtime.size);
        return fake->runtime.address + (uint64_t)layout->runtime.gc;
    }
    struct mx_interpreter interpreter = {.address = fake_alloc(fake, (size_t)layout->interpreter.size)};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&fake->runtime.interpreters, interpreter));
    return interpreter.address + (uint64_t)layout->interpreter.gc;
}

/* Objects in the second generation, none in the others. */
static struct lists make_lists(struct fake *fake)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    struct lists lists = {.state = make_state(fake)};
    for (unsigned i = 0; i < 3; i++)
        close_empty(fake, lists.state + (uint64_t)layout->gc.generations + UINT64_C(24) * i);
    close_empty(fake, lists.state + (uint64_t)layout->gc.permanent_generation);
    lists.head = lists.state + (uint64_t)layout->gc.generations + 24;
    mx_addr before = lists.head;
    for (size_t i = 0; i < LENGTH; i++) {
        lists.nodes[i] = fake_list(fake, NULL, 0) - 16;
        link_nodes(fake, before, lists.nodes[i]);
        before = lists.nodes[i];
    }
    link_nodes(fake, before, lists.head);
    return lists;
}

struct found {
    mx_addr objects[MOST];
    size_t count, stop_at;
};

static bool remember(void *context, mx_addr object)
{
    struct found *found = context;
    CU_ASSERT_TRUE_FATAL(found->count < MOST);
    found->objects[found->count++] = object;
    return found->count != found->stop_at;
}

static struct mx_gc_walk walk(const struct fake *fake, enum mx_gc_list which, struct found *found)
{
    struct mx_gc_walk ret;
    *found = (struct found){.stop_at = found->stop_at};
    mx_gc_each(&fake->runtime, which, remember, found, &ret);
    CU_ASSERT_EQUAL(ret.objects, found->count);
    return ret;
}

static void test_whole_lists_give_all_objects_once(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct lists lists = make_lists(&fake);
        struct found found = {.count = 0};
        struct mx_gc_walk result = walk(&fake, MX_GC_GENERATIONS, &found);
        CU_ASSERT_TRUE(result.objects == LENGTH && result.broken == 0);
        for (size_t i = 0; i < found.count; i++)
            CU_ASSERT_EQUAL(found.objects[i], lists.nodes[i] + 16);
        CU_ASSERT_EQUAL(walk(&fake, MX_GC_PERMANENT, &found).objects, 0);
        found.stop_at = 3;
        CU_ASSERT_EQUAL(walk(&fake, MX_GC_GENERATIONS, &found).objects, 3);
    }
}

static void test_frozen_objects_are_in_the_permanent_list(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct lists lists = make_lists(&fake);
        struct found found = {.count = 0};
        mx_addr head = lists.state + (uint64_t)fake.runtime.layout.gc.permanent_generation;
        mx_addr frozen = fake_list(&fake, NULL, 0) - 16;
        link_nodes(&fake, head, frozen);
        link_nodes(&fake, frozen, head);
        CU_ASSERT_EQUAL(walk(&fake, MX_GC_PERMANENT, &found).objects, 1);
        CU_ASSERT_EQUAL(found.objects[0], frozen + 16);
    }
}

static void test_torn_list_is_walked_from_both_ends(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct lists lists = make_lists(&fake);
        struct found found = {.count = 0};
        /* The fourth object's page is lost: it and its links are nonsense. */
        fake_put(&fake, lists.nodes[3], 0, 0x1234560);
        fake_put(&fake, lists.nodes[3], 8, 0);
        struct mx_gc_walk result = walk(&fake, MX_GC_GENERATIONS, &found);
        CU_ASSERT_EQUAL(result.broken, 1);
        CU_ASSERT_EQUAL_FATAL(result.objects, LENGTH - 1);
        CU_ASSERT_EQUAL(found.objects[2], lists.nodes[2] + 16);
        CU_ASSERT_EQUAL(found.objects[3], lists.nodes[LENGTH - 1] + 16);
        CU_ASSERT_EQUAL(found.objects[LENGTH - 2], lists.nodes[4] + 16);
    }
}

static void test_circle_without_the_head_ends(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct lists lists = make_lists(&fake);
        struct found found = {.count = 0};
        int32_t next = fake.runtime.layout.gc_head.gc_next;
        fake_put(&fake, lists.nodes[6], next, lists.nodes[2]);
        struct mx_gc_walk result = walk(&fake, MX_GC_GENERATIONS, &found);
        CU_ASSERT_TRUE(result.broken == 1 && result.objects == LENGTH);
        /* In the middle of a collection links back prove nothing, yet the walk must end. */
        fake_put(&fake, lists.state, fake.runtime.layout.gc.collecting, 1);
        result = walk(&fake, MX_GC_GENERATIONS, &found);
        CU_ASSERT_TRUE(result.broken == 1 && result.objects >= 7);
    }
}

static void test_collection_under_way_follows_next_alone(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct lists lists = make_lists(&fake);
        struct found found = {.count = 0};
        fake_put(&fake, lists.state, fake.runtime.layout.gc.collecting, 1);
        for (size_t i = 0; i < LENGTH; i++)
            fake_put(&fake, lists.nodes[i], fake.runtime.layout.gc_head.gc_prev, (i << 2) | 2);
        struct mx_gc_walk result = walk(&fake, MX_GC_GENERATIONS, &found);
        CU_ASSERT_TRUE(result.broken == 0 && result.objects == LENGTH);
    }
}

static void test_missing_state_is_broken_lists(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.gc_shape == MX_GC_MIMALLOC)
            continue;
        struct found found = {.count = 0};
        CU_ASSERT_EQUAL(walk(&fake, MX_GC_GENERATIONS, &found).broken, 0);
        struct mx_interpreter gone = {.address = FAKE_BASE + FAKE_SIZE};
        fake.runtime.address = gone.address;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&fake.runtime.interpreters, gone));
        CU_ASSERT_EQUAL(walk(&fake, MX_GC_GENERATIONS, &found).broken, 3);
    }
}

void suite_gc(CU_pSuite suite);
void suite_gc(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_whole_lists_give_all_objects_once);
    CU_ADD_TEST(suite, test_frozen_objects_are_in_the_permanent_list);
    CU_ADD_TEST(suite, test_torn_list_is_walked_from_both_ends);
    CU_ADD_TEST(suite, test_circle_without_the_head_ends);
    CU_ADD_TEST(suite, test_collection_under_way_follows_next_alone);
    CU_ADD_TEST(suite, test_missing_state_is_broken_lists);
}
