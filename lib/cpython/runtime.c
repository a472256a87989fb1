/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the CPython of a target: the module that defines _PyRuntime, its
 * version and layout, the interpreters and threads that hang off it, and how
 * its objects are allocated.
 *
 *   _PyRuntime.interpreters.head -> interpreter -> next ...        (main is the last)
 *                                       threads.head -> thread -> next ...
 */
#include "cpython/runtime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpython/allocator.h"
#include "cpython/recover.h"
#include "cpython/verify.h"
#include "cpython/version.h"

enum { MOST_RUNTIMES = 16, MOST_INTERPRETERS = 1 << 16, MOST_THREADS = 1 << 20 };

/* 3.12: this interpreter's own obmalloc state is not in use (Include/cpython/pylifecycle.h,
 * Py_RTFLAGS_USE_MAIN_OBMALLOC). */
enum { USES_MAIN_OBMALLOC = 1 << 5 };

void mx_runtime_close(struct mx_runtime *runtime)
{
    if (!runtime)
        return;
    for (size_t i = 0; i < runtime->warnings.count; i++)
        free(runtime->warnings.items[i]);
    mx_array_free(&runtime->warnings);
    mx_array_free(&runtime->obmalloc_states);
    mx_array_free(&runtime->interpreters);
    mx_array_free(&runtime->threads);
}

/*
 * An executable that is linked against a fixed address has copies of the library's data that it uses, and the library
 * uses these too: they are the ones in use.
 */
mx_addr mx_runtime_symbol(const struct mx_runtime *runtime, const char *name)
{
    struct mx_symbol own, copied;
    if (!mx_module_symbol(runtime->module, name, &own))
        return 0;
    if (!runtime->module->is_executable && mx_modules_symbol(runtime->modules, name, 0, &copied) &&
        copied.module->is_executable && copied.size == own.size)
        return copied.address;
    return own.address;
}

static struct mx_error *broken_chain(const struct mx_runtime *runtime, const char *field, mx_addr at, mx_addr value)
{
    return mx_error_new(MX_ERROR_BAD_DATA, "the layout (%s) does not fit: %s at 0x%" PRIx64 " leads to 0x%" PRIx64 "%s",
                        runtime->layout.origin, field, at, value,
                        runtime->layout.nearest ? "; install the debug symbols of this Python to have it measured"
                                                : "");
}

/* The threads of one interpreter; where the core is cut the list ends early, with a warning. */
static struct mx_error *list_threads(struct mx_runtime *runtime, uint32_t index)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr interpreter = runtime->interpreters.items[index].address;
    mx_addr at = mx_memory_pointer(runtime->memory, interpreter + (mx_addr)layout->interpreter.threads_head);
    size_t before = runtime->threads.count;
    for (size_t most = before + MOST_THREADS; at && runtime->threads.count < most;) {
        const uint8_t *bytes = mx_memory_state(runtime->memory, at, (size_t)layout->thread.size);
        if (!bytes)
            return runtime->memory->missing_bytes
                       ? mx_runtime_warn(runtime, "a thread state at 0x%" PRIx64 " is missing from the core", at)
                       : broken_chain(runtime, "interpreter.threads_head", interpreter, at);
        if (mx_load_u64(bytes + layout->thread.interp) != interpreter)
            return broken_chain(runtime, "thread.interp", at, mx_load_u64(bytes + layout->thread.interp));
        struct mx_python_thread thread = {.address = at, .interpreter = index};
        thread.thread_id = mx_load_u64(bytes + layout->thread.thread_id);
        if (layout->thread.native_thread_id >= 0)
            thread.native_id = mx_load_u64(bytes + layout->thread.native_thread_id);
        if (!mx_array_push(&runtime->threads, thread))
            return mx_error_no_memory();
        at = mx_load_u64(bytes + layout->thread.next);
    }
    runtime->interpreters.items[index].thread_count = (uint32_t)(runtime->threads.count - before);
    return at ? broken_chain(runtime, "thread.next", interpreter, at) : NULL;
}

static int compare_interpreters(const void *a, const void *b)
{
    int64_t first = ((const struct mx_interpreter *)a)->id, second = ((const struct mx_interpreter *)b)->id;
    return (first > second) - (first < second);
}

static struct mx_error *list_interpreters(struct mx_runtime *runtime)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr from = runtime->address + (mx_addr)layout->runtime.interpreters_head;
    mx_addr at = mx_memory_pointer(runtime->memory, from);
    while (at && runtime->interpreters.count < MOST_INTERPRETERS) {
        struct mx_interpreter interpreter = {.address = at};
        uint64_t id, next;
        if (!mx_memory_u64(runtime->memory, at + (mx_addr)layout->interpreter.id, &id) ||
            !mx_memory_u64(runtime->memory, at + (mx_addr)layout->interpreter.next, &next))
            return runtime->memory->missing_bytes
                       ? mx_runtime_warn(runtime, "an interpreter at 0x%" PRIx64 " is missing from the core", at)
                       : broken_chain(runtime, "interpreter.next", from, at);
        if (id > INT32_MAX)
            return broken_chain(runtime, "interpreter.id", at, id);
        interpreter.id = (int64_t)id;
        if (!mx_array_push(&runtime->interpreters, interpreter))
            return mx_error_no_memory();
        from = at;
        at = next;
    }
    if (at)
        return broken_chain(runtime, "interpreter.next", from, at);
    if (runtime->interpreters.count)
        qsort(runtime->interpreters.items, runtime->interpreters.count, sizeof(struct mx_interpreter),
              compare_interpreters);
    return NULL;
}

static struct mx_error *add_obmalloc_state(struct mx_runtime *runtime, mx_addr state)
{
    state += (mx_addr)runtime->layout.obmalloc_state.usedpools;
    for (size_t i = 0; i < runtime->obmalloc_states.count; i++)
        if (runtime->obmalloc_states.items[i] == state)
            return NULL;
    return mx_array_push(&runtime->obmalloc_states, state) ? NULL : mx_error_no_memory();
}

/* 3.12 has the state in the interpreter, 3.13 a pointer to it; sub-interpreters may share the main one's. */
static struct mx_error *list_obmalloc_states(struct mx_runtime *runtime)
{
    const struct mx_layout *layout = &runtime->layout;
    if (layout->interpreter.obmalloc < 0 || layout->obmalloc_state.usedpools < 0 || layout->free_threaded)
        return NULL;
    bool is_inline = layout->preheader_shape == MX_PREHEADER_WEAKREF_TAGGED;
    for (size_t i = 0; i < runtime->interpreters.count; i++) {
        mx_addr interpreter = runtime->interpreters.items[i].address;
        mx_addr state = interpreter + (mx_addr)layout->interpreter.obmalloc;
        uint64_t flags = 0;
        if (!is_inline)
            state = mx_memory_pointer(runtime->memory, state);
        else if (i && layout->interpreter.feature_flags >= 0)
            mx_memory_u64(runtime->memory, interpreter + (mx_addr)layout->interpreter.feature_flags, &flags);
        if (state && !(flags & USES_MAIN_OBMALLOC))
            MX_TRY(add_obmalloc_state(runtime, state));
    }
    return NULL;
}

static struct mx_error *list_all(struct mx_runtime *runtime)
{
    MX_TRY(list_interpreters(runtime));
    for (uint32_t i = 0; i < runtime->interpreters.count; i++)
        MX_TRY(list_threads(runtime, i));
    return list_obmalloc_states(runtime);
}

static struct mx_error *read_state(struct mx_runtime *runtime)
{
    MX_TRY(mx_verify_debug_offsets(runtime));
    MX_TRY(mx_verify_types(runtime));
    MX_TRY(list_all(runtime));
    MX_TRY(mx_verify_interpreter(runtime));
    mx_allocator_detect(runtime);
    return NULL;
}

struct mx_error *mx_runtime_reread(struct mx_runtime *runtime)
{
    runtime->interpreters.count = runtime->threads.count = runtime->obmalloc_states.count = 0;
    return runtime->address ? list_all(runtime) : NULL;
}

/* The file that was opened may be a path through /proc or a sysroot: users know it by the target's name. */
static void name_measured_file(struct mx_layout *layout, const char *path)
{
    static const char measured[] = "DWARF of ";
    size_t length = sizeof(measured) - 1;
    if (path && !strncmp(layout->origin, measured, length))
        snprintf(layout->origin + length, sizeof(layout->origin) - length, "%.80s", path);
}

static struct mx_error *choose_layout(const struct mx_symbol *symbol, const char *debug_folder,
                                      struct mx_runtime *runtime)
{
    struct mx_layout_key key;
    mx_version_identify(runtime->memory, symbol, &key);
    /* A file of another build describes another interpreter. */
    const char *file = symbol->module->elf ? symbol->module->file_path : NULL;
    MX_TRY(mx_layout_choose(&key, file, debug_folder, &runtime->layout));
    name_measured_file(&runtime->layout, symbol->module->path);
    return NULL;
}

/* `measured` goes before what can be found out here. */
static struct mx_error *open_at(const struct mx_symbol *symbol, const char *debug_folder,
                                const struct mx_layout *measured, struct mx_runtime *runtime)
{
    runtime->module = symbol->module;
    if (measured)
        runtime->layout = *measured;
    else
        MX_TRY(choose_layout(symbol, debug_folder, runtime));
    mx_version_text(runtime->layout.version_hex, runtime->version, sizeof(runtime->version));
    if (runtime->layout.unproven)
        MX_TRY(mx_runtime_warn(runtime, "memext was not compared with CPython %s's own answers yet: counts may be off",
                               runtime->version));
    if (mx_recovered(runtime))
        MX_TRY(mx_runtime_warn(runtime,
                               "the file of %s %s: Python was found by its looks, and types of C code have names only "
                               "where a module of Python's has them; the file (set memext sysroot or library-path) "
                               "tells the rest",
                               symbol->module->path,
                               symbol->module->state == MX_FILE_DIFFERS ? "here is of another build" : "is not here"));
    if (!mx_memory_state(runtime->memory, symbol->address, 64))
        return mx_runtime_warn(runtime, "_PyRuntime is missing from the core: interpreters, threads and the garbage "
                                        "collector's lists are not known");
    runtime->address = symbol->address;
    return read_state(runtime);
}

/* A Python whose file is not here has no symbols: say which file to bring. */
static struct mx_error *not_found(const struct mx_memory *memory, const struct mx_modules *modules)
{
    for (size_t i = 0; i < modules->modules.count; i++) {
        const struct mx_module *module = &modules->modules.items[i];
        const char *slash = module->path ? strrchr(module->path, '/') : NULL;
        if (!module->elf && slash && strstr(slash, "python"))
            return mx_error_new(MX_ERROR_NOT_FOUND,
                                "the symbols of %s are needed, but the file here %s: copy it from the machine of the "
                                "process and name its folder with `set memext library-path`",
                                module->path, module->state == MX_FILE_DIFFERS ? "is of another build" : "is missing");
    }
    if (!modules->modules.count && memory->missing_bytes)
        return mx_error_new(MX_ERROR_NOT_FOUND, "the core is cut before its list of mapped files, so that it is not "
                                                "known where Python is in it: write the core again, whole");
    struct mx_symbol old;
    if (mx_modules_symbol(modules, "PyType_Type", 0, &old))
        return mx_layout_unsupported(old.module->path);
    return mx_error_new(MX_ERROR_NOT_FOUND, "no Python in this process");
}

/* Of several runtimes the first that has an interpreter wins, then the first that could be opened. */
static struct mx_error *open_best(const struct mx_memory *memory, const struct mx_modules *modules,
                                  const char *debug_folder, const struct mx_layout *measured, struct mx_runtime *ret)
{
    struct mx_runtime best = {0};
    struct mx_error *first_error = NULL;
    struct mx_symbol symbol;
    for (unsigned nth = 0;
         nth < MOST_RUNTIMES && !best.interpreters.count && mx_modules_symbol(modules, "_PyRuntime", nth, &symbol);
         nth++) {
        struct mx_runtime runtime = {.memory = memory, .modules = modules};
        struct mx_error *error = open_at(&symbol, debug_folder, measured, &runtime);
        bool better = !error && (!best.module || runtime.interpreters.count);
        mx_runtime_close(better ? &best : &runtime);
        if (better)
            best = runtime;
        if (!error)
            continue;
        mx_error_free(first_error ? error : NULL);
        first_error = first_error ? first_error : error;
    }
    if (!best.module)
        return first_error ? first_error : not_found(memory, modules);
    mx_error_free(first_error);
    *ret = best;
    return NULL;
}

struct mx_error *mx_runtime_open(const struct mx_memory *memory, const struct mx_modules *modules,
                                 const char *debug_folder, struct mx_runtime *ret)
{
    return open_best(memory, modules, debug_folder, NULL, ret);
}

struct mx_error *mx_runtime_open_saved(const struct mx_memory *memory, const struct mx_modules *modules,
                                       const struct mx_layout *measured, struct mx_runtime *ret)
{
    return open_best(memory, modules, NULL, measured, ret);
}
