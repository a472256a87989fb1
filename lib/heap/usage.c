/* SPDX-License-Identifier: Apache-2.0
 *
 * How much the allocators have handed out, without a count of the heap: the heads of pools and of chunks tell. It does
 * not look into blocks.
 */
#include "heap/target.h"

struct mx_error *mx_target_usage(struct mx_target *target, struct mx_usage *ret)
{
    const struct mx_glibc *glibc = &target->allocators.glibc;
    struct mx_pool_usage pools;
    if (!target->path)
        MX_TRY(mx_allocators_reopen(&target->runtime, &target->allocators));
    mx_arenas_usage(&target->allocators.facts, target->memory, &target->allocators.arenas, &pools);
    *ret = (struct mx_usage){.blocks = pools.blocks + glibc->used_chunks,
                             .bytes = pools.bytes + glibc->used_bytes,
                             .exact = target->runtime.allocator != MX_ALLOCATOR_MIMALLOC && glibc->found,
                             .complete = glibc->found && !glibc->walk_errors};
    if (mx_memory_gone(target->memory))
        return mx_error_new(MX_ERROR_OS, "the process ended while its memory was measured");
    return NULL;
}
