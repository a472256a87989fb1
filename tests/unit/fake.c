/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the made-up target's objects: what CPython does when it makes them,
 * told by a layout.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fake: %s\n", what);
    abort();
}

static const struct mx_layout *layout_of(const struct fake *fake)
{
    return &fake->runtime.layout;
}

mx_addr fake_alloc(struct fake *fake, size_t size)
{
    size_t start = (fake->used + 15) & ~(size_t)15;
    check(size <= FAKE_SIZE - start, "out of memory");
    fake->used = start + size;
    return FAKE_BASE + start;
}

uint8_t *fake_at(struct fake *fake, mx_addr address)
{
    check(address >= FAKE_BASE && address < FAKE_BASE + FAKE_SIZE, "address outside");
    return fake->bytes + (address - FAKE_BASE);
}

void fake_put_bytes(struct fake *fake, mx_addr address, const void *bytes, size_t size)
{
    if (size)
        memcpy(fake_at(fake, address), bytes, size);
}

void fake_put(struct fake *fake, mx_addr address, int32_t offset, uint64_t word)
{
    check(offset != MX_ABSENT, "field absent in this row");
    fake_put_bytes(fake, address + (uint64_t)offset, &word, sizeof(word));
}

static void put_pointers(struct fake *fake, mx_addr address, const mx_addr *items, size_t count)
{
    fake_put_bytes(fake, address, items, count * sizeof(mx_addr));
}

void fake_set_refcount(struct fake *fake, mx_addr object, uint64_t word)
{
    const struct mx_layout *layout = layout_of(fake);
    if (layout->header_shape != MX_HEADER_FREE_THREADED) {
        fake_put(fake, object, layout->object.ob_refcnt, word);
        return;
    }
    uint32_t local = word >> 32 ? 0 : (uint32_t)word;
    fake_put(fake, object, layout->object.ob_tid, word);
    fake_put_bytes(fake, object + (uint64_t)layout->object.ob_ref_local, &local, sizeof(local));
}

/* CPython Include/internal/pycore_object.h: _PyType_PreHeaderSize, in the versions that have one. */
static uint16_t preheader_of(const struct mx_layout *layout, uint64_t flags)
{
    uint64_t before = flags & MX_TPFLAGS_HAVE_GC && layout->preheader_shape != MX_PREHEADER_NO_GC ? 16 : 0;
    bool managed_dict = layout->preheader_shape != MX_PREHEADER_GC_ONLY && (flags & MX_TPFLAGS_MANAGED_DICT);
    return (uint16_t)(managed_dict ? before + 16 : before);
}

mx_addr fake_type(struct fake *fake, const struct fake_type *spec)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr address = fake_alloc(fake, (size_t)layout->heap_type.size);
    mx_addr name = fake_alloc(fake, strlen(spec->name) + 1);
    fake_put_bytes(fake, name, spec->name, strlen(spec->name));
    fake_set_refcount(fake, address, 1);
    fake_put(fake, address, layout->object.ob_type, spec->metatype ? spec->metatype : fake->builtins[MX_KIND_TYPE]);
    fake_put(fake, address, layout->type.tp_name, name);
    fake_put(fake, address, layout->type.tp_basicsize, (uint64_t)spec->basicsize);
    fake_put(fake, address, layout->type.tp_itemsize, (uint64_t)spec->itemsize);
    fake_put(fake, address, layout->type.tp_dictoffset, (uint64_t)spec->dictoffset);
    fake_put(fake, address, layout->type.tp_flags, spec->flags | MX_TPFLAGS_READY);
    fake_put(fake, address, layout->type.tp_base, spec->base);
    struct mx_type type = {
        .address = address,
        .name = mx_strtab_add(&fake->types.names, spec->name, strlen(spec->name)),
        .flags = spec->flags | MX_TPFLAGS_READY,
        .basicsize = spec->basicsize,
        .itemsize = spec->itemsize,
        .dictoffset = spec->dictoffset,
        .base = spec->base,
        .base_index = mx_map_get(&fake->types.by_address, spec->base),
        .preheader = preheader_of(layout, spec->flags),
        .kind = (uint8_t)spec->kind,
        .is_python_class = spec->is_python_class,
    };
    check(mx_map_set(&fake->types.by_address, address, (uint32_t)fake->types.types.count), "map");
    check(mx_array_push(&fake->types.types, type), "array");
    return address;
}

#define HAS_GC MX_TPFLAGS_HAVE_GC

/* Sizes as the rows have them; 0 = a header only. */
static void make_builtins(struct fake *fake)
{
    const struct mx_layout *row = layout_of(fake);
    const struct fake_type specs[] = {
        {.name = "type",
         .kind = MX_KIND_TYPE,
         .basicsize = row->heap_type.size,
         .itemsize = 40,
         .flags = MX_TPFLAGS_TYPE_SUBCLASS | HAS_GC},
        {.name = "object", .kind = MX_KIND_OTHER, .basicsize = row->object.size},
        {.name = "NoneType", .kind = MX_KIND_NONE, .basicsize = row->object.size},
        {.name = "int",
         .kind = MX_KIND_INT,
         .basicsize = row->integer.ob_digit,
         .itemsize = 4,
         .flags = MX_TPFLAGS_LONG_SUBCLASS},
        {.name = "bool",
         .kind = MX_KIND_BOOL,
         .basicsize = row->integer.ob_digit,
         .itemsize = 4,
         .flags = MX_TPFLAGS_LONG_SUBCLASS},
        {.name = "float", .kind = MX_KIND_FLOAT, .basicsize = row->float_.size},
        {.name = "complex", .kind = MX_KIND_COMPLEX, .basicsize = row->complex_.size},
        {.name = "str", .kind = MX_KIND_STR, .basicsize = row->unicode.size, .flags = MX_TPFLAGS_UNICODE_SUBCLASS},
        {.name = "bytes",
         .kind = MX_KIND_BYTES,
         .basicsize = row->bytes.ob_sval + 1,
         .itemsize = 1,
         .flags = MX_TPFLAGS_BYTES_SUBCLASS},
        {.name = "bytearray", .kind = MX_KIND_BYTEARRAY, .basicsize = row->bytearray.size},
        {.name = "code", .kind = MX_KIND_CODE, .basicsize = row->code.size},
        {.name = "list", .kind = MX_KIND_LIST, .basicsize = row->list.size, .flags = MX_TPFLAGS_LIST_SUBCLASS | HAS_GC},
        {.name = "tuple",
         .kind = MX_KIND_TUPLE,
         .basicsize = row->tuple.ob_item,
         .itemsize = 8,
         .flags = MX_TPFLAGS_TUPLE_SUBCLASS | HAS_GC},
        {.name = "dict", .kind = MX_KIND_DICT, .basicsize = row->dict.size, .flags = MX_TPFLAGS_DICT_SUBCLASS | HAS_GC},
        {.name = "set", .kind = MX_KIND_SET, .basicsize = row->set.size, .flags = HAS_GC},
        {.name = "function", .kind = MX_KIND_FUNCTION, .basicsize = row->function.size, .flags = HAS_GC},
        {.name = "collections.deque", .kind = MX_KIND_DEQUE, .basicsize = row->deque.size, .flags = HAS_GC},
        {.name = "BaseException",
         .kind = MX_KIND_EXCEPTION,
         .basicsize = row->exception.size,
         .dictoffset = row->exception.dict,
         .flags = MX_TPFLAGS_BASE_EXC_SUBCLASS | HAS_GC},
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
        fake->builtins[specs[i].kind] = fake_type(fake, &specs[i]);
    mx_addr type = fake->builtins[MX_KIND_TYPE];
    fake_put(fake, type, row->object.ob_type, type);
    fake->types.type_type = mx_map_get(&fake->types.by_address, type);
    fake->frozenset = fake_type(
        fake,
        &(struct fake_type){.name = "frozenset", .kind = MX_KIND_SET, .basicsize = row->set.size, .flags = HAS_GC});
    fake->none = fake_object(fake, fake->builtins[MX_KIND_NONE], 16);
}

void fake_open(struct fake *fake, const struct mx_layout *layout)
{
    *fake = (struct fake){.bytes = calloc(1, FAKE_SIZE)};
    check(fake->bytes && !mx_memory_new(&fake->memory), "no memory");
    struct mx_region region = {.start = FAKE_BASE,
                               .end = FAKE_BASE + FAKE_SIZE,
                               .bytes = fake->bytes,
                               .flags = MX_REGION_READ | MX_REGION_WRITE,
                               .module = MX_NO_MODULE};
    check(!mx_memory_add(fake->memory, region) && !mx_memory_seal(fake->memory), "region");
    fake->runtime.memory = fake->memory;
    fake->runtime.layout = *layout;
    fake->types.runtime = &fake->runtime;
    make_builtins(fake);
}

void fake_close(struct fake *fake)
{
    mx_types_close(&fake->types);
    mx_array_free(&fake->runtime.interpreters);
    mx_array_free(&fake->runtime.threads);
    mx_memory_close(fake->memory);
    free(fake->bytes);
    *fake = (struct fake){0};
}

bool fake_next_row(struct fake *fake)
{
    size_t row = fake->bytes ? fake->row + 1 : 0;
    const char *name;
    if (fake->bytes)
        fake_close(fake);
    const struct mx_layout *layout = mx_layout_row(row, &name);
    if (!layout)
        return false;
    fake_open(fake, layout);
    fake->row = row;
    fake->row_name = name;
    return true;
}

mx_addr fake_object(struct fake *fake, mx_addr type, size_t size)
{
    const struct mx_type *known = mx_types_find(&fake->types, type);
    size_t least = (size_t)layout_of(fake)->object.size;
    mx_addr object = fake_alloc(fake, known->preheader + (size > least ? size : least)) + known->preheader;
    fake_set_refcount(fake, object, 1);
    fake_put(fake, object, layout_of(fake)->object.ob_type, type);
    return object;
}

mx_addr fake_big_int(struct fake *fake, const uint32_t *digits, size_t count, bool negative)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr object =
        fake_object(fake, fake->builtins[MX_KIND_INT], (size_t)layout->integer.ob_digit + 4 * (count ? count : 1));
    if (layout->int_shape == MX_INT_LV_TAG)
        fake_put(fake, object, layout->integer.lv_tag, count << 3 | (!count ? 1U : negative ? 2U : 0U));
    else
        fake_put(fake, object, layout->var_object.ob_size, negative ? 0 - (uint64_t)count : count);
    fake_put_bytes(fake, object + (uint64_t)layout->integer.ob_digit, digits, 4 * count);
    return object;
}

mx_addr fake_int(struct fake *fake, int64_t value)
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint32_t digits[3];
    size_t count = 0;
    for (; rest; rest >>= 30)
        digits[count++] = rest & 0x3fffffff;
    return fake_big_int(fake, digits, count, value < 0);
}

mx_addr fake_float(struct fake *fake, double value)
{
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_FLOAT], (size_t)layout_of(fake)->float_.size);
    fake_put_bytes(fake, object + (uint64_t)layout_of(fake)->float_.ob_fval, &value, sizeof(value));
    return object;
}

mx_addr fake_bytes(struct fake *fake, const void *bytes, size_t size)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_BYTES], (size_t)layout->bytes.ob_sval + size + 1);
    fake_put(fake, object, layout->var_object.ob_size, size);
    fake_put_bytes(fake, object + (uint64_t)layout->bytes.ob_sval, bytes, size);
    return object;
}

mx_addr fake_tuple(struct fake *fake, const mx_addr *items, size_t count)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_TUPLE], (size_t)layout->tuple.ob_item + 8 * count);
    fake_put(fake, object, layout->var_object.ob_size, count);
    put_pointers(fake, object + (uint64_t)layout->tuple.ob_item, items, count);
    return object;
}

mx_addr fake_list(struct fake *fake, const mx_addr *items, size_t count)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_LIST], (size_t)layout->list.size);
    mx_addr array = count ? fake_alloc(fake, 8 * count) : 0;
    fake_put(fake, object, layout->var_object.ob_size, count);
    fake_put(fake, object, layout->list.ob_item, array);
    fake_put(fake, object, layout->list.allocated, count);
    put_pointers(fake, array, items, count);
    return object;
}

static uint32_t kind_of_points(const uint32_t *points, size_t count, bool *ascii)
{
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= points[i];
    *ascii = all < 0x80;
    return all < 0x100 ? 1 : all < 0x10000 ? 2 : 4;
}

mx_addr fake_points(struct fake *fake, const uint32_t *points, size_t count)
{
    const struct mx_layout *layout = layout_of(fake);
    bool ascii;
    uint32_t kind = kind_of_points(points, count, &ascii);
    size_t header = (size_t)(ascii ? layout->ascii.size : layout->compact_unicode.size);
    mx_addr object = fake_object(fake, fake->builtins[MX_KIND_STR], header + (count + 1) * kind);
    fake_put(fake, object, layout->ascii.length, count);
    uint32_t state = kind << 2 | 1U << 5 | (uint32_t)ascii << 6 | (layout->str_shape == MX_STR_WSTR ? 1U << 7 : 0);
    if (layout->str_shape == MX_STR_WIDE_STATE)
        state = (kind | 1U << 3 | (uint32_t)ascii << 4) << 8;
    /* CPython leaves the bytes above the bits as they were. */
    state |= 0xabcd0000;
    fake_put_bytes(fake, object + (uint64_t)layout->ascii.state, &state, sizeof(state));
    for (size_t i = 0; i < count; i++)
        fake_put_bytes(fake, object + header + i * kind, &points[i], kind);
    return object;
}

mx_addr fake_str(struct fake *fake, const char *ascii)
{
    uint32_t points[512];
    size_t count = strlen(ascii);
    check(count <= 512, "long text");
    for (size_t i = 0; i < count; i++)
        points[i] = (unsigned char)ascii[i];
    return fake_points(fake, points, count);
}

mx_addr fake_set(struct fake *fake, mx_addr type, const mx_addr *keys, size_t places)
{
    const struct mx_layout *layout = layout_of(fake);
    mx_addr object = fake_object(fake, type, (size_t)layout->set.size);
    mx_addr table = places <= 8 ? object + (uint64_t)layout->set.smalltable : fake_alloc(fake, 16 * places);
    size_t used = 0;
    for (size_t i = 0; i < places; i++) {
        used += keys[i] != 0;
        fake_put(fake, table, (int32_t)(16 * i), keys[i]);
    }
    fake_put(fake, object, layout->set.used, used);
    fake_put(fake, object, layout->set.mask, places - 1);
    fake_put(fake, object, layout->set.table, table);
    return object;
}
