/* SPDX-License-Identifier: Apache-2.0
 *
 * All writable pages, less those of arenas and malloc's heaps; modules' data; and what threads have.
 */
#include "heap/outside.h"

enum {
    CHUNK_SIZE = 8,
    CHUNK_FLAGS = 7,
    TLS_AT_MOST = 8192, /* below a thread's pthread block: its thread-local variables */
};

struct taken {
    MX_ARRAY(struct mx_range) ranges; /* sorted */
    bool no_memory;
};

static void take(struct taken *taken, mx_addr start, mx_addr end)
{
    if (start < end && !mx_array_push(&taken->ranges, (struct mx_range){start & ~(mx_addr)(MX_PAGE - 1), end}))
        taken->no_memory = true;
}

static int compare_ranges(const void *a, const void *b)
{
    mx_addr left = ((const struct mx_range *)a)->start, right = ((const struct mx_range *)b)->start;
    return left < right ? -1 : left > right;
}

static void take_stacks(struct taken *taken, const struct mx_target *target)
{
    for (size_t i = 0; i < target->threads.threads.count; i++) {
        const struct mx_thread *thread = &target->threads.threads.items[i];
        const struct mx_region *region =
            thread->stack_pointer ? mx_memory_region(target->memory, thread->stack_pointer) : NULL;
        /* The thread's own block stands above its stack, in the same mapping. */
        if (region)
            take(taken, region->start,
                 thread->fs_base > region->start && thread->fs_base < region->end ? thread->fs_base : region->end);
    }
}

/* What is behind the last chunk belongs to malloc as well. */
static void take_tops(struct taken *taken, const struct mx_target *target)
{
    const struct mx_glibc *glibc = &target->allocators.glibc;
    for (size_t i = 0; i < glibc->arenas.count; i++) {
        mx_addr top = glibc->arenas.items[i].top;
        const struct mx_region *region = mx_memory_region(target->memory, top);
        mx_addr size = mx_memory_pointer(target->memory, top + CHUNK_SIZE) & ~(mx_addr)CHUNK_FLAGS;
        if (region && size <= region->end - top)
            take(taken, top, top + size);
    }
}

static bool find_taken(struct taken *taken, const struct mx_target *target)
{
    const struct mx_allocators *allocators = &target->allocators;
    for (size_t i = 0; i < allocators->arenas.arenas.count; i++)
        take(taken, allocators->arenas.arenas.items[i].address,
             allocators->arenas.arenas.items[i].address + allocators->facts.arena_size);
    for (size_t i = 0; i < allocators->glibc.spans.count; i++)
        take(taken, allocators->glibc.spans.items[i].start, allocators->glibc.spans.items[i].end);
    for (size_t i = 0; i < allocators->mimalloc.segments.count; i++)
        take(taken, allocators->mimalloc.segments.items[i].address, allocators->mimalloc.segments.items[i].end);
    take_tops(taken, target);
    take_stacks(taken, target);
    if (taken->ranges.count)
        qsort(taken->ranges.items, taken->ranges.count, sizeof(struct mx_range), compare_ranges);
    return !taken->no_memory;
}

static bool is_outside(const struct mx_region *region)
{
    const uint32_t unwanted = MX_REGION_FILE | MX_REGION_BSS | MX_REGION_STACK | MX_REGION_MISSING | MX_REGION_KERNEL |
                              MX_REGION_SHARED | MX_REGION_INITIAL;
    return (region->flags & MX_REGION_WRITE) && !(region->flags & unwanted) && region->module == MX_NO_MODULE;
}

struct mx_error *mx_outside_each(const struct mx_target *target, mx_outside_visit visit, void *context)
{
    const struct mx_memory *memory = target->memory;
    struct taken taken = {0};
    bool go_on = find_taken(&taken, target);
    size_t next = 0;
    for (size_t i = 0; go_on && i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        mx_addr at = region->start;
        while (next < taken.ranges.count && taken.ranges.items[next].start < region->end && go_on) {
            const struct mx_range *range = &taken.ranges.items[next++];
            if (is_outside(region) && range->start > at)
                go_on = visit(context, at, range->start);
            mx_addr end = (range->end + MX_PAGE - 1) & ~(mx_addr)(MX_PAGE - 1);
            at = end > at ? end : at;
        }
        if (go_on && is_outside(region) && at < region->end)
            go_on = visit(context, at, region->end);
    }
    bool failed = taken.no_memory;
    mx_array_free(&taken.ranges);
    return failed ? mx_error_no_memory() : NULL;
}

static bool is_data(const struct mx_region *region)
{
    return region->module != MX_NO_MODULE && (region->flags & MX_REGION_WRITE) &&
           !(region->flags & (MX_REGION_SHARED | MX_REGION_MISSING | MX_REGION_INITIAL));
}

bool mx_module_data_each(const struct mx_target *target, mx_outside_visit visit, void *context)
{
    const struct mx_glibc *glibc = &target->allocators.glibc;
    mx_addr state = glibc->arenas.count ? glibc->arenas.items[0].address : 0;
    bool go_on = true;
    for (size_t i = 0; i < target->memory->regions.count && go_on; i++) {
        const struct mx_region *region = &target->memory->regions.items[i];
        if (!is_data(region))
            continue;
        bool has_state = state - region->start < region->end - region->start;
        go_on = visit(context, region->start, has_state ? state : region->end);
        if (has_state && go_on && region->end - state > MX_GLIBC_STATE_SIZE)
            go_on = visit(context, state + MX_GLIBC_STATE_SIZE, region->end);
    }
    return go_on;
}

/* The thread's variables and its own block stand above its stack, in the same mapping. */
static mx_addr stack_end(const struct mx_thread *thread, const struct mx_region *region)
{
    if (!mx_thread_has_block(thread, region))
        return region->end;
    bool is_near = thread->fs_base - thread->stack_pointer < TLS_AT_MOST;
    return is_near ? thread->stack_pointer : thread->fs_base - TLS_AT_MOST;
}

bool mx_thread_variables_each(const struct mx_target *target, mx_outside_visit visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < target->threads.threads.count && go_on; i++) {
        const struct mx_thread *thread = &target->threads.threads.items[i];
        const struct mx_region *region = mx_thread_region(target->memory, thread);
        mx_addr start = region ? stack_end(thread, region) : 0;
        if (region && start < region->end)
            go_on = visit(context, start, thread->fs_base + MX_PAGE);
    }
    return go_on;
}

bool mx_used_stacks_each(const struct mx_target *target, mx_outside_visit visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < target->threads.threads.count && go_on; i++) {
        const struct mx_thread *thread = &target->threads.threads.items[i];
        const struct mx_region *region = mx_thread_region(target->memory, thread);
        if (region)
            go_on = visit(context, thread->stack_pointer - MX_RED_ZONE, stack_end(thread, region));
    }
    return go_on;
}
