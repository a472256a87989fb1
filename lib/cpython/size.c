/* SPDX-License-Identifier: Apache-2.0
 *
 * sys.getsizeof() of every kind of object that has a `__sizeof__` of its own;
 * all others are tp_basicsize and items. It knows the arithmetic only: which
 * kind a type is, is type.h's business. Counting a heap calls this for each
 * object, so the kinds a heap is made of are decided on the bytes at hand.
 */
#include "cpython/size.h"

#include "cpython/dict.h"
#include "cpython/header.h"
#include "cpython/str.h"

/* More items than any address space holds: an object that claims so is torn, and counts without them. */
#define MOST_ITEMS (UINT64_C(1) << 40)

/* sizeof of structs that fields.def has no members of, the same in 3.8-3.15. */
enum {
    ODICT_NODE_SIZE = 32,   /* Objects/odictobject.c: key, hash, next, prev */
    DEQUE_BLOCK_SIZE = 528, /* Modules/_collectionsmodule.c: 64 items between two links */
    DEQUE_BLOCK_ITEMS = 64,
    OPCACHE_SIZE = 32,           /* 3.8-3.10 Include/internal/pycore_code.h: _PyOpcache */
    DECIMAL_FOREIGN_DATA = 0xe0, /* Modules/_decimal/libmpdec/mpdecimal.h: MPD_DATAFLAGS */
    MOST_FORMAT_CODES = 1 << 20,
    LONGEST_CHAIN = 64, /* of bases */
};

struct subject {
    const struct mx_types *types;
    const struct mx_layout *layout;
    const struct mx_memory *memory;
    const struct mx_type *type;
    mx_addr address;
    const uint8_t *bytes;
    size_t available;
    bool *needs_more;
};

/* Whether the target may be read; when not, the caller learns that it should have been. */
static bool may_read(const struct subject *subject)
{
    if (subject->needs_more)
        *subject->needs_more = true;
    return !subject->needs_more;
}

/* A word of the target, 0 when it is not to be had; one inside the object (an embedded frame) is at hand. */
static uint64_t word_at(const struct subject *subject, mx_addr address)
{
    uint64_t word = 0;
    if (address - subject->address < subject->available && subject->available - (address - subject->address) >= 8)
        return mx_load_u64(subject->bytes + (address - subject->address));
    if (may_read(subject))
        mx_memory_u64(subject->memory, address, &word);
    return word;
}

/* A word of the object; a field that the layout does not have counts as 0. */
static uint64_t word_of(const struct subject *subject, int32_t offset)
{
    if (offset < 0)
        return 0;
    size_t at = (size_t)offset;
    if (at + 8 <= subject->available)
        return mx_load_u64(subject->bytes + at);
    return word_at(subject, subject->address + at);
}

static uint64_t bounded(uint64_t items)
{
    return items < MOST_ITEMS ? items : 0;
}

static uint64_t magnitude(uint64_t ob_size)
{
    return bounded((int64_t)ob_size < 0 ? 0 - ob_size : ob_size);
}

static uint64_t items_of(const struct subject *subject)
{
    return magnitude(word_of(subject, subject->layout->var_object.ob_size));
}

/* Items of another variable-sized object, such as a tuple. */
static uint64_t items_at(const struct subject *subject, mx_addr object)
{
    return object ? magnitude(word_at(subject, object + (uint64_t)subject->layout->var_object.ob_size)) : 0;
}

static uint64_t base_size(const struct mx_type *type)
{
    return (uint64_t)type->basicsize;
}

/* CPython Objects/typeobject.c: object___sizeof___impl */
static uint64_t size_by_items(const struct subject *subject)
{
    const struct mx_type *type = subject->type;
    return base_size(type) + (type->itemsize > 0 ? items_of(subject) * (uint64_t)type->itemsize : 0);
}

/* CPython Objects/longobject.c: int___sizeof___impl; since 3.11 zero counts one digit too. */
static uint64_t size_int(const struct mx_layout *layout, const struct mx_type *type, const uint8_t *bytes)
{
    if (layout->int_shape == MX_INT_LV_TAG) {
        uint64_t digits = bounded(mx_load_u64(bytes + layout->integer.lv_tag) >> 3);
        return base_size(type) + 4 * (digits ? digits : 1);
    }
    uint64_t digits = magnitude(mx_load_u64(bytes + layout->var_object.ob_size));
    if (!digits && layout->presize_shape != MX_PRESIZE_IS_GC)
        digits = 1;
    return (uint64_t)layout->integer.ob_digit + 4 * digits;
}

/* What a str owns besides its own block: UTF-8 and, before 3.12, wchar_t copies. */
static uint64_t size_str_copies(const struct subject *subject, mx_addr data, bool compact_ascii, uint64_t length)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t size = 0;
    if (!compact_ascii) {
        mx_addr utf8 = word_of(subject, layout->compact_unicode.utf8);
        if (utf8 && utf8 != data)
            size += bounded(word_of(subject, layout->compact_unicode.utf8_length)) + 1;
    }
    if (layout->str_shape == MX_STR_WSTR) {
        mx_addr wstr = word_of(subject, layout->ascii.wstr);
        if (wstr && wstr != data)
            size += 4 * (bounded(compact_ascii ? length : word_of(subject, layout->compact_unicode.wstr_length)) + 1);
    }
    return size;
}

/* CPython Objects/unicodeobject.c: unicode_sizeof / unicode___sizeof___impl */
static uint64_t size_str(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    struct mx_str_state state = mx_str_state(layout, subject->bytes);
    uint64_t length = bounded(mx_load_u64(subject->bytes + layout->ascii.length));
    uint64_t characters = (length + 1) * state.kind;
    mx_addr data = 0;
    uint64_t size;
    if (state.compact && state.ascii) {
        size = (uint64_t)layout->ascii.size + characters;
    } else if (state.compact) {
        data = subject->address + (uint64_t)layout->compact_unicode.size;
        size = (uint64_t)layout->compact_unicode.size + characters;
    } else {
        data = word_of(subject, layout->unicode.data);
        size = (uint64_t)layout->unicode.size + (data ? characters : 0);
    }
    return size + size_str_copies(subject, data, state.compact && state.ascii, length);
}

static uint64_t size_bytearray(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t allocated = bounded(word_of(subject, layout->bytearray.ob_alloc));
    /* Since 3.15 the buffer is a bytes object and counts with its header and its NUL. */
    bool in_bytes = layout->bytearray.ob_bytes_object != MX_ABSENT && allocated;
    return base_size(subject->type) + allocated + (in_bytes ? (uint64_t)layout->bytes.ob_sval + 1 : 0);
}

static uint64_t size_list(const struct subject *subject)
{
    return base_size(subject->type) + 8 * bounded(word_of(subject, subject->layout->list.allocated));
}

/* CPython Objects/dictobject.c: _PyDict_SizeOf. Shared keys are counted with the type. */
uint64_t mx_dict_tables_size(const struct mx_layout *layout, const uint8_t *keys_header, bool split)
{
    struct mx_dict_keys keys;
    if (!mx_dict_keys_parse(layout, 0, keys_header, &keys))
        return 0;
    uint64_t size = keys.refcount == 1 ? keys.bytes : 0;
    if (split)
        size += 8 * (layout->values_shape == MX_VALUES_PLAIN ? 2 * keys.size / 3 : keys.entries + keys.usable);
    return size;
}

struct mx_dict_tables mx_dict_tables(const struct mx_layout *layout, const uint8_t *bytes)
{
    return (struct mx_dict_tables){.keys = mx_load_u64(bytes + layout->dict.ma_keys),
                                   .split = mx_load_u64(bytes + layout->dict.ma_values) != 0};
}

static uint64_t size_dict(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t size = base_size(subject->type);
    if (!may_read(subject))
        return size;
    mx_addr keys = word_of(subject, layout->dict.ma_keys);
    const uint8_t *header = mx_memory_view(subject->memory, keys, (size_t)layout->dict_keys.size);
    return size + (header ? mx_dict_tables_size(layout, header, word_of(subject, layout->dict.ma_values)) : 0);
}

/* CPython Objects/odictobject.c: odict_sizeof */
static uint64_t size_ordered_dict(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t size = size_dict(subject) + 8 * bounded(word_of(subject, layout->ordered_dict.od_fast_nodes_size));
    if (word_of(subject, layout->ordered_dict.od_first))
        size += ODICT_NODE_SIZE * bounded(word_of(subject, layout->dict.ma_used));
    return size;
}

/* CPython Objects/setobject.c: set_sizeof */
static uint64_t size_set(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    mx_addr table = word_of(subject, layout->set.table);
    bool own = table != subject->address + (uint64_t)layout->set.smalltable;
    return base_size(subject->type) + (own ? 16 * bounded(word_of(subject, layout->set.mask) + 1) : 0);
}

static uint64_t size_deque(const struct subject *subject)
{
    uint64_t left = bounded(word_of(subject, subject->layout->deque.leftindex));
    uint64_t blocks = (left + items_of(subject) + DEQUE_BLOCK_ITEMS - 1) / DEQUE_BLOCK_ITEMS;
    return base_size(subject->type) + DEQUE_BLOCK_SIZE * blocks;
}

static bool is_ctypes_type(const struct subject *subject)
{
    const struct mx_types *types = subject->types;
    int64_t least = subject->layout->heap_type.size + subject->layout->ctypes_type_info.size;
    const struct mx_type *type = subject->type;
    if (subject->layout->ctypes_type_info.size == MX_ABSENT || type->basicsize < least)
        return false;
    for (int i = 0; i < LONGEST_CHAIN && type->base_index < types->types.count; i++) {
        if (!type->is_python_class && !strcmp(type->name, "_ctypes.CType_Type"))
            return true;
        type = &types->types.items[type->base_index];
    }
    return false;
}

/* CPython 3.13+, Modules/_ctypes/_ctypes.c: _ctypes_CType_Type___sizeof___impl; what it counts besides the type. */
static uint64_t size_ctypes_type(const struct subject *subject)
{
    enum { LONGEST_FORMAT = 1 << 16 };
    const struct mx_layout *layout = subject->layout;
    mx_addr info = subject->address + (uint64_t)((layout->heap_type.size + 15) & ~15);
    mx_addr format = word_at(subject, info + (uint64_t)layout->ctypes_type_info.format);
    const char *text = format ? mx_memory_text(subject->types->runtime->memory, format, LONGEST_FORMAT) : NULL;
    uint32_t dimensions = 0;
    mx_memory_u32(subject->types->runtime->memory, info + (uint64_t)layout->ctypes_type_info.ndim, &dimensions);
    uint64_t size = base_size(subject->type) + (text ? strlen(text) + 1 : 0) + 8 * bounded(dimensions);
    if (word_at(subject, info + (uint64_t)layout->ctypes_type_info.elements))
        size += 8 * bounded(word_at(subject, info + (uint64_t)layout->ctypes_type_info.length) + 1);
    return size;
}

/* CPython Objects/typeobject.c: type___sizeof___impl */
static uint64_t size_type(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    if (!(word_of(subject, layout->type.tp_flags) & MX_TPFLAGS_HEAPTYPE))
        return (uint64_t)layout->type.size;
    if (is_ctypes_type(subject) && may_read(subject))
        return size_ctypes_type(subject);
    struct mx_dict_keys keys;
    mx_addr cached = word_of(subject, layout->heap_type.ht_cached_keys);
    bool counts = cached && may_read(subject) && mx_dict_keys_read(subject->types->runtime, cached, &keys);
    return (uint64_t)layout->heap_type.size + (counts ? keys.bytes : 0);
}

/* CPython Include/internal/pycore_code.h: _PyCodeObjectExtra is a count and as many words. */
static uint64_t size_code_extra(const struct subject *subject)
{
    mx_addr extra = word_of(subject, subject->layout->code.co_extra);
    return extra ? 8 + 8 * bounded(word_at(subject, extra)) : 0;
}

static uint64_t size_code_3_10(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t size = base_size(subject->type);
    if (word_of(subject, layout->code.co_cell2arg))
        size += 8 * items_at(subject, word_of(subject, layout->code.co_cellvars));
    if (layout->code.co_opcache_map != MX_ABSENT && word_of(subject, layout->code.co_opcache_map)) {
        uint8_t count = 0;
        if (may_read(subject))
            mx_memory_u8(subject->memory, subject->address + (uint64_t)layout->code.co_opcache_size, &count);
        size += items_at(subject, word_of(subject, layout->code.co_code)) / 2 + OPCACHE_SIZE * (uint64_t)count;
    }
    return size;
}

/* CPython Objects/codeobject.c: code_sizeof */
static uint64_t size_code(const struct subject *subject)
{
    uint64_t size = subject->layout->code.co_code_adaptive == MX_ABSENT ? size_code_3_10(subject)
                                                                        : (size_by_items(subject) + 7) & ~UINT64_C(7);
    return size + size_code_extra(subject);
}

static uint64_t int_at(const struct subject *subject, mx_addr object, int32_t offset)
{
    uint32_t value = 0;
    if (may_read(subject))
        mx_memory_u32(subject->memory, object + (uint64_t)offset, &value);
    return value <= INT32_MAX ? value : 0;
}

/* Slots of a frame of the code: locals, cells, free variables and the value stack. */
static uint64_t count_slots(const struct subject *subject, mx_addr code)
{
    const struct mx_layout *layout = subject->layout;
    if (!code)
        return 0;
    uint64_t stack = int_at(subject, code, layout->code.co_stacksize);
    if (layout->code.co_nlocalsplus != MX_ABSENT)
        return stack + int_at(subject, code, layout->code.co_nlocalsplus);
    mx_addr cells = word_at(subject, code + (uint64_t)layout->code.co_cellvars);
    mx_addr frees = word_at(subject, code + (uint64_t)layout->code.co_freevars);
    return stack + int_at(subject, code, layout->code.co_nlocals) + items_at(subject, cells) + items_at(subject, frees);
}

/* The code of an interpreter frame. A tagged reference has its flags in the low two bits. */
static mx_addr code_at(const struct subject *subject, mx_addr frame)
{
    return word_at(subject, frame + (uint64_t)subject->layout->interpreter_frame.f_executable) & ~UINT64_C(3);
}

/* CPython Objects/frameobject.c: frame_sizeof; before 3.11 the struct has the first slot in it. */
static uint64_t size_frame(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    if (layout->frame_shape == MX_FRAME_OBJECTS)
        return (uint64_t)layout->frame.size + 8 * count_slots(subject, word_of(subject, layout->frame.f_code)) - 8;
    mx_addr frame = word_of(subject, layout->frame.f_frame);
    return (uint64_t)layout->frame.f_frame_data + (uint64_t)layout->interpreter_frame.localsplus +
           (frame ? 8 * count_slots(subject, code_at(subject, frame)) : 0);
}

/* CPython Objects/genobject.c: gen_sizeof */
static uint64_t size_generator(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    if (layout->generator.gi_iframe == MX_ABSENT)
        return base_size(subject->type);
    mx_addr code = code_at(subject, subject->address + (uint64_t)layout->generator.gi_iframe);
    return (uint64_t)layout->generator.gi_iframe + (uint64_t)layout->interpreter_frame.localsplus +
           8 * count_slots(subject, code);
}

static uint64_t size_array(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t allocated = bounded(word_of(subject, layout->array.allocated));
    if (!allocated)
        return base_size(subject->type);
    uint64_t item = int_at(subject, word_of(subject, layout->array.ob_descr), layout->array_descr.itemsize);
    return base_size(subject->type) + allocated * (item <= 16 ? item : 0);
}

static bool is_shared(const struct subject *subject, mx_addr object)
{
    const struct mx_layout *layout = subject->layout;
    if (layout->header_shape == MX_HEADER_FREE_THREADED) {
        bool immortal, deferred;
        const uint8_t *bytes = mx_memory_view(subject->memory, object, (size_t)layout->object.size);
        return bytes && mx_threaded_refcount(layout, bytes, &immortal, &deferred) > 1;
    }
    uint64_t count = word_at(subject, object + (uint64_t)layout->object.ob_refcnt);
    if (layout->header_shape == MX_HEADER_REFCOUNT)
        return (int64_t)count > 1;
    return (uint32_t)count > 1;
}

/* CPython Modules/_io/bytesio.c: a buffer that getvalue() has handed out is not counted. */
static uint64_t size_bytesio(const struct subject *subject)
{
    mx_addr buffer = word_of(subject, subject->layout->bytesio.buf);
    uint64_t size = base_size(subject->type);
    if (!buffer || is_shared(subject, buffer))
        return size;
    return size + (uint64_t)subject->layout->bytes.ob_sval + 1 + items_at(subject, buffer);
}

static uint64_t size_buffered(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    bool has = word_of(subject, layout->buffered.buffer) != 0;
    return base_size(subject->type) + (has ? bounded(word_of(subject, layout->buffered.buffer_size)) : 0);
}

/* CPython Modules/_elementtree.c: up to four children stand in the extra block. */
static uint64_t size_element(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t size = base_size(subject->type);
    mx_addr extra = word_of(subject, layout->element.extra);
    if (!extra)
        return size;
    if (layout->element_extra.size > 0)
        size += (uint64_t)layout->element_extra.size;
    if (word_at(subject, extra + (uint64_t)layout->element_extra.children) ==
        extra + (uint64_t)layout->element_extra.children_inline)
        return size;
    return size + 8 * bounded(word_at(subject, extra + (uint64_t)layout->element_extra.allocated));
}

/* CPython Modules/_struct.c: the codes end with one that has no fmtdef, which counts too. */
static uint64_t size_struct(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t step = (uint64_t)layout->format_code.size;
    mx_addr codes = word_of(subject, layout->struct_.s_codes);
    uint64_t count = 0;
    if (layout->format_code.size <= 0)
        return base_size(subject->type);
    while (codes && count < MOST_FORMAT_CODES &&
           word_at(subject, codes + count * step + (uint64_t)layout->format_code.fmtdef))
        count++;
    return base_size(subject->type) + (count + 1) * step;
}

static uint64_t size_decimal(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    bool foreign = word_of(subject, layout->decimal.flags) & DECIMAL_FOREIGN_DATA;
    return base_size(subject->type) + (foreign ? 0 : 8 * bounded(word_of(subject, layout->decimal.alloc)));
}

static uint64_t size_product(const struct subject *subject)
{
    return base_size(subject->type) + 8 * items_at(subject, word_of(subject, subject->layout->product.pools));
}

static uint64_t size_combinations(const struct subject *subject)
{
    return base_size(subject->type) + 8 * bounded(word_of(subject, subject->layout->combinations.r));
}

static uint64_t size_permutations(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    uint64_t pool = items_at(subject, word_of(subject, layout->permutations.pool));
    return base_size(subject->type) + 8 * (pool + bounded(word_of(subject, layout->permutations.r)));
}

/* Whether a class between the object's and the first static one defines `__sizeof__`. */
static bool has_sizeof(const struct subject *subject)
{
    const struct mx_type *type = subject->type;
    for (int i = 0; type && (type->flags & MX_TPFLAGS_HEAPTYPE) && i < LONGEST_CHAIN; i++) {
        mx_addr dict = word_at(subject, type->address + (uint64_t)subject->layout->type.tp_dict);
        if (dict && mx_dict_get(subject->types->runtime, dict, "__sizeof__"))
            return true;
        type = mx_types_find(subject->types, type->base);
    }
    return false;
}

/* The ring buffer came with 3.13.0, the method that counts it some releases later. */
static uint64_t size_simple_queue(const struct subject *subject)
{
    uint64_t capacity = bounded(word_of(subject, subject->layout->simple_queue.items_cap));
    return base_size(subject->type) + (capacity && may_read(subject) && has_sizeof(subject) ? 8 * capacity : 0);
}

static uint64_t size_rare(const struct subject *subject)
{
    static uint64_t (*const sizers[MX_KIND_COUNT])(const struct subject *) = {
        [MX_KIND_BYTEARRAY] = size_bytearray,
        [MX_KIND_ORDERED_DICT] = size_ordered_dict,
        [MX_KIND_SET] = size_set,
        [MX_KIND_TYPE] = size_type,
        [MX_KIND_CODE] = size_code,
        [MX_KIND_FRAME] = size_frame,
        [MX_KIND_GENERATOR] = size_generator,
        [MX_KIND_DEQUE] = size_deque,
        [MX_KIND_ARRAY] = size_array,
        [MX_KIND_BYTESIO] = size_bytesio,
        [MX_KIND_BUFFERED] = size_buffered,
        [MX_KIND_ELEMENT] = size_element,
        [MX_KIND_STRUCT] = size_struct,
        [MX_KIND_DECIMAL] = size_decimal,
        [MX_KIND_PRODUCT] = size_product,
        [MX_KIND_COMBINATIONS] = size_combinations,
        [MX_KIND_PERMUTATIONS] = size_permutations,
        [MX_KIND_SIMPLE_QUEUE] = size_simple_queue,
    };
    uint8_t kind = subject->type->kind;
    return kind < MX_KIND_COUNT && sizers[kind] ? sizers[kind](subject) : size_by_items(subject);
}

/*
 * What _PySys_GetSizeOf adds. For all but type objects that is what stands before the object; whether a type object has
 * a GC head depends on its own flags, and versions differ in noticing it.
 */
static uint64_t presize_type(const struct subject *subject)
{
    const struct mx_layout *layout = subject->layout;
    const struct mx_types *types = subject->types;
    if (layout->presize_shape == MX_PRESIZE_BY_TYPE)
        return subject->type->preheader;
    bool plain = types->type_type < types->types.count && subject->type == &types->types.items[types->type_type];
    if (layout->presize_shape == MX_PRESIZE_BY_OBJECT && !plain)
        return subject->type->preheader;
    return word_of(subject, layout->type.tp_flags) & MX_TPFLAGS_HEAPTYPE ? subject->type->preheader : 0;
}

uint64_t mx_object_size(const struct mx_types *types, const struct mx_type *type, mx_addr address, const uint8_t *bytes,
                        size_t available, bool *needs_more)
{
    const struct mx_layout *layout = &types->runtime->layout;
    const struct subject subject = {types, layout, types->runtime->memory, type, address, bytes, available, needs_more};
    switch (type->kind) {
    case MX_KIND_INT:
    case MX_KIND_BOOL:
        return type->preheader + size_int(layout, type, bytes);
    case MX_KIND_STR:
        return type->preheader + size_str(&subject);
    case MX_KIND_OTHER:
    case MX_KIND_NONE:
    case MX_KIND_FLOAT:
    case MX_KIND_COMPLEX:
    case MX_KIND_BYTES:
    case MX_KIND_TUPLE:
        return type->preheader + size_by_items(&subject);
    case MX_KIND_LIST:
        return type->preheader + size_list(&subject);
    case MX_KIND_DICT:
        return type->preheader + size_dict(&subject);
    case MX_KIND_TYPE:
        return presize_type(&subject) + size_type(&subject);
    default:
        return type->preheader + size_rare(&subject);
    }
}

uint64_t mx_object_fixed_size(const struct mx_type *type)
{
    bool plain = type->itemsize == 0 && (type->kind == MX_KIND_OTHER || type->kind == MX_KIND_FLOAT);
    return plain ? type->preheader + base_size(type) : 0;
}
