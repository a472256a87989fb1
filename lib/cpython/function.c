/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of arguments and free variables from the function's code; titles of
 * suspended frames.
 * (CPython Include/cpython/code.h, Include/internal/pycore_frame.h)
 */
#include "cpython/function.h"

#include "cpython/frames.h"
#include "cpython/str.h"

static mx_addr word_at(const struct mx_types *types, mx_addr address, int32_t offset)
{
    return address && offset >= 0 ? mx_memory_pointer(types->runtime->memory, address + (mx_addr)offset) : 0;
}

static uint32_t u32_at(const struct mx_types *types, mx_addr address, int32_t offset)
{
    uint32_t value = 0;
    if (address && offset >= 0)
        mx_memory_u32(types->runtime->memory, address + (mx_addr)offset, &value);
    return value;
}

static uint64_t tuple_length(const struct mx_types *types, mx_addr tuple)
{
    const struct mx_type *type = tuple ? mx_type_of(types, tuple) : NULL;
    bool is_tuple = type && type->kind == MX_KIND_TUPLE;
    return is_tuple ? word_at(types, tuple, types->runtime->layout.var_object.ob_size) : 0;
}

/* The index-th of all names that a frame of the code has. */
static bool name_of_local(const struct mx_types *types, mx_addr code, uint64_t index, char *buffer, size_t size)
{
    const struct mx_frame frame = {.code = code};
    mx_addr name = code && index < UINT16_MAX ? mx_frame_local_name(types, &frame, (uint32_t)index) : 0;
    return name && mx_str_utf8(types->runtime, name, buffer, size) > 0;
}

/* Defaults are those of the last positional arguments. */
bool mx_function_default_name(const struct mx_types *types, mx_addr function, uint64_t index, char *buffer, size_t size)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr code = word_at(types, function, layout->function.func_code);
    uint64_t arguments = u32_at(types, code, layout->code.co_argcount);
    uint64_t defaults = tuple_length(types, word_at(types, function, layout->function.func_defaults));
    return index < defaults && defaults <= arguments &&
           name_of_local(types, code, arguments - defaults + index, buffer, size);
}

/* Free variables are the last names of a code. */
bool mx_function_closure_name(const struct mx_types *types, mx_addr function, uint64_t index, char *buffer, size_t size)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr code = word_at(types, function, layout->function.func_code);
    uint64_t cells = tuple_length(types, word_at(types, function, layout->function.func_closure));
    uint64_t names = u32_at(types, code, layout->code.co_nlocalsplus);
    if (layout->code.co_nlocalsplus < 0)
        names = tuple_length(types, word_at(types, code, layout->code.co_varnames)) +
                tuple_length(types, word_at(types, code, layout->code.co_cellvars)) +
                tuple_length(types, word_at(types, code, layout->code.co_freevars));
    return index < cells && cells <= names && name_of_local(types, code, names - cells + index, buffer, size);
}

static mx_addr frame_of(const struct mx_types *types, mx_addr object, enum mx_kind kind)
{
    const struct mx_layout *layout = &types->runtime->layout;
    bool are_objects = layout->frame_shape == MX_FRAME_OBJECTS;
    if (kind == MX_KIND_FRAME)
        return are_objects ? object : word_at(types, object, layout->frame.f_frame);
    if (are_objects)
        return word_at(types, object, layout->generator.gi_frame);
    return layout->generator.gi_iframe >= 0 ? object + (mx_addr)layout->generator.gi_iframe : 0;
}

bool mx_suspended_title(const struct mx_types *types, mx_addr object, char *buffer, size_t size)
{
    const struct mx_type *type = mx_type_of(types, object);
    struct mx_frame frame;
    if (!type || (type->kind != MX_KIND_FRAME && type->kind != MX_KIND_GENERATOR) ||
        !mx_frame_read(types, frame_of(types, object, type->kind), &frame))
        return false;
    mx_frame_title(types, &frame, buffer, size);
    return true;
}
