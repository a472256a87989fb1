/* SPDX-License-Identifier: Apache-2.0
 *
 * The semi-NCA algorithm (Georgiadis, Linear-Time Algorithms for Dominators and
 * Related Problems, 2005) on depth-first numbers. Heaps are millions of
 * references deep: the search keeps its stack in the arrays of parents and
 * edges to go on with, and path compression turns the path round on its way up.
 *
 * Most blocks of a heap refer to nothing and are held by one reference (numbers, texts, tables): such a block is a
 * satellite of its holder, which dominates it, and neither searched nor numbered.
 */
#include "heap/dominators.h"

#include <string.h>
#include <sys/mman.h>

enum {
    TICK = 1 << 16,  /* vertices between looks at the clock */
    AHEAD = 8,       /* edges from where data is fetched to where it is looked at */
    PART = 1 << 18,  /* blocks of one task */
    STEPS_EACH = 3,  /* of work, a block */
    PLAIN_STEPS = 4, /* a vertex, that the last step may take before it gets a quicker way up */
};

/* All arrays but `number` and `satellites` are by depth-first number: 0 is the root, and means none in `number`. */
struct numbering {
    const struct mx_dominators_plan *plan;
    uint32_t blocks;
    uint64_t *satellites; /* bits, by block */
    uint32_t *number;     /* by block */
    uint32_t *vertex;     /* the block */
    uint32_t *parent;     /* in the depth-first tree; compressed later; at last: ancestors to jump to */
    uint32_t *semi;       /* the edge to go on with; semidominators later */
    uint32_t *label;      /* blocks in the order in which the search left them; later the least semi on a compressed
                             path; at last: depths in the dominator tree */
    uint32_t *idom;
    uint64_t *retained; /* by block */
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

static bool is_satellite(const struct numbering *numbering, uint32_t block)
{
    return numbering->satellites[block / 64] >> block % 64 & 1;
}

/* The only block that holds this one, or MX_NO_BLOCK. */
static uint32_t only_holder(const struct mx_rows *reverse, uint32_t block)
{
    uint32_t holder = MX_NO_BLOCK;
    for (uint32_t i = reverse->first[block]; i < reverse->first[block + 1]; i++) {
        if (!keeps_alive(reverse->classes[i]))
            continue;
        if (holder != MX_NO_BLOCK)
            return MX_NO_BLOCK;
        holder = reverse->targets[i];
    }
    return holder;
}

static bool holds_nothing(const struct mx_rows *forward, uint32_t block)
{
    for (uint32_t i = forward->first[block]; i < forward->first[block + 1]; i++)
        if (keeps_alive(forward->classes[i]))
            return false;
    return true;
}

static uint32_t part_end(const struct numbering *numbering, uint32_t from)
{
    return numbering->blocks - from < PART ? numbering->blocks : from + PART;
}

static void mark_part(void *context, size_t part)
{
    struct numbering *numbering = context;
    const struct mx_dominators_plan *plan = numbering->plan;
    uint32_t from = (uint32_t)part * PART, until = part_end(numbering, from);
    if (!mx_work_step(plan->work, 0))
        return;
    for (uint32_t block = from; block < until; block++)
        if (plan->kinds[block] != MX_BLOCK_FREE && holds_nothing(plan->forward, block) &&
            only_holder(plan->reverse, block) != MX_NO_BLOCK)
            numbering->satellites[block / 64] |= UINT64_C(1) << block % 64;
}

static void run_parts(struct numbering *numbering, void (*run)(void *context, size_t part))
{
    size_t parts = ((size_t)numbering->blocks + PART - 1) / PART;
    mx_work_parallel(numbering->plan->threads, parts, run, numbering);
}

static void mark_satellites(struct numbering *numbering)
{
    const struct mx_dominators_plan *plan = numbering->plan;
    run_parts(numbering, mark_part);
    for (size_t i = 0; i < plan->root_count; i++)
        numbering->satellites[plan->roots[i] / 64] &= ~(UINT64_C(1) << plan->roots[i] % 64);
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

/* The memory that a block further on in a row needs is on its way when its turn comes. */
static void fetch_ahead(const struct numbering *numbering, uint32_t edge)
{
    const struct mx_rows *rows = numbering->plan->forward;
    if ((size_t)edge + AHEAD >= rows->edges)
        return;
    uint32_t far = rows->targets[edge + AHEAD];
    if (is_satellite(numbering, far))
        return;
    __builtin_prefetch(&numbering->number[far]);
    __builtin_prefetch(&rows->first[far]);
}

/* The next block without a number that this one refers to. */
static uint32_t next_target(struct numbering *numbering, uint32_t number)
{
    const struct mx_rows *rows = numbering->plan->forward;
    uint32_t until = rows->first[numbering->vertex[number] + 1];
    for (uint32_t i = numbering->semi[number]; i < until; i++) {
        fetch_ahead(numbering, i);
        uint32_t target = rows->targets[i];
        if (is_satellite(numbering, target) || !keeps_alive(rows->classes[i]) || numbering->number[target])
            continue;
        numbering->semi[number] = i + 1;
        return target;
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
        if (kinds[block] != MX_BLOCK_FREE && !is_satellite(numbering, block))
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
    uint32_t from = rows->first[block], until = rows->first[block + 1];
    if (until - from <= 1)
        return semi; /* what found it is all that holds it */
    for (uint32_t i = from; i < until; i++) {
        uint32_t holder = numbering->number[rows->targets[i]];
        bool is_garbage = number < numbering->unreachable && holder > numbering->unreachable;
        if (!holder || is_garbage || !keeps_alive(rows->classes[i]))
            continue;
        uint32_t least = holder <= number ? holder : evaluate(numbering, holder, number);
        semi = least < semi ? least : semi;
    }
    return semi;
}

/* As fetch_ahead(), for holders: three reads that each need the one before. */
static void fetch_holders(const struct numbering *numbering, uint32_t number)
{
    const struct mx_rows *rows = numbering->plan->reverse;
    uint32_t block = number > 3 * AHEAD ? numbering->vertex[number - 3 * AHEAD] : 0;
    __builtin_prefetch(&rows->first[block]);
    block = number > 2 * AHEAD ? numbering->vertex[number - 2 * AHEAD] : 0;
    if (block < numbering->blocks) {
        __builtin_prefetch(&rows->targets[rows->first[block]]);
        __builtin_prefetch(&rows->classes[rows->first[block]]);
    }
    block = number > AHEAD ? numbering->vertex[number - AHEAD] : 0;
    if (block >= numbering->blocks || rows->first[block + 1] - rows->first[block] <= 1)
        return;
    uint32_t until =
        rows->first[block + 1] - rows->first[block] < AHEAD ? rows->first[block + 1] : rows->first[block] + AHEAD;
    for (uint32_t i = rows->first[block]; i < until; i++)
        __builtin_prefetch(&numbering->number[rows->targets[i]]);
}

static void find_semis(struct numbering *numbering)
{
    begin_semis(numbering);
    for (uint32_t i = numbering->count - 1; i > 0 && tick(numbering); i--) {
        fetch_holders(numbering, i);
        numbering->semi[i] = numbering->label[i] = find_semi(numbering, i);
    }
}

/*
 * A vertex's jump leads as far up as the vertex is deep allows: a way up of n steps takes log n of them (Myers, An
 * Applicative Random-Access Stack, 1983).
 */
static void set_jump(struct numbering *numbering, uint32_t number)
{
    uint32_t *jump = numbering->parent, *depth = numbering->label;
    uint32_t above = numbering->idom[number], far = jump[above];
    depth[number] = depth[above] + 1;
    jump[number] = depth[above] - depth[far] == depth[far] - depth[jump[far]] ? jump[far] : above;
}

static uint32_t begin_jumps(struct numbering *numbering, uint32_t until)
{
    numbering->parent[0] = numbering->label[0] = 0;
    for (uint32_t i = 1; i < until; i++)
        set_jump(numbering, i);
    return until;
}

/*
 * Each way up to the semidominator is short in any heap that somebody made to be used. Where they are long, they would
 * take quadratic time: then jumps make them short.
 */
static void find_idoms(struct numbering *numbering)
{
    uint64_t left = PLAIN_STEPS * (uint64_t)numbering->count;
    bool jumps = false;
    for (uint32_t i = 1; i < numbering->count && tick(numbering); i++) {
        uint32_t at = numbering->idom[i], semi = numbering->semi[i];
        for (; at > semi && left; left--)
            at = numbering->idom[at];
        if (!left && !jumps)
            jumps = begin_jumps(numbering, i);
        while (at > semi)
            at = numbering->parent[at] > semi ? numbering->parent[at] : numbering->idom[at];
        numbering->idom[i] = at;
        if (jumps)
            set_jump(numbering, i);
    }
}

/* Numbers become the idoms' blocks in their place. */
static void take_idoms(struct numbering *numbering)
{
    const struct mx_rows *reverse = numbering->plan->reverse;
    uint32_t *idoms = numbering->number;
    for (uint32_t block = 0; block < numbering->blocks + 2; block++) {
        if (block < numbering->blocks && is_satellite(numbering, block))
            idoms[block] = only_holder(reverse, block);
        else
            idoms[block] = idoms[block] ? numbering->vertex[numbering->idom[idoms[block]]] : MX_NO_BLOCK;
    }
}

static void weigh(struct numbering *numbering)
{
    const struct mx_dominators_plan *plan = numbering->plan;
    plan->weigh(plan->context, numbering->retained);
    for (uint32_t block = 0; block < numbering->blocks; block++)
        if (is_satellite(numbering, block))
            numbering->retained[only_holder(plan->reverse, block)] += numbering->retained[block];
}

static void add_up(struct numbering *numbering)
{
    uint64_t *retained = numbering->retained;
    for (uint32_t i = numbering->count - 1; i > 0; i--) {
        __builtin_prefetch(&retained[numbering->vertex[i > 2 * AHEAD ? i - 2 * AHEAD : 0]]);
        retained[numbering->vertex[numbering->idom[i]]] += retained[numbering->vertex[i]];
    }
}

static void search(struct numbering *numbering)
{
    number_all(numbering);
    if (!is_cancelled(numbering))
        find_semis(numbering);
    if (!is_cancelled(numbering))
        find_idoms(numbering);
}

/* Two jobs at once: the first is the caller's thread's where it can be, for only that can be cancelled. */
struct halves {
    struct numbering *numbering;
    void (*jobs[2])(struct numbering *numbering);
    atomic_flag taken[2];
};

static void run_half(void *context, size_t task)
{
    (void)task;
    struct halves *halves = context;
    size_t job = pthread_equal(halves->numbering->plan->work->owner, pthread_self()) ? 0 : 1;
    if (atomic_flag_test_and_set(&halves->taken[job]))
        job = 1 - job;
    halves->jobs[job](halves->numbering);
}

static void run_both(struct numbering *numbering, void (*first)(struct numbering *), void (*second)(struct numbering *))
{
    struct halves halves = {numbering, {first, second}, {ATOMIC_FLAG_INIT, ATOMIC_FLAG_INIT}};
    mx_work_parallel(numbering->plan->threads, 2, run_half, &halves);
}

static uint64_t count_satellites(const struct numbering *numbering)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < numbering->blocks / 64 + 1; i++)
        count += (uint64_t)__builtin_popcountll(numbering->satellites[i]);
    return count;
}

static uint64_t count_unreachable_satellites(const struct numbering *numbering)
{
    const struct mx_rows *rows = numbering->plan->forward;
    uint64_t count = 0;
    for (uint32_t i = numbering->unreachable + 1; i < numbering->count; i++)
        for (uint32_t at = rows->first[numbering->vertex[i]]; at < rows->first[numbering->vertex[i] + 1]; at++)
            count += keeps_alive(rows->classes[at]) && is_satellite(numbering, rows->targets[at]);
    return count;
}

static void drop_array(const struct numbering *numbering, uint32_t **array)
{
    release(*array, array_bytes(numbering->blocks, sizeof(uint32_t)));
    *array = NULL;
}

static struct mx_error *reserve_arrays(struct numbering *numbering)
{
    size_t bytes = array_bytes(numbering->blocks, sizeof(uint32_t));
    uint32_t **arrays[] = {&numbering->number, &numbering->vertex, &numbering->parent,
                           &numbering->semi,   &numbering->label,  &numbering->idom};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        if (!(*arrays[i] = reserve(bytes)))
            return mx_error_no_memory();
    numbering->satellites = reserve(numbering->blocks / 8 + sizeof(uint64_t));
    numbering->retained = reserve(array_bytes(numbering->blocks, sizeof(uint64_t)));
    return numbering->satellites && numbering->retained ? NULL : mx_error_no_memory();
}

static void release_arrays(struct numbering *numbering)
{
    drop_array(numbering, &numbering->vertex);
    drop_array(numbering, &numbering->parent);
    drop_array(numbering, &numbering->semi);
    drop_array(numbering, &numbering->label);
    drop_array(numbering, &numbering->idom);
    release(numbering->satellites, numbering->blocks / 8 + sizeof(uint64_t));
}

static struct mx_error *build(struct numbering *numbering, struct mx_dominators *ret)
{
    struct mx_work *work = numbering->plan->work;
    MX_TRY(reserve_arrays(numbering));
    mark_satellites(numbering);
    uint64_t satellites = count_satellites(numbering);
    mx_work_step(work, STEPS_EACH * satellites);
    run_both(numbering, search, weigh);
    if (is_cancelled(numbering))
        return mx_error_cancelled();
    uint64_t of_garbage = count_unreachable_satellites(numbering);
    ret->reachable = numbering->unreachable - 1 + satellites - of_garbage;
    ret->unreachable = numbering->count - numbering->unreachable - 1 + of_garbage;
    run_both(numbering, add_up, take_idoms);
    return NULL;
}

struct mx_error *mx_dominators_build(const struct mx_dominators_plan *plan, struct mx_dominators *ret)
{
    if (plan->forward->blocks > UINT32_MAX - 3)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "the heap has more blocks than memext can add up: use a smaller core");
    struct numbering numbering = {.plan = plan, .blocks = (uint32_t)plan->forward->blocks};
    struct mx_dominators made = {.blocks = numbering.blocks};
    struct mx_error *error = build(&numbering, &made);
    release_arrays(&numbering);
    made.idoms = numbering.number;
    made.retained = numbering.retained;
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
