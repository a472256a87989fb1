/* SPDX-License-Identifier: Apache-2.0
 *
 * pymalloc's geometry as plain numbers, and the order of things: arenas first,
 * then malloc around them.
 */
#include "heap/allocators.h"

static struct mx_pymalloc_facts pymalloc_facts(const struct mx_layout *layout)
{
    struct mx_pymalloc_facts facts = {
        .pool_size = layout->pool_size,
        .arena_size = layout->arena_size,
        .header_size = (uint32_t)layout->pymalloc_pool.size,
        .ref_count = (uint32_t)layout->pymalloc_pool.ref_count,
        .freeblock = (uint32_t)layout->pymalloc_pool.freeblock,
        .nextpool = (uint32_t)layout->pymalloc_pool.nextpool,
        .prevpool = (uint32_t)layout->pymalloc_pool.prevpool,
        .arenaindex = (uint32_t)layout->pymalloc_pool.arenaindex,
        .szidx = (uint32_t)layout->pymalloc_pool.szidx,
        .nextoffset = (uint32_t)layout->pymalloc_pool.nextoffset,
        .maxnextoffset = (uint32_t)layout->pymalloc_pool.maxnextoffset,
        .arena_object_size = (uint32_t)layout->pymalloc_arena.size,
        .address = (uint32_t)layout->pymalloc_arena.address,
        .pool_address = (uint32_t)layout->pymalloc_arena.pool_address,
        .nfreepools = (uint32_t)layout->pymalloc_arena.nfreepools,
        .ntotalpools = (uint32_t)layout->pymalloc_arena.ntotalpools,
        .freepools = (uint32_t)layout->pymalloc_arena.freepools,
    };
    if (layout->obmalloc_state.usedpools != MX_ABSENT) {
        uint32_t base = (uint32_t)layout->obmalloc_state.usedpools;
        facts.arenas_after_usedpools = (uint32_t)layout->obmalloc_state.arenas - base;
        facts.maxarenas_after_usedpools = (uint32_t)layout->obmalloc_state.maxarenas - base;
    }
    return facts;
}

static struct mx_error *find_pymalloc(const struct mx_runtime *runtime, const struct mx_arena_places *places,
                                      struct mx_allocators *ret)
{
    ret->facts = pymalloc_facts(&runtime->layout);
    ret->arenas.places = places ? *places : (struct mx_arena_places){0};
    return mx_arenas_find(&ret->facts, runtime->memory, runtime->modules, runtime->obmalloc_states.items,
                          runtime->obmalloc_states.count, &ret->arenas);
}

/* Arenas are no malloc memory: nothing in them is to be taken for a chunk. */
static struct mx_error *find_glibc(const struct mx_runtime *runtime, struct mx_allocators *ret)
{
    MX_ARRAY(struct mx_range) excluded = {0};
    for (size_t i = 0; i < ret->arenas.arenas.count; i++) {
        mx_addr start = ret->arenas.arenas.items[i].address;
        if (!mx_array_push(&excluded, (struct mx_range){start, start + ret->facts.arena_size})) {
            mx_array_free(&excluded);
            return mx_error_no_memory();
        }
    }
    struct mx_error *error =
        mx_glibc_open(runtime->memory, runtime->modules, excluded.items, excluded.count, &ret->glibc);
    mx_array_free(&excluded);
    return error;
}

struct mx_error *mx_allocators_open(const struct mx_runtime *runtime, const struct mx_arena_places *places,
                                    struct mx_allocators *ret)
{
    MX_TRY(find_pymalloc(runtime, places, ret));
    return find_glibc(runtime, ret);
}

void mx_allocators_close(struct mx_allocators *allocators)
{
    mx_glibc_close(&allocators->glibc);
    mx_arenas_deinit(&allocators->arenas);
}
