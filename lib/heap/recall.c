/* SPDX-License-Identifier: Apache-2.0
 *
 * The notes about pools: taking them, using them, and carrying them over to
 * other numbers of types.
 */
#include "heap/recall.h"

#include "base/hash.h"

struct mx_error *mx_recall_new(struct mx_recall **ret)
{
    struct mx_recall *recall = mx_calloc(1, sizeof(*recall));
    if (!recall)
        return mx_error_no_memory();
    *ret = recall;
    return NULL;
}

static void drop_arena(struct mx_arena_note *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        free(arena->notes[i]);
    free(arena->notes);
    *arena = (struct mx_arena_note){0};
}

void mx_recall_clear(struct mx_recall *recall)
{
    for (size_t i = 0; i < recall->arenas.count; i++)
        drop_arena(&recall->arenas.items[i]);
    mx_array_free(&recall->arenas);
    mx_array_free(&recall->types);
}

void mx_recall_close(struct mx_recall *recall)
{
    if (!recall)
        return;
    mx_recall_clear(recall);
    free(recall);
}

static struct mx_recalled_type describe(const struct mx_type *type)
{
    return (struct mx_recalled_type){.address = type->address,
                                     .flags = type->flags,
                                     .basicsize = type->basicsize,
                                     .itemsize = type->itemsize,
                                     .dictoffset = type->dictoffset,
                                     .preheader = type->preheader,
                                     .kind = type->kind};
}

static bool is_same(const struct mx_recalled_type *a, const struct mx_recalled_type *b)
{
    return a->address == b->address && a->flags == b->flags && a->basicsize == b->basicsize &&
           a->itemsize == b->itemsize && a->dictoffset == b->dictoffset && a->preheader == b->preheader &&
           a->kind == b->kind;
}

/* The types' new numbers by their old ones, MX_BLOCK_RAW where there is none; *ret_moved: some are other numbers. */
static bool number_types(const struct mx_recall *recall, const struct mx_types *types, uint16_t *numbers)
{
    bool moved = false;
    for (size_t i = 0; i < recall->types.count; i++) {
        const struct mx_recalled_type *old = &recall->types.items[i];
        uint32_t index = mx_map_get(&types->by_address, old->address);
        struct mx_recalled_type now = {0};
        if (index != MX_MAP_NONE)
            now = describe(&types->types.items[index]);
        numbers[i] = index != MX_MAP_NONE && is_same(old, &now) ? (uint16_t)index : MX_BLOCK_RAW;
        moved |= numbers[i] != i;
    }
    return moved;
}

/* False when it has objects of a type that is gone, or that changed: the pool is to be looked at again. */
static bool renumber_note(struct mx_pool_note *note, const uint16_t *numbers)
{
    for (uint32_t i = 0; i < note->sum_count; i++)
        if (numbers[note->sums[i].type] == MX_BLOCK_RAW)
            return false;
    for (uint32_t i = 0; i < note->dict_count; i++)
        if (numbers[note->dicts[i].type] == MX_BLOCK_RAW)
            return false;
    for (uint32_t i = 0; i < note->sum_count; i++)
        note->sums[i].type = numbers[note->sums[i].type];
    for (uint32_t i = 0; i < note->dict_count; i++)
        note->dicts[i].type = numbers[note->dicts[i].type];
    for (uint32_t i = 0; i < note->pool.carved; i++)
        if (note->kinds[i] < MX_BLOCK_FAR_TYPE)
            note->kinds[i] = numbers[note->kinds[i]];
    return true;
}

static void renumber(struct mx_recall *recall, const uint16_t *numbers)
{
    for (size_t i = 0; i < recall->arenas.count; i++)
        for (size_t k = 0; k < recall->arenas.items[i].count; k++) {
            struct mx_pool_note **note = &recall->arenas.items[i].notes[k];
            if (!*note || renumber_note(*note, numbers))
                continue;
            free(*note);
            *note = NULL;
        }
}

static struct mx_error *take_types(struct mx_recall *recall, const struct mx_types *types)
{
    uint16_t *numbers = mx_calloc(recall->types.count, sizeof(*numbers));
    if (!numbers || !mx_array_reserve(&recall->types, types->types.count)) {
        free(numbers);
        return mx_error_no_memory();
    }
    if (number_types(recall, types, numbers))
        renumber(recall, numbers);
    free(numbers);
    recall->types.count = 0;
    for (size_t i = 0; i < types->types.count; i++)
        recall->types.items[recall->types.count++] = describe(&types->types.items[i]);
    return NULL;
}

/* Gives the arena room for notes of all its pools, and those that it had. */
static bool carry_over(struct mx_arena_note *old, const struct mx_arena *arena, uint32_t pool_size,
                       struct mx_arena_note *ret)
{
    *ret = (struct mx_arena_note){.pools = arena->pools, .count = (arena->pools_end - arena->pools) / pool_size};
    ret->notes = mx_calloc(ret->count, sizeof(struct mx_pool_note *));
    if (!ret->notes)
        return false;
    for (size_t i = 0; old && i < old->count && i < ret->count; i++) {
        ret->notes[i] = old->notes[i];
        old->notes[i] = NULL;
    }
    return true;
}

static struct mx_error *take_arenas(struct mx_recall *recall, const struct mx_arenas *arenas, uint32_t pool_size)
{
    MX_ARRAY(struct mx_arena_note) notes = {0};
    size_t at = 0;
    bool ok = mx_array_reserve(&notes, arenas->arenas.count);
    for (size_t i = 0; ok && i < arenas->arenas.count; i++) {
        const struct mx_arena *arena = &arenas->arenas.items[i];
        while (at < recall->arenas.count && recall->arenas.items[at].pools < arena->pools)
            at++;
        bool known = at < recall->arenas.count && recall->arenas.items[at].pools == arena->pools;
        ok = carry_over(known ? &recall->arenas.items[at] : NULL, arena, pool_size, &notes.items[notes.count]);
        notes.count += ok;
    }
    for (size_t i = 0; i < recall->arenas.count; i++)
        drop_arena(&recall->arenas.items[i]);
    mx_array_free(&recall->arenas);
    recall->arenas.items = notes.items;
    recall->arenas.count = notes.count;
    recall->arenas.capacity = notes.capacity;
    return ok ? NULL : mx_error_no_memory();
}

struct mx_error *mx_recall_begin(struct mx_recall *recall, const struct mx_types *types, const struct mx_arenas *arenas,
                                 uint32_t pool_size)
{
    struct mx_error *error = take_types(recall, types);
    if (!error)
        error = take_arenas(recall, arenas, pool_size);
    if (error)
        mx_recall_clear(recall);
    return error;
}

static struct mx_pool_note *new_note(const struct mx_pool *pool, uint32_t sums, uint32_t dicts)
{
    size_t size = sizeof(struct mx_pool_note) + sums * sizeof(struct mx_type_sum) +
                  dicts * sizeof(struct mx_pending_dict) + pool->carved * sizeof(uint16_t);
    struct mx_pool_note *note = malloc(size);
    if (!note)
        return NULL;
    *note = (struct mx_pool_note){.pool = *pool, .sum_count = sums, .dict_count = dicts};
    note->sums = (struct mx_type_sum *)(note + 1);
    note->dicts = (struct mx_pending_dict *)(note->sums + sums);
    note->kinds = (uint16_t *)(note->dicts + dicts);
    return note;
}

/* Moves what the pool's objects sum up to out of the worker's scratch sums. */
static void take_sums(struct mx_worker *worker, struct mx_pool_note *note)
{
    for (uint32_t i = 0; i < note->sum_count; i++) {
        uint32_t type = worker->touched.items[i];
        note->sums[i] = (struct mx_type_sum){.tally = worker->scratch[type], .type = type};
        worker->scratch[type] = (struct mx_tally){0};
    }
    worker->touched.count = 0;
    worker->pending.count -= note->dict_count;
    if (note->dict_count)
        memcpy(note->dicts, worker->pending.items + worker->pending.count, note->dict_count * sizeof(*note->dicts));
}

/* Looks at every block of a pool, and notes what there is; NULL when there is no memory. */
static struct mx_pool_note *look_at(struct mx_worker *worker, const struct mx_pool *pool, const uint8_t *bytes,
                                    const uint64_t *free_bits, uint64_t hash)
{
    uint16_t kinds[MX_POOL_MOST_BLOCKS];
    size_t pending = worker->pending.count;
    uint64_t raw_blocks = worker->sums.raw_blocks, raw_bytes = worker->sums.raw_bytes;
    worker->notes = true;
    worker->reads_elsewhere = false;
    mx_scan_pool(worker, pool, bytes, free_bits, kinds);
    worker->notes = false;
    struct mx_pool_note *note =
        new_note(pool, (uint32_t)worker->touched.count, (uint32_t)(worker->pending.count - pending));
    if (!note)
        return NULL;
    note->hash = hash;
    note->is_fixed = !worker->reads_elsewhere;
    note->raw_blocks = (uint32_t)(worker->sums.raw_blocks - raw_blocks);
    worker->sums.raw_blocks = raw_blocks;
    worker->sums.raw_bytes = raw_bytes;
    take_sums(worker, note);
    memcpy(note->kinds, kinds, pool->carved * sizeof(*kinds));
    return note;
}

static void add_up(struct mx_worker *worker, const struct mx_pool_note *note)
{
    mx_scan_count_pool(worker, &note->pool);
    worker->sums.raw_blocks += note->raw_blocks;
    worker->sums.raw_bytes += (uint64_t)note->raw_blocks * note->pool.block_size;
    for (uint32_t i = 0; i < note->sum_count; i++) {
        struct mx_tally *sum = &worker->tallies[note->sums[i].type];
        sum->count += note->sums[i].tally.count;
        sum->bytes += note->sums[i].tally.bytes;
        sum->tracked_count += note->sums[i].tally.tracked_count;
        sum->tracked_bytes += note->sums[i].tally.tracked_bytes;
    }
    for (uint32_t i = 0; i < note->dict_count; i++)
        if (!mx_array_push(&worker->pending, note->dicts[i]))
            worker->no_memory = true;
}

static void scan_one(struct mx_worker *worker, mx_addr address, const uint8_t *bytes, struct mx_pool_note **note)
{
    const struct mx_pymalloc_facts *facts = worker->scan->facts;
    struct mx_pool pool;
    uint64_t free_bits[MX_POOL_WORDS];
    uint64_t hash = bytes ? mx_hash(0, bytes, facts->pool_size) : 0;
    if (bytes && *note && (*note)->is_fixed && (*note)->hash == hash) {
        add_up(worker, *note);
        return;
    }
    free(*note);
    *note = NULL;
    if (!bytes || !mx_pool_read(facts, bytes, address, &pool, free_bits))
        return;
    *note = look_at(worker, &pool, bytes, free_bits, hash);
    if (*note)
        add_up(worker, *note);
    else
        worker->no_memory = true;
}

void mx_recall_scan(struct mx_worker *worker, const struct mx_arena *arena, struct mx_arena_note *note)
{
    uint32_t pool_size = worker->scan->facts->pool_size;
    size_t length = arena->pools_end - arena->pools;
    const uint8_t *whole = mx_cursor_view(&worker->cursor, arena->pools, length);
    for (size_t i = 0; i < note->count; i++) {
        mx_addr address = arena->pools + i * pool_size;
        const uint8_t *bytes = whole ? whole + i * pool_size : mx_cursor_view(&worker->cursor, address, pool_size);
        scan_one(worker, address, bytes, &note->notes[i]);
    }
    mx_work_step(worker->scan->work, length);
}
