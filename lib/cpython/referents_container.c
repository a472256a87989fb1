/* SPDX-License-Identifier: Apache-2.0
 *
 * References of containers: what is in lists, tuples, dicts, sets and deques,
 * the raw blocks that they keep it in, and the attributes of instances.
 */
#include "cpython/dict.h"
#include "cpython/str.h"
#include "cpython/walk.h"

/* CPython Objects/odictobject.c, Modules/_collectionsmodule.c: structs without names of their own in fields.def */
enum {
    ODICT_NODE_KEY = 0,
    ODICT_NODE_NEXT = 16,
    DEQUE_BLOCK_ITEMS = 64,
    DEQUE_BLOCK_DATA = 8,
    DEQUE_BLOCK_RIGHT = 520,
    LEAST_KEYS = 8, /* places of a table that was allocated; that of empty dicts is static, and all of them share it */
};

/* Copies of the text in other forms, and the text itself where it is not in the object's own block. */
void mx_refer_str(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    if (!walk->bytes)
        return;
    struct mx_str_state state = mx_str_state(layout, walk->bytes);
    bool compact_ascii = state.compact && state.ascii;
    mx_addr data = state.compact ? walk->object + (uint64_t)layout->compact_unicode.size
                                 : mx_walk_word(walk, layout->unicode.data);
    if (!state.compact)
        mx_walk_field(walk, data, MX_EDGE_BUFFER, "<text>");
    mx_addr utf8 = compact_ascii ? 0 : mx_walk_word(walk, layout->compact_unicode.utf8);
    if (utf8 != data)
        mx_walk_field(walk, utf8, MX_EDGE_BUFFER, "<UTF-8>");
    if (layout->str_shape != MX_STR_WSTR)
        return;
    mx_addr wstr = mx_walk_word(walk, layout->ascii.wstr);
    if (wstr != data)
        mx_walk_field(walk, wstr, MX_EDGE_BUFFER, "<wchar_t>");
}

static void walk_items(struct mx_walk *walk, mx_addr first, uint64_t count)
{
    struct mx_words words = mx_words_of(walk, first, count);
    mx_addr item;
    while (mx_words_next_wanted(&words, &item))
        mx_walk_index(walk, item, words.index);
}

void mx_refer_list(struct mx_walk *walk)
{
    mx_addr items = mx_walk_word(walk, walk->layout->list.ob_item);
    walk_items(walk, items, mx_walk_items(walk));
    mx_walk_field(walk, items, MX_EDGE_BUFFER, "<items>");
}

void mx_refer_tuple(struct mx_walk *walk)
{
    uint64_t count = mx_walk_items(walk);
    mx_addr first = walk->object + (uint64_t)walk->layout->tuple.ob_item;
    walk_items(walk, first, count);
    struct mx_words words = mx_words_of(walk, first + 8 * count, walk->plan->hidden_items);
    mx_addr item;
    while (mx_words_next(&words, &item))
        mx_walk_field_index(walk, item, walk->plan->traversed, "<hidden>", words.index);
}

struct entries {
    struct mx_walk *walk;
    uint8_t key_class; /* or MX_NO_EDGE: the keys are the type's */
    uint8_t value_class;
};

static bool walk_entry(void *context, mx_addr key, mx_addr value)
{
    struct entries *entries = context;
    if (!mx_walk_wants(entries->walk, key) && !mx_walk_wants(entries->walk, value))
        return true;
    if (entries->key_class != MX_NO_EDGE)
        mx_walk_named(entries->walk, key, entries->key_class, MX_NAME_KEY_ITSELF, key);
    mx_walk_named(entries->walk, value, entries->value_class, MX_NAME_KEY, key);
    return !entries->walk->stopped;
}

/* Whether tp_traverse shows the keys: only those of tables that may hold others than str. */
static bool shows_keys(const struct mx_walk *walk, const struct mx_dict_keys *keys)
{
    if (walk->layout->dict_shape == MX_DICT_SIZE_WORD)
        return keys->lookup == walk->plans->lookdict;
    return keys->entry_size == 24;
}

void mx_refer_dict(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr table = mx_walk_word(walk, layout->dict.ma_keys), values = mx_walk_word(walk, layout->dict.ma_values);
    struct mx_dict_keys keys;
    if (!table || !mx_dict_keys_read(walk->runtime, table, &keys))
        return;
    struct entries entries = {walk, MX_EDGE_OWNED, walk->plan->traversed};
    mx_addr block = values ? mx_values_block(walk->runtime, values) : 0;
    if (values && !block && layout->hides_inline_dict)
        entries.value_class = MX_EDGE_BORROWED; /* they are inside of the instance, which shows them */
    if (values && keys.refcount != 1)
        entries.key_class = MX_NO_EDGE;
    else if (shows_keys(walk, &keys))
        entries.key_class = walk->plan->traversed;
    mx_dict_each(walk->runtime, walk->object, walk_entry, &entries);
    if (keys.size < LEAST_KEYS)
        return;
    mx_walk_field(walk, table, MX_EDGE_BUFFER, "<keys>");
    mx_walk_field(walk, block, MX_EDGE_BUFFER, "<values>");
}

static bool walk_attribute(void *context, mx_addr key, mx_addr value)
{
    struct mx_walk *walk = context;
    mx_walk_named(walk, value, walk->plan->traversed, MX_NAME_ATTRIBUTE, key);
    return !walk->stopped;
}

/*
 * Values inside the object can belong to its dict as well, which then shows them; early releases of 3.13 and 3.14 have
 * the object show them, and not the dict.
 */
void mx_refer_storage(struct mx_walk *walk)
{
    struct mx_storage storage = mx_attributes_storage(walk->runtime, walk->type, walk->object);
    bool hides_dict = storage.values && walk->layout->hides_inline_dict;
    uint8_t dict_class = hides_dict ? (uint8_t)MX_EDGE_OWNED : walk->plan->traversed;
    mx_walk_field(walk, storage.dict, dict_class, "__dict__");
    if (!storage.values || (storage.dict && !hides_dict))
        return;
    mx_values_each(walk->runtime, walk->type, storage.values, walk_attribute, walk);
    if (walk->layout->values_shape != MX_VALUES_HEADER)
        mx_walk_field(walk, mx_values_block(walk->runtime, storage.values), MX_EDGE_BUFFER, "<values>");
}

/* Nodes of the order hold every key once more. Their list is as long as the dict, or broken. */
void mx_refer_ordered_dict(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr node = mx_walk_word(walk, layout->ordered_dict.od_first);
    uint64_t left = mx_dict_room(walk, walk->object);
    for (; node && left && !walk->stopped; left--) {
        mx_addr key = mx_memory_pointer(walk->memory, node + ODICT_NODE_KEY);
        mx_walk_named(walk, key, walk->plan->traversed, MX_NAME_KEY_ITSELF, key);
        mx_walk_field(walk, node, MX_EDGE_BUFFER, "<node>");
        node = mx_memory_pointer(walk->memory, node + ODICT_NODE_NEXT);
    }
    mx_walk_field(walk, mx_walk_word(walk, layout->ordered_dict.od_fast_nodes), MX_EDGE_BUFFER, "<fast nodes>");
    mx_refer_dict(walk);
}

void mx_refer_set(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr table = mx_walk_word(walk, layout->set.table), key = 0, word;
    uint64_t places = mx_walk_word(walk, layout->set.mask) + 1;
    if (!places || places >> MX_MOST_ITEMS_LOG2)
        return;
    struct mx_words words = mx_words_of(walk, table, 2 * places);
    while (mx_words_next(&words, &word)) {
        if (!(words.index & 1))
            key = word;
        else if (word != UINT64_MAX) /* the hash of the dummy that a removed item leaves, and of no object */
            mx_walk_named(walk, key, walk->plan->traversed, MX_NAME_KEY_ITSELF, key);
    }
    if (table != walk->object + (uint64_t)layout->set.smalltable)
        mx_walk_field(walk, table, MX_EDGE_BUFFER, "<table>");
}

/* A damaged chain may close on itself: a mark that is set anew at each power of two is met then. */
void mx_refer_deque(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr block = mx_walk_word(walk, layout->deque.leftblock), mark = 0;
    uint64_t left = mx_walk_word(walk, layout->deque.leftindex), count = mx_walk_items(walk), index = 0;
    if (left >= DEQUE_BLOCK_ITEMS && count)
        return;
    for (uint64_t blocks = 1; block && block != mark && !walk->stopped; blocks++) {
        if (!(blocks & (blocks - 1)))
            mark = block;
        mx_walk_field(walk, block, MX_EDGE_BUFFER, "<block>");
        uint64_t here = count - index < DEQUE_BLOCK_ITEMS - left ? count - index : DEQUE_BLOCK_ITEMS - left;
        struct mx_words words = mx_words_of(walk, block + DEQUE_BLOCK_DATA + 8 * left, here);
        mx_addr item;
        while (mx_words_next(&words, &item))
            mx_walk_index(walk, item, index + words.index);
        index += here;
        left = 0;
        block = index < count ? mx_memory_pointer(walk->memory, block + DEQUE_BLOCK_RIGHT) : 0;
    }
}
