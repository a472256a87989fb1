/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/classify and header: what is taken for an object, and what only looks
 * like one. Every rule here once was a false or a missing object in a real heap.
 */
#include <CUnit/CUnit.h>

#include "cpython/classify.h"
#include "cpython/header.h"
#include "fake.h"
#include "heap/scan.h"

struct block {
    mx_addr address;
    uint32_t size;
};

/* The block of an object: with its preheader, rounded up as an allocator does. */
static struct block block_of(struct fake *fake, mx_addr object, uint32_t size)
{
    const struct mx_type *type = mx_type_of(&fake->types, object);
    return (struct block){object - type->preheader, (size + type->preheader + 15) & ~15u};
}

static bool classify(struct fake *fake, struct block block, uint32_t padding, struct mx_found_object *found)
{
    struct mx_classifier classifier = {0};
    CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake->types, &classifier));
    size_t available = block.size < 512 ? block.size : 512;
    bool is_object =
        mx_classify_block(&classifier, fake_at(fake, block.address), block.size, available, padding, found);
    mx_classifier_close(&classifier);
    return is_object;
}

static bool is_object(struct fake *fake, struct block block)
{
    struct mx_found_object found;
    return classify(fake, block, 0, &found);
}

static void test_objects_are_found_behind_their_preheaders(void)
{
    static const char *const names[] = {"x"};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr value = fake_int(&fake, 7), class = fake_class(&fake, "app.Order", names, 1);
        mx_addr objects[] = {value, fake_str(&fake, "text"), fake_list(&fake, &value, 1), fake_tuple(&fake, &value, 1),
                             fake_instance(&fake, class, &value, 1)};
        for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
            struct mx_found_object found;
            struct block block = block_of(&fake, objects[i], 56);
            CU_ASSERT_TRUE_FATAL(classify(&fake, block, 0, &found));
            CU_ASSERT_EQUAL(block.address + found.offset, objects[i]);
            CU_ASSERT_PTR_EQUAL(&fake.types.types.items[found.type], mx_type_of(&fake.types, objects[i]));
        }
    }
}

static void test_smallest_objects_are_found(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        uint32_t head = (uint32_t)fake.runtime.layout.object.size;
        mx_addr type =
            fake_type(&fake, &(struct fake_type){.name = "object", .basicsize = head, .kind = MX_KIND_OTHER});
        mx_addr object = fake_object(&fake, type, head);
        CU_ASSERT_TRUE(is_object(&fake, (struct block){object, head}));
    }
}

/* datetime.time and datetime.datetime without a time zone are 8 bytes shorter; without the file they have no names. */
static void test_short_datetimes(void)
{
    static const struct {
        const char *name;
        int64_t basicsize;
        uint64_t flags;
        bool may_be_short;
    } types[] = {
        {"datetime.time", 40, MX_TPFLAGS_BASETYPE, true},
        {"datetime.datetime", 48, MX_TPFLAGS_BASETYPE, true},
        {"<type at 0xb75a60>", 40, MX_TPFLAGS_BASETYPE, true},
        {"<type at 0xb75720>", 48, MX_TPFLAGS_BASETYPE, true},
        {"<type at 0xb75720>", 48, 0, false},
        {"<type at 0xb75720>", 56, MX_TPFLAGS_BASETYPE, false},
        {"<type at 0xb75720>", 48, MX_TPFLAGS_BASETYPE | MX_TPFLAGS_HEAPTYPE, false},
        {"app.time", 40, MX_TPFLAGS_BASETYPE, false},
    };
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.object.size != 16)
            continue;
        for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
            mx_addr type = fake_type(&fake, &(struct fake_type){.name = types[i].name,
                                                                .basicsize = types[i].basicsize,
                                                                .kind = MX_KIND_OTHER,
                                                                .flags = types[i].flags});
            mx_addr object = fake_object(&fake, type, (size_t)types[i].basicsize);
            uint32_t size = (uint32_t)types[i].basicsize;
            CU_ASSERT_TRUE(is_object(&fake, (struct block){object, size}));
            CU_ASSERT_EQUAL(is_object(&fake, (struct block){object, size - 8}), types[i].may_be_short);
        }
    }
}

static void test_dead_objects_are_none(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr text = fake_str(&fake, "dead");
        struct block block = block_of(&fake, text, 56);
        CU_ASSERT_TRUE(is_object(&fake, block));
        fake_set_refcount(&fake, text, 0);
        CU_ASSERT_FALSE(is_object(&fake, block));
        /* a free list of 3.14 links its members through the reference count; elsewhere that is an item array */
        fake_set_refcount(&fake, text, block.address + 64);
        CU_ASSERT_FALSE(is_object(&fake, block));
    }
}

static void test_what_does_not_fit_is_none(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr items[4] = {fake.none, fake.none, fake.none, fake.none};
        mx_addr tuple = fake_tuple(&fake, items, 4);
        uint32_t size = (uint32_t)fake.runtime.layout.tuple.ob_item + 32;
        CU_ASSERT_TRUE(is_object(&fake, block_of(&fake, tuple, size)));
        CU_ASSERT_FALSE(is_object(&fake, block_of(&fake, tuple, size - 24)));
        fake_put(&fake, tuple, fake.runtime.layout.var_object.ob_size, UINT64_MAX / 2);
        CU_ASSERT_FALSE(is_object(&fake, block_of(&fake, tuple, size)));
    }
}

/* A buffer in the block of a dead object may leave the type standing, but not links that could be real. */
static void test_text_before_a_stale_type_is_no_gc_head(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.preheader_shape == MX_PREHEADER_NO_GC)
            continue;
        mx_addr list = fake_list(&fake, &fake.none, 1);
        struct block block = block_of(&fake, list, 48);
        CU_ASSERT_TRUE(is_object(&fake, block));
        fake_put_bytes(&fake, list - 16, "Classes having..", 16);
        fake_set_refcount(&fake, list, 0x2e73746e);
        CU_ASSERT_FALSE(is_object(&fake, block));
        fake_put(&fake, list, -16, 0);
        fake_put(&fake, list, -8, 0x55d2fdd12700);
        CU_ASSERT_FALSE(is_object(&fake, block));
    }
}

static void test_tracked_objects_have_links(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_found_object found;
        struct mx_header header;
        if (fake.runtime.layout.preheader_shape == MX_PREHEADER_NO_GC)
            continue;
        mx_addr list = fake_list(&fake, &fake.none, 1);
        fake_put(&fake, list, -16, 0);
        fake_put(&fake, list, -8, 0);
        CU_ASSERT_TRUE(classify(&fake, block_of(&fake, list, 48), 0, &found));
        CU_ASSERT_FALSE(found.tracked);
        CU_ASSERT_TRUE(mx_header_read(&fake.types, mx_type_of(&fake.types, list), list, &header));
        CU_ASSERT_FALSE(header.tracked);
        fake_put(&fake, list, -16, FAKE_BASE + 0x100);
        fake_put(&fake, list, -8, FAKE_BASE + 0x200);
        CU_ASSERT_TRUE(classify(&fake, block_of(&fake, list, 48), 0, &found));
        CU_ASSERT_TRUE(found.tracked);
        CU_ASSERT_TRUE(mx_header_read(&fake.types, mx_type_of(&fake.types, list), list, &header));
        CU_ASSERT_TRUE(header.tracked);
        CU_ASSERT_EQUAL(header.refcount, 1);
    }
}

enum { TRACKED = 1, UNREACHABLE = 4, FROZEN = 8, DEFERRED = 64 };

static void put_bits(struct fake *fake, mx_addr object, uint8_t bits)
{
    fake_put_bytes(fake, object + (uint64_t)fake->runtime.layout.object.ob_gc_bits, &bits, 1);
}

static bool is_tracked(struct fake *fake, mx_addr list)
{
    struct mx_found_object found = {0};
    struct mx_header header = {0};
    CU_ASSERT_TRUE(classify(fake, block_of(fake, list, (uint32_t)fake->runtime.layout.list.size), 0, &found));
    CU_ASSERT_TRUE(mx_header_read(&fake->types, mx_type_of(&fake->types, list), list, &header));
    CU_ASSERT_EQUAL(found.tracked, header.tracked);
    return found.tracked;
}

static void test_threaded_objects_say_themselves_whether_they_are_tracked(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (!fake.runtime.layout.free_threaded)
            continue;
        mx_addr list = fake_list(&fake, &fake.none, 1);
        CU_ASSERT_FALSE(is_tracked(&fake, list));
        put_bits(&fake, list, TRACKED);
        CU_ASSERT_TRUE(is_tracked(&fake, list));
        put_bits(&fake, list, TRACKED | DEFERRED);
        CU_ASSERT_TRUE(is_tracked(&fake, list));
        put_bits(&fake, list, TRACKED | FROZEN);
        CU_ASSERT_FALSE(is_tracked(&fake, list));
        put_bits(&fake, list, TRACKED | UNREACHABLE);
        CU_ASSERT_FALSE(is_tracked(&fake, list));
    }
}

static void put_counts(struct fake *fake, mx_addr object, uint32_t local, int64_t shared)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    fake_put_bytes(fake, object + (uint64_t)layout->object.ob_ref_local, &local, sizeof(local));
    fake_put_bytes(fake, object + (uint64_t)layout->object.ob_ref_shared, &shared, sizeof(shared));
}

/* The owner's count and the others', which is kept in units of four behind two flags, are one count. */
static void test_threaded_counts_are_added_up(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (!fake.runtime.layout.free_threaded)
            continue;
        const struct {
            int64_t shared;
            int64_t count; /* 0 = dead */
            uint32_t local;
            bool immortal;
        } cases[] = {
            {0, 1, 1, false},  {-3 * 4 + 2, 2, 5, false},         {7 * 4 + 3, 7, 0, false},           {3, 0, 0, false},
            {-4, 0, 1, false}, {0, UINT32_MAX, UINT32_MAX, true}, {(INT64_MAX / 8) * 4, 2, 2, false},
        };
        mx_addr text = fake_str(&fake, "x");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct mx_header header;
            put_counts(&fake, text, cases[i].local, cases[i].shared);
            bool alive = mx_header_read(&fake.types, mx_type_of(&fake.types, text), text, &header);
            CU_ASSERT_EQUAL(alive, cases[i].count != 0);
            CU_ASSERT_EQUAL(header.refcount, cases[i].count);
            CU_ASSERT_EQUAL(header.immortal, cases[i].immortal);
            CU_ASSERT_EQUAL(is_object(&fake, block_of(&fake, text, 72)), alive);
        }
    }
}

/* What nothing refers to any more lives until the collector comes, whose part of the count keeps it. */
static void test_objects_with_deferred_counts_live_without_references(void)
{
    const int64_t bias = (INT64_MAX / 8) * 4, merged = 3;
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (!fake.runtime.layout.free_threaded)
            continue;
        mx_addr list = fake_list(&fake, &fake.none, 1);
        struct block block = block_of(&fake, list, (uint32_t)fake.runtime.layout.list.size);
        put_bits(&fake, list, TRACKED | DEFERRED);
        put_counts(&fake, list, 0, bias + merged);
        CU_ASSERT_TRUE(is_object(&fake, block));
        put_counts(&fake, list, 0, bias - 5 * 4);
        CU_ASSERT_TRUE(is_object(&fake, block));
        put_counts(&fake, list, 0, bias / 2 + merged);
        CU_ASSERT_FALSE(is_object(&fake, block));
        put_bits(&fake, list, TRACKED);
        put_counts(&fake, list, 0, merged);
        CU_ASSERT_FALSE(is_object(&fake, block));
    }
}

static bool in_heap(struct fake *fake, uint8_t tag, struct block block)
{
    struct mx_classifier classifier = {0};
    struct mx_found_object found;
    CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake->types, &classifier));
    bool is = mx_classify_in_heap(&classifier, tag, fake_at(fake, block.address), block.size, block.size, 0, &found);
    mx_classifier_close(&classifier);
    return is;
}

/* Tags: 0 memory, 1 objects, 2 what the collector tracks, 3 that with a preheader. With the GIL they say nothing. */
static void test_tags_of_heaps_tell_what_blocks_are(void)
{
    static const char *const names[] = {"x"};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        bool threaded = fake.runtime.layout.free_threaded;
        mx_addr text = fake_str(&fake, "x"), class = fake_class(&fake, "C", names, 1);
        mx_addr instance = fake_instance(&fake, class, &text, 1);
        struct block plain = block_of(&fake, text, 72), behind = block_of(&fake, instance, 64);
        CU_ASSERT_EQUAL(in_heap(&fake, 0, plain), !threaded);
        CU_ASSERT_TRUE(in_heap(&fake, 1, plain));
        CU_ASSERT_EQUAL(in_heap(&fake, 3, plain), !threaded);
        CU_ASSERT_TRUE(in_heap(&fake, 3, behind));
        CU_ASSERT_EQUAL(in_heap(&fake, 2, behind), !threaded);
        CU_ASSERT_FALSE(in_heap(&fake, 1, (struct block){text, 16}));
    }
}

static void test_debug_hooks_are_stepped_over(void)
{
    static const uint8_t hook[16] = {0, 0, 0, 0, 0, 0, 0, 40, 'o', 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr outer = fake_alloc(&fake, 32);
        struct mx_found_object found;
        struct block block = block_of(&fake, fake_float(&fake, 1.5), 48);
        fake_put_bytes(&fake, outer, hook, 16);
        fake_put_bytes(&fake, outer + 16, hook, 16);
        CU_ASSERT_EQUAL(mx_hook_padding(fake_at(&fake, outer), 512), 32);
        CU_ASSERT_EQUAL(mx_hook_padding(fake_at(&fake, outer + 16), 512), 16);
        CU_ASSERT_EQUAL(mx_hook_padding(fake_at(&fake, block.address), 48), 0);
        CU_ASSERT_EQUAL(mx_hook_padding(fake_at(&fake, outer), 8), 0);
        block.size += 16;
        CU_ASSERT_TRUE(classify(&fake, (struct block){block.address - 16, block.size}, 16, &found));
        CU_ASSERT_EQUAL(found.offset, 16);
    }
}

static void test_static_objects_need_no_head(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_classifier classifier = {0};
        struct mx_found_object found;
        mx_addr list = fake_list(&fake, &fake.none, 1);
        fake_put_bytes(&fake, list - 16, "Classes having..", 16);
        CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake.types, &classifier));
        CU_ASSERT_TRUE(mx_classify_static(&classifier, fake_at(&fake, list), 512, &found));
        CU_ASSERT_EQUAL(found.offset, 0);
        CU_ASSERT_FALSE(mx_classify_static(&classifier, fake_at(&fake, list + 8), 512, &found));
        mx_classifier_close(&classifier);
    }
}

static size_t static_objects_at(struct fake *fake, const struct mx_classifier *classifier, mx_addr address)
{
    struct mx_work work;
    struct mx_worker worker;
    struct mx_listed listed = {0};
    uint64_t fixed_sizes[64] = {0};
    CU_ASSERT_TRUE_FATAL(fake->types.types.count <= 64);
    mx_work_begin(&work, NULL, "testing", 0);
    const struct mx_scan scan = {.types = &fake->types,
                                 .classifier = classifier,
                                 .memory = fake->memory,
                                 .fixed_sizes = fixed_sizes,
                                 .work = &work};
    CU_ASSERT_TRUE_FATAL(mx_worker_init(&worker, &scan, false));
    const struct mx_region region = {.start = address, .end = address + 64};
    mx_scan_static(&worker, &region, &listed);
    size_t count = listed.starts.count;
    mx_worker_deinit(&worker);
    mx_array_free(&worker.pending);
    mx_array_free(&listed.starts);
    mx_array_free(&listed.kinds);
    return count;
}

/*
 * Where static objects are immortal, what begins with an address of code is a table of functions and types; so is what
 * begins with an address in a file's mapping of which a core tells no more.
 */
static void look_for_tables_of_functions(uint32_t flags)
{
    enum { CODE = 0x500000, COUNT = 3 };
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct mx_classifier classifier = {0};
        const struct mx_region code = {
            .start = CODE, .end = CODE + MX_PAGE, .flags = flags | MX_REGION_MISSING, .module = MX_NO_MODULE};
        mx_addr list = fake_list(&fake, &fake.none, 1);
        if (layout->header_shape == MX_HEADER_REFCOUNT || layout->header_shape == MX_HEADER_FREE_THREADED)
            continue;
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake.memory, code));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake.types, &classifier));
        fake_put(&fake, list, 0, COUNT);
        CU_ASSERT_EQUAL(static_objects_at(&fake, &classifier, list), 1);
        fake_put(&fake, list, 0, CODE + 0x60c);
        CU_ASSERT_EQUAL(static_objects_at(&fake, &classifier, list), 0);
        mx_classifier_close(&classifier);
    }
}

static void test_a_table_of_functions_is_no_static_object(void)
{
    look_for_tables_of_functions(MX_REGION_READ | MX_REGION_EXEC);
    look_for_tables_of_functions(MX_REGION_FILE);
}

static bool is_static_object(struct fake *fake, mx_addr object, size_t size)
{
    struct mx_classifier classifier = {0};
    struct mx_found_object found;
    CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake->types, &classifier));
    bool is_object = mx_classify_static(&classifier, fake_at(fake, object), size, &found);
    mx_classifier_close(&classifier);
    return is_object;
}

/* A non-PIE process may have its heap where 3.11's static counts lie: an array of pointers is no static object there.
 */
static void test_static_counts_are_of_static_objects(void)
{
    static const uint8_t heap[4096];
    enum { MANY = 40000000 };
    const uint64_t count = 0x3b9aca00; /* aligned, mapped, and 999999999 + 1 */
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (fake.runtime.layout.header_shape != MX_HEADER_REFCOUNT)
            continue;
        struct mx_region region = {.start = 0x3b9ac000, .end = 0x3b9ad000, .bytes = heap, .module = MX_NO_MODULE};
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake.memory, region));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        mx_addr text = fake_str(&fake, "x");
        fake_set_refcount(&fake, text, count);
        CU_ASSERT_FALSE(is_object(&fake, block_of(&fake, text, 56)));
        CU_ASSERT_TRUE(is_static_object(&fake, text, 56));
        fake_set_refcount(&fake, text, count + MANY);
        CU_ASSERT_TRUE(is_static_object(&fake, text, 56));
    }
}

/*
 * The image of a non-PIE executable lies where counts of some millions do. What leads to an object there is the first
 * item of an array; in C data, what leads anywhere is a name before a type.
 */
static void test_counts_that_are_addresses_of_the_image(void)
{
    enum { IMAGE = 0x500000, OBJECT = 0x40 };
    static uint8_t image[MX_PAGE];
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        if (layout->header_shape == MX_HEADER_FREE_THREADED)
            continue;
        mx_addr text = fake_str(&fake, "x"), type = fake.builtins[MX_KIND_STR];
        memcpy(image + OBJECT + layout->object.ob_type, &type, sizeof(type));
        const struct mx_region region = {
            .start = IMAGE, .end = IMAGE + MX_PAGE, .flags = MX_REGION_FILE, .bytes = image, .module = MX_NO_MODULE};
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake.memory, region));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        fake_set_refcount(&fake, text, IMAGE);
        CU_ASSERT_TRUE(is_object(&fake, block_of(&fake, text, 56)));
        CU_ASSERT_FALSE(is_static_object(&fake, text, 56));
        fake_set_refcount(&fake, text, IMAGE + OBJECT);
        CU_ASSERT_FALSE(is_object(&fake, block_of(&fake, text, 56)));
        fake_set_refcount(&fake, fake.none, IMAGE);
        CU_ASSERT_EQUAL(is_static_object(&fake, fake.none, 16), layout->header_shape == MX_HEADER_REFCOUNT);
        fake_set_refcount(&fake, fake.none, IMAGE + OBJECT);
        CU_ASSERT_FALSE(is_static_object(&fake, fake.none, 16));
    }
}

/* Words that look like an instance of a class, in data that is older than the class. */
static void test_static_data_holds_no_instances_of_heap_types(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        for (int made_at_run_time = 0; made_at_run_time < 2; made_at_run_time++) {
            mx_addr type = fake_type(&fake, &(struct fake_type){.name = "thing",
                                                                .basicsize = 32,
                                                                .kind = MX_KIND_OTHER,
                                                                .flags = made_at_run_time ? MX_TPFLAGS_HEAPTYPE : 0});
            mx_addr object = fake_object(&fake, type, 32);
            struct mx_classifier classifier;
            struct mx_found_object found;
            CU_ASSERT_PTR_NULL_FATAL(mx_classifier_open(&fake.types, &classifier));
            CU_ASSERT_EQUAL(mx_classify_static(&classifier, fake_at(&fake, object), 32, &found), !made_at_run_time);
            CU_ASSERT_TRUE(mx_classify_block(&classifier, fake_at(&fake, object), 32, 32, 0, &found));
            mx_classifier_close(&classifier);
        }
    }
}

static void test_refcounts_by_shape(void)
{
    struct mx_layout layout = {.header_shape = MX_HEADER_REFCOUNT};
    bool immortal;
    CU_ASSERT_EQUAL(mx_refcount(&layout, 3, &immortal), 3);
    CU_ASSERT_FALSE(immortal);
    mx_refcount(&layout, 999999992, &immortal);
    CU_ASSERT_TRUE(immortal);
    layout.header_shape = MX_HEADER_IMMORTAL_LOW;
    mx_refcount(&layout, 0xffffffff, &immortal);
    CU_ASSERT_TRUE(immortal);
    CU_ASSERT_EQUAL(mx_refcount(&layout, 5, &immortal), 5);
    CU_ASSERT_FALSE(immortal);
    layout.header_shape = MX_HEADER_SPLIT_WORD;
    CU_ASSERT_EQUAL(mx_refcount(&layout, 0x00007f12c0000000, &immortal), 0); /* a link of a free list */
    CU_ASSERT_EQUAL(mx_refcount(&layout, 0x0005000000000002, &immortal), 2); /* flags are no count */
    CU_ASSERT_FALSE(immortal);
    mx_refcount(&layout, 0x00050000c0000000, &immortal);
    CU_ASSERT_TRUE(immortal);
}

void suite_classify(CU_pSuite suite);
void suite_classify(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_objects_are_found_behind_their_preheaders);
    CU_ADD_TEST(suite, test_smallest_objects_are_found);
    CU_ADD_TEST(suite, test_short_datetimes);
    CU_ADD_TEST(suite, test_dead_objects_are_none);
    CU_ADD_TEST(suite, test_what_does_not_fit_is_none);
    CU_ADD_TEST(suite, test_text_before_a_stale_type_is_no_gc_head);
    CU_ADD_TEST(suite, test_tracked_objects_have_links);
    CU_ADD_TEST(suite, test_threaded_objects_say_themselves_whether_they_are_tracked);
    CU_ADD_TEST(suite, test_threaded_counts_are_added_up);
    CU_ADD_TEST(suite, test_objects_with_deferred_counts_live_without_references);
    CU_ADD_TEST(suite, test_tags_of_heaps_tell_what_blocks_are);
    CU_ADD_TEST(suite, test_debug_hooks_are_stepped_over);
    CU_ADD_TEST(suite, test_static_objects_need_no_head);
    CU_ADD_TEST(suite, test_a_table_of_functions_is_no_static_object);
    CU_ADD_TEST(suite, test_static_counts_are_of_static_objects);
    CU_ADD_TEST(suite, test_counts_that_are_addresses_of_the_image);
    CU_ADD_TEST(suite, test_static_data_holds_no_instances_of_heap_types);
    CU_ADD_TEST(suite, test_refcounts_by_shape);
}
