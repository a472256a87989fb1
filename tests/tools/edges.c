/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes down the references that memext sees in objects, for the tests to
 * compare with gc.get_referents().
 *
 *     edges core PATH ASKED ANSWER       edges live PID ASKED ANSWER
 *
 * ASKED is a file of 64-bit addresses. ANSWER gets for each: the address, how
 * many references tp_traverse would show (the highest bit says that some were
 * found by a scan only), and their targets; 64-bit words all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpython/referents.h"
#include "heap/heap.h"
#include "heap/target.h"

#define INEXACT (UINT64_C(1) << 63)

struct answer {
    MX_ARRAY(uint64_t) words; /* of one object; the first two are its address and the count */
    bool no_memory;
};

/* What the graph does for the decoders: the object or raw block around an address. */
static mx_addr find_block(void *context, mx_addr address, uint64_t *size, bool *is_raw)
{
    const struct mx_heap *heap = context;
    uint32_t block = mx_spans_find(&heap->spans, address);
    if (block == MX_NO_BLOCK || heap->kinds[block] == MX_BLOCK_FREE)
        return 0;
    const struct mx_span *span = mx_spans_of(&heap->spans, block);
    uint32_t type = mx_heap_type_of(heap, block);
    *is_raw = type == MX_MAP_NONE;
    uint32_t padding = span->kind == MX_SPAN_POOL ? heap->padding : 0;
    mx_addr start =
        *is_raw ? mx_block_address(&heap->spans, span, block) + padding : mx_heap_object(heap, span, block, type);
    *size = mx_block_address(&heap->spans, span, block) + mx_block_size(&heap->spans, span, block) - start;
    /* Between static objects there is other data. */
    return span->kind == MX_SPAN_STATIC && address != start ? 0 : start;
}

static bool take_edge(void *context, const struct mx_edge *edge)
{
    struct answer *answer = context;
    if (edge->class != MX_EDGE_TRAVERSED && !edge->shown)
        return true;
    if (!mx_array_push(&answer->words, edge->target))
        answer->no_memory = true;
    else
        answer->words.items[1] = (answer->words.items[1] + 1) | (edge->exact ? 0 : INEXACT);
    return !answer->no_memory;
}

static bool answer_one(const struct mx_referents *referents, mx_addr object, struct answer *answer, FILE *file)
{
    const struct mx_type *type = mx_type_of(referents->types, object);
    answer->words.count = 0;
    if (!mx_array_push(&answer->words, object) || !mx_array_push(&answer->words, 0))
        return false;
    if (type)
        mx_referents_each(referents, type, object, take_edge, answer);
    return !answer->no_memory &&
           fwrite(answer->words.items, sizeof(uint64_t), answer->words.count, file) == answer->words.count;
}

static int answer_all(const struct mx_referents *referents, FILE *asked, FILE *file)
{
    struct answer answer = {.no_memory = false};
    uint64_t object;
    bool good = true;
    while (good && fread(&object, sizeof(object), 1, asked) == 1)
        good = answer_one(referents, object, &answer, file);
    mx_array_free(&answer.words);
    return good ? 0 : 2;
}

static struct mx_error *open_all(const char *how, const char *what, struct mx_target **target, struct mx_heap **heap,
                                 struct mx_referents *referents)
{
    MX_TRY(!strcmp(how, "core") ? mx_target_open_core(what, NULL, target)
                                : mx_target_open_process((int)strtol(what, NULL, 10), NULL, target));
    MX_TRY(mx_heap_open(*target, NULL, heap));
    MX_TRY(mx_referents_open(&(*target)->types, referents));
    referents->find_block = find_block;
    referents->context = *heap;
    return NULL;
}

int main(int argc, char **argv)
{
    FILE *asked = argc == 5 ? fopen(argv[3], "rb") : NULL, *file = asked ? fopen(argv[4], "wb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: edges core PATH ASKED ANSWER | edges live PID ASKED ANSWER\n");
        return 2;
    }
    struct mx_target *target = NULL;
    struct mx_heap *heap = NULL;
    struct mx_referents referents = {0};
    struct mx_error *error = open_all(argv[1], argv[2], &target, &heap, &referents);
    int status = error ? 1 : answer_all(&referents, asked, file);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    mx_error_free(error);
    mx_referents_close(&referents);
    mx_heap_close(heap);
    mx_target_close(target);
    fclose(asked);
    return fclose(file) ? 2 : status;
}
