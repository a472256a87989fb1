/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames from their chains: up to 3.10 they are objects, since 3.11 structures
 * on the thread's data stack, in generators or in frame objects.
 *
 *   thread -> [cframe ->] innermost frame --previous, f_back--> its caller ...
 */
#include "cpython/frames.h"

#include <stdio.h>

#include "cpython/code.h"
#include "cpython/linetable.h"

enum {
    MOST_FRAMES = 1 << 22,
    MOST_SLOTS = 1 << 16,
    OWNED_BY_THREAD = 0, /* CPython 3.11+ Include/internal/pycore_frame.h: enum _frameowner */
    OWNED_BY_FRAME_OBJECT = 2,
};

static uint32_t u32_at(const struct mx_types *types, mx_addr address, int32_t offset)
{
    uint32_t value = 0;
    if (offset >= 0)
        mx_memory_u32(types->runtime->memory, address + (mx_addr)offset, &value);
    return value;
}

static mx_addr word_at(const struct mx_types *types, mx_addr address, int32_t offset)
{
    return offset >= 0 ? mx_memory_pointer(types->runtime->memory, address + (mx_addr)offset) : 0;
}

/* Since 3.14 references in frames have tags; both low bits set is a small int, which is no object. */
static mx_addr untag(const struct mx_types *types, uint64_t word)
{
    if (types->runtime->layout.frame_shape != MX_FRAME_STACKREF)
        return word;
    return (word & 3) == 3 ? 0 : word & ~UINT64_C(3);
}

static bool is_tuple(const struct mx_types *types, mx_addr object)
{
    const struct mx_type *type = object ? mx_type_of(types, object) : NULL;
    return type && type->kind == MX_KIND_TUPLE;
}

static uint32_t tuple_length(const struct mx_types *types, mx_addr tuple)
{
    uint64_t length = is_tuple(types, tuple) ? word_at(types, tuple, types->runtime->layout.var_object.ob_size) : 0;
    return length < MOST_SLOTS ? (uint32_t)length : 0;
}

static mx_addr tuple_item(const struct mx_types *types, mx_addr tuple, uint32_t index)
{
    return word_at(types, tuple + 8 * (mx_addr)index, types->runtime->layout.tuple.ob_item);
}

/* CPython 3.8-3.10: locals, cells, free variables, then the value stack, whose top is known unless it executes. */
static bool read_object(const struct mx_types *types, mx_addr address, struct mx_frame *ret)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr code = word_at(types, address, layout->frame.f_code);
    if (!mx_is_code(types, code))
        return false;
    uint32_t count = u32_at(types, code, layout->code.co_nlocals);
    count += tuple_length(types, word_at(types, code, layout->code.co_cellvars));
    count += tuple_length(types, word_at(types, code, layout->code.co_freevars));
    int32_t last = (int32_t)u32_at(types, address, layout->frame.f_lasti);
    bool counts_units = layout->frame.f_stackdepth != MX_ABSENT;
    *ret = (struct mx_frame){
        .address = address,
        .code = code,
        .locals = address + (mx_addr)layout->frame.f_localsplus,
        .local_count = count,
        .stack_count = u32_at(types, code, layout->code.co_stacksize),
        .offset = last < 0 ? -1 : (int64_t)last * (counts_units ? 2 : 1),
    };
    mx_addr bottom = word_at(types, address, layout->frame.f_valuestack);
    mx_addr top = word_at(types, address, layout->frame.f_stacktop);
    int32_t depth = (int32_t)u32_at(types, address, layout->frame.f_stackdepth);
    if (counts_units ? depth > 0 : top != 0) {
        uint64_t used = counts_units ? (uint64_t)depth : (top - bottom) / 8;
        ret->stack_exact = used <= ret->stack_count;
        ret->stack_count = used < ret->stack_count ? (uint32_t)used : ret->stack_count;
    }
    return true;
}

/* How many words of localsplus are in use; -1 while that cannot be told. */
static int64_t used_words(const struct mx_types *types, mx_addr address, mx_addr locals)
{
    const struct mx_layout *layout = &types->runtime->layout;
    if (layout->interpreter_frame.stacktop >= 0)
        return (int32_t)u32_at(types, address, layout->interpreter_frame.stacktop);
    mx_addr pointer = word_at(types, address, layout->interpreter_frame.stackpointer);
    return pointer >= locals ? (int64_t)((pointer - locals) / 8) : -1;
}

/*
 * Where the instructions are that the frame runs. Free-threaded builds (3.14+) give threads copies of their own, in an
 * array of a length and addresses. (CPython Include/cpython/code.h: _PyCodeArray)
 */
static mx_addr first_unit(const struct mx_types *types, mx_addr frame, mx_addr code)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr copies = word_at(types, code, layout->code.co_tlbc), copy = 0;
    uint32_t index = u32_at(types, frame, layout->interpreter_frame.tlbc_index);
    if (copies && index < word_at(types, copies, 0))
        copy = mx_memory_pointer(types->runtime->memory, copies + 8 + 8 * (mx_addr)index);
    return copy ? copy : code + (mx_addr)layout->code.co_code_adaptive;
}

static bool read_structure(const struct mx_types *types, mx_addr address, struct mx_frame *ret)
{
    const struct mx_layout *layout = &types->runtime->layout;
    uint8_t owner;
    if (!mx_memory_u8(types->runtime->memory, address + (mx_addr)layout->interpreter_frame.owner, &owner) ||
        owner > OWNED_BY_FRAME_OBJECT)
        return false;
    mx_addr code = untag(types, word_at(types, address, layout->interpreter_frame.f_executable));
    if (!mx_is_code(types, code))
        return false;
    *ret = (struct mx_frame){
        .address = address,
        .code = code,
        .locals = address + (mx_addr)layout->interpreter_frame.localsplus,
        .local_count = u32_at(types, code, layout->code.co_nlocalsplus),
        .stack_count = u32_at(types, code, layout->code.co_stacksize),
        .owns = owner == OWNED_BY_THREAD,
        .offset =
            (int64_t)(word_at(types, address, layout->interpreter_frame.instr_ptr) - first_unit(types, address, code)),
    };
    int64_t used = used_words(types, address, ret->locals), names = ret->local_count;
    if (used >= names && used - names <= ret->stack_count) {
        ret->stack_exact = true;
        ret->stack_count = (uint32_t)(used - names);
    }
    return true;
}

bool mx_frame_read(const struct mx_types *types, mx_addr address, struct mx_frame *ret)
{
    bool is_object = types->runtime->layout.frame_shape == MX_FRAME_OBJECTS;
    *ret = (struct mx_frame){0};
    if (!address || !(is_object ? read_object : read_structure)(types, address, ret))
        return false;
    return ret->local_count < MOST_SLOTS && ret->stack_count < MOST_SLOTS;
}

static mx_addr innermost(const struct mx_types *types, mx_addr thread)
{
    const struct mx_layout *layout = &types->runtime->layout;
    if (layout->frame_shape == MX_FRAME_OBJECTS)
        return word_at(types, thread, layout->thread.frame);
    if (layout->frame_shape == MX_FRAME_CFRAME)
        return word_at(types, word_at(types, thread, layout->thread.cframe), layout->cframe.current_frame);
    return word_at(types, thread, layout->thread.current_frame);
}

/* A damaged chain may be a ring: every now and then one frame is remembered, and met again in a ring. */
void mx_frames_each(const struct mx_types *types, size_t thread, mx_frame_visit visit, void *context)
{
    const struct mx_layout *layout = &types->runtime->layout;
    if (thread >= types->runtime->threads.count)
        return;
    bool is_object = layout->frame_shape == MX_FRAME_OBJECTS;
    int32_t next = is_object ? layout->frame.f_back : layout->interpreter_frame.previous;
    mx_addr at = innermost(types, types->runtime->threads.items[thread].address), remembered = 0;
    for (uint32_t i = 1; at && i < MOST_FRAMES && at != remembered; i++) {
        struct mx_frame frame;
        if (mx_frame_read(types, at, &frame) && !visit(context, &frame))
            return;
        if (!(i & (i - 1)))
            remembered = at;
        at = word_at(types, at, next);
    }
}

mx_addr mx_frame_local_name(const struct mx_types *types, const struct mx_frame *frame, uint32_t index)
{
    const struct mx_layout *layout = &types->runtime->layout;
    const int32_t parts[] = {layout->code.co_localsplusnames >= 0 ? layout->code.co_localsplusnames
                                                                  : layout->code.co_varnames,
                             layout->code.co_cellvars, layout->code.co_freevars};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        mx_addr tuple = word_at(types, frame->code, parts[i]);
        uint32_t length = tuple_length(types, tuple);
        if (index < length)
            return tuple_item(types, tuple, index);
        index -= length;
    }
    return 0;
}

static bool visit_chunks(const struct mx_runtime *runtime, mx_addr chunk, mx_stack_chunk_visit visit, void *context)
{
    enum { PREVIOUS = 0, SIZE = 8, MOST_CHUNKS = 1 << 16 };
    for (unsigned i = 0; chunk && i < MOST_CHUNKS; i++) {
        const struct mx_region *region = mx_memory_region(runtime->memory, chunk);
        uint64_t size = mx_memory_pointer(runtime->memory, chunk + SIZE);
        if (!region || !size || size > region->end - chunk)
            return true;
        if (!visit(context, chunk, chunk + size))
            return false;
        chunk = mx_memory_pointer(runtime->memory, chunk + PREVIOUS);
    }
    return true;
}

void mx_stack_chunks_each(const struct mx_runtime *runtime, mx_stack_chunk_visit visit, void *context)
{
    int32_t offset = runtime->layout.thread.datastack_chunk;
    for (size_t i = 0; offset >= 0 && i < runtime->threads.count; i++) {
        mx_addr chunk = mx_memory_pointer(runtime->memory, runtime->threads.items[i].address + (mx_addr)offset);
        if (!visit_chunks(runtime, chunk, visit, context))
            return;
    }
}

mx_addr mx_frame_word(const struct mx_types *types, const struct mx_frame *frame, uint32_t index)
{
    return untag(types, mx_memory_pointer(types->runtime->memory, frame->locals + 8 * (mx_addr)index));
}

/* Up to 3.10 cells stand behind the locals; since then among them, with a mark in co_localspluskinds. */
static bool is_cell(const struct mx_types *types, const struct mx_frame *frame, uint32_t index)
{
    enum { CO_FAST_CELL = 0x40, CO_FAST_FREE = 0x80 }; /* CPython Include/internal/pycore_code.h */
    const struct mx_layout *layout = &types->runtime->layout;
    if (layout->code.co_localspluskinds < 0)
        return index >= u32_at(types, frame->code, layout->code.co_nlocals);
    uint8_t kind = 0;
    mx_addr kinds = word_at(types, frame->code, layout->code.co_localspluskinds);
    return kinds && mx_memory_u8(types->runtime->memory, kinds + (mx_addr)layout->bytes.ob_sval + index, &kind) &&
           kind & (CO_FAST_CELL | CO_FAST_FREE);
}

mx_addr mx_frame_value(const struct mx_types *types, const struct mx_frame *frame, uint32_t index)
{
    mx_addr word = mx_frame_word(types, frame, index);
    const struct mx_type *type = word && is_cell(types, frame, index) ? mx_type_of(types, word) : NULL;
    return type && type->kind == MX_KIND_CELL ? word_at(types, word, types->runtime->layout.cell.ob_ref) : word;
}

mx_addr mx_frame_function(const struct mx_types *types, const struct mx_frame *frame)
{
    const struct mx_layout *layout = &types->runtime->layout;
    if (layout->frame_shape == MX_FRAME_OBJECTS)
        return 0;
    return untag(types, word_at(types, frame->address, layout->interpreter_frame.f_funcobj));
}

mx_addr mx_frame_namespace(const struct mx_types *types, const struct mx_frame *frame)
{
    const struct mx_layout *layout = &types->runtime->layout;
    bool is_object = layout->frame_shape == MX_FRAME_OBJECTS;
    return word_at(types, frame->address, is_object ? layout->frame.f_locals : layout->interpreter_frame.f_locals);
}

uint32_t mx_frame_line(const struct mx_types *types, const struct mx_frame *frame)
{
    return mx_code_line(types->runtime, frame->code, frame->offset);
}

void mx_frame_title(const struct mx_types *types, const struct mx_frame *frame, char *buffer, size_t size)
{
    enum { NAME = 128, PATH = 1024 };
    char name[NAME], path[PATH];
    mx_code_title(types->runtime, frame->code, name, sizeof(name));
    mx_code_file(types->runtime, frame->code, path, sizeof(path));
    const char *slash = strrchr(path, '/');
    snprintf(buffer, size, "%s (%s:%u)", name, slash ? slash + 1 : path, mx_frame_line(types, frame));
}
