/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread list's end of life, which core.c and process.c fill, and where a
 * thread's stack is.
 */
#include "memory/thread.h"

void mx_threads_deinit(struct mx_threads *threads)
{
    mx_array_free(&threads->threads);
    *threads = (struct mx_threads){0};
}

const struct mx_region *mx_thread_region(const struct mx_memory *memory, const struct mx_thread *thread)
{
    const struct mx_region *region = thread->stack_pointer ? mx_memory_region(memory, thread->stack_pointer) : NULL;
    return region && !(region->flags & MX_REGION_MISSING) ? region : NULL;
}

bool mx_thread_has_block(const struct mx_thread *thread, const struct mx_region *region)
{
    return thread->fs_base > thread->stack_pointer && thread->fs_base < region->end;
}

bool mx_thread_stack(const struct mx_memory *memory, const struct mx_thread *thread, mx_addr *start, mx_addr *end)
{
    const struct mx_region *region = thread->stack_pointer ? mx_memory_region(memory, thread->stack_pointer) : NULL;
    const struct mx_region *guard = region && region->start ? mx_memory_region(memory, region->start - 1) : NULL;
    if (!guard || guard->flags & (MX_REGION_READ | MX_REGION_WRITE | MX_REGION_EXEC))
        return false;
    *start = region->start;
    *end = mx_thread_has_block(thread, region) ? thread->fs_base : thread->stack_pointer;
    return true;
}
