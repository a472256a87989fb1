/* SPDX-License-Identifier: Apache-2.0
 *
 * Dicts as two structures: a keys table, and for instances' dicts values
 * beside it. It knows entries, insertion order and where instances keep their
 * attributes; what keys and values mean it does not.
 *
 *   combined   dict --ma_keys--> [header | index | {hash, key, value}...]
 *   split      dict --ma_keys--> [header | index | {key, -}...]   one a class
 *                   --ma_values--> [value...]                     one a dict
 */
#include "cpython/dict.h"

#include "cpython/str.h"

/* A table of 2^40 places would fill any address space that a core can hold. */
#define MOST_LOG2_SIZE 40

/* CPython Objects/dictobject.c: USABLE_FRACTION */
static uint64_t usable_fraction(uint64_t size)
{
    return (size << 1) / 3;
}

static bool read_size_word(const struct mx_layout *layout, const uint8_t *header, struct mx_dict_keys *ret)
{
    uint64_t size = mx_load_u64(header + layout->dict_keys.dk_size);
    if (!size || size > UINT64_C(1) << MOST_LOG2_SIZE || (size & (size - 1)))
        return false;
    uint64_t index_width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
    ret->size = size;
    ret->lookup = mx_load_u64(header + layout->dict_keys.dk_lookup);
    ret->entry_size = 24;
    ret->first = index_width * size;
    return true;
}

static bool read_log2(const struct mx_layout *layout, const uint8_t *header, struct mx_dict_keys *ret)
{
    unsigned log2_size = header[layout->dict_keys.dk_log2_size];
    unsigned log2_index = header[layout->dict_keys.dk_log2_index_bytes];
    unsigned kind = header[layout->dict_keys.dk_kind];
    if (log2_size > MOST_LOG2_SIZE || log2_index < log2_size || log2_index > log2_size + 3 || kind > 2)
        return false;
    ret->size = UINT64_C(1) << log2_size;
    ret->entry_size = kind == 0 ? 24 : 16;
    ret->first = UINT64_C(1) << log2_index;
    return true;
}

bool mx_dict_keys_parse(const struct mx_layout *layout, mx_addr keys, const uint8_t *header, struct mx_dict_keys *ret)
{
    struct mx_dict_keys read = {0};
    if (!(layout->dict_shape == MX_DICT_LOG2 ? read_log2 : read_size_word)(layout, header, &read))
        return false;
    read.refcount = mx_load_i64(header + layout->dict_keys.dk_refcnt);
    read.usable = mx_load_u64(header + layout->dict_keys.dk_usable);
    read.entries = mx_load_u64(header + layout->dict_keys.dk_nentries);
    uint64_t places = usable_fraction(read.size);
    if (read.entries > places || read.usable > places)
        return false;
    uint64_t before_entries = (uint64_t)layout->dict_keys.dk_indices + read.first;
    read.bytes = before_entries + read.entry_size * places;
    read.first = keys + before_entries;
    *ret = read;
    return true;
}

bool mx_dict_keys_read(const struct mx_runtime *runtime, mx_addr keys, struct mx_dict_keys *ret)
{
    const uint8_t *header = mx_memory_view(runtime->memory, keys, (size_t)runtime->layout.dict_keys.size);
    return header && mx_dict_keys_parse(&runtime->layout, keys, header, ret);
}

/* Entries with the keys' bytes in view. */
struct table {
    struct mx_dict_keys keys;
    const uint8_t *entries;
};

static bool open_table(const struct mx_runtime *runtime, mx_addr keys, struct table *ret)
{
    if (!mx_dict_keys_read(runtime, keys, &ret->keys) || !ret->keys.entries)
        return false;
    ret->entries = mx_memory_view(runtime->memory, ret->keys.first, (size_t)(ret->keys.entries * ret->keys.entry_size));
    return ret->entries != NULL;
}

/* A hash stands before the key in general tables; the value is the last word in all. */
static mx_addr key_of(const struct table *table, uint64_t index)
{
    return mx_load_u64(table->entries + (index + 1) * table->keys.entry_size - 16);
}

static mx_addr value_of(const struct table *table, uint64_t index)
{
    return mx_load_u64(table->entries + (index + 1) * table->keys.entry_size - 8);
}

static size_t visit_combined(const struct table *table, mx_dict_visit visit, void *context)
{
    size_t visited = 0;
    for (uint64_t i = 0; i < table->keys.entries; i++) {
        mx_addr key = key_of(table, i), value = value_of(table, i);
        if (!key || !value)
            continue;
        visited++;
        if (!visit(context, key, value))
            break;
    }
    return visited;
}

/* A values array: where its items are and in which order they were set. */
struct values {
    mx_addr items;
    uint64_t capacity;
    const uint8_t *order; /* of the first one set; NULL = in the order of the keys */
    int step;             /* from one order byte to the next */
    uint64_t count;
};

/* CPython 3.11, 3.12: the order grows downwards from two size bytes before the array. */
static bool open_prefixed_values(const struct mx_memory *memory, mx_addr address, struct values *ret)
{
    uint8_t prefix;
    if (!mx_memory_u8(memory, address - 1, &prefix) || prefix < 2)
        return false;
    const uint8_t *start = mx_memory_view(memory, address - prefix, prefix);
    if (!start)
        return false;
    uint8_t count = start[prefix - 2];
    if (count > prefix - 2)
        return false;
    *ret = (struct values){address, prefix - 2U, count ? start + prefix - 3 : NULL, -1, count};
    return true;
}

/* CPython 3.13+: the order stands behind the array. */
static bool open_headed_values(const struct mx_runtime *runtime, mx_addr address, struct values *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    size_t items = (size_t)layout->dict_values.values;
    const uint8_t *header = mx_memory_view(runtime->memory, address, items);
    if (!header)
        return false;
    uint8_t capacity = header[layout->dict_values.capacity], count = header[layout->dict_values.size_];
    if (count > capacity)
        return false;
    const uint8_t *order =
        count ? mx_memory_view(runtime->memory, address + items + UINT64_C(8) * capacity, count) : NULL;
    *ret = (struct values){address + items, capacity, order, 1, count};
    return order || !count;
}

static bool open_values(const struct mx_runtime *runtime, mx_addr address, const struct table *table,
                        struct values *ret)
{
    switch (runtime->layout.values_shape) {
    case MX_VALUES_PREFIX:
        return open_prefixed_values(runtime->memory, address, ret);
    case MX_VALUES_HEADER:
        return open_headed_values(runtime, address, ret);
    default:
        *ret = (struct values){address, usable_fraction(table->keys.size), NULL, 0, table->keys.entries};
        return true;
    }
}

static size_t visit_split(const struct mx_runtime *runtime, const struct table *table, mx_addr address,
                          mx_dict_visit visit, void *context)
{
    struct values values;
    size_t visited = 0;
    if (!open_values(runtime, address, table, &values))
        return 0;
    uint64_t places = values.capacity < table->keys.entries ? values.capacity : table->keys.entries;
    const uint8_t *items = mx_memory_view(runtime->memory, values.items, (size_t)(8 * places));
    if (!items)
        return 0;
    for (uint64_t i = 0; i < values.count; i++) {
        uint64_t index = values.order ? values.order[(int64_t)i * values.step] : i;
        if (index >= places)
            continue;
        mx_addr key = key_of(table, index), value = mx_load_u64(items + 8 * index);
        if (!key || !value)
            continue;
        visited++;
        if (!visit(context, key, value))
            break;
    }
    return visited;
}

static size_t visit_keys_and_values(const struct mx_runtime *runtime, mx_addr keys, mx_addr values, mx_dict_visit visit,
                                    void *context)
{
    struct table table;
    if (!open_table(runtime, keys, &table))
        return 0;
    return values ? visit_split(runtime, &table, values, visit, context) : visit_combined(&table, visit, context);
}

size_t mx_dict_each(const struct mx_runtime *runtime, mx_addr dict, mx_dict_visit visit, void *context)
{
    const struct mx_layout *layout = &runtime->layout;
    const uint8_t *header = mx_memory_view(runtime->memory, dict, (size_t)layout->dict.size);
    if (!header)
        return 0;
    return visit_keys_and_values(runtime, mx_load_u64(header + layout->dict.ma_keys),
                                 mx_load_u64(header + layout->dict.ma_values), visit, context);
}

struct search {
    const struct mx_runtime *runtime;
    const char *key;
    mx_addr found;
};

static bool compare_key(void *context, mx_addr key, mx_addr value)
{
    struct search *search = context;
    if (!mx_str_equals(search->runtime, key, search->key))
        return true;
    search->found = value;
    return false;
}

mx_addr mx_dict_get(const struct mx_runtime *runtime, mx_addr dict, const char *key)
{
    struct search search = {runtime, key, 0};
    mx_dict_each(runtime, dict, compare_key, &search);
    return search.found;
}

/* Items of a variable-sized object; ints of 3.12+ keep theirs in lv_tag. */
static bool count_items(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object, uint64_t *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    uint64_t word;
    if (!mx_memory_u64(runtime->memory, object + (uint64_t)layout->var_object.ob_size, &word))
        return false;
    if (layout->int_shape == MX_INT_LV_TAG && (type->flags & MX_TPFLAGS_LONG_SUBCLASS))
        *ret = word >> 3;
    else
        *ret = (int64_t)word < 0 ? 0 - word : word;
    return *ret < UINT64_C(1) << MOST_LOG2_SIZE;
}

/* CPython Objects/object.c: _PyObject_GetDictPtr. The dict or 0. */
static mx_addr dict_at_offset(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object)
{
    int64_t offset = type->dictoffset;
    if (offset < 0) {
        uint64_t items;
        if (type->basicsize < 0 || type->basicsize > INT32_MAX || type->itemsize < 0 || type->itemsize > INT16_MAX ||
            !count_items(runtime, type, object, &items))
            return 0;
        uint64_t end = ((uint64_t)type->basicsize + items * (uint64_t)type->itemsize + 7) & ~UINT64_C(7);
        return mx_memory_pointer(runtime->memory, object + end + (uint64_t)offset);
    }
    return offset ? mx_memory_pointer(runtime->memory, object + (uint64_t)offset) : 0;
}

static mx_addr inline_values(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object)
{
    mx_addr values = object + (uint64_t)type->basicsize;
    uint8_t valid;
    if (!(type->flags & MX_TPFLAGS_INLINE_VALUES))
        return 0;
    if (!mx_memory_u8(runtime->memory, values + (uint64_t)runtime->layout.dict_values.valid, &valid) || !valid)
        return 0;
    return values;
}

static struct mx_storage managed_storage(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object)
{
    const struct mx_memory *memory = runtime->memory;
    uint64_t distance = runtime->layout.preheader_shape == MX_PREHEADER_NO_GC ? 8 : 24;
    mx_addr word = mx_memory_pointer(memory, object - distance);
    switch (runtime->layout.preheader_shape) {
    case MX_PREHEADER_VALUES_DICT:
        return (struct mx_storage){word, mx_memory_pointer(memory, object + (uint64_t)(int64_t)MX_MANAGED_VALUES)};
    case MX_PREHEADER_WEAKREF_TAGGED:
        return word & 1 ? (struct mx_storage){0, word + 1} : (struct mx_storage){word, 0};
    default:
        return (struct mx_storage){word, inline_values(runtime, type, object)};
    }
}

struct mx_storage mx_attributes_storage(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr object)
{
    if (runtime->layout.preheader_shape != MX_PREHEADER_GC_ONLY && (type->flags & MX_TPFLAGS_MANAGED_DICT))
        return managed_storage(runtime, type, object);
    return (struct mx_storage){dict_at_offset(runtime, type, object), 0};
}

size_t mx_values_each(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr values, mx_dict_visit visit,
                      void *context)
{
    mx_addr keys =
        mx_memory_pointer(runtime->memory, type->address + (uint64_t)runtime->layout.heap_type.ht_cached_keys);
    return keys ? visit_keys_and_values(runtime, keys, values, visit, context) : 0;
}

mx_addr mx_values_block(const struct mx_runtime *runtime, mx_addr values)
{
    uint8_t byte = 0;
    switch (runtime->layout.values_shape) {
    case MX_VALUES_PREFIX:
        return mx_memory_u8(runtime->memory, values - 1, &byte) ? values - byte : 0;
    case MX_VALUES_HEADER:
        mx_memory_u8(runtime->memory, values + (uint64_t)runtime->layout.dict_values.embedded, &byte);
        return byte ? 0 : values;
    default:
        return values;
    }
}

size_t mx_attributes_each(const struct mx_types *types, const struct mx_type *type, mx_addr object, mx_dict_visit visit,
                          void *context)
{
    const struct mx_runtime *runtime = types->runtime;
    struct mx_storage storage = mx_attributes_storage(runtime, type, object);
    if (storage.values)
        return mx_values_each(runtime, type, storage.values, visit, context);
    return storage.dict ? mx_dict_each(runtime, storage.dict, visit, context) : 0;
}
