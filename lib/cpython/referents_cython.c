/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions and coroutines of modules that Cython compiled. Every such module may bring types of its own, and no
 * debug information describes them: the generation of their C structs is told by the type's name, its size, and where
 * its dict and weak references are. A size that no generation has is not decoded; such objects are scanned.
 */
#include "cpython/walk.h"

enum {
    /* CPython Include/cpython/methodobject.h: PyCFunctionObject, and what PyCMethodObject adds */
    FUNCTION_SELF = 24,
    FUNCTION_MODULE = 32,
    FUNCTION_SIZE = 56,
    METHOD_SIZE = 64,
    CLOSURE = 24,   /* of a coroutine, behind its C function */
    EXCEPTION = 32, /* of a coroutine: what the interpreter keeps of an exception that is being handled */
};

struct adding {
    struct mx_cython_plan *plan;
    int32_t at;
};

static void add(struct adding *adding, int32_t offset, uint8_t class, const char *text)
{
    struct mx_cython_plan *plan = adding->plan;
    if (plan->count < MX_CYTHON_FIELDS)
        plan->fields[plan->count++] = (struct mx_plan_field){text, offset, class, MX_NAME_FIELD};
}

static void next(struct adding *adding, uint8_t class, const char *text)
{
    add(adding, adding->at, class, text);
    adding->at += 8;
}

/* The tp_name, or from 3.0 on that of a pretended module and this. */
static bool is_named(const char *full, const char *name)
{
    static const char prefix[] = "_cython_";
    const char *last = strrchr(full, '.');
    if (!last)
        return !strcmp(full, name);
    return !strncmp(full, prefix, sizeof(prefix) - 1) && !strcmp(last + 1, name);
}

/*
 * Cython/Utility/CythonFunction.c: __pyx_CyFunctionObject. 0.29 begins with a PyCFunctionObject; later generations do
 * so on 3.8 and begin with a PyCMethodObject from 3.9 on; on 3.12+ the newest have no dict of their own.
 */
struct function_shape {
    bool has_dict, has_class; /* fields of its own; else they are CPython's */
    bool constants_shown;     /* up to 3.0: the name and the code are shown to the collector */
    bool annotations_shown;
    bool object_defaults; /* 3.1+: one object; before: an array of objects and C values */
    bool has_size;        /* of that array */
    bool has_marker;      /* of coroutines */
};

static bool choose_shape(const struct mx_type *type, struct function_shape *shape)
{
    bool is_late = type->dictoffset != FUNCTION_SIZE;
    *shape = (struct function_shape){.has_dict = type->dictoffset > 0, .has_class = !is_late};
    if (shape->has_dict && is_late && type->dictoffset != METHOD_SIZE)
        return false;
    switch (type->basicsize - (shape->has_dict ? METHOD_SIZE + 56 : METHOD_SIZE + 48)) {
    case 48:
        shape->object_defaults = shape->annotations_shown = is_late;
        break;
    case 56:
        shape->object_defaults = shape->has_marker = true;
        break;
    case 64:
        shape->has_size = true;
        break;
    case 72:
        shape->has_size = shape->has_marker = true;
        break;
    default:
        return false;
    }
    shape->constants_shown = !shape->object_defaults;
    return true;
}

static bool plan_function(const struct mx_type *type, struct mx_cython_plan *plan)
{
    struct function_shape shape;
    if (!choose_shape(type, &shape))
        return false;
    struct adding adding = {plan, FUNCTION_SIZE};
    uint8_t shown = MX_EDGE_TRAVERSED, constant = shape.constants_shown ? MX_EDGE_TRAVERSED : MX_EDGE_OWNED;
    add(&adding, FUNCTION_SELF, MX_EDGE_BORROWED, "<self>");
    add(&adding, FUNCTION_MODULE, shown, "__module__");
    if (!shape.has_class)
        next(&adding, shown, "<class>");
    if (shape.has_dict)
        next(&adding, shown, "__dict__");
    next(&adding, constant, "__name__");
    next(&adding, constant, "__qualname__");
    next(&adding, shown, "__doc__");
    next(&adding, shown, "__globals__");
    next(&adding, constant, "__code__");
    next(&adding, shown, "<closure>");
    if (shape.has_class)
        next(&adding, shown, "<class>");
    next(&adding, shape.object_defaults ? MX_EDGE_TRAVERSED : MX_EDGE_BUFFER, "<defaults>");
    adding.at += shape.has_size ? 24 : 8;
    next(&adding, shown, "__defaults__");
    next(&adding, shown, "__kwdefaults__");
    adding.at += 8;
    next(&adding, shape.annotations_shown ? MX_EDGE_TRAVERSED : MX_EDGE_OWNED, "__annotations__");
    if (shape.has_marker)
        next(&adding, shown, "_is_coroutine");
    plan->decode = shape.object_defaults ? NULL : mx_refer_cython_defaults;
    return adding.at == type->basicsize;
}

/* Cython/Utility/CythonFunction.c: __pyx_FusedFunctionObject, a function and the table of those it stands for */
static bool plan_fused(const struct mx_type *type, const struct mx_type *base, struct mx_cython_plan *plan)
{
    struct adding adding = {plan, (int32_t)base->basicsize};
    int64_t size = type->basicsize - base->basicsize;
    if (size != 16 && size != 24)
        return false;
    next(&adding, MX_EDGE_TRAVERSED, "__signatures__");
    if (size == 24)
        next(&adding, MX_EDGE_TRAVERSED, "<type>");
    next(&adding, MX_EDGE_TRAVERSED, "__self__");
    return true;
}

/*
 * Cython/Utility/Coroutine.c: __pyx_CoroutineObject. What follows the exception's state begins with the list of weak
 * references, where the object has one itself. 3.1+: a C function stands before the names.
 */
static bool plan_coroutine(const struct mx_type *type, int64_t weaklist, bool is_async, struct mx_cython_plan *plan)
{
    int64_t start = weaklist > 0 ? weaklist + 8 : EXCEPTION + 16, size = type->basicsize - start;
    bool has_sender = size == 72 || (is_async && (size == 88 || size == 96));
    int64_t exceptions = weaklist > 0 ? weaklist - EXCEPTION : 16;
    if (!has_sender && size != 64 && !(is_async && size == 80))
        return false;
    if (exceptions != 16 && exceptions != 24 && exceptions != 32)
        return false;
    struct adding adding = {plan, CLOSURE};
    next(&adding, MX_EDGE_TRAVERSED, "<closure>");
    for (int i = 0; i < (exceptions == 16 ? 1 : 3); i++)
        next(&adding, MX_EDGE_TRAVERSED, "<exception>");
    adding.at = (int32_t)start;
    next(&adding, MX_EDGE_TRAVERSED, "<class>");
    next(&adding, MX_EDGE_TRAVERSED, "<yield from>");
    adding.at += has_sender ? 8 : 0;
    next(&adding, MX_EDGE_OWNED, "__name__");
    next(&adding, MX_EDGE_OWNED, "__qualname__");
    next(&adding, MX_EDGE_OWNED, "<module name>");
    next(&adding, MX_EDGE_OWNED, "<code>");
    next(&adding, MX_EDGE_OWNED, "<frame>");
    adding.at += 8;
    if (is_async)
        next(&adding, MX_EDGE_TRAVERSED, "<finalizer>");
    return true;
}

bool mx_cython_plan(const struct mx_type *type, const struct mx_type *base, int64_t weaklist,
                    struct mx_cython_plan *ret)
{
    *ret = (struct mx_cython_plan){0};
    if (type->itemsize || !(type->flags & MX_TPFLAGS_HAVE_GC))
        return false;
    if (is_named(type->name, "cython_function_or_method"))
        return plan_function(type, ret);
    if (is_named(type->name, "fused_cython_function"))
        return base && is_named(base->name, "cython_function_or_method") && plan_fused(type, base, ret);
    bool is_async = is_named(type->name, "async_generator");
    if (is_async || is_named(type->name, "generator") || is_named(type->name, "coroutine"))
        return type->kind != MX_KIND_GENERATOR && plan_coroutine(type, weaklist, is_async, ret);
    return false;
}

/* The array of default values begins with the objects; how many they are stands behind its address. */
void mx_refer_cython_defaults(struct mx_walk *walk)
{
    const struct mx_plan_field *field = walk->plans->fields.items + walk->plan->first;
    for (const struct mx_plan_field *end = field + walk->plan->count; field < end; field++) {
        if (field->class != MX_EDGE_BUFFER)
            continue;
        mx_addr array = mx_walk_word(walk, field->offset), word;
        uint64_t count = mx_walk_u32(walk, field->offset + 8), room = mx_block_rest(walk, array) / 8;
        struct mx_words words = mx_words_of(walk, array, count < room ? count : room);
        while (mx_words_next(&words, &word))
            mx_walk_field_index(walk, word, walk->plan->traversed, "<default>", words.index);
    }
}
