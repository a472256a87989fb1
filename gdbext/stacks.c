/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks and functions for Python: dicts of threads, tuples of frames, locals and functions.
 */
#include "stacks.h"

static PyObject *local_list(const struct mx_stack_frame *frame)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < frame->local_count; i++) {
        const struct mx_stack_local *local = &frame->locals[i];
        mx_append(&list, Py_BuildValue("(NKNK)", mx_text(local->name), number(local->object), mx_text(local->type),
                                       number(local->size)));
    }
    return list;
}

static PyObject *frame_list(const struct mx_stack *stack)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < stack->frame_count; i++) {
        const struct mx_stack_frame *frame = &stack->frames[i];
        mx_append(&list, Py_BuildValue("(NNIKN)", mx_text(frame->function), mx_text(frame->file), frame->line,
                                       number(frame->code), local_list(frame)));
    }
    return list;
}

static PyObject *thread_dict(const struct mx_stack *stack)
{
    return Py_BuildValue("{sK sL sK sK sN sK sK sN sK}", "address", number(stack->thread), "interpreter",
                         (long long)stack->interpreter, "thread_id", number(stack->thread_id), "native_id",
                         number(stack->native_id), "gil", boolean(stack->holds_gil), "raised", number(stack->raised),
                         "handled", number(stack->handled), "frames", frame_list(stack), "hidden",
                         number(stack->hidden));
}

PyObject *mx_target_stacks(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"frames", "locals", NULL};
    unsigned frames = 0;
    int locals = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|Ip", (char **)names, &frames, &locals))
        return NULL;
    struct mx_stacks_query query = {.frames = frames, .locals = locals};
    struct mx_stacks *stacks;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_stacks_open(target, &query, &stacks)))
        return NULL;
    size_t count;
    const struct mx_stack *threads = mx_stacks_threads(stacks, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, thread_dict(&threads[i]));
    mx_stacks_close(stacks);
    return list;
}

static PyObject *function_list(struct mx_functions *functions)
{
    size_t count;
    const struct mx_function *rows = mx_functions_rows(functions, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(NNNINKK)", mx_text(rows[i].name), mx_text(rows[i].module),
                                       mx_text(rows[i].file), rows[i].line, boolean(rows[i].is_qualified),
                                       number(rows[i].code), number(rows[i].entry)));
    mx_functions_close(functions);
    return list;
}

PyObject *mx_target_functions(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_functions *functions;
    struct mx_heap_call on;
    if (!mx_heap_call_begin(&on, self, args, keywords) ||
        !mx_call_end(&on.call, mx_functions_of_heap(on.target, on.heap, &on.call.progress, &functions)))
        return NULL;
    return function_list(functions);
}

PyObject *mx_target_functions_of_code(PyObject *self, PyObject *args)
{
    unsigned long long code, globals = 0;
    if (!PyArg_ParseTuple(args, "K|K", &code, &globals))
        return NULL;
    struct mx_functions *functions;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_functions_of_code(target, code, globals, &functions)))
        return NULL;
    return function_list(functions);
}

PyObject *mx_target_look_again(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct mx_call call;
    bool same;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_target_reread(target, &same)))
        return NULL;
    return PyBool_FromLong(same);
}
