/* SPDX-License-Identifier: Apache-2.0
 *
 * References of objects whose C struct nobody described: every word of the
 * body that is an address in a used block may be one, and so may every word of
 * a raw block that the body refers to that is an object's exact start. Raw
 * blocks behind raw blocks are not followed: one C library's heap would make
 * everything refer to everything.
 */
#include "cpython/walk.h"

struct found {
    mx_addr start;
    uint64_t size;
    bool is_raw;
};

static struct found find_block(const struct mx_walk *walk, mx_addr address)
{
    struct found found = {0};
    const struct mx_referents *referents = walk->referents;
    if (address && referents->find_block)
        found.start = referents->find_block(referents->context, address, &found.size, &found.is_raw);
    return found;
}

uint64_t mx_block_rest(const struct mx_walk *walk, mx_addr address)
{
    struct found found = find_block(walk, address);
    uint64_t before = address - found.start;
    return !found.start ? UINT64_MAX : before < found.size ? found.size - before : 0;
}

uint64_t mx_raw_size(const struct mx_walk *walk, mx_addr start)
{
    struct found found = find_block(walk, start);
    return found.is_raw && found.start == start ? found.size : 0;
}

static void walk_found(struct mx_walk *walk, mx_addr target, uint8_t class, uint64_t offset)
{
    struct mx_edge edge = {target, class, MX_NAME_OFFSET, false, {.index = offset}, false};
    mx_walk_edge(walk, &edge);
}

/* Whether tp_traverse would show a reference that was found in a raw block. */
static bool is_shown(const struct mx_walk *walk, mx_addr object, enum mx_shown shown)
{
    const struct mx_type *type = mx_type_of(walk->referents->types, object);
    if (shown == MX_SHOWN || shown == MX_HIDDEN || !type || !(type->flags & MX_TPFLAGS_HAVE_GC))
        return shown == MX_SHOWN;
    if (shown == MX_SHOWN_COLLECTED)
        return true;
    const struct mx_type *made = mx_types_find(walk->referents->types, object);
    return made && (made->flags & MX_TPFLAGS_HEAPTYPE);
}

/*
 * What points back at the object itself is the way from a C library's structure to the Python object for it, and not
 * counted: else the object could never die.
 */
static void scan_raw(struct mx_walk *walk, mx_addr start, uint64_t size, enum mx_shown shown, uint8_t traversed)
{
    struct mx_words words = mx_words_of(walk, start, (size <= MX_MOST_SCANNED ? size : MX_MOST_SCANNED) / 8);
    mx_addr word;
    while (mx_words_next(&words, &word)) {
        if (!word || word & 7)
            continue;
        struct found found = find_block(walk, word);
        if (found.start != word || found.is_raw)
            continue;
        uint8_t class = is_shown(walk, word, shown) ? traversed : (uint8_t)MX_EDGE_OWNED;
        walk_found(walk, word, word == walk->object ? (uint8_t)MX_EDGE_BORROWED : class, 8 * words.index);
    }
}

void mx_scan_buffer(struct mx_walk *walk, mx_addr start, uint64_t size, enum mx_shown shown)
{
    scan_raw(walk, start, size, shown, walk->plan->traversed);
}

static bool is_known(const struct mx_walk *walk, uint64_t offset)
{
    const struct mx_plan_field *field = walk->plans->fields.items + walk->plan->first;
    for (uint32_t i = 0; i < walk->plan->count; i++)
        if ((uint64_t)field[i].offset == offset)
            return true;
    return false;
}

static void scan_word(struct mx_walk *walk, mx_addr word, uint64_t offset, uint64_t *budget)
{
    struct found found = find_block(walk, word);
    if (!found.start || found.start == walk->object)
        return;
    walk_found(walk, found.start, found.is_raw ? (uint8_t)MX_EDGE_BUFFER : walk->plan->scanned, offset);
    if (!found.is_raw || found.size > *budget)
        return;
    *budget -= found.size;
    scan_raw(walk, found.start, found.size, MX_SHOWN, walk->plan->scanned);
}

void mx_scan_body(struct mx_walk *walk)
{
    const struct mx_plan *plan = walk->plan;
    uint64_t end = plan->scan_end, budget = MX_MOST_SCANNED;
    uint64_t start = plan->scan_start < end ? plan->scan_start : (uint64_t)walk->type->basicsize;
    if (plan->scans_items) {
        uint64_t items = mx_walk_items(walk), size = (uint64_t)walk->type->itemsize;
        end = (uint64_t)walk->type->basicsize + (items < MX_MOST_SCANNED ? items * size : 0);
    }
    uint64_t rest = mx_block_rest(walk, walk->object);
    end = end < rest ? end : rest;
    if (!walk->referents->find_block || start >= end)
        return;
    if (end - start > MX_MOST_SCANNED)
        end = start + MX_MOST_SCANNED;
    start = (start + 7) & ~UINT64_C(7);
    struct mx_words words = mx_words_of(walk, walk->object + start, (end - start) / 8);
    mx_addr word;
    while (mx_words_next(&words, &word))
        if (!is_known(walk, start + 8 * words.index))
            scan_word(walk, word, start + 8 * words.index, &budget);
}
