/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the plan of a type: the lines of referents.def for it and its bases,
 * its slots, its dict, and which part of its instances nothing is known of.
 */
#include <string.h>

#include "cpython/dict.h"
#include "cpython/member.h"
#include "cpython/str.h"
#include "cpython/walk.h"

enum {
    MOST_HIDDEN = 1024, /* items of a structseq */
};

/* One line of referents.def. */
struct line {
    const char *names; /* of types; NULL: a reference of the object above */
    const char *label; /* NULL too: this is about the object's type */
    mx_decoder decode;
    size_t position; /* in struct mx_layout: the size of the object's struct, or the reference's offset */
    uint8_t class;
    uint8_t since; /* enum mx_traverse_shape: OWNED before */
    uint8_t until; /* enum mx_traverse_shape: from there on it is no reference */
};

enum { NEVER = 0xff };
#define POSITION(group, member) offsetof(struct mx_layout, group.member)
static const struct line lines[] = {
#define MX_OBJECT(names, group, decoder) {names, NULL, decoder, POSITION(group, size), MX_NO_EDGE, 0, NEVER},
#define MX_REF(class, group, member, label) {NULL, label, NULL, POSITION(group, member), MX_EDGE_##class, 0, NEVER},
#define MX_REF_SINCE(shape, group, member, label)                                                                      \
    {NULL, label, NULL, POSITION(group, member), MX_EDGE_TRAVERSED, MX_TRAVERSE_##shape, NEVER},
#define MX_REF_UNTIL(shape, group, member, label)                                                                      \
    {NULL, label, NULL, POSITION(group, member), MX_EDGE_TRAVERSED, 0, MX_TRAVERSE_##shape},
#define MX_TYPE_HIDDEN {NULL, NULL, NULL, 0, MX_EDGE_OWNED, 0, NEVER},
#define MX_TYPE_SHOWN_BY_OWNER(shape) {NULL, NULL, NULL, 0, MX_EDGE_BORROWED, MX_TRAVERSE_##shape, NEVER},
#include "cpython/referents.def"
#undef MX_OBJECT
#undef MX_REF
#undef MX_REF_SINCE
#undef MX_REF_UNTIL
#undef MX_TYPE_HIDDEN
#undef MX_TYPE_SHOWN_BY_OWNER
};

enum { LINE_COUNT = sizeof(lines) / sizeof(lines[0]) };

struct planner {
    const struct mx_types *types;
    const struct mx_layout *layout;
    const struct mx_memory *memory;
    const struct mx_type *type;
    struct mx_plans *plans;
    struct mx_plan plan;
    bool no_memory;
};

static int32_t value_of(const struct mx_layout *layout, const struct line *line)
{
    return *(const int32_t *)(const void *)((const char *)layout + line->position);
}

static bool is_listed(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = names; at; at = strchr(at, '|'), at += at != NULL)
        if (*at == *name && !strncmp(at, name, length) && (at[length] == '|' || !at[length]))
            return true;
    return false;
}

/* The object line of a type made in C; a class statement can use any name, and means nothing by it. */
static size_t find_object(const struct planner *planner, const struct mx_type *type)
{
    for (size_t i = 0; i < LINE_COUNT && !type->is_python_class; i++)
        if (lines[i].names && value_of(planner->layout, &lines[i]) != MX_ABSENT &&
            is_listed(lines[i].names, type->name))
            return i;
    return LINE_COUNT;
}

static void add_field(struct planner *planner, int64_t offset, uint8_t class, enum mx_edge_naming naming,
                      const char *text)
{
    const struct mx_type *type = planner->type;
    if (offset < 16 || offset > type->basicsize - 8)
        return;
    for (uint32_t i = 0; i < planner->plan.count; i++)
        if (planner->plans->fields.items[planner->plan.first + i].offset == offset)
            return;
    struct mx_plan_field field = {text, (int32_t)offset, class, (uint8_t)naming};
    if (!mx_array_push(&planner->plans->fields, field)) {
        planner->no_memory = true;
        return;
    }
    planner->plan.count++;
    if (class != MX_NO_EDGE && (uint64_t)offset + 8 > planner->plan.extent)
        planner->plan.extent = (uint32_t)offset + 8;
}

/* CPython 3.8, 3.9: the table of lines is of another form, and its attribute has another name. */
static const char *label_of(const struct planner *planner, const struct line *line)
{
    bool is_old = planner->layout->frame.f_stacktop != MX_ABSENT;
    return is_old && line->position == POSITION(code, co_linetable) ? "co_lnotab" : line->label;
}

static void add_object(struct planner *planner, size_t object)
{
    if (!planner->plan.decode)
        planner->plan.decode = lines[object].decode;
    for (size_t i = object + 1; i < LINE_COUNT && !lines[i].names; i++) {
        if (!lines[i].label) {
            if (planner->plan.type_class != MX_NO_EDGE && planner->layout->traverse_shape >= lines[i].since)
                planner->plan.type_class = lines[i].class;
            continue;
        }
        uint8_t class = planner->layout->traverse_shape < lines[i].until ? lines[i].class : (uint8_t)MX_NO_EDGE;
        if (class == MX_EDGE_TRAVERSED)
            class = planner->layout->traverse_shape >= lines[i].since ? planner->plan.traversed : MX_EDGE_OWNED;
        add_field(planner, value_of(planner->layout, &lines[i]), class, MX_NAME_FIELD, label_of(planner, &lines[i]));
    }
}

static void add_members(struct planner *planner, const struct mx_type *type)
{
    struct mx_member member;
    for (struct mx_member_walk walk = mx_members(planner->types, type); mx_member_next(&walk, &member);)
        add_field(planner, member.offset, planner->plan.traversed, MX_NAME_SLOT, member.name);
}

/* The fixed part of a type made in C that no line is about: all that its base does not have. */
static void add_unknown(struct planner *planner, const struct mx_type *type, const struct mx_type *base)
{
    struct mx_plan *plan = &planner->plan;
    uint32_t head = (uint32_t)planner->layout->object.size;
    uint32_t start = base && base->basicsize > head ? (uint32_t)base->basicsize : head;
    uint32_t end = (uint32_t)type->basicsize;
    /* The members of a structseq are its items. */
    if (planner->type->kind == MX_KIND_TUPLE)
        return;
    add_members(planner, type);
    if (type->flags & MX_TPFLAGS_HAVE_GC)
        plan->scanned = plan->traversed;
    if (type->itemsize > 0 && !(base && base->itemsize == type->itemsize))
        plan->scans_items = true;
    if (start >= end)
        return;
    if (plan->scan_start == plan->scan_end)
        plan->scan_start = start, plan->scan_end = end;
    plan->scan_start = start < plan->scan_start ? start : plan->scan_start;
}

static mx_addr weaklist_of(const struct planner *planner, const struct mx_type *type)
{
    return mx_memory_pointer(planner->memory, type->address + (mx_addr)planner->layout->type.tp_weaklistoffset);
}

/* Cython's types are made at run time in newer generations, and do not show it. */
static bool add_cython(struct planner *planner, const struct mx_type *type, const struct mx_type *base)
{
    struct mx_cython_plan cython;
    if (!mx_cython_plan(type, base, (int64_t)weaklist_of(planner, type), &cython))
        return false;
    for (size_t i = 0; i < cython.count; i++)
        add_field(planner, cython.fields[i].offset, cython.fields[i].class, MX_NAME_FIELD, cython.fields[i].text);
    if (!planner->plan.decode)
        planner->plan.decode = cython.decode;
    if (type == planner->type && planner->plan.type_class != MX_NO_EDGE)
        planner->plan.type_class = MX_EDGE_OWNED;
    return true;
}

static bool is_object_type(const struct mx_type *type)
{
    return !type->base && !strcmp(type->name, "object");
}

static void add_bases(struct planner *planner)
{
    const struct mx_types *types = planner->types;
    const struct mx_type *type = planner->type;
    for (unsigned i = 0; type && !is_object_type(type) && i < MX_MOST_BASES; i++) {
        const struct mx_type *base =
            type->base_index < types->types.count ? &types->types.items[type->base_index] : NULL;
        bool is_cython = !type->is_python_class && add_cython(planner, type, base);
        size_t object = is_cython ? LINE_COUNT : find_object(planner, type);
        if (type->is_python_class)
            add_members(planner, type);
        else if (object < LINE_COUNT)
            add_object(planner, object);
        else if (!is_cython)
            add_unknown(planner, type, base);
        type = base;
    }
}

static void add_dict(struct planner *planner)
{
    const struct mx_type *type = planner->type;
    add_field(planner, (int64_t)weaklist_of(planner, type), MX_NO_EDGE, MX_NAME_FIELD, NULL);
    if (type->kind == MX_KIND_TYPE)
        return;
    bool managed = planner->layout->preheader_shape != MX_PREHEADER_GC_ONLY && (type->flags & MX_TPFLAGS_MANAGED_DICT);
    if (managed || type->dictoffset < 0)
        planner->plan.has_storage = true;
    else if (type->dictoffset > 0)
        add_field(planner, type->dictoffset, planner->plan.traversed, MX_NAME_FIELD, "__dict__");
}

/* A class made from a spec without a tp_traverse has that of its static base, which knows of no type to show. */
static bool traverses_like_static(const struct planner *planner)
{
    const struct mx_type *type = planner->type;
    const struct mx_types *types = planner->types;
    const struct mx_type *base = type->base_index < types->types.count ? &types->types.items[type->base_index] : NULL;
    mx_addr offset = (mx_addr)planner->layout->type.tp_traverse;
    mx_addr traverse = mx_memory_pointer(planner->memory, type->address + offset);
    return base && traverse && !(base->flags & MX_TPFLAGS_HEAPTYPE) &&
           mx_memory_pointer(planner->memory, base->address + offset) == traverse;
}

/* A type made at run time is counted by its instances. Types made in C were slow to learn that they should show it. */
static uint8_t class_of_type(const struct planner *planner)
{
    const struct mx_type *type = planner->type;
    if (!(type->flags & MX_TPFLAGS_HEAPTYPE))
        return MX_NO_EDGE;
    bool shown = (type->is_python_class || planner->layout->traverse_shape >= MX_TRAVERSE_3_9) &&
                 !traverses_like_static(planner);
    return shown ? planner->plan.traversed : MX_EDGE_OWNED;
}

/* CPython Objects/structseq.c: items that have names only follow those that have places. */
static uint64_t count_hidden(const struct planner *planner)
{
    const struct mx_runtime *runtime = planner->types->runtime;
    const struct mx_type *type = planner->type;
    uint64_t counts[2] = {0, 0};
    static const char *const names[2] = {"n_sequence_fields", "n_fields"};
    if (type->kind != MX_KIND_TUPLE || type->is_python_class || is_listed("tuple", type->name))
        return 0;
    mx_addr dict = mx_type_dict(planner->types, type->address);
    for (int i = 0; i < 2; i++) {
        mx_addr number = dict ? mx_dict_get(runtime, dict, names[i]) : 0;
        uint32_t digit;
        if (!number || !mx_memory_u32(planner->memory, number + (mx_addr)planner->layout->integer.ob_digit, &digit))
            return 0;
        counts[i] = digit;
    }
    return counts[1] > counts[0] && counts[1] < MOST_HIDDEN ? counts[1] - counts[0] : 0;
}

/* What most objects of a heap have their references in. */
static void find_tables(struct planner *planner)
{
    const struct mx_layout *layout = planner->layout;
    struct mx_plan *plan = &planner->plan;
    if (plan->decode == mx_refer_list) {
        plan->tables[0] = layout->list.ob_item;
    } else if (plan->decode == mx_refer_dict) {
        plan->tables[0] = layout->dict.ma_keys;
        plan->tables[1] = layout->dict.ma_values;
    } else if (plan->decode == mx_refer_set) {
        plan->tables[0] = layout->set.table;
    } else if (plan->has_storage && layout->preheader_shape == MX_PREHEADER_VALUES_DICT) {
        plan->tables[0] = MX_MANAGED_VALUES;
    }
}

bool mx_plan_make(const struct mx_types *types, const struct mx_type *type, struct mx_plans *plans, struct mx_plan *ret)
{
    struct planner planner = {
        .types = types,
        .layout = &types->runtime->layout,
        .memory = types->runtime->memory,
        .type = type,
        .plans = plans,
        .plan = {.first = plans->fields.count, .scanned = MX_EDGE_OWNED},
    };
    planner.plan.traversed = type->flags & MX_TPFLAGS_HAVE_GC ? MX_EDGE_TRAVERSED : MX_EDGE_OWNED;
    planner.plan.type_class = class_of_type(&planner);
    add_bases(&planner);
    add_dict(&planner);
    if (planner.plan.decode == mx_refer_tuple)
        planner.plan.hidden_items = count_hidden(&planner);
    if (planner.plan.decode && planner.plan.extent < 64)
        planner.plan.extent = type->basicsize < 64 ? (uint32_t)type->basicsize : 64;
    find_tables(&planner);
    planner.plan.is_empty = !planner.plan.count && !planner.plan.decode && !planner.plan.has_storage &&
                            planner.plan.type_class == MX_NO_EDGE && !planner.plan.scans_items &&
                            planner.plan.scan_start >= planner.plan.scan_end;
    *ret = planner.plan;
    return !planner.no_memory;
}
