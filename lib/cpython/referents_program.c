/* SPDX-License-Identifier: Apache-2.0
 *
 * References of the running program: types, code, frames and generators.
 */
#include "cpython/dict.h"
#include "cpython/walk.h"

enum {
    MOST_SLOTS = 1 << 20,      /* of a frame */
    OWNED_BY_FRAME_OBJECT = 2, /* CPython Include/internal/pycore_frame.h */
};

/* What a table of keys that a class shares with its instances holds: names of attributes. */
static bool walk_key(void *context, mx_addr key, mx_addr value)
{
    (void)value;
    struct mx_walk *walk = context;
    mx_walk_named(walk, key, MX_EDGE_OWNED, MX_NAME_KEY_ITSELF, key);
    return !walk->stopped;
}

static void walk_shared_keys(struct mx_walk *walk, mx_addr table)
{
    struct mx_dict_keys keys;
    mx_addr word;
    if (!table || !mx_dict_keys_read(walk->runtime, table, &keys))
        return;
    mx_walk_field(walk, table, MX_EDGE_BUFFER, "<shared keys>");
    uint64_t step = keys.entry_size / 8, at = step - 2;
    struct mx_words words = mx_words_of(walk, keys.first, step * keys.entries);
    while (mx_words_next(&words, &word))
        if (words.index % step == at)
            walk_key(walk, word, 0);
}

/* A type made at run time is the collector's business, and has more fields than a static one. */
void mx_refer_type(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    bool heap = mx_walk_word(walk, layout->type.tp_flags) & MX_TPFLAGS_HEAPTYPE;
    uint8_t class = heap ? walk->plan->traversed : (uint8_t)MX_EDGE_OWNED;
    mx_walk_field(walk, mx_type_dict(walk->referents->types, walk->object), class, "__dict__");
    mx_walk_field(walk, mx_walk_word(walk, layout->type.tp_cache), class, "<cache>");
    mx_walk_field(walk, mx_walk_word(walk, layout->type.tp_mro), class, "__mro__");
    mx_walk_field(walk, mx_walk_word(walk, layout->type.tp_bases), class, "__bases__");
    mx_walk_field(walk, mx_walk_word(walk, layout->type.tp_base), class, "__base__");
    mx_walk_field(walk, mx_type_subclasses(walk->referents->types, walk->object), MX_EDGE_OWNED, "<subclasses>");
    if (!heap)
        return;
    mx_walk_field(walk, mx_walk_word(walk, layout->heap_type.ht_module), class, "<module>");
    mx_walk_field(walk, mx_walk_word(walk, layout->heap_type.ht_name), MX_EDGE_OWNED, "__name__");
    mx_walk_field(walk, mx_walk_word(walk, layout->heap_type.ht_qualname), MX_EDGE_OWNED, "__qualname__");
    mx_walk_field(walk, mx_walk_word(walk, layout->heap_type.ht_slots), MX_EDGE_OWNED, "<slots>");
    walk_shared_keys(walk, mx_walk_word(walk, layout->heap_type.ht_cached_keys));
}

/* What code.co_varnames and the like have made once. */
void mx_refer_code(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr cached = mx_walk_word(walk, layout->code.co_cached);
    const int32_t parts[] = {layout->code_cached.co_code, layout->code_cached.co_varnames,
                             layout->code_cached.co_cellvars, layout->code_cached.co_freevars};
    static const char *const names[] = {"<co_code>", "<co_varnames>", "<co_cellvars>", "<co_freevars>"};
    mx_walk_field(walk, cached, MX_EDGE_BUFFER, "<cached>");
    for (size_t i = 0; cached && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (parts[i] != MX_ABSENT)
            mx_walk_field(walk, mx_memory_pointer(walk->memory, cached + (uint64_t)parts[i]), MX_EDGE_OWNED, names[i]);
}

static uint32_t u32_at(const struct mx_walk *walk, mx_addr object, int32_t offset)
{
    uint32_t value = 0;
    if (offset >= 0)
        mx_memory_u32(walk->memory, object + (uint64_t)offset, &value);
    return value < MOST_SLOTS ? value : 0;
}

static mx_addr pointer_at(const struct mx_walk *walk, mx_addr object, int32_t offset)
{
    return offset < 0 ? 0 : mx_memory_pointer(walk->memory, object + (uint64_t)offset);
}

static uint64_t tuple_size(const struct mx_walk *walk, mx_addr tuple)
{
    uint64_t size = tuple ? pointer_at(walk, tuple, walk->layout->var_object.ob_size) : 0;
    return size < MOST_SLOTS ? size : 0;
}

static mx_addr tuple_item(const struct mx_walk *walk, mx_addr tuple, uint64_t index)
{
    return tuple && index < tuple_size(walk, tuple)
               ? pointer_at(walk, tuple, walk->layout->tuple.ob_item + (int32_t)(8 * index))
               : 0;
}

/* The slots before a frame's value stack: locals, cells and free variables. */
struct locals {
    mx_addr names;                  /* 3.11+: one tuple for all */
    mx_addr varnames, cells, frees; /* before */
    uint64_t locals, cell_count, count;
};

static struct locals locals_of(const struct mx_walk *walk, mx_addr code)
{
    const struct mx_layout *layout = walk->layout;
    struct locals ret = {0};
    if (!code)
        return ret;
    if (layout->code.co_nlocalsplus != MX_ABSENT) {
        ret.names = pointer_at(walk, code, layout->code.co_localsplusnames);
        ret.count = u32_at(walk, code, layout->code.co_nlocalsplus);
        return ret;
    }
    ret.varnames = pointer_at(walk, code, layout->code.co_varnames);
    ret.cells = pointer_at(walk, code, layout->code.co_cellvars);
    ret.frees = pointer_at(walk, code, layout->code.co_freevars);
    ret.locals = u32_at(walk, code, layout->code.co_nlocals);
    ret.cell_count = tuple_size(walk, ret.cells);
    ret.count = ret.locals + ret.cell_count + tuple_size(walk, ret.frees);
    return ret;
}

static mx_addr name_of_local(const struct mx_walk *walk, const struct locals *locals, uint64_t index)
{
    if (locals->names || index >= locals->count)
        return tuple_item(walk, locals->names, index);
    if (index < locals->locals)
        return tuple_item(walk, locals->varnames, index);
    index -= locals->locals;
    if (index < locals->cell_count)
        return tuple_item(walk, locals->cells, index);
    return tuple_item(walk, locals->frees, index - locals->cell_count);
}

/*
 * Visits what a slot of a frame refers to: `edge` has the slot's word as its target, and the class that it has when it
 * counts. Since 3.14 a slot says in its lowest bit that it does not count its reference, though the collector is shown
 * it; both low bits set: a small int. With the GIL another slot or the interpreter itself holds the object then.
 * Without, the slot alone may hold it: before the collector frees an object with a deferred count it looks at all
 * frames' slots.
 */
static void walk_slot(struct mx_walk *walk, struct mx_edge edge)
{
    if (walk->layout->frame_shape == MX_FRAME_STACKREF) {
        if ((edge.target & 3) == 3)
            return;
        bool borrows = edge.target & 1 && !walk->layout->free_threaded;
        edge.shown = borrows && edge.class == MX_EDGE_TRAVERSED;
        edge.class = borrows ? (uint8_t)MX_EDGE_BORROWED : edge.class;
        edge.target &= ~UINT64_C(3);
    }
    mx_walk_edge(walk, &edge);
}

static void walk_slot_field(struct mx_walk *walk, mx_addr word, uint8_t class, const char *text)
{
    walk_slot(walk, (struct mx_edge){word, class, MX_NAME_FIELD, true, {.text = text}, false});
}

static void walk_slots(struct mx_walk *walk, const struct locals *locals, mx_addr first, uint64_t count, uint8_t class)
{
    struct mx_words words = mx_words_of(walk, first, count);
    mx_addr word;
    while (mx_words_next(&words, &word)) {
        struct mx_edge edge = {word, class, MX_NAME_LOCAL, true, {.object = 0}, false};
        edge.detail.object = name_of_local(walk, locals, words.index);
        if (!edge.detail.object) {
            edge.naming = MX_NAME_FIELD_INDEX;
            edge.detail.text = "<stack>";
            edge.detail.index = words.index - locals->count;
        }
        walk_slot(walk, edge);
    }
}

/* A frame object of 3.8-3.10 has its slots in itself. While it runs, how deep its stack is stands in a register. */
static void walk_own_slots(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    struct locals locals = locals_of(walk, mx_walk_word(walk, layout->frame.f_code));
    mx_addr first = walk->object + (uint64_t)layout->frame.f_localsplus;
    mx_addr stack = mx_walk_word(walk, layout->frame.f_valuestack);
    uint64_t depth = 0;
    walk_slots(walk, &locals, first, locals.count, walk->plan->traversed);
    if (layout->frame.f_stacktop != MX_ABSENT) {
        mx_addr top = mx_walk_word(walk, layout->frame.f_stacktop);
        depth = top > stack ? (top - stack) / 8 : 0;
    } else {
        depth = mx_walk_u32(walk, layout->frame.f_stackdepth);
    }
    struct mx_words words = mx_words_of(walk, stack, depth < MOST_SLOTS ? depth : 0);
    mx_addr word;
    while (mx_words_next(&words, &word))
        mx_walk_field_index(walk, word, walk->plan->traversed, "<stack>", words.index);
}

/* How many slots of an interpreter frame are in use; its code's locals alone while it executes. */
static uint64_t slots_in_use(const struct mx_walk *walk, mx_addr frame, const struct locals *locals, bool *executing)
{
    const struct mx_layout *layout = walk->layout;
    uint64_t depth;
    if (layout->interpreter_frame.stackpointer != MX_ABSENT) {
        mx_addr first = frame + (uint64_t)layout->interpreter_frame.localsplus;
        mx_addr top = pointer_at(walk, frame, layout->interpreter_frame.stackpointer);
        depth = top >= first ? (top - first) / 8 : UINT64_MAX;
    } else {
        uint32_t top = 0;
        mx_memory_u32(walk->memory, frame + (uint64_t)layout->interpreter_frame.stacktop, &top);
        depth = top;
    }
    *executing = depth >= MOST_SLOTS;
    return *executing ? locals->count : depth;
}

/* CPython Objects/frame.c: _PyFrame_Traverse. `code_name`: the attribute of the object that the frame is in. */
static void walk_frame(struct mx_walk *walk, mx_addr frame, uint8_t class, const char *code_name)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr code = pointer_at(walk, frame, layout->interpreter_frame.f_executable);
    mx_addr function = pointer_at(walk, frame, layout->interpreter_frame.f_funcobj);
    mx_addr object = pointer_at(walk, frame, layout->interpreter_frame.frame_obj);
    bool executing;
    struct locals locals = locals_of(walk, layout->frame_shape == MX_FRAME_STACKREF ? code & ~UINT64_C(3) : code);
    uint64_t count = slots_in_use(walk, frame, &locals, &executing);
    if (object != walk->object)
        mx_walk_field(walk, object, class, "<frame>");
    mx_walk_field(walk, pointer_at(walk, frame, layout->interpreter_frame.f_locals), class, "f_locals");
    walk_slot_field(walk, function, class, "<function>");
    walk_slot_field(walk, code, class, code_name);
    if (executing && class == MX_EDGE_TRAVERSED)
        class = MX_EDGE_OWNED;
    walk_slots(walk, &locals, frame + (uint64_t)layout->interpreter_frame.localsplus, count, class);
    mx_walk_field(walk, pointer_at(walk, frame, layout->interpreter_frame.f_globals), MX_EDGE_BORROWED, "f_globals");
    mx_walk_field(walk, pointer_at(walk, frame, layout->interpreter_frame.f_builtins), MX_EDGE_BORROWED, "f_builtins");
}

/* A frame object of 3.11+ owns the frame when its function has ended; till then the stack or a generator does. */
void mx_refer_frame(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    if (layout->frame_shape == MX_FRAME_OBJECTS) {
        walk_own_slots(walk);
        return;
    }
    mx_addr frame = mx_walk_word(walk, layout->frame.f_frame);
    uint8_t owner = 0;
    if (!frame || !mx_memory_u8(walk->memory, frame + (uint64_t)layout->interpreter_frame.owner, &owner))
        return;
    bool own = owner == OWNED_BY_FRAME_OBJECT && frame == walk->object + (uint64_t)layout->frame.f_frame_data;
    walk_frame(walk, frame, own ? walk->plan->traversed : (uint8_t)MX_EDGE_BORROWED, "f_code");
}

/* What only one of the three kinds has; the attribute that its code is. */
static const char *walk_generator_kind(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    if (!strcmp(walk->type->name, "async_generator")) {
        mx_walk_field(walk, mx_walk_word(walk, layout->async_generator.finalizer), walk->plan->traversed,
                      "<finalizer>");
        return "ag_code";
    }
    if (!strcmp(walk->type->name, "coroutine")) {
        mx_walk_field(walk, mx_walk_word(walk, layout->coroutine.origin), MX_EDGE_OWNED, "cr_origin");
        return "cr_code";
    }
    return "gi_code";
}

void mx_refer_generator(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    int8_t state = 0;
    uint8_t byte = 0;
    const char *code_name = walk_generator_kind(walk);
    if (layout->generator.gi_iframe == MX_ABSENT ||
        !mx_memory_u8(walk->memory, walk->object + (uint64_t)layout->generator.gi_frame_state, &byte))
        return;
    memcpy(&state, &byte, 1);
    mx_addr frame = walk->object + (uint64_t)layout->generator.gi_iframe;
    if (state < layout->generator_cleared)
        walk_frame(walk, frame, walk->plan->traversed, code_name);
    else if (layout->frame_shape == MX_FRAME_STACKREF)
        /* Of a frame that has ended its code is left. */
        walk_slot_field(walk, pointer_at(walk, frame, layout->interpreter_frame.f_executable), walk->plan->traversed,
                        code_name);
}
