/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/retained*.c on a fake target: a list that holds tuples of its own, tuples that two lists share, garbage.
 *
 *   root -> [0] -> {1 (2), (2)}      a tuple in a tuple, and beside it
 *   root -> [3] -> {(4)}             garbage: [5] holds itself and (6)
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <unistd.h>

#include "fake_heap.h"
#include "report/object.h"
#include "report/retained.h"

enum { OUTER, PAIR, LEAF, OTHER, SINGLE, GARBAGE, LOST, OBJECTS };

struct made {
    struct fake_heap of;
    mx_addr objects[OBJECTS];
    uint64_t sizes[OBJECTS];
};

static void make_objects(struct made *made, struct fake *fake)
{
    mx_addr *objects = made->objects;
    objects[LEAF] = fake_tuple(fake, (mx_addr[]){fake->none, fake->none, fake->none}, 3);
    objects[PAIR] = fake_tuple(fake, &objects[LEAF], 1);
    objects[OUTER] = fake_list(fake, (mx_addr[]){objects[PAIR], objects[LEAF]}, 2);
    objects[SINGLE] = fake_tuple(fake, &fake->none, 1);
    objects[OTHER] = fake_list(fake, &objects[SINGLE], 1);
    objects[LOST] = fake_tuple(fake, &fake->none, 1);
    objects[GARBAGE] = fake_list(fake, (mx_addr[]){objects[LOST], 0}, 2);
    mx_addr items = objects[GARBAGE] + (mx_addr)fake->runtime.layout.list.ob_item;
    fake_put(fake, mx_memory_pointer(fake->memory, items), 8, objects[GARBAGE]);
}

static void open_made(struct made *made, struct fake *fake)
{
    make_objects(made, fake);
    const mx_addr roots[] = {made->objects[OUTER], made->objects[OTHER]};
    fake_heap_open(&made->of, fake, made->objects, OBJECTS, roots, 2);
    for (size_t i = 0; i < OBJECTS; i++)
        made->sizes[i] = fake_heap_chunk(&made->of, made->objects[i]);
}

static void close_made(struct made *made)
{
    fake_heap_close(&made->of);
}

static uint64_t retained_of(const struct made *made, int object)
{
    struct mx_retained_size size = {0};
    CU_ASSERT_PTR_NULL(mx_retained_of(made->of.retained, made->objects[object], &size));
    CU_ASSERT_EQUAL(size.block, made->sizes[object]);
    return size.retained;
}

static void test_of_an_object(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        open_made(&made, &fake);
        const uint64_t *sizes = made.sizes;
        CU_ASSERT_EQUAL(retained_of(&made, OUTER), sizes[OUTER] + sizes[PAIR] + sizes[LEAF]);
        CU_ASSERT_EQUAL(retained_of(&made, PAIR), sizes[PAIR]);
        CU_ASSERT_EQUAL(retained_of(&made, LEAF), sizes[LEAF]);
        CU_ASSERT_EQUAL(retained_of(&made, OTHER), sizes[OTHER] + sizes[SINGLE]);
        CU_ASSERT_EQUAL(retained_of(&made, GARBAGE), sizes[GARBAGE] + sizes[LOST]);
        struct mx_retained_info info;
        mx_retained_info(made.of.retained, &info);
        CU_ASSERT_EQUAL(info.total, made.of.all);
        CU_ASSERT_EQUAL(info.static_bytes, 0);
        CU_ASSERT_EQUAL(info.unreachable, sizes[GARBAGE] + sizes[LOST]);
        CU_ASSERT_EQUAL(info.unreachable_blocks, 2);
        CU_ASSERT_EQUAL(info.unowned, 0);
        struct mx_retained_size size;
        struct mx_error *error = mx_retained_of(made.of.retained, 0x1000, &size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_EQUAL(error->code, MX_ERROR_ARGUMENT);
        mx_error_free(error);
        close_made(&made);
    }
}

static struct mx_retained_table *open_table(struct made *made, struct mx_retained_query query)
{
    struct mx_retained_table *table;
    CU_ASSERT_PTR_NULL_FATAL(mx_retained_table_open(made->of.retained, &query, NULL, &table));
    return table;
}

static void test_by_object(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total;
        open_made(&made, &fake);
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.limit = 1});
        const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(total, OBJECTS);
        CU_ASSERT_EQUAL(rows[0].address, made.objects[OUTER]);
        CU_ASSERT_STRING_EQUAL(rows[0].name, "list");
        CU_ASSERT_EQUAL(rows[0].size, mx_object_shallow_size(&made.of.target, made.objects[OUTER]));
        CU_ASSERT_DOUBLE_EQUAL(rows[0].share, (double)rows[0].retained / (double)made.of.all, 1e-9);
        mx_retained_table_close(table);
        table = open_table(&made, (struct mx_retained_query){.within = made.objects[OUTER]});
        rows = mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_EQUAL(rows[0].address, made.objects[LEAF]);
        CU_ASSERT_EQUAL(rows[1].address, made.objects[PAIR]);
        mx_retained_table_close(table);
        close_made(&made);
    }
}

static const struct mx_retained_row *row_called(const struct mx_retained_table *table, const char *name)
{
    static const struct mx_retained_row none;
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    CU_FAIL("no such row");
    return &none;
}

static void test_by_type_and_module(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total, tuples;
        open_made(&made, &fake);
        tuples = made.sizes[PAIR] + made.sizes[LEAF] + made.sizes[SINGLE] + made.sizes[LOST];
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_TYPE});
        mx_retained_rows(table, &count, &total);
        CU_ASSERT_EQUAL(count, 2);
        CU_ASSERT_EQUAL(row_called(table, "list")->retained, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "list")->count, 3);
        CU_ASSERT_EQUAL(row_called(table, "tuple")->retained, tuples);
        CU_ASSERT_EQUAL(row_called(table, "tuple")->size, tuples);
        mx_retained_table_close(table);
        table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_MODULE});
        CU_ASSERT_EQUAL(row_called(table, "builtins")->retained, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "builtins")->count, OBJECTS);
        mx_retained_table_close(table);
        close_made(&made);
    }
}

static void test_by_root_adds_up(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        size_t count;
        uint64_t total, sum = 0;
        open_made(&made, &fake);
        struct mx_retained_table *table = open_table(&made, (struct mx_retained_query){.by = MX_RETAINED_BY_ROOT});
        const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
        for (size_t i = 0; i < count; i++)
            sum += rows[i].retained;
        CU_ASSERT_EQUAL(sum, made.of.all);
        CU_ASSERT_EQUAL(row_called(table, "unreachable")->retained, made.sizes[GARBAGE] + made.sizes[LOST]);
        CU_ASSERT_EQUAL(row_called(table, "unreachable")->count, 1);
        mx_retained_table_close(table);
        struct mx_retained_query query = {.by = MX_RETAINED_BY_ROOT, .within = made.objects[OUTER]};
        struct mx_error *error = mx_retained_table_open(made.of.retained, &query, NULL, &table);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        close_made(&made);
    }
}

static void test_objects_by_what_they_retain(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_objects *objects;
        size_t count;
        uint64_t total, bytes;
        open_made(&made, &fake);
        struct mx_object_query query = {.type = "list", .order = MX_ORDER_RETAINED, .limit = 1};
        struct mx_error *error = mx_objects_find(&made.of.target, &made.of.heap, &query, NULL, &objects);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        query.retained = made.of.retained;
        CU_ASSERT_PTR_NULL_FATAL(mx_objects_find(&made.of.target, &made.of.heap, &query, NULL, &objects));
        const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
        CU_ASSERT_EQUAL_FATAL(count, 1);
        CU_ASSERT_EQUAL(refs[0].address, made.objects[OUTER]);
        CU_ASSERT_EQUAL(refs[0].retained, retained_of(&made, OUTER));
        mx_objects_close(objects);
        close_made(&made);
    }
}

/* Whatever is asked: parents come first, and bytes add up. */
static const struct mx_outline_node *open_outline(struct made *made, struct mx_outline_query query,
                                                  struct mx_outline **outline, size_t *count)
{
    CU_ASSERT_PTR_NULL_FATAL(mx_outline_open(made->of.retained, &query, NULL, outline));
    const struct mx_outline_node *nodes = mx_outline_nodes(*outline, count);
    uint64_t below[OBJECTS * 2 + 4] = {0};
    CU_ASSERT_FATAL(*count > 0 && *count <= sizeof(below) / sizeof(below[0]));
    for (size_t i = *count; i-- > 1;) {
        CU_ASSERT_FATAL(nodes[i].parent < i);
        CU_ASSERT_EQUAL(nodes[i].retained, nodes[i].own + below[i]);
        below[nodes[i].parent] += nodes[i].retained;
    }
    CU_ASSERT_EQUAL(nodes[0].retained, nodes[0].own + below[0]);
    return nodes;
}

static const struct mx_outline_node *node_at(const struct mx_outline_node *nodes, size_t count, mx_addr address)
{
    static const struct mx_outline_node none;
    for (size_t i = 0; i < count; i++)
        if (nodes[i].address == address)
            return &nodes[i];
    CU_FAIL("no such node");
    return &none;
}

static void test_outline_of_all(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_outline *outline;
        size_t count;
        open_made(&made, &fake);
        const uint64_t *sizes = made.sizes;
        const struct mx_outline_node *nodes = open_outline(&made, (struct mx_outline_query){0}, &outline, &count);
        CU_ASSERT_EQUAL(nodes[0].retained, made.of.all);
        const struct mx_outline_node *leaf = node_at(nodes, count, made.objects[LEAF]);
        CU_ASSERT_EQUAL(nodes[leaf->parent].address, made.objects[OUTER]);
        CU_ASSERT_EQUAL(leaf->own, sizes[LEAF]);
        CU_ASSERT_STRING_EQUAL(leaf->type, "tuple");
        CU_ASSERT_STRING_EQUAL(leaf->name, "[1]");
        CU_ASSERT_STRING_EQUAL(node_at(nodes, count, made.objects[SINGLE])->name, "[0]");
        const struct mx_outline_node *garbage = node_at(nodes, count, made.objects[GARBAGE]);
        CU_ASSERT_STRING_EQUAL(nodes[garbage->parent].type, "unreachable");
        CU_ASSERT_EQUAL(nodes[garbage->parent].count, 1);
        CU_ASSERT_EQUAL(nodes[garbage->parent].parent, 0);
        mx_outline_close(outline);
        close_made(&made);
    }
}

static void test_outline_that_is_cut(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_outline *outline;
        size_t count;
        open_made(&made, &fake);
        struct mx_outline_query query = {.within = made.objects[OUTER], .least = made.of.all};
        const struct mx_outline_node *nodes = open_outline(&made, query, &outline, &count);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_EQUAL(nodes[1].count, 2);
        CU_ASSERT_EQUAL(nodes[1].address, 0);
        CU_ASSERT_STRING_EQUAL(nodes[1].type, "tuple");
        CU_ASSERT_EQUAL(nodes[1].own, made.sizes[PAIR] + made.sizes[LEAF]);
        mx_outline_close(outline);
        for (size_t limit = 1; limit < OBJECTS + 6; limit++) {
            nodes = open_outline(&made, (struct mx_outline_query){.nodes = limit}, &outline, &count);
            CU_ASSERT(count <= limit || (limit == 1 && count == 2));
            CU_ASSERT_EQUAL(nodes[0].retained, made.of.all);
            CU_ASSERT_STRING_EQUAL(nodes[count - 1].type, limit < 3 ? "rest" : nodes[count - 1].type);
            mx_outline_close(outline);
        }
        query.within = 0x1000;
        struct mx_error *error = mx_outline_open(made.of.retained, &query, NULL, &outline);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        close_made(&made);
    }
}

static void test_outline_of_what_is_new(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_outline *outline;
        size_t count;
        open_made(&made, &fake);
        struct mx_heap before = made.of.heap;
        uint16_t kinds[OBJECTS];
        memcpy(kinds, made.of.heap.kinds, sizeof(kinds));
        before.kinds = kinds;
        kinds[mx_spans_find(&made.of.heap.spans, made.objects[LEAF])] = MX_BLOCK_FREE;
        struct mx_outline_query query = {.since = &before};
        const struct mx_outline_node *nodes = open_outline(&made, query, &outline, &count);
        CU_ASSERT_EQUAL(nodes[0].retained, made.sizes[LEAF]);
        CU_ASSERT_EQUAL(node_at(nodes, count, made.objects[OUTER])->own, 0);
        CU_ASSERT_EQUAL(node_at(nodes, count, made.objects[LEAF])->own, made.sizes[LEAF]);
        mx_outline_close(outline);
        query.since = &made.of.heap;
        nodes = open_outline(&made, query, &outline, &count);
        CU_ASSERT_EQUAL(count, 1);
        CU_ASSERT_EQUAL(nodes[0].retained, 0);
        mx_outline_close(outline);
        close_made(&made);
    }
}

static void read_back(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

static void test_exports(void)
{
    enum { ROOM = 1 << 16 };
    static char text[ROOM];
    char folder[] = "/tmp/memext-unit-XXXXXX", path[sizeof(folder) + 8];
    struct fake fake;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/out", folder);
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_export_info info = {0};
        open_made(&made, &fake);
        struct mx_sources sources = {&made.of.target, &made.of.heap, made.of.graph, made.of.retained};
        CU_ASSERT_PTR_NULL_FATAL(mx_export(&sources, MX_EXPORT_HEAPSNAPSHOT, path, NULL, &info));
        read_back(path, text, sizeof(text));
        CU_ASSERT_EQUAL(info.bytes, strlen(text));
        CU_ASSERT_EQUAL(info.nodes, OBJECTS + 10);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "(unreachable)"));
        CU_ASSERT_PTR_NULL_FATAL(mx_export(&sources, MX_EXPORT_COLLAPSED, path, NULL, &info));
        read_back(path, text, sizeof(text));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "list;[1] tuple "));
        CU_ASSERT_PTR_NULL_FATAL(mx_export(&sources, MX_EXPORT_DOT, path, NULL, &info));
        read_back(path, text, sizeof(text));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "label=\" [1] \""));
        sources.retained = NULL;
        struct mx_error *error = mx_export(&sources, MX_EXPORT_DOT, path, NULL, &info);
        CU_ASSERT_PTR_NOT_NULL(error);
        mx_error_free(error);
        CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
        close_made(&made);
    }
    rmdir(folder);
}

/* One hook, none, free, two hooks, none: each block weighs its chunk less the header, wherever it is listed. */
static void test_weights_under_debug_hooks(void)
{
    enum { CHUNKS = 5, CHUNK = 96, HEADER = 16 };
    static const uint32_t hooks[CHUNKS] = {16, 0, 0, 32, 0};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        uint16_t kinds[CHUNKS] = {MX_BLOCK_RAW, MX_BLOCK_RAW, MX_BLOCK_FREE, MX_BLOCK_RAW, MX_BLOCK_RAW};
        struct mx_target target = {.memory = fake.memory};
        struct mx_heap heap = {.kinds = kinds, .padding = 16};
        mx_addr base = fake_alloc(&fake, CHUNKS * CHUNK);
        struct mx_span span = {
            .start = base, .end = base + CHUNKS * CHUNK + 8, .count = CHUNKS, .kind = MX_SPAN_CHUNKS};
        for (uint32_t i = 0; i < CHUNKS; i++) {
            mx_addr user = base + i * CHUNK + HEADER;
            for (uint32_t at = 0; at < hooks[i]; at += 16)
                fake_put(&fake, user, (int32_t)at + 8, UINT64_C(0xfdfdfdfdfdfdfd6f));
            fake_put(&fake, user - HEADER, 8, CHUNK | 1);
            CU_ASSERT_TRUE_FATAL(mx_array_push(&heap.spans.starts, (uint32_t)(i * CHUNK + HEADER + hooks[i]) / 8));
        }
        for (uint32_t i = 0; i < CHUNKS; i++)
            CU_ASSERT_EQUAL(mx_block_weight(&target, &heap, &span, i), CHUNK - 8);
        mx_spans_deinit(&heap.spans);
    }
}

void suite_retained(CU_pSuite suite);
void suite_retained(CU_pSuite suite)
{
    CU_add_test(suite, "of an object", test_of_an_object);
    CU_add_test(suite, "by object", test_by_object);
    CU_add_test(suite, "by type and module", test_by_type_and_module);
    CU_add_test(suite, "by root adds up", test_by_root_adds_up);
    CU_add_test(suite, "objects by what they retain", test_objects_by_what_they_retain);
    CU_add_test(suite, "outline of all", test_outline_of_all);
    CU_add_test(suite, "outline that is cut", test_outline_that_is_cut);
    CU_add_test(suite, "outline of what is new", test_outline_of_what_is_new);
    CU_add_test(suite, "exports", test_exports);
    CU_ADD_TEST(suite, test_weights_under_debug_hooks);
}
