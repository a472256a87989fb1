/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/waste*.c and lib/cpython/spare.c on a fake target: random texts against a slow twin that compares each
 * with each, containers with places of known number, instances with and without a dict.
 */
#include <CUnit/CUnit.h>

#include "cpython/dict.h"
#include "cpython/spare.h"
#include "fake.h"
#include "heap/graph.h"
#include "report/object.h"

enum { MOST_OBJECTS = 1024, TEXTS = 500 };

struct made {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_graph *graph;
    struct mx_waste *waste;
    mx_addr objects[MOST_OBJECTS];
    size_t count;
};

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return left < right ? -1 : left > right;
}

/* A heap that says: these objects. */
static void make_heap(struct made *made, struct fake *fake)
{
    const struct mx_types *types = &made->target.types;
    mx_addr *objects = made->objects;
    qsort(objects, made->count, sizeof(mx_addr), compare_addresses);
    made->heap.kinds = calloc(made->count, sizeof(uint16_t));
    made->heap.tallies = calloc(types->types.count, sizeof(struct mx_tally));
    CU_ASSERT_TRUE_FATAL(made->heap.kinds && made->heap.tallies);
    struct mx_span span = {
        .start = objects[0], .end = FAKE_BASE + fake->used, .count = (uint32_t)made->count, .kind = MX_SPAN_CHUNKS};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.spans, span));
    for (size_t i = 0; i < types->types.count; i++)
        CU_ASSERT_TRUE_FATAL(
            mx_array_push(&made->heap.types, (struct mx_heap_type){.name = types->types.items[i].name}));
    for (size_t i = 0; i < made->count; i++) {
        const struct mx_type *type = mx_type_of(types, objects[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(type);
        made->heap.kinds[i] = (uint16_t)(type - types->types.items);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->heap.spans.starts, (uint32_t)((objects[i] - objects[0]) / 8)));
    }
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
}

/* Objects are added to made->objects before. */
static void open_made(struct made *made, struct fake *fake, const struct mx_waste_query *query)
{
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    make_heap(made, fake);
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->graph));
    CU_ASSERT_PTR_NULL_FATAL(mx_waste_open(&made->target, &made->heap, made->graph, query, NULL, &made->waste));
}

static void close_made(struct made *made)
{
    mx_waste_close(made->waste);
    mx_graph_close(made->graph);
    mx_spans_deinit(&made->heap.spans);
    mx_array_free(&made->heap.types);
    free(made->heap.tallies);
    free(made->heap.kinds);
}

static mx_addr add(struct made *made, mx_addr object)
{
    CU_ASSERT_TRUE_FATAL(made->count < MOST_OBJECTS);
    made->objects[made->count++] = object;
    return object;
}

/* The row of an object, which must be the example; an empty one, after a failure, when there is none. */
static struct mx_waste_row row_at(const struct made *made, enum mx_waste_kind kind, mx_addr example)
{
    size_t count;
    uint64_t total;
    const struct mx_waste_row *rows = mx_waste_rows(made->waste, &count, &total);
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind == kind && rows[i].example == example)
            return rows[i];
    CU_FAIL("no such row");
    return (struct mx_waste_row){.value = "", .holder = ""};
}

/* ---- Texts ---- */

struct content {
    size_t count;
    uint32_t points[3];
    bool is_bytes;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 40);
}

/* Few values of few lengths, so that many are equal; the same letters in each width. */
static struct content random_content(uint64_t *state)
{
    static const uint32_t letters[] = {'a', 'b', 0xe9, 0x6f22, 0x1f600};
    struct content content = {.is_bytes = next_random(state) % 4 == 0};
    content.count = next_random(state) % 4;
    for (size_t i = 0; i < content.count; i++)
        content.points[i] = letters[next_random(state) % (content.is_bytes ? 2 : 5)];
    return content;
}

static mx_addr write_content(struct fake *fake, const struct content *content)
{
    uint8_t bytes[3];
    for (size_t i = 0; i < content->count; i++)
        bytes[i] = (uint8_t)content->points[i];
    return content->is_bytes ? fake_bytes(fake, bytes, content->count)
                             : fake_points(fake, content->points, content->count);
}

static bool same_content(const struct content *a, const struct content *b)
{
    return a->is_bytes == b->is_bytes && a->count == b->count &&
           !memcmp(a->points, b->points, a->count * sizeof(a->points[0]));
}

/* The slow twin: checks the rows of values that have equals, and returns how many there are. */
static size_t compare_each_with_each(const struct made *made, const struct content *contents, const mx_addr *objects)
{
    size_t values = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t equal = 0, first = i;
        uint64_t size = mx_object_shallow_size(&made->target, objects[i]);
        for (size_t other = 0; other < TEXTS; other++) {
            bool same = same_content(&contents[i], &contents[other]);
            equal += same;
            first = same && other < first ? other : first;
        }
        if (first != i || equal == 1)
            continue;
        struct mx_waste_row row = row_at(made, contents[i].is_bytes ? MX_WASTE_BYTES : MX_WASTE_STRINGS, objects[i]);
        CU_ASSERT_EQUAL(row.count, equal);
        CU_ASSERT_EQUAL(row.bytes, equal * size);
        CU_ASSERT_EQUAL(row.wasted, (equal - 1) * size);
        values++;
    }
    return values;
}

static void test_equal_texts(void)
{
    static struct content contents[TEXTS];
    static mx_addr objects[TEXTS];
    struct fake fake;
    uint64_t state = 1;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_waste_query query = {0};
        for (size_t i = 0; i < TEXTS; i++) {
            contents[i] = random_content(&state);
            objects[i] = add(&made, write_content(&fake, &contents[i]));
        }
        open_made(&made, &fake, &query);
        size_t count;
        uint64_t total, sum = 0, of_strings, of_bytes;
        const struct mx_waste_row *rows = mx_waste_rows(made.waste, &count, &total);
        CU_ASSERT_EQUAL(compare_each_with_each(&made, contents, objects), count);
        for (size_t i = 0; i < count; i++)
            sum += rows[i].wasted;
        CU_ASSERT_EQUAL(sum, total);
        uint64_t wasted = mx_waste_of_kind(made.waste, MX_WASTE_STRINGS, &of_strings);
        wasted += mx_waste_of_kind(made.waste, MX_WASTE_BYTES, &of_bytes);
        CU_ASSERT_EQUAL(wasted, total);
        CU_ASSERT_TRUE(of_strings + of_bytes > TEXTS / 2);
        close_made(&made);
    }
}

static void test_limits(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_waste_query query = {.limit = 1, .least = 60};
        size_t count;
        uint64_t total;
        for (int i = 0; i < 3; i++)
            add(&made, fake_str(&fake, "three of them"));
        mx_addr four = add(&made, fake_str(&fake, "there are four"));
        for (int i = 0; i < 3; i++)
            add(&made, fake_str(&fake, "there are four"));
        add(&made, fake_bytes(&fake, "b", 1));
        add(&made, fake_bytes(&fake, "b", 1));
        open_made(&made, &fake, &query);
        const struct mx_waste_row *rows = mx_waste_rows(made.waste, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(rows[0].example, four);
        CU_ASSERT_STRING_EQUAL(rows[0].value, "'there are four'");
        CU_ASSERT_EQUAL(total, rows[0].wasted + 2 * mx_object_shallow_size(&made.target, made.objects[0]) +
                                   mx_object_shallow_size(&made.target, made.objects[8]));
        close_made(&made);
    }
}

/* ---- Holders ---- */

static void test_holders(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_waste_query query = {0};
        static const char *const names[] = {"currency"};
        mx_addr class = fake_class(&fake, "app.Order", names, 1), attribute = 0, item = 0, value = 0;
        for (int i = 0; i < 4; i++) {
            mx_addr key = add(&made, fake_str(&fake, "currency")), zloty = add(&made, fake_str(&fake, "PLN"));
            mx_addr euro = add(&made, fake_str(&fake, "EUR")), pound = add(&made, fake_str(&fake, "GBP"));
            attribute = attribute ? attribute : euro;
            item = item ? item : pound;
            value = value ? value : zloty;
            mx_addr order = add(&made, fake_instance(&fake, class, &euro, 1));
            if (mx_attributes_storage(&fake.runtime, mx_types_find(&fake.types, class), order).dict)
                add(&made, mx_attributes_storage(&fake.runtime, mx_types_find(&fake.types, class), order).dict);
            add(&made, fake_list(&fake, &pound, 1));
            add(&made, fake_dict(&fake, FAKE_KEYS_UNICODE, &key, &zloty, 1));
        }
        open_made(&made, &fake, &query);
        CU_ASSERT_STRING_EQUAL(row_at(&made, MX_WASTE_STRINGS, attribute).holder, "app.Order.currency");
        CU_ASSERT_STRING_EQUAL(row_at(&made, MX_WASTE_STRINGS, item).holder, "items of list");
        CU_ASSERT_STRING_EQUAL(row_at(&made, MX_WASTE_STRINGS, value).holder, "dict['currency']");
        close_made(&made);
    }
}

/* ---- Containers ---- */

static bool spare_of(const struct fake *fake, mx_addr object, struct mx_spare *ret)
{
    *ret = (struct mx_spare){0};
    return mx_container_spare(&fake->types, mx_type_of(&fake->types, object), object, ret);
}

static void test_lists(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct mx_spare spare;
        mx_addr list = fake_list(&fake, (mx_addr[]){fake.none, fake.none}, 2);
        CU_ASSERT_FALSE(spare_of(&fake, list, &spare));
        fake_put(&fake, list, layout->list.allocated, 12);
        CU_ASSERT_TRUE(spare_of(&fake, list, &spare));
        CU_ASSERT_EQUAL(spare.used, 2);
        CU_ASSERT_EQUAL(spare.places, 12);
        CU_ASSERT_EQUAL(spare.bytes, 80);
        fake_put(&fake, list, layout->list.allocated, UINT64_MAX); /* while it is being sorted */
        CU_ASSERT_FALSE(spare_of(&fake, list, &spare));
        fake_put(&fake, list, layout->list.allocated, FAKE_SIZE); /* more than there is memory for */
        CU_ASSERT_FALSE(spare_of(&fake, list, &spare));
        fake_put(&fake, list, layout->list.allocated, 1);
        CU_ASSERT_FALSE(spare_of(&fake, list, &spare));
    }
}

/* A dict that had 40 entries, of which the first `used` are left. */
static mx_addr sparse_dict(struct fake *fake, size_t used)
{
    mx_addr keys[40], values[40];
    for (size_t i = 0; i < 40; i++) {
        keys[i] = i < used ? fake->none : 0;
        values[i] = keys[i];
    }
    return fake_dict(fake, FAKE_KEYS_GENERAL, keys, values, 40);
}

/* Tables of 64 and 8 places differ by the index, a byte each, and by 42 - 5 entries of 24 bytes. */
static void test_dicts(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_spare spare;
        uint64_t header = (uint64_t)fake.runtime.layout.dict_keys.dk_indices;
        CU_ASSERT_FALSE(spare_of(&fake, sparse_dict(&fake, 40), &spare));
        CU_ASSERT_FALSE(spare_of(&fake, sparse_dict(&fake, 22), &spare)); /* 32 places have room for 21 */
        CU_ASSERT_TRUE(spare_of(&fake, sparse_dict(&fake, 21), &spare));
        CU_ASSERT_EQUAL(spare.bytes, 32 + 21 * 24);
        CU_ASSERT_TRUE(spare_of(&fake, sparse_dict(&fake, 5), &spare));
        CU_ASSERT_EQUAL(spare.used, 5);
        CU_ASSERT_EQUAL(spare.places, 42);
        CU_ASSERT_EQUAL(spare.bytes, 56 + 37 * 24);
        CU_ASSERT_TRUE(spare_of(&fake, sparse_dict(&fake, 0), &spare));
        CU_ASSERT_EQUAL(spare.bytes, header + 64 + 42 * 24);
    }
}

/* 20 shared keys: the values that are beyond what few attributes need. */
static void test_split_dicts(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_spare spare;
        mx_addr keys[20], items[20] = {fake.none};
        for (size_t i = 0; i < 20; i++)
            keys[i] = fake_str(&fake, "name");
        mx_addr table = fake_keys(&fake, FAKE_KEYS_SPLIT, keys, NULL, 20);
        mx_addr values = fake_values(&fake, &(struct fake_values){.items = items, .count = 20, .capacity = 21});
        CU_ASSERT_TRUE(spare_of(&fake, fake_split_dict(&fake, table, values, 1), &spare));
        CU_ASSERT_EQUAL(spare.used, 1);
        CU_ASSERT_EQUAL(spare.places, 21);
        CU_ASSERT_EQUAL(spare.bytes, 8 * 16);
        CU_ASSERT_FALSE(spare_of(&fake, fake_split_dict(&fake, table, values, 20), &spare));
    }
}

static void test_sets(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_spare spare;
        mx_addr keys[64] = {0}, type = fake.builtins[MX_KIND_SET];
        CU_ASSERT_FALSE(spare_of(&fake, fake_set(&fake, type, keys, 8), &spare)); /* inside the object */
        for (size_t i = 0; i < 15; i++)
            keys[i] = fake.none;
        CU_ASSERT_TRUE(spare_of(&fake, fake_set(&fake, type, keys, 64), &spare));
        CU_ASSERT_EQUAL(spare.bytes, 16 * 32);
        keys[15] = fake.none;
        CU_ASSERT_FALSE(spare_of(&fake, fake_set(&fake, type, keys, 32), &spare));
        for (size_t i = 4; i < 16; i++)
            keys[i] = 0;
        CU_ASSERT_TRUE(spare_of(&fake, fake_set(&fake, type, keys, 64), &spare));
        CU_ASSERT_EQUAL(spare.bytes, 16 * 64);
    }
}

static void test_rows_of_containers(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_waste_query query = {.limit = 1};
        mx_addr small = add(&made, fake_list(&fake, &fake.none, 1)), large = add(&made, fake_list(&fake, NULL, 0));
        fake_put(&fake, small, fake.runtime.layout.list.allocated, 4);
        fake_put(&fake, large, fake.runtime.layout.list.allocated, 8);
        fake_put(&fake, large, fake.runtime.layout.list.ob_item, fake_alloc(&fake, 64));
        open_made(&made, &fake, &query);
        size_t count;
        uint64_t total;
        const struct mx_waste_row *rows = mx_waste_rows(made.waste, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_EQUAL(rows[0].example, 0);
        CU_ASSERT_EQUAL(rows[0].count, 2);
        CU_ASSERT_EQUAL(rows[0].wasted, 88);
        CU_ASSERT_EQUAL(rows[1].example, large);
        CU_ASSERT_EQUAL(rows[1].wasted, 64);
        CU_ASSERT_STRING_EQUAL(rows[1].value, "list, 0 of 8 places used: []");
        CU_ASSERT_EQUAL(total, 88);
        close_made(&made);
    }
}

/* ---- Instances ---- */

/* Each has a dict of its own with a table; two share one; one is not empty. An empty dict is wasted once, with all. */
static void test_empty_dicts(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        const struct mx_waste_query query = {0};
        mx_addr class = fake_class(&fake, "app.Order", NULL, 0), instances[4];
        mx_addr first = add(&made, sparse_dict(&fake, 0)), second = add(&made, sparse_dict(&fake, 0));
        mx_addr full = add(&made, sparse_dict(&fake, 40));
        for (int i = 0; i < 4; i++)
            instances[i] = add(&made, fake_instance(&fake, class, NULL, 0));
        fake_set_dict(&fake, instances[0], first);
        fake_set_dict(&fake, instances[1], first);
        fake_set_dict(&fake, instances[2], second);
        fake_set_dict(&fake, instances[3], full);
        open_made(&made, &fake, &query);
        size_t count;
        uint64_t total;
        const struct mx_waste_row *rows = mx_waste_rows(made.waste, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(rows[0].kind, MX_WASTE_EMPTY_DICTS);
        CU_ASSERT_STRING_EQUAL(rows[0].value, "app.Order");
        CU_ASSERT_EQUAL(rows[0].count, 2);
        CU_ASSERT_EQUAL(rows[0].wasted, mx_object_shallow_size(&made.target, first) * 2);
        CU_ASSERT_EQUAL(rows[0].example, first);
        close_made(&made);
    }
}

static bool say_stop(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)done;
    (void)total;
    return --*(int *)context > 0;
}

/* Wherever it is stopped, it says so and leaves nothing behind. */
static void test_cancelling(void)
{
    struct fake fake = {0};
    struct made made = {0};
    const struct mx_waste_query query = {0};
    CU_ASSERT_TRUE_FATAL(fake_next_row(&fake));
    for (int i = 0; i < 10; i++)
        add(&made, fake_str(&fake, "the same"));
    open_made(&made, &fake, &query);
    int cancelled = 0;
    for (int steps = 1; steps < 1000; steps++) {
        int left = steps;
        const struct mx_progress progress = {say_stop, &left};
        struct mx_waste *waste;
        struct mx_error *error = mx_waste_open(&made.target, &made.heap, NULL, &query, &progress, &waste);
        if (!error) {
            mx_waste_close(waste);
            continue;
        }
        CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
        cancelled++;
        mx_error_free(error);
    }
    CU_ASSERT_TRUE(cancelled > 3);
    close_made(&made);
    fake_close(&fake);
}

void suite_waste(CU_pSuite suite);
void suite_waste(CU_pSuite suite)
{
    CU_add_test(suite, "equal texts", test_equal_texts);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "holders", test_holders);
    CU_add_test(suite, "lists", test_lists);
    CU_add_test(suite, "dicts", test_dicts);
    CU_add_test(suite, "split dicts", test_split_dicts);
    CU_add_test(suite, "sets", test_sets);
    CU_add_test(suite, "rows of containers", test_rows_of_containers);
    CU_add_test(suite, "empty dicts", test_empty_dicts);
    CU_add_test(suite, "cancelling", test_cancelling);
}
