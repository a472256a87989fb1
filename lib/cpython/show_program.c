/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what programs are made of: types, functions, modules, code, frames,
 * generators, exceptions, and the small wrappers around objects.
 */
#include "cpython/shower.h"

/* CPython Include/methodobject.h: PyMethodDef begins with ml_name. */
enum { METHOD_DEF_NAME = 0, MOST_NAME = 512 };

/* Ends a form that names the object's address. */
static void close_at(struct mx_shower *shower, mx_addr object)
{
    mx_show_print(shower, " at 0x%llx>", (unsigned long long)object);
}

static mx_addr name_of_function(const struct mx_shower *shower, mx_addr function)
{
    return mx_show_word(shower, function, shower->layout->function.func_qualname);
}

void mx_show_type(struct mx_shower *shower, mx_addr object)
{
    const struct mx_type *type = mx_types_find(shower->types, object);
    if (!type) {
        mx_show_put(shower, "<class", 6);
        close_at(shower, object);
        return;
    }
    mx_show_put(shower, "<class '", 8);
    mx_show_text(shower, type->name);
    mx_show_put(shower, "'>", 2);
}

void mx_show_function(struct mx_shower *shower, mx_addr object)
{
    mx_show_put(shower, "<function ", 10);
    mx_show_name(shower, name_of_function(shower, object));
    close_at(shower, object);
}

void mx_show_method(struct mx_shower *shower, mx_addr object)
{
    mx_addr function = mx_show_word(shower, object, shower->layout->method.im_func);
    const struct mx_type *type = mx_type_of(shower->types, function);
    mx_show_put(shower, "<bound method ", 14);
    mx_show_name(shower, type && type->kind == MX_KIND_FUNCTION ? name_of_function(shower, function) : 0);
    mx_show_put(shower, " of ", 4);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->method.im_self));
    mx_show_put(shower, ">", 1);
}

/* CPython Objects/methodobject.c: meth_repr. A function of a module has that module as its self. */
void mx_show_cfunction(struct mx_shower *shower, mx_addr object)
{
    mx_addr definition = mx_show_word(shower, object, shower->layout->cfunction.m_ml);
    mx_addr self = mx_show_word(shower, object, shower->layout->cfunction.m_self);
    const struct mx_type *type = self ? mx_type_of(shower->types, self) : NULL;
    bool is_method = type && type->kind != MX_KIND_MODULE;
    const char *name = mx_memory_text(shower->memory, mx_show_word(shower, definition, METHOD_DEF_NAME), MOST_NAME);
    mx_show_print(shower, "<built-in %s ", is_method ? "method" : "function");
    mx_show_text(shower, name ? name : "?");
    if (is_method) {
        mx_show_put(shower, " of ", 4);
        mx_show_text(shower, type->name);
        mx_show_put(shower, " object", 7);
        close_at(shower, self);
    } else {
        mx_show_put(shower, ">", 1);
    }
}

void mx_show_module(struct mx_shower *shower, mx_addr object)
{
    mx_show_put(shower, "<module '", 9);
    mx_show_name(shower, mx_show_word(shower, object, shower->layout->module.md_name));
    mx_show_put(shower, "'>", 2);
}

static uint32_t line_of(const struct mx_shower *shower, mx_addr code)
{
    uint32_t line = 0;
    mx_memory_u32(shower->memory, code + (uint64_t)shower->layout->code.co_firstlineno, &line);
    return line;
}

void mx_show_code(struct mx_shower *shower, mx_addr object)
{
    mx_show_put(shower, "<code object ", 13);
    mx_show_name(shower, mx_show_word(shower, object, shower->layout->code.co_name));
    mx_show_print(shower, " at 0x%llx, file \"", (unsigned long long)object);
    mx_show_name(shower, mx_show_word(shower, object, shower->layout->code.co_filename));
    mx_show_print(shower, "\", line %u>", line_of(shower, object));
}

/* Low bits of the reference are flags where references are tagged. */
static mx_addr code_of_frame(const struct mx_shower *shower, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    if (layout->frame_shape == MX_FRAME_OBJECTS)
        return mx_show_word(shower, object, layout->frame.f_code);
    mx_addr frame = mx_show_word(shower, object, layout->frame.f_frame);
    return mx_show_word(shower, frame, layout->interpreter_frame.f_executable) & ~UINT64_C(3);
}

/* Without the current line, which takes the line table to know. */
void mx_show_frame(struct mx_shower *shower, mx_addr object)
{
    mx_addr code = code_of_frame(shower, object);
    mx_show_print(shower, "<frame at 0x%llx, file '", (unsigned long long)object);
    mx_show_name(shower, mx_show_word(shower, code, shower->layout->code.co_filename));
    mx_show_put(shower, "', code ", 8);
    mx_show_name(shower, mx_show_word(shower, code, shower->layout->code.co_name));
    mx_show_put(shower, ">", 1);
}

/* "generator", "coroutine" and "async_generator" have one struct; the type's name tells which it is. */
void mx_show_generator(struct mx_shower *shower, mx_addr object)
{
    const struct mx_type *type = mx_type_of(shower->types, object);
    mx_show_put(shower, "<", 1);
    mx_show_text(shower, type ? type->name : "generator");
    mx_show_put(shower, " object ", 8);
    mx_show_name(shower, mx_show_word(shower, object, shower->layout->generator.gi_qualname));
    close_at(shower, object);
}

void mx_show_cell(struct mx_shower *shower, mx_addr object)
{
    mx_addr content = mx_show_word(shower, object, shower->layout->cell.ob_ref);
    const struct mx_type *type = content ? mx_type_of(shower->types, content) : NULL;
    mx_show_print(shower, "<cell at 0x%llx: ", (unsigned long long)object);
    if (!content) {
        mx_show_put(shower, "empty>", 6);
        return;
    }
    mx_show_text(shower, type ? type->name : "unknown");
    mx_show_put(shower, " object", 7);
    close_at(shower, content);
}

void mx_show_weakref(struct mx_shower *shower, mx_addr object)
{
    mx_addr referent = mx_show_word(shower, object, shower->layout->weakref.wr_object);
    const struct mx_type *type = referent ? mx_type_of(shower->types, referent) : NULL;
    mx_show_print(shower, "<weakref at 0x%llx; ", (unsigned long long)object);
    if (!type || type->kind == MX_KIND_NONE) {
        mx_show_put(shower, "dead>", 5);
        return;
    }
    mx_show_put(shower, "to '", 4);
    mx_show_text(shower, type->name);
    mx_show_put(shower, "'", 1);
    close_at(shower, referent);
}

const char *mx_show_short_name(const struct mx_type *type)
{
    const char *dot = strrchr(type->name, '.');
    return dot ? dot + 1 : type->name;
}

/* CPython Objects/exceptions.c: BaseException_repr. One argument stands without the tuple's comma. */
void mx_show_exception(struct mx_shower *shower, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    const struct mx_type *type = mx_type_of(shower->types, object);
    mx_addr args = mx_show_word(shower, object, layout->exception.args);
    const struct mx_type *args_type = args ? mx_type_of(shower->types, args) : NULL;
    mx_show_text(shower, type ? mx_show_short_name(type) : "Exception");
    if (!args_type || args_type->kind != MX_KIND_TUPLE) {
        mx_show_put(shower, "(?)", 3);
        return;
    }
    if (mx_show_word(shower, args, layout->var_object.ob_size) != 1) {
        mx_show_value(shower, args);
        return;
    }
    mx_show_put(shower, "(", 1);
    mx_show_value(shower, mx_show_word(shower, args, layout->tuple.ob_item));
    mx_show_put(shower, ")", 1);
}

static bool is_int_one(const struct mx_shower *shower, mx_addr object)
{
    const struct mx_layout *layout = shower->layout;
    uint32_t digit = 0;
    bool one_digit = layout->int_shape == MX_INT_LV_TAG
                         ? (mx_show_word(shower, object, layout->integer.lv_tag) & ~UINT64_C(4)) == 8
                         : mx_show_word(shower, object, layout->var_object.ob_size) == 1;
    return one_digit && mx_memory_u32(shower->memory, object + (uint64_t)layout->integer.ob_digit, &digit) &&
           digit == 1;
}

void mx_show_range(struct mx_shower *shower, mx_addr object)
{
    mx_addr step = mx_show_word(shower, object, shower->layout->range.step);
    mx_show_put(shower, "range(", 6);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->range.start));
    mx_show_put(shower, ", ", 2);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->range.stop));
    if (!is_int_one(shower, step)) {
        mx_show_put(shower, ", ", 2);
        mx_show_value(shower, step);
    }
    mx_show_put(shower, ")", 1);
}

void mx_show_slice(struct mx_shower *shower, mx_addr object)
{
    mx_show_put(shower, "slice(", 6);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->slice.start));
    mx_show_put(shower, ", ", 2);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->slice.stop));
    mx_show_put(shower, ", ", 2);
    mx_show_value(shower, mx_show_word(shower, object, shower->layout->slice.step));
    mx_show_put(shower, ")", 1);
}
