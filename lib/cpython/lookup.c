/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes and items by way of the decoders of references: what has a name
 * there can be asked for by that name.
 */
#include "cpython/lookup.h"

#include "cpython/dict.h"
#include "cpython/str.h"

enum { MOST_BASES = 256, MOST_NAME = 512 };

mx_addr mx_lookup_modules(const struct mx_types *types)
{
    const struct mx_runtime *runtime = types->runtime;
    int32_t offset = runtime->layout.interpreter.modules;
    if (!runtime->interpreters.count || offset < 0)
        return 0;
    return mx_memory_pointer(runtime->memory, runtime->interpreters.items[0].address + (mx_addr)offset);
}

struct search {
    const struct mx_referents *referents;
    const char *name;
    size_t length;
    mx_addr found;
};

static bool compare_edge(void *context, const struct mx_edge *edge)
{
    struct search *search = context;
    char name[MOST_NAME];
    if (edge->naming == MX_NAME_INDEX || edge->naming == MX_NAME_KEY || edge->naming == MX_NAME_KEY_ITSELF ||
        edge->naming == MX_NAME_OFFSET)
        return true;
    if (!mx_edge_name(search->referents->types, edge, MX_EDGE_EXPRESSION, name, sizeof(name)) || name[0] != '.' ||
        strcmp(name + 1, search->name) != 0)
        return true;
    search->found = edge->target;
    return false;
}

static mx_addr own_field(const struct mx_referents *referents, mx_addr object, const char *name)
{
    struct search search = {.referents = referents, .name = name};
    const struct mx_type *type = mx_type_of(referents->types, object);
    if (type)
        mx_referents_each(referents, type, object, compare_edge, &search);
    return search.found;
}

static bool compare_key(void *context, mx_addr key, mx_addr value)
{
    struct search *search = context;
    char text[MOST_NAME];
    int length = mx_str_utf8(search->referents->types->runtime, key, text, sizeof(text));
    if (length < 0 || (size_t)length != search->length || memcmp(text, search->name, search->length) != 0)
        return true;
    search->found = value;
    return false;
}

static mx_addr own_attribute(const struct mx_referents *referents, mx_addr object, const char *name)
{
    struct search search = {.referents = referents, .name = name, .length = strlen(name)};
    search.found = own_field(referents, object, name);
    mx_addr dict = search.found ? 0 : own_field(referents, object, "__dict__");
    const struct mx_type *type = dict ? mx_type_of(referents->types, dict) : NULL;
    if (type && (type->kind == MX_KIND_DICT || type->kind == MX_KIND_ORDERED_DICT))
        mx_dict_each(referents->types->runtime, dict, compare_key, &search);
    return search.found;
}

/* The type's method resolution order; where that is no tuple, its bases. */
static mx_addr attribute_of_bases(const struct mx_referents *referents, const struct mx_type *type, const char *name)
{
    const struct mx_runtime *runtime = referents->types->runtime;
    mx_addr mro = mx_memory_pointer(runtime->memory, type->address + (mx_addr)runtime->layout.type.tp_mro);
    const struct mx_type *mro_type = mro ? mx_type_of(referents->types, mro) : NULL;
    uint64_t count = 0;
    if (mro_type && mro_type->kind == MX_KIND_TUPLE)
        mx_memory_u64(runtime->memory, mro + (mx_addr)runtime->layout.var_object.ob_size, &count);
    mx_addr found = count ? 0 : own_attribute(referents, type->address, name);
    for (uint64_t i = 0; !found && i < count && i < MOST_BASES; i++) {
        mx_addr base = mx_memory_pointer(runtime->memory, mro + (mx_addr)runtime->layout.tuple.ob_item + 8 * i);
        if (mx_types_find(referents->types, base))
            found = own_attribute(referents, base, name);
    }
    return found;
}

mx_addr mx_lookup_attribute(const struct mx_referents *referents, mx_addr object, const char *name)
{
    const struct mx_type *type = mx_type_of(referents->types, object);
    if (!type)
        return 0;
    if (!strcmp(name, "__class__"))
        return type->address;
    mx_addr found = own_attribute(referents, object, name);
    const struct mx_type *self = mx_types_find(referents->types, object);
    if (!found && self)
        found = attribute_of_bases(referents, self, name);
    return found ? found : attribute_of_bases(referents, type, name);
}

struct item_search {
    const struct mx_types *types;
    const struct mx_literal *key;
    int64_t index;
    uint64_t length;
    mx_addr found;
};

static bool compare_literal(void *context, mx_addr key, mx_addr value)
{
    struct item_search *search = context;
    if (!mx_literal_equals(search->key, search->types, key))
        return true;
    search->found = value;
    return false;
}

static bool compare_index(void *context, const struct mx_edge *edge)
{
    struct item_search *search = context;
    if (edge->naming != MX_NAME_INDEX || edge->detail.index != (uint64_t)search->index)
        return true;
    search->found = edge->target;
    return false;
}

static bool count_items(void *context, const struct mx_edge *edge)
{
    struct item_search *search = context;
    if (edge->naming == MX_NAME_INDEX && edge->detail.index >= search->length)
        search->length = edge->detail.index + 1;
    return true;
}

static bool is_dict(const struct mx_type *type)
{
    return type->kind == MX_KIND_DICT || type->kind == MX_KIND_ORDERED_DICT;
}

bool mx_lookup_length(const struct mx_referents *referents, mx_addr object, uint64_t *ret)
{
    struct item_search search = {.types = referents->types};
    const struct mx_type *type = mx_type_of(referents->types, object);
    if (!type || is_dict(type))
        return false;
    mx_referents_each(referents, type, object, count_items, &search);
    *ret = search.length;
    return search.length || type->kind == MX_KIND_LIST || type->kind == MX_KIND_TUPLE || type->kind == MX_KIND_DEQUE;
}

mx_addr mx_lookup_item(const struct mx_referents *referents, mx_addr object, const struct mx_literal *key)
{
    struct item_search search = {.types = referents->types, .key = key, .index = key->index};
    const struct mx_type *type = mx_type_of(referents->types, object);
    uint64_t length;
    if (type && is_dict(type)) {
        mx_dict_each(referents->types->runtime, object, compare_literal, &search);
    } else if (key->is_index && mx_lookup_length(referents, object, &length)) {
        if (search.index < 0)
            search.index += (int64_t)length;
        mx_referents_each(referents, type, object, compare_index, &search);
    }
    return search.found;
}

struct naming {
    const struct mx_types *types;
    mx_name_visit visit;
    void *context;
};

static bool name_key(void *context, mx_addr key, mx_addr value)
{
    (void)value;
    struct naming *naming = context;
    char text[MOST_NAME];
    if (mx_str_utf8(naming->types->runtime, key, text, sizeof(text)) >= 0)
        naming->visit(naming->context, text);
    return true;
}

static bool name_edge(void *context, const struct mx_edge *edge)
{
    struct naming *naming = context;
    char name[MOST_NAME];
    if (edge->naming != MX_NAME_INDEX && edge->naming != MX_NAME_KEY &&
        mx_edge_name(naming->types, edge, MX_EDGE_EXPRESSION, name, sizeof(name)) && name[0] == '.')
        naming->visit(naming->context, name + 1);
    return true;
}

void mx_lookup_names(const struct mx_referents *referents, mx_addr object, bool keys, mx_name_visit visit,
                     void *context)
{
    struct naming naming = {referents->types, visit, context};
    const struct mx_type *type = mx_type_of(referents->types, object);
    if (!type)
        return;
    mx_addr dict = keys ? object : own_field(referents, object, "__dict__");
    const struct mx_type *dict_type = dict ? mx_type_of(referents->types, dict) : NULL;
    if (dict_type && is_dict(dict_type))
        mx_dict_each(referents->types->runtime, dict, name_key, &naming);
    if (!keys)
        mx_referents_each(referents, type, object, name_edge, &naming);
}

mx_addr mx_lookup_module(const struct mx_referents *referents, mx_addr modules, const char *name, size_t length)
{
    struct mx_literal key = {.kind = MX_LITERAL_STR};
    bool ok = true;
    for (size_t i = 0; ok && i < length; i++)
        ok = mx_array_push(&key.text, (unsigned char)name[i]);
    mx_addr found = ok ? mx_lookup_item(referents, modules, &key) : 0;
    mx_literal_deinit(&key);
    return found;
}
