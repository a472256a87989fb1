/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a layout in the target. Bytes that a cut core lacks prove
 * nothing and are passed over; bytes that contradict the layout end the work,
 * with the field and both values in the message.
 */
#include "cpython/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TYPE_NAME = 16, GENERATION_STEP = 24, GENERATIONS = 3, MOST_STRUCT_SIZE = 1 << 24 };

struct mx_error *mx_runtime_warn(struct mx_runtime *runtime, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return mx_error_no_memory();
    if (mx_array_push(&runtime->warnings, text))
        return NULL;
    free(text);
    return mx_error_no_memory();
}

static struct mx_error *contradiction(const struct mx_layout *layout, const char *field, int64_t expected,
                                      int64_t found)
{
    char version[48];
    snprintf(version, sizeof(version), "%u.%u", layout->version_hex >> 24, layout->version_hex >> 16 & 0xff);
    return mx_error_new(
        MX_ERROR_BAD_DATA, "the layout (%s) does not fit this Python %s: %s is %" PRId64 " there, %" PRId64 " here%s",
        layout->origin, version, field, expected, found,
        layout->nearest ? "; install its debug symbols, or give their folder, to have it measured" : "");
}

struct debug_field {
    const char *name;
    size_t position, size_position; /* in struct mx_layout, of the value and of its struct's size */
    uint16_t words[3]; /* index in the u64s of _Py_DebugOffsets of 3.13, 3.14, 3.15 (pycore_debug_offsets.h) */
};

#define DEBUG_FIELD(group, member, ...)                                                                                \
    {                                                                                                                  \
#group "." #member, offsetof(struct mx_layout, group.member), offsetof(struct mx_layout, group.size),          \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

/* The size of each struct comes before its members, which must lie in it. */
static const struct debug_field debug_fields[] = {
    DEBUG_FIELD(runtime, size, 3, 3, 3),
    DEBUG_FIELD(runtime, finalizing, 4, 4, 4),
    DEBUG_FIELD(runtime, interpreters_head, 5, 5, 5),
    DEBUG_FIELD(interpreter, size, 6, 6, 6),
    DEBUG_FIELD(interpreter, id, 7, 7, 7),
    DEBUG_FIELD(interpreter, next, 8, 8, 8),
    DEBUG_FIELD(interpreter, threads_head, 9, 9, 9),
    DEBUG_FIELD(interpreter, gc, 10, 11, 11),
    DEBUG_FIELD(interpreter, modules, 11, 12, 12),
    DEBUG_FIELD(interpreter, sysdict, 12, 13, 13),
    DEBUG_FIELD(interpreter, builtins, 13, 14, 14),
    DEBUG_FIELD(thread, prev, 20, 23, 23),
    DEBUG_FIELD(thread, next, 21, 24, 24),
    DEBUG_FIELD(thread, interp, 22, 25, 25),
    DEBUG_FIELD(thread, current_frame, 23, 26, 26),
    DEBUG_FIELD(thread, thread_id, 24, 27, 30),
    DEBUG_FIELD(thread, native_thread_id, 25, 28, 31),
    DEBUG_FIELD(gc, size, 71, 81, 94),
    DEBUG_FIELD(gc, collecting, 72, 82, 95),
};

static bool has_debug_offsets(const struct mx_layout *layout, unsigned *series)
{
    *series = (layout->version_hex >> 16 & 0xff) - 13;
    return layout->runtime.debug_offsets == 0 && *series < 3;
}

static int32_t *value_at(struct mx_layout *layout, size_t position)
{
    return (int32_t *)(void *)((char *)layout + position);
}

static struct mx_error *compare_debug_field(struct mx_layout *layout, const struct debug_field *field, uint64_t here)
{
    int32_t *there = value_at(layout, field->position);
    bool is_size = field->position == field->size_position;
    uint64_t most = is_size ? MOST_STRUCT_SIZE : (uint64_t)*value_at(layout, field->size_position) - sizeof(mx_addr);
    if (here == (uint64_t)*there)
        return NULL;
    if (!layout->nearest || here > most || (is_size && here < sizeof(mx_addr)))
        return contradiction(layout, field->name, *there, (int64_t)here);
    *there = (int32_t)here;
    return NULL;
}

struct mx_error *mx_verify_debug_offsets(struct mx_runtime *runtime)
{
    unsigned series;
    if (!has_debug_offsets(&runtime->layout, &series))
        return NULL;
    for (size_t i = 0; i < sizeof(debug_fields) / sizeof(debug_fields[0]); i++) {
        uint64_t here;
        mx_addr at = runtime->address + 8 * (mx_addr)debug_fields[i].words[series];
        if (mx_memory_u64(runtime->memory, at, &here))
            MX_TRY(compare_debug_field(&runtime->layout, &debug_fields[i], here));
    }
    return NULL;
}

static struct mx_error *verify_metatype(const struct mx_runtime *runtime)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr metatype = mx_runtime_symbol(runtime, "PyType_Type"), name;
    if (!metatype || !mx_memory_state(runtime->memory, metatype, (size_t)layout->type.size))
        return NULL;
    mx_addr type = mx_memory_pointer(runtime->memory, metatype + (mx_addr)layout->object.ob_type);
    if (type != metatype)
        return mx_error_new(MX_ERROR_BAD_DATA,
                            "the layout (%s) does not fit: object.ob_type of PyType_Type is 0x%" PRIx64
                            ", not its own address 0x%" PRIx64,
                            layout->origin, type, metatype);
    name = mx_memory_pointer(runtime->memory, metatype + (mx_addr)layout->type.tp_name);
    const char *text = mx_memory_text(runtime->memory, name, MOST_TYPE_NAME);
    if (text && strcmp(text, "type"))
        return mx_error_new(MX_ERROR_BAD_DATA,
                            "the layout (%s) does not fit: type.tp_name of PyType_Type is \"%s\", not \"type\"",
                            layout->origin, text);
    return NULL;
}

static struct mx_error *verify_size(const struct mx_runtime *runtime, const char *symbol, int32_t expected)
{
    mx_addr type = mx_runtime_symbol(runtime, symbol);
    uint64_t found;
    if (!type || !mx_memory_u64(runtime->memory, type + (mx_addr)runtime->layout.type.tp_basicsize, &found) ||
        found == (uint64_t)expected)
        return NULL;
    char field[64];
    snprintf(field, sizeof(field), "tp_basicsize of %s", symbol);
    return contradiction(&runtime->layout, field, expected, (int64_t)found);
}

/* Var-sized types leave their first item out of tp_basicsize; bytes counts its NUL. */
struct mx_error *mx_verify_types(const struct mx_runtime *runtime)
{
    const struct mx_layout *layout = &runtime->layout;
    const struct {
        const char *symbol;
        int32_t size;
    } types[] = {
        {"PyType_Type", layout->heap_type.size},
        {"PyBaseObject_Type", layout->object.size},
        {"PyDict_Type", layout->dict.size},
        {"PyList_Type", layout->list.size},
        {"PyTuple_Type", layout->tuple.ob_item},
        {"PySet_Type", layout->set.size},
        {"PyUnicode_Type", layout->unicode.size},
        {"PyLong_Type", layout->integer.ob_digit},
        {"PyFloat_Type", layout->float_.size},
        {"PyComplex_Type", layout->complex_.size},
        {"PyBytes_Type", layout->bytes.ob_sval + 1},
        {"PyByteArray_Type", layout->bytearray.size},
        {"PyFunction_Type", layout->function.size},
        {"PyCFunction_Type", layout->cfunction.size},
        {"PyMethod_Type", layout->method.size},
        {"PyModule_Type", layout->module.size},
        {"PyCell_Type", layout->cell.size},
        {"PySlice_Type", layout->slice.size},
        {"PyRange_Type", layout->range.size},
        {"PyODict_Type", layout->ordered_dict.size},
        {"PyTraceBack_Type", layout->traceback.size},
        {"_PyWeakref_RefType", layout->weakref.size},
        {"PyCode_Type", layout->code.co_code_adaptive > 0 ? layout->code.co_code_adaptive : layout->code.size},
    };
    MX_TRY(verify_metatype(runtime));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        MX_TRY(verify_size(runtime, types[i].symbol, types[i].size));
    return NULL;
}

/* 0 while the interpreter is being made or unmade. */
static struct mx_error *verify_dict(const struct mx_runtime *runtime, mx_addr interpreter, const char *field,
                                    int32_t offset)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr dict_type = mx_runtime_symbol(runtime, "PyDict_Type");
    mx_addr dict = mx_memory_pointer(runtime->memory, interpreter + (mx_addr)offset);
    uint64_t type;
    if (!dict || !dict_type)
        return NULL;
    bool readable = mx_memory_u64(runtime->memory, dict + (mx_addr)layout->object.ob_type, &type);
    if (readable && type == dict_type)
        return NULL;
    if (!readable && runtime->memory->missing_bytes)
        return NULL;
    return mx_error_new(MX_ERROR_BAD_DATA,
                        "the layout (%s) does not fit: %s at %" PRId32 " of the main interpreter is 0x%" PRIx64
                        ", which is not a dict",
                        layout->origin, field, offset, dict);
}

static mx_addr clean_link(const struct mx_memory *memory, mx_addr at)
{
    return mx_memory_pointer(memory, at) & ~(mx_addr)3;
}

/* During a collection _gc_prev of the objects holds counts, that of the heads does not. */
static bool ring_holds(const struct mx_runtime *runtime, mx_addr head, bool collecting)
{
    mx_addr to_next = (mx_addr)runtime->layout.gc_head.gc_next, to_prev = (mx_addr)runtime->layout.gc_head.gc_prev;
    mx_addr next = clean_link(runtime->memory, head + to_next), prev = clean_link(runtime->memory, head + to_prev);
    if (!next || !prev || clean_link(runtime->memory, prev + to_next) != head)
        return false;
    return collecting || clean_link(runtime->memory, next + to_prev) == head;
}

static int count_rings(const struct mx_runtime *runtime, mx_addr first, bool collecting)
{
    int rings = 0;
    for (int i = 0; i < GENERATIONS; i++)
        rings += ring_holds(runtime, first + (mx_addr)(GENERATION_STEP * i), collecting);
    return rings;
}

/*
 * The heads moved from 24 to 20 within 3.13, with no other sign of it. One list may be torn: a stop in the middle of
 * a link.
 */
static struct mx_error *find_generations(struct mx_runtime *runtime, mx_addr gc)
{
    struct mx_layout *layout = &runtime->layout;
    if (!mx_memory_state(runtime->memory, gc, (size_t)layout->gc.size))
        return mx_runtime_warn(runtime, "the garbage collector's state is missing from the core");
    uint32_t collecting = 0;
    mx_memory_u32(runtime->memory, gc + (mx_addr)layout->gc.collecting, &collecting);
    const int32_t candidates[] = {layout->gc.generations, layout->gc.generations - 4, layout->gc.generations + 4};
    for (int wanted = GENERATIONS; wanted >= GENERATIONS - 1; wanted--)
        for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
            if (count_rings(runtime, gc + (mx_addr)candidates[i], collecting != 0) >= wanted) {
                layout->gc.generations = candidates[i];
                /* Who has Debian's lists has its later tp_traverse of attributes, too, in any 3.13. */
                layout->hides_inline_dict &= candidates[i] % 8 == 0;
                return NULL;
            }
    if (runtime->memory->missing_bytes)
        return mx_runtime_warn(runtime, "the garbage collector's lists are broken or partly missing from the core");
    return mx_error_new(MX_ERROR_BAD_DATA,
                        "the layout (%s) does not fit: the lists of gc.generations at %" PRId32
                        " do not close, nor do they at 4 bytes before or after",
                        layout->origin, candidates[0]);
}

struct mx_error *mx_verify_interpreter(struct mx_runtime *runtime)
{
    const struct mx_layout *layout = &runtime->layout;
    if (!runtime->interpreters.count)
        return NULL;
    mx_addr main = runtime->interpreters.items[0].address;
    MX_TRY(verify_dict(runtime, main, "interpreter.modules", layout->interpreter.modules));
    MX_TRY(verify_dict(runtime, main, "interpreter.sysdict", layout->interpreter.sysdict));
    MX_TRY(verify_dict(runtime, main, "interpreter.builtins", layout->interpreter.builtins));
    if (layout->gc_shape == MX_GC_MIMALLOC)
        return NULL;
    mx_addr gc = layout->gc_shape == MX_GC_RUNTIME ? runtime->address + (mx_addr)layout->runtime.gc
                                                   : main + (mx_addr)layout->interpreter.gc;
    return find_generations(runtime, gc);
}
