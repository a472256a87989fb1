/* SPDX-License-Identifier: Apache-2.0
 *
 * Where addresses of buffers stand in objects: fields that the plans of references call so, the words of bodies that
 * nothing is known of, and what common containers have. Rarer decoders are asked.
 */
#include "cpython/buffers.h"

#include "cpython/str.h"
#include "cpython/walk.h"

enum { GC_HEAD = 16, MOST_WORDS = 64 };

const char *mx_buffer_owner_name(enum mx_buffer_owner owner)
{
    static const char *const names[MX_BUFFER_OWNERS] = {
        [MX_BUFFER_NONE] = "none",
        [MX_BUFFER_DICT] = "dict",
        [MX_BUFFER_LIST] = "list",
        [MX_BUFFER_SET] = "set",
        [MX_BUFFER_STR] = "str",
        [MX_BUFFER_BYTEARRAY] = "bytearray",
        [MX_BUFFER_ARRAY] = "array",
        [MX_BUFFER_NDARRAY] = "ndarray",
        [MX_BUFFER_DEQUE] = "deque",
        [MX_BUFFER_OTHER] = "other",
        [MX_BUFFER_INSTANCE] = "instances",
    };
    return names[owner];
}

static enum mx_buffer_owner owner_of(const struct mx_type *type)
{
    switch (type->kind) {
    case MX_KIND_DICT:
    case MX_KIND_ORDERED_DICT:
        return MX_BUFFER_DICT;
    case MX_KIND_LIST:
        return MX_BUFFER_LIST;
    case MX_KIND_SET:
        return MX_BUFFER_SET;
    case MX_KIND_STR:
        return MX_BUFFER_STR;
    case MX_KIND_BYTEARRAY:
        return MX_BUFFER_BYTEARRAY;
    case MX_KIND_ARRAY:
        return MX_BUFFER_ARRAY;
    case MX_KIND_DEQUE:
        return MX_BUFFER_DEQUE;
    default:
        return strcmp(type->name, "numpy.ndarray") ? MX_BUFFER_OTHER : MX_BUFFER_NDARRAY;
    }
}

/* What these decoders know beyond fields is said by add_known(). */
static bool is_simple(mx_decoder decode)
{
    return !decode || decode == mx_refer_list || decode == mx_refer_tuple || decode == mx_refer_dict ||
           decode == mx_refer_set || decode == mx_refer_str;
}

static bool add_known(struct mx_buffers *buffers, const struct mx_layout *layout, mx_decoder decode)
{
    if (decode == mx_refer_list)
        return mx_array_push(&buffers->places, layout->list.ob_item);
    if (decode == mx_refer_set)
        return mx_array_push(&buffers->places, layout->set.table);
    if (decode == mx_refer_dict)
        return mx_array_push(&buffers->places, layout->dict.ma_keys) &&
               mx_array_push(&buffers->places, layout->dict.ma_values);
    return true;
}

static bool add_plan(struct mx_buffers *buffers, const struct mx_type *type, const struct mx_plan *plan)
{
    const struct mx_plans *plans = buffers->referents.plans;
    struct mx_buffer_plan made = {.first = (uint32_t)buffers->places.count, .is_str = plan->decode == mx_refer_str};
    bool ok = add_known(buffers, &buffers->referents.types->runtime->layout, plan->decode);
    for (uint32_t i = 0; ok && i < plan->count; i++) {
        const struct mx_plan_field *field = &plans->fields.items[plan->first + i];
        if (field->class == MX_EDGE_BUFFER)
            ok = mx_array_push(&buffers->places, field->offset);
    }
    uint32_t end =
        plan->scan_end - plan->scan_start > MOST_WORDS * 8 ? plan->scan_start + MOST_WORDS * 8 : plan->scan_end;
    for (uint32_t at = plan->scan_start; ok && plan->scan_start < plan->scan_end && at + 8 <= end; at += 8)
        ok = mx_array_push(&buffers->places, (int32_t)at);
    bool has_head = buffers->referents.types->runtime->layout.preheader_shape != MX_PREHEADER_NO_GC;
    int32_t head = has_head ? GC_HEAD : 0;
    for (int32_t at = -(int32_t)type->preheader; ok && plan->has_storage && at < -head; at += 8)
        ok = mx_array_push(&buffers->places, at);
    made.count = (uint32_t)buffers->places.count - made.first;
    made.walks = !is_simple(plan->decode);
    made.is_known = type->is_python_class && is_simple(plan->decode) && plan->scan_start >= plan->scan_end;
    if (made.count || made.walks || made.is_str)
        made.owner = (uint8_t)owner_of(type);
    return ok && mx_array_push(&buffers->plans, made);
}

struct mx_error *mx_buffers_open(const struct mx_types *types, struct mx_buffers *ret)
{
    *ret = (struct mx_buffers){0};
    MX_TRY(mx_referents_open(types, &ret->referents));
    bool ok = true;
    for (size_t i = 0; ok && i < types->types.count; i++)
        ok = add_plan(ret, &types->types.items[i], &ret->referents.plans->plans.items[i]);
    if (ok)
        return NULL;
    mx_buffers_close(ret);
    return mx_error_no_memory();
}

void mx_buffers_close(struct mx_buffers *buffers)
{
    mx_referents_close(&buffers->referents);
    mx_array_free(&buffers->plans);
    mx_array_free(&buffers->places);
}

struct looking {
    mx_buffer_visit visit;
    void *context;
    enum mx_buffer_owner owner;
};

static bool visit_edge(void *context, const struct mx_edge *edge)
{
    const struct looking *looking = context;
    if (edge->class == MX_EDGE_BUFFER)
        looking->visit(looking->context, edge->target, looking->owner);
    return true;
}

static mx_addr word(const uint8_t *object, int32_t offset, size_t available)
{
    return offset >= 0 && (size_t)offset + 8 <= available ? mx_load_u64(object + offset) : 0;
}

/* As mx_refer_str() has it, from the bytes that are at hand. */
static void visit_str(const struct mx_layout *layout, const uint8_t *object, size_t available,
                      const struct looking *looking)
{
    if (available < (size_t)layout->ascii.size)
        return;
    struct mx_str_state state = mx_str_state(layout, object);
    mx_addr found[3] = {0};
    if (!state.compact)
        found[0] = word(object, layout->unicode.data, available);
    if (!state.compact || !state.ascii)
        found[1] = word(object, layout->compact_unicode.utf8, available);
    if (layout->str_shape == MX_STR_WSTR)
        found[2] = word(object, layout->ascii.wstr, available);
    for (int i = 0; i < 3; i++)
        if (found[i])
            looking->visit(looking->context, found[i], looking->owner);
}

void mx_buffers_each(const struct mx_buffers *buffers, uint32_t type, mx_addr object, const uint8_t *bytes,
                     size_t before, size_t available, mx_buffer_visit visit, void *context)
{
    const struct mx_buffer_plan *plan = &buffers->plans.items[type];
    const struct mx_types *types = buffers->referents.types;
    struct looking looking = {visit, context, plan->owner};
    const uint8_t *start = bytes + before;
    for (uint32_t i = plan->first; i < plan->first + plan->count; i++) {
        int32_t offset = buffers->places.items[i];
        bool inside = offset < 0 ? (size_t)-offset <= before : (size_t)offset + 8 <= available;
        mx_addr address = inside ? mx_load_u64(start + offset) : 0;
        if (address)
            visit(context, address, offset < 0 ? MX_BUFFER_INSTANCE : looking.owner);
    }
    if (plan->is_str)
        visit_str(&types->runtime->layout, start, available, &looking);
    if (plan->walks)
        mx_referents_each(&buffers->referents, &types->types.items[type], object, visit_edge, &looking);
}
