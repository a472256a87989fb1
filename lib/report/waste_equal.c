/* SPDX-License-Identifier: Apache-2.0
 *
 * str and bytes objects with equal contents. Contents are hashed once, and only
 * objects whose hashes are equal are looked at again: their bytes decide. This
 * takes 8 bytes an object, and 8 more of one bucket's while it is sorted.
 *
 *   slice of blocks  --hash: 8 bits-->  256 buckets of (32 bits of hash, block)
 *   bucket of all slices  --sort by hash-->  runs  --compare-->  rows
 *
 * Slices stay in order in a bucket and the sort is stable, so that rows are the
 * same with any number of threads.
 */
#include <string.h>

#include "cpython/str.h"
#include "report/object.h"
#include "report/waste.h"

enum {
    BUCKETS = 256,
    DIGIT_BITS = 8,
    DIGITS = 4,          /* of the 32 bits that a bucket is sorted by */
    MOST_DIFFERENT = 64, /* contents of one hash that are told apart: chance gives two, and damage cannot aim at it */
};

struct bucket {
    MX_ARRAY(uint64_t) entries; /* hash << 32 | block */
};

struct slice {
    struct bucket buckets[BUCKETS];
};

struct duplicates {
    struct mx_waste_search *search;
    struct slice *slices;
};

struct text {
    const uint8_t *data;
    uint64_t size;
    uint32_t width; /* bytes a code point; 0: a bytes object */
};

/* Strings of the old API that Python has not looked at yet equal each other only, and are in blocks of their own. */
static bool read_text(const struct mx_waste_search *search, mx_addr object, const struct mx_type *type,
                      struct text *ret)
{
    const struct mx_runtime *runtime = &search->target->runtime;
    if (type->kind == MX_KIND_BYTES) {
        *ret = (struct text){0};
        ret->data = mx_bytes_read(runtime, object, &ret->size);
        return ret->data;
    }
    struct mx_str str;
    if (!mx_str_read(runtime, object, &str))
        return false;
    *ret = (struct text){str.data, str.length * str.kind, str.kind};
    return true;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

static uint64_t hash_text(const struct text *text)
{
    uint64_t hash = mix(text->size, text->width + 1), last = 0;
    const uint8_t *at = text->data;
    size_t left = text->size;
    for (; left >= 8; left -= 8, at += 8)
        hash = mix(hash, mx_load_u64(at));
    if (left)
        memcpy(&last, at, left);
    return mix(mix(hash, last), UINT64_C(0xd6e8feb86659fd93));
}

struct hashing {
    struct mx_waste_search *search;
    struct slice *slice;
};

/* Texts stand in their objects: one that claims to be longer than its block is torn, and must not cost its claim. */
static bool is_torn(const struct mx_waste_search *search, uint32_t block, const struct text *text)
{
    enum { LONG = 1 << 16 };
    const struct mx_spans *spans = &search->heap->spans;
    return text->size > LONG && text->size > mx_block_size(spans, mx_spans_of(spans, block), block);
}

static void visit_object(void *context, uint32_t block, mx_addr object, uint32_t type)
{
    struct hashing *hashing = context;
    struct mx_waste_search *search = hashing->search;
    struct text text;
    if (search->tasks[type] == MX_WASTE_CONTAINER)
        mx_waste_container(search, block, object, type);
    if (search->tasks[type] != MX_WASTE_TEXT ||
        !read_text(search, object, &search->target->types.types.items[type], &text) || is_torn(search, block, &text))
        return;
    uint64_t hash = hash_text(&text);
    struct bucket *bucket = &hashing->slice->buckets[hash >> 56];
    if (!mx_array_push(&bucket->entries, (hash >> 24) << 32 | block))
        search->no_memory = true;
}

static void hash_slice(void *context, size_t index)
{
    struct duplicates *duplicates = context;
    struct hashing hashing = {duplicates->search, &duplicates->slices[index]};
    mx_waste_slice(duplicates->search, index, visit_object, &hashing);
}

/* The bucket's entries of all slices, in `ret`; room for as many follows them. */
static size_t gather(struct duplicates *duplicates, size_t index, uint64_t **ret)
{
    size_t count = 0;
    for (size_t i = 0; i < MX_WASTE_SLICES; i++)
        count += duplicates->slices[i].buckets[index].entries.count;
    *ret = count ? mx_calloc(2 * count, sizeof(**ret)) : NULL;
    if (count && !*ret)
        duplicates->search->no_memory = true;
    for (size_t i = 0, at = 0; i < MX_WASTE_SLICES; i++) {
        struct bucket *bucket = &duplicates->slices[i].buckets[index];
        if (*ret && bucket->entries.count)
            memcpy(*ret + at, bucket->entries.items, bucket->entries.count * sizeof(**ret));
        at += bucket->entries.count;
        mx_array_free(&bucket->entries);
    }
    return *ret ? count : 0;
}

/* By the upper 32 bits; `spare` is as long. An even number of digits leaves the result in `entries`. */
static void sort_by_hash(uint64_t *entries, uint64_t *spare, size_t count)
{
    for (int digit = 0; digit < DIGITS; digit++) {
        size_t starts[1 << DIGIT_BITS] = {0};
        int shift = 32 + digit * DIGIT_BITS;
        for (size_t i = 0; i < count; i++)
            starts[entries[i] >> shift & 0xff]++;
        for (size_t i = 0, sum = 0; i < 1 << DIGIT_BITS; i++) {
            size_t here = starts[i];
            starts[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            spare[starts[entries[i] >> shift & 0xff]++] = entries[i];
        uint64_t *sorted = spare;
        spare = entries;
        entries = sorted;
    }
}

static mx_addr object_in(const struct mx_waste_search *search, uint32_t block, const struct mx_type **type)
{
    const struct mx_heap *heap = search->heap;
    uint32_t index = mx_heap_type_of(heap, block);
    *type = &search->target->types.types.items[index];
    return mx_heap_object(heap, mx_spans_of(&heap->spans, block), block, index);
}

static bool text_of(const struct mx_waste_search *search, uint64_t entry, struct text *ret)
{
    const struct mx_type *type;
    mx_addr object = object_in(search, (uint32_t)entry, &type);
    return read_text(search, object, type, ret);
}

/*
 * Moves what equals the first entry to the front, the others behind it, both in their order; the number of equal ones.
 * `spare` is as long.
 */
static size_t part(const struct mx_waste_search *search, uint64_t *entries, uint64_t *spare, size_t count)
{
    struct text first, other;
    size_t equal = 1, others = 0;
    if (!text_of(search, entries[0], &first))
        return 1;
    for (size_t i = 1; i < count; i++) {
        if (text_of(search, entries[i], &other) && other.width == first.width && other.size == first.size &&
            (!first.size || !memcmp(other.data, first.data, first.size)))
            entries[equal++] = entries[i];
        else
            spare[others++] = entries[i];
    }
    memcpy(entries + equal, spare, others * sizeof(*entries));
    return equal;
}

/* Whichever of them is kept, the largest (with a copy of its text as UTF-8) may be it. */
static void add_equal(struct mx_waste_search *search, const uint64_t *entries, size_t count)
{
    struct mx_waste_found found = {.count = count};
    const struct mx_type *type = NULL;
    uint64_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t size = mx_object_shallow_size(search->target, object_in(search, (uint32_t)entries[i], &type));
        found.bytes += size;
        largest = size > largest ? size : largest;
    }
    found.wasted = found.bytes - largest;
    found.sample_count = count < MX_WASTE_SAMPLES ? (uint32_t)count : MX_WASTE_SAMPLES;
    for (size_t i = 0; i < found.sample_count; i++)
        found.samples[i] = (uint32_t)entries[i * count / found.sample_count];
    mx_waste_add(search, type && type->kind == MX_KIND_BYTES ? MX_WASTE_BYTES : MX_WASTE_STRINGS, &found);
}

/* Entries of one hash. */
static void settle_run(struct mx_waste_search *search, uint64_t *entries, uint64_t *spare, size_t count)
{
    for (int different = 0; count > 1 && different < MOST_DIFFERENT; different++) {
        size_t equal = part(search, entries, spare, count);
        if (equal > 1)
            add_equal(search, entries, equal);
        entries += equal;
        count -= equal;
    }
}

static void compare_bucket(void *context, size_t index)
{
    struct duplicates *duplicates = context;
    uint64_t *entries;
    size_t count = gather(duplicates, index, &entries), until;
    sort_by_hash(entries, entries + count, count);
    for (size_t at = 0; at < count && !duplicates->search->work.cancelled; at = until) {
        for (until = at + 1; until < count && entries[until] >> 32 == entries[at] >> 32;)
            until++;
        settle_run(duplicates->search, entries + at, entries + count, until - at);
    }
    free(entries);
    mx_work_step(&duplicates->search->work, 1);
}

static struct mx_error *compare(struct duplicates *duplicates)
{
    struct mx_waste_search *search = duplicates->search;
    unsigned threads = mx_memory_threads(search->target->memory);
    mx_work_begin(&search->work, search->work.progress, "reading strings", search->heap->spans.blocks);
    mx_work_parallel(threads, MX_WASTE_SLICES, hash_slice, duplicates);
    if (search->work.cancelled)
        return mx_error_cancelled();
    mx_work_begin(&search->work, search->work.progress, "comparing strings", BUCKETS);
    mx_work_parallel(threads, BUCKETS, compare_bucket, duplicates);
    return search->work.cancelled ? mx_error_cancelled() : NULL;
}

struct mx_error *mx_waste_equal(struct mx_waste_search *search)
{
    struct duplicates duplicates = {search, mx_calloc(MX_WASTE_SLICES, sizeof(struct slice))};
    if (!duplicates.slices)
        return mx_error_no_memory();
    struct mx_error *error = compare(&duplicates);
    for (size_t i = 0; i < (size_t)MX_WASTE_SLICES * BUCKETS; i++)
        mx_array_free(&duplicates.slices[i / BUCKETS].buckets[i % BUCKETS].entries);
    free(duplicates.slices);
    return error;
}
