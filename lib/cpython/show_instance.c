/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what instances have of their own: attributes in dicts, values arrays
 * and slots, and the form of enum members, which are told by theirs.
 */
#include "cpython/dict.h"
#include "cpython/member.h"
#include "cpython/shower.h"
#include "cpython/str.h"

enum {
    MOST_BASES = 64,   /* of a class, that are searched for slots */
    MOST_ITEMS = 1000, /* of a named tuple */
};

struct attributes {
    struct mx_shower *shower;
    uint64_t shown, total;
    bool lines; /* one a line */
    bool too_deep;
};

/* Prints what stands before an attribute's name; false when it is over a limit and only counted. */
static bool begin_attribute(struct attributes *attributes)
{
    const struct mx_show_options *options = &attributes->shower->options;
    attributes->total++;
    if (attributes->too_deep || (options->items && attributes->shown >= options->items))
        return false;
    if (attributes->lines)
        mx_show_put(attributes->shower, "\n    ", 5);
    else if (attributes->shown)
        mx_show_put(attributes->shower, ", ", 2);
    else
        mx_show_put(attributes->shower, " {", 2);
    attributes->shown++;
    return true;
}

static void end_attribute(struct attributes *attributes, mx_addr value)
{
    mx_show_put(attributes->shower, attributes->lines ? " = " : "=", attributes->lines ? 3 : 1);
    mx_show_value(attributes->shower, value);
}

static bool show_attribute(void *context, mx_addr key, mx_addr value)
{
    struct attributes *attributes = context;
    if (begin_attribute(attributes)) {
        mx_show_name(attributes->shower, key);
        end_attribute(attributes, value);
    }
    return !mx_show_is_over(attributes->shower);
}

static void show_slots(struct attributes *attributes, const struct mx_type *type, mx_addr object)
{
    struct mx_shower *shower = attributes->shower;
    struct mx_member member;
    for (struct mx_member_walk walk = mx_members(shower->types, type); mx_member_next(&walk, &member);) {
        if ((uint64_t)member.offset >= (uint64_t)type->basicsize)
            continue;
        mx_addr value = mx_memory_pointer(shower->memory, object + (mx_addr)member.offset);
        if (value && begin_attribute(attributes)) {
            mx_show_text(shower, member.name);
            end_attribute(attributes, value);
        }
    }
}

/* From the outermost base inwards, as they were declared. Only heap types' members are slots of classes. */
static void show_all_slots(struct attributes *attributes, const struct mx_type *type, mx_addr object)
{
    const struct mx_types *types = attributes->shower->types;
    const struct mx_type *chain[MOST_BASES];
    unsigned count = 0;
    for (; type && (type->flags & MX_TPFLAGS_HEAPTYPE) && count < MOST_BASES; count++) {
        chain[count] = type;
        type = type->base_index < types->types.count ? &types->types.items[type->base_index] : NULL;
    }
    while (count-- > 0)
        show_slots(attributes, chain[count], object);
}

/* Whether the class of an instance was made by enum's metaclass ("EnumMeta" before 3.11, "EnumType" since). */
static bool is_enum_class(const struct mx_shower *shower, const struct mx_type *type)
{
    const struct mx_type *meta = type->is_python_class ? mx_type_of(shower->types, type->address) : NULL;
    for (unsigned i = 0; meta && meta->is_python_class && i < MOST_BASES; i++) {
        if (!strcmp(meta->name, "enum.EnumMeta") || !strcmp(meta->name, "enum.EnumType"))
            return true;
        meta = mx_types_find(shower->types, meta->base);
    }
    return false;
}

/* Modules and classes have too many names to print them where they are but mentioned; enum members show theirs. */
static bool has_attributes(const struct mx_shower *shower, const struct mx_type *type)
{
    switch (type->kind) {
    case MX_KIND_TYPE:
    case MX_KIND_MODULE:
        return shower->path_length == 1;
    case MX_KIND_FUNCTION:
    case MX_KIND_CFUNCTION:
        return false;
    default:
        return !is_enum_class(shower, type);
    }
}

void mx_show_attributes(struct mx_shower *shower, const struct mx_type *type, mx_addr object)
{
    if (!has_attributes(shower, type))
        return;
    shower->containers++;
    struct attributes attributes = {
        .shower = shower,
        .lines = shower->path_length == 1 && !shower->options.one_line,
        .too_deep = shower->options.depth && shower->containers > shower->options.depth,
    };
    show_all_slots(&attributes, type, object);
    mx_attributes_each(shower->types, type, object, show_attribute, &attributes);
    if (attributes.shown && attributes.shown < attributes.total)
        mx_show_print(shower, "%s…+%llu more", attributes.lines ? "\n    " : ", ",
                      (unsigned long long)(attributes.total - attributes.shown));
    if (attributes.shown && !attributes.lines)
        mx_show_put(shower, "}", 1);
    shower->containers--;
}

struct member {
    const struct mx_runtime *runtime;
    mx_addr name, value;
};

static bool find_member_parts(void *context, mx_addr key, mx_addr value)
{
    struct member *member = context;
    if (mx_str_equals(member->runtime, key, "_name_"))
        member->name = value;
    else if (mx_str_equals(member->runtime, key, "_value_"))
        member->value = value;
    return true;
}

/* CPython Lib/enum.py: Enum.__repr__ */
bool mx_show_enum_member(struct mx_shower *shower, const struct mx_type *type, mx_addr object)
{
    struct member member = {shower->runtime, 0, 0};
    if (!is_enum_class(shower, type))
        return false;
    mx_attributes_each(shower->types, type, object, find_member_parts, &member);
    if (!member.value)
        return false;
    struct mx_str name;
    mx_show_put(shower, "<", 1);
    mx_show_text(shower, mx_show_short_name(type));
    if (member.name && mx_str_read(shower->runtime, member.name, &name)) {
        mx_show_put(shower, ".", 1);
        mx_show_name(shower, member.name);
    }
    mx_show_put(shower, ": ", 2);
    mx_show_value(shower, member.value);
    mx_show_put(shower, ">", 1);
    return true;
}

/* CPython Lib/collections/__init__.py: namedtuple. The class keeps the names of the items in `_fields`. */
bool mx_show_named_tuple(struct mx_shower *shower, const struct mx_type *type, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    if (type->kind != MX_KIND_TUPLE || !type->is_python_class)
        return false;
    mx_addr fields = mx_dict_get(shower->runtime, mx_show_word(shower, type->address, layout->type.tp_dict), "_fields");
    const struct mx_type *fields_type = fields ? mx_type_of(shower->types, fields) : NULL;
    uint64_t count = mx_show_word(shower, object, layout->var_object.ob_size);
    if (!fields_type || fields_type->kind != MX_KIND_TUPLE || count > MOST_ITEMS ||
        mx_show_word(shower, fields, layout->var_object.ob_size) != count)
        return false;
    mx_show_text(shower, mx_show_short_name(type));
    mx_show_open(shower, "(");
    uint64_t shown = 0;
    for (; shown < count && mx_show_next(shower, shown); shown++) {
        uint64_t item = (uint64_t)layout->tuple.ob_item + 8 * shown;
        mx_show_name(shower, mx_memory_pointer(shower->memory, fields + item));
        mx_show_put(shower, "=", 1);
        mx_show_value(shower, mx_memory_pointer(shower->memory, object + item));
    }
    mx_show_rest(shower, shown, count);
    mx_show_close(shower, ")");
    return true;
}
