/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules by which a block is an object. They were measured against the
 * interpreter's own closure of references: what they must not do is take a list's
 * item array or a C struct [number, type] for an object.
 */
#include "cpython/classify.h"

#include "cpython/header.h"

enum {
    SMALLEST_POINTER = 65536, /* a reference count from here on may be a pointer in disguise */
    MOST_ITEMS = 1 << 30,
};
/* Without the interpreter's file its own types have no names: what has the looks of these two may be one. */
static bool may_be_datetime(const struct mx_type *type)
{
    enum { TIME = 40, DATE_AND_TIME = 48 };
    const uint64_t none_of = MX_TPFLAGS_HEAPTYPE | MX_TPFLAGS_HAVE_GC;
    return !strncmp(type->name, MX_TYPE_NAMELESS, strlen(MX_TYPE_NAMELESS)) && type->kind == MX_KIND_OTHER &&
           !(type->flags & none_of) && type->flags & MX_TPFLAGS_BASETYPE && !type->itemsize &&
           (type->basicsize == TIME || type->basicsize == DATE_AND_TIME);
}

/* datetime allocates instances without tzinfo shorter than tp_basicsize (CPython Modules/_datetimemodule.c). */
static bool is_short_datetime(const struct mx_types *types, const struct mx_type *type)
{
    for (int depth = 0; type && depth < 8; depth++) {
        if (!strcmp(type->name, "datetime.time") || !strcmp(type->name, "datetime.datetime") || may_be_datetime(type))
            return true;
        type = type->base_index == MX_MAP_NONE ? NULL : &types->types.items[type->base_index];
    }
    return false;
}

static uint32_t least_size(const struct mx_types *types, const struct mx_type *type)
{
    uint64_t least = (uint64_t)type->basicsize;
    if (type->kind == MX_KIND_STR)
        least = (uint64_t)types->runtime->layout.ascii.size;
    else if (type->kind == MX_KIND_TYPE) /* static types are smaller than what tp_basicsize says */
        least = (uint64_t)types->runtime->layout.type.size;
    if (is_short_datetime(types, type))
        least -= 8;
    return (uint32_t)(least < 16 ? 16 : least);
}

/* Types are 8-aligned at the least; those of modules lie some hundred bytes from each other. */
static uint32_t filter_bit(uint64_t address)
{
    return (uint32_t)(address >> 4 ^ address >> 13) & ((1u << MX_FILTER_BITS) - 1);
}

static bool add_type(struct mx_classifier *classifier, uint32_t preheader, mx_addr address, uint32_t index)
{
    uint32_t bit = filter_bit(address);
    classifier->filters[preheader][bit / 64] |= UINT64_C(1) << bit % 64;
    return mx_map_set(&classifier->by_preheader[preheader], address, index);
}

static inline uint32_t find_type(const struct mx_classifier *classifier, uint32_t preheader, uint64_t word)
{
    uint32_t bit = filter_bit(word);
    if (!(classifier->filters[preheader][bit / 64] >> bit % 64 & 1))
        return MX_MAP_NONE;
    return mx_map_get(&classifier->by_preheader[preheader], word);
}

struct mx_error *mx_classifier_open(const struct mx_types *types, struct mx_classifier *ret)
{
    struct mx_classifier classifier = {
        .types = types, .layout = &types->runtime->layout, .memory = types->runtime->memory};
    bool ok = mx_array_reserve(&classifier.least, types->types.count);
    for (size_t i = 0; ok && i < types->types.count; i++) {
        const struct mx_type *type = &types->types.items[i];
        classifier.least.items[classifier.least.count++] = least_size(types, type);
        ok = type->preheader > 32 || add_type(&classifier, type->preheader / 16, type->address, (uint32_t)i);
        /* Instances of metatypes are heap types with a GC head, or static types without one. */
        if (ok && type->kind == MX_KIND_TYPE && type->preheader)
            ok = add_type(&classifier, 0, type->address, (uint32_t)i);
    }
    if (!ok) {
        mx_classifier_close(&classifier);
        return mx_error_no_memory();
    }
    *ret = classifier;
    return NULL;
}

void mx_classifier_close(struct mx_classifier *classifier)
{
    for (int i = 0; i < MX_PREHEADERS; i++)
        mx_map_deinit(&classifier->by_preheader[i]);
    mx_array_free(&classifier->least);
}

static bool leads_to_object(const struct mx_classifier *classifier, mx_addr address)
{
    mx_addr type = mx_memory_pointer(classifier->memory, address + (mx_addr)classifier->layout->object.ob_type);
    return !(address & 7) && type && mx_map_get(&classifier->types->by_address, type) != MX_MAP_NONE;
}

/*
 * The image of an executable that is not position-independent lies at 4 to 11 million, which references to one object
 * come to in a heap of 2 GB: there only what leads to an object (from an array of items) is no count. In C data
 * (strict) there are tables of names and types, too.
 */
static bool is_mapped_pointer(const struct mx_classifier *classifier, uint64_t word, bool strict)
{
    if (word < SMALLEST_POINTER || word & 7)
        return false;
    const struct mx_region *region = mx_memory_region(classifier->memory, word);
    if (!region || strict)
        return region;
    return !(region->flags & (MX_REGION_FILE | MX_REGION_BSS)) || leads_to_object(classifier, word);
}

/*
 * Flags and locks of a free-threaded header have few values. An object on its way to be freed counts nothing; one whose
 * count is deferred lives until the collector has found that nothing refers to it, and may count less than nothing.
 */
static bool plausible_threaded_header(const struct mx_layout *layout, const uint8_t *object)
{
    enum { MUTEX_BEFORE_BITS = 1, MOST_MUTEX = 3, MOST_BITS = 127, MOST_DEFERRED = 1 << 30 };
    const uint8_t *bits = object + layout->object.ob_gc_bits;
    bool immortal, deferred;
    int64_t count = mx_threaded_refcount(layout, object, &immortal, &deferred);
    return bits[0] <= MOST_BITS && bits[-MUTEX_BEFORE_BITS] <= MOST_MUTEX &&
           (immortal || ((deferred ? count >= -MOST_DEFERRED : count > 0) && count <= UINT32_MAX));
}

/* A live object's reference count: 0 is a dead one on a free list, a pointer is some other structure. */
static inline bool plausible_refcount(const struct mx_classifier *classifier, const uint8_t *object, bool strict)
{
    if (classifier->layout->header_shape == MX_HEADER_FREE_THREADED)
        return plausible_threaded_header(classifier->layout, object);
    uint64_t word = mx_load_u64(object + classifier->layout->object.ob_refcnt);
    switch (classifier->layout->header_shape) {
    case MX_HEADER_REFCOUNT:
        if (word == 0 || word >> 32)
            return false;
        return !is_mapped_pointer(classifier, word, strict);
    case MX_HEADER_IMMORTAL_LOW:
        return word != 0 && !(word >> 32) && ((word & 0x80000000) || !is_mapped_pointer(classifier, word, strict));
    case MX_HEADER_SPLIT_WORD:
        /* ob_overflow is only used by debug builds; on a free list the word is a link. */
        return (word & 0xffffffff) != 0 && ((word >> 32) & 0xffff) == 0 && !is_mapped_pointer(classifier, word, strict);
    case MX_HEADER_FREE_THREADED:
        break;
    }
    return false;
}

/* Objects whose items follow them must fit into their block. */
static inline bool items_fit(const struct mx_classifier *classifier, const struct mx_type *type, const uint8_t *object,
                             uint64_t room)
{
    const struct mx_layout *layout = classifier->layout;
    uint64_t items;
    if (type->kind == MX_KIND_TUPLE || type->kind == MX_KIND_BYTES)
        items = mx_load_u64(object + layout->var_object.ob_size);
    else if (type->kind == MX_KIND_INT && layout->int_shape == MX_INT_LV_TAG)
        items = mx_load_u64(object + layout->integer.lv_tag) >> 3;
    else if (type->kind == MX_KIND_INT) {
        int64_t size = mx_load_i64(object + layout->var_object.ob_size);
        items = size < 0 ? -(uint64_t)size : (uint64_t)size;
    } else
        return true;
    return items <= MOST_ITEMS && (uint64_t)type->basicsize + items * (uint64_t)type->itemsize <= room;
}

/* Containers refer to a table, which must be somewhere: a C struct that begins like one seldom has such a pointer
 * there. */
static inline bool table_is_mapped(const struct mx_classifier *classifier, const struct mx_type *type,
                                   const uint8_t *object, size_t available)
{
    const struct mx_layout *layout = classifier->layout;
    int32_t at;
    if (type->kind == MX_KIND_DICT || type->kind == MX_KIND_ORDERED_DICT)
        at = layout->dict.ma_keys;
    else if (type->kind == MX_KIND_SET)
        at = layout->set.table;
    else
        return true;
    return (size_t)at + 8 <= available && mx_memory_region(classifier->memory, mx_load_u64(object + at));
}

/* Of type objects the own flags decide whether there is a GC head before them. */
static bool type_object_fits(const struct mx_classifier *classifier, const uint8_t *object, size_t available,
                             bool has_head)
{
    size_t flags_at = (size_t)classifier->layout->type.tp_flags;
    if (available < flags_at + 8)
        return false;
    uint64_t flags = mx_load_u64(object + flags_at);
    bool heads_tell = classifier->layout->preheader_shape != MX_PREHEADER_NO_GC;
    return (flags & MX_TPFLAGS_READY) && (!heads_tell || !(flags & MX_TPFLAGS_HEAPTYPE) == !has_head);
}

static inline bool has_object_body(const struct mx_classifier *classifier, uint32_t index, const uint8_t *object,
                                   uint64_t room, size_t available, bool has_head)
{
    const struct mx_type *type = &classifier->types->types.items[index];
    if (room < classifier->least.items[index] || available < (size_t)classifier->layout->object.size)
        return false;
    if (type->kind == MX_KIND_TYPE)
        return type_object_fits(classifier, object, available, has_head);
    return items_fit(classifier, type, object, room) && table_is_mapped(classifier, type, object, available);
}

static inline bool is_object(const struct mx_classifier *classifier, uint32_t index, const uint8_t *object,
                             uint64_t room, size_t available, bool has_head)
{
    return plausible_refcount(classifier, object, false) &&
           has_object_body(classifier, index, object, room, available, has_head);
}

/*
 * The links of a GC head. A buffer that got the block of a dead object may leave its type's address standing behind
 * words of its own, but hardly behind links that could be real.
 */
static inline bool plausible_links(const struct mx_classifier *classifier, const uint8_t *head)
{
    uint64_t next = mx_load_u64(head + classifier->layout->gc_head.gc_next);
    uint64_t prev = mx_load_u64(head + classifier->layout->gc_head.gc_prev);
    const uint64_t flags = 3;
    if (!next)
        return !(prev & ~flags);
    return prev && !(prev >> MX_ADDRESS_BITS) && mx_memory_region(classifier->memory, next & ~flags);
}

static bool has_gc_head(const struct mx_classifier *classifier, uint32_t preheader)
{
    return preheader > 0 && classifier->layout->preheader_shape != MX_PREHEADER_NO_GC;
}

static inline bool is_tracked(const struct mx_classifier *classifier, uint32_t index, const uint8_t *object,
                              bool has_head)
{
    const struct mx_layout *layout = classifier->layout;
    if (layout->preheader_shape != MX_PREHEADER_NO_GC)
        return has_head && mx_load_u64(object - 16 + layout->gc_head.gc_next);
    return (classifier->types->types.items[index].flags & MX_TPFLAGS_HAVE_GC) &&
           mx_threaded_tracked(object[layout->object.ob_gc_bits]);
}

bool mx_classify_block(const struct mx_classifier *classifier, const uint8_t *bytes, uint64_t size, size_t available,
                       uint32_t padding, struct mx_found_object *ret)
{
    uint32_t type_at = (uint32_t)classifier->layout->object.ob_type, head = (uint32_t)classifier->layout->object.size;
    for (uint32_t i = 0; i < MX_PREHEADERS; i++) {
        uint32_t offset = padding + 16 * i;
        if (offset + head > size)
            return false;
        uint32_t index = find_type(classifier, i, mx_load_u64(bytes + offset + type_at));
        if (index == MX_MAP_NONE)
            continue;
        bool has_head = has_gc_head(classifier, i);
        if (!is_object(classifier, index, bytes + offset, size - offset, available - offset, has_head) ||
            (has_head && !plausible_links(classifier, bytes + offset - 16)))
            continue;
        bool tracked = is_tracked(classifier, index, bytes + offset, has_head);
        *ret = (struct mx_found_object){.type = index, .offset = offset, .tracked = tracked};
        return true;
    }
    return false;
}

bool mx_classify_in_heap(const struct mx_classifier *classifier, uint8_t tag, const uint8_t *bytes, uint64_t size,
                         size_t available, uint32_t padding, struct mx_found_object *ret)
{
    enum { HEAP_MEMORY, HEAP_OBJECTS, HEAP_GC, HEAP_GC_PREHEADER };
    const struct mx_layout *layout = classifier->layout;
    if (!layout->free_threaded)
        return mx_classify_block(classifier, bytes, size, available, padding, ret);
    uint32_t offset = padding + (tag == HEAP_GC_PREHEADER ? 16 : 0);
    if (tag == HEAP_MEMORY || offset + (uint32_t)layout->object.size > size)
        return false;
    uint32_t index =
        find_type(classifier, tag == HEAP_GC_PREHEADER, mx_load_u64(bytes + offset + layout->object.ob_type));
    if (index == MX_MAP_NONE || !is_object(classifier, index, bytes + offset, size - offset, available - offset, false))
        return false;
    bool tracked = is_tracked(classifier, index, bytes + offset, false);
    *ret = (struct mx_found_object){.type = index, .offset = offset, .tracked = tracked};
    return true;
}

/* Before objects were immortal: None and the bools are counted by millions, and 3.11 begins far up with static ones. */
static bool has_static_refcount(const struct mx_classifier *classifier, uint32_t index, const uint8_t *object)
{
    if (classifier->layout->header_shape != MX_HEADER_REFCOUNT)
        return plausible_refcount(classifier, object, true);
    enum mx_kind kind = classifier->types->types.items[index].kind;
    uint64_t word = mx_load_u64(object + classifier->layout->object.ob_refcnt);
    if (mx_is_static_refcount(word) || kind == MX_KIND_NONE || kind == MX_KIND_BOOL)
        return word && !(word >> 32) && !leads_to_object(classifier, word);
    return plausible_refcount(classifier, object, true);
}

/* C data that is laid out by the compiler cannot be of a type that did not exist then. */
static bool is_made_at_run_time(const struct mx_classifier *classifier, uint32_t index)
{
    return classifier->types->types.items[index].flags & MX_TPFLAGS_HEAPTYPE;
}

/* Nearly every word of a module's data ends at the first look-up: one for all preheaders, since none is expected. */
bool mx_classify_static(const struct mx_classifier *classifier, const uint8_t *bytes, size_t available,
                        struct mx_found_object *ret)
{
    uint64_t word = mx_load_u64(bytes + classifier->layout->object.ob_type);
    uint32_t index = word && !(word & 7) ? mx_map_get(&classifier->types->by_address, word) : MX_MAP_NONE;
    if (index == MX_MAP_NONE || is_made_at_run_time(classifier, index))
        return false;
    bool is_one = has_static_refcount(classifier, index, bytes) &&
                  has_object_body(classifier, index, bytes, available, available, false);
    if (is_one)
        *ret = (struct mx_found_object){.type = index, .offset = 0, .tracked = false};
    return is_one;
}

uint32_t mx_hook_padding(const uint8_t *bytes, size_t available)
{
    enum { HOOK = 16, FORBIDDEN = 0xfd, MOST = 2 * HOOK };
    uint32_t padding = 0;
    while (padding < MOST && padding + HOOK <= available) {
        for (int i = 9; i < HOOK; i++)
            if (bytes[padding + (uint32_t)i] != FORBIDDEN)
                return padding;
        padding += HOOK;
    }
    return padding;
}
