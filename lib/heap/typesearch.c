/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at large blocks of malloc's and of mimalloc's for what looks like a
 * type object.
 */
#include "heap/typesearch.h"

#include "alloc/glibc.h"
#include "alloc/mimalloc.h"
#include "cpython/classify.h"

struct type_search {
    struct mx_types *types;
    bool hooks;
};

static bool try_type(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    enum { HEAD = 64 };
    struct type_search *search = context;
    if (!chunk->used || !bytes || chunk->size < HEAD)
        return true;
    uint32_t padding = search->hooks ? mx_hook_padding(bytes, HEAD) : 0;
    mx_types_try_block(search->types, chunk->address + padding, bytes + padding, chunk->size - padding);
    return true;
}

static bool is_free(const uint64_t *bits, uint32_t number)
{
    return bits[number / 64] >> number % 64 & 1;
}

/* Free-threaded interpreters have their types in mimalloc's pages. */
static void search_page(struct type_search *search, const struct mx_mimalloc *mimalloc, const struct mx_mi_page *page)
{
    enum { LEAST = 512 };
    uint64_t free_bits[MX_MI_WORDS];
    uint32_t free;
    const uint8_t *bytes =
        page->block_size < LEAST ? NULL : mx_memory_view(mimalloc->memory, page->start, page->end - page->start);
    if (!bytes || page->capacity == 1)
        return;
    mx_mimalloc_free(mimalloc, page, bytes, free_bits, &free);
    for (uint32_t i = 0; i < page->capacity; i++) {
        struct mx_chunk block = {.address = page->start + i * page->block_size, .size = page->block_size, .used = true};
        if (!is_free(free_bits, i))
            try_type(search, &block, bytes + i * page->block_size);
    }
}

static void search_pages(struct type_search *search, const struct mx_mimalloc *mimalloc)
{
    struct mx_mi_page page;
    for (struct mx_mi_walk walk = {.mimalloc = mimalloc}; mx_mimalloc_walk(&walk, &page);)
        search_page(search, mimalloc, &page);
}

void mx_search_types(struct mx_target *target, struct mx_work *work)
{
    const struct mx_glibc *glibc = &target->allocators.glibc;
    struct type_search search = {&target->types, target->runtime.block_padding != 0};
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, target->memory);
    for (size_t i = 0; i < glibc->spans.count; i++)
        mx_glibc_walk(glibc, &glibc->spans.items[i], &cursor, work, try_type, &search);
    mx_cursor_deinit(&cursor);
    search_pages(&search, &target->allocators.mimalloc);
}
