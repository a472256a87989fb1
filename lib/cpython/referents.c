/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks over the references of one object: plain fields by the plan of its
 * type, then what its decoder knows, then attributes, then the type. It knows
 * no type by itself.
 */
#include "cpython/referents.h"

#include <stdlib.h>

#include "cpython/dict.h"
#include "cpython/walk.h"

enum { WORDS_AT_ONCE = 4096 };

uint32_t mx_walk_u32(const struct mx_walk *walk, int32_t offset)
{
    uint32_t value = 0;
    if (offset >= 0)
        mx_memory_u32(walk->memory, walk->object + (uint64_t)offset, &value);
    return value;
}

uint64_t mx_walk_items(const struct mx_walk *walk)
{
    uint64_t items = mx_walk_word(walk, walk->layout->var_object.ob_size);
    return items >> MX_MOST_ITEMS_LOG2 ? 0 : items;
}

struct mx_words mx_words_of(const struct mx_walk *walk, mx_addr address, uint64_t count)
{
    if (count > MX_MOST_TRUSTED) {
        uint64_t rest = mx_block_rest(walk, address) / 8;
        count = count < rest ? count : rest;
    }
    return (struct mx_words){.walk = walk, .at = address, .left = address ? count : 0};
}

bool mx_words_refill(struct mx_words *words)
{
    const struct mx_memory *memory = words->walk->memory;
    uint64_t count = words->left < WORDS_AT_ONCE ? words->left : WORDS_AT_ONCE;
    if (!count)
        return false;
    words->bytes = mx_memory_view(memory, words->at, (size_t)(8 * count));
    if (!words->bytes) {
        const struct mx_region *region = mx_memory_region(memory, words->at);
        uint64_t there = region ? (region->end - words->at) / 8 : 0;
        count = there < count ? there : 0;
        words->bytes = count ? mx_memory_view(memory, words->at, (size_t)(8 * count)) : NULL;
    }
    if (!words->bytes) {
        words->left = 0;
        return false;
    }
    words->ready = (size_t)count;
    words->at += 8 * count;
    words->left -= count;
    return true;
}

static size_t find_word(const uint8_t *bytes, size_t count, uint64_t word)
{
    size_t i = 0;
    while (i < count && mx_load_u64(bytes + 8 * i) != word)
        i++;
    return i;
}

void mx_words_skip_unwanted(struct mx_words *words)
{
    while (words->ready || mx_words_refill(words)) {
        size_t passed = find_word(words->bytes, words->ready, words->walk->wanted);
        words->bytes += 8 * passed;
        words->ready -= passed;
        words->next += passed;
        if (words->ready)
            return;
    }
}

static void walk_fields(struct mx_walk *walk)
{
    const struct mx_plan_field *field = walk->plans->fields.items + walk->plan->first;
    for (const struct mx_plan_field *end = field + walk->plan->count; field < end; field++) {
        if (field->class == MX_NO_EDGE)
            continue;
        struct mx_edge edge = {
            mx_walk_word(walk, field->offset), field->class, field->naming, true, {.text = field->text}, false};
        mx_walk_edge(walk, &edge);
    }
}

static void walk_object(struct mx_walk *walk)
{
    const struct mx_plan *plan = walk->plan;
    if (plan->extent && !walk->bytes)
        walk->bytes = mx_memory_view(walk->memory, walk->object, plan->extent);
    if (plan->count)
        walk_fields(walk);
    if (plan->decode)
        plan->decode(walk);
    if (plan->has_storage)
        mx_refer_storage(walk);
    if (plan->scan_start < plan->scan_end || plan->scans_items)
        mx_scan_body(walk);
    if (plan->type_class != MX_NO_EDGE) {
        struct mx_edge edge = {walk->type->address, plan->type_class, MX_NAME_TYPE, true, {.text = NULL}, false};
        mx_walk_edge(walk, &edge);
    }
}

static struct mx_walk start_walk(const struct mx_referents *referents, const struct mx_type *type, mx_addr object)
{
    const struct mx_runtime *runtime = referents->types->runtime;
    return (struct mx_walk){
        .referents = referents,
        .runtime = runtime,
        .layout = &runtime->layout,
        .memory = runtime->memory,
        .type = type,
        .plans = referents->plans,
        .object = object,
    };
}

/* A type that was met after the plans were made gets one for this object only. */
static void walk_unplanned(const struct mx_walk *unplanned)
{
    struct mx_plans plans = {.lookdict = unplanned->plans ? unplanned->plans->lookdict : 0};
    struct mx_plan plan;
    struct mx_walk walk = *unplanned;
    if (mx_plan_make(walk.referents->types, walk.type, &plans, &plan)) {
        walk.plans = &plans;
        walk.plan = &plan;
        walk_object(&walk);
    }
    mx_array_free(&plans.fields);
}

/* NULL when it was met after the plans were made. */
static const struct mx_plan *plan_of(const struct mx_referents *referents, const struct mx_type *type)
{
    const struct mx_plans *plans = referents->plans;
    size_t index = (size_t)(type - referents->types->types.items);
    return plans && index < plans->plans.count ? &plans->plans.items[index] : NULL;
}

bool mx_referents_none(const struct mx_referents *referents, const struct mx_type *type)
{
    const struct mx_plan *plan = plan_of(referents, type);
    return plan && plan->is_empty;
}

void mx_referents_find(const struct mx_referents *referents, const struct mx_type *type, mx_addr object, mx_addr wanted,
                       mx_edge_visit visit, void *context)
{
    const struct mx_plan *plan = plan_of(referents, type);
    if (plan && plan->is_empty)
        return;
    struct mx_walk walk = start_walk(referents, type, object);
    walk.wanted = wanted;
    walk.visit = visit;
    walk.context = context;
    if (plan) {
        walk.plan = plan;
        walk_object(&walk);
    } else {
        walk_unplanned(&walk);
    }
}

void mx_referents_each(const struct mx_referents *referents, const struct mx_type *type, mx_addr object,
                       mx_edge_visit visit, void *context)
{
    mx_referents_find(referents, type, object, 0, visit, context);
}

void mx_referents_gather(const struct mx_referents *referents, const struct mx_seen_object *object,
                         struct mx_found_edges *edges)
{
    const struct mx_plan *plan = plan_of(referents, object->type);
    if (plan && plan->is_empty)
        return;
    struct mx_walk walk = start_walk(referents, object->type, object->address);
    walk.found = edges;
    if (!plan) {
        walk_unplanned(&walk);
        return;
    }
    walk.plan = plan;
    walk.bytes = object->available >= plan->extent ? object->bytes : NULL;
    walk_object(&walk);
}

void mx_referents_expect(const struct mx_referents *referents, const struct mx_seen_object *object)
{
    enum { LINE = 64 };
    const struct mx_plan *plan = plan_of(referents, object->type);
    for (int i = 0; plan && i < 2; i++) {
        int32_t at = plan->tables[i];
        if (!at || at + 8 > (int64_t)object->available)
            continue;
        const uint8_t *table =
            mx_memory_view(referents->types->runtime->memory, mx_load_u64(object->bytes + at) - 1, 1);
        if (table) {
            __builtin_prefetch(table);
            __builtin_prefetch(table + LINE);
        }
    }
}

static bool make_plans(const struct mx_types *types, struct mx_plans *plans)
{
    if (!mx_array_reserve(&plans->plans, types->types.count))
        return false;
    for (size_t i = 0; i < types->types.count; i++) {
        struct mx_plan plan;
        if (!mx_plan_make(types, &types->types.items[i], plans, &plan) || !mx_array_push(&plans->plans, plan))
            return false;
    }
    return true;
}

/*
 * CPython 3.8-3.10 tells tables with keys of any kind by a function that is no exported symbol; the subclasses of
 * `object` are in such a table, for their keys are ints.
 */
static mx_addr find_lookdict(const struct mx_types *types)
{
    const struct mx_runtime *runtime = types->runtime;
    const struct mx_layout *layout = &runtime->layout;
    struct mx_dict_keys keys;
    for (size_t i = 0; layout->dict_shape == MX_DICT_SIZE_WORD && i < types->types.count; i++) {
        const struct mx_type *type = &types->types.items[i];
        mx_addr dict =
            type->base ? 0 : mx_memory_pointer(runtime->memory, type->address + (mx_addr)layout->type.tp_subclasses);
        mx_addr table = dict ? mx_memory_pointer(runtime->memory, dict + (mx_addr)layout->dict.ma_keys) : 0;
        if (table && mx_dict_keys_read(runtime, table, &keys) && keys.entries)
            return keys.lookup;
    }
    return 0;
}

struct mx_error *mx_referents_open(const struct mx_types *types, struct mx_referents *ret)
{
    struct mx_plans *plans = mx_calloc(1, sizeof(*plans));
    *ret = (struct mx_referents){.types = types, .plans = plans};
    if (plans && make_plans(types, plans)) {
        plans->lookdict = find_lookdict(types);
        return NULL;
    }
    mx_referents_close(ret);
    return mx_error_no_memory();
}

void mx_referents_close(struct mx_referents *referents)
{
    struct mx_plans *plans = referents->plans;
    if (plans) {
        mx_array_free(&plans->plans);
        mx_array_free(&plans->fields);
    }
    free(plans);
    referents->plans = NULL;
}
