/* SPDX-License-Identifier: Apache-2.0
 *
 * References of single modules of the standard library: sqlite3, pickle,
 * ctypes, faulthandler, ElementTree's iterators, and what C code keeps in
 * capsules.
 */
#include "cpython/dict.h"
#include "cpython/walk.h"
#include "memory/module.h"

/* 3.8-3.10: the factory is the connection, which the cache must not keep alive. Its dict has as many nodes as the list.
 */
void mx_refer_sqlite_cache(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    bool counts = mx_walk_u32(walk, layout->sqlite_cache.decref_factory);
    mx_addr node = mx_walk_word(walk, layout->sqlite_cache.first);
    uint64_t left = mx_dict_room(walk, mx_walk_word(walk, layout->sqlite_cache.mapping));
    mx_walk_field(walk, mx_walk_word(walk, layout->sqlite_cache.factory),
                  counts ? walk->plan->traversed : (uint8_t)MX_EDGE_BORROWED, "<factory>");
    for (uint64_t i = 0; node && i < left && !walk->stopped; i++) {
        mx_walk_field_index(walk, node, walk->plan->traversed, "<node>", i);
        node = mx_memory_pointer(walk->memory, node + (uint64_t)layout->sqlite_node.next);
    }
}

/* C code's own structure; since 3.13 its owner can say how to traverse it. */
void mx_refer_capsule(struct mx_walk *walk)
{
    mx_addr pointer = mx_walk_word(walk, walk->layout->capsule.pointer);
    uint64_t size = mx_raw_size(walk, pointer);
    bool shows = mx_walk_word(walk, walk->layout->capsule.traverse_func);
    if (!size)
        return;
    mx_walk_field(walk, pointer, MX_EDGE_BUFFER, "<pointer>");
    mx_scan_buffer(walk, pointer, size, shows ? MX_SHOWN_TYPES : MX_HIDDEN);
}

/* 3.11+ */
void mx_refer_sqlite_connection(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    const int32_t fields[] = {layout->sqlite_connection.trace_ctx, layout->sqlite_connection.progress_ctx,
                              layout->sqlite_connection.authorizer_ctx};
    static const char *const names[] = {"<trace callback>", "<progress handler>", "<authorizer>"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && layout->sqlite_callback.size > 0; i++) {
        mx_addr callback = mx_walk_word(walk, fields[i]);
        if (!callback)
            continue;
        mx_walk_field(walk, callback, MX_EDGE_BUFFER, "<callback>");
        mx_walk_field(walk, mx_memory_pointer(walk->memory, callback + (uint64_t)layout->sqlite_callback.callable),
                      walk->plan->traversed, names[i]);
        mx_walk_field(walk, mx_memory_pointer(walk->memory, callback + (uint64_t)layout->sqlite_callback.module),
                      walk->plan->traversed, "<module>");
    }
}

/* What pickling has met stays alive until the end; since 3.11.7 the collector is told. */
static uint8_t class_of_memo(const struct mx_walk *walk)
{
    return walk->layout->traverse_shape >= MX_TRAVERSE_3_11_LATE ? walk->plan->traversed : (uint8_t)MX_EDGE_OWNED;
}

/* CPython Modules/_pickle.c: PyMemoTable of PyMemoEntry {key, number} */
void mx_refer_pickler(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr memo = mx_walk_word(walk, layout->pickler.memo), word;
    if (!memo || layout->pickle_memo.size < 0)
        return;
    uint64_t places = mx_memory_pointer(walk->memory, memo + (uint64_t)layout->pickle_memo.mask) + 1;
    mx_addr table = mx_memory_pointer(walk->memory, memo + (uint64_t)layout->pickle_memo.table);
    mx_walk_field(walk, table, MX_EDGE_BUFFER, "<memo table>");
    struct mx_words words = mx_words_of(walk, table, places >> MX_MOST_ITEMS_LOG2 ? 0 : 2 * places);
    while (mx_words_next(&words, &word))
        if (!(words.index & 1))
            mx_walk_field_index(walk, word, class_of_memo(walk), "<memo>", words.index / 2);
}

void mx_refer_unpickler(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr memo = mx_walk_word(walk, layout->unpickler.memo), word;
    uint64_t size = mx_walk_word(walk, layout->unpickler.memo_size);
    mx_walk_field(walk, memo, MX_EDGE_BUFFER, "<memo>");
    mx_refer_unpickler_buffers(walk);
    struct mx_words words = mx_words_of(walk, memo, size >> MX_MOST_ITEMS_LOG2 ? 0 : size);
    while (mx_words_next(&words, &word))
        mx_walk_field_index(walk, word, class_of_memo(walk), "<memo>", words.index);
}

void mx_refer_pickle_data(struct mx_walk *walk)
{
    struct mx_words words = mx_words_of(walk, mx_walk_word(walk, walk->layout->pickle_data.data), mx_walk_items(walk));
    mx_addr item;
    while (mx_words_next(&words, &item))
        mx_walk_field_index(walk, item, MX_EDGE_OWNED, "<item>", words.index);
}

/* CPython Modules/_elementtree.c: ParentLocator {parent, child_index} */
void mx_refer_element_iterator(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    uint64_t depth = mx_walk_word(walk, layout->element_iterator.parent_stack_used);
    mx_addr stack = mx_walk_word(walk, layout->element_iterator.parent_stack), word;
    struct mx_words words = mx_words_of(walk, stack, depth >> MX_MOST_ITEMS_LOG2 ? 0 : 2 * depth);
    while (mx_words_next(&words, &word))
        if (!(words.index & 1))
            mx_walk_field_index(walk, word, walk->plan->traversed, "<parent>", words.index / 2);
}

static bool is_interpreter(const struct mx_walk *walk, mx_addr address)
{
    for (size_t i = 0; i < walk->runtime->interpreters.count; i++)
        if (walk->runtime->interpreters.items[i].address == address)
            return true;
    return false;
}

/*
 * CPython Modules/faulthandler.c: fatal_error {enabled, file, fd, all_threads, interp}, which 3.12+ keeps in
 * _PyRuntime. No symbol tells where it is: it is the one place where the interpreter's address stands behind such
 * values.
 */
static mx_addr fatal_error_file(const struct mx_walk *walk, const uint8_t *bytes)
{
    enum { ENABLED = 0, FILE_OBJECT = 8, FD = 16, ALL_THREADS = 20, INTERPRETER = 24, MOST_FD = 1 << 20 };
    mx_addr file = mx_load_u64(bytes + FILE_OBJECT);
    if (mx_load_u32(bytes + ENABLED) != 1 || mx_load_u32(bytes + FD) > MOST_FD ||
        mx_load_u32(bytes + ALL_THREADS) > 1 || !is_interpreter(walk, mx_load_u64(bytes + INTERPRETER)))
        return 0;
    return file && mx_type_of(walk->referents->types, file) ? file : 0;
}

static mx_addr fatal_error_file_in(const struct mx_walk *walk, const struct mx_region *region)
{
    enum { SIZE = 32, MOST = 64 << 20 };
    uint64_t length = region->end - region->start;
    const uint8_t *bytes = length < MOST ? mx_memory_state(walk->memory, region->start, length) : NULL;
    for (size_t i = 0; bytes && i + SIZE <= length; i += 8) {
        mx_addr file = fatal_error_file(walk, bytes + i);
        if (file)
            return file;
    }
    return 0;
}

void mx_refer_faulthandler(struct mx_walk *walk)
{
    const struct mx_modules *modules = walk->runtime->modules;
    const struct mx_memory *memory = walk->memory;
    mx_addr file = 0;
    for (size_t i = 0; i < memory->regions.count && !file; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (region->module != MX_NO_MODULE && (region->flags & MX_REGION_WRITE) &&
            &modules->modules.items[region->module] == walk->runtime->module)
            file = fatal_error_file_in(walk, region);
    }
    mx_walk_field(walk, file, walk->layout->hides_faulthandler ? MX_EDGE_OWNED : walk->plan->traversed, "<file>");
}

/* 3.8-3.12: ctypes' knowledge of a type is in its __dict__, which is a StgDict. */
void mx_refer_ctypes_type(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    mx_addr dict = mx_walk_word(walk, layout->type.tp_dict);
    const struct mx_type *type = dict ? mx_type_of(walk->referents->types, dict) : NULL;
    mx_refer_type(walk);
    if (type && type->basicsize >= layout->ctypes_type_dict.size)
        mx_walk_field(walk, mx_memory_pointer(walk->memory, dict + (uint64_t)layout->ctypes_type_dict.proto),
                      walk->plan->traversed, "<proto>");
}

/* 3.13+: it stands behind the type object, where a metatype's instances keep their data. */
void mx_refer_ctypes_type_info(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    const int32_t fields[] = {layout->ctypes_type_info.proto,      layout->ctypes_type_info.argtypes,
                              layout->ctypes_type_info.converters, layout->ctypes_type_info.restype,
                              layout->ctypes_type_info.checker,    layout->ctypes_type_info.pointer_type,
                              layout->ctypes_type_info.module};
    static const char *const names[] = {"<proto>",   "_argtypes_",       "<converters>", "_restype_",
                                        "<checker>", "__pointer_type__", "<module>"};
    int32_t info = (layout->heap_type.size + 15) & ~15;
    mx_refer_type(walk);
    if (!mx_walk_u32(walk, info + layout->ctypes_type_info.initialized))
        return;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i] != MX_ABSENT)
            mx_walk_field(walk, mx_walk_word(walk, info + fields[i]), walk->plan->traversed, names[i]);
}

/* Before 3.14 what is called so was no object but an array. */
void mx_refer_method_caller(struct mx_walk *walk)
{
    const struct mx_layout *layout = walk->layout;
    if (layout->traverse_shape < MX_TRAVERSE_3_14)
        return;
    mx_walk_field(walk, mx_walk_word(walk, layout->method_caller.vectorcall_args), walk->plan->traversed, "<vector>");
    mx_walk_field(walk, mx_walk_word(walk, layout->method_caller.vectorcall_kwnames), walk->plan->traversed, "<names>");
}
