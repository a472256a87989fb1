/* SPDX-License-Identifier: Apache-2.0
 *
 * Anonymous mappings of large pages where the kernel has them.
 */
#include "base/pages.h"

#include <sys/mman.h>

/* GCC's way to say it, and clang's. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_FENCES 1
#elif defined(__has_feature)
#define HAS_FENCES __has_feature(address_sanitizer)
#else
#define HAS_FENCES 0
#endif

#if HAS_FENCES
#include <sanitizer/asan_interface.h>
#include <stdint.h>

enum { PAGE = 4096 };

/* What is left of the last page is none of the array's. */
static void fence(uint8_t *memory, size_t bytes)
{
    if (memory)
        __asan_poison_memory_region(memory + bytes, -bytes % PAGE);
}

static void unfence(uint8_t *memory, size_t bytes)
{
    if (memory)
        __asan_unpoison_memory_region(memory + bytes, -bytes % PAGE);
}
#else
#define fence(memory, bytes) ((void)(memory))
#define unfence(memory, bytes) ((void)(memory))
#endif

static void *reserve(size_t bytes, int advice)
{
    void *memory =
        mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* A refusal does no harm. */
    madvise(memory, bytes ? bytes : 1, advice);
    fence(memory, bytes);
    return memory;
}

void *mx_pages_reserve_sparse(size_t bytes)
{
    return reserve(bytes, MADV_NOHUGEPAGE);
}

void *mx_pages_reserve(size_t bytes)
{
    /* Looks at random places of an array of 100 MB miss the address cache with small pages. */
    return reserve(bytes, MADV_HUGEPAGE);
}

void mx_pages_release(void *memory, size_t bytes)
{
    unfence(memory, bytes);
    if (memory)
        munmap(memory, bytes ? bytes : 1);
}
