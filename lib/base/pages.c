/* SPDX-License-Identifier: Apache-2.0
 *
 * Anonymous mappings of large pages where the kernel has them.
 */
#include "base/pages.h"

#include <sys/mman.h>

void *mx_pages_reserve_sparse(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *mx_pages_reserve(size_t bytes)
{
    void *memory = mx_pages_reserve_sparse(bytes);
    /* Looks at random places of an array of 100 MB miss the address cache with small pages. A refusal does no harm. */
    if (memory)
        madvise(memory, bytes ? bytes : 1, MADV_HUGEPAGE);
    return memory;
}

void mx_pages_release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes ? bytes : 1);
}
