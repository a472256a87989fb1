/* SPDX-License-Identifier: Apache-2.0
 *
 * Roots with names: modules, frames, the fields of interpreters and threads
 * that memext knows, static types; then every word of these structures, of
 * modules' data and of C stacks that is the start of an object.
 */
#include "cpython/roots.h"

#include "cpython/dict.h"
#include "cpython/frames.h"
#include "cpython/rootnames.h"
#include "cpython/typecache.h"

struct giving {
    const struct mx_referents *referents;
    const struct mx_types *types;
    const struct mx_runtime *runtime;
    mx_root_visit visit;
    void *context;
    bool stopped;
    uint64_t detail; /* of the roots that are given now */
    mx_addr place;
};

static void give(struct giving *giving, const struct mx_root *root)
{
    if (root->object && !giving->stopped)
        giving->stopped = !giving->visit(giving->context, root);
}

static bool give_module(void *context, mx_addr key, mx_addr value)
{
    struct giving *giving = context;
    give(giving, &(struct mx_root){
                     .object = value, .kind = MX_ROOT_MODULE, .exact = true, .place = giving->place, .detail = key});
    return !giving->stopped;
}

static void give_modules(struct giving *giving)
{
    int32_t offset = giving->runtime->layout.interpreter.modules;
    for (size_t i = 0; offset >= 0 && i < giving->runtime->interpreters.count; i++) {
        giving->place = giving->runtime->interpreters.items[i].address + (mx_addr)offset;
        mx_dict_each(giving->runtime, mx_memory_pointer(giving->runtime->memory, giving->place), give_module, giving);
    }
}

static void give_of_frame(struct giving *giving, const struct mx_frame *frame, mx_addr object, uint32_t index)
{
    bool is_local = index < frame->local_count;
    bool is_stack = !is_local && index < MX_FRAME_PARTS;
    give(giving, &(struct mx_root){.object = object,
                                   .kind = is_local ? MX_ROOT_LOCAL : MX_ROOT_FRAME,
                                   .counted = frame->owns && (!is_stack || frame->stack_exact),
                                   .exact = !is_stack || frame->stack_exact,
                                   .place = frame->address,
                                   .detail = giving->detail << 32 | index});
}

static bool give_locals(void *context, const struct mx_frame *frame)
{
    struct giving *giving = context;
    for (uint32_t i = 0; i < frame->local_count && !giving->stopped; i++)
        give_of_frame(giving, frame, mx_frame_word(giving->types, frame, i), i);
    return !giving->stopped;
}

static bool give_rest_of_frame(void *context, const struct mx_frame *frame)
{
    struct giving *giving = context;
    for (uint32_t i = 0; i < frame->stack_count && !giving->stopped; i++)
        give_of_frame(giving, frame, mx_frame_word(giving->types, frame, frame->local_count + i),
                      frame->local_count + i);
    give_of_frame(giving, frame, mx_frame_function(giving->types, frame), MX_FRAME_FUNCTION);
    give_of_frame(giving, frame, mx_frame_namespace(giving->types, frame), MX_FRAME_NAMESPACE);
    give_of_frame(giving, frame, frame->code, MX_FRAME_CODE);
    return !giving->stopped;
}

static void give_frames(struct giving *giving, mx_frame_visit visit)
{
    for (size_t i = 0; i < giving->runtime->threads.count && !giving->stopped; i++) {
        giving->detail = i;
        mx_frames_each(giving->types, i, visit, giving);
    }
}

/* An object begins at the address that this word holds. */
static bool is_object(struct giving *giving, mx_addr value)
{
    uint64_t size;
    bool is_raw;
    return value && value % 8 == 0 && giving->referents->find_block &&
           giving->referents->find_block(giving->referents->context, value, &size, &is_raw) == value && !is_raw;
}

static bool is_inside_object(struct giving *giving, mx_addr place)
{
    uint64_t size;
    bool is_raw;
    return giving->referents->find_block(giving->referents->context, place, &size, &is_raw) && !is_raw;
}

/* Every word of start..end - 1 that is a reference by its looks. What stands inside an object is that object's. */
static void give_words(struct giving *giving, mx_addr start, mx_addr end, enum mx_root_kind kind)
{
    enum { PIECE = 4096 };
    for (mx_addr at = start & ~UINT64_C(7), next; at < end && !giving->stopped; at = next) {
        next = at - at % PIECE + PIECE;
        mx_addr until = next < end ? next : end;
        const uint8_t *bytes = mx_memory_state(giving->runtime->memory, at, until - at);
        for (size_t i = 0; bytes && i + 8 <= until - at && !giving->stopped; i += 8) {
            mx_addr value = mx_load_u64(bytes + i);
            if (is_object(giving, value) && !is_inside_object(giving, at + i))
                give(giving,
                     &(struct mx_root){.object = value, .kind = kind, .place = at + i, .detail = giving->detail});
        }
    }
}

static void give_fields(struct giving *giving, mx_addr state, enum mx_root_kind kind)
{
    int32_t offset;
    for (size_t i = 0; mx_root_field(&giving->runtime->layout, kind, i, &offset); i++) {
        mx_addr place = state + (mx_addr)offset;
        if (offset < 0)
            continue;
        give(giving, &(struct mx_root){.object = mx_memory_pointer(giving->runtime->memory, place),
                                       .kind = kind,
                                       .counted = true,
                                       .exact = true,
                                       .place = place,
                                       .detail = giving->detail});
    }
}

/* By field where a field is known; `words`: then all other words. */
static void give_state(struct giving *giving, mx_addr state, int32_t size, enum mx_root_kind kind, bool words)
{
    if (words)
        give_words(giving, state, state + (mx_addr)size, kind);
    else
        give_fields(giving, state, kind);
}

static void give_states(struct giving *giving, bool words)
{
    const struct mx_runtime *runtime = giving->runtime;
    const struct mx_layout *layout = &runtime->layout;
    for (size_t i = 0; i < runtime->interpreters.count; i++) {
        giving->detail = i;
        give_state(giving, runtime->interpreters.items[i].address, layout->interpreter.size, MX_ROOT_INTERPRETER,
                   words);
    }
    for (size_t i = 0; i < runtime->threads.count; i++) {
        giving->detail = i;
        give_state(giving, runtime->threads.items[i].address, layout->thread.size, MX_ROOT_THREAD, words);
    }
}

/* `names`: the kind of the references that the cache owns. */
static void give_cache(struct giving *giving, mx_addr start, mx_addr end, enum mx_root_kind names)
{
    size_t entries, length = (size_t)(end - start);
    const uint8_t *bytes = mx_memory_state(giving->runtime->memory, start, length);
    size_t at = bytes ? mx_type_cache_find(giving->types, bytes, length, &entries) : 0;
    for (size_t i = 0; bytes && i < entries && !giving->stopped; i++, at += MX_CACHE_ENTRY) {
        struct mx_root name = {.kind = (uint8_t)names, .counted = true, .exact = true, .place = start + at};
        if (!mx_type_cache_used(giving->types, bytes + at))
            continue;
        struct mx_root value = {.kind = MX_ROOT_CACHE, .exact = true, .place = start + at + MX_CACHE_VALUE};
        name.place += MX_CACHE_NAME;
        name.object = mx_load_u64(bytes + at + MX_CACHE_NAME);
        name.detail = giving->detail | MX_IN_TYPE_CACHE;
        value.object = mx_load_u64(bytes + at + MX_CACHE_VALUE);
        give(giving, &name);
        give(giving, &value);
    }
}

/* C globals of the interpreter's own. */
static bool is_interpreter_data(const struct mx_runtime *runtime, const struct mx_region *region)
{
    return mx_region_is_module_data(region) && &runtime->modules->modules.items[region->module] == runtime->module;
}

/* 3.10+: in each interpreter's state; before: in the data of the module that the interpreter is in. */
static void give_caches(struct giving *giving)
{
    const struct mx_runtime *runtime = giving->runtime;
    const struct mx_memory *memory = runtime->memory;
    bool is_static = runtime->layout.traverse_shape < MX_TRAVERSE_3_10;
    for (size_t i = 0; !is_static && i < runtime->interpreters.count; i++) {
        mx_addr state = runtime->interpreters.items[i].address;
        giving->detail = i;
        give_cache(giving, state, state + (mx_addr)runtime->layout.interpreter.size, MX_ROOT_INTERPRETER);
    }
    giving->detail = 0;
    for (size_t i = 0; is_static && i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (is_interpreter_data(runtime, region))
            give_cache(giving, region->start, region->end, MX_ROOT_C_GLOBAL);
    }
}

static void give_static_types(struct giving *giving)
{
    for (size_t i = 0; i < giving->types->types.count && !giving->stopped; i++) {
        const struct mx_type *type = &giving->types->types.items[i];
        if (!(type->flags & MX_TPFLAGS_HEAPTYPE))
            give(giving, &(struct mx_root){.object = type->address, .kind = MX_ROOT_STATIC_TYPE, .exact = true});
    }
}

/*
 * A stack is in use from the stack pointer up; further down are the remains of calls that have returned. It ends with
 * its region, or where that goes on (neighbouring maps of a core are one) behind the thread's own block.
 */
static mx_addr stack_end(const struct mx_region *region, const struct mx_thread *thread)
{
    enum { THREAD_BLOCK = 4096, MOST_MAIN_STACK = 64 << 20 };
    mx_addr end = region->end;
    if (thread->fs_base >= thread->stack_pointer && end - thread->fs_base > THREAD_BLOCK && thread->fs_base < end)
        return thread->fs_base + THREAD_BLOCK;
    return end - thread->stack_pointer < MOST_MAIN_STACK ? end : thread->stack_pointer + MOST_MAIN_STACK;
}

mx_addr mx_roots_stack_end(const struct mx_memory *memory, const struct mx_thread *thread)
{
    const struct mx_region *region = mx_thread_region(memory, thread);
    return region ? stack_end(region, thread) : 0;
}

static void give_stacks(struct giving *giving, const struct mx_threads *threads)
{
    for (size_t i = 0; threads && i < threads->threads.count; i++) {
        const struct mx_thread *thread = &threads->threads.items[i];
        mx_addr end = mx_roots_stack_end(giving->runtime->memory, thread);
        giving->detail = (uint64_t)(uint32_t)thread->tid;
        if (end)
            give_words(giving, thread->stack_pointer, end, MX_ROOT_C_STACK);
    }
}

static void give_globals(struct giving *giving)
{
    const struct mx_memory *memory = giving->runtime->memory;
    giving->detail = 0;
    for (size_t i = 0; i < memory->regions.count && !giving->stopped; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        giving->detail = is_interpreter_data(giving->runtime, region);
        if (mx_region_is_module_data(region))
            give_words(giving, region->start, region->end, MX_ROOT_C_GLOBAL);
    }
}

void mx_roots_each(const struct mx_referents *referents, const struct mx_threads *threads, mx_root_visit visit,
                   void *context)
{
    struct giving giving = {
        .referents = referents,
        .types = referents->types,
        .runtime = referents->types->runtime,
        .visit = visit,
        .context = context,
    };
    give_modules(&giving);
    give_frames(&giving, give_locals);
    give_frames(&giving, give_rest_of_frame);
    give_states(&giving, false);
    give_caches(&giving);
    give_static_types(&giving);
    if (!referents->find_block)
        return;
    give_states(&giving, true);
    give_stacks(&giving, threads);
    give_globals(&giving);
}
