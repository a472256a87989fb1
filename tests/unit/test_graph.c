/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/heap/rows, reach and lib/report's trees and paths: rows against slow twins on made-up graphs, for any number of
 * threads; questions on a fake target whose lists make up chains and rings.
 */
#include <CUnit/CUnit.h>

#include "fake.h"
#include "heap/reach.h"
#include "heap/rows.h"
#include "report/groups.h"

enum { BLOCKS = 50000, LONG = 1000000 };

/* Edges by a formula: some blocks have none, one has many, targets are all over. */
static uint32_t edge_count(uint32_t block)
{
    return block == 777 ? 30000 : block * 2654435761u >> 29;
}

static uint32_t edge_target(uint32_t block, uint32_t i)
{
    uint32_t mixed = (block + 1) * 2246822519u ^ (i + 7) * 3266489917u;
    return i % 5 == 4 ? 4242 : (mixed >> 7) % BLOCKS;
}

static uint8_t edge_class(uint32_t block, uint32_t i)
{
    uint8_t class = (uint8_t)((block + i) % 4);
    return (block ^ i) % 16 ? class : class | MX_EDGE_INEXACT;
}

static void make_edges(void *context, uint32_t from, uint32_t until, struct mx_edge_buffer *buffer, uint32_t *ends)
{
    (void)context;
    for (uint32_t block = from; block < until; block++) {
        for (uint32_t i = 0; i < edge_count(block); i++) {
            CU_ASSERT_TRUE_FATAL(mx_array_push(&buffer->targets, edge_target(block, i)));
            CU_ASSERT_TRUE_FATAL(mx_array_push(&buffer->classes, edge_class(block, i)));
        }
        buffer->dangling++;
        ends[block - from] = (uint32_t)buffer->targets.count;
    }
}

static struct mx_error *build(unsigned threads, size_t most, struct mx_rows *forward, struct mx_rows *reverse)
{
    struct mx_work work;
    uint64_t dangling = 0, inexact = 0;
    mx_work_begin(&work, NULL, "testing", 0);
    struct mx_rows_plan plan = {BLOCKS, most, threads, &work, make_edges, NULL};
    MX_TRY(mx_rows_build(&plan, forward, &dangling, &inexact));
    CU_ASSERT_EQUAL(dangling, BLOCKS);
    return mx_rows_reverse(forward, threads, &work, reverse);
}

static void test_rows_hold_every_edge_in_order(void)
{
    struct mx_rows forward, reverse;
    CU_ASSERT_PTR_NULL_FATAL(build(2, 1 << 20, &forward, &reverse));
    size_t at = 0, wrong = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) {
        wrong += forward.first[block] != at;
        for (uint32_t i = 0; i < edge_count(block); i++, at++)
            wrong += forward.targets[at] != edge_target(block, i) || forward.classes[at] != edge_class(block, i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(forward.first[BLOCKS], at);
    CU_ASSERT_EQUAL(forward.edges, at);
    mx_rows_deinit(&forward);
    mx_rows_deinit(&reverse);
}

/* The twin asks every edge of every block whether it leads here. */
static void check_referrers(const struct mx_rows *forward, const struct mx_rows *reverse, uint32_t target)
{
    uint32_t at = reverse->first[target], wrong = 0;
    for (uint32_t block = 0; block < BLOCKS; block++)
        for (uint32_t i = forward->first[block]; i < forward->first[block + 1]; i++) {
            if (forward->targets[i] != target)
                continue;
            wrong += at >= reverse->first[target + 1] || reverse->targets[at] != block ||
                     reverse->classes[at] != forward->classes[i];
            at++;
        }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(at, reverse->first[target + 1]);
}

static void test_reverse_agrees_with_its_slow_twin(void)
{
    struct mx_rows forward, reverse;
    CU_ASSERT_PTR_NULL_FATAL(build(2, 1 << 20, &forward, &reverse));
    static const uint32_t targets[] = {0, 1, 777, 4242, 24999, 25000, 31337, BLOCKS - 1};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        check_referrers(&forward, &reverse, targets[i]);
    CU_ASSERT_EQUAL(reverse.first[BLOCKS], forward.edges);
    mx_rows_deinit(&forward);
    mx_rows_deinit(&reverse);
}

static bool same_rows(const struct mx_rows *a, const struct mx_rows *b)
{
    return a->edges == b->edges && !memcmp(a->first, b->first, (BLOCKS + 1) * sizeof(uint32_t)) &&
           !memcmp(a->targets, b->targets, a->edges * sizeof(uint32_t)) && !memcmp(a->classes, b->classes, a->edges);
}

static void test_any_number_of_threads_builds_the_same(void)
{
    struct mx_rows forward, reverse;
    CU_ASSERT_PTR_NULL_FATAL(build(1, 1 << 20, &forward, &reverse));
    for (unsigned threads = 2; threads <= 5; threads++) {
        struct mx_rows other, other_reverse;
        CU_ASSERT_PTR_NULL_FATAL(build(threads, 1 << 20, &other, &other_reverse));
        CU_ASSERT_TRUE(same_rows(&forward, &other));
        CU_ASSERT_TRUE(same_rows(&reverse, &other_reverse));
        mx_rows_deinit(&other);
        mx_rows_deinit(&other_reverse);
    }
    mx_rows_deinit(&forward);
    mx_rows_deinit(&reverse);
}

static void test_too_many_edges_are_an_error(void)
{
    struct mx_rows forward, reverse;
    struct mx_error *error = build(2, 20000, &forward, &reverse);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_UNSUPPORTED);
    mx_error_free(error);
    mx_rows_deinit(&forward);
}

static bool refuse(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)context, (void)stage, (void)total;
    return done < 20000;
}

static void test_building_can_be_cancelled(void)
{
    struct mx_rows forward;
    struct mx_work work;
    struct mx_progress progress = {refuse, NULL};
    uint64_t dangling = 0, inexact = 0;
    mx_work_begin(&work, &progress, "testing", BLOCKS);
    struct mx_rows_plan plan = {BLOCKS, 1 << 20, 1, &work, make_edges, NULL};
    struct mx_error *error = mx_rows_build(&plan, &forward, &dangling, &inexact);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
    mx_error_free(error);
    mx_rows_deinit(&forward);
}

static const struct {
    uint32_t block;
    enum mx_root_kind kind;
    bool exact;
} made_roots[] = {
    {12, MX_ROOT_MODULE, true},    {31337, MX_ROOT_LOCAL, true}, {5, MX_ROOT_THREAD, true},
    {99, MX_ROOT_C_GLOBAL, false}, {40000, MX_ROOT_CACHE, true},
};

static void add_made_roots(struct mx_graph *graph)
{
    for (size_t i = 0; i < sizeof(made_roots) / sizeof(made_roots[0]); i++) {
        struct mx_graph_root root = {.block = made_roots[i].block};
        root.root.kind = (uint8_t)made_roots[i].kind;
        root.root.exact = made_roots[i].exact;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&graph->roots, root));
    }
}

/* The twin spreads marks over all edges until nothing changes; it tells what is reached, wave by wave. */
static void mark(const struct mx_graph *graph, uint8_t *marks, bool with_inexact)
{
    const struct mx_rows *rows = &graph->forward;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t block = 0; block < BLOCKS; block++)
            for (uint32_t i = rows->first[block]; marks[block] && i < rows->first[block + 1]; i++) {
                bool follow = (rows->classes[i] & MX_EDGE_CLASS) <= MX_EDGE_OWNED &&
                              (with_inexact || !(rows->classes[i] & MX_EDGE_INEXACT));
                changed |= follow && !marks[rows->targets[i]];
                marks[rows->targets[i]] = marks[rows->targets[i]] || follow;
            }
    }
}

static bool is_edge(const struct mx_rows *rows, uint32_t from, uint32_t to)
{
    for (uint32_t i = rows->first[from]; i < rows->first[from + 1]; i++)
        if (rows->targets[i] == to && (rows->classes[i] & MX_EDGE_CLASS) <= MX_EDGE_OWNED)
            return true;
    return false;
}

static bool is_root(const struct mx_graph *graph, uint32_t block)
{
    for (size_t i = 0; i < graph->roots.count; i++)
        if (graph->roots.items[i].block == block && graph->roots.items[i].root.kind != MX_ROOT_CACHE)
            return true;
    return false;
}

static void test_reach_agrees_with_its_slow_twin(void)
{
    struct mx_graph graph = {.inexact = 1};
    uint8_t *marks = calloc(BLOCKS, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(marks);
    CU_ASSERT_PTR_NULL_FATAL(build(2, 1 << 20, &graph.forward, &graph.reverse));
    add_made_roots(&graph);
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_parents(&graph, NULL));
    for (size_t i = 0; i < graph.roots.count; i++)
        if (graph.roots.items[i].root.kind != MX_ROOT_CACHE)
            marks[graph.roots.items[i].block] = 1;
    mark(&graph, marks, true);
    uint32_t wrong = 0, reached = 0;
    for (uint32_t block = 0; block < BLOCKS; block++) {
        uint32_t parent = graph.parents[block];
        wrong += marks[block] != (parent != MX_NO_BLOCK);
        reached += marks[block];
        if (parent != MX_NO_BLOCK)
            wrong += parent == block ? !is_root(&graph, block) : !is_edge(&graph.forward, parent, block);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(reached > 1000 && reached < BLOCKS);
    free(marks);
    free(graph.parents);
    mx_array_free(&graph.roots);
    mx_rows_deinit(&graph.forward);
    mx_rows_deinit(&graph.reverse);
}

static void chain_edges(void *context, uint32_t from, uint32_t until, struct mx_edge_buffer *buffer, uint32_t *ends)
{
    (void)context;
    for (uint32_t block = from; block < until; block++) {
        CU_ASSERT_TRUE_FATAL(mx_array_push(&buffer->targets, (block + 1) % LONG));
        CU_ASSERT_TRUE_FATAL(mx_array_push(&buffer->classes, MX_EDGE_TRAVERSED));
        ends[block - from] = (uint32_t)buffer->targets.count;
    }
}

static void test_a_ring_of_a_million_needs_no_stack(void)
{
    struct mx_graph graph = {0};
    struct mx_work work;
    mx_work_begin(&work, NULL, "testing", 0);
    struct mx_rows_plan plan = {LONG, LONG, 2, &work, chain_edges, NULL};
    CU_ASSERT_PTR_NULL_FATAL(mx_rows_build(&plan, &graph.forward, &graph.dangling, &graph.inexact));
    struct mx_graph_root root = {.block = 500000, .root = {.kind = MX_ROOT_MODULE, .exact = true}};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&graph.roots, root));
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_parents(&graph, NULL));
    CU_ASSERT_EQUAL(graph.parents[500000], 500000);
    CU_ASSERT_EQUAL(graph.parents[499999], 499998);
    CU_ASSERT_EQUAL(graph.parents[0], LONG - 1);
    free(graph.parents);
    mx_array_free(&graph.roots);
    mx_rows_deinit(&graph.forward);
}

/* A heap that says: these objects, and that raw block. */
struct made {
    struct mx_target target;
    struct mx_heap heap;
    struct mx_graph *graph;
    MX_ARRAY(mx_addr) objects; /* rising; 0 in `types` = raw */
};

static void open_made(struct made *made, struct fake *fake)
{
    size_t count = made->objects.count;
    made->target = (struct mx_target){.memory = fake->memory, .runtime = fake->runtime, .types = fake->types};
    made->target.types.runtime = &made->target.runtime;
    made->target.path = (char *)"core";
    made->heap.kinds = calloc(count + 1, sizeof(uint16_t));
    struct mx_span span = {.start = made->objects.items[0],
                           .end = FAKE_BASE + FAKE_SIZE,
                           .count = (uint32_t)count,
                           .kind = MX_SPAN_STATIC};
    CU_ASSERT_TRUE_FATAL(made->heap.kinds && mx_array_push(&made->heap.spans.spans, span));
    for (size_t i = 0; i < count; i++) {
        const struct mx_type *type = mx_type_of(&made->target.types, made->objects.items[i]);
        made->heap.kinds[i] = type ? (uint16_t)(type - made->target.types.types.items) : MX_BLOCK_RAW;
        CU_ASSERT_TRUE_FATAL(
            mx_array_push(&made->heap.spans.starts, (uint32_t)((made->objects.items[i] - span.start) / 8)));
    }
    CU_ASSERT_PTR_NULL_FATAL(mx_spans_seal(&made->heap.spans));
    CU_ASSERT_PTR_NULL_FATAL(mx_graph_open(&made->target, &made->heap, NULL, &made->graph));
}

static void add_root(struct made *made, uint32_t block)
{
    struct mx_graph_root root = {.block = block, .root = {.kind = MX_ROOT_THREAD, .exact = true}};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->graph->roots, root));
    free(made->graph->roots_by_block);
    made->graph->roots_by_block = calloc(2, sizeof(uint32_t));
    CU_ASSERT_PTR_NOT_NULL_FATAL(made->graph->roots_by_block);
}

static void close_made(struct made *made)
{
    mx_graph_close(made->graph);
    mx_spans_deinit(&made->heap.spans);
    free(made->heap.kinds);
    mx_array_free(&made->objects);
}

/* Each list holds the one before; the first one holds itself. Items stand before their list. */
static void make_chain(struct made *made, struct fake *fake, size_t length)
{
    mx_addr last = 0;
    for (size_t i = 0; i < length; i++) {
        mx_addr list = fake_list(fake, &last, 1);
        if (!last)
            fake_put(fake, mx_memory_pointer(fake->memory, list + (mx_addr)fake->runtime.layout.list.ob_item), 0, list);
        last = list;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made->objects, list));
    }
}

static void test_a_deep_chain_is_walked_both_ways(void)
{
    enum { LENGTH = 5000 };
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        make_chain(&made, &fake, LENGTH);
        open_made(&made, &fake);
        add_root(&made, LENGTH - 1);
        struct mx_tree_query query = {.start = made.objects.items[0], .direction = MX_REFERRERS};
        struct mx_tree *tree;
        struct mx_path *path;
        size_t count;
        CU_ASSERT_PTR_NULL_FATAL(mx_tree_open(made.graph, &query, NULL, &tree));
        const struct mx_node *nodes = mx_tree_nodes(tree, &count);
        CU_ASSERT_EQUAL(count, LENGTH);
        CU_ASSERT_EQUAL(nodes[count - 1].depth, LENGTH - 1);
        mx_tree_references(tree, &count);
        CU_ASSERT_EQUAL(count, LENGTH + 1); /* the ring and the root are two more, the last node has but the root */
        mx_tree_close(tree);
        CU_ASSERT_PTR_NULL_FATAL(mx_path_open(made.graph, made.objects.items[0], 0, NULL, NULL, &path));
        mx_path_nodes(path, &count);
        CU_ASSERT_EQUAL(count, LENGTH);
        const struct mx_reference *references = mx_path_references(path, &count);
        CU_ASSERT_EQUAL(count, LENGTH);
        CU_ASSERT_EQUAL(references[0].kind, MX_REFERENCE_ROOT);
        CU_ASSERT_STRING_EQUAL(references[1].name, "[0]");
        mx_path_close(path);
        close_made(&made);
    }
}

static void test_forms_of_names(void)
{
    static const char *const forms[][2] = {
        {"[12]", "[#]"},
        {"['a']", "[key]"},
        {"b[\"x]\"]", "b[key]"},
        {"[b'\\x00']", "[key]"},
        {"['lo…]", "[key]"},
        {".parent", ".parent"},
        {"__mro__[1]", "__mro__[#]"},
        {"['a][1]']", "[key]"},
        {"local x in f (a.py:3)", "local x in f (a.py:3)"},
        {"[", "["},
        {"[]", "[]"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char form[64];
        mx_group_form(forms[i][0], form, sizeof(form));
        CU_ASSERT_STRING_EQUAL(form, forms[i][1]);
    }
}

/* Many more references than anyone would show: each list holds its target thousands of times, each tuple twice. */
static void test_groups_fold_all_references(void)
{
    enum { ITEMS = 12000, HOLDERS = 20 };
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        mx_addr held = fake_list(&fake, NULL, 0);
        mx_addr *items = mx_calloc(ITEMS, sizeof(*items));
        CU_ASSERT_TRUE_FATAL(items && mx_array_push(&made.objects, held));
        for (size_t i = 0; i < ITEMS; i++)
            items[i] = held;
        for (size_t i = 0; i < HOLDERS; i++) {
            mx_addr holder = fake_tuple(&fake, (mx_addr[]){held, fake.none, held}, 3);
            CU_ASSERT_TRUE_FATAL(mx_array_push(&made.objects, holder));
        }
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made.objects, fake_list(&fake, items, ITEMS)));
        open_made(&made, &fake);
        struct mx_tree_query query = {
            .start = held, .direction = MX_REFERRERS, .depth = 1, .width = 2, .grouped = true};
        struct mx_tree *tree;
        size_t count;
        CU_ASSERT_PTR_NULL_FATAL(mx_tree_open(made.graph, &query, NULL, &tree));
        const struct mx_reference *references = mx_tree_references(tree, &count);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_EQUAL(references[0].count, ITEMS);
        CU_ASSERT_STRING_EQUAL(references[0].name, "[#]");
        CU_ASSERT_EQUAL(references[1].count, 2 * HOLDERS);
        CU_ASSERT_EQUAL(references[1].from, made.objects.items[1]);
        CU_ASSERT_EQUAL(mx_tree_nodes(tree, &count)[0].hidden, 0);
        CU_ASSERT_EQUAL(count, 3);
        mx_tree_close(tree);
        query.width = 1;
        CU_ASSERT_PTR_NULL_FATAL(mx_tree_open(made.graph, &query, NULL, &tree));
        CU_ASSERT_EQUAL(mx_tree_nodes(tree, &count)[0].hidden, 2 * HOLDERS);
        mx_tree_close(tree);
        free(items);
        close_made(&made);
    }
}

static bool refuse_at_once(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage, (void)done, (void)total;
    ++*(size_t *)context;
    return false;
}

static void expect_cancelled(struct mx_error *error, size_t *asked)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
    CU_ASSERT_EQUAL(*asked, 1);
    *asked = 0;
    mx_error_free(error);
}

static void test_trees_and_paths_can_be_cancelled(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        struct mx_tree *tree = NULL;
        struct mx_path *path = NULL;
        size_t asked = 0;
        struct mx_progress progress = {refuse_at_once, &asked};
        make_chain(&made, &fake, 5000);
        open_made(&made, &fake);
        add_root(&made, 4999);
        struct mx_tree_query query = {.start = made.objects.items[0], .direction = MX_REFERRERS};
        expect_cancelled(mx_tree_open(made.graph, &query, &progress, &tree), &asked);
        query.start = made.objects.items[1]; /* the first one refers to itself first */
        query.grouped = true;
        expect_cancelled(mx_tree_open(made.graph, &query, &progress, &tree), &asked);
        expect_cancelled(mx_path_open(made.graph, made.objects.items[0], 0, NULL, &progress, &path), &asked);
        CU_ASSERT_PTR_NULL(tree);
        CU_ASSERT_PTR_NULL(path);
        CU_ASSERT_PTR_NULL_FATAL(mx_path_open(made.graph, made.objects.items[0], 0, NULL, NULL, &path));
        mx_path_close(path);
        close_made(&made);
    }
}

static void test_width_hides_and_counts(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        mx_addr held = fake_list(&fake, NULL, 0), holders[20];
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made.objects, held));
        for (size_t i = 0; i < 20; i++) {
            holders[i] = fake_tuple(&fake, (mx_addr[]){held, fake.none, held}, 3);
            CU_ASSERT_TRUE_FATAL(mx_array_push(&made.objects, holders[i]));
        }
        open_made(&made, &fake);
        struct mx_tree_query query = {.start = held, .direction = MX_REFERRERS, .depth = 1, .width = 5};
        struct mx_tree *tree;
        size_t count, nodes;
        CU_ASSERT_PTR_NULL_FATAL(mx_tree_open(made.graph, &query, NULL, &tree));
        const struct mx_reference *references = mx_tree_references(tree, &count);
        CU_ASSERT_EQUAL(mx_tree_nodes(tree, &nodes)[0].hidden, 35);
        CU_ASSERT_EQUAL(nodes, 4);
        CU_ASSERT_EQUAL_FATAL(count, 5);
        CU_ASSERT_EQUAL(references[0].from, holders[0]);
        CU_ASSERT_STRING_EQUAL(references[0].name, "[0]");
        CU_ASSERT_STRING_EQUAL(references[1].name, "[2]");
        CU_ASSERT_STRING_EQUAL(references[4].name, "[0]");
        mx_tree_close(tree);
        close_made(&made);
    }
}

static void expect_refusal(struct mx_graph *graph, mx_addr address, enum mx_error_code code, const char *part)
{
    struct mx_path *path;
    struct mx_error *error = mx_path_open(graph, address, 0, NULL, NULL, &path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, part));
    mx_error_free(error);
}

static void test_what_is_no_object_is_told(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = {0};
        mx_addr list = fake_list(&fake, NULL, 0);
        CU_ASSERT_TRUE_FATAL(mx_array_push(&made.objects, list));
        open_made(&made, &fake);
        expect_refusal(made.graph, list, MX_ERROR_NOT_FOUND, "unreachable");
        expect_refusal(made.graph, list + 8, MX_ERROR_ARGUMENT, "inside the list");
        expect_refusal(made.graph, list + 8, MX_ERROR_ARGUMENT, "at offset 8");
        expect_refusal(made.graph, 0x1000, MX_ERROR_ARGUMENT, "not mapped");
        close_made(&made);
    }
}

void suite_graph(CU_pSuite suite);
void suite_graph(CU_pSuite suite)
{
    CU_add_test(suite, "rows hold every edge in order", test_rows_hold_every_edge_in_order);
    CU_add_test(suite, "reverse agrees with its slow twin", test_reverse_agrees_with_its_slow_twin);
    CU_add_test(suite, "any number of threads builds the same", test_any_number_of_threads_builds_the_same);
    CU_add_test(suite, "too many edges are an error", test_too_many_edges_are_an_error);
    CU_add_test(suite, "building can be cancelled", test_building_can_be_cancelled);
    CU_add_test(suite, "reach agrees with its slow twin", test_reach_agrees_with_its_slow_twin);
    CU_add_test(suite, "a ring of a million needs no stack", test_a_ring_of_a_million_needs_no_stack);
    CU_add_test(suite, "a deep chain is walked both ways", test_a_deep_chain_is_walked_both_ways);
    CU_add_test(suite, "width hides and counts", test_width_hides_and_counts);
    CU_add_test(suite, "groups fold all references", test_groups_fold_all_references);
    CU_add_test(suite, "forms of names", test_forms_of_names);
    CU_add_test(suite, "trees and paths can be cancelled", test_trees_and_paths_can_be_cancelled);
    CU_add_test(suite, "what is no object is told", test_what_is_no_object_is_told);
}
