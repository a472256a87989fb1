/* SPDX-License-Identifier: Apache-2.0
 *
 * Anonymous mappings of large pages where the kernel has them.
 */
#include "base/pages.h"

#include <sys/mman.h>

void *mx_pages_reserve(size_t bytes)
{
    size_t size = bytes ? bytes : 1;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* Looks at random places of an array of 100 MB miss the address cache with small pages. A refusal does no harm. */
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

void mx_pages_release(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes ? bytes : 1);
}
