/* SPDX-License-Identifier: Apache-2.0
 *
 * From the collector's lists to spans of blocks. A block's length is the
 * object's own, since nothing tells what malloc rounded it to; where that is
 * wrong it still ends before whatever comes next, for spans never overlap.
 */
#include "heap/tracked.h"

#include "cpython/gc.h"

enum {
    NEIGHBOUR = 64 * 1024, /* less than an arena, so that none is in between */
    LOOKED_AT = 512,       /* bytes that classifying wants to see */
    MOST_ITEMS = 1 << 28
};

struct collecting {
    const struct mx_target *target;
    struct mx_tracked *ret;
    bool no_memory;
};

static bool is_in_arena(const struct mx_allocators *allocators, mx_addr address)
{
    size_t above = mx_arenas_above(&allocators->arenas, address);
    return above && address - allocators->arenas.arenas.items[above - 1].address < allocators->facts.arena_size;
}

static bool collect(void *context, mx_addr object)
{
    struct collecting *collecting = context;
    const struct mx_region *region = mx_memory_region(collecting->target->memory, object);
    if (!region || mx_region_is_module_data(region) || is_in_arena(&collecting->target->allocators, object))
        return true;
    collecting->no_memory = !mx_array_push(&collecting->ret->objects, object);
    return !collecting->no_memory;
}

static int compare_addresses(const void *a, const void *b)
{
    mx_addr left = *(const mx_addr *)a, right = *(const mx_addr *)b;
    return (left > right) - (left < right);
}

static mx_addr end_around(const struct mx_target *target, mx_addr object)
{
    const struct mx_arenas *arenas = &target->allocators.arenas;
    size_t above = mx_arenas_above(arenas, object);
    mx_addr end = mx_memory_region(target->memory, object)->end;
    bool has_arena = above < arenas->arenas.count && arenas->arenas.items[above].address < end;
    return has_arena ? arenas->arenas.items[above].address : end;
}

static bool group_objects(const struct mx_target *target, struct mx_tracked *tracked)
{
    for (size_t i = 0; i < tracked->objects.count; i++) {
        mx_addr object = tracked->objects.items[i], before = i ? tracked->objects.items[i - 1] : 0;
        struct mx_tracked_group *last = i ? &tracked->groups.items[tracked->groups.count - 1] : NULL;
        if (last && object - before < NEIGHBOUR && object < last->end)
            last->count++;
        else if (!mx_array_push(&tracked->groups, (struct mx_tracked_group){i, 1, end_around(target, object)}))
            return false;
    }
    return true;
}

struct mx_error *mx_tracked_find(const struct mx_target *target, struct mx_tracked *ret)
{
    struct collecting collecting = {.target = target, .ret = ret};
    struct mx_gc_walk walk;
    mx_gc_each(&target->runtime, MX_GC_GENERATIONS, collect, &collecting, &walk);
    if (!collecting.no_memory)
        mx_gc_each(&target->runtime, MX_GC_PERMANENT, collect, &collecting, &walk);
    if (ret->objects.count)
        qsort(ret->objects.items, ret->objects.count, sizeof(mx_addr), compare_addresses);
    return collecting.no_memory || !group_objects(target, ret) ? mx_error_no_memory() : NULL;
}

void mx_tracked_deinit(struct mx_tracked *tracked)
{
    mx_array_free(&tracked->objects);
    mx_array_free(&tracked->groups);
}

/* Of the object and what stands before it; 0 where its type is not known. */
static uint64_t block_size(const struct mx_worker *worker, const struct mx_type *type, mx_addr object)
{
    const struct mx_layout *layout = worker->scan->classifier->layout;
    uint64_t items = 0;
    if (type->itemsize)
        mx_memory_u64(worker->scan->memory, object + (mx_addr)layout->object.size, &items);
    if (items > MOST_ITEMS)
        items = 0;
    uint64_t size = type->preheader + (uint64_t)type->basicsize + items * (uint64_t)type->itemsize;
    return (size + 7) & ~UINT64_C(7);
}

static mx_addr start_of(const struct mx_worker *worker, mx_addr object)
{
    const struct mx_type *type = mx_type_of(worker->scan->types, object);
    return type ? object - type->preheader : object;
}

/* `limit`: where the next object begins, or the group's memory ends. */
static void list_object(struct mx_worker *worker, mx_addr object, mx_addr limit, struct mx_listed *listed)
{
    const struct mx_type *type = mx_type_of(worker->scan->types, object);
    mx_addr start = start_of(worker, object);
    if (!type || start < listed->end || limit <= start)
        return;
    uint64_t size = block_size(worker, type, object);
    if (size > limit - start)
        size = limit - start;
    size_t available = size < LOOKED_AT ? (size_t)size : LOOKED_AT;
    const uint8_t *bytes = mx_memory_state(worker->scan->memory, start, available);
    if (!bytes)
        return;
    bool free_between = listed->starts.count && start > listed->end;
    if (!listed->starts.count)
        listed->start = start;
    mx_addr free_start = listed->end;
    listed->end = start + size;
    if ((free_between && !mx_listed_add(listed, free_start, MX_BLOCK_FREE)) ||
        !mx_listed_add(listed, start, mx_scan_block(worker, start, bytes, size, available)))
        worker->no_memory = true;
}

void mx_tracked_scan(struct mx_worker *worker, const struct mx_tracked *tracked, size_t group, struct mx_listed *ret)
{
    const struct mx_tracked_group *objects = &tracked->groups.items[group];
    const mx_addr *all = tracked->objects.items;
    size_t end = objects->first + objects->count;
    for (size_t i = objects->first; i < end && !worker->no_memory && mx_work_step(worker->scan->work, 0); i++) {
        mx_addr next = i + 1 < tracked->objects.count ? start_of(worker, all[i + 1]) : objects->end;
        list_object(worker, all[i], next < objects->end ? next : objects->end, ret);
    }
}
