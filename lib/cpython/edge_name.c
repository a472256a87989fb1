/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of references, made when they are shown: as a label for people, or as
 * the piece of Python that leads from the one object to the other.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpython/referents.h"
#include "cpython/show.h"
#include "cpython/str.h"

enum {
    MOST_LABEL = 40,     /* characters of a key in a label */
    MOST_KEY_ITEMS = 16, /* of a tuple that is a key in an expression */
    MOST_NAME = 512,
};

/* CPython Lib/str.isidentifier, for names that need no table of Unicode: others have no expression. */
static bool is_identifier(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_')
            return false;
    return true;
}

static bool is_scalar(const struct mx_types *types, mx_addr object)
{
    const struct mx_type *type = mx_type_of(types, object);
    if (!type || type->is_python_class)
        return false;
    switch (type->kind) {
    case MX_KIND_NONE:
    case MX_KIND_BOOL:
    case MX_KIND_INT:
    case MX_KIND_STR:
    case MX_KIND_BYTES:
        return true;
    default:
        return false;
    }
}

/* Whether repr() of the key is Python that makes an equal one. */
static bool is_literal(const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    const struct mx_memory *memory = types->runtime->memory;
    const struct mx_type *type = mx_type_of(types, object);
    if (!type || type->kind != MX_KIND_TUPLE || type->is_python_class || strcmp(type->name, "tuple") != 0)
        return is_scalar(types, object);
    uint64_t count = mx_memory_pointer(memory, object + (mx_addr)layout->var_object.ob_size);
    for (uint64_t i = 0; i < count && count <= MOST_KEY_ITEMS; i++)
        if (!is_scalar(types, mx_memory_pointer(memory, object + (mx_addr)layout->tuple.ob_item + 8 * i)))
            return false;
    return count <= MOST_KEY_ITEMS;
}

/* prefix + repr + suffix; false when it does not fit and must (`whole`). */
static bool put_value(const struct mx_types *types, mx_addr object, const char *prefix, const char *suffix, bool whole,
                      char *buffer, size_t size)
{
    struct mx_show_options options = {.one_line = true};
    if (!whole)
        options = (struct mx_show_options){.depth = 2, .items = 3, .characters = MOST_LABEL, .one_line = true};
    char *text = NULL;
    struct mx_error *error = mx_show(types, object, &options, &text);
    int length = snprintf(buffer, size, "%s%s%s", prefix, error ? "?" : text, suffix);
    bool good = !whole || (!error && length >= 0 && (size_t)length < size);
    mx_error_free(error);
    free(text);
    return good;
}

/* The text of a str that is a name. */
static bool read_name(const struct mx_types *types, mx_addr object, char *name, size_t size)
{
    struct mx_str str;
    return mx_str_read(types->runtime, object, &str) && str.length < size / 4 &&
           mx_str_utf8(types->runtime, object, name, size) >= 0;
}

static bool name_attribute(const char *name, enum mx_edge_style style, char *buffer, size_t size)
{
    int length = snprintf(buffer, size, ".%s", name);
    return style == MX_EDGE_LABEL || (is_identifier(name) && length >= 0 && (size_t)length < size);
}

static bool name_field(const char *name, enum mx_edge_style style, char *buffer, size_t size)
{
    if (style == MX_EDGE_EXPRESSION)
        return name_attribute(name, style, buffer, size);
    snprintf(buffer, size, "%s", name);
    return true;
}

static bool name_field_index(const struct mx_edge *edge, enum mx_edge_style style, char *buffer, size_t size)
{
    const char *dot = style == MX_EDGE_EXPRESSION ? "." : "";
    int length = snprintf(buffer, size, "%s%s[%" PRIu64 "]", dot, edge->detail.text, edge->detail.index);
    return style == MX_EDGE_LABEL || (is_identifier(edge->detail.text) && length >= 0 && (size_t)length < size);
}

/* Named by a str of the target. */
static bool name_by_object(const struct mx_types *types, const struct mx_edge *edge, enum mx_edge_style style,
                           char *buffer, size_t size)
{
    char name[MOST_NAME];
    if (!read_name(types, edge->detail.object, name, sizeof(name)))
        snprintf(name, sizeof(name), "?");
    if (edge->naming == MX_NAME_ATTRIBUTE)
        return name_attribute(name, style, buffer, size);
    snprintf(buffer, size, "local %s", name);
    return style == MX_EDGE_LABEL;
}

static bool name_edge(const struct mx_types *types, const struct mx_edge *edge, enum mx_edge_style style, char *buffer,
                      size_t size)
{
    bool whole = style == MX_EDGE_EXPRESSION;
    switch ((enum mx_edge_naming)edge->naming) {
    case MX_NAME_FIELD:
        return name_field(edge->detail.text, style, buffer, size);
    case MX_NAME_TYPE:
        return name_field("__class__", style, buffer, size);
    case MX_NAME_INDEX:
        snprintf(buffer, size, "[%" PRIu64 "]", edge->detail.index);
        return true;
    case MX_NAME_KEY:
        return (!whole || is_literal(types, edge->detail.object)) &&
               put_value(types, edge->detail.object, "[", "]", whole, buffer, size);
    case MX_NAME_KEY_ITSELF:
        return !whole && put_value(types, edge->detail.object, "key ", "", false, buffer, size);
    case MX_NAME_SLOT:
        return name_attribute(edge->detail.text, style, buffer, size);
    case MX_NAME_FIELD_INDEX:
        return name_field_index(edge, style, buffer, size);
    case MX_NAME_OFFSET:
        snprintf(buffer, size, "+0x%" PRIx64 "?", edge->detail.index);
        return !whole;
    default:
        return name_by_object(types, edge, style, buffer, size);
    }
}

bool mx_edge_name(const struct mx_types *types, const struct mx_edge *edge, enum mx_edge_style style, char *buffer,
                  size_t size)
{
    if (!size)
        return false;
    bool named = name_edge(types, edge, style, buffer, size);
    if (!named)
        buffer[0] = '\0';
    return named;
}
