/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints values: the output and its limits, and which form each kind of object
 * has. The forms themselves are in the other show_*.c files.
 */
#include "cpython/show.h"

#include <stdarg.h>
#include <stdio.h>

#include "cpython/shower.h"

/* Enough for anything a person reads or a tool keeps; a damaged or huge value ends here. */
#define MOST_OUTPUT ((size_t)64 << 20)

void mx_show_put(struct mx_shower *shower, const char *text, size_t length)
{
    if (mx_show_is_over(shower))
        return;
    if (length > MOST_OUTPUT - shower->text.count) {
        shower->full = true;
        return;
    }
    if (!mx_array_reserve(&shower->text, shower->text.count + length)) {
        shower->no_memory = true;
        return;
    }
    memcpy(shower->text.items + shower->text.count, text, length);
    shower->text.count += length;
}

void mx_show_print(struct mx_shower *shower, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0)
        mx_show_put(shower, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

bool mx_show_is_over(const struct mx_shower *shower)
{
    return shower->no_memory || shower->full;
}

uint64_t mx_show_word(const struct mx_shower *shower, mx_addr object, int32_t offset)
{
    return offset < 0 ? 0 : mx_memory_pointer(shower->memory, object + (uint64_t)offset);
}

void mx_show_anonymous(struct mx_shower *shower, const struct mx_type *type, mx_addr object)
{
    mx_show_put(shower, "<", 1);
    mx_show_text(shower, type->name);
    mx_show_print(shower, " at 0x%llx>", (unsigned long long)object);
}

void mx_show_open(struct mx_shower *shower, const char *bracket)
{
    shower->containers++;
    mx_show_put(shower, bracket, strlen(bracket));
}

void mx_show_close(struct mx_shower *shower, const char *bracket)
{
    shower->containers--;
    mx_show_put(shower, bracket, strlen(bracket));
}

bool mx_show_next(struct mx_shower *shower, uint64_t index)
{
    const struct mx_show_options *options = &shower->options;
    if (mx_show_is_over(shower) || (options->items && index >= options->items) ||
        (options->depth && shower->containers > options->depth))
        return false;
    if (index)
        mx_show_put(shower, ", ", 2);
    return true;
}

void mx_show_rest(struct mx_shower *shower, uint64_t shown, uint64_t total)
{
    if (total > shown)
        mx_show_print(shower, "%s…+%llu more", shown ? ", " : "", (unsigned long long)(total - shown));
}

static void show_none(struct mx_shower *shower, mx_addr object)
{
    (void)object;
    mx_show_put(shower, "None", 4);
}

static void show_bool(struct mx_shower *shower, mx_addr object)
{
    bool is_false = mx_show_is_zero(shower, object);
    mx_show_put(shower, is_false ? "False" : "True", is_false ? 5 : 4);
}

static void show_bytes(struct mx_shower *shower, mx_addr object)
{
    mx_show_bytes(shower, object + (uint64_t)shower->layout->bytes.ob_sval,
                  mx_show_word(shower, object, shower->layout->var_object.ob_size));
}

static void show_bytearray(struct mx_shower *shower, mx_addr object)
{
    mx_show_bytes(shower, mx_show_word(shower, object, shower->layout->bytearray.ob_start),
                  mx_show_word(shower, object, shower->layout->var_object.ob_size));
}

static void show_memoryview(struct mx_shower *shower, mx_addr object)
{
    mx_show_print(shower, "<memory at 0x%llx>", (unsigned long long)object);
}

/*
 * Forms. `plain` is the type whose values are printed bare: others of the kind get their type's name around them;
 * NULL where the form names the type itself or never does. `cycle` is printed for an object inside itself.
 */
static const struct form {
    void (*show)(struct mx_shower *shower, mx_addr object);
    const char *plain;
    const char *cycle;
} forms[MX_KIND_COUNT] = {
    [MX_KIND_NONE] = {show_none, NULL, NULL},
    [MX_KIND_BOOL] = {show_bool, NULL, NULL},
    [MX_KIND_INT] = {mx_show_int, "int", NULL},
    [MX_KIND_FLOAT] = {mx_show_float, "float", NULL},
    [MX_KIND_COMPLEX] = {mx_show_complex, "complex", NULL},
    [MX_KIND_STR] = {mx_show_str, "str", NULL},
    [MX_KIND_BYTES] = {show_bytes, "bytes", NULL},
    [MX_KIND_BYTEARRAY] = {show_bytearray, "", NULL},
    [MX_KIND_LIST] = {mx_show_list, "list", "[...]"},
    [MX_KIND_TUPLE] = {mx_show_tuple, "tuple", "(...)"},
    [MX_KIND_DICT] = {mx_show_dict, "dict", "{...}"},
    [MX_KIND_ORDERED_DICT] = {mx_show_dict, "", "{...}"},
    [MX_KIND_SET] = {mx_show_set, "set", "{...}"},
    [MX_KIND_DEQUE] = {mx_show_deque, "", "[...]"},
    [MX_KIND_ARRAY] = {mx_show_array, "", NULL},
    [MX_KIND_TYPE] = {mx_show_type, NULL, NULL},
    [MX_KIND_FUNCTION] = {mx_show_function, NULL, NULL},
    [MX_KIND_METHOD] = {mx_show_method, NULL, NULL},
    [MX_KIND_CFUNCTION] = {mx_show_cfunction, NULL, NULL},
    [MX_KIND_CODE] = {mx_show_code, NULL, NULL},
    [MX_KIND_FRAME] = {mx_show_frame, NULL, NULL},
    [MX_KIND_GENERATOR] = {mx_show_generator, NULL, NULL},
    [MX_KIND_MODULE] = {mx_show_module, NULL, NULL},
    [MX_KIND_CELL] = {mx_show_cell, NULL, NULL},
    [MX_KIND_SLICE] = {mx_show_slice, NULL, NULL},
    [MX_KIND_RANGE] = {mx_show_range, NULL, NULL},
    [MX_KIND_EXCEPTION] = {mx_show_exception, NULL, NULL},
    [MX_KIND_WEAKREF] = {mx_show_weakref, NULL, NULL},
    [MX_KIND_MEMORYVIEW] = {show_memoryview, NULL, NULL},
};

static bool show_singleton(struct mx_shower *shower, const struct mx_type *type)
{
    if (!strcmp(type->name, "ellipsis"))
        mx_show_put(shower, "Ellipsis", 8);
    else if (!strcmp(type->name, "NotImplementedType"))
        mx_show_put(shower, "NotImplemented", 14);
    else
        return false;
    return true;
}

static void show_form(struct mx_shower *shower, const struct mx_type *type, mx_addr object)
{
    const struct form *form = type->kind < MX_KIND_COUNT ? &forms[type->kind] : &forms[MX_KIND_OTHER];
    bool named = form->plain && strcmp(form->plain, type->name) != 0;
    if (mx_show_enum_member(shower, type, object) || mx_show_named_tuple(shower, type, object) ||
        show_singleton(shower, type))
        return;
    if (!form->show) {
        mx_show_anonymous(shower, type, object);
        return;
    }
    if (named) {
        mx_show_text(shower, type->name);
        mx_show_put(shower, "(", 1);
    }
    form->show(shower, object);
    if (named)
        mx_show_put(shower, ")", 1);
}

static bool is_on_path(const struct mx_shower *shower, mx_addr object)
{
    for (unsigned i = 0; i < shower->path_length; i++)
        if (shower->path[i] == object)
            return true;
    return false;
}

void mx_show_value(struct mx_shower *shower, mx_addr object)
{
    const struct mx_type *type = mx_type_of(shower->types, object);
    const char *cycle = type && type->kind < MX_KIND_COUNT ? forms[type->kind].cycle : NULL;
    if (!type) {
        mx_show_print(shower, "<0x%llx>", (unsigned long long)object);
    } else if (shower->path_length == MX_SHOW_DEEPEST || is_on_path(shower, object)) {
        if (cycle)
            mx_show_put(shower, cycle, strlen(cycle));
        else
            mx_show_print(shower, "<... at 0x%llx>", (unsigned long long)object);
    } else {
        shower->path[shower->path_length++] = object;
        show_form(shower, type, object);
        if (shower->options.attributes)
            mx_show_attributes(shower, type, object);
        shower->path_length--;
    }
}

struct mx_error *mx_show(const struct mx_types *types, mx_addr address, const struct mx_show_options *options,
                         char **ret)
{
    struct mx_shower shower = {.types = types,
                               .runtime = types->runtime,
                               .layout = &types->runtime->layout,
                               .memory = types->runtime->memory,
                               .options = *options};
    if (!mx_type_of(types, address))
        return mx_error_new(MX_ERROR_NOT_FOUND, "there is no Python object at 0x%llx", (unsigned long long)address);
    mx_show_value(&shower, address);
    static const char cut[] = "…";
    if (shower.no_memory || !mx_array_reserve(&shower.text, shower.text.count + sizeof(cut))) {
        mx_array_free(&shower.text);
        return mx_error_no_memory();
    }
    memcpy(shower.text.items + shower.text.count, shower.full ? cut : "", shower.full ? sizeof(cut) : 1);
    *ret = shower.text.items;
    return NULL;
}
