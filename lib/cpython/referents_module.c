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
    MODULE_DEF_SIZE = 56, /* CPython Include/moduleobject.h: PyModuleDef.m_size, .m_traverse */
    MODULE_DEF_TRAVERSE = 80,
};

/* What a module keeps in C, which only its own code can read. */
void mx_refer_module(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr state = mx_walk_word(walk, layout->module.md_state), def = mx_walk_word(walk, layout->module.md_def);
    uint64_t size = def ? mx_memory_pointer(walk->memory, def + MODULE_DEF_SIZE) : 0;
    if (!state)
        return;
    mx_walk_field(walk, state, MX_EDGE_BUFFER, "<state>");
    bool shows = def && mx_memory_pointer(walk->memory, def + MODULE_DEF_TRAVERSE);
    mx_scan_buffer(walk, state, size <= MX_MOST_SCANNED ? size : 0,
                   shows ? walk->plan->traversed : (uint8_t)MX_EDGE_OWNED);
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
