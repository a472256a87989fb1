/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers for nodes that stay the same from one snapshot of a process to the
 * next. DevTools keeps ids in 32 bits, of which V8 uses the odd ones for
 * objects, so that addresses do not fit: but what a process uses of its address
 * space does. It is cut into pieces of 64 MB, of which 511 have room:
 *
 *   piece of the first module (the executable; malloc's heap follows it)   slot 1, and upwards
 *   piece of the last module (the loader; memory maps grow down from it)   slot 503, and downwards
 */
#include "report/export.h"

enum {
    PIECE_BITS = 26,
    UNIT_BITS = 4, /* no two blocks begin in the same 16 bytes */
    SLOTS = 512,   /* the first is for nodes that are no blocks */
    TOP = 503,     /* of the last module: a few pieces above it may be in use */
};

/* By its distance to the nearer of the two; 0 when that is too far. */
static uint32_t slot_of_piece(const struct mx_export_ids *ids, uint64_t piece)
{
    int64_t above = (int64_t)(piece - ids->low), below = (int64_t)(ids->high - piece);
    int64_t slot = llabs(above) < llabs(below) ? 1 + above : TOP - below;
    return slot >= 1 && slot < SLOTS ? (uint32_t)slot : 0;
}

/* The piece's own slot, or any that is free; 0 when none is. */
static uint32_t give_slot(const struct mx_export_ids *ids, const uint64_t *owners, uint64_t piece)
{
    uint32_t slot = slot_of_piece(ids, piece);
    if (slot && !owners[slot])
        return slot;
    for (slot = 1; slot < SLOTS; slot++)
        if (!owners[slot])
            return slot;
    return 0;
}

/* The kernel's own module lies where it likes. */
static void find_ends(const struct mx_modules *modules, struct mx_export_ids *ids)
{
    bool any = false;
    for (size_t i = 0; i < modules->modules.count; i++) {
        const struct mx_module *module = &modules->modules.items[i];
        if (!module->path || module->path[0] != '/')
            continue;
        ids->low = any ? ids->low : module->start >> PIECE_BITS;
        ids->high = module->end >> PIECE_BITS;
        any = true;
    }
}

static struct mx_error *add_piece(struct mx_export_ids *ids, uint64_t *owners, uint64_t piece)
{
    if (ids->by_number || mx_map_get(&ids->slots, piece + 1) != MX_MAP_NONE)
        return NULL;
    uint32_t slot = give_slot(ids, owners, piece);
    if (!slot) {
        ids->by_number = true;
        return NULL;
    }
    owners[slot] = piece + 1;
    return mx_map_set(&ids->slots, piece + 1, slot) ? NULL : mx_error_no_memory();
}

struct mx_error *mx_export_ids_open(const struct mx_export *export, struct mx_export_ids *ret)
{
    uint64_t owners[SLOTS] = {0};
    const struct mx_spans *spans = &export->heap->spans;
    *ret = (struct mx_export_ids){0};
    find_ends(&export->target->modules, ret);
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (uint64_t piece = span->start >> PIECE_BITS; piece <= (span->end - 1) >> PIECE_BITS && !ret->by_number;
             piece++)
            MX_TRY(add_piece(ret, owners, piece));
    }
    return NULL;
}

uint32_t mx_export_id(const struct mx_export_ids *ids, mx_addr address, uint32_t number)
{
    if (ids->by_number)
        return 2 * number + 1;
    uint32_t slot = mx_map_get(&ids->slots, (address >> PIECE_BITS) + 1);
    uint32_t unit = (uint32_t)(address >> UNIT_BITS) & ((1u << (PIECE_BITS - UNIT_BITS)) - 1);
    return (slot << (PIECE_BITS - UNIT_BITS) | unit) << 1 | 1;
}
