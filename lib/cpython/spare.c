/* SPDX-License-Identifier: Apache-2.0
 *
 * How large the tables of lists, dicts and sets are, and how large they would
 * be made for what is in them now. Counts are believed only where the memory
 * that they claim is there.
 */
#include "cpython/spare.h"

#include "cpython/dict.h"

/* More items than any address space holds. */
#define MOST_ITEMS (UINT64_C(1) << 40)

enum {
    DICT_LEAST = 8,  /* CPython Objects/dictobject.c: PyDict_MINSIZE; smaller tables are static */
    SET_LEAST = 8,   /* CPython Include/setobject.h: PySet_MINSIZE, inside the object */
    SET_PLACE = 16,  /* a key and its hash */
    MOST_SMALL = 21, /* a set keeps the table inside as long as 5 * items are fewer */
};

static uint64_t word_at(const struct mx_runtime *runtime, mx_addr object, int32_t offset)
{
    return offset < 0 ? 0 : mx_memory_pointer(runtime->memory, object + (uint64_t)offset);
}

static bool list_spare(const struct mx_runtime *runtime, mx_addr list, struct mx_spare *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    uint64_t used = word_at(runtime, list, layout->var_object.ob_size);
    uint64_t places = word_at(runtime, list, layout->list.allocated);
    if (places >= MOST_ITEMS || used >= places)
        return false;
    *ret = (struct mx_spare){used, places, 8 * (places - used)};
    return mx_memory_view(runtime->memory, word_at(runtime, list, layout->list.ob_item), (size_t)(8 * places));
}

/* CPython Objects/dictobject.c: dictresize() takes the smallest power of two with room; 0 entries need no table. */
static uint64_t dict_places(uint64_t used)
{
    uint64_t size = DICT_LEAST;
    while (used > 2 * size / 3)
        size *= 2;
    return used ? size : 0;
}

static uint64_t table_bytes(const struct mx_layout *layout, uint64_t size, uint64_t entry_size)
{
    uint64_t index_width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
    return size ? (uint64_t)layout->dict_keys.dk_indices + index_width * size + entry_size * (2 * size / 3) : 0;
}

/* Nodes by place of the table, which an OrderedDict has beside it. (CPython Objects/odictobject.c) */
static uint64_t spare_nodes(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr dict, uint64_t needed)
{
    if (type->kind != MX_KIND_ORDERED_DICT)
        return 0;
    uint64_t size = word_at(runtime, dict, runtime->layout.ordered_dict.od_fast_nodes_size);
    return size > needed && size < MOST_ITEMS ? 8 * (size - needed) : 0;
}

static bool combined_spare(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr dict, uint64_t used,
                           const struct mx_dict_keys *keys, mx_addr table, struct mx_spare *ret)
{
    uint64_t needed = dict_places(used);
    if (keys->size < DICT_LEAST || needed >= keys->size || !mx_memory_view(runtime->memory, table, (size_t)keys->bytes))
        return false;
    uint64_t bytes = keys->bytes - table_bytes(&runtime->layout, needed, keys->entry_size);
    *ret = (struct mx_spare){used, 2 * keys->size / 3, bytes + spare_nodes(runtime, type, dict, needed)};
    return true;
}

/* Places of the values beside shared keys; as mx_dict_tables_size() counts them. */
static uint64_t value_places(const struct mx_layout *layout, const struct mx_dict_keys *keys)
{
    return layout->values_shape == MX_VALUES_PLAIN ? 2 * keys->size / 3 : keys->entries + keys->usable;
}

/* The keys are the class's. One place more than there are entries is what every instance has. */
static bool split_spare(const struct mx_runtime *runtime, uint64_t used, const struct mx_dict_keys *keys,
                        mx_addr values, struct mx_spare *ret)
{
    uint64_t places = value_places(&runtime->layout, keys), needed = 2 * dict_places(used) / 3;
    mx_addr block = mx_values_block(runtime, values);
    needed = needed > used + 1 ? needed : used + 1;
    if (places <= needed || !block || !mx_memory_view(runtime->memory, block, (size_t)(8 * places)))
        return false;
    *ret = (struct mx_spare){used, places, 8 * (places - needed)};
    return true;
}

static bool dict_spare(const struct mx_runtime *runtime, const struct mx_type *type, mx_addr dict, struct mx_spare *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr table = word_at(runtime, dict, layout->dict.ma_keys),
            values = word_at(runtime, dict, layout->dict.ma_values);
    uint64_t used = word_at(runtime, dict, layout->dict.ma_used);
    struct mx_dict_keys keys;
    if (!table || !mx_dict_keys_read(runtime, table, &keys) || used > keys.entries)
        return false;
    return values ? split_spare(runtime, used, &keys, values, ret)
                  : combined_spare(runtime, type, dict, used, &keys, table, ret);
}

/* CPython Objects/setobject.c: set_merge() and set_table_resize(): the smallest power of two above 2 * items. */
static uint64_t set_places(uint64_t used)
{
    uint64_t size = SET_LEAST;
    while (5 * used >= MOST_SMALL && size <= 2 * used)
        size *= 2;
    return size;
}

static bool set_spare(const struct mx_runtime *runtime, mx_addr set, struct mx_spare *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    uint64_t used = word_at(runtime, set, layout->set.used), places = word_at(runtime, set, layout->set.mask) + 1;
    mx_addr table = word_at(runtime, set, layout->set.table);
    if (places >= MOST_ITEMS || used >= places || table == set + (uint64_t)layout->set.smalltable)
        return false;
    uint64_t needed = set_places(used);
    if (needed >= places || !mx_memory_view(runtime->memory, table, (size_t)(SET_PLACE * places)))
        return false;
    *ret = (struct mx_spare){used, places, SET_PLACE * (needed > SET_LEAST ? places - needed : places)};
    return true;
}

bool mx_container_spare(const struct mx_types *types, const struct mx_type *type, mx_addr object, struct mx_spare *ret)
{
    switch (type->kind) {
    case MX_KIND_LIST:
        return list_spare(types->runtime, object, ret);
    case MX_KIND_DICT:
    case MX_KIND_ORDERED_DICT:
        return dict_spare(types->runtime, type, object, ret);
    case MX_KIND_SET:
        return set_spare(types->runtime, object, ret);
    default:
        return false;
    }
}

bool mx_type_has_dict(const struct mx_types *types, const struct mx_type *type)
{
    bool managed =
        types->runtime->layout.preheader_shape != MX_PREHEADER_GC_ONLY && (type->flags & MX_TPFLAGS_MANAGED_DICT);
    return (type->dictoffset || managed) && type->kind != MX_KIND_TYPE && type->kind != MX_KIND_MODULE;
}

mx_addr mx_instance_empty_dict(const struct mx_types *types, const struct mx_type *type, mx_addr object)
{
    const struct mx_runtime *runtime = types->runtime;
    mx_addr dict = mx_attributes_storage(runtime, type, object).dict;
    const struct mx_type *of = dict ? mx_type_of(types, dict) : NULL;
    uint64_t used;
    bool is_dict = of && (of->kind == MX_KIND_DICT || of->kind == MX_KIND_ORDERED_DICT) &&
                   mx_memory_u64(runtime->memory, dict + (uint64_t)runtime->layout.dict.ma_used, &used);
    return is_dict && !used ? dict : 0;
}

uint64_t mx_dict_embedded_bytes(const struct mx_types *types, mx_addr dict)
{
    const struct mx_runtime *runtime = types->runtime;
    mx_addr values = word_at(runtime, dict, runtime->layout.dict.ma_values);
    struct mx_dict_keys keys;
    if (!values || runtime->layout.values_shape != MX_VALUES_HEADER || mx_values_block(runtime, values) ||
        !mx_dict_keys_read(runtime, word_at(runtime, dict, runtime->layout.dict.ma_keys), &keys))
        return 0;
    return 8 * value_places(&runtime->layout, &keys);
}
