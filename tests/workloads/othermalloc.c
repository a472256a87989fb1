/* SPDX-License-Identifier: Apache-2.0
 *
 * A malloc to preload that is not glibc's, and defines what jemalloc alone defines: it cuts from one mapping and never
 * takes anything back.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADER = 16, ROOM = 1 << 30 };

static _Atomic uintptr_t next;

static uintptr_t begin(void)
{
    uintptr_t none = 0, made = (uintptr_t)mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return atomic_compare_exchange_strong(&next, &none, made) ? made : none;
}

void *memalign(size_t alignment, size_t size)
{
    if (!atomic_load(&next))
        begin();
    uintptr_t block = atomic_fetch_add(&next, (size + alignment + 2 * HEADER + 15) & ~(uintptr_t)15);
    block = (block + HEADER + alignment - 1) & ~(uintptr_t)(alignment - 1);
    memcpy((void *)(block - HEADER), &size, sizeof(size));
    return (void *)block;
}

void *malloc(size_t size)
{
    return memalign(16, size);
}

void *je_malloc(size_t size)
{
    return malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *old, size_t size)
{
    size_t length = 0;
    void *new = malloc(size);
    if (old)
        memcpy(&length, (char *)old - HEADER, sizeof(length));
    return old ? memcpy(new, old, length < size ? length : size) : new;
}

void free(void *block)
{
    (void)block;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    *ret = memalign(alignment, size);
    return 0;
}

size_t malloc_usable_size(void *block)
{
    size_t length = 0;
    if (block)
        memcpy(&length, (char *)block - HEADER, sizeof(length));
    return length;
}
