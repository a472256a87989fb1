/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed sparse rows, built by several threads without a second pass over
 * the heap and without a second copy of the edges: workers take stretches of
 * blocks in order and hand in their edges in that order.
 *
 *   worker 1   [stretch 0     ][stretch 2  ]  -\  each waits only until those before
 *   worker 2   [stretch 1  ][stretch 3    ]   -/  it know how many edges they have
 *   targets    [edges of 0 | edges of 1 | edges of 2 | ...
 */
#include "heap/rows.h"

#include "base/pages.h"

enum {
    STRETCH = 16384,         /* blocks: a worker's edges of one stay in the cache */
    STEP = 1 << 20,          /* edges of a reversal between looks at the clock */
    KEEP_AT_MOST = 64 << 20, /* places of a worker's buffer that outlive a stretch */
};

static struct mx_error *reserve_rows(uint32_t blocks, size_t edges, struct mx_rows *rows)
{
    *rows = (struct mx_rows){.blocks = blocks, .edges_mapped = edges};
    rows->first = mx_pages_reserve(((size_t)blocks + 1) * sizeof(*rows->first));
    rows->targets = mx_pages_reserve(edges * sizeof(*rows->targets));
    rows->classes = mx_pages_reserve(edges * sizeof(*rows->classes));
    return rows->first && rows->targets && rows->classes ? NULL : mx_error_no_memory();
}

void mx_rows_deinit(struct mx_rows *rows)
{
    mx_pages_release(rows->first, (rows->blocks + 1) * sizeof(*rows->first));
    mx_pages_release(rows->targets, rows->edges_mapped * sizeof(*rows->targets));
    mx_pages_release(rows->classes, rows->edges_mapped * sizeof(*rows->classes));
    *rows = (struct mx_rows){0};
}

struct builder {
    const struct mx_rows_plan *plan;
    struct mx_rows *rows;
    size_t stretches;
    _Atomic size_t next;
    pthread_mutex_t lock;
    pthread_cond_t turned;
    size_t turn; /* the stretch that may hand in its edges */
    uint64_t dangling, inexact;
    bool no_memory, too_many;
};

/* Where the edges of a stretch go. Every stretch passes here in its turn, even one without edges. */
static size_t hand_in(struct builder *builder, size_t stretch, const struct mx_edge_buffer *buffer, bool *fits)
{
    pthread_mutex_lock(&builder->lock);
    while (builder->turn != stretch)
        pthread_cond_wait(&builder->turned, &builder->lock);
    size_t offset = builder->rows->edges;
    builder->no_memory |= buffer->no_memory;
    builder->too_many |= buffer->targets.count > builder->rows->edges_mapped - offset;
    *fits = !builder->no_memory && !builder->too_many;
    if (*fits)
        builder->rows->edges += buffer->targets.count;
    builder->dangling += buffer->dangling;
    builder->inexact += buffer->inexact;
    builder->turn++;
    pthread_cond_broadcast(&builder->turned);
    pthread_mutex_unlock(&builder->lock);
    return offset;
}

static void build_stretch(struct builder *builder, size_t stretch, struct mx_edge_buffer *buffer)
{
    const struct mx_rows_plan *plan = builder->plan;
    struct mx_rows *rows = builder->rows;
    uint32_t from = (uint32_t)(stretch * STRETCH);
    uint32_t until = plan->blocks - from < STRETCH ? plan->blocks : from + STRETCH;
    uint32_t *ends = rows->first + from + 1;
    buffer->targets.count = buffer->classes.count = 0;
    buffer->dangling = buffer->inexact = 0;
    if (mx_work_step(plan->work, until - from))
        plan->edges(plan->context, from, until, buffer, ends);
    bool fits;
    size_t offset = hand_in(builder, stretch, buffer, &fits);
    if (!fits)
        return;
    if (buffer->targets.count) {
        memcpy(rows->targets + offset, buffer->targets.items, buffer->targets.count * sizeof(uint32_t));
        memcpy(rows->classes + offset, buffer->classes.items, buffer->targets.count);
    }
    for (uint32_t i = 0; i < until - from; i++)
        ends[i] += (uint32_t)offset;
}

static void run_builder(void *context, size_t task)
{
    (void)task;
    struct builder *builder = context;
    struct mx_edge_buffer buffer = {0};
    for (size_t stretch; (stretch = atomic_fetch_add(&builder->next, 1)) < builder->stretches;) {
        build_stretch(builder, stretch, &buffer);
        if (buffer.targets.capacity > KEEP_AT_MOST) {
            mx_array_free(&buffer.targets);
            mx_array_free(&buffer.classes);
        }
    }
    mx_array_free(&buffer.found);
    mx_array_free(&buffer.targets);
    mx_array_free(&buffer.classes);
}

static struct mx_error *judge(const struct builder *builder)
{
    if (atomic_load(&builder->plan->work->cancelled))
        return mx_error_cancelled();
    if (builder->too_many)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "there are more than %zu references, which is more than memext can hold or more than such "
                            "a heap can have",
                            builder->rows->edges_mapped);
    return builder->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_rows_build(const struct mx_rows_plan *plan, struct mx_rows *ret, uint64_t *dangling,
                               uint64_t *inexact)
{
    struct builder builder = {.plan = plan, .rows = ret};
    builder.stretches = ((size_t)plan->blocks + STRETCH - 1) / STRETCH;
    MX_TRY(reserve_rows(plan->blocks, plan->most_edges < UINT32_MAX ? plan->most_edges : UINT32_MAX, ret));
    pthread_mutex_init(&builder.lock, NULL);
    pthread_cond_init(&builder.turned, NULL);
    mx_work_parallel(plan->threads, plan->threads, run_builder, &builder);
    pthread_cond_destroy(&builder.turned);
    pthread_mutex_destroy(&builder.lock);
    *dangling += builder.dangling;
    *inexact += builder.inexact;
    return judge(&builder);
}

/*
 * A counting sort. Each worker owns a range of targets and looks at all edges: reading these in order costs little
 * beside the scattered writes, which are shared out without a lock and in an order that does not depend on time.
 */
struct reversal {
    const struct mx_rows *rows;
    struct mx_rows *ret;
    struct mx_work *work;
    unsigned parts;
};

static uint32_t part_start(const struct reversal *reversal, size_t part)
{
    return (uint32_t)(reversal->rows->blocks * part / reversal->parts);
}

static void count_part(void *context, size_t part)
{
    struct reversal *reversal = context;
    const struct mx_rows *rows = reversal->rows;
    uint32_t low = part_start(reversal, part), range = part_start(reversal, part + 1) - low;
    uint32_t *counts = reversal->ret->first + low + 1;
    for (size_t from = 0; from < rows->edges; from += STEP) {
        size_t until = rows->edges - from < STEP ? rows->edges : from + STEP;
        if (!mx_work_step(reversal->work, 0))
            return;
        for (size_t i = from; i < until; i++) {
            uint32_t place = rows->targets[i] - low;
            if (place < range)
                counts[place]++;
        }
    }
}

/* Moves `first` of each target on, to where the next one's begin. */
static void fill_part(void *context, size_t part)
{
    struct reversal *reversal = context;
    const struct mx_rows *rows = reversal->rows;
    struct mx_rows *ret = reversal->ret;
    uint32_t low = part_start(reversal, part), range = part_start(reversal, part + 1) - low;
    for (uint32_t block = 0; block < rows->blocks; block++) {
        if (block % STEP == 0 && !mx_work_step(reversal->work, 0))
            return;
        for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
            uint32_t target = rows->targets[i];
            if (target - low >= range)
                continue;
            uint32_t place = ret->first[target]++;
            ret->targets[place] = block;
            ret->classes[place] = rows->classes[i];
        }
    }
}

struct mx_error *mx_rows_reverse(const struct mx_rows *rows, unsigned threads, struct mx_work *work,
                                 struct mx_rows *ret)
{
    MX_TRY(reserve_rows((uint32_t)rows->blocks, rows->edges, ret));
    struct reversal reversal = {rows, ret, work, threads};
    ret->edges = rows->edges;
    mx_work_parallel(threads, threads, count_part, &reversal);
    if (atomic_load(&work->cancelled))
        return mx_error_cancelled();
    for (size_t i = 0; i < rows->blocks; i++)
        ret->first[i + 1] += ret->first[i];
    mx_work_parallel(threads, threads, fill_part, &reversal);
    memmove(ret->first + 1, ret->first, rows->blocks * sizeof(*ret->first));
    ret->first[0] = 0;
    return atomic_load(&work->cancelled) ? mx_error_cancelled() : NULL;
}
