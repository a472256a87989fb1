/* SPDX-License-Identifier: Apache-2.0
 *
 * Lost blocks in groups: of one class, one size, and like content.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/strtab.h"
#include "heap/lost.h"

enum {
    WORDS = 4,     /* of a block that its content is told by */
    CONTENT = 512, /* room for that text */
    CHUNK_HEADER = 8,
    STEP = 4096, /* blocks between looks at the progress */
};

struct mx_leaks {
    MX_ARRAY(struct mx_leak_row) rows;
    struct mx_strtab names;
    struct mx_leaks_info info;
};

struct grouping {
    const struct mx_graph *graph;
    const struct mx_leaks_query *query;
    struct mx_leaks *leaks;
    struct mx_work work;
    struct mx_lost lost;
    struct mx_map groups;   /* interned signature -> row */
    struct mx_map by_block; /* block of a head + 1 -> row */
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

/* How many bytes of text a block begins with here: printable ones up to a zero, or up to the end of what is there. */
static size_t text_length(const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    while (count < length && is_printable(bytes[count]))
        count++;
    return count >= 4 && (count == length || !bytes[count]) ? count : 0;
}

struct content {
    char text[CONTENT];      /* for people */
    char signature[CONTENT]; /* the same without what differs from one to the next */
    const char *module;
};

static void add(struct content *content, const char *text, const char *signature)
{
    const char *separator = content->text[0] ? ", " : "";
    size_t used = strlen(content->text), signed_used = strlen(content->signature);
    snprintf(content->text + used, CONTENT - used, "%s%s", separator, text);
    snprintf(content->signature + signed_used, CONTENT - signed_used, "%s%s", separator, signature);
}

static void add_module(struct content *content, const struct mx_region *region, const struct mx_module *module,
                       mx_addr word)
{
    char text[CONTENT / 2];
    const char *what = region->flags & MX_REGION_EXEC ? "code" : region->flags & MX_REGION_WRITE ? "data" : "constants";
    snprintf(text, sizeof(text), "%s of %s+0x%" PRIx64, what, base_name(module->path), word - module->bias);
    add(content, text, text);
    content->module = content->module ? content->module : module->path;
}

static void add_block(const struct grouping *grouping, struct content *content, uint32_t block)
{
    const struct mx_type *type;
    char text[CONTENT / 2];
    if (grouping->graph->heap->kinds[block] == MX_BLOCK_FREE)
        return add(content, "a freed block", "a freed block");
    mx_graph_object(grouping->graph, block, &type);
    snprintf(text, sizeof(text), "%s", type ? type->name : "block");
    add(content, text, text);
}

/* One word; true when nothing is to be added after it. */
static void add_word(const struct grouping *grouping, struct content *content, mx_addr word)
{
    const struct mx_target *target = grouping->graph->target;
    const struct mx_module *module = word ? mx_modules_at(&target->modules, word) : NULL;
    const struct mx_region *region = module ? mx_memory_region(target->memory, word) : NULL;
    uint32_t block = mx_spans_find(&grouping->graph->heap->spans, word);
    char text[32];
    if (region)
        return add_module(content, region, module, word);
    if (block != MX_NO_BLOCK && word % 8 == 0)
        return add_block(grouping, content, block);
    snprintf(text, sizeof(text), "%" PRIu64, word);
    add(content, word >> 32 ? "…" : text, word ? "…" : "0");
}

static void add_text(struct content *content, const uint8_t *bytes, size_t length)
{
    enum { SHOWN = 40 };
    char text[SHOWN + 8];
    snprintf(text, sizeof(text), "'%.*s'%s", (int)(length < SHOWN ? length : SHOWN), (const char *)bytes,
             length > SHOWN ? "…" : "");
    add(content, text, "text");
}

/* Low addresses can be read as text. */
static bool is_address(const struct grouping *grouping, mx_addr word)
{
    return word % 8 == 0 && mx_spans_find(&grouping->graph->heap->spans, word) != MX_NO_BLOCK;
}

static void describe(const struct grouping *grouping, mx_addr start, uint64_t size, struct content *content)
{
    const size_t told = 8 * (size_t)WORDS, most = 4 * told; /* a text may go on */
    size_t length = size < most ? size & ~UINT64_C(7) : most;
    const uint8_t *bytes = mx_memory_view(grouping->graph->target->memory, start, length);
    *content = (struct content){0};
    for (size_t i = 0; bytes && i < told && i + 8 <= length; i += 8) {
        size_t text = is_address(grouping, mx_load_u64(bytes + i)) ? 0 : text_length(bytes + i, length - i);
        if (text) {
            add_text(content, bytes + i, text);
            break;
        }
        add_word(grouping, content, mx_load_u64(bytes + i));
    }
    if (!bytes)
        add(content, "bytes that are missing", "bytes that are missing");
}

static uint64_t usable_size(const struct grouping *grouping, const struct mx_span *span, uint32_t block)
{
    uint64_t size = mx_block_size(&grouping->graph->heap->spans, span, block);
    bool is_last = block - span->first + 1 == span->count;
    return span->kind == MX_SPAN_CHUNKS && !is_last && size > CHUNK_HEADER ? size - CHUNK_HEADER : size;
}

static enum mx_leak_class class_of(uint8_t held)
{
    if (held == MX_HELD_LOST)
        return MX_LEAK_DEFINITE;
    return held == MX_HELD_LOST_INDIRECT ? MX_LEAK_INDIRECT : MX_LEAK_POSSIBLE;
}

static void place_text(const struct grouping *grouping, mx_addr place, char *text, size_t size)
{
    const struct mx_target *target = grouping->graph->target;
    for (size_t i = 0; i < target->threads.threads.count; i++) {
        const struct mx_thread *thread = &target->threads.threads.items[i];
        const struct mx_region *region =
            thread->stack_pointer ? mx_memory_region(target->memory, thread->stack_pointer) : NULL;
        if (region && place >= thread->stack_pointer - MX_RED_ZONE && place < region->end) {
            snprintf(text, size, "C stack of thread %d, at 0x%" PRIx64, (int)thread->tid, place);
            return;
        }
    }
    snprintf(text, size, "0x%" PRIx64 ", an odd address in it", place);
}

/* The row of a block, made when it is the first of its kind; NULL when there is no memory. */
static struct mx_leak_row *row_of(struct grouping *grouping, const struct content *content, enum mx_leak_class class,
                                  uint64_t size, bool indirect)
{
    struct mx_leaks *leaks = grouping->leaks;
    char key[CONTENT + 64];
    int length = snprintf(key, sizeof(key), "%d %d %" PRIu64 " %s", class, indirect, size, content->signature);
    const char *signature = mx_strtab_add(&leaks->names, key, (size_t)length);
    if (!signature)
        return NULL;
    uint32_t row = mx_map_get(&grouping->groups, (uintptr_t)signature);
    if (row != MX_MAP_NONE)
        return &leaks->rows.items[row];
    struct mx_leak_row made = {.class = class, .size = size, .place = ""};
    made.content = mx_strtab_add(&leaks->names, content->text, strlen(content->text));
    made.module = content->module ? mx_strtab_add(&leaks->names, content->module, strlen(content->module)) : "";
    if (!made.content || !made.module ||
        !mx_map_set(&grouping->groups, (uintptr_t)signature, (uint32_t)leaks->rows.count) ||
        !mx_array_push(&leaks->rows, made))
        return NULL;
    return &leaks->rows.items[leaks->rows.count - 1];
}

static bool is_old(const struct grouping *grouping, mx_addr start)
{
    const struct mx_heap *since = grouping->query->since;
    const struct mx_span *span;
    uint32_t block = since ? mx_spans_locate(&since->spans, start, &span) : MX_NO_BLOCK;
    return block != MX_NO_BLOCK && since->kinds[block] == MX_BLOCK_RAW &&
           mx_block_address(&since->spans, span, block) == start;
}

static void count_in_info(struct mx_leaks_info *info, enum mx_leak_class class, uint64_t size)
{
    uint64_t *counts[] = {&info->definite_blocks, &info->indirect_blocks, &info->possible_blocks};
    uint64_t *bytes[] = {&info->definite_bytes, &info->indirect_bytes, &info->possible_bytes};
    *counts[class] += 1;
    *bytes[class] += size;
}

static bool add_lost(struct grouping *grouping, const struct mx_span *span, uint32_t block, uint32_t *word)
{
    struct content content;
    uint8_t held = grouping->lost.held[block];
    mx_addr start = mx_block_address(&grouping->graph->heap->spans, span, block), place = 0;
    uint64_t size = usable_size(grouping, span, block);
    enum mx_leak_class class = class_of(held);
    if (held == MX_HELD_POSSIBLY)
        place = grouping->lost.words[(*word)++];
    if (is_old(grouping, start))
        return true;
    describe(grouping, start, size, &content);
    struct mx_leak_row *row = row_of(grouping, &content, class, size, held == MX_HELD_POSSIBLY_INDIRECT);
    if (!row)
        return false;
    row->count++;
    row->bytes += size;
    count_in_info(&grouping->leaks->info, class, size);
    if (!row->example) {
        char text[128] = "";
        row->example = start;
        if (place)
            place_text(grouping, place, text, sizeof(text));
        row->place = mx_strtab_add(&grouping->leaks->names, text, strlen(text));
    }
    bool is_head = held == MX_HELD_LOST || held == MX_HELD_POSSIBLY;
    size_t index = (size_t)(row - grouping->leaks->rows.items);
    return row->place && (!is_head || mx_map_set(&grouping->by_block, (uint64_t)block + 1, (uint32_t)index));
}

/* What an indirect block's head belongs to holds it. */
static void add_held(struct grouping *grouping, const struct mx_span *span, uint32_t block)
{
    uint32_t row = mx_map_get(&grouping->by_block, (uint64_t)grouping->lost.heads[block] + 1);
    if (row == MX_MAP_NONE)
        return;
    grouping->leaks->rows.items[row].held_count++;
    grouping->leaks->rows.items[row].held_bytes += usable_size(grouping, span, block);
}

static struct mx_error *visit_left(struct grouping *grouping, bool heads_are_known)
{
    const struct mx_lost *lost = &grouping->lost;
    uint32_t word = 0;
    for (size_t i = 0; i < lost->left.count; i++) {
        uint32_t block = lost->left.items[i];
        uint8_t held = lost->held[block];
        const struct mx_span *span = mx_spans_of(&grouping->graph->heap->spans, block);
        if (i % STEP == 0 && !mx_work_step(&grouping->work, 0))
            return mx_error_cancelled();
        if (heads_are_known && (held == MX_HELD_LOST_INDIRECT || held == MX_HELD_POSSIBLY_INDIRECT))
            add_held(grouping, span, block);
        else if (!heads_are_known && !add_lost(grouping, span, block, &word))
            return mx_error_no_memory();
    }
    return NULL;
}

static int compare_rows(const void *a, const void *b)
{
    const struct mx_leak_row *left = a, *right = b;
    uint64_t first = left->bytes + left->held_bytes, second = right->bytes + right->held_bytes;
    if (left->class != right->class)
        return left->class < right->class ? -1 : 1;
    if (first != second)
        return first < second ? 1 : -1;
    return left->example < right->example ? -1 : left->example > right->example;
}

static struct mx_error *find(struct grouping *grouping)
{
    struct mx_leaks *leaks = grouping->leaks;
    MX_TRY(mx_lost_find(grouping->graph, &grouping->work, &grouping->lost));
    MX_TRY(visit_left(grouping, false));
    MX_TRY(visit_left(grouping, true));
    leaks->info.blocks = grouping->graph->heap->info.raw_blocks;
    leaks->info.bytes = grouping->graph->heap->info.raw_bytes;
    if (leaks->rows.count)
        qsort(leaks->rows.items, leaks->rows.count, sizeof(struct mx_leak_row), compare_rows);
    return NULL;
}

struct mx_error *mx_leaks_open(struct mx_graph *graph, const struct mx_leaks_query *query,
                               const struct mx_progress *progress, struct mx_leaks **ret)
{
    struct grouping grouping = {.graph = graph, .query = query};
    grouping.leaks = mx_calloc(1, sizeof(*grouping.leaks));
    if (!grouping.leaks)
        return mx_error_no_memory();
    mx_work_begin(&grouping.work, progress, "looking for lost memory", graph->heap->spans.blocks);
    struct mx_error *error = find(&grouping);
    mx_lost_deinit(&grouping.lost);
    mx_map_deinit(&grouping.groups);
    mx_map_deinit(&grouping.by_block);
    if (error) {
        mx_leaks_close(grouping.leaks);
        return error;
    }
    *ret = grouping.leaks;
    return NULL;
}

const struct mx_leak_row *mx_leaks_rows(const struct mx_leaks *leaks, size_t *count)
{
    *count = leaks->rows.count;
    return leaks->rows.items;
}

void mx_leaks_info(const struct mx_leaks *leaks, struct mx_leaks_info *ret)
{
    *ret = leaks->info;
}

void mx_leaks_close(struct mx_leaks *leaks)
{
    if (!leaks)
        return;
    mx_array_free(&leaks->rows);
    mx_strtab_deinit(&leaks->names);
    free(leaks);
}
