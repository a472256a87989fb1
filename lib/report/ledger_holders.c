/* SPDX-License-Identifier: Apache-2.0
 *
 * What leads to the raw blocks that no object owns: objects, in one step or over other raw blocks; modules' data,
 * threads' variables and pages of C code; C stacks. The first of these that does has them. It is the mark of
 * heap/lost.h without the graph, and with addresses alone that C code would keep.
 */
#include "heap/outside.h"
#include "heap/plain.h"
#include "report/ledger.h"

enum {
    PIECE = 1 << 16,
    STEP = 4096, /* blocks between looks at the progress */
    HEADER = 16, /* what allocators on top of malloc put before what they hand out */
};

struct holding {
    const struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_block_owners *owners;
    struct mx_work *work;
    struct mx_cursor cursor;
    MX_ARRAY(uint32_t) queue; /* blocks that were reached and not looked into yet */
    unsigned holder;          /* of what is reached now */
    bool is_stack, no_memory;
};

static void set_holder(struct mx_block_owners *owners, uint32_t block, unsigned holder)
{
    unsigned shift = block % 2 * 4;
    uint8_t pair = atomic_load_explicit(&owners->pairs[block / 2], memory_order_relaxed);
    pair = (uint8_t)((pair & ~(15u << shift)) | holder << shift);
    atomic_store_explicit(&owners->pairs[block / 2], pair, memory_order_relaxed);
}

/* An odd address, or one whose upper half is 0 into the midst of a small block, may as well be a number. */
static bool is_firm(const struct holding *holding, const struct mx_span *span, uint32_t block, mx_addr word)
{
    uint64_t offset = word - mx_block_address(&holding->heap->spans, span, block);
    return offset % 8 == 0 && (word >> 32 || offset <= HEADER);
}

static void hold(struct holding *holding, mx_addr word, mx_addr place)
{
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(&holding->heap->spans, word, &span);
    if (block == MX_NO_BLOCK || holding->heap->kinds[block] != MX_BLOCK_RAW || mx_block_owner(holding->owners, block))
        return;
    if (!holding->is_stack &&
        (!is_firm(holding, span, block, word) || mx_is_in_value(holding->target, holding->heap, place)))
        return;
    set_holder(holding->owners, block, holding->holder);
    if (!mx_array_push(&holding->queue, block))
        holding->no_memory = true;
}

/* Nothing of a live process is kept, however much memory its C code has. False where not all of it can be read. */
static bool follow_piece(struct holding *holding, mx_addr start, mx_addr end)
{
    const uint8_t *bytes = end - start < PIECE ? mx_memory_view(holding->target->memory, start, end - start)
                                               : mx_cursor_view(&holding->cursor, start, PIECE);
    for (size_t i = 0; bytes && i + 8 <= end - start; i += 8)
        hold(holding, mx_load_u64(bytes + i), start + i);
    return bytes;
}

/* In one mapping with a thread's variables may be the guard page of the next thread's stack (glibc 2.42+). */
static void follow_memory(struct holding *holding, mx_addr start, mx_addr end)
{
    for (mx_addr at = start & ~UINT64_C(7); at < end;) {
        mx_addr until = end - at < PIECE ? end : at + PIECE;
        const struct mx_region *region = mx_memory_region(holding->target->memory, at);
        until = region && region->end < until ? region->end : until;
        bool whole = follow_piece(holding, at, until);
        for (mx_addr next; !whole && at < until; at = next) {
            next = (at | (MX_PAGE - 1)) + 1 < until ? (at | (MX_PAGE - 1)) + 1 : until;
            follow_piece(holding, at, next);
        }
        at = until;
    }
}

static bool drain(struct holding *holding)
{
    const struct mx_spans *spans = &holding->heap->spans;
    for (uint32_t steps = 1; holding->queue.count && !holding->no_memory; steps++) {
        uint32_t block = holding->queue.items[--holding->queue.count];
        const struct mx_span *span = mx_spans_of(spans, block);
        mx_addr start = mx_block_address(spans, span, block);
        follow_memory(holding, start, start + mx_block_size(spans, span, block));
        if (steps % STEP == 0 && !mx_work_step(holding->work, 0))
            return false;
    }
    return !holding->no_memory;
}

/* What objects of C types have themselves, and what their words led to: few among many. */
static bool follow_owned(struct holding *holding)
{
    const uint8_t *pairs = (const uint8_t *)holding->owners->pairs;
    uint32_t blocks = holding->heap->spans.blocks;
    holding->holder = MX_HOLDER_OBJECTS;
    for (uint32_t i = 0; i <= blocks / 2; i++) {
        if ((pairs[i] & 15) < MX_BUFFER_OTHER && pairs[i] >> 4 < MX_BUFFER_OTHER)
            continue;
        for (uint32_t block = 2 * i; block < 2 * i + 2 && block < blocks; block++)
            if (mx_block_owner(holding->owners, block) >= MX_BUFFER_OTHER && !mx_array_push(&holding->queue, block))
                holding->no_memory = true;
    }
    return drain(holding);
}

static bool follow_pages(void *context, mx_addr start, mx_addr end)
{
    struct holding *holding = context;
    follow_memory(holding, start, end);
    return drain(holding) && mx_work_step(holding->work, 0);
}

static struct mx_error *follow(struct holding *holding)
{
    bool complete = follow_owned(holding);
    holding->holder = MX_HOLDER_GLOBALS;
    complete = complete && mx_module_data_each(holding->target, follow_pages, holding) &&
               mx_thread_variables_each(holding->target, follow_pages, holding);
    if (complete)
        MX_TRY(mx_outside_each(holding->target, follow_pages, holding));
    holding->holder = MX_HOLDER_STACKS;
    holding->is_stack = true;
    complete = complete && mx_used_stacks_each(holding->target, follow_pages, holding);
    if (holding->no_memory)
        return mx_error_no_memory();
    return complete ? NULL : mx_error_cancelled();
}

struct mx_error *mx_block_holders_find(const struct mx_target *target, const struct mx_heap *heap, struct mx_work *work,
                                       struct mx_block_owners *owners)
{
    struct holding holding = {.target = target, .heap = heap, .owners = owners, .work = work};
    if (!heap->spans.spans.count)
        return NULL;
    mx_cursor_init(&holding.cursor, target->memory);
    struct mx_error *error = follow(&holding);
    mx_cursor_deinit(&holding.cursor);
    mx_array_free(&holding.queue);
    return error;
}
