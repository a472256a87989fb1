/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints lists, tuples, sets, dicts, deques and arrays: the items between
 * their brackets.
 */
#include "cpython/dict.h"
#include "cpython/shower.h"

/* Modules/_collectionsmodule.c: a block is a link, 64 items and a link. */
enum { DEQUE_BLOCK_ITEMS = 64, DEQUE_BLOCK_FIRST = 8, DEQUE_BLOCK_RIGHT = 520 };

/* `count` pointers at `address`; NULL when they are not all there. */
static const uint8_t *view_pointers(const struct mx_shower *shower, mx_addr address, uint64_t count)
{
    return count <= INT64_MAX / 8 ? mx_memory_view(shower->memory, address, (size_t)(8 * count)) : NULL;
}

static void show_missing(struct mx_shower *shower, uint64_t count, mx_addr address)
{
    mx_show_print(shower, "<%llu items at 0x%llx>", (unsigned long long)count, (unsigned long long)address);
}

/* Returns how many were shown. */
static uint64_t show_items(struct mx_shower *shower, mx_addr address, uint64_t count)
{
    const uint8_t *items = count ? view_pointers(shower, address, count) : NULL;
    uint64_t shown = 0;
    if (count && !items) {
        show_missing(shower, count, address);
        return 0;
    }
    for (; shown < count && mx_show_next(shower, shown); shown++)
        mx_show_value(shower, mx_load_u64(items + 8 * shown));
    mx_show_rest(shower, shown, count);
    return shown;
}

void mx_show_list(struct mx_shower *shower, mx_addr object)
{
    mx_show_open(shower, "[");
    show_items(shower, mx_show_word(shower, object, shower->layout->list.ob_item),
               mx_show_word(shower, object, shower->layout->var_object.ob_size));
    mx_show_close(shower, "]");
}

void mx_show_tuple(struct mx_shower *shower, mx_addr object)
{
    uint64_t count = mx_show_word(shower, object, shower->layout->var_object.ob_size);
    mx_show_open(shower, "(");
    uint64_t shown = show_items(shower, object + (uint64_t)shower->layout->tuple.ob_item, count);
    mx_show_close(shower, count == 1 && shown ? ",)" : ")");
}

/* No hash is -1 (CPython Objects/setobject.c): that marks the place of a removed key. */
static void show_table(struct mx_shower *shower, const uint8_t *table, uint64_t places, uint64_t used)
{
    uint64_t shown = 0;
    for (uint64_t i = 0; i < places; i++) {
        mx_addr key = mx_load_u64(table + 16 * i);
        if (!key || mx_load_i64(table + 16 * i + 8) == -1)
            continue;
        if (!mx_show_next(shower, shown))
            break;
        mx_show_value(shower, key);
        shown++;
    }
    mx_show_rest(shower, shown, used);
}

/* An empty set prints nothing inside its type's name: "set()", "frozenset()". */
void mx_show_set(struct mx_shower *shower, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    const struct mx_type *type = mx_type_of(shower->types, object);
    uint64_t used = mx_show_word(shower, object, layout->set.used);
    uint64_t places = mx_show_word(shower, object, layout->set.mask) + 1;
    mx_addr address = mx_show_word(shower, object, layout->set.table);
    if (!used) {
        if (type && !strcmp(type->name, "set"))
            mx_show_put(shower, "set()", 5);
        return;
    }
    const uint8_t *table = places <= INT64_MAX / 16 ? view_pointers(shower, address, 2 * places) : NULL;
    mx_show_open(shower, "{");
    if (table)
        show_table(shower, table, places, used);
    else
        show_missing(shower, used, address);
    mx_show_close(shower, "}");
}

struct entries {
    struct mx_shower *shower;
    uint64_t shown;
};

static bool show_entry(void *context, mx_addr key, mx_addr value)
{
    struct entries *entries = context;
    if (!mx_show_next(entries->shower, entries->shown))
        return false;
    mx_show_value(entries->shower, key);
    mx_show_put(entries->shower, ": ", 2);
    mx_show_value(entries->shower, value);
    entries->shown++;
    return true;
}

void mx_show_dict(struct mx_shower *shower, mx_addr object)
{
    struct entries entries = {shower, 0};
    mx_show_open(shower, "{");
    mx_dict_each(shower->runtime, object, show_entry, &entries);
    mx_show_rest(shower, entries.shown, mx_show_word(shower, object, shower->layout->dict.ma_used));
    mx_show_close(shower, "}");
}

/* Steps to the next place, into the next block after the last one of a block; false where that is not there. */
static bool step_place(const struct mx_shower *shower, const uint8_t **block, uint64_t *place)
{
    if (++*place < DEQUE_BLOCK_ITEMS)
        return true;
    *place = 0;
    *block = mx_memory_view(shower->memory, mx_load_u64(*block + DEQUE_BLOCK_RIGHT), DEQUE_BLOCK_RIGHT + 8);
    return *block != NULL;
}

static void show_blocks(struct mx_shower *shower, mx_addr object, uint64_t count)
{
    const struct mx_layout *layout = shower->layout;
    mx_addr left = mx_show_word(shower, object, layout->deque.leftblock);
    uint64_t place = mx_show_word(shower, object, layout->deque.leftindex), shown = 0;
    const uint8_t *block = mx_memory_view(shower->memory, left, DEQUE_BLOCK_RIGHT + 8);
    bool there = block && place < DEQUE_BLOCK_ITEMS;
    while (there && shown < count && mx_show_next(shower, shown)) {
        mx_show_value(shower, mx_load_u64(block + DEQUE_BLOCK_FIRST + 8 * place));
        shown++;
        there = step_place(shower, &block, &place);
    }
    mx_show_rest(shower, shown, count);
}

void mx_show_deque(struct mx_shower *shower, mx_addr object)
{
    mx_show_open(shower, "[");
    show_blocks(shower, object, mx_show_word(shower, object, shower->layout->var_object.ob_size));
    mx_show_close(shower, "]");
    int64_t longest = (int64_t)mx_show_word(shower, object, shower->layout->deque.maxlen);
    if (shower->layout->deque.maxlen != MX_ABSENT && longest >= 0)
        mx_show_print(shower, ", maxlen=%lld", (long long)longest);
}

/* An integer of 1, 2, 4 or 8 bytes; lower-case typecodes are signed. */
static void show_array_integer(struct mx_shower *shower, const uint8_t *item, unsigned size, bool is_signed)
{
    uint64_t value = 0;
    memcpy(&value, item, size);
    unsigned unused = 64 - 8 * size;
    if (is_signed)
        mx_show_print(shower, "%lld", (long long)((int64_t)(value << unused) >> unused));
    else
        mx_show_print(shower, "%llu", (unsigned long long)value);
}

static void show_array_item(struct mx_shower *shower, const uint8_t *item, char typecode, unsigned size)
{
    if (typecode == 'f') {
        float value;
        memcpy(&value, item, sizeof(value));
        mx_show_double(shower, (double)value, true);
    } else if (typecode == 'd') {
        double value;
        memcpy(&value, item, sizeof(value));
        mx_show_double(shower, value, true);
    } else if (typecode == 'u' || typecode == 'w') {
        mx_show_put(shower, "'", 1);
        mx_show_point(shower, mx_load_u32(item), '\'');
        mx_show_put(shower, "'", 1);
    } else {
        show_array_integer(shower, item, size, typecode >= 'a');
    }
}

/* The size that CPython gives a typecode on 64-bit Linux; 0 = none such. */
static unsigned array_item_size(char typecode)
{
    switch (typecode) {
    case 'b':
    case 'B':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'i':
    case 'I':
    case 'f':
    case 'u':
    case 'w':
        return 4;
    case 'l':
    case 'L':
    case 'q':
    case 'Q':
    case 'd':
        return 8;
    default:
        return 0;
    }
}

void mx_show_array(struct mx_shower *shower, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    mx_addr descr = mx_show_word(shower, object, layout->array.ob_descr);
    char typecode = (char)mx_show_word(shower, descr, layout->array_descr.typecode);
    unsigned size = array_item_size(typecode);
    uint64_t count = mx_show_word(shower, object, layout->var_object.ob_size), shown = 0;
    mx_addr address = mx_show_word(shower, object, layout->array.ob_item);
    const uint8_t *items = NULL;
    if (size && count && count <= INT64_MAX / 8)
        items = mx_memory_view(shower->memory, address, (size_t)(size * count));
    mx_show_print(shower, "'%c'", size ? typecode : '?');
    if (!count)
        return;
    mx_show_open(shower, ", [");
    for (; items && shown < count && mx_show_next(shower, shown); shown++)
        show_array_item(shower, items + shown * size, typecode, size);
    mx_show_rest(shower, shown, count);
    mx_show_close(shower, "]");
}
