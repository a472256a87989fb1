/* SPDX-License-Identifier: Apache-2.0
 *
 * The semi-NCA algorithm (Georgiadis, Linear-Time Algorithms for Dominators and
 * Related Problems, 2005) on depth-first numbers. Heaps are millions of
 * references deep: the search keeps its stack in the arrays of parents and
 * edges to go on with, and path compression turns the path round on its way up.
 *
 * Its last step, which climbs the tree that is there so far, does so with jump pointers (Myers, An Applicative
 * Random-Access Stack, 1983): step by step it would take quadratic time on graphs made for that.
 */
#include "heap/dominators.h"

#include <string.h>
#include <sys/mman.h>

enum { TICK = 1 << 16 }; /* vertices between looks at the clock */

/* All arrays but `number` are by depth-first number: 0 is the root, and means none in `number`. */
struct numbering {
    const struct mx_dominators_plan *plan;
    uint32_t blocks;
    uint32_t *number; /* by block */
    uint32_t *vertex; /* the block */
    uint32_t *parent; /* in the depth-first tree; compressed later; depths in the dominator tree in the end */
    uint32_t *semi;   /* the edge to go on with; semidominators later */
    uint32_t *label;  /* blocks in the order in which the search left them; later the least semi on a compressed path;
                         jumps in the end */
    uint32_t *idom;
    uint32_t count;
    uint32_t unreachable; /* its number: those above are of unreachable blocks */
    uint32_t left;        /* blocks in `label` */
    bool keep_left;
    uint32_t ticks;
};

static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

static size_t array_bytes(uint32_t blocks, size_t item_size)
{
    return ((size_t)blocks + 2) * item_size;
}

static bool tick(struct numbering *numbering)
{
    return ++numbering->ticks % TICK || mx_work_step(numbering->plan->work, TICK);
}

static bool is_cancelled(const struct numbering *numbering)
{
    return atomic_load(&numbering->plan->work->cancelled);
}

static bool keeps_alive(uint8_t class)
{
    return (class & MX_EDGE_CLASS) != MX_EDGE_BORROWED;
}

static uint32_t give_number(struct numbering *numbering, uint32_t block, uint32_t parent)
{
    uint32_t number = numbering->count++;
    numbering->number[block] = number;
    numbering->vertex[number] = block;
    numbering->parent[number] = parent;
    numbering->semi[number] = block < numbering->blocks ? numbering->plan->forward->first[block] : 0;
    return number;
}

/* The next block without a number that this one refers to. */
static uint32_t next_target(struct numbering *numbering, uint32_t number)
{
    const struct mx_rows *rows = numbering->plan->forward;
    uint32_t until = rows->first[numbering->vertex[number] + 1];
    for (uint32_t i = numbering->semi[number]; i < until; i++) {
        if (!keeps_alive(rows->classes[i]) || numbering->number[rows->targets[i]])
            continue;
        numbering->semi[number] = i + 1;
        return rows->targets[i];
    }
    numbering->semi[number] = until;
    return MX_NO_BLOCK;
}

static void explore(struct numbering *numbering, uint32_t start, uint32_t holder)
{
    if (numbering->number[start])
        return;
    uint32_t current = give_number(numbering, start, holder);
    while (current != holder && tick(numbering)) {
        uint32_t next = next_target(numbering, current);
        if (next != MX_NO_BLOCK) {
            current = give_number(numbering, next, current);
            continue;
        }
        if (numbering->keep_left)
            numbering->label[numbering->left++] = numbering->vertex[current];
        current = numbering->parent[current];
    }
}

static void explore_unreached(struct numbering *numbering)
{
    const uint16_t *kinds = numbering->plan->kinds;
    for (uint32_t block = 0; block < numbering->blocks && !is_cancelled(numbering); block++)
        if (kinds[block] != MX_BLOCK_FREE)
            explore(numbering, block, numbering->unreachable);
}

/*
 * A first search finds the order, a second one numbers: of what is left, the block that the first one left last is in
 * a knot that no other one leads to. So each such knot hangs on one block, and no other block does.
 */
static void number_unreachable(struct numbering *numbering)
{
    numbering->keep_left = true;
    explore_unreached(numbering);
    for (uint32_t i = numbering->unreachable + 1; i < numbering->count; i++)
        numbering->number[numbering->vertex[i]] = 0;
    numbering->count = numbering->unreachable + 1;
    numbering->keep_left = false;
    for (uint32_t i = numbering->left; i-- > 0 && !is_cancelled(numbering);)
        explore(numbering, numbering->label[i], numbering->unreachable);
}

static void number_all(struct numbering *numbering)
{
    const struct mx_dominators_plan *plan = numbering->plan;
    give_number(numbering, numbering->blocks, 0);
    for (size_t i = 0; i < plan->root_count && !is_cancelled(numbering); i++)
        explore(numbering, plan->roots[i], 0);
    numbering->unreachable = give_number(numbering, numbering->blocks + 1, 0);
    number_unreachable(numbering);
}

static void begin_semis(struct numbering *numbering)
{
    const struct mx_dominators_plan *plan = numbering->plan;
    size_t bytes = numbering->count * sizeof(uint32_t);
    memcpy(numbering->semi, numbering->parent, bytes);
    memcpy(numbering->idom, numbering->parent, bytes);
    for (size_t i = 0; i < plan->root_count; i++)
        numbering->semi[numbering->number[plan->roots[i]]] = 0;
}

/* The least semi on the way from `number` up to the last vertex above `done`, all of whose semis are known. */
static uint32_t evaluate(struct numbering *numbering, uint32_t number, uint32_t done)
{
    uint32_t *parent = numbering->parent, *label = numbering->label;
    uint32_t below = 0, at = number;
    while (parent[at] > done) {
        uint32_t above = parent[at];
        parent[at] = below;
        below = at;
        at = above;
    }
    uint32_t top = parent[at], least = label[at];
    while (below) {
        at = below;
        below = parent[at];
        parent[at] = top;
        least = label[at] < least ? label[at] : least;
        label[at] = least;
    }
    return least;
}

static uint32_t find_semi(struct numbering *numbering, uint32_t number)
{
    const struct mx_rows *rows = numbering->plan->reverse;
    uint32_t block = numbering->vertex[number], semi = numbering->semi[number];
    if (block >= numbering->blocks)
        return 0;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint32_t from = numbering->number[rows->targets[i]];
        bool is_garbage = number < numbering->unreachable && from > numbering->unreachable;
        if (!from || is_garbage || !keeps_alive(rows->classes[i]))
            continue;
        uint32_t least = from <= number ? from : evaluate(numbering, from, number);
        semi = least < semi ? least : semi;
    }
    return semi;
}

/* From the parent in the depth-first tree to the first dominator that is not below the semidominator. */
static uint32_t climb(const struct numbering *numbering, const uint32_t *jump, uint32_t number)
{
    uint32_t semi = numbering->semi[number], at = numbering->idom[number];
    while (at > semi)
        at = jump[at] > semi ? jump[at] : numbering->idom[at];
    return at;
}

/* Two jumps of one length are made one: so a way of n steps is climbed in log n. */
static void set_jump(uint32_t *jump, uint32_t *depth, uint32_t number, uint32_t above)
{
    uint32_t first = jump[above], second = jump[first];
    depth[number] = depth[above] + 1;
    jump[number] = depth[above] - depth[first] == depth[first] - depth[second] ? second : above;
}

static void find_dominators(struct numbering *numbering)
{
    begin_semis(numbering);
    for (uint32_t i = numbering->count - 1; i > 0 && tick(numbering); i--)
        numbering->semi[i] = numbering->label[i] = find_semi(numbering, i);
    uint32_t *jump = numbering->label, *depth = numbering->parent; /* both have served */
    jump[0] = depth[0] = 0;
    for (uint32_t i = 1; i < numbering->count && tick(numbering); i++) {
        numbering->idom[i] = climb(numbering, jump, i);
        set_jump(jump, depth, i, numbering->idom[i]);
    }
}

/* Numbers become the idoms' blocks in their place. */
static uint32_t *take_idoms(struct numbering *numbering)
{
    uint32_t *idoms = numbering->number;
    for (uint32_t block = 0; block < numbering->blocks + 2; block++)
        idoms[block] = idoms[block] ? numbering->vertex[numbering->idom[idoms[block]]] : MX_NO_BLOCK;
    numbering->number = NULL;
    return idoms;
}

static void drop_array(const struct numbering *numbering, uint32_t **array)
{
    release(*array, array_bytes(numbering->blocks, sizeof(uint32_t)));
    *array = NULL;
}

static void drop_work_arrays(struct numbering *numbering)
{
    drop_array(numbering, &numbering->parent);
    drop_array(numbering, &numbering->semi);
    drop_array(numbering, &numbering->label);
    drop_array(numbering, &numbering->idom);
}

static struct mx_error *add_up(struct numbering *numbering, struct mx_dominators *ret)
{
    ret->retained = reserve(array_bytes(ret->blocks, sizeof(uint64_t)));
    if (!ret->retained)
        return mx_error_no_memory();
    numbering->plan->weigh(numbering->plan->context, ret->retained);
    for (uint32_t i = numbering->count - 1; i > 0; i--) {
        uint32_t block = numbering->vertex[i];
        ret->retained[ret->idoms[block]] += ret->retained[block];
    }
    return NULL;
}

static struct mx_error *build(struct numbering *numbering, struct mx_dominators *ret)
{
    size_t bytes = array_bytes(numbering->blocks, sizeof(uint32_t));
    uint32_t **arrays[] = {&numbering->number, &numbering->vertex, &numbering->parent,
                           &numbering->semi,   &numbering->label,  &numbering->idom};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        if (!(*arrays[i] = reserve(bytes)))
            return mx_error_no_memory();
    number_all(numbering);
    if (!is_cancelled(numbering))
        find_dominators(numbering);
    if (is_cancelled(numbering))
        return mx_error_cancelled();
    ret->reachable = numbering->unreachable - 1;
    ret->unreachable = numbering->count - numbering->unreachable - 1;
    ret->idoms = take_idoms(numbering);
    drop_work_arrays(numbering);
    return add_up(numbering, ret);
}

struct mx_error *mx_dominators_build(const struct mx_dominators_plan *plan, struct mx_dominators *ret)
{
    if (plan->forward->blocks > UINT32_MAX - 3)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "the heap has more blocks than memext can add up: use a smaller core");
    struct numbering numbering = {.plan = plan, .blocks = (uint32_t)plan->forward->blocks};
    struct mx_dominators made = {.blocks = numbering.blocks};
    struct mx_error *error = build(&numbering, &made);
    drop_work_arrays(&numbering);
    drop_array(&numbering, &numbering.number);
    drop_array(&numbering, &numbering.vertex);
    if (error) {
        mx_dominators_deinit(&made);
        return error;
    }
    *ret = made;
    return NULL;
}

void mx_dominators_deinit(struct mx_dominators *dominators)
{
    release(dominators->idoms, array_bytes(dominators->blocks, sizeof(uint32_t)));
    release(dominators->retained, array_bytes(dominators->blocks, sizeof(uint64_t)));
    *dominators = (struct mx_dominators){0};
}
