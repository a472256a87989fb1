/* SPDX-License-Identifier: Apache-2.0
 *
 * Roots in words.
 */
#include "cpython/rootnames.h"

#include <stdio.h>

#include "cpython/frames.h"

static int32_t inside(int32_t outer, int32_t inner)
{
    return outer < 0 || inner < 0 ? MX_ABSENT : outer + inner;
}

struct field {
    const char *name;
    int32_t offset;
};

static const char *pick(const struct field *fields, size_t count, size_t index, int32_t *offset)
{
    if (index >= count)
        return NULL;
    *offset = fields[index].offset;
    return fields[index].name;
}

const char *mx_root_field(const struct mx_layout *layout, enum mx_root_kind kind, size_t index, int32_t *offset)
{
    const struct field of_interpreter[] = {
        {"sys.modules", layout->interpreter.modules},
        {"the dict of sys", layout->interpreter.sysdict},
        {"the dict of builtins", layout->interpreter.builtins},
        {"importlib", layout->interpreter.importlib},
        {"the interpreter's own dict", layout->interpreter.dict},
        {"gc.garbage", inside(layout->interpreter.gc, layout->gc.garbage)},
        {"gc.callbacks", inside(layout->interpreter.gc, layout->gc.callbacks)},
    };
    const struct field of_thread[] = {
        {"frame", layout->frame_shape == MX_FRAME_OBJECTS ? layout->thread.frame : MX_ABSENT},
        {"exception being raised", layout->thread.current_exception},
        {"exception being handled", layout->thread.exc_state},
        {"the thread's own dict", layout->thread.dict},
        {"context", layout->thread.context},
        {"asynchronous exception", layout->thread.async_exc},
    };
    if (kind == MX_ROOT_INTERPRETER)
        return pick(of_interpreter, sizeof(of_interpreter) / sizeof(of_interpreter[0]), index, offset);
    return pick(of_thread, sizeof(of_thread) / sizeof(of_thread[0]), index, offset);
}

static void thread_label(const struct mx_runtime *runtime, uint64_t index, char *buffer, size_t size)
{
    const struct mx_python_thread *thread = index < runtime->threads.count ? &runtime->threads.items[index] : NULL;
    if (thread && thread->native_id)
        snprintf(buffer, size, "thread %llu", (unsigned long long)thread->native_id);
    else
        snprintf(buffer, size, "thread 0x%llx", thread ? (unsigned long long)thread->thread_id : 0);
}

static const char *field_at(const struct mx_layout *layout, enum mx_root_kind kind, uint64_t wanted)
{
    int32_t offset;
    const char *name;
    for (size_t i = 0; (name = mx_root_field(layout, kind, i, &offset)); i++)
        if (offset >= 0 && (uint64_t)offset == wanted)
            return name;
    return NULL;
}

static void name_state(const struct mx_runtime *runtime, const struct mx_root *root, char *buffer, size_t size)
{
    char owner[48];
    bool is_thread = root->kind == MX_ROOT_THREAD;
    uint64_t index = root->detail & ~MX_IN_TYPE_CACHE;
    mx_addr state = 0;
    if (is_thread && root->detail < runtime->threads.count)
        state = runtime->threads.items[root->detail].address;
    else if (!is_thread && index < runtime->interpreters.count)
        state = runtime->interpreters.items[index].address;
    if (is_thread)
        thread_label(runtime, root->detail, owner, sizeof(owner));
    else
        snprintf(owner, sizeof(owner), "interpreter %llu", (unsigned long long)index);
    bool is_cache = !is_thread && (root->detail & MX_IN_TYPE_CACHE);
    const char *field = is_cache ? "type cache" : field_at(&runtime->layout, root->kind, root->place - state);
    if (field)
        snprintf(buffer, size, "%s: %s", owner, field);
    else
        snprintf(buffer, size, "%s: its state+0x%llx", owner, (unsigned long long)(root->place - state));
}

static void name_in_frame(const struct mx_types *types, const struct mx_root *root, char *buffer, size_t size)
{
    enum { ROOM = 320 };
    char title[ROOM], thread[48], name[ROOM];
    struct mx_frame frame;
    uint32_t index = (uint32_t)root->detail;
    thread_label(types->runtime, root->detail >> 32, thread, sizeof(thread));
    if (!mx_frame_read(types, root->place, &frame)) {
        snprintf(buffer, size, "a frame of %s", thread);
        return;
    }
    mx_frame_title(types, &frame, title, sizeof(title));
    struct mx_edge local = {.naming = MX_NAME_LOCAL, .detail.object = mx_frame_local_name(types, &frame, index)};
    if (index < frame.local_count && mx_edge_name(types, &local, MX_EDGE_LABEL, name, sizeof(name)))
        snprintf(buffer, size, "%s in %s, %s", name, title, thread);
    else
        snprintf(buffer, size, "%s of %s, %s",
                 index == MX_FRAME_FUNCTION    ? "the function"
                 : index == MX_FRAME_NAMESPACE ? "the namespace"
                 : index == MX_FRAME_CODE      ? "the code"
                                               : "a value on the stack",
                 title, thread);
}

static void name_global(const struct mx_runtime *runtime, const struct mx_root *root, char *buffer, size_t size)
{
    const struct mx_module *module = mx_modules_at(runtime->modules, root->place);
    const char *path = module && module->path ? module->path : "?";
    const char *slash = strrchr(path, '/');
    snprintf(buffer, size, "C global in %s+0x%llx", slash ? slash + 1 : path,
             (unsigned long long)(root->place - (module ? module->bias : 0)));
}

/* Only the main interpreter's modules are what sys.modules means to a reader. */
static bool name_module(const struct mx_types *types, const struct mx_root *root, enum mx_edge_style style,
                        char *buffer, size_t size)
{
    enum { ROOM = 512 };
    char name[ROOM];
    const struct mx_runtime *runtime = types->runtime;
    struct mx_edge edge = {.naming = style == MX_EDGE_EXPRESSION ? MX_NAME_KEY : MX_NAME_ATTRIBUTE,
                           .detail.object = root->detail};
    size_t interpreter = 0;
    while (interpreter < runtime->interpreters.count &&
           runtime->interpreters.items[interpreter].address + (mx_addr)runtime->layout.interpreter.modules !=
               root->place)
        interpreter++;
    if ((style == MX_EDGE_EXPRESSION && interpreter) || !mx_edge_name(types, &edge, style, name, sizeof(name)))
        return false;
    if (style == MX_EDGE_EXPRESSION)
        snprintf(buffer, size, "sys.modules%s", name);
    else if (interpreter)
        snprintf(buffer, size, "module %s of interpreter %zu", name + 1, interpreter);
    else
        snprintf(buffer, size, "module %s", name + 1);
    return true;
}

static void name_static_type(const struct mx_types *types, const struct mx_root *root, char *buffer, size_t size)
{
    const struct mx_type *type = mx_types_find(types, root->object);
    snprintf(buffer, size, "static type %s", type ? type->name : "?");
}

bool mx_root_name(const struct mx_types *types, const struct mx_root *root, enum mx_edge_style style, char *buffer,
                  size_t size)
{
    if (root->kind == MX_ROOT_MODULE)
        return name_module(types, root, style, buffer, size);
    if (style == MX_EDGE_EXPRESSION)
        return false;
    switch (root->kind) {
    case MX_ROOT_LOCAL:
    case MX_ROOT_FRAME:
        name_in_frame(types, root, buffer, size);
        return true;
    case MX_ROOT_INTERPRETER:
    case MX_ROOT_THREAD:
        name_state(types->runtime, root, buffer, size);
        return true;
    case MX_ROOT_STATIC_TYPE:
        name_static_type(types, root, buffer, size);
        return true;
    case MX_ROOT_C_STACK:
        snprintf(buffer, size, "C stack of thread %llu", (unsigned long long)root->detail);
        return true;
    case MX_ROOT_C_GLOBAL:
        name_global(types->runtime, root, buffer, size);
        return true;
    default:
        snprintf(buffer, size, "the type cache");
        return true;
    }
}
