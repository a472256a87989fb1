/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/referents, edge_name: what made-up objects refer to on every row,
 * how the references are called, and objects that lie.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cpython/referents.h"
#include "cpython/roots.h"
#include "fake.h"

enum { MOST_EDGES = 64 };

struct seen {
    struct mx_edge edges[MOST_EDGES];
    size_t count, stop_at;
};

static bool remember(void *context, const struct mx_edge *edge)
{
    struct seen *seen = context;
    CU_ASSERT_TRUE_FATAL(seen->count < MOST_EDGES);
    CU_ASSERT_NOT_EQUAL(edge->target, 0);
    seen->edges[seen->count++] = *edge;
    return seen->count != seen->stop_at;
}

/* The heap of a test: one raw block and one object that a scan can find. */
struct blocks {
    mx_addr raw, object;
    uint64_t size; /* of each */
};

static mx_addr find_block(void *context, mx_addr address, uint64_t *size, bool *is_raw)
{
    const struct blocks *blocks = context;
    *size = blocks->size;
    *is_raw = blocks->raw && address - blocks->raw < blocks->size;
    if (*is_raw)
        return blocks->raw;
    return blocks->object && address - blocks->object < blocks->size ? blocks->object : 0;
}

static bool no_room(void *context)
{
    struct mx_found_edges *edges = context;
    CU_ASSERT_EQUAL(edges->count, edges->capacity);
    return false;
}

/* What is gathered is what is visited, with the object's bytes at hand or without; and no more than there is room for.
 */
static void check_gathering(const struct mx_referents *referents, const struct mx_seen_object *object,
                            const struct seen *seen)
{
    struct mx_found_edge items[MOST_EDGES];
    for (size_t room = MOST_EDGES; room; room = room == MOST_EDGES && seen->count > 1 ? seen->count - 1 : 0) {
        struct mx_found_edges edges = {.items = items, .capacity = room, .make_room = no_room};
        edges.context = &edges;
        mx_referents_gather(referents, object, &edges);
        CU_ASSERT_EQUAL_FATAL(edges.count, seen->count < room ? seen->count : room);
        for (size_t i = 0; i < edges.count; i++) {
            CU_ASSERT_EQUAL(items[i].target, seen->edges[i].target);
            CU_ASSERT_EQUAL(items[i].class, seen->edges[i].class);
            CU_ASSERT_EQUAL(items[i].exact, seen->edges[i].exact);
        }
    }
}

static void check_gathering_both_ways(struct fake *fake, const struct mx_referents *referents, mx_addr object,
                                      const struct seen *seen)
{
    const struct mx_type *type = mx_type_of(&fake->types, object);
    struct mx_seen_object bare = {.type = type, .address = object}, at_hand = bare;
    check_gathering(referents, &bare, seen);
    at_hand.available = (size_t)type->basicsize;
    at_hand.bytes = mx_memory_view(fake->memory, object, at_hand.available);
    if (at_hand.bytes) {
        mx_referents_expect(referents, &at_hand);
        check_gathering(referents, &at_hand, seen);
    }
}

static struct seen referents_among(struct fake *fake, mx_addr object, struct blocks *blocks)
{
    struct mx_referents referents;
    struct seen seen = {.count = 0};
    CU_ASSERT_PTR_NULL_FATAL(mx_referents_open(&fake->types, &referents));
    referents.find_block = blocks ? find_block : NULL;
    referents.context = blocks;
    mx_referents_each(&referents, mx_type_of(&fake->types, object), object, remember, &seen);
    check_gathering_both_ways(fake, &referents, object, &seen);
    mx_referents_close(&referents);
    return seen;
}

static struct seen referents_of(struct fake *fake, mx_addr object)
{
    return referents_among(fake, object, NULL);
}

static const struct mx_edge *edge_to(const struct seen *seen, mx_addr target, int class)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->edges[i].target == target && seen->edges[i].class == class)
            return &seen->edges[i];
    return NULL;
}

static size_t count_class(const struct seen *seen, int class)
{
    size_t count = 0;
    for (size_t i = 0; i < seen->count; i++)
        count += seen->edges[i].class == class;
    return count;
}

static void expect_name(struct fake *fake, const struct mx_edge *edge, const char *label, const char *expression)
{
    char buffer[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge);
    CU_ASSERT_TRUE(mx_edge_name(&fake->types, edge, MX_EDGE_LABEL, buffer, sizeof(buffer)));
    CU_ASSERT_STRING_EQUAL(buffer, label);
    CU_ASSERT_EQUAL(mx_edge_name(&fake->types, edge, MX_EDGE_EXPRESSION, buffer, sizeof(buffer)), expression != NULL);
    CU_ASSERT_STRING_EQUAL(buffer, expression ? expression : "");
}

static void test_lists_and_tuples_refer_to_their_items(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr items[3] = {fake_int(&fake, 1), 0, fake_str(&fake, "x")};
        struct seen seen = referents_of(&fake, fake_list(&fake, items, 3));
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_TRAVERSED), 2);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_BUFFER), 1);
        expect_name(&fake, edge_to(&seen, items[2], MX_EDGE_TRAVERSED), "[2]", "[2]");
        seen = referents_of(&fake, fake_tuple(&fake, items, 3));
        CU_ASSERT_EQUAL(seen.count, 2);
        expect_name(&fake, edge_to(&seen, items[0], MX_EDGE_TRAVERSED), "[0]", "[0]");
    }
}

enum { MANY = 10000 }; /* more than are looked at in one piece */

/* The same edges, found the slow way. */
struct twin {
    mx_addr wanted;
    struct seen seen;
};

static bool remember_wanted(void *context, const struct mx_edge *edge)
{
    struct twin *twin = context;
    return edge->target != twin->wanted || remember(&twin->seen, edge);
}

static void expect_found(struct fake *fake, mx_addr object, mx_addr wanted, size_t stop_at, size_t count)
{
    struct mx_referents referents;
    struct seen seen = {.stop_at = stop_at};
    struct twin twin = {wanted, {.stop_at = stop_at}};
    const struct mx_type *type = mx_type_of(&fake->types, object);
    CU_ASSERT_PTR_NULL_FATAL(mx_referents_open(&fake->types, &referents));
    mx_referents_find(&referents, type, object, wanted, remember, &seen);
    mx_referents_each(&referents, type, object, remember_wanted, &twin);
    CU_ASSERT_EQUAL(seen.count, count);
    CU_ASSERT_EQUAL_FATAL(seen.count, twin.seen.count);
    for (size_t i = 0; i < seen.count; i++) {
        CU_ASSERT_EQUAL(seen.edges[i].target, wanted);
        CU_ASSERT_EQUAL(seen.edges[i].naming, twin.seen.edges[i].naming);
        CU_ASSERT_EQUAL(seen.edges[i].detail.index, twin.seen.edges[i].detail.index);
        CU_ASSERT_EQUAL(seen.edges[i].detail.object, twin.seen.edges[i].detail.object);
    }
    mx_referents_close(&referents);
}

static void test_one_of_many_items_is_found_as_a_walk_over_all_finds_it(void)
{
    static mx_addr items[MANY];
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr common = fake_int(&fake, 1), rare = fake_int(&fake, 2), absent = fake_int(&fake, 3);
        for (size_t i = 0; i < MANY; i++)
            items[i] = i % 7 ? common : 0;
        items[0] = items[1] = items[4095] = items[4096] = items[MANY - 1] = rare;
        mx_addr list = fake_list(&fake, items, MANY), tuple = fake_tuple(&fake, items, MANY);
        expect_found(&fake, list, rare, 0, 5);
        expect_found(&fake, list, rare, 4, 4);
        expect_found(&fake, list, absent, 0, 0);
        expect_found(&fake, tuple, rare, 0, 5);
        mx_addr dict =
            fake_dict(&fake, FAKE_KEYS_GENERAL, (mx_addr[]){rare, common, absent}, (mx_addr[]){common, rare, rare}, 3);
        expect_found(&fake, dict, rare, 0, 3);
        expect_found(&fake, dict, absent, 0, 1);
    }
}

static void test_a_list_that_claims_too_much_ends(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr item = fake_int(&fake, 1), list = fake_list(&fake, &item, 1);
        const struct mx_layout *layout = &fake.runtime.layout;
        fake_put(&fake, list, layout->list.ob_item, FAKE_BASE + FAKE_SIZE - 8);
        fake_put(&fake, list, layout->var_object.ob_size, UINT64_C(1) << 39);
        struct seen seen = referents_of(&fake, list);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_TRAVERSED), 0);
        fake_put(&fake, list, layout->var_object.ob_size, UINT64_MAX);
        CU_ASSERT_EQUAL(referents_of(&fake, list).count, 1);
    }
}

static void test_dicts_show_values_and_keys_by_their_tables(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[2] = {fake_str(&fake, "a"), fake_int(&fake, 7)};
        mx_addr values[2] = {fake_int(&fake, 1), fake_int(&fake, 2)};
        struct seen seen = referents_of(&fake, fake_dict(&fake, FAKE_KEYS_UNICODE, keys, values, 1));
        bool split = fake.runtime.layout.dict_shape == MX_DICT_LOG2;
        CU_ASSERT_PTR_NOT_NULL(edge_to(&seen, keys[0], split ? MX_EDGE_OWNED : MX_EDGE_TRAVERSED));
        expect_name(&fake, edge_to(&seen, values[0], MX_EDGE_TRAVERSED), "['a']", "['a']");
        seen = referents_of(&fake, fake_dict(&fake, FAKE_KEYS_GENERAL, keys, values, 2));
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_BUFFER), 1);
        expect_name(&fake, edge_to(&seen, values[1], MX_EDGE_TRAVERSED), "[7]", "[7]");
        expect_name(&fake, edge_to(&seen, keys[1], MX_EDGE_TRAVERSED), "key 7", NULL);
    }
}

static void test_a_key_without_a_literal_has_no_expression(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr pair[2] = {fake_int(&fake, 1), fake_str(&fake, "b")};
        mx_addr keys[2] = {fake_tuple(&fake, pair, 2), fake_float(&fake, 1.5)};
        mx_addr values[2] = {fake_int(&fake, 1), fake_int(&fake, 2)};
        struct seen seen = referents_of(&fake, fake_dict(&fake, FAKE_KEYS_GENERAL, keys, values, 2));
        expect_name(&fake, edge_to(&seen, values[0], MX_EDGE_TRAVERSED), "[(1, 'b')]", "[(1, 'b')]");
        expect_name(&fake, edge_to(&seen, values[1], MX_EDGE_TRAVERSED), "[1.5]", NULL);
    }
}

static void test_sets_skip_dummies(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr keys[16] = {[3] = fake_int(&fake, 3), [9] = fake_int(&fake, 9)};
        mx_addr set = fake_set(&fake, fake.builtins[MX_KIND_SET], keys, 16);
        mx_addr table = mx_memory_pointer(fake.memory, set + (mx_addr)fake.runtime.layout.set.table);
        fake_put(&fake, table, 16 * 9 + 8, UINT64_MAX);
        struct seen seen = referents_of(&fake, set);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_TRAVERSED), 1);
        CU_ASSERT_PTR_NOT_NULL(edge_to(&seen, table, MX_EDGE_BUFFER));
        expect_name(&fake, edge_to(&seen, keys[3], MX_EDGE_TRAVERSED), "key 3", NULL);
    }
}

static void test_instances_refer_to_attributes_dict_and_type(void)
{
    static const char *const names[] = {"first", "second"};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr values[2] = {fake_int(&fake, 1), fake_int(&fake, 2)};
        mx_addr class = fake_class(&fake, "app.Thing", names, 2), instance = fake_instance(&fake, class, values, 2);
        struct seen seen = referents_of(&fake, instance);
        expect_name(&fake, edge_to(&seen, class, MX_EDGE_TRAVERSED), "__class__", ".__class__");
        if (fake.runtime.layout.preheader_shape != MX_PREHEADER_GC_ONLY)
            expect_name(&fake, edge_to(&seen, values[1], MX_EDGE_TRAVERSED), ".second", ".second");
        mx_addr dict = fake_dict(&fake, FAKE_KEYS_UNICODE, NULL, NULL, 0);
        fake_set_dict(&fake, instance, dict);
        seen = referents_of(&fake, instance);
        expect_name(&fake, edge_to(&seen, dict, MX_EDGE_TRAVERSED), "__dict__", ".__dict__");
        CU_ASSERT_PTR_NULL(edge_to(&seen, values[1], MX_EDGE_TRAVERSED));
    }
}

static void test_plain_fields_come_from_the_table(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct fake_type spec = {
            .name = "functools.partial", .basicsize = layout->partial.size, .flags = MX_TPFLAGS_HAVE_GC};
        mx_addr partial = fake_object(&fake, fake_type(&fake, &spec), (size_t)layout->partial.size);
        mx_addr function = fake_int(&fake, 1), args = fake_tuple(&fake, NULL, 0);
        fake_put(&fake, partial, layout->partial.fn, function);
        fake_put(&fake, partial, layout->partial.args, args);
        struct seen seen = referents_of(&fake, partial);
        CU_ASSERT_EQUAL(seen.count, 2);
        expect_name(&fake, edge_to(&seen, function, MX_EDGE_TRAVERSED), "func", ".func");
        spec.name = "weakref.ReferenceType";
        spec.basicsize = layout->weakref.size;
        spec.flags = 0;
        mx_addr reference = fake_object(&fake, fake_type(&fake, &spec), (size_t)layout->weakref.size);
        fake_put(&fake, reference, layout->weakref.wr_object, function);
        fake_put(&fake, reference, layout->weakref.wr_callback, args);
        seen = referents_of(&fake, reference);
        expect_name(&fake, edge_to(&seen, function, MX_EDGE_BORROWED), "<referent>", NULL);
        CU_ASSERT_PTR_NOT_NULL(edge_to(&seen, args, MX_EDGE_OWNED)); /* not of the collector's business: no HAVE_GC */
    }
}

/* Python's attribute `groupindex` is a view, made anew each time, of the dict that the pattern has. */
static void test_an_attribute_that_makes_an_object_is_no_expression(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct fake_type spec = {.name = "re.Pattern", .basicsize = layout->pattern.size, .flags = MX_TPFLAGS_HAVE_GC};
        mx_addr pattern = fake_object(&fake, fake_type(&fake, &spec), (size_t)layout->pattern.size);
        mx_addr names = fake_tuple(&fake, NULL, 0), text = fake_int(&fake, 1);
        fake_put(&fake, pattern, layout->pattern.groupindex, names);
        fake_put(&fake, pattern, layout->pattern.pattern, text);
        struct seen seen = referents_of(&fake, pattern);
        expect_name(&fake, edge_to(&seen, names, MX_EDGE_TRAVERSED), "<group names>", NULL);
        expect_name(&fake, edge_to(&seen, text, MX_EDGE_TRAVERSED), "pattern", ".pattern");
    }
}

static bool is_of_no_stack(void *context, const struct mx_root *root)
{
    (void)context;
    CU_ASSERT_NOT_EQUAL(root->kind, MX_ROOT_C_STACK);
    return true;
}

/* A header may claim half of the address space: that is no stack to walk, which would take for ever. */
static void test_roots_pass_a_stack_that_is_not_there(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_region claimed = {
            .start = 0x10000, .end = (mx_addr)1 << 46, .flags = MX_REGION_MISSING, .module = MX_NO_MODULE};
        struct mx_thread thread = {.tid = 1, .stack_pointer = 0x20000, .fs_base = (mx_addr)1 << 45};
        struct mx_threads threads = {0};
        struct mx_referents referents;
        struct blocks blocks = {0};
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake.memory, claimed));
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake.memory));
        CU_ASSERT_TRUE_FATAL(mx_array_push(&threads.threads, thread));
        CU_ASSERT_PTR_NULL_FATAL(mx_referents_open(&fake.types, &referents));
        referents.find_block = find_block;
        referents.context = &blocks;
        CU_ASSERT_EQUAL(mx_roots_stack_end(fake.memory, &thread), 0);
        mx_roots_each(&referents, &threads, is_of_no_stack, NULL);
        mx_referents_close(&referents);
        mx_array_free(&threads.threads);
    }
}

static void test_subclasses_have_what_their_bases_have(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct fake_type spec = {.name = "StopIteration",
                                 .basicsize = layout->stop_iteration.size,
                                 .dictoffset = layout->exception.dict,
                                 .flags = MX_TPFLAGS_HAVE_GC | MX_TPFLAGS_BASE_EXC_SUBCLASS,
                                 .base = fake.builtins[MX_KIND_EXCEPTION],
                                 .kind = MX_KIND_EXCEPTION};
        mx_addr base = fake_type(&fake, &spec);
        spec.name = "app.Ended";
        spec.base = base;
        spec.is_python_class = true;
        spec.flags |= MX_TPFLAGS_HEAPTYPE;
        mx_addr class = fake_type(&fake, &spec), error = fake_object(&fake, class, (size_t)spec.basicsize);
        mx_addr args = fake_tuple(&fake, NULL, 0), value = fake_int(&fake, 1), dict = fake_int(&fake, 2);
        fake_put(&fake, error, layout->exception.args, args);
        fake_put(&fake, error, layout->stop_iteration.value, value);
        fake_put(&fake, error, layout->exception.dict, dict);
        struct seen seen = referents_of(&fake, error);
        CU_ASSERT_EQUAL(seen.count, 4);
        expect_name(&fake, edge_to(&seen, args, MX_EDGE_TRAVERSED), "args", ".args");
        expect_name(&fake, edge_to(&seen, value, MX_EDGE_TRAVERSED), "value", ".value");
        expect_name(&fake, edge_to(&seen, dict, MX_EDGE_TRAVERSED), "__dict__", ".__dict__");
        CU_ASSERT_PTR_NOT_NULL(edge_to(&seen, class, MX_EDGE_TRAVERSED));
    }
}

static void put_member(struct fake *fake, mx_addr member, const char *name, uint64_t type, uint64_t offset)
{
    mx_addr text = fake_alloc(fake, strlen(name) + 1);
    fake_put_bytes(fake, text, name, strlen(name));
    fake_put(fake, member, 0, text);
    fake_put(fake, member, 8, type);
    fake_put(fake, member, 16, offset);
}

static void test_slots_are_named(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        int32_t head = fake.runtime.layout.object.size;
        mx_addr class = fake_type(&fake, &(struct fake_type){.name = "app.Slotted",
                                                             .basicsize = head + 16,
                                                             .flags = MX_TPFLAGS_HAVE_GC | MX_TPFLAGS_HEAPTYPE,
                                                             .is_python_class = true});
        mx_addr members = fake_alloc(&fake, 4 * 40);
        put_member(&fake, members, "left", 16, (uint64_t)head);
        put_member(&fake, members + 40, "number", 1, (uint64_t)head + 8);
        put_member(&fake, members + 80, "beyond", 16, 1 << 20);
        fake_put(&fake, class, fake.runtime.layout.type.tp_members, members);
        mx_addr object = fake_object(&fake, class, (size_t)head + 16), left = fake_int(&fake, 1);
        fake_put(&fake, object, head, left);
        fake_put(&fake, object, head + 8, left);
        struct seen seen = referents_of(&fake, object);
        CU_ASSERT_EQUAL(seen.count, 2);
        expect_name(&fake, edge_to(&seen, left, MX_EDGE_TRAVERSED), ".left", ".left");
    }
}

static void test_unknown_types_are_scanned(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        int32_t head = fake.runtime.layout.object.size;
        mx_addr class = fake_type(
            &fake, &(struct fake_type){.name = "ext.Thing", .basicsize = head + 32, .flags = MX_TPFLAGS_HAVE_GC});
        mx_addr object = fake_object(&fake, class, (size_t)head + 32), held = fake_list(&fake, NULL, 0);
        struct blocks blocks = {.raw = fake_alloc(&fake, 64), .object = held, .size = 40};
        fake_put(&fake, object, head, 12345);
        fake_put(&fake, object, head + 8, held + 8); /* inside of it is good enough */
        fake_put(&fake, object, head + 16, blocks.raw);
        fake_put(&fake, object, head + 24, blocks.raw);
        fake_put(&fake, blocks.raw, 8, held);
        fake_put(&fake, blocks.raw, 16, held + 8); /* and here it is not */
        fake_put(&fake, blocks.raw, 24, blocks.raw);
        struct seen seen = referents_among(&fake, object, &blocks);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_BUFFER), 2);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_TRAVERSED), 3);
        expect_name(&fake, edge_to(&seen, held, MX_EDGE_TRAVERSED), head == 16 ? "+0x18?" : "+0x28?", NULL);
        CU_ASSERT_FALSE(seen.edges[0].exact);
        CU_ASSERT_EQUAL(referents_of(&fake, object).count, 0);
    }
}

static void test_a_deque_that_is_a_circle_ends(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        mx_addr deque = fake_object(&fake, fake.builtins[MX_KIND_DEQUE], (size_t)layout->deque.size);
        mx_addr block = fake_alloc(&fake, 528), item = fake_int(&fake, 1);
        fake_put(&fake, deque, layout->var_object.ob_size, UINT64_C(1) << 39);
        fake_put(&fake, deque, layout->deque.leftblock, block);
        fake_put(&fake, deque, layout->deque.leftindex, 62);
        fake_put(&fake, block, 520, block);
        fake_put(&fake, block, 8, item);
        fake_put(&fake, block, 8 + 8 * 62, item);
        fake_put(&fake, block, 8 + 8 * 63, item);
        struct seen seen = referents_of(&fake, deque);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_TRAVERSED), 2);
        CU_ASSERT_EQUAL(count_class(&seen, MX_EDGE_BUFFER), 1);
    }
}

static void test_the_visitor_can_stop(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        mx_addr items[3] = {fake_int(&fake, 1), fake_int(&fake, 2), fake_int(&fake, 3)};
        mx_addr list = fake_list(&fake, items, 3);
        struct mx_referents referents;
        struct seen seen = {.stop_at = 2};
        CU_ASSERT_PTR_NULL_FATAL(mx_referents_open(&fake.types, &referents));
        mx_referents_each(&referents, mx_type_of(&fake.types, list), list, remember, &seen);
        CU_ASSERT_EQUAL(seen.count, 2);
        mx_referents_close(&referents);
    }
}

static void test_types_met_later_are_planned_then(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct mx_referents referents;
        struct seen seen = {.count = 0};
        CU_ASSERT_PTR_NULL_FATAL(mx_referents_open(&fake.types, &referents));
        mx_addr class = fake_subclass(&fake, "app.Late", MX_KIND_LIST);
        mx_addr list = fake_object(&fake, class, (size_t)fake.runtime.layout.list.size);
        fake_put(&fake, list, fake.runtime.layout.list.ob_item, list);
        mx_referents_each(&referents, mx_type_of(&fake.types, list), list, remember, &seen);
        CU_ASSERT_TRUE(seen.count >= 1);
        mx_referents_close(&referents);
    }
}

static void test_names_are_cut_and_odd_ones_have_no_expression(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        char buffer[6];
        struct mx_edge edge = {.target = 1, .naming = MX_NAME_FIELD, .detail = {.text = "__closure__"}};
        CU_ASSERT_TRUE(mx_edge_name(&fake.types, &edge, MX_EDGE_LABEL, buffer, sizeof(buffer)));
        CU_ASSERT_STRING_EQUAL(buffer, "__clo");
        CU_ASSERT_FALSE(mx_edge_name(&fake.types, &edge, MX_EDGE_EXPRESSION, buffer, sizeof(buffer)));
        edge = (struct mx_edge){.target = 1, .naming = MX_NAME_ATTRIBUTE, .detail = {.object = fake_str(&fake, "a b")}};
        expect_name(&fake, &edge, ".a b", NULL);
        edge = (struct mx_edge){.target = 1, .naming = MX_NAME_LOCAL, .detail = {.object = fake_str(&fake, "x")}};
        expect_name(&fake, &edge, "local x", NULL);
        edge = (struct mx_edge){.target = 1, .naming = MX_NAME_FIELD_INDEX, .detail = {.text = "__mro__", .index = 1}};
        expect_name(&fake, &edge, "__mro__[1]", ".__mro__[1]");
        edge.detail.text = "<stack>";
        expect_name(&fake, &edge, "<stack>[1]", NULL);
    }
}

void suite_referents(CU_pSuite suite);
void suite_referents(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_lists_and_tuples_refer_to_their_items);
    CU_ADD_TEST(suite, test_one_of_many_items_is_found_as_a_walk_over_all_finds_it);
    CU_ADD_TEST(suite, test_a_list_that_claims_too_much_ends);
    CU_ADD_TEST(suite, test_dicts_show_values_and_keys_by_their_tables);
    CU_ADD_TEST(suite, test_a_key_without_a_literal_has_no_expression);
    CU_ADD_TEST(suite, test_sets_skip_dummies);
    CU_ADD_TEST(suite, test_instances_refer_to_attributes_dict_and_type);
    CU_ADD_TEST(suite, test_plain_fields_come_from_the_table);
    CU_ADD_TEST(suite, test_an_attribute_that_makes_an_object_is_no_expression);
    CU_ADD_TEST(suite, test_roots_pass_a_stack_that_is_not_there);
    CU_ADD_TEST(suite, test_subclasses_have_what_their_bases_have);
    CU_ADD_TEST(suite, test_slots_are_named);
    CU_ADD_TEST(suite, test_unknown_types_are_scanned);
    CU_ADD_TEST(suite, test_a_deque_that_is_a_circle_ends);
    CU_ADD_TEST(suite, test_the_visitor_can_stop);
    CU_ADD_TEST(suite, test_types_met_later_are_planned_then);
    CU_ADD_TEST(suite, test_names_are_cut_and_odd_ones_have_no_expression);
}
