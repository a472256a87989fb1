/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/verify.c and lib/cpython/sound.c: a small heap that is whole passes all checks, and each kind of damage is
 * found by the check that is for it.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "fake_heap.h"

enum { LIST, TUPLE, DICT, SET, NUMBER, KEY, OBJECTS };

struct made {
    mx_addr objects[OBJECTS];
    struct fake_heap heap;
};

/* list -> tuple -> dict {key: number}, set; each is held once, the list by a thread. */
static void make_objects(struct fake *fake, struct made *made)
{
    mx_addr *objects = made->objects;
    objects[NUMBER] = fake_int(fake, 123456);
    objects[KEY] = fake_str(fake, "key");
    objects[DICT] = fake_dict(fake, FAKE_KEYS_GENERAL, &objects[KEY], &objects[NUMBER], 1);
    objects[SET] = fake_set(fake, fake->builtins[MX_KIND_SET], (mx_addr[8]){0}, 8);
    objects[TUPLE] = fake_tuple(fake, (mx_addr[]){objects[DICT], objects[SET]}, 2);
    objects[LIST] = fake_list(fake, &objects[TUPLE], 1);
}

static const struct mx_check *find_check(const struct mx_verification *verification, const char *name)
{
    size_t count;
    const struct mx_check *checks = mx_verification_checks(verification, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(checks[i].name, name))
            return &checks[i];
    CU_FAIL_FATAL("no such check");
    return NULL;
}

static struct mx_verification *verify(struct fake *fake, struct made *made)
{
    struct mx_verification *verification = NULL;
    fake_heap_open(&made->heap, fake, made->objects, OBJECTS, made->objects, 1);
    CU_ASSERT_PTR_NULL_FATAL(mx_verification_open(made->heap.graph, NULL, &verification));
    return verification;
}

static void close_made(struct made *made, struct mx_verification *verification)
{
    mx_verification_close(verification);
    fake_heap_close(&made->heap);
}

/* The damage is this check's alone to find, with the object and the reason. */
static void expect_failure(struct fake *fake, struct made *made, const char *name, mx_addr example, const char *why)
{
    struct mx_verification *verification = verify(fake, made);
    const struct mx_check *check = find_check(verification, name);
    CU_ASSERT_EQUAL(check->failed, 1);
    CU_ASSERT_EQUAL(check->example, example);
    CU_ASSERT_STRING_EQUAL(check->why, why);
    close_made(made, verification);
}

static void test_a_whole_heap_passes(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        make_objects(&fake, &made);
        struct mx_verification *verification = verify(&fake, &made);
        size_t count;
        const struct mx_check *checks = mx_verification_checks(verification, &count);
        for (size_t i = 0; i < count; i++)
            if (strcmp(checks[i].name, "refcounts") && strcmp(checks[i].name, "types"))
                CU_ASSERT_EQUAL(checks[i].failed, 0);
        CU_ASSERT_EQUAL(find_check(verification, "objects")->checked, OBJECTS);
        CU_ASSERT_EQUAL(find_check(verification, "sizes")->checked, OBJECTS);
        CU_ASSERT_TRUE(find_check(verification, "directions")->checked >= 5);
        close_made(&made, verification);
    }
}

struct damage {
    size_t object;
    int32_t (*offset)(const struct mx_layout *layout);
    uint64_t word;
    const char *check, *why;
};

static int32_t length(const struct mx_layout *layout)
{
    return layout->var_object.ob_size;
}

static int32_t used(const struct mx_layout *layout)
{
    return layout->dict.ma_used;
}

static int32_t mask(const struct mx_layout *layout)
{
    return layout->set.mask;
}

static int32_t fill(const struct mx_layout *layout)
{
    return layout->set.fill;
}

static int32_t items(const struct mx_layout *layout)
{
    return layout->list.ob_item;
}

static void test_each_damage_is_found(void)
{
    static const struct damage damages[] = {
        {LIST, length, 1 << 20, "sizes", "its length is more than was allocated"},
        {LIST, length, (uint64_t)-7, "sizes", "its length is negative"},
        {LIST, items, 0, "sizes", "its items have no address"},
        {TUPLE, length, 500, "sizes", "its items do not fit into its block"},
        {TUPLE, length, (uint64_t)-1, "sizes", "its length is negative"},
        {DICT, used, 1 << 20, "sizes", "it counts more items than its table has"},
        {SET, mask, 9, "sizes", "the size of its table is no power of two"},
        {SET, fill, 99, "sizes", "more places of its table are taken than it has"},
    };
    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        struct fake fake;
        FAKE_EACH_ROW(&fake)
        {
            struct made made = {0};
            make_objects(&fake, &made);
            mx_addr object = made.objects[damages[i].object];
            fake_put(&fake, object, damages[i].offset(&fake.runtime.layout), damages[i].word);
            expect_failure(&fake, &made, damages[i].check, object, damages[i].why);
        }
    }
}

static void test_references_to_nothing_are_found(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        make_objects(&fake, &made);
        fake_put(&fake, made.objects[TUPLE], fake.runtime.layout.tuple.ob_item, made.objects[DICT] + 24);
        expect_failure(&fake, &made, "references", made.objects[TUPLE], "it refers to what is no object");
    }
}

static void test_freed_objects_are_found(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        if (fake.runtime.layout.free_threaded)
            continue;
        make_objects(&fake, &made);
        fake_put(&fake, made.objects[SET], fake.runtime.layout.object.ob_refcnt, 0);
        expect_failure(&fake, &made, "objects", made.objects[SET],
                       "it was freed while something still refers to it, or overwritten");
    }
}

/* Cancelling leaves nothing behind; the sanitizers would tell. */
static bool stop(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)context;
    (void)stage;
    (void)done;
    (void)total;
    return false;
}

static void test_it_can_be_cancelled(void)
{
    struct fake fake = {0};
    struct made made = {0};
    struct mx_verification *verification = NULL;
    const struct mx_progress progress = {.report = stop};
    CU_ASSERT_TRUE_FATAL(fake_next_row(&fake));
    make_objects(&fake, &made);
    fake_heap_open(&made.heap, &fake, made.objects, OBJECTS, made.objects, 1);
    struct mx_error *error = mx_verification_open(made.heap.graph, &progress, &verification);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
    mx_error_free(error);
    fake_heap_close(&made.heap);
    fake_close(&fake);
}

void suite_verify(CU_pSuite suite);

void suite_verify(CU_pSuite suite)
{
    CU_add_test(suite, "a whole heap passes", test_a_whole_heap_passes);
    CU_add_test(suite, "each damage is found", test_each_damage_is_found);
    CU_add_test(suite, "references to nothing are found", test_references_to_nothing_are_found);
    CU_add_test(suite, "freed objects are found", test_freed_objects_are_found);
    CU_add_test(suite, "it can be cancelled", test_it_can_be_cancelled);
}
