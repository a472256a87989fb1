/* SPDX-License-Identifier: Apache-2.0
 *
 * The made-up target's dicts, classes and instances: keys tables, values
 * arrays, and where each version keeps an instance's attributes.
 */

#include "fake.h"

static unsigned log2_size_for(size_t count)
{
    unsigned log2_size = 3;
    while (((size_t)2 << log2_size) / 3 < count)
        log2_size++;
    return log2_size;
}

static size_t index_bytes(unsigned log2_size)
{
    return ((size_t)1 << log2_size) * (log2_size < 8 ? 1 : log2_size < 16 ? 2 : 4);
}

static void put_keys_header(struct fake *fake, mx_addr table, unsigned log2_size, enum fake_keys_kind kind,
                            size_t count)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    fake_put(fake, table, layout->dict_keys.dk_refcnt, 1);
    if (layout->dict_shape == MX_DICT_SIZE_WORD) {
        fake_put(fake, table, layout->dict_keys.dk_size, UINT64_C(1) << log2_size);
    } else {
        uint8_t *header = fake_at(fake, table);
        header[layout->dict_keys.dk_log2_size] = (uint8_t)log2_size;
        header[layout->dict_keys.dk_log2_index_bytes] = (uint8_t)(log2_size + (log2_size < 8 ? 0 : 1));
        header[layout->dict_keys.dk_kind] = (uint8_t)kind;
    }
    fake_put(fake, table, layout->dict_keys.dk_nentries, count);
    fake_put(fake, table, layout->dict_keys.dk_usable, ((size_t)2 << log2_size) / 3 - count);
}

mx_addr fake_keys(struct fake *fake, enum fake_keys_kind kind, const mx_addr *keys, const mx_addr *values, size_t count)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    unsigned log2_size = log2_size_for(count);
    size_t places = ((size_t)2 << log2_size) / 3;
    bool general = kind == FAKE_KEYS_GENERAL || layout->dict_shape == MX_DICT_SIZE_WORD;
    size_t entry_size = general ? 24 : 16, first = (size_t)layout->dict_keys.dk_indices + index_bytes(log2_size);
    mx_addr table = fake_alloc(fake, first + places * entry_size);
    put_keys_header(fake, table, log2_size, kind, count);
    for (size_t i = 0; i < count; i++) {
        mx_addr entry = table + first + i * entry_size + (general ? 8 : 0);
        fake_put(fake, entry, 0, keys[i]);
        fake_put(fake, entry, 8, values ? values[i] : 0);
    }
    return table;
}

static mx_addr make_dict(struct fake *fake, mx_addr keys, mx_addr values, size_t used)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    mx_addr dict = fake_object(fake, fake->builtins[MX_KIND_DICT], (size_t)layout->dict.size);
    fake_put(fake, dict, layout->dict.ma_used, used);
    fake_put(fake, dict, layout->dict.ma_keys, keys);
    fake_put(fake, dict, layout->dict.ma_values, values);
    return dict;
}

mx_addr fake_dict(struct fake *fake, enum fake_keys_kind kind, const mx_addr *keys, const mx_addr *values, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += keys[i] && values[i];
    return make_dict(fake, fake_keys(fake, kind, keys, values, count), 0, used);
}

mx_addr fake_split_dict(struct fake *fake, mx_addr keys, mx_addr values, size_t used)
{
    return make_dict(fake, keys, values, used);
}

static uint8_t order_at(const struct fake_values *values, size_t index)
{
    return values->order ? values->order[index] : (uint8_t)index;
}

static size_t order_count(const struct fake_values *values)
{
    return values->order ? values->order_count : values->count;
}

static mx_addr prefixed_values(struct fake *fake, const struct fake_values *values)
{
    size_t prefix = (values->capacity + 2U + 7U) & ~(size_t)7;
    mx_addr array = fake_alloc(fake, prefix + UINT64_C(8) * values->capacity) + prefix;
    uint8_t *bytes = fake_at(fake, array);
    bytes[-1] = (uint8_t)prefix;
    bytes[-2] = (uint8_t)order_count(values);
    for (size_t i = 0; i < order_count(values); i++)
        bytes[-3 - (ptrdiff_t)i] = order_at(values, i);
    return array;
}

/* Writes a values struct of 3.13 at `address` and returns where its array begins. */
static mx_addr put_headed_values(struct fake *fake, mx_addr address, const struct fake_values *values, bool embedded)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    uint8_t *bytes = fake_at(fake, address);
    mx_addr array = address + (uint64_t)layout->dict_values.values;
    bytes[layout->dict_values.capacity] = values->capacity;
    bytes[layout->dict_values.size_] = (uint8_t)order_count(values);
    bytes[layout->dict_values.embedded] = embedded;
    bytes[layout->dict_values.valid] = 1;
    for (size_t i = 0; i < order_count(values); i++)
        *fake_at(fake, array + UINT64_C(8) * values->capacity + i) = order_at(values, i);
    fake_put_bytes(fake, array, values->items, 8 * values->count);
    return array;
}

mx_addr fake_values(struct fake *fake, const struct fake_values *values)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    if (layout->values_shape == MX_VALUES_HEADER) {
        mx_addr address = fake_alloc(fake, (size_t)layout->dict_values.values + UINT64_C(9) * values->capacity);
        put_headed_values(fake, address, values, false);
        return address;
    }
    mx_addr array = layout->values_shape == MX_VALUES_PREFIX ? prefixed_values(fake, values)
                                                             : fake_alloc(fake, UINT64_C(8) * values->capacity);
    fake_put_bytes(fake, array, values->items, 8 * values->count);
    return array;
}

/* The class's basicsize, dictoffset and flags, as each version's type_new() sets them for `class C: ...`. */
static struct fake_type class_spec(const struct mx_layout *layout, const char *name)
{
    struct fake_type spec = {.name = name,
                             .kind = MX_KIND_OTHER,
                             .basicsize = layout->object.size + 16,
                             .dictoffset = layout->object.size,
                             .flags = MX_TPFLAGS_HEAPTYPE | MX_TPFLAGS_HAVE_GC,
                             .is_python_class = true};
    if (layout->preheader_shape == MX_PREHEADER_GC_ONLY)
        return spec;
    spec.flags |= MX_TPFLAGS_MANAGED_DICT;
    spec.basicsize = layout->object.size + (layout->preheader_shape == MX_PREHEADER_VALUES_DICT ? 8 : 0);
    spec.dictoffset = layout->preheader_shape == MX_PREHEADER_VALUES_DICT ? -48 : -1;
    if (layout->values_shape == MX_VALUES_HEADER)
        spec.flags |= MX_TPFLAGS_INLINE_VALUES;
    return spec;
}

mx_addr fake_class(struct fake *fake, const char *name, const char *const *names, size_t count)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    mx_addr keys[64];
    struct fake_type spec = class_spec(layout, name);
    mx_addr type = fake_type(fake, &spec);
    for (size_t i = 0; i < count && i < 64; i++)
        keys[i] = fake_str(fake, names[i]);
    fake_put(fake, type, layout->heap_type.ht_cached_keys, fake_keys(fake, FAKE_KEYS_SPLIT, keys, NULL, count));
    return type;
}

mx_addr fake_subclass(struct fake *fake, const char *name, enum mx_kind kind)
{
    const struct mx_type *base = mx_types_find(&fake->types, fake->builtins[kind]);
    return fake_type(fake, &(struct fake_type){.name = name,
                                               .kind = kind,
                                               .basicsize = base->basicsize,
                                               .itemsize = base->itemsize,
                                               .flags = base->flags | MX_TPFLAGS_HEAPTYPE | MX_TPFLAGS_HAVE_GC,
                                               .base = base->address,
                                               .is_python_class = true});
}

mx_addr fake_instance(struct fake *fake, mx_addr type, const mx_addr *items, size_t count)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    const struct mx_type *known = mx_types_find(&fake->types, type);
    mx_addr keys = mx_load_u64(fake_at(fake, type + (uint64_t)layout->heap_type.ht_cached_keys));
    struct fake_values values = {.items = items, .count = count, .capacity = (uint8_t)(count + 2)};
    size_t room = layout->values_shape == MX_VALUES_HEADER ? 8 + UINT64_C(9) * values.capacity : 0;
    mx_addr object = fake_object(fake, type, (size_t)known->basicsize + room);
    switch (layout->preheader_shape) {
    case MX_PREHEADER_GC_ONLY:
        fake_put(fake, object, (int32_t)known->dictoffset,
                 fake_split_dict(fake, keys, fake_values(fake, &values), count));
        break;
    case MX_PREHEADER_VALUES_DICT:
        fake_put(fake, object - 32, 0, fake_values(fake, &values));
        break;
    case MX_PREHEADER_WEAKREF_TAGGED:
        fake_put(fake, object - 24, 0, fake_values(fake, &values) - 1);
        break;
    default:
        put_headed_values(fake, object + (uint64_t)known->basicsize, &values, true);
    }
    return object;
}

void fake_set_dict(struct fake *fake, mx_addr instance, mx_addr dict)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    const struct mx_type *type = mx_type_of(&fake->types, instance);
    switch (layout->preheader_shape) {
    case MX_PREHEADER_GC_ONLY:
        fake_put(fake, instance, (int32_t)type->dictoffset, dict);
        return;
    case MX_PREHEADER_VALUES_DICT:
        fake_put(fake, instance - 32, 0, 0);
        break;
    case MX_PREHEADER_WEAKREF_TAGGED:
        break;
    default:
        fake_at(fake, instance + (uint64_t)type->basicsize)[layout->dict_values.valid] = 0;
    }
    fake_put(fake, instance - (layout->preheader_shape == MX_PREHEADER_NO_GC ? 8 : 24), 0, dict);
}
