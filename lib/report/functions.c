/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions by their code objects: all of a heap, or those in the code of a
 * module that is about to run. Which of them a user means is not known here.
 */
#include <stdio.h>
#include <string.h>

#include "cpython/code.h"
#include "cpython/dict.h"
#include "cpython/str.h"
#include "heap/heap.h"

enum { MOST_NAME = 1024, MOST_PATH = 4096, MOST_DEPTH = 64 };

struct mx_functions {
    MX_ARRAY(struct mx_function) rows;
    struct mx_strtab texts;
};

struct listing {
    struct mx_target *target;
    struct mx_functions *functions;
    struct mx_map by_code; /* of a heap: code object -> index of a function object that has it; of a tree: seen */
    MX_ARRAY(mx_addr) objects;
};

static const char *keep(struct listing *listing, const char *text)
{
    return mx_strtab_add(&listing->functions->texts, text, strlen(text));
}

static mx_addr word_at(const struct listing *listing, mx_addr address, int32_t offset)
{
    return offset >= 0 ? mx_memory_pointer(listing->target->memory, address + (mx_addr)offset) : 0;
}

static struct mx_error *add_row(struct listing *listing, mx_addr code, const char *name, bool is_qualified,
                                const char *module)
{
    const struct mx_runtime *runtime = &listing->target->runtime;
    char path[MOST_PATH];
    mx_code_file(runtime, code, path, sizeof(path));
    struct mx_function row = {
        .name = keep(listing, name),
        .module = keep(listing, module),
        .file = keep(listing, path),
        .line = mx_code_first_line(runtime, code),
        .is_qualified = is_qualified,
        .code = code,
        .entry = mx_code_entry(runtime, code),
    };
    if (!row.name || !row.module || !row.file || !mx_array_push(&listing->functions->rows, row))
        return mx_error_no_memory();
    return NULL;
}

/* The last part of "a.<locals>.b". */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* func_qualname and func_module, unless functools.wraps() made them another function's. */
static bool read_function(const struct listing *listing, mx_addr function, mx_addr code, char *name, char *module)
{
    const struct mx_runtime *runtime = &listing->target->runtime;
    char own[MOST_NAME];
    mx_code_name(runtime, code, own, sizeof(own));
    if (mx_str_utf8(runtime, word_at(listing, function, runtime->layout.function.func_qualname), name, MOST_NAME) < 0 ||
        strcmp(last_part(name), own))
        return false;
    if (mx_str_utf8(runtime, word_at(listing, function, runtime->layout.function.func_module), module, MOST_NAME) < 0)
        module[0] = '\0';
    return true;
}

static struct mx_error *add_code_of_heap(struct listing *listing, mx_addr code)
{
    char name[MOST_NAME], of_function[MOST_NAME], module[MOST_NAME] = "";
    uint32_t index = mx_map_get(&listing->by_code, code);
    bool is_qualified = mx_code_title(&listing->target->runtime, code, name, sizeof(name));
    bool is_known = index < listing->objects.count &&
                    read_function(listing, listing->objects.items[index], code, of_function, module);
    return add_row(listing, code, is_qualified || !is_known ? name : of_function, is_qualified || is_known, module);
}

static struct mx_error *remember_functions(struct listing *listing, const struct mx_objects *functions)
{
    size_t count;
    uint64_t total, bytes;
    const struct mx_object_ref *refs = mx_objects_refs(functions, &count, &total, &bytes);
    for (size_t i = 0; i < count; i++) {
        mx_addr code = word_at(listing, refs[i].address, listing->target->runtime.layout.function.func_code);
        if (code && (!mx_array_push(&listing->objects, refs[i].address) ||
                     !mx_map_set(&listing->by_code, code, (uint32_t)listing->objects.count - 1)))
            return mx_error_no_memory();
    }
    return NULL;
}

static struct mx_error *add_codes(struct listing *listing, const struct mx_objects *codes)
{
    size_t count;
    uint64_t total, bytes;
    const struct mx_object_ref *refs = mx_objects_refs(codes, &count, &total, &bytes);
    for (size_t i = 0; i < count; i++)
        if (mx_code_is_function(&listing->target->runtime, refs[i].address))
            MX_TRY(add_code_of_heap(listing, refs[i].address));
    return NULL;
}

static struct mx_error *with_objects(struct listing *listing, const struct mx_heap *heap, const char *type,
                                     const struct mx_progress *progress,
                                     struct mx_error *(*use)(struct listing *, const struct mx_objects *))
{
    struct mx_object_query query = {.type = type};
    struct mx_objects *objects;
    MX_TRY(mx_objects_find(listing->target, heap, &query, progress, &objects));
    struct mx_error *error = use(listing, objects);
    mx_objects_close(objects);
    return error;
}

static int compare_rows(const void *a, const void *b)
{
    const struct mx_function *left = a, *right = b;
    int files = strcmp(left->file, right->file);
    if (files)
        return files;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return left->code < right->code ? -1 : left->code > right->code;
}

static struct mx_error *finish(struct listing *listing, struct mx_error *error, struct mx_functions **ret)
{
    struct mx_functions *functions = listing->functions;
    mx_map_deinit(&listing->by_code);
    mx_array_free(&listing->objects);
    if (error) {
        mx_functions_close(functions);
        return error;
    }
    if (functions->rows.count)
        qsort(functions->rows.items, functions->rows.count, sizeof(struct mx_function), compare_rows);
    *ret = functions;
    return NULL;
}

struct mx_error *mx_functions_of_heap(struct mx_target *target, const struct mx_heap *heap,
                                      const struct mx_progress *progress, struct mx_functions **ret)
{
    struct listing listing = {.target = target, .functions = mx_calloc(1, sizeof(*listing.functions))};
    if (!listing.functions)
        return mx_error_no_memory();
    struct mx_error *error = with_objects(&listing, heap, "function", progress, remember_functions);
    if (!error)
        error = with_objects(&listing, heap, "code", progress, add_codes);
    return finish(&listing, error, ret);
}

/* Code objects on the way down from a module's, each with the place of its next constant. */
struct level {
    mx_addr code;
    uint32_t next;
    size_t name_length; /* of the prefix for what is inside */
};

/* What stands before the name of what is defined inside: "", "f.<locals>." or "C.". */
static size_t inner_prefix(const struct listing *listing, mx_addr code, char *name, size_t length)
{
    const char *text = mx_code_is_function(&listing->target->runtime, code) ? ".<locals>." : ".";
    size_t more = strlen(text);
    if (length + more >= MOST_NAME)
        return length;
    memcpy(name + length, text, more + 1);
    return length + more;
}

/* Classes' own code is gone through, but is no function. */
static struct mx_error *add_inner(struct listing *listing, struct level *levels, unsigned *depth, char *name,
                                  const char *module)
{
    struct level *level = &levels[*depth];
    mx_addr inner = mx_code_next_inner(&listing->target->types, level->code, &level->next);
    if (!inner) {
        (*depth)--;
        return NULL;
    }
    if (mx_map_get(&listing->by_code, inner) != MX_MAP_NONE)
        return NULL;
    if (!mx_map_set(&listing->by_code, inner, 0))
        return mx_error_no_memory();
    mx_code_name(&listing->target->runtime, inner, name + level->name_length, MOST_NAME - level->name_length);
    if (mx_code_is_function(&listing->target->runtime, inner))
        MX_TRY(add_row(listing, inner, name, true, module));
    if (*depth + 1 < MOST_DEPTH)
        levels[++*depth] = (struct level){inner, 0, inner_prefix(listing, inner, name, strlen(name))};
    return NULL;
}

/* A function's own code object, with what is before the names of those inside. */
static struct mx_error *add_itself(struct listing *listing, struct level *level, char *name, const char *module)
{
    if (!mx_map_set(&listing->by_code, level->code, 0))
        return mx_error_no_memory();
    mx_code_name(&listing->target->runtime, level->code, name, MOST_NAME);
    MX_TRY(add_row(listing, level->code, name, false, module));
    level->name_length = inner_prefix(listing, level->code, name, strlen(name));
    return NULL;
}

static struct mx_error *add_tree(struct listing *listing, mx_addr code, const char *module)
{
    /* Level 0 ends the loop: the given code is level 1. */
    struct level levels[MOST_DEPTH] = {[1] = {code, 0, 0}};
    char name[MOST_NAME] = "";
    unsigned depth = 1;
    bool is_function = mx_code_is_function(&listing->target->runtime, code);
    struct mx_error *error = is_function ? add_itself(listing, &levels[1], name, module) : NULL;
    while (!error && depth)
        error = add_inner(listing, levels, &depth, name, module);
    return error;
}

struct mx_error *mx_functions_of_code(struct mx_target *target, mx_addr code, mx_addr globals,
                                      struct mx_functions **ret)
{
    char module[MOST_NAME] = "";
    if (!mx_is_code(&target->types, code))
        return mx_error_new(MX_ERROR_NOT_FOUND, "there is no code object at 0x%llx", (unsigned long long)code);
    const struct mx_type *type = globals ? mx_type_of(&target->types, globals) : NULL;
    mx_addr name = type && type->kind == MX_KIND_DICT ? mx_dict_get(&target->runtime, globals, "__name__") : 0;
    if (!name || mx_str_utf8(&target->runtime, name, module, sizeof(module)) < 0)
        module[0] = '\0';
    struct listing listing = {.target = target, .functions = mx_calloc(1, sizeof(*listing.functions))};
    if (!listing.functions)
        return mx_error_no_memory();
    return finish(&listing, add_tree(&listing, code, module), ret);
}

const struct mx_function *mx_functions_rows(const struct mx_functions *functions, size_t *count)
{
    *count = functions->rows.count;
    return functions->rows.items;
}

void mx_functions_close(struct mx_functions *functions)
{
    if (!functions)
        return;
    mx_strtab_deinit(&functions->texts);
    mx_array_free(&functions->rows);
    free(functions);
}
