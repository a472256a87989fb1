/* SPDX-License-Identifier: Apache-2.0
 *
 * The stacks of all threads as rows. How frames are found and read is
 * cpython/frames.c's.
 */
#include <stdio.h>
#include <string.h>

#include "cpython/code.h"
#include "cpython/frames.h"
#include "cpython/str.h"
#include "cpython/threadstate.h"
#include "report/object.h"

enum { MOST_NAME = 512, MOST_PATH = 4096 };

struct mx_stacks {
    MX_ARRAY(struct mx_stack) threads;
    MX_ARRAY(struct mx_stack_frame) frames;
    MX_ARRAY(struct mx_stack_local) locals;
    struct mx_strtab texts;
};

struct reading {
    struct mx_target *target;
    const struct mx_stacks_query *query;
    struct mx_stacks *stacks;
    struct mx_stack stack; /* of the thread that is read */
    bool no_memory;
};

static const char *keep(struct reading *reading, const char *text)
{
    const char *kept = mx_strtab_add(&reading->stacks->texts, text, strlen(text));
    reading->no_memory = reading->no_memory || !kept;
    return kept;
}

static void read_local(struct reading *reading, const struct mx_frame *frame, uint32_t index)
{
    const struct mx_types *types = &reading->target->types;
    struct mx_stack_local local = {.object = mx_frame_value(types, frame, index)};
    char name[MOST_NAME];
    if (!local.object)
        return;
    if (mx_str_utf8(types->runtime, mx_frame_local_name(types, frame, index), name, sizeof(name)) < 0)
        snprintf(name, sizeof(name), "?");
    const struct mx_type *type = mx_type_of(types, local.object);
    local.name = keep(reading, name);
    local.type = type ? type->name : "?";
    local.size = mx_object_shallow_size(reading->target, local.object);
    if (!mx_array_push(&reading->stacks->locals, local))
        reading->no_memory = true;
}

static bool read_frame(void *context, const struct mx_frame *frame)
{
    struct reading *reading = context;
    const struct mx_types *types = &reading->target->types;
    if (reading->query->frames && reading->stack.frame_count >= reading->query->frames) {
        reading->stack.hidden++;
        return true;
    }
    char name[MOST_NAME], path[MOST_PATH];
    mx_code_title(types->runtime, frame->code, name, sizeof(name));
    mx_code_file(types->runtime, frame->code, path, sizeof(path));
    struct mx_stack_frame row = {.code = frame->code, .line = mx_frame_line(types, frame)};
    row.function = keep(reading, name);
    row.file = keep(reading, path);
    size_t first = reading->stacks->locals.count;
    for (uint32_t i = 0; reading->query->locals && i < frame->local_count && !reading->no_memory; i++)
        read_local(reading, frame, i);
    row.local_count = reading->stacks->locals.count - first;
    if (!mx_array_push(&reading->stacks->frames, row))
        reading->no_memory = true;
    reading->stack.frame_count++;
    return !reading->no_memory;
}

static struct mx_error *read_thread(struct reading *reading, size_t index)
{
    struct mx_thread_info info;
    const struct mx_target *target = reading->target;
    mx_target_thread(target, index, &info);
    reading->stack = (struct mx_stack){
        .thread = info.address,
        .interpreter = info.interpreter,
        .thread_id = info.thread_id,
        .native_id = info.native_id,
        .holds_gil = mx_thread_holds_gil(&target->runtime, index),
        .raised = mx_thread_raised(&target->runtime, index),
        .handled = mx_thread_handled(&target->types, index),
    };
    /* Before 3.11 a thread state does not know its Linux thread, but a core does. */
    for (size_t i = 0; !reading->stack.native_id && i < target->threads.threads.count; i++)
        if (target->threads.threads.items[i].fs_base == info.thread_id)
            reading->stack.native_id = (uint64_t)(uint32_t)target->threads.threads.items[i].tid;
    mx_frames_each(&target->types, index, read_frame, reading);
    if (!mx_array_push(&reading->stacks->threads, reading->stack))
        reading->no_memory = true;
    return reading->no_memory ? mx_error_no_memory() : NULL;
}

/* The arrays moved while they grew. */
static void link_rows(struct mx_stacks *stacks)
{
    const struct mx_stack_local *local = stacks->locals.items;
    struct mx_stack_frame *frame = stacks->frames.items;
    for (size_t i = 0; i < stacks->threads.count; i++) {
        stacks->threads.items[i].frames = frame;
        for (size_t j = 0; j < stacks->threads.items[i].frame_count; j++, frame++) {
            frame->locals = local;
            local += local ? frame->local_count : 0;
        }
    }
}

struct mx_error *mx_stacks_open(struct mx_target *target, const struct mx_stacks_query *query, struct mx_stacks **ret)
{
    struct mx_stacks *stacks = mx_calloc(1, sizeof(*stacks));
    if (!stacks)
        return mx_error_no_memory();
    struct reading reading = {.target = target, .query = query, .stacks = stacks};
    struct mx_error *error = NULL;
    for (size_t i = 0; !error && i < target->runtime.threads.count; i++)
        error = read_thread(&reading, i);
    if (error) {
        mx_stacks_close(stacks);
        return error;
    }
    link_rows(stacks);
    *ret = stacks;
    return NULL;
}

const struct mx_stack *mx_stacks_threads(const struct mx_stacks *stacks, size_t *count)
{
    *count = stacks->threads.count;
    return stacks->threads.items;
}

void mx_stacks_close(struct mx_stacks *stacks)
{
    if (!stacks)
        return;
    mx_strtab_deinit(&stacks->texts);
    mx_array_free(&stacks->locals);
    mx_array_free(&stacks->frames);
    mx_array_free(&stacks->threads);
    free(stacks);
}
