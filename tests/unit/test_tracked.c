/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/heap/tracked: spans of objects that only the collector's lists lead to.
 */
#include <CUnit/CUnit.h>

#include "cpython/classify.h"
#include "fake.h"
#include "heap/tracked.h"

enum { OBJECTS = 3, SMALL = 1, DAMAGED = 100000 };

/* Three tuples, one behind the other as a malloc might lay them, and what a scan makes of them. */
struct scanned {
    mx_addr tuples[OBJECTS];
    mx_addr end; /* of the memory that blocks may take */
    struct mx_listed listed;
};

static void scan(struct fake *fake, struct scanned *scanned)
{
    struct mx_classifier classifier = {0};
    struct mx_work work;
    struct mx_worker worker;
    uint64_t fixed_sizes[64] = {0};
    CU_ASSERT_TRUE_FATAL(fake->types.types.count <= 64);
    CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake->types, &classifier));
    mx_work_begin(&work, NULL, "testing", 0);
    const struct mx_scan what = {.types = &fake->types,
                                 .classifier = &classifier,
                                 .memory = fake->memory,
                                 .fixed_sizes = fixed_sizes,
                                 .work = &work};
    struct mx_tracked tracked = {0};
    CU_ASSERT_TRUE_FATAL(mx_worker_init(&worker, &what, false));
    for (size_t i = 0; i < OBJECTS; i++)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&tracked.objects, scanned->tuples[i]));
    const struct mx_tracked_group group = {0, OBJECTS, scanned->end};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&tracked.groups, group));
    scanned->listed = (struct mx_listed){0};
    mx_tracked_scan(&worker, &tracked, 0, &scanned->listed);
    mx_tracked_deinit(&tracked);
    mx_worker_deinit(&worker);
    mx_classifier_close(&classifier);
}

static void forget(struct scanned *scanned)
{
    mx_array_free(&scanned->listed.starts);
    mx_array_free(&scanned->listed.kinds);
}

static void make_tuples(struct fake *fake, struct scanned *scanned)
{
    for (size_t i = 0; i < OBJECTS; i++)
        scanned->tuples[i] = fake_tuple(fake, &fake->none, SMALL);
    uint64_t length = (uint64_t)fake->runtime.layout.tuple.ob_item + 8 * SMALL;
    scanned->end = (scanned->tuples[OBJECTS - 1] + length + 7) & ~UINT64_C(7);
}

static size_t count_used(const struct scanned *scanned)
{
    size_t used = 0;
    for (size_t i = 0; i < scanned->listed.kinds.count; i++)
        used += scanned->listed.kinds.items[i] != MX_BLOCK_FREE;
    return used;
}

static void test_a_group_is_a_span(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct scanned scanned;
        make_tuples(&fake, &scanned);
        scan(&fake, &scanned);
        CU_ASSERT_EQUAL(count_used(&scanned), OBJECTS);
        CU_ASSERT_TRUE(scanned.listed.start <= scanned.tuples[0]);
        CU_ASSERT_EQUAL(scanned.listed.end, scanned.end);
        forget(&scanned);
    }
}

/* Two spans over one address would tell two things of it. */
static void test_a_wrong_length_ends_before_what_comes_next(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct scanned scanned;
        make_tuples(&fake, &scanned);
        for (size_t i = 0; i < OBJECTS; i++)
            fake_put(&fake, scanned.tuples[i], fake.runtime.layout.object.size, DAMAGED);
        scan(&fake, &scanned);
        CU_ASSERT_EQUAL(count_used(&scanned), OBJECTS);
        CU_ASSERT_EQUAL(scanned.listed.end, scanned.end);
        forget(&scanned);
    }
}

void suite_tracked(CU_pSuite suite);
void suite_tracked(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_a_group_is_a_span);
    CU_ADD_TEST(suite, test_a_wrong_length_ends_before_what_comes_next);
}
