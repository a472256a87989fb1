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
    /* CPython Include/moduleobject.h: PyModuleDef.m_name, .m_size, .m_traverse, behind the object's header */
    MODULE_DEF_NAME = 24,
    MODULE_DEF_SIZE = 40,
    MODULE_DEF_TRAVERSE = 64,
};

/* What a module keeps in C: where, and what its tp_traverse is told. */
struct state {
    mx_addr address;
    uint64_t size;
    mx_addr traverse;
    const char *name; /* the definition's, or NULL */
};

static struct state state_of(const struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    struct state ret = {.address = mx_walk_word(walk, layout->module.md_state)};
    bool has_own_facts = layout->module.md_state_size != MX_ABSENT; /* 3.15+: there may be no definition */
    bool has_definition = !has_own_facts || mx_walk_u32(walk, layout->module.md_token_is_def) & 0xff;
    mx_addr def = mx_walk_word(walk, has_own_facts ? layout->module.md_token : layout->module.md_def);
    if (def && has_definition) {
        def += (mx_addr)layout->object.size;
        ret.name = mx_memory_text(walk->memory, mx_memory_pointer(walk->memory, def + MODULE_DEF_NAME), MOST_NAME);
        ret.size = mx_memory_pointer(walk->memory, def + MODULE_DEF_SIZE);
        ret.traverse = mx_memory_pointer(walk->memory, def + MODULE_DEF_TRAVERSE);
    }
    if (has_own_facts) {
        ret.size = mx_walk_word(walk, layout->module.md_state_size);
        ret.traverse = mx_walk_word(walk, layout->module.md_state_traverse);
    }
    return ret;
}

/* m_traverse is written by hand, and some leave out what cannot be part of a cycle. */
static enum mx_shown shown_by_module(const struct state *state)
{
    static const struct {
        const char *name;
        enum mx_shown shown;
    } sparing[] = {
        {"array", MX_SHOWN_COLLECTED},   {"_csv", MX_SHOWN_COLLECTED},         {"_datetime", MX_SHOWN_COLLECTED},
        {"decimal", MX_SHOWN_COLLECTED}, {"_elementtree", MX_SHOWN_COLLECTED}, {"_random", MX_SHOWN_TYPES},
        {"_signal", MX_SHOWN_COLLECTED}, {"_sqlite3", MX_SHOWN_COLLECTED},     {"_ssl", MX_SHOWN_COLLECTED},
    };
    if (!state->traverse)
        return MX_HIDDEN;
    for (size_t i = 0; state->name && i < sizeof(sparing) / sizeof(sparing[0]); i++)
        if (!strcmp(state->name, sparing[i].name))
            return sparing[i].shown;
    return MX_SHOWN;
}

/*
 * CPython 3.13+, Modules/_decimal/_decimal.c: DecCondMap, {name, full name, flag, exception} up to one without a name.
 * The state has one of signals and then one of conditions, whose first entry is not shown.
 */
static void walk_decimal_maps(struct mx_walk *walk, mx_addr state, uint64_t size)
{
    enum { ENTRY = 32, FULL_NAME = 8, EXCEPTION = 24, MOST_ENTRIES = 64 };
    struct mx_words words = mx_words_of(walk, state, size / 8);
    mx_addr map;
    for (unsigned first = 0; mx_words_next(&words, &map);) {
        uint64_t entries = map && !(map & 7) ? mx_raw_size(walk, map) / ENTRY : 0;
        if (!entries)
            continue;
        mx_walk_field(walk, map, MX_EDGE_BUFFER, "<map>");
        for (uint64_t i = first; i < entries && i < MOST_ENTRIES; i++) {
            mx_addr entry = map + ENTRY * i;
            if (!mx_memory_pointer(walk->memory, entry + FULL_NAME))
                break;
            mx_walk_field_index(walk, mx_memory_pointer(walk->memory, entry + EXCEPTION), walk->plan->traversed,
                                "<signal>", i);
        }
        first = 1;
    }
}

/* What a module keeps in C only its own code can read. */
void mx_refer_module(struct mx_walk *walk)
{
    struct state state = state_of(walk);
    if (state.name && !strcmp(state.name, "faulthandler"))
        mx_refer_faulthandler(walk);
    if (!state.address || !state.size)
        return;
    uint64_t rest = mx_block_rest(walk, state.address);
    mx_walk_field(walk, state.address, MX_EDGE_BUFFER, "<state>");
    state.size = state.size < rest ? state.size : rest;
    state.size = state.size <= MX_MOST_SCANNED ? state.size : 0;
    mx_scan_buffer(walk, state.address, state.size, shown_by_module(&state));
    if (state.name && !strcmp(state.name, "decimal"))
        walk_decimal_maps(walk, state.address, state.size);
}

/* How many entries a dict has had room for: no list beside it is longer. */
uint64_t mx_dict_room(const struct mx_walk *walk, mx_addr dict)
{
    struct mx_dict_keys keys;
    mx_addr table = dict ? mx_memory_pointer(walk->memory, dict + (uint64_t)walk->layout->dict.ma_keys) : 0;
    if (!table || !mx_dict_keys_read(walk->runtime, table, &keys))
        return 0;
    const struct mx_region *region = mx_memory_region(walk->memory, keys.first);
    uint64_t there = region ? (region->end - keys.first) / keys.entry_size : 0;
    return keys.entries < there ? keys.entries : there;
}

/* The cache's dict holds as many links as there are in the ring, or the ring is broken. */
void mx_refer_lru_cache(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr root = walk->object + (uint64_t)layout->lru_cache.root;
    mx_addr link = mx_walk_word(walk, layout->lru_cache.root + layout->lru_element.next);
    uint64_t left = mx_dict_room(walk, mx_walk_word(walk, layout->lru_cache.cache));
    bool shows_type = layout->traverse_shape >= MX_TRAVERSE_3_10;
    for (uint64_t i = 0; link && link != root && i < left && !walk->stopped; i++) {
        mx_addr key = mx_memory_pointer(walk->memory, link + (uint64_t)layout->lru_element.key);
        mx_addr result = mx_memory_pointer(walk->memory, link + (uint64_t)layout->lru_element.result);
        mx_addr type = mx_memory_pointer(walk->memory, link + (uint64_t)layout->object.ob_type);
        mx_walk_field_index(walk, link, MX_EDGE_OWNED, "<element>", i);
        mx_walk_field_index(walk, key, walk->plan->traversed, "<key>", i);
        mx_walk_field_index(walk, result, walk->plan->traversed, "<result>", i);
        if (shows_type)
            mx_walk_field_index(walk, type, walk->plan->traversed, "<type of element>", i);
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

/* The handlers are an array as long as pyexpat has kinds of events. */
void mx_refer_expat_parser(struct mx_walk *walk)
{
    mx_addr handlers = mx_walk_word(walk, walk->layout->expat_parser.handlers);
    mx_walk_field(walk, handlers, MX_EDGE_BUFFER, "<handlers>");
    mx_scan_buffer(walk, handlers, mx_raw_size(walk, handlers), MX_SHOWN);
}
