/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that holds nothing or the same again: the passes over the blocks, the
 * sums, and the rows that are shown of them. What equals what is found in
 * waste_equal.c, who holds it in waste_holder.c.
 */
#include "report/waste.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpython/spare.h"
#include "report/object.h"

enum {
    SPARE_ROWS = 4096,       /* kept beyond the limit before the smaller ones go */
    BLOCKS_A_STEP = 1 << 16, /* between looks at the progress */
    HOLDERS_AT_MOST = 200,   /* rows of a kind whose holders are looked for: a program may ask for a million */
    MOST_VALUE = 60,         /* characters of a text */
    MOST_ITEM = 20,          /* of one in a container */
    TEXT_SIZE = 400,         /* bytes */
};

struct mx_waste {
    MX_ARRAY(struct mx_waste_row) rows;
    uint64_t wasted[MX_WASTE_KINDS], counts[MX_WASTE_KINDS];
    struct mx_strtab texts;
};

static int compare_found(const void *a, const void *b)
{
    const struct mx_waste_found *left = a, *right = b;
    if (left->wasted != right->wasted)
        return left->wasted < right->wasted ? 1 : -1;
    return left->samples[0] < right->samples[0] ? -1 : left->samples[0] > right->samples[0];
}

static void order_and_limit(struct mx_waste_sum *sum, size_t limit)
{
    if (sum->found.count)
        qsort(sum->found.items, sum->found.count, sizeof(struct mx_waste_found), compare_found);
    if (limit && sum->found.count > limit)
        sum->found.count = limit;
}

/* The order is total, so that the rows are the same whichever thread comes first. */
static bool add_row(struct mx_waste_sum *sum, const struct mx_waste_query *query, const struct mx_waste_found *found)
{
    if (query->limit && sum->found.count >= query->limit && sum->found.count - query->limit >= SPARE_ROWS)
        order_and_limit(sum, query->limit);
    return mx_array_push(&sum->found, *found);
}

void mx_waste_add(struct mx_waste_search *search, enum mx_waste_kind kind, const struct mx_waste_found *found)
{
    struct mx_waste_sum *sum = &search->sums[kind];
    pthread_mutex_lock(&search->lock);
    sum->count += found->count;
    sum->bytes += found->bytes;
    sum->wasted += found->wasted;
    if (found->wasted >= search->query.least && !add_row(sum, &search->query, found))
        search->no_memory = true;
    pthread_mutex_unlock(&search->lock);
}

static void visit_blocks(struct mx_waste_search *search, uint32_t from, uint32_t until, mx_waste_visit visit,
                         void *context)
{
    const struct mx_heap *heap = search->heap;
    const struct mx_span *span = mx_spans_of(&heap->spans, from);
    for (uint32_t block = from; block < until; block++) {
        while (block - span->first >= span->count)
            span++;
        uint32_t type = mx_heap_type_of(heap, block);
        if (type < search->target->types.types.count && (search->tasks[type] || search->has_dict[type]))
            visit(context, block, mx_heap_object(heap, span, block, type), type);
    }
}

void mx_waste_slice(struct mx_waste_search *search, size_t slice, mx_waste_visit visit, void *context)
{
    uint64_t blocks = search->heap->spans.blocks;
    uint32_t block = (uint32_t)(blocks * slice / MX_WASTE_SLICES), next;
    uint32_t end = (uint32_t)(blocks * (slice + 1) / MX_WASTE_SLICES);
    for (; block < end && mx_work_step(&search->work, 0); block = next) {
        next = end - block < BLOCKS_A_STEP ? end : block + BLOCKS_A_STEP;
        visit_blocks(search, block, next, visit, context);
        mx_work_step(&search->work, next - block);
    }
}

static enum mx_waste_task task_of(const struct mx_type *type)
{
    switch (type->kind) {
    case MX_KIND_STR:
        return strcmp(type->name, "str") ? MX_WASTE_SKIP : MX_WASTE_TEXT;
    case MX_KIND_BYTES:
        return strcmp(type->name, "bytes") ? MX_WASTE_SKIP : MX_WASTE_TEXT;
    case MX_KIND_LIST:
    case MX_KIND_DICT:
    case MX_KIND_ORDERED_DICT:
    case MX_KIND_SET:
        return MX_WASTE_CONTAINER;
    default:
        return MX_WASTE_SKIP;
    }
}

static struct mx_error *prepare(struct mx_waste_search *search)
{
    const struct mx_types *types = &search->target->types;
    size_t count = types->types.count + 1;
    search->tasks = mx_calloc(count, sizeof(*search->tasks));
    search->has_dict = mx_calloc(count, sizeof(*search->has_dict));
    search->types = mx_calloc(count, sizeof(*search->types));
    search->empty = mx_calloc((size_t)search->heap->spans.blocks / 64 + 1, sizeof(*search->empty));
    if (!search->tasks || !search->has_dict || !search->types || !search->empty)
        return mx_error_no_memory();
    for (size_t i = 0; i < types->types.count; i++) {
        search->tasks[i] = (uint8_t)task_of(&types->types.items[i]);
        search->has_dict[i] = mx_type_has_dict(types, &types->types.items[i]);
    }
    return NULL;
}

static bool is_marked(const struct mx_waste_search *search, uint32_t block)
{
    return search->empty[block / 64] >> (block % 64) & 1;
}

/* The block that holds exactly this object: where memory is damaged, an address may be anywhere. */
static uint32_t block_of(const struct mx_heap *heap, mx_addr object)
{
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(&heap->spans, object, &span);
    uint32_t type = block == MX_NO_BLOCK ? MX_MAP_NONE : mx_heap_type_of(heap, block);
    return type != MX_MAP_NONE && mx_heap_object(heap, span, block, type) == object ? block : MX_NO_BLOCK;
}

/* A dict that many instances share is counted with the first of them. */
static void take_empty_dict(struct mx_waste_search *search, uint32_t type, mx_addr dict, uint64_t size)
{
    uint32_t block = block_of(search->heap, dict);
    pthread_mutex_lock(&search->lock);
    if (block != MX_NO_BLOCK && !is_marked(search, block)) {
        struct mx_waste_found *row = &search->types[type];
        search->empty[block / 64] |= UINT64_C(1) << (block % 64);
        row->samples[0] = row->count && row->samples[0] < block ? row->samples[0] : block;
        row->sample_count = 1;
        row->type = search->target->types.types.items[type].name;
        row->count++;
        row->bytes += size;
        row->wasted += size;
    }
    pthread_mutex_unlock(&search->lock);
}

static void look_for_empty_dict(void *context, uint32_t block, mx_addr object, uint32_t type)
{
    struct mx_waste_search *search = context;
    const struct mx_types *types = &search->target->types;
    (void)block;
    mx_addr dict = search->has_dict[type] ? mx_instance_empty_dict(types, &types->types.items[type], object) : 0;
    if (!dict)
        return;
    uint64_t size = mx_object_shallow_size(search->target, dict), embedded = mx_dict_embedded_bytes(types, dict);
    take_empty_dict(search, type, dict, size > embedded ? size - embedded : size);
}

static void look_at_instances(void *context, size_t slice)
{
    mx_waste_slice(context, slice, look_for_empty_dict, context);
}

static struct mx_error *find_empty_dicts(struct mx_waste_search *search)
{
    mx_work_begin(&search->work, search->work.progress, "looking at instances", search->heap->spans.blocks);
    mx_work_parallel(mx_memory_threads(search->target->memory), MX_WASTE_SLICES, look_at_instances, search);
    if (search->work.cancelled)
        return mx_error_cancelled();
    for (size_t i = 0; i < search->target->types.types.count; i++)
        if (search->types[i].count)
            mx_waste_add(search, MX_WASTE_EMPTY_DICTS, &search->types[i]);
    return NULL;
}

static enum mx_waste_kind kind_of(const struct mx_type *type)
{
    return type->kind == MX_KIND_LIST ? MX_WASTE_LISTS : type->kind == MX_KIND_SET ? MX_WASTE_SETS : MX_WASTE_DICTS;
}

void mx_waste_container(struct mx_waste_search *search, uint32_t block, mx_addr object, uint32_t type)
{
    const struct mx_types *types = &search->target->types;
    struct mx_spare spare;
    if (is_marked(search, block) || !mx_container_spare(types, &types->types.items[type], object, &spare))
        return;
    struct mx_waste_found found = {.samples = {block}, .sample_count = 1, .count = 1, .wasted = spare.bytes};
    found.bytes = mx_object_shallow_size(search->target, object);
    mx_waste_add(search, kind_of(&types->types.items[type]), &found);
}

/* How full a container is, and what is in it. */
static const char *describe(const struct mx_waste_search *search, enum mx_waste_kind kind, mx_addr object,
                            struct mx_strtab *texts)
{
    bool is_container = kind != MX_WASTE_STRINGS && kind != MX_WASTE_BYTES;
    const struct mx_show_options options = {
        .depth = 2, .items = 3, .characters = is_container ? MOST_ITEM : MOST_VALUE, .one_line = true};
    const struct mx_types *types = &search->target->types;
    const struct mx_type *type = mx_type_of(types, object);
    struct mx_spare spare;
    char *shown = NULL, line[TEXT_SIZE];
    struct mx_error *error = mx_object_show(search->target, object, &options, &shown);
    const char *text = error ? "?" : shown;
    if (is_container && type && mx_container_spare(types, type, object, &spare)) {
        snprintf(line, sizeof(line), "%s, %" PRIu64 " of %" PRIu64 " places used: %s", type->name, spare.used,
                 spare.places, text);
        text = line;
    }
    const char *kept = mx_strtab_add(texts, text, strlen(text));
    mx_error_free(error);
    free(shown);
    return kept;
}

static mx_addr object_in(const struct mx_waste_search *search, uint32_t block)
{
    const struct mx_heap *heap = search->heap;
    return mx_heap_object(heap, mx_spans_of(&heap->spans, block), block, mx_heap_type_of(heap, block));
}

static bool write_row(const struct mx_waste_search *search, enum mx_waste_kind kind, size_t index,
                      struct mx_waste *waste)
{
    const struct mx_waste_found *found = &search->sums[kind].found.items[index];
    bool ask = search->graph && index < HOLDERS_AT_MOST && kind != MX_WASTE_EMPTY_DICTS;
    struct mx_waste_row row = {.kind = kind, .count = found->count, .bytes = found->bytes, .wasted = found->wasted};
    row.example = object_in(search, found->samples[0]);
    row.value = found->type ? mx_strtab_add(&waste->texts, found->type, strlen(found->type))
                            : describe(search, kind, row.example, &waste->texts);
    row.holder = ask ? mx_waste_holder(&search->holders, found, &waste->texts) : "";
    return row.value && row.holder && mx_array_push(&waste->rows, row);
}

/* Of kinds whose rows are single objects, all of them together come first. */
static bool write_sum(const struct mx_waste_search *search, enum mx_waste_kind kind, struct mx_waste *waste)
{
    const struct mx_waste_sum *sum = &search->sums[kind];
    bool is_wanted = kind == MX_WASTE_LISTS || kind == MX_WASTE_DICTS || kind == MX_WASTE_SETS;
    struct mx_waste_row row = {.kind = kind, .value = "", .holder = ""};
    row.count = sum->count;
    row.bytes = sum->bytes;
    row.wasted = sum->wasted;
    waste->wasted[kind] = sum->wasted;
    waste->counts[kind] = sum->count;
    return !is_wanted || !sum->count || mx_array_push(&waste->rows, row);
}

static struct mx_error *write_rows(struct mx_waste_search *search, struct mx_waste *waste)
{
    uint64_t rows = 0;
    for (int kind = 0; kind < MX_WASTE_KINDS; kind++) {
        order_and_limit(&search->sums[kind], search->query.limit);
        rows += search->sums[kind].found.count;
    }
    if (search->graph)
        MX_TRY(mx_graph_referrers(search->graph, search->work.progress));
    if (!mx_waste_holders_open(search->graph, &search->holders))
        return mx_error_no_memory();
    mx_work_begin(&search->work, search->work.progress, "looking for holders", rows);
    for (int kind = 0; kind < MX_WASTE_KINDS; kind++) {
        bool ok = write_sum(search, (enum mx_waste_kind)kind, waste);
        for (size_t i = 0; ok && i < search->sums[kind].found.count; i++) {
            ok = write_row(search, (enum mx_waste_kind)kind, i, waste);
            if (!mx_work_step(&search->work, 1))
                return mx_error_cancelled();
        }
        if (!ok)
            return mx_error_no_memory();
    }
    return NULL;
}

static struct mx_error *look(struct mx_waste_search *search, struct mx_waste *waste)
{
    MX_TRY(mx_heap_fetch(search->heap, search->target, search->work.progress));
    MX_TRY(prepare(search));
    if (search->heap->spans.blocks) {
        MX_TRY(find_empty_dicts(search));
        MX_TRY(mx_waste_equal(search));
    }
    return search->no_memory ? mx_error_no_memory() : write_rows(search, waste);
}

struct mx_error *mx_waste_open(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph,
                               const struct mx_waste_query *query, const struct mx_progress *progress,
                               struct mx_waste **ret)
{
    struct mx_waste_search search = {.target = target, .heap = heap, .graph = graph, .query = *query};
    struct mx_waste *waste = mx_calloc(1, sizeof(*waste));
    if (!waste)
        return mx_error_no_memory();
    search.work.progress = progress;
    pthread_mutex_init(&search.lock, NULL);
    struct mx_error *error = look(&search, waste);
    pthread_mutex_destroy(&search.lock);
    mx_waste_holders_close(&search.holders);
    for (int kind = 0; kind < MX_WASTE_KINDS; kind++)
        mx_array_free(&search.sums[kind].found);
    free(search.tasks);
    free(search.has_dict);
    free(search.types);
    free(search.empty);
    if (error) {
        mx_waste_close(waste);
        return error;
    }
    *ret = waste;
    return NULL;
}

const struct mx_waste_row *mx_waste_rows(const struct mx_waste *waste, size_t *count, uint64_t *total)
{
    *total = 0;
    for (int kind = 0; kind < MX_WASTE_KINDS; kind++)
        *total += waste->wasted[kind];
    *count = waste->rows.count;
    return waste->rows.items;
}

uint64_t mx_waste_of_kind(const struct mx_waste *waste, enum mx_waste_kind kind, uint64_t *count)
{
    *count = waste->counts[kind];
    return waste->wasted[kind];
}

void mx_waste_close(struct mx_waste *waste)
{
    if (!waste)
        return;
    mx_array_free(&waste->rows);
    mx_strtab_deinit(&waste->texts);
    free(waste);
}
