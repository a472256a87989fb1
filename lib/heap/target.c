/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and describing a target.
 */
#include "heap/target.h"

#include <stdio.h>

#include "alloc/known.h"
#include "cpython/recover.h"
#include "heap/recall.h"
#include "memory/saved.h"

static struct mx_file_options file_options(const struct mx_target_options *options)
{
    if (!options)
        return (struct mx_file_options){0};
    return (struct mx_file_options){options->executable, options->sysroot, options->library_path, options->progress};
}

static struct mx_error *open_runtime(struct mx_target *target, const struct mx_target_options *options)
{
    const struct mx_origin *origin = &target->origin;
    if (origin->kind)
        return mx_runtime_open_saved(target->memory, &target->modules, origin->measured ? &origin->layout : NULL,
                                     &target->runtime);
    return mx_runtime_open(target->memory, &target->modules, options ? options->debug_path : NULL, &target->runtime);
}

/* What is common to all targets, once the memory is there. */
static struct mx_error *open_python(struct mx_target *target, const struct mx_target_options *options)
{
    struct mx_work work;
    mx_work_begin(&work, options ? options->progress : NULL, "reading the interpreter", 0);
    if (!target->origin.kind)
        MX_TRY(mx_recover_symbols(target->memory, &target->modules));
    MX_TRY(open_runtime(target, options));
    MX_TRY(mx_types_open(&target->runtime, &work, &target->types));
    const struct mx_origin *origin = &target->origin;
    const struct mx_allocator_places saved = {.plain_links = origin->kind && mx_known_plain_links(origin->malloc)};
    const struct mx_allocator_places *places = target->recall ? &target->recall->places : &saved;
    MX_TRY(mx_allocators_open(&target->runtime, &target->threads, places, &target->allocators));
    if (target->recall)
        target->recall->places = mx_allocators_places(&target->allocators);
    if (target->origin.kind)
        snprintf(target->allocators.glibc.name, sizeof(target->allocators.glibc.name), "%s", target->origin.malloc);
    return NULL;
}

static struct mx_error *finish(struct mx_target *target, struct mx_error *error,
                               const struct mx_target_options *options, struct mx_target **ret)
{
    if (!error)
        error = open_python(target, options);
    if (error) {
        mx_target_close(target);
        return error;
    }
    *ret = target;
    return NULL;
}

struct mx_error *mx_target_open_core(const char *path, const struct mx_target_options *options, struct mx_target **ret)
{
    struct mx_target *target = mx_calloc(1, sizeof(*target));
    if (!target)
        return mx_error_no_memory();
    struct mx_file_options files = file_options(options);
    target->path = strdup(path);
    struct mx_error *error = target->path
                                 ? mx_core_open(path, &files, &target->memory, &target->modules, &target->threads)
                                 : mx_error_no_memory();
    return finish(target, error, options, ret);
}

struct mx_error *mx_target_open_process(int pid, const struct mx_target_options *options, struct mx_target **ret)
{
    struct mx_target *target = mx_calloc(1, sizeof(*target));
    if (!target)
        return mx_error_no_memory();
    struct mx_file_options files = file_options(options);
    target->recall = options ? options->recall : NULL;
    struct mx_error *error = mx_process_open(pid, &files, &target->memory, &target->modules, &target->threads);
    return finish(target, error, options, ret);
}

static struct mx_error *no_memory_for_remote(const struct mx_remote *remote)
{
    remote->close(remote->context);
    return mx_error_no_memory();
}

struct mx_error *mx_target_open_remote(const struct mx_remote *remote, const struct mx_target_options *options,
                                       struct mx_target **ret)
{
    struct mx_target *target = mx_calloc(1, sizeof(*target));
    if (!target)
        return no_memory_for_remote(remote);
    struct mx_file_options files = file_options(options);
    target->remote = *remote;
    struct mx_error *error =
        mx_remote_open(&target->remote, &files, &target->memory, &target->modules, &target->threads);
    target->remote.threads = NULL;
    target->remote.thread_count = 0;
    return finish(target, error, options, ret);
}

struct mx_error *mx_target_reread(struct mx_target *target, bool *ret_same)
{
    *ret_same = true;
    if (target->path)
        return NULL;
    MX_TRY(mx_process_reread(target->threads.pid, target->memory, &target->modules, ret_same));
    return *ret_same ? mx_runtime_reread(&target->runtime) : NULL;
}

static struct mx_error *open_saved(struct mx_target *target, const char *path)
{
    struct mx_blob facts = {0};
    target->path = strdup(path);
    if (!target->path)
        return mx_error_no_memory();
    MX_TRY(mx_saved_open(path, &target->memory, &target->modules, &target->threads, &facts));
    struct mx_error *error = mx_origin_get(&facts, &target->origin);
    mx_array_free(&facts.bytes);
    return error;
}

struct mx_error *mx_target_open_saved(const char *path, const struct mx_target_options *options, struct mx_target **ret)
{
    struct mx_target *target = mx_calloc(1, sizeof(*target));
    if (!target)
        return mx_error_no_memory();
    return finish(target, open_saved(target, path), options, ret);
}

void mx_target_close(struct mx_target *target)
{
    if (!target)
        return;
    mx_cursor_deinit(&target->cursor);
    mx_allocators_close(&target->allocators);
    mx_types_close(&target->types);
    mx_runtime_close(&target->runtime);
    mx_threads_deinit(&target->threads);
    mx_modules_deinit(&target->modules);
    mx_memory_close(target->memory);
    mx_origin_deinit(&target->origin);
    if (target->remote.close)
        target->remote.close(target->remote.context);
    free(target->path);
    free(target);
}

static const char *allocator_name(const struct mx_runtime *runtime)
{
    bool hooks = runtime->block_padding != 0;
    if (runtime->allocator == MX_ALLOCATOR_MIMALLOC)
        return hooks ? "mimalloc + debug hooks" : "mimalloc";
    if (runtime->allocator == MX_ALLOCATOR_MALLOC)
        return hooks ? "malloc + debug hooks" : "malloc";
    return hooks ? "pymalloc + debug hooks" : "pymalloc";
}

static const char *file_state(const struct mx_module *module)
{
    static const char *const names[] = {
        [MX_FILE_MATCHED] = "matched",
        [MX_FILE_UNCHECKED] = "unchecked",
        [MX_FILE_MISSING] = "missing",
        [MX_FILE_DIFFERS] = "differs",
    };
    return module ? names[module->state] : "missing";
}

static const char *executable_path(const struct mx_target *target)
{
    for (size_t i = 0; i < target->modules.modules.count; i++)
        if (target->modules.modules.items[i].is_executable)
            return target->modules.modules.items[i].path;
    return "";
}

void mx_target_info(const struct mx_target *target, struct mx_target_info *ret)
{
    const struct mx_runtime *runtime = &target->runtime;
    *ret = (struct mx_target_info){
        .kind = target->origin.kind   ? "saved"
                : target->path        ? "core"
                : target->remote.read ? "remote"
                                      : "live",
        .path = target->path,
        .pid = target->threads.pid,
        .command = target->threads.command,
        .executable = executable_path(target),
        .python_version = runtime->version,
        .python_module = runtime->module ? runtime->module->path : "",
        .python_file = file_state(runtime->module),
        .free_threaded = runtime->layout.free_threaded,
        .debug_build = runtime->layout.debug_build,
        .layout_origin = runtime->layout.origin,
        .allocator = allocator_name(runtime),
        .native_allocator = target->allocators.glibc.name,
        .interpreters = (uint32_t)runtime->interpreters.count,
        .python_threads = (uint32_t)runtime->threads.count,
        .native_threads = (uint32_t)target->threads.threads.count,
        .expected_bytes = target->memory->expected_bytes,
        .missing_bytes = target->memory->missing_bytes,
        .saved_kind = target->origin.kind,
        .saved_path = target->origin.path,
        .saved_at = target->origin.time,
        .warning_count = runtime->warnings.count,
        .warnings = (const char *const *)runtime->warnings.items,
    };
}

bool mx_target_interpreter(const struct mx_target *target, size_t index, struct mx_interpreter_info *ret)
{
    if (index >= target->runtime.interpreters.count)
        return false;
    const struct mx_interpreter *interpreter = &target->runtime.interpreters.items[index];
    *ret = (struct mx_interpreter_info){interpreter->id, interpreter->address, interpreter->thread_count};
    return true;
}

bool mx_target_thread(const struct mx_target *target, size_t index, struct mx_thread_info *ret)
{
    if (index >= target->runtime.threads.count)
        return false;
    const struct mx_python_thread *thread = &target->runtime.threads.items[index];
    int64_t interpreter = thread->interpreter < target->runtime.interpreters.count
                              ? target->runtime.interpreters.items[thread->interpreter].id
                              : -1;
    *ret = (struct mx_thread_info){thread->address, interpreter, thread->thread_id, thread->native_id};
    return true;
}
