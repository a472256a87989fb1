/* SPDX-License-Identifier: Apache-2.0
 *
 * References of the standard library's own structures that are no plain
 * fields: links, counted arrays, tagged pointers, fields that are there or not.
 */
#include "cpython/dict.h"
#include "cpython/walk.h"

enum {
    HAMT_SLOTS = 32,
    TEE_VALUES = 57,
    EXPAT_HANDLERS = 64,
    MOST_NAME = 512,
    /* CPython Include/moduleobject.h: PyModuleDef.m_name, .m_size, .m_traverse */
    MODULE_DEF_NAME = 40,
    MODULE_DEF_SIZE = 56,
    MODULE_DEF_TRAVERSE = 80,
};

/* m_traverse is written by hand, and some leave out what cannot be part of a cycle. */
static enum mx_shown shown_by_module(const struct mx_walk *walk, mx_addr def)
{
    static const char *const sparing[] = {"array", "_csv", "_datetime", "_elementtree", "_signal", "_sqlite3", "_ssl"};
    const char *name = mx_memory_text(walk->memory, mx_memory_pointer(walk->memory, def + MODULE_DEF_NAME), MOST_NAME);
    if (!mx_memory_pointer(walk->memory, def + MODULE_DEF_TRAVERSE))
        return MX_HIDDEN;
    for (size_t i = 0; name && i < sizeof(sparing) / sizeof(sparing[0]); i++)
        if (!strcmp(name, sparing[i]))
            return MX_SHOWN_COLLECTED;
    return MX_SHOWN;
}

/* What a module keeps in C, which only its own code can read. */
void mx_refer_module(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr state = mx_walk_word(walk, layout->module.md_state), def = mx_walk_word(walk, layout->module.md_def);
    if (!state || !def)
        return;
    uint64_t size = mx_memory_pointer(walk->memory, def + MODULE_DEF_SIZE);
    mx_walk_field(walk, state, MX_EDGE_BUFFER, "<state>");
    mx_scan_buffer(walk, state, size <= MX_MOST_SCANNED ? size : 0, shown_by_module(walk, def));
}

/* The cache's dict holds as many links as there are in the ring, or the ring is broken. */
void mx_refer_lru_cache(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    struct mx_dict_keys keys;
    mx_addr cache = mx_walk_word(walk, layout->lru_cache.cache);
    mx_addr table = cache ? mx_memory_pointer(walk->memory, cache + (uint64_t)layout->dict.ma_keys) : 0;
    mx_addr root = walk->object + (uint64_t)layout->lru_cache.root;
    mx_addr link = mx_walk_word(walk, layout->lru_cache.root + layout->lru_element.next);
    uint64_t left = table && mx_dict_keys_read(walk->runtime, table, &keys) ? keys.entries : 0;
    bool shows_type = layout->traverse_shape >= MX_TRAVERSE_3_10;
    for (uint64_t i = 0; link && link != root && i < left && !walk->stopped; i++) {
        mx_addr key = mx_memory_pointer(walk->memory, link + (uint64_t)layout->lru_element.key);
        mx_addr result = mx_memory_pointer(walk->memory, link + (uint64_t)layout->lru_element.result);
        mx_walk_field_index(walk, key, walk->plan->traversed, "<key>", i);
        mx_walk_field_index(walk, result, walk->plan->traversed, "<result>", i);
        if (shows_type)
            mx_walk_field_index(walk, mx_memory_pointer(walk->memory, link + (uint64_t)layout->object.ob_type),
                                walk->plan->traversed, "<type of element>", i);
        link = mx_memory_pointer(walk->memory, link + (uint64_t)layout->lru_element.next);
    }
}

static void walk_array(struct mx_walk *walk, mx_addr first, uint64_t count, const char *text)
{
    struct mx_words words = mx_words_of(walk, first, count);
    mx_addr word;
    while (mx_words_next(&words, &word))
        mx_walk_field_index(walk, word, walk->plan->traversed, text, words.index);
}

void mx_refer_hamt_array(struct mx_walk *walk)
{
    walk_array(walk, walk->object + (uint64_t)walk->layout->hamt_array.a_array, HAMT_SLOTS, "<child>");
}

void mx_refer_hamt_bitmap(struct mx_walk *walk)
{
    walk_array(walk, walk->object + (uint64_t)walk->layout->hamt_bitmap.b_array, mx_walk_items(walk), "<entry>");
}

void mx_refer_hamt_collision(struct mx_walk *walk)
{
    walk_array(walk, walk->object + (uint64_t)walk->layout->hamt_collision.c_array, mx_walk_items(walk), "<entry>");
}

void mx_refer_tee_data(struct mx_walk *walk)
{
    uint32_t count = mx_walk_u32(walk, walk->layout->tee_data.numread);
    walk_array(walk, walk->object + (uint64_t)walk->layout->tee_data.values, count <= TEE_VALUES ? count : 0,
               "<value>");
}

/* A ring buffer since 3.13, a list before. */
void mx_refer_simple_queue(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    uint64_t capacity = mx_walk_word(walk, layout->simple_queue.items_cap);
    uint64_t get = mx_walk_word(walk, layout->simple_queue.get_index);
    uint64_t count = mx_walk_word(walk, layout->simple_queue.num_items);
    mx_addr items = mx_walk_word(walk, layout->simple_queue.items);
    if (capacity >> MX_MOST_ITEMS_LOG2 || get >= capacity || count > capacity)
        return;
    uint64_t before_end = count < capacity - get ? count : capacity - get;
    walk_array(walk, items + 8 * get, before_end, "<item>");
    walk_array(walk, items, count - before_end, "<item>");
}

/* CPython Modules/_elementtree.c: JOIN_OBJ, the lowest bit says that the text is a list to be joined. */
void mx_refer_element(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_walk_field(walk, mx_walk_word(walk, layout->element.text) & ~UINT64_C(1), walk->plan->traversed, "text");
    mx_walk_field(walk, mx_walk_word(walk, layout->element.tail) & ~UINT64_C(1), walk->plan->traversed, "tail");
    mx_addr extra = mx_walk_word(walk, layout->element.extra);
    if (!extra || layout->element_extra.size < 0)
        return;
    mx_addr children = mx_memory_pointer(walk->memory, extra + (uint64_t)layout->element_extra.children);
    uint64_t count = mx_memory_pointer(walk->memory, extra + (uint64_t)layout->element_extra.length);
    mx_walk_field(walk, mx_memory_pointer(walk->memory, extra + (uint64_t)layout->element_extra.attrib),
                  walk->plan->traversed, "attrib");
    if (children != extra + (uint64_t)layout->element_extra.children_inline)
        mx_walk_field(walk, children, MX_EDGE_BUFFER, "<children>");
    struct mx_words words = mx_words_of(walk, children, count >> MX_MOST_ITEMS_LOG2 ? 0 : count);
    mx_addr child;
    while (mx_words_next(&words, &child))
        mx_walk_index(walk, child, words.index);
}

/* An object without a time zone ends before the field. */
static void walk_zone(struct mx_walk *walk, int32_t has, int32_t zone)
{
    uint8_t byte = 0;
    if (has >= 0 && mx_memory_u8(walk->memory, walk->object + (uint64_t)has, &byte) && byte)
        mx_walk_field(walk, mx_memory_pointer(walk->memory, walk->object + (uint64_t)zone), MX_EDGE_OWNED, "tzinfo");
}

void mx_refer_date_time(struct mx_walk *walk)
{
    walk_zone(walk, walk->layout->date_time.hastzinfo, walk->layout->date_time.tzinfo);
}

void mx_refer_day_time(struct mx_walk *walk)
{
    walk_zone(walk, walk->layout->day_time.hastzinfo, walk->layout->day_time.tzinfo);
}

/* The handlers are an array as long as pyexpat has kinds of events; it ends in what is no object. */
void mx_refer_expat_parser(struct mx_walk *walk)
{
    mx_addr handlers = mx_walk_word(walk, walk->layout->expat_parser.handlers);
    mx_walk_field(walk, handlers, MX_EDGE_BUFFER, "<handlers>");
}

/* 3.8-3.10: the factory is the connection, which the cache must not keep alive. */
void mx_refer_sqlite_cache(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    bool counts = mx_walk_u32(walk, layout->sqlite_cache.decref_factory);
    mx_walk_field(walk, mx_walk_word(walk, layout->sqlite_cache.factory),
                  counts ? walk->plan->traversed : (uint8_t)MX_EDGE_BORROWED, "<factory>");
}

/* C code's own structure; since 3.13 its owner can say how to traverse it. */
void mx_refer_capsule(struct mx_walk *walk)
{
    mx_addr pointer = mx_walk_word(walk, walk->layout->capsule.pointer), start = 0;
    const struct mx_referents *referents = walk->referents;
    uint64_t size = 0;
    bool is_raw = false;
    if (pointer && referents->find_block)
        start = referents->find_block(referents->context, pointer, &size, &is_raw);
    if (!start || start != pointer || !is_raw)
        return;
    bool shows = mx_walk_word(walk, walk->layout->capsule.traverse_func);
    mx_walk_field(walk, pointer, MX_EDGE_BUFFER, "<pointer>");
    mx_scan_buffer(walk, start, size, shows ? MX_SHOWN_COLLECTED : MX_HIDDEN);
}

/* 3.8-3.12: ctypes' knowledge of a type is in its __dict__, which is a StgDict. */
void mx_refer_ctypes_type(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr dict = mx_walk_word(walk, layout->type.tp_dict);
    const struct mx_type *type = dict ? mx_type_of(walk->referents->types, dict) : NULL;
    mx_refer_type(walk);
    if (type && type->basicsize >= layout->ctypes_type_dict.size)
        mx_walk_field(walk, mx_memory_pointer(walk->memory, dict + (uint64_t)layout->ctypes_type_dict.proto),
                      walk->plan->traversed, "<proto>");
}

/* 3.13+: it stands behind the type object, where a metatype's instances keep their data. */
void mx_refer_ctypes_type_info(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    const int32_t fields[] = {layout->ctypes_type_info.proto,      layout->ctypes_type_info.argtypes,
                              layout->ctypes_type_info.converters, layout->ctypes_type_info.restype,
                              layout->ctypes_type_info.checker,    layout->ctypes_type_info.module};
    static const char *const names[] = {"<proto>", "_argtypes_", "<converters>", "_restype_", "<checker>", "<module>"};
    int32_t info = (layout->heap_type.size + 15) & ~15;
    mx_refer_type(walk);
    if (!mx_walk_u32(walk, info + layout->ctypes_type_info.initialized))
        return;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i] != MX_ABSENT)
            mx_walk_field(walk, mx_walk_word(walk, info + fields[i]), walk->plan->traversed, names[i]);
}
