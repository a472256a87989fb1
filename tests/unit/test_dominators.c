/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/heap/dominators on made-up graphs: against two slow twins (taking blocks out one by one; Cooper, Harvey and
 * Kennedy's iteration), a chain of a million, and sums.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "heap/counted.h"
#include "heap/dominators.h"
#include "heap/rows.h"

struct drawing {
    uint32_t blocks;
    struct mx_rows forward, reverse; /* `forward` is of malloc() */
    uint16_t *kinds;
    uint64_t *accounted; /* bits */
    MX_ARRAY(uint32_t) roots;
    struct mx_dominators dominators;
    struct mx_work work;
    uint64_t random;
};

static uint32_t draw(struct drawing *drawing, uint32_t below)
{
    drawing->random = drawing->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(drawing->random >> 33) % below;
}

static uint64_t weight(uint32_t block)
{
    return 16 + block % 977 * 8;
}

static void weigh(void *context, uint64_t *weights)
{
    const struct drawing *drawing = context;
    for (uint32_t block = 0; block < drawing->blocks; block++)
        if (drawing->kinds[block] != MX_BLOCK_FREE)
            weights[block] = weight(block);
}

static void begin_drawing(struct drawing *drawing, uint32_t blocks, size_t edges)
{
    drawing->blocks = blocks;
    drawing->forward.blocks = blocks;
    drawing->forward.first = calloc(blocks + 1, sizeof(uint32_t));
    drawing->forward.targets = calloc(edges + 1, sizeof(uint32_t));
    drawing->forward.classes = calloc(edges + 1, sizeof(uint8_t));
    drawing->kinds = calloc(blocks, sizeof(uint16_t));
    drawing->accounted = calloc(blocks / 64 + 1, sizeof(uint64_t));
    CU_ASSERT_TRUE_FATAL(drawing->forward.first && drawing->forward.targets && drawing->forward.classes &&
                         drawing->kinds && drawing->accounted);
}

/* Sources come in order. */
static void draw_edge(struct drawing *drawing, uint32_t target, uint8_t class)
{
    drawing->forward.targets[drawing->forward.edges] = target;
    drawing->forward.classes[drawing->forward.edges++] = class;
}

static void end_block(struct drawing *drawing, uint32_t block)
{
    drawing->forward.first[block + 1] = (uint32_t)drawing->forward.edges;
}

static struct mx_error *dominate(struct drawing *drawing, const struct mx_progress *progress)
{
    mx_work_begin(&drawing->work, progress, "testing", 0);
    CU_ASSERT_PTR_NULL_FATAL(mx_rows_reverse(&drawing->forward, 1, &drawing->work, &drawing->reverse));
    struct mx_dominators_plan plan = {.forward = &drawing->forward,
                                      .kinds = drawing->kinds,
                                      .roots = drawing->roots.items,
                                      .root_count = drawing->roots.count,
                                      .accounted = drawing->accounted,
                                      .weigh = weigh,
                                      .context = drawing,
                                      .threads = 1 + (unsigned)(drawing->random & 1),
                                      .work = &drawing->work};
    return mx_dominators_build(&plan, &drawing->dominators);
}

static void end_drawing(struct drawing *drawing)
{
    mx_dominators_deinit(&drawing->dominators);
    mx_rows_deinit(&drawing->reverse);
    free(drawing->forward.first);
    free(drawing->forward.targets);
    free(drawing->forward.classes);
    free(drawing->kinds);
    free(drawing->accounted);
    mx_array_free(&drawing->roots);
}

/* Sparse, so that there are cycles, loops, long ways, unreachable parts; some blocks are free. */
static void draw_random(struct drawing *drawing, uint32_t blocks, uint32_t roots)
{
    begin_drawing(drawing, blocks, (size_t)blocks * 5);
    for (uint32_t block = 0; block < blocks; block++) {
        drawing->kinds[block] = draw(drawing, 16) ? 0 : MX_BLOCK_FREE;
        drawing->accounted[block / 64] |= (uint64_t)(draw(drawing, 3) == 0) << block % 64;
    }
    for (uint32_t block = 0; block < blocks; block++) {
        uint32_t most = drawing->kinds[block] == MX_BLOCK_FREE ? 0 : draw(drawing, 5);
        for (uint32_t i = 0; i < most; i++) {
            uint32_t near = (block + draw(drawing, 20)) % blocks, far = draw(drawing, blocks);
            uint32_t target = draw(drawing, 4) ? near : far;
            if (drawing->kinds[target] != MX_BLOCK_FREE)
                draw_edge(drawing, target, (uint8_t)(draw(drawing, 4) | (draw(drawing, 8) ? 0 : MX_EDGE_INEXACT)));
        }
        end_block(drawing, block);
    }
    for (uint32_t i = 0; i < roots; i++) {
        uint32_t root = draw(drawing, blocks);
        if (drawing->kinds[root] != MX_BLOCK_FREE)
            CU_ASSERT_TRUE_FATAL(mx_array_push(&drawing->roots, root));
    }
}

static bool is_kept(const struct drawing *drawing, uint8_t class, uint32_t target)
{
    bool is_stale = class & MX_EDGE_INEXACT && mx_is_accounted(drawing->accounted, target);
    return (class & MX_EDGE_CLASS) != MX_EDGE_BORROWED && !is_stale;
}

/* Marks what `block` leads to, not by way of `without`. */
static void spread(const struct drawing *drawing, uint32_t block, uint32_t without, uint8_t *marks)
{
    uint32_t stack[1024], depth = 0;
    if (block == without || marks[block])
        return;
    marks[block] = 1;
    stack[depth++] = block;
    while (depth) {
        uint32_t at = stack[--depth];
        for (uint32_t i = drawing->forward.first[at]; i < drawing->forward.first[at + 1]; i++) {
            uint32_t target = drawing->forward.targets[i];
            if (!is_kept(drawing, drawing->forward.classes[i], target) || target == without || marks[target])
                continue;
            marks[target] = 1;
            stack[depth++] = target;
        }
    }
}

static void spread_roots(const struct drawing *drawing, uint32_t without, uint8_t *marks)
{
    for (size_t i = 0; i < drawing->roots.count; i++)
        spread(drawing, drawing->roots.items[i], without, marks);
}

enum { SMALL = 60 };

/* What is retained is what nothing leads to any more when a block is taken out. */
static uint64_t lost_without(const struct drawing *drawing, uint32_t block, const uint8_t *live,
                             const uint32_t *garbage_roots, size_t count)
{
    uint8_t marks[SMALL] = {0};
    uint64_t lost = 0;
    if (live[block])
        spread_roots(drawing, block, marks);
    for (size_t i = 0; !live[block] && i < count; i++)
        spread(drawing, garbage_roots[i], block, marks);
    for (uint32_t other = 0; other < drawing->blocks; other++)
        if (live[other] == live[block] && !marks[other] && drawing->kinds[other] != MX_BLOCK_FREE)
            lost += weight(other);
    return lost;
}

/* Whether all that leads to `block` from unreachable parts is led to by it, that is, nothing else could hold it. */
static bool is_in_first_knot(const struct drawing *drawing, uint32_t block, const uint8_t *live, uint8_t *knot)
{
    spread(drawing, block, MX_NO_BLOCK, knot);
    for (uint32_t other = 0; other < drawing->blocks; other++) {
        uint8_t marks[SMALL] = {0};
        if (!live[other])
            spread(drawing, other, MX_NO_BLOCK, marks);
        if (marks[block] && !knot[other])
            return false;
    }
    return true;
}

static size_t check_garbage_roots(const struct drawing *drawing, const uint8_t *live, uint32_t *garbage_roots)
{
    size_t count = 0, wrong = 0;
    for (uint32_t block = 0; block < drawing->blocks; block++) {
        uint8_t knot[SMALL] = {0};
        if (live[block] || drawing->kinds[block] == MX_BLOCK_FREE || !is_in_first_knot(drawing, block, live, knot))
            continue;
        size_t holders = 0;
        for (uint32_t other = 0; other < drawing->blocks; other++) {
            uint8_t marks[SMALL] = {0};
            spread(drawing, other, MX_NO_BLOCK, marks);
            holders += knot[other] && marks[block] &&
                       drawing->dominators.idoms[other] == mx_dominators_unreachable(&drawing->dominators);
        }
        wrong += holders != 1;
        if (drawing->dominators.idoms[block] == mx_dominators_unreachable(&drawing->dominators))
            garbage_roots[count++] = block;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    return count;
}

static void test_retained_is_what_is_lost_without(void)
{
    size_t wrong = 0, garbage = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct drawing drawing = {.random = seed * 7919};
        uint8_t live[SMALL] = {0};
        uint32_t garbage_roots[SMALL];
        draw_random(&drawing, SMALL, 1 + (uint32_t)seed % 4);
        CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
        spread_roots(&drawing, MX_NO_BLOCK, live);
        size_t count = check_garbage_roots(&drawing, live, garbage_roots);
        garbage += count;
        for (uint32_t block = 0; block < SMALL; block++)
            if (drawing.kinds[block] != MX_BLOCK_FREE)
                wrong +=
                    drawing.dominators.retained[block] != lost_without(&drawing, block, live, garbage_roots, count);
        end_drawing(&drawing);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(garbage > 400);
}

/* Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm. Reverse postorder: the root is 0. */
struct iteration {
    const struct drawing *drawing;
    uint32_t *order, *place, *idom, count; /* place and idom: MX_NO_BLOCK = none */
};

static void search_from(struct iteration *iteration, uint32_t root, uint32_t *stack, uint32_t *cursor)
{
    const struct mx_rows *rows = &iteration->drawing->forward;
    uint32_t depth = 0;
    if (iteration->place[root] != MX_NO_BLOCK)
        return;
    iteration->place[root] = 0;
    stack[depth++] = root;
    while (depth) {
        uint32_t at = stack[depth - 1], i = rows->first[at] + cursor[at]++;
        if (i >= rows->first[at + 1]) {
            iteration->order[iteration->count++] = at;
            depth--;
        } else if (is_kept(iteration->drawing, rows->classes[i], rows->targets[i]) &&
                   iteration->place[rows->targets[i]] == MX_NO_BLOCK) {
            iteration->place[rows->targets[i]] = 0;
            stack[depth++] = rows->targets[i];
        }
    }
}

static uint32_t intersect(const struct iteration *iteration, uint32_t a, uint32_t b)
{
    while (a != b) {
        while (a > b)
            a = iteration->idom[a];
        while (b > a)
            b = iteration->idom[b];
    }
    return a;
}

static bool improve(struct iteration *iteration, uint32_t place, bool is_root)
{
    const struct mx_rows *rows = &iteration->drawing->reverse;
    uint32_t block = iteration->order[place], idom = is_root ? 0 : MX_NO_BLOCK;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint32_t from = iteration->place[rows->targets[i]];
        if (!is_kept(iteration->drawing, rows->classes[i], block) || from == MX_NO_BLOCK ||
            iteration->idom[from] == MX_NO_BLOCK)
            continue;
        idom = idom == MX_NO_BLOCK ? from : intersect(iteration, idom, from);
    }
    bool changed = iteration->idom[place] != idom;
    iteration->idom[place] = idom;
    return changed;
}

static void iterate(struct iteration *iteration)
{
    const struct drawing *drawing = iteration->drawing;
    uint8_t *is_root = calloc(drawing->blocks, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(is_root);
    for (size_t i = 0; i < drawing->roots.count; i++)
        is_root[drawing->roots.items[i]] = 1;
    iteration->idom[0] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t place = 1; place <= iteration->count; place++)
            changed |= improve(iteration, place, is_root[iteration->order[place]]);
    }
    free(is_root);
}

/* Postorder turned round, behind a place for the root. */
static void put_in_order(struct iteration *iteration)
{
    uint32_t count = iteration->count, *order = iteration->order;
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t block = order[i];
        order[i] = order[count - 1 - i];
        order[count - 1 - i] = block;
    }
    memmove(order + 1, order, count * sizeof(*order));
    order[0] = iteration->drawing->blocks;
    for (uint32_t i = 1; i <= count; i++)
        iteration->place[order[i]] = i;
}

static size_t differences_from_iteration(const struct drawing *drawing)
{
    size_t room = drawing->blocks + 1, wrong = 0;
    uint32_t *memory = calloc(room * 5, sizeof(uint32_t));
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
    struct iteration iteration = {drawing, memory, memory + room, memory + 2 * room, 0};
    memset(iteration.place, 0xff, 2 * room * sizeof(uint32_t));
    for (size_t i = 0; i < drawing->roots.count; i++)
        search_from(&iteration, drawing->roots.items[i], memory + 3 * room, memory + 4 * room);
    put_in_order(&iteration);
    iterate(&iteration);
    CU_ASSERT_EQUAL(iteration.count, drawing->dominators.reachable);
    for (uint32_t place = 1; place <= iteration.count; place++)
        wrong += drawing->dominators.idoms[iteration.order[place]] != iteration.order[iteration.idom[place]];
    free(memory);
    return wrong;
}

static void test_dominators_equal_the_iteration(void)
{
    enum { BLOCKS = 10000, SEEDS = 1000 };
    size_t wrong = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct drawing drawing = {.random = seed};
        draw_random(&drawing, BLOCKS, 1 + (uint32_t)seed % 50);
        CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
        wrong += differences_from_iteration(&drawing);
        end_drawing(&drawing);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_sums_add_up(void)
{
    struct drawing drawing = {.random = 5};
    draw_random(&drawing, 10000, 3);
    CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
    const struct mx_dominators *dominators = &drawing.dominators;
    uint64_t total = 0, top = 0, used = 0;
    for (uint32_t block = 0; block < drawing.blocks; block++) {
        bool is_free = drawing.kinds[block] == MX_BLOCK_FREE;
        CU_ASSERT_EQUAL(is_free, dominators->idoms[block] == MX_NO_BLOCK);
        used += !is_free;
        total += is_free ? 0 : weight(block);
        top += dominators->idoms[block] >= drawing.blocks && !is_free ? dominators->retained[block] : 0;
    }
    CU_ASSERT_EQUAL(dominators->retained[mx_dominators_root(dominators)], total);
    CU_ASSERT_EQUAL(top, total);
    CU_ASSERT_TRUE(dominators->retained[mx_dominators_unreachable(dominators)] > 0);
    CU_ASSERT_EQUAL(dominators->reachable + dominators->unreachable, used);
    end_drawing(&drawing);
}

enum { LONG = 1000000 };

/* Each block refers to the next one and back into the middle of the way so far, which changes no dominator. */
static void draw_chain(struct drawing *drawing)
{
    begin_drawing(drawing, LONG, 2 * (size_t)LONG);
    for (uint32_t block = 0; block < LONG; block++) {
        draw_edge(drawing, block / 2, MX_EDGE_OWNED);
        if (block + 1 < LONG)
            draw_edge(drawing, block + 1, MX_EDGE_TRAVERSED);
        end_block(drawing, block);
    }
}

static void check_chain(bool is_garbage)
{
    struct drawing drawing = {0};
    draw_chain(&drawing);
    if (!is_garbage)
        CU_ASSERT_TRUE_FATAL(mx_array_push(&drawing.roots, 0));
    CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
    const struct mx_dominators *dominators = &drawing.dominators;
    size_t wrong = 0;
    uint64_t below = 0;
    for (uint32_t block = LONG; block-- > 0;) {
        below += weight(block);
        wrong += dominators->retained[block] != below;
        wrong += block && dominators->idoms[block] != block - 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(dominators->idoms[0],
                    is_garbage ? mx_dominators_unreachable(dominators) : mx_dominators_root(dominators));
    end_drawing(&drawing);
}

static void test_a_chain_of_a_million_needs_no_stack(void)
{
    check_chain(false);
    check_chain(true);
}

/*
 * A chain, and at its end what its beginning refers to as well: from each of these the way up to its dominator is the
 * whole chain. Step by step that would be 250 billion steps.
 */
static void test_long_ways_up_are_not_walked(void)
{
    enum { CHAIN = 500000, LEAVES = 500000 };
    struct drawing drawing = {0};
    size_t wrong = 0;
    begin_drawing(&drawing, CHAIN + LEAVES, CHAIN + 2 * (size_t)LEAVES);
    for (uint32_t block = 0; block < CHAIN + LEAVES; block++) {
        if (block + 1 < CHAIN)
            draw_edge(&drawing, block + 1, MX_EDGE_TRAVERSED);
        for (uint32_t leaf = CHAIN; leaf < CHAIN + LEAVES && (block == 0 || block == CHAIN - 1); leaf++)
            draw_edge(&drawing, leaf, MX_EDGE_TRAVERSED);
        end_block(&drawing, block);
    }
    CU_ASSERT_TRUE_FATAL(mx_array_push(&drawing.roots, 0));
    CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
    for (uint32_t block = 1; block < CHAIN + LEAVES; block++)
        wrong += drawing.dominators.idoms[block] != (block < CHAIN ? block - 1 : 0);
    CU_ASSERT_EQUAL(wrong, 0);
    end_drawing(&drawing);
}

static void test_stale_words_hold_nothing(void)
{
    for (int is_accounted = 0; is_accounted < 2; is_accounted++) {
        struct drawing drawing = {0};
        begin_drawing(&drawing, 3, 2);
        draw_edge(&drawing, 1, MX_EDGE_TRAVERSED);
        end_block(&drawing, 0);
        end_block(&drawing, 1);
        draw_edge(&drawing, 1, MX_EDGE_TRAVERSED | MX_EDGE_INEXACT);
        end_block(&drawing, 2);
        drawing.accounted[0] = is_accounted ? 2 : 0;
        CU_ASSERT_TRUE_FATAL(mx_array_push(&drawing.roots, 0) && mx_array_push(&drawing.roots, 2));
        CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
        CU_ASSERT_EQUAL(drawing.dominators.idoms[1], is_accounted ? 0 : mx_dominators_root(&drawing.dominators));
        CU_ASSERT_EQUAL(drawing.dominators.retained[0], weight(0) + (is_accounted ? weight(1) : 0));
        end_drawing(&drawing);
    }
}

static void test_an_empty_heap(void)
{
    struct drawing drawing = {0};
    begin_drawing(&drawing, 1, 0);
    drawing.kinds[0] = MX_BLOCK_FREE;
    CU_ASSERT_PTR_NULL_FATAL(dominate(&drawing, NULL));
    CU_ASSERT_EQUAL(drawing.dominators.retained[mx_dominators_root(&drawing.dominators)], 0);
    end_drawing(&drawing);
}

static bool refuse(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)context, (void)stage, (void)total;
    return done < LONG / 2;
}

static void test_it_can_be_cancelled(void)
{
    struct drawing drawing = {0};
    draw_chain(&drawing);
    struct mx_error *error = dominate(&drawing, &(struct mx_progress){refuse, NULL});
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
    CU_ASSERT_PTR_NULL(drawing.dominators.idoms);
    mx_error_free(error);
    end_drawing(&drawing);
}

void suite_dominators(CU_pSuite suite);
void suite_dominators(CU_pSuite suite)
{
    CU_add_test(suite, "retained is what is lost without", test_retained_is_what_is_lost_without);
    CU_add_test(suite, "dominators equal the iteration", test_dominators_equal_the_iteration);
    CU_add_test(suite, "sums add up", test_sums_add_up);
    CU_add_test(suite, "a chain of a million needs no stack", test_a_chain_of_a_million_needs_no_stack);
    CU_add_test(suite, "long ways up are not walked", test_long_ways_up_are_not_walked);
    CU_add_test(suite, "stale words hold nothing", test_stale_words_hold_nothing);
    CU_add_test(suite, "an empty heap", test_an_empty_heap);
    CU_add_test(suite, "it can be cancelled", test_it_can_be_cancelled);
}
