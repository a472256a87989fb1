/* SPDX-License-Identifier: Apache-2.0
 *
 * How much the allocators have handed out, without a count of the heap: the heads of pools and of chunks tell. It does
 * not look into blocks.
 */
#include "heap/target.h"

struct mx_error *mx_target_usage(struct mx_target *target, struct mx_usage *ret)
{
    const struct mx_allocators *allocators = &target->allocators;
    uint64_t blocks, bytes, chunks, chunk_bytes;
    mx_cursor_reset(&target->cursor, target->memory);
    if (!target->path)
        MX_TRY(mx_allocators_reopen(&target->runtime, &target->cursor, &target->allocators));
    mx_arenas_usage(&allocators->facts, target->memory, &allocators->arenas, &blocks, &bytes);
    mx_glibc_usage(&allocators->glibc, &target->cursor, &chunks, &chunk_bytes);
    *ret = (struct mx_usage){
        .blocks = blocks + chunks,
        .bytes = bytes + chunk_bytes,
        .exact = target->runtime.allocator != MX_ALLOCATOR_MIMALLOC && allocators->glibc.found,
        .complete = allocators->glibc.found && !allocators->glibc.walk_errors,
    };
    if (mx_memory_gone(target->memory))
        return mx_error_new(MX_ERROR_OS, "the process ended while its memory was measured");
    return NULL;
}
