/* SPDX-License-Identifier: Apache-2.0
 *
 * The object allocator and its debug hooks, told from a sample of objects: the
 * variables that say so are file-statics before 3.12 and a stripped build has
 * no names for them, but every version leaves the same marks in memory.
 *
 *   debug hooks  [size, big-endian][api id]['\xfd' * 7] object...
 *   pymalloc     the object's block lies on the grid of a pool with a sane header
 *   mimalloc     at the 32 MB boundary before the object stands the header of a segment
 */
#include "cpython/allocator.h"

#include <string.h>

enum {
    MOST_SAMPLES = 64,
    HOOK_BYTES = 16,
    MOST_PREHEADER = 32,
    PREHEADER_STEP = 16,
    SIZE_CLASSES = 32,
    BLOCK_STEP = 16,
    FEWEST_SAMPLES = 8,
};

struct sample {
    mx_addr objects[MOST_SAMPLES];
    size_t count;
};

/* An object that a cut core lacks tells nothing. */
static void add_sample(const struct mx_runtime *runtime, struct sample *sample, mx_addr object)
{
    if (object && sample->count < MOST_SAMPLES &&
        mx_memory_state(runtime->memory, object, (size_t)runtime->layout.object.size))
        sample->objects[sample->count++] = object;
}

/* The newest end of each generation; a broken link ends it. */
static void sample_lists(const struct mx_runtime *runtime, mx_addr gc, struct sample *sample)
{
    const struct mx_layout *layout = &runtime->layout;
    for (int generation = 0; generation < 3; generation++) {
        mx_addr head = gc + (mx_addr)(layout->gc.generations + 24 * generation), at = head;
        for (int i = 0; i < MOST_SAMPLES / 3; i++) {
            at = mx_memory_pointer(runtime->memory, at + (mx_addr)layout->gc_head.gc_next) & ~(mx_addr)3;
            if (!at || at == head)
                break;
            add_sample(runtime, sample, at + (mx_addr)layout->gc_head.size);
        }
    }
}

static void take_sample(const struct mx_runtime *runtime, struct sample *sample)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr main = runtime->interpreters.items[0].address;
    add_sample(runtime, sample, mx_memory_pointer(runtime->memory, main + (mx_addr)layout->interpreter.modules));
    add_sample(runtime, sample, mx_memory_pointer(runtime->memory, main + (mx_addr)layout->interpreter.sysdict));
    add_sample(runtime, sample, mx_memory_pointer(runtime->memory, main + (mx_addr)layout->interpreter.builtins));
    if (layout->gc_shape == MX_GC_RUNTIME)
        sample_lists(runtime, runtime->address + (mx_addr)layout->runtime.gc, sample);
    else if (layout->gc_shape != MX_GC_MIMALLOC)
        sample_lists(runtime, main + (mx_addr)layout->interpreter.gc, sample);
}

/* What _PyMem_DebugRawAlloc() writes before the bytes it hands out. (Objects/obmalloc.c) */
static bool is_hooked_block(const uint8_t *bytes)
{
    uint64_t size = __builtin_bswap64(mx_load_u64(bytes));
    return size && size < UINT64_C(1) << 40 && (bytes[8] == 'o' || bytes[8] == 'm' || bytes[8] == 'r') &&
           !memcmp(bytes + 9, "\xfd\xfd\xfd\xfd\xfd\xfd\xfd", 7);
}

static bool is_hooked(const struct mx_memory *memory, mx_addr object)
{
    for (mx_addr before = HOOK_BYTES; before <= MOST_PREHEADER + HOOK_BYTES; before += PREHEADER_STEP) {
        const uint8_t *bytes = mx_memory_view(memory, object - before, HOOK_BYTES);
        if (bytes && is_hooked_block(bytes))
            return true;
    }
    return false;
}

static bool is_in_pool(const struct mx_runtime *runtime, mx_addr object)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr pool = object & ~((mx_addr)layout->pool_size - 1);
    uint32_t size_class, last;
    mx_addr start = pool + (mx_addr)layout->pymalloc_pool.size;
    if (object < start || !mx_memory_u32(runtime->memory, pool + (mx_addr)layout->pymalloc_pool.szidx, &size_class) ||
        !mx_memory_u32(runtime->memory, pool + (mx_addr)layout->pymalloc_pool.maxnextoffset, &last) ||
        size_class >= SIZE_CLASSES)
        return false;
    return last == layout->pool_size - (size_class + 1) * BLOCK_STEP;
}

/* The header's first slice descriptor is about the header itself. (mimalloc/types.h: mi_segment_t) */
static bool is_in_segment(const struct mx_runtime *runtime, mx_addr object)
{
    enum { SEGMENT_SLICES = 512, MOST_INFO_SLICES = 4 };
    const struct mx_layout *layout = &runtime->layout;
    const mx_addr segment_size = (mx_addr)32 << 20;
    mx_addr segment = object & ~(segment_size - 1);
    uint64_t slices, info;
    uint32_t first;
    if (layout->mimalloc_segment.slices < 0)
        return false;
    return mx_memory_u64(runtime->memory, segment + (mx_addr)layout->mimalloc_segment.segment_slices, &slices) &&
           mx_memory_u64(runtime->memory, segment + (mx_addr)layout->mimalloc_segment.segment_info_slices, &info) &&
           mx_memory_u32(runtime->memory,
                         segment + (mx_addr)(layout->mimalloc_segment.slices + layout->mimalloc_page.slice_count),
                         &first) &&
           slices == SEGMENT_SLICES && info && info <= MOST_INFO_SLICES && first == info;
}

/* Big objects come from malloc in any case, so that a quarter of the sample in pools is proof enough. */
void mx_allocator_detect(struct mx_runtime *runtime)
{
    struct sample sample = {0};
    size_t hooked = 0, pooled = 0, in_segments = 0;
    runtime->allocator = runtime->layout.free_threaded ? MX_ALLOCATOR_MIMALLOC : MX_ALLOCATOR_PYMALLOC;
    if (runtime->interpreters.count)
        take_sample(runtime, &sample);
    for (size_t i = 0; i < sample.count; i++) {
        hooked += is_hooked(runtime->memory, sample.objects[i]);
        pooled += is_in_pool(runtime, sample.objects[i]);
        in_segments += is_in_segment(runtime, sample.objects[i]);
    }
    runtime->block_padding = hooked && hooked >= sample.count / 2 ? HOOK_BYTES : 0;
    if (sample.count >= FEWEST_SAMPLES && !runtime->layout.free_threaded && pooled < sample.count / 4)
        runtime->allocator = in_segments > sample.count / 4 ? MX_ALLOCATOR_MIMALLOC : MX_ALLOCATOR_MALLOC;
}
