/* SPDX-License-Identifier: Apache-2.0
 *
 * The mark: firm words first, weak ones after them, and then what is left. What
 * objects lead to is most of it, and is shared out among threads: each follows
 * the blocks that it was the first to reach.
 */
#include "heap/lost.h"

#include <string.h>

#include "base/pages.h"
#include "heap/outside.h"
#include "heap/plain.h"

enum {
    PART = 1 << 16, /* blocks of a thread's task */
    AHEAD = 16,     /* edges from where a target's kind is fetched to where it is looked at */
    STEP = 4096,    /* blocks between looks at the progress */
    HEADER = 16,    /* what allocators on top of malloc put before what they hand out */
    SMALL = 512,
};

/* Of a type: what of its objects holds values, or nothing but the references that the graph has. */
enum {
    PLAIN_INSIDE = 1,
    PLAIN_BUFFERS = 2,
};

struct weak_word {
    uint32_t block; /* that it leads to */
    mx_addr place;  /* where it stands */
};

/* One thread's; what it points at is everybody's. */
struct marking {
    const struct mx_graph *graph;
    const struct mx_spans *spans;
    const uint16_t *kinds;
    const uint8_t *plain; /* by type */
    struct mx_work *work;
    struct mx_lost *lost;
    MX_ARRAY(uint32_t) queue; /* blocks that were reached and not looked into yet */
    struct mx_map weak;       /* block + 1 -> index of the first weak word, by place, that leads to it */
    MX_ARRAY(struct weak_word) words;
    uint8_t mark;  /* what is reached now becomes this */
    uint32_t head; /* and has this head */
    bool no_memory;
};

static bool is_waiting(const struct marking *marking, uint32_t block)
{
    return __atomic_load_n(&marking->lost->held[block], __ATOMIC_RELAXED) == MX_HELD_OTHER;
}

/* Marks a block; false when another thread was first. */
static bool claim(struct marking *marking, uint32_t block)
{
    return __atomic_exchange_n(&marking->lost->held[block], marking->mark, __ATOMIC_RELAXED) == MX_HELD_OTHER;
}

static void reach(struct marking *marking, uint32_t block)
{
    struct mx_lost *lost = marking->lost;
    if (!claim(marking, block))
        return;
    if (marking->head != MX_NO_BLOCK)
        lost->heads[block] = marking->head;
    if (!mx_array_push(&marking->queue, block))
        marking->no_memory = true;
}

/* The raw block not reached yet that an address lies in, or MX_NO_BLOCK; *firm: the address is one that C code would
 * keep. */
static uint32_t wanted_block(const struct marking *marking, mx_addr word, bool *firm)
{
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(marking->spans, word, &span);
    if (block == MX_NO_BLOCK || marking->kinds[block] != MX_BLOCK_RAW || !is_waiting(marking, block))
        return MX_NO_BLOCK;
    uint64_t offset = word - mx_block_address(marking->spans, span, block);
    bool is_usual = word >> 32 || offset <= HEADER || mx_block_size(marking->spans, span, block) > SMALL;
    *firm = offset % 8 == 0 && is_usual;
    return block;
}

/* Of several words the first in memory is told, whatever order they were met in. */
static void note_weak(struct marking *marking, uint32_t block, mx_addr place)
{
    uint32_t known = mx_map_get(&marking->weak, (uint64_t)block + 1);
    if (known != MX_MAP_NONE) {
        struct weak_word *word = &marking->words.items[known];
        word->place = place < word->place ? place : word->place;
        return;
    }
    /* The word first: it is looked up by what the map says, also after the memory is gone. */
    if (!mx_array_push(&marking->words, (struct weak_word){block, place}) ||
        !mx_map_set(&marking->weak, (uint64_t)block + 1, (uint32_t)marking->words.count - 1))
        marking->no_memory = true;
}

/* Words of memory in use; those at `place` of the target. */
static void follow_words(struct marking *marking, const uint8_t *bytes, size_t length, mx_addr place, bool firm_place)
{
    for (size_t i = 0; i + 8 <= length; i += 8) {
        bool firm;
        uint32_t block = wanted_block(marking, mx_load_u64(bytes + i), &firm);
        if (block == MX_NO_BLOCK || mx_is_in_value(marking->graph->target, marking->graph->heap, place + i))
            continue;
        if (marking->mark != MX_HELD_FIRMLY || (firm && firm_place))
            reach(marking, block);
        else
            note_weak(marking, block, place + i);
    }
}

static void follow_memory(struct marking *marking, mx_addr start, mx_addr end, bool firm_place)
{
    for (mx_addr at = start & ~UINT64_C(7); at < end; at += MX_PAGE - at % MX_PAGE) {
        mx_addr until = at - at % MX_PAGE + MX_PAGE < end ? at - at % MX_PAGE + MX_PAGE : end;
        const uint8_t *bytes = mx_memory_state(marking->graph->target->memory, at, until - at);
        if (bytes)
            follow_words(marking, bytes, until - at, at, firm_place);
    }
}

/* What has nothing but values and known references in it needs no look inside. */
static void follow_edges(struct marking *marking, uint32_t block, uint8_t plain)
{
    const struct mx_rows *rows = &marking->graph->forward;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint32_t target = rows->targets[i];
        if (rows->edges - i > AHEAD)
            __builtin_prefetch(&marking->kinds[rows->targets[i + AHEAD]]);
        if (marking->kinds[target] != MX_BLOCK_RAW || !is_waiting(marking, target))
            continue;
        if (rows->classes[i] == MX_EDGE_BUFFER && plain & PLAIN_BUFFERS)
            claim(marking, target);
        else
            reach(marking, target);
    }
}

static void follow_object(struct marking *marking, const struct mx_span *span, uint32_t block)
{
    const struct mx_types *types = &marking->graph->target->types;
    uint32_t index = mx_heap_type_of(marking->graph->heap, block);
    uint8_t plain = index < types->types.count ? marking->plain[index] : PLAIN_INSIDE;
    follow_edges(marking, block, plain);
    if (plain & PLAIN_INSIDE)
        return;
    const struct mx_type *type = &types->types.items[index];
    mx_addr start = mx_block_address(marking->spans, span, block);
    uint64_t size = (uint64_t)type->basicsize;
    /* What follows a code object's fields is its instructions. */
    if (span->kind != MX_SPAN_STATIC && type->kind != MX_KIND_CODE)
        size = mx_block_size(marking->spans, span, block);
    const uint8_t *bytes = mx_memory_view(marking->graph->target->memory, start, size);
    if (bytes)
        follow_words(marking, bytes, size, start, true);
}

/* A table of references, or bytes that Python code made: the owner's decoder has given what is in it. */
static bool is_plain_buffer(const struct marking *marking, uint32_t block)
{
    const struct mx_rows *rows = &marking->graph->reverse;
    for (uint32_t i = rows->first[block]; i < rows->first[block + 1]; i++) {
        uint32_t type =
            rows->classes[i] == MX_EDGE_BUFFER ? mx_heap_type_of(marking->graph->heap, rows->targets[i]) : MX_MAP_NONE;
        if (type < marking->graph->target->types.types.count && marking->plain[type] & PLAIN_BUFFERS)
            return true;
    }
    return false;
}

/*
 * A small block that was an int before still has its digits where its new owner does not write: all of an address, in a
 * program whose heap begins low.
 */
static void follow_block(struct marking *marking, uint32_t block)
{
    enum { INT_BLOCK = 32, INT_DIGITS = 24 };
    const struct mx_span *span = mx_spans_of(marking->spans, block);
    mx_addr start = mx_block_address(marking->spans, span, block);
    uint64_t size = mx_block_size(marking->spans, span, block);
    bool was_int = span->kind == MX_SPAN_POOL && size == INT_BLOCK &&
                   !(mx_memory_pointer(marking->graph->target->memory, start + INT_DIGITS) >> 32);
    if (is_plain_buffer(marking, block))
        return;
    follow_memory(marking, start, start + (was_int ? INT_DIGITS : size), true);
    if (was_int)
        follow_memory(marking, start + INT_DIGITS, start + size, false);
}

static bool drain(struct marking *marking)
{
    for (uint32_t steps = 1; marking->queue.count && !marking->no_memory; steps++) {
        follow_block(marking, marking->queue.items[--marking->queue.count]);
        if (steps % STEP == 0 && !mx_work_step(marking->work, 0))
            return false;
    }
    return true;
}

static void follow_part(struct marking *marking, uint32_t from, uint32_t until)
{
    const struct mx_span *span = mx_spans_of(marking->spans, from);
    for (uint32_t block = from; block < until; block++) {
        while (block - span->first >= span->count)
            span++;
        if (marking->kinds[block] < MX_BLOCK_RAW)
            follow_object(marking, span, block);
    }
}

struct crew {
    struct marking *markings;
    uint32_t blocks;
    _Atomic uint32_t next; /* part */
};

static void run_marking(void *context, size_t worker)
{
    struct crew *crew = context;
    struct marking *marking = &crew->markings[worker];
    uint32_t parts = (uint32_t)(((uint64_t)crew->blocks + PART - 1) / PART);
    for (uint32_t part; (part = atomic_fetch_add(&crew->next, 1)) < parts;) {
        uint32_t from = part * PART, until = crew->blocks - from < PART ? crew->blocks : from + PART;
        if (!mx_work_step(marking->work, until - from))
            return;
        follow_part(marking, from, until);
        if (!drain(marking))
            return;
    }
}

static void take_words(struct marking *marking, struct marking *from)
{
    for (size_t i = 0; i < from->words.count; i++)
        note_weak(marking, from->words.items[i].block, from->words.items[i].place);
    marking->no_memory |= from->no_memory;
    mx_array_free(&from->queue);
    mx_array_free(&from->words);
    mx_map_deinit(&from->weak);
}

/* All that objects lead to. */
static bool follow_objects(struct marking *marking)
{
    unsigned threads = mx_memory_threads(marking->graph->target->memory);
    struct crew crew = {.blocks = marking->lost->blocks};
    crew.markings = mx_calloc(threads, sizeof(*crew.markings));
    if (!crew.markings) {
        marking->no_memory = true;
        return false;
    }
    for (unsigned i = 0; i < threads; i++)
        crew.markings[i] = *marking;
    mx_work_parallel(threads, threads, run_marking, &crew);
    for (unsigned i = 0; i < threads; i++)
        take_words(marking, &crew.markings[i]);
    free(crew.markings);
    return !atomic_load(&marking->work->cancelled);
}

static bool follow_page(void *context, mx_addr start, mx_addr end)
{
    struct marking *marking = context;
    follow_memory(marking, start, end, true);
    return !marking->no_memory && mx_work_step(marking->work, 0);
}

static bool follow_stack(void *context, mx_addr start, mx_addr end)
{
    struct marking *marking = context;
    follow_memory(marking, start, end, false);
    return !marking->no_memory && mx_work_step(marking->work, 0);
}

static struct mx_error *mark_firm(struct marking *marking)
{
    marking->mark = MX_HELD_FIRMLY;
    const struct mx_target *target = marking->graph->target;
    bool complete = follow_objects(marking) && mx_module_data_each(target, follow_page, marking);
    struct mx_error *error = complete ? mx_outside_each(target, follow_page, marking) : NULL;
    complete = complete && !error && mx_thread_variables_each(target, follow_page, marking) && drain(marking) &&
               mx_used_stacks_each(target, follow_stack, marking);
    return error ? error : complete ? NULL : mx_error_cancelled();
}

/* From here on only these are looked at: few, in a program that is well. */
static struct mx_error *list_left(struct mx_lost *lost, const uint16_t *kinds)
{
    for (uint32_t block = 0; block < lost->blocks; block++)
        if (kinds[block] == MX_BLOCK_RAW && lost->held[block] == MX_HELD_OTHER && !mx_array_push(&lost->left, block))
            return mx_error_no_memory();
    return NULL;
}

/* Each block that a weak word leads to is the head of what it leads to. */
static struct mx_error *mark_possible(struct marking *marking)
{
    struct mx_lost *lost = marking->lost;
    lost->words = mx_calloc(marking->words.count + 1, sizeof(mx_addr));
    if (!lost->words)
        return mx_error_no_memory();
    for (size_t i = 0; i < lost->left.count && marking->words.count; i++) {
        uint32_t block = lost->left.items[i], word = mx_map_get(&marking->weak, (uint64_t)block + 1);
        if (word == MX_MAP_NONE)
            continue;
        lost->held[block] = MX_HELD_POSSIBLY;
        lost->words[lost->possible++] = marking->words.items[word].place;
    }
    marking->mark = MX_HELD_POSSIBLY_INDIRECT;
    for (size_t i = 0; i < lost->left.count && lost->possible; i++) {
        if (lost->held[lost->left.items[i]] != MX_HELD_POSSIBLY)
            continue;
        marking->head = lost->left.items[i];
        follow_block(marking, marking->head);
        if (!drain(marking))
            return mx_error_cancelled();
    }
    return NULL;
}

static void find_pointed_by(struct marking *marking, uint32_t block, uint64_t *pointed)
{
    const struct mx_span *span = mx_spans_of(marking->spans, block);
    uint64_t size = mx_block_size(marking->spans, span, block);
    const uint8_t *bytes =
        mx_memory_view(marking->graph->target->memory, mx_block_address(marking->spans, span, block), size);
    for (size_t i = 0; bytes && i + 8 <= size; i += 8) {
        bool firm;
        uint32_t target = wanted_block(marking, mx_load_u64(bytes + i), &firm);
        if (target != MX_NO_BLOCK && target != block)
            pointed[target / 64] |= UINT64_C(1) << target % 64;
    }
}

/* Which of the lost blocks others of them lead to: one bit a block. */
static void find_pointed(struct marking *marking, uint64_t *pointed)
{
    for (size_t i = 0; i < marking->lost->left.count; i++)
        if (is_waiting(marking, marking->lost->left.items[i]))
            find_pointed_by(marking, marking->lost->left.items[i], pointed);
}

/* Heads first; then rings, in which every block leads to the others: the first in memory stands for each. */
static struct mx_error *mark_lost(struct marking *marking)
{
    struct mx_lost *lost = marking->lost;
    uint64_t *pointed = mx_calloc(lost->blocks / 64 + 1, sizeof(*pointed));
    if (!pointed)
        return mx_error_no_memory();
    find_pointed(marking, pointed);
    marking->mark = MX_HELD_LOST_INDIRECT;
    bool complete = true;
    for (int rings = 0; rings < 2; rings++)
        for (size_t i = 0; i < lost->left.count && complete; i++) {
            uint32_t block = lost->left.items[i];
            bool is_pointed = pointed[block / 64] >> (block % 64) & 1;
            if (!is_waiting(marking, block) || (is_pointed && !rings))
                continue;
            lost->held[block] = MX_HELD_LOST;
            marking->head = block;
            follow_block(marking, block);
            complete = drain(marking);
        }
    free(pointed);
    return complete ? NULL : mx_error_cancelled();
}

static uint8_t plainness(const struct mx_types *types, const struct mx_type *type)
{
    if (mx_is_plain(types, type))
        return PLAIN_INSIDE | PLAIN_BUFFERS;
    bool is_bytes = type->kind == MX_KIND_BYTEARRAY || type->kind == MX_KIND_ARRAY || type->kind == MX_KIND_BYTESIO ||
                    type->kind == MX_KIND_BUFFERED;
    return is_bytes ? PLAIN_BUFFERS : 0;
}

static uint8_t *judge_types(const struct mx_types *types)
{
    uint8_t *plain = mx_calloc(types->types.count + 1, sizeof(*plain));
    for (size_t i = 0; plain && i < types->types.count; i++)
        plain[i] = plainness(types, &types->types.items[i]);
    return plain;
}

static struct mx_error *mark(struct marking *marking)
{
    MX_TRY(mark_firm(marking));
    MX_TRY(list_left(marking->lost, marking->kinds));
    MX_TRY(mark_possible(marking));
    MX_TRY(mark_lost(marking));
    return marking->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_lost_find(const struct mx_graph *graph, struct mx_work *work, struct mx_lost *ret)
{
    struct mx_lost lost = {.blocks = graph->heap->spans.blocks};
    uint8_t *plain = judge_types(&graph->target->types);
    lost.held = mx_pages_reserve((size_t)lost.blocks + 1);
    lost.heads = mx_calloc((size_t)lost.blocks + 1, sizeof(*lost.heads));
    struct marking marking = {
        .graph = graph,
        .spans = &graph->heap->spans,
        .kinds = graph->heap->kinds,
        .plain = plain,
        .work = work,
        .lost = &lost,
        .head = MX_NO_BLOCK,
    };
    struct mx_error *error = plain && lost.held && lost.heads ? mark(&marking) : mx_error_no_memory();
    mx_array_free(&marking.queue);
    mx_array_free(&marking.words);
    mx_map_deinit(&marking.weak);
    free(plain);
    if (error)
        mx_lost_deinit(&lost);
    else
        *ret = lost;
    return error;
}

void mx_lost_deinit(struct mx_lost *lost)
{
    mx_pages_release(lost->held, (size_t)lost->blocks + 1);
    free(lost->heads);
    free(lost->words);
    mx_array_free(&lost->left);
    *lost = (struct mx_lost){0};
}
