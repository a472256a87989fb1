/* SPDX-License-Identifier: Apache-2.0
 *
 * The binding between Python and memext.h: handles become objects, structs become dicts and tuples. It knows nothing of
 * GDB, of commands, or of how answers are printed; binding.c makes each call interruptible.
 *
 *     Target  --heap()-->  Heap  --histogram()-->  Histogram
 *     Target, Heap  --graph()-->  Graph (graph.c)
 *
 * A Heap may outlive its Target, a Histogram its Heap; a Graph keeps both open.
 */
#include "allocators.h"
#include "export.h"
#include "graph.h"
#include "ledger.h"
#include "remote.h"
#include "retained.h"
#include "saved.h"
#include "sql.h"
#include "stacks.h"
#include "waste.h"

#include <stdlib.h>
#include <string.h>

static void close_target(void *pointer)
{
    mx_target_close(pointer);
}

static void close_heap(void *pointer)
{
    mx_heap_close(pointer);
}

static void close_histogram(void *pointer)
{
    mx_histogram_close(pointer);
}

static PyObject *histogram_rows(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_histogram *histogram = mx_use(self);
    if (!histogram)
        return NULL;
    size_t count;
    const struct mx_histogram_row *rows = mx_histogram_rows(histogram, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(NKKKK)", mx_text(rows[i].type), number(rows[i].type_addr),
                                       number(rows[i].types), number(rows[i].count), number(rows[i].bytes)));
    return list;
}

/* The name stays inside `tuple`. */
static bool parse_row(PyObject *tuple, struct mx_histogram_row *row)
{
    unsigned long long type_addr, types, count, bytes;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a row is a tuple (type, type_addr, types, count, bytes)");
        return false;
    }
    if (!PyArg_ParseTuple(tuple, "sKKKK", &row->type, &type_addr, &types, &count, &bytes))
        return false;
    row->type_addr = type_addr;
    row->types = types;
    row->count = count;
    row->bytes = bytes;
    return true;
}

static PyObject *histogram_from_tuple(PyObject *type, PyObject *tuples)
{
    size_t count = (size_t)PyTuple_Size(tuples);
    struct mx_histogram_row *rows = calloc(count + 1, sizeof(*rows));
    if (!rows)
        return PyErr_NoMemory();
    bool parsed = true;
    for (size_t i = 0; parsed && i < count; i++)
        parsed = parse_row(PyTuple_GetItem(tuples, (Py_ssize_t)i), &rows[i]);
    struct mx_histogram *histogram = NULL;
    if (parsed) {
        struct mx_call call;
        mx_call_begin(&call, Py_None);
        parsed = mx_call_end(&call, mx_histogram_of_rows(rows, count, &histogram));
    }
    free(rows);
    return parsed ? mx_handle_new(type, histogram, close_histogram) : NULL;
}

static PyObject *histogram_from_rows(PyObject *type, PyObject *rows)
{
    PyObject *tuples = PySequence_Tuple(rows);
    PyObject *histogram = tuples ? histogram_from_tuple(type, tuples) : NULL;
    Py_XDECREF(tuples);
    return histogram;
}

static PyMethodDef histogram_methods[] = {
    {"rows", histogram_rows, METH_NOARGS, "[(type, type_addr, types, count, bytes)], by falling bytes"},
    {"from_rows", histogram_from_rows, METH_O | METH_CLASS, "A Histogram of tuples such as rows() gives."},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};

static PyObject *growth_rows(const struct mx_growth *growth)
{
    size_t count;
    const struct mx_growth_row *rows = mx_growth_rows(growth, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list,
                  Py_BuildValue("(NKKKLL)", mx_text(rows[i].type), number(rows[i].type_addr), number(rows[i].count),
                                number(rows[i].bytes), (long long)rows[i].count_delta, (long long)rows[i].bytes_delta));
    return list;
}

static PyObject *module_growth(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *before_object, *now_object;
    void *before_handle, *now_handle;
    if (!PyArg_ParseTuple(args, "OO", &before_object, &now_object) ||
        !mx_use_argument(before_object, mx_binding_state()->histogram_type, false, &before_handle) ||
        !mx_use_argument(now_object, mx_binding_state()->histogram_type, false, &now_handle))
        return NULL;
    struct mx_growth *growth;
    struct mx_call call;
    mx_call_begin(&call, Py_None);
    if (!mx_call_end(&call, mx_growth_open(before_handle, now_handle, &growth)))
        return NULL;
    PyObject *rows = growth_rows(growth);
    mx_growth_close(growth);
    return rows;
}

static PyObject *heap_info(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_heap *heap = mx_use(self);
    if (!heap)
        return NULL;
    struct mx_heap_info info;
    mx_heap_info(heap, &info);
    return Py_BuildValue(
        "{sN sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sN}", "complete", boolean(info.complete), "objects",
        number(info.objects), "object_bytes", number(info.object_bytes), "static_objects", number(info.static_objects),
        "tracked_objects", number(info.tracked_objects), "frozen_objects", number(info.frozen_objects), "raw_blocks",
        number(info.raw_blocks), "raw_bytes", number(info.raw_bytes), "arenas", number(info.arenas), "pools",
        number(info.pools), "pool_used_blocks", number(info.pool_used_blocks), "pool_used_bytes",
        number(info.pool_used_bytes), "pool_free_blocks", number(info.pool_free_blocks), "chunks", number(info.chunks),
        "chunk_bytes", number(info.chunk_bytes), "damaged_pools", number(info.damaged_pools), "memory",
        number(info.memory), "warnings", mx_text_list(info.warnings, info.warning_count));
}

static PyObject *heap_size_classes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_heap *heap = mx_use(self);
    if (!heap)
        return NULL;
    size_t count;
    const struct mx_size_class *classes = mx_heap_size_classes(heap, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, Py_BuildValue("(KKKK)", number(classes[i].block_size), number(classes[i].pools),
                                       number(classes[i].used_blocks), number(classes[i].free_blocks)));
    return list;
}

static PyObject *heap_histogram(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"tracked", "by_type_object", NULL};
    int tracked = 0, by_type_object = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|pp", (char **)names, &tracked, &by_type_object))
        return NULL;
    const struct mx_heap *heap = mx_use(self);
    if (!heap)
        return NULL;
    enum mx_count_what what = tracked ? MX_COUNT_TRACKED : MX_COUNT_ALL;
    struct mx_histogram *histogram;
    struct mx_call call;
    mx_call_begin(&call, Py_None);
    struct mx_error *error =
        by_type_object ? mx_histogram_of_types(heap, what, &histogram) : mx_histogram_of_heap(heap, what, &histogram);
    if (!mx_call_end(&call, error))
        return NULL;
    return mx_handle_new(mx_binding_state()->histogram_type, histogram, close_histogram);
}

static PyMethodDef heap_methods[] = {
    {"info", heap_info, METH_NOARGS, "A dict of mx_heap_info's members."},
    {"size_classes", heap_size_classes, METH_NOARGS, "[(block_size, pools, used_blocks, free_blocks)]"},
    {"histogram", WITH_KEYWORDS(heap_histogram), METH_VARARGS | METH_KEYWORDS,
     "histogram(tracked=False, by_type_object=False): a Histogram"},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};

static PyObject *target_info(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_target *target = mx_use(self);
    if (!target)
        return NULL;
    struct mx_target_info info;
    mx_target_info(target, &info);
    return Py_BuildValue(
        "{sN sN si sN sN sN sN sN sN sN sN sN sN sK sK sK sK sK sN sN sL sN}", "kind", mx_text(info.kind), "path",
        mx_text(info.path), "pid", info.pid, "command", mx_text(info.command), "executable", mx_text(info.executable),
        "python_version", mx_text(info.python_version), "python_module", mx_text(info.python_module), "python_file",
        mx_text(info.python_file), "free_threaded", boolean(info.free_threaded), "debug_build",
        boolean(info.debug_build), "layout_origin", mx_text(info.layout_origin), "allocator", mx_text(info.allocator),
        "native_allocator", mx_text(info.native_allocator), "interpreters", number(info.interpreters), "python_threads",
        number(info.python_threads), "native_threads", number(info.native_threads), "expected_bytes",
        number(info.expected_bytes), "missing_bytes", number(info.missing_bytes), "saved_kind",
        mx_text(info.saved_kind), "saved_path", mx_text(info.saved_path), "saved_at", (long long)info.saved_at,
        "warnings", mx_text_list(info.warnings, info.warning_count));
}

static PyObject *target_usage(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct mx_call call;
    struct mx_usage usage;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_target_usage(target, &usage)))
        return NULL;
    return Py_BuildValue("{sK sK sN sN}", "blocks", number(usage.blocks), "bytes", number(usage.bytes), "exact",
                         boolean(usage.exact), "complete", boolean(usage.complete));
}

static PyObject *target_interpreters(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_target *target = mx_use(self);
    if (!target)
        return NULL;
    PyObject *list = PyList_New(0);
    struct mx_interpreter_info info;
    for (size_t i = 0; list && mx_target_interpreter(target, i, &info); i++)
        mx_append(&list, Py_BuildValue("{sL sK sK}", "id", (long long)info.id, "address", number(info.address),
                                       "threads", number(info.threads)));
    return list;
}

static PyObject *target_threads(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const struct mx_target *target = mx_use(self);
    if (!target)
        return NULL;
    PyObject *list = PyList_New(0);
    struct mx_thread_info info;
    for (size_t i = 0; list && mx_target_thread(target, i, &info); i++)
        mx_append(&list, Py_BuildValue("{sK sL sK sK}", "address", number(info.address), "interpreter",
                                       (long long)info.interpreter, "thread_id", number(info.thread_id), "native_id",
                                       number(info.native_id)));
    return list;
}

static PyObject *target_heap(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_heap *heap;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_alone(&call, self, args, keywords);
    if (!target || !mx_call_end(&call, mx_heap_open(target, &call.progress, &heap)))
        return NULL;
    return mx_handle_new(mx_binding_state()->heap_type, heap, close_heap);
}

static PyObject *objects_result(const struct mx_objects *objects)
{
    size_t count;
    uint64_t total, total_bytes;
    const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &total_bytes);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list,
                  Py_BuildValue("(KKK)", number(refs[i].address), number(refs[i].size), number(refs[i].retained)));
    return list ? Py_BuildValue("(NKK)", list, number(total), number(total_bytes)) : NULL;
}

static bool parse_order(const char *name, enum mx_object_order *ret)
{
    *ret = strcmp(name, "size") == 0       ? MX_ORDER_SIZE
           : strcmp(name, "retained") == 0 ? MX_ORDER_RETAINED
                                           : MX_ORDER_ADDRESS;
    if (*ret != MX_ORDER_ADDRESS || strcmp(name, "address") == 0)
        return true;
    PyErr_SetString(PyExc_ValueError, "order is 'address', 'size' or 'retained'");
    return false;
}

static PyObject *find_objects(struct mx_target *target, const struct mx_heap *heap, const struct mx_object_query *query,
                              PyObject *progress)
{
    struct mx_objects *objects;
    struct mx_call call;
    mx_call_begin(&call, progress);
    if (!mx_call_end(&call, mx_objects_find(target, heap, query, &call.progress, &objects)))
        return NULL;
    PyObject *result = objects_result(objects);
    mx_objects_close(objects);
    return result;
}

static PyObject *target_objects(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"heap", "type",     "since",    "order", "limit",
                                        "skip", "retained", "progress", NULL};
    PyObject *heap_object, *since_object = Py_None, *retained_object = Py_None, *progress = Py_None;
    const char *order = "address";
    Py_ssize_t limit = 0, skip = 0;
    struct mx_object_query query = {0};
    void *heap, *since, *retained;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Os|OsnnOO", (char **)names, &heap_object, &query.type,
                                     &since_object, &order, &limit, &skip, &retained_object, &progress) ||
        !mx_use_argument(heap_object, mx_binding_state()->heap_type, false, &heap) ||
        !mx_use_argument(since_object, mx_binding_state()->heap_type, true, &since) ||
        !mx_use_argument(retained_object, mx_binding_state()->retained_type, true, &retained) ||
        !parse_order(order, &query.order) || !mx_is_not_negative("limit", limit) || !mx_is_not_negative("skip", skip))
        return NULL;
    query.since = since;
    query.retained = retained;
    query.limit = (size_t)limit;
    query.skip = (size_t)skip;
    struct mx_target *target = mx_use(self);
    return target ? find_objects(target, heap, &query, progress) : NULL;
}

static PyObject *target_object(PyObject *self, PyObject *args)
{
    unsigned long long address;
    if (!PyArg_ParseTuple(args, "K", &address))
        return NULL;
    struct mx_object_info info;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_object_info(target, address, &info)))
        return NULL;
    return Py_BuildValue("{sK sK sN sL sN sN sK}", "addr", number(info.address), "type_addr", number(info.type_addr),
                         "type", mx_text(info.type), "refcount", (long long)info.refcount, "immortal",
                         boolean(info.immortal), "tracked", boolean(info.tracked), "size", number(info.size));
}

static PyObject *target_show(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"addr", "depth", "items", "characters", "one_line", "attributes", NULL};
    unsigned long long address;
    struct mx_show_options options = {0};
    int one_line = 0, attributes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "K|IIIpp", (char **)names, &address, &options.depth,
                                     &options.items, &options.characters, &one_line, &attributes))
        return NULL;
    options.one_line = one_line;
    options.attributes = attributes;
    char *shown;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_object_show(target, address, &options, &shown)))
        return NULL;
    PyObject *result = mx_text(shown);
    free(shown);
    return result;
}

static PyObject *target_resolve(PyObject *self, PyObject *args)
{
    const char *expression;
    if (!PyArg_ParseTuple(args, "s", &expression))
        return NULL;
    mx_addr address;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_target_resolve(target, expression, &address)))
        return NULL;
    return PyLong_FromUnsignedLongLong(address);
}

static PyObject *target_complete(PyObject *self, PyObject *args)
{
    const char *typed;
    if (!PyArg_ParseTuple(args, "s", &typed))
        return NULL;
    struct mx_names *names;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_on(&call, self, Py_None);
    if (!target || !mx_call_end(&call, mx_names_complete(target, typed, &names)))
        return NULL;
    size_t count;
    const char *const *paths = mx_names(names, &count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, mx_text(paths[i]));
    mx_names_close(names);
    return list;
}

static PyMethodDef target_methods[] = {
    {"info", target_info, METH_NOARGS, "A dict of mx_target_info's members."},
    {"interpreters", target_interpreters, METH_NOARGS, "[{id, address, threads}]"},
    {"threads", target_threads, METH_NOARGS, "[{address, interpreter, thread_id, native_id}]"},
    {"heap", WITH_KEYWORDS(target_heap), METH_VARARGS | METH_KEYWORDS, "heap(progress=None): counts it; a Heap"},
    {"objects", WITH_KEYWORDS(target_objects), METH_VARARGS | METH_KEYWORDS,
     "objects(heap, type, since=None, order='address', limit=0, skip=0, retained=None, progress=None):\n"
     "([(addr, size, retained)], total, total_bytes)"},
    {"object", target_object, METH_VARARGS, "object(addr): a dict of mx_object_info's members"},
    {"show", WITH_KEYWORDS(target_show), METH_VARARGS | METH_KEYWORDS,
     "show(addr, depth=0, items=0, characters=0, one_line=False, attributes=False): str; 0 = no limit"},
    {"resolve", target_resolve, METH_VARARGS, "resolve(path): the address of the object under a path of names"},
    {"complete", target_complete, METH_VARARGS, "complete(typed): [path] that a path of names may go on to"},
    {"graph", WITH_KEYWORDS(mx_target_graph), METH_VARARGS | METH_KEYWORDS,
     "graph(heap, progress=None): the references of a Heap of this Target; a Graph"},
    {"save", WITH_KEYWORDS(mx_target_save_method), METH_VARARGS | METH_KEYWORDS,
     "save(heap, path, progress=None): writes a file for open_saved(); {bytes, memory}"},
    {"waste", WITH_KEYWORDS(mx_target_waste), METH_VARARGS | METH_KEYWORDS,
     "waste(heap, graph=None, limit=0, least=0, progress=None):\n"
     "([(kind, addr, value, count, bytes, wasted, holder)], [(kind, count, wasted)], wasted bytes in all)"},
    {"ledger", WITH_KEYWORDS(mx_target_ledger), METH_VARARGS | METH_KEYWORDS,
     "ledger(heap, progress=None): {rows: [(kind, resident, virtual, count)], parts: the same by name,\n"
     "figures: [(name, bytes, known)], guessed}"},
    {"export", WITH_KEYWORDS(mx_target_export), METH_VARARGS | METH_KEYWORDS,
     "export(heap, graph, retained, format, path, progress=None): writes the file; {nodes, edges, bytes}"},
    {"sql", WITH_KEYWORDS(mx_target_sql), METH_VARARGS | METH_KEYWORDS,
     "sql(heap, statement, graph=None, retained=None, progress=None): an Sql"},
    {"malloc", WITH_KEYWORDS(mx_target_malloc), METH_VARARGS | METH_KEYWORDS,
     "malloc(progress=None): ([{address, main, threads, heaps, system, used, free, ...} an arena], {name, ...})"},
    {"pymalloc", WITH_KEYWORDS(mx_target_pymalloc), METH_VARARGS | METH_KEYWORDS,
     "pymalloc(heap, progress=None): ([{address, bytes, pools, ...} an arena], [{type, arenas, alone, count, bytes,\n"
     "example}], {arenas, arena_bytes, ...})"},
    {"stacks", WITH_KEYWORDS(mx_target_stacks), METH_VARARGS | METH_KEYWORDS,
     "stacks(frames=0, locals=False): [{address, interpreter, thread_id, native_id, gil, raised, handled, hidden,\n"
     "frames: [(function, file, line, code, [(name, addr, type, size)])]}]"},
    {"functions", WITH_KEYWORDS(mx_target_functions), METH_VARARGS | METH_KEYWORDS,
     "functions(heap, progress=None): [(name, module, file, line, is_qualified, code, entry)]"},
    {"functions_of_code", mx_target_functions_of_code, METH_VARARGS,
     "functions_of_code(code, globals=0): the same of a module's code object"},
    {"reread", mx_target_look_again, METH_NOARGS,
     "The process ran and stands again: forgets what was read; for functions_of_code(), resolve() and usage() only.\n"
     "False: it has other files mapped now, and is to be opened anew."},
    {"usage", target_usage, METH_NOARGS, "usage(): a dict of mx_usage's members"},
    {"close", mx_handle_close, METH_NOARGS, "Frees it now; its Heaps stay."},
    {NULL, NULL, 0, NULL},
};

typedef struct mx_error *(*path_opener)(const char *path, const struct mx_target_options *options,
                                        struct mx_target **ret);

struct opening {
    PyObject *path; /* bytes, owned; NULL for a process */
    int pid;
    struct mx_target_options options;
    PyObject *progress;
};

/* Drops the path. `open`: NULL for a process. */
static PyObject *open_target(const struct opening *opening, path_opener open)
{
    struct mx_target_options options = opening->options;
    struct mx_target *target;
    struct mx_call call;
    mx_call_begin(&call, opening->progress);
    options.progress = &call.progress;
    struct mx_error *error = open ? open(PyBytes_AsString(opening->path), &options, &target)
                                  : mx_target_open_process(opening->pid, &options, &target);
    bool opened = mx_call_end(&call, error);
    Py_XDECREF(opening->path);
    return opened ? mx_handle_new(mx_binding_state()->target_type, target, close_target) : NULL;
}

static void close_recall(void *pointer)
{
    mx_recall_close(pointer);
}

static PyObject *module_recall(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct mx_recall *recall;
    struct mx_call call;
    mx_call_begin(&call, Py_None);
    if (!mx_call_end(&call, mx_recall_new(&recall)))
        return NULL;
    return mx_handle_new(mx_binding_state()->recall_type, recall, close_recall);
}

static PyMethodDef recall_methods[] = {
    {"close", mx_handle_close, METH_NOARGS, "Frees it now."},
    {NULL, NULL, 0, NULL},
};

static PyObject *module_open_core(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"path",       "executable", "sysroot", "library_path",
                                        "debug_path", "progress",   NULL};
    struct opening opening = {.progress = Py_None};
    struct mx_target_options *options = &opening.options;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&|zzzzO", (char **)names, PyUnicode_FSConverter, &opening.path,
                                     &options->executable, &options->sysroot, &options->library_path,
                                     &options->debug_path, &opening.progress))
        return NULL;
    return open_target(&opening, mx_target_open_core);
}

static PyObject *module_open_process(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"pid",        "executable", "sysroot", "library_path",
                                        "debug_path", "progress",   "recall",  NULL};
    PyObject *recall_object = Py_None;
    void *recall;
    struct opening opening = {.progress = Py_None};
    struct mx_target_options *options = &opening.options;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "i|zzzzOO", (char **)names, &opening.pid, &options->executable,
                                     &options->sysroot, &options->library_path, &options->debug_path, &opening.progress,
                                     &recall_object) ||
        !mx_use_argument(recall_object, mx_binding_state()->recall_type, true, &recall))
        return NULL;
    options->recall = recall;
    PyObject *target = open_target(&opening, NULL);
    if (target && recall)
        mx_handle_need(target, recall_object, NULL);
    return target;
}

static PyObject *module_open_saved(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"path", "progress", NULL};
    struct opening opening = {.progress = Py_None};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&|O", (char **)names, PyUnicode_FSConverter, &opening.path,
                                     &opening.progress))
        return NULL;
    return open_target(&opening, mx_target_open_saved);
}

static PyMethodDef module_methods[] = {
    {"open_core", WITH_KEYWORDS(module_open_core), METH_VARARGS | METH_KEYWORDS,
     "open_core(path, executable=None, sysroot=None, library_path=None, debug_path=None, progress=None): a Target\n\n"
     "progress(stage, done, total) is called ten times a second, after the first half second."},
    {"open_process", WITH_KEYWORDS(module_open_process), METH_VARARGS | METH_KEYWORDS,
     "open_process(pid, ..., recall=None): as open_core; the process must be stopped, and stay so while its Target is "
     "used. With a Recall that earlier ones had, what did not change since is not read again."},
    {"recall", module_recall, METH_NOARGS, "A Recall: what one stop of a process teaches about its next ones."},
    {"open_remote", WITH_KEYWORDS(mx_module_open_remote), METH_VARARGS | METH_KEYWORDS,
     "open_remote(pid, reader, threads, ...): as open_process, through an object of three methods:\n"
     "read(address, length): bytes, up to what cannot be read; fetch(path): a copy's path, or None; close()"},
    {"open_saved", WITH_KEYWORDS(module_open_saved), METH_VARARGS | METH_KEYWORDS,
     "open_saved(path, progress=None): a Target of what save() wrote"},
    {"growth", module_growth, METH_VARARGS,
     "growth(before, now): [(type, type_addr, count, bytes, count_delta, bytes_delta)] of two Histograms"},
    {"sql_check", mx_module_sql_check, METH_VARARGS, "sql_check(statement): {graph, retained}: what it needs"},
    {NULL, NULL, 0, NULL},
};

struct PyModuleDef mx_binding_module = {
    PyModuleDef_HEAD_INIT,
    "_memext",
    "memext.h for Python; see gdbext/_memext.c.",
    sizeof(struct mx_binding_state),
    module_methods,
    NULL,
    NULL,
    NULL,
    NULL,
};

/* A type of handles; a borrowed reference that the module keeps. */
static PyObject *add_type(PyObject *module, const char *name, const char *attribute, PyMethodDef *methods)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, mx_handle_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
    PyType_Spec spec = {name, (int)sizeof(struct mx_handle), 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (!type || PyModule_AddObject(module, attribute, type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return type;
}

static bool fill_module(PyObject *module)
{
    struct mx_binding_state *state = PyModule_GetState(module);
    state->error = PyErr_NewExceptionWithDoc("_memext.Error", "A sentence; `code` tells the kind.", NULL, NULL);
    if (!state->error || PyModule_AddObject(module, "Error", state->error) < 0)
        return false;
    state->target_type = add_type(module, "_memext.Target", "Target", target_methods);
    state->heap_type = add_type(module, "_memext.Heap", "Heap", heap_methods);
    state->histogram_type = add_type(module, "_memext.Histogram", "Histogram", histogram_methods);
    state->graph_type = add_type(module, "_memext.Graph", "Graph", mx_graph_methods);
    state->retained_type = add_type(module, "_memext.Retained", "Retained", mx_retained_methods);
    state->sql_type = add_type(module, "_memext.Sql", "Sql", mx_sql_methods);
    state->recall_type = add_type(module, "_memext.Recall", "Recall", recall_methods);
    return state->sql_type && state->recall_type && state->target_type && state->heap_type && state->histogram_type &&
           state->graph_type && state->retained_type && PyModule_AddStringConstant(module, "version", MX_VERSION) == 0;
}

PyMODINIT_FUNC PyInit__memext(void);

PyMODINIT_FUNC PyInit__memext(void)
{
    PyObject *module = PyModule_Create(&mx_binding_module);
    if (module && !fill_module(module))
        Py_CLEAR(module);
    return module;
}
