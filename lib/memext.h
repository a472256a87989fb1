/* SPDX-License-Identifier: Apache-2.0
 *
 * memext: where a Python process's memory went, from the outside.
 *
 * The library reads a core dump, or a stopped live process, and answers
 * questions about the CPython heap in it. It runs no code in the target and
 * writes nothing to it. It is made to live inside a debugger: it does not
 * abort, exit, print, or install signal handlers.
 *
 *     struct mx_target *target;
 *     struct mx_heap *heap;
 *     struct mx_histogram *counts;
 *     struct mx_error *error = mx_target_open_core("core", NULL, &target);
 *     if (!error)
 *         error = mx_heap_open(target, NULL, &heap);
 *     if (!error)
 *         error = mx_histogram_of_heap(heap, MX_COUNT_ALL, &counts);
 *
 * Conventions
 *   - A function that can fail returns an error: NULL is success. The caller
 *     frees it. Results come last, and are untouched on failure.
 *   - Every ..._close takes NULL. Strings and arrays live as long as the handle
 *     they came from, unless the function says that the caller frees them.
 *   - Sizes are bytes, addresses are the target's.
 *   - A handle is for one thread at a time. A target must outlive its use, and
 *     a live process must stay stopped while a call on its target runs.
 */
#ifndef MEMEXT_H
#define MEMEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MX_VERSION "0.1.0"

#define MX_API __attribute__((visibility("default")))

/* An address in the target; never to be made a pointer. 0 is "none". */
typedef uint64_t mx_addr;

/* ---- Errors ------------------------------------------------------------ */

enum mx_error_code {
    MX_ERROR_NO_MEMORY,
    MX_ERROR_OS,          /* a system call failed: no such file, not permitted */
    MX_ERROR_ARGUMENT,    /* the call makes no sense */
    MX_ERROR_NOT_FOUND,   /* what was asked for is not in the target (no Python, no such type) */
    MX_ERROR_BAD_DATA,    /* the target contradicts itself, or is not what it was taken for */
    MX_ERROR_UNSUPPORTED, /* memext does not know this (32-bit, an interpreter outside the range) */
    MX_ERROR_CANCELLED,   /* the progress callback said stop */
};

struct mx_error {
    enum mx_error_code code;
    char *message; /* one sentence, no newline */
};

MX_API void mx_error_free(struct mx_error *error);

/* ---- Progress and cancelling ------------------------------------------- */

/*
 * `report` is called a few hundred times a second at most while a call works,
 * always in the thread that made the call. `done` and `total` are in one unit
 * of the stage's choice. Returning false makes the call end with CANCELLED,
 * leaving everything as it was before.
 */
struct mx_progress {
    bool (*report)(void *context, const char *stage, uint64_t done, uint64_t total);
    void *context;
};

/* ---- Targets: one stop of a process ------------------------------------ */

struct mx_target;

/*
 * What one stop of a live process teaches about its next ones: a target that is opened with it finds again quickly what
 * stayed in its place, and its heap is counted by looking only at pools whose bytes changed. The answers are those
 * of a target without. One target at a time; it must outlive that. It takes some 20 % of what pymalloc has.
 */
struct mx_recall;

MX_API struct mx_error *mx_recall_new(struct mx_recall **ret);
MX_API void mx_recall_close(struct mx_recall *recall);

/* All members may be NULL. */
struct mx_target_options {
    const char *executable;   /* the main executable, where the core's own idea of it is wrong or gone */
    const char *sysroot;      /* put before each absolute path that the target names */
    const char *library_path; /* folders, ':'-separated, searched for files by base name */
    const char *debug_path;   /* separate debug files; NULL: /usr/lib/debug */
    const struct mx_progress *progress;
    struct mx_recall *recall; /* for processes only */
};

MX_API struct mx_error *mx_target_open_core(const char *path, const struct mx_target_options *options,
                                            struct mx_target **ret);

/* The process must be stopped (by a debugger), and stay so during calls on this target. */
MX_API struct mx_error *mx_target_open_process(int pid, const struct mx_target_options *options,
                                               struct mx_target **ret);

/*
 * A process that only a debugger reaches (gdbserver, Valgrind). The functions are called while a call on the target
 * runs, and only in the thread that made it.
 */
struct mx_remote_thread {
    int tid;
    mx_addr stack_pointer, fs_base; /* 0: unknown */
};

struct mx_remote {
    int pid; /* as the other machine counts */

    /* Copies `length` bytes from `address` on; returns how many came before the first that cannot be read. */
    size_t (*read)(void *context, mx_addr address, uint8_t *out, size_t length);

    /*
     * A copy, on this machine, of a file on the process's one: a file of /proc/PID, or one that the process has mapped.
     * Its path, which the library frees; NULL: it is not to be had. The copy stays until close().
     */
    char *(*fetch)(void *context, const char *path);

    /* The target is closed, or could not be opened. */
    void (*close)(void *context);
    void *context;

    const struct mx_remote_thread *threads; /* copied */
    size_t thread_count;
};

/* What was read is kept until the target is closed: reading again would take as long. */
MX_API struct mx_error *mx_target_open_remote(const struct mx_remote *remote, const struct mx_target_options *options,
                                              struct mx_target **ret);

MX_API void mx_target_close(struct mx_target *target);

struct mx_target_info {
    const char *kind; /* "core", "live", "remote" or "saved" */
    const char *path; /* of the core or saved target; NULL when live or remote */
    int pid;
    const char *command;        /* as the kernel recorded it; may be "" */
    const char *executable;     /* path as the target names it */
    const char *python_version; /* "3.11.2" */
    const char *python_module;  /* path of the file that holds the interpreter */
    const char *python_file;    /* "matched", "unchecked", "missing", "differs" */
    bool free_threaded, debug_build;
    const char *layout_origin; /* "row 3.11.2" and so on */
    const char *allocator;     /* "pymalloc", "pymalloc + debug hooks", "malloc", "malloc + debug hooks", "mimalloc" */
    const char *native_allocator; /* "glibc 2.36", "musl (not walked)" */
    uint32_t interpreters, python_threads, native_threads;
    uint64_t expected_bytes, missing_bytes; /* of the core */
    const char *saved_kind;                 /* saved: "core" or "live"; NULL otherwise */
    const char *saved_path;                 /* saved: of that core; NULL otherwise */
    int64_t saved_at;                       /* saved: when, in seconds since 1970; 0 otherwise */
    size_t warning_count;
    const char *const *warnings; /* sentences */
};

MX_API void mx_target_info(const struct mx_target *target, struct mx_target_info *ret);

/* Interpreters and Python threads; false past the last. */
struct mx_interpreter_info {
    int64_t id;
    mx_addr address;
    uint32_t threads;
};
MX_API bool mx_target_interpreter(const struct mx_target *target, size_t index, struct mx_interpreter_info *ret);

struct mx_thread_info {
    mx_addr address;     /* of its PyThreadState */
    int64_t interpreter; /* id */
    uint64_t thread_id;  /* pthread_self() */
    uint64_t native_id;  /* Linux TID, 0 when unknown */
};
MX_API bool mx_target_thread(const struct mx_target *target, size_t index, struct mx_thread_info *ret);

/* ---- The heap: every block of memory and what it is --------------------- */

struct mx_heap;

/* Counts the whole heap. The heap keeps what it needs and may outlive its target (as a mark to compare with). */
MX_API struct mx_error *mx_heap_open(struct mx_target *target, const struct mx_progress *progress,
                                     struct mx_heap **ret);
MX_API void mx_heap_close(struct mx_heap *heap);

struct mx_heap_info {
    bool complete;                  /* false: bytes of the heap are missing or parts could not be walked */
    uint64_t objects, object_bytes; /* Python objects, static ones included; bytes as sys.getsizeof */
    uint64_t static_objects;        /* of these, in the data of the executable and libraries */
    uint64_t tracked_objects;       /* of these, gc.get_objects() lists */
    uint64_t frozen_objects;        /* tracked, but in the permanent generation, so that gc.get_objects() hides them */
    uint64_t raw_blocks, raw_bytes; /* used blocks that are no objects: tables, buffers, C data */
    uint64_t arenas, pools, pool_used_blocks, pool_used_bytes, pool_free_blocks;
    uint64_t chunks, chunk_bytes; /* used glibc chunks */
    uint64_t damaged_pools;       /* whose free list contradicts their count: counted as found, see warnings */
    uint64_t memory;              /* bytes that this handle occupies in memext itself */
    size_t warning_count;
    const char *const *warnings;
};
MX_API void mx_heap_info(const struct mx_heap *heap, struct mx_heap_info *ret);

/* Pools and used blocks by pymalloc size class, for comparing with sys._debugmallocstats(). */
struct mx_size_class {
    uint32_t block_size;
    uint64_t pools, used_blocks, free_blocks;
};
MX_API const struct mx_size_class *mx_heap_size_classes(const struct mx_heap *heap, size_t *count);

/*
 * What the allocators have handed out, by their own book-keeping: equal to the pool_used_ and chunk members of a count
 * of the heap at the same stop, at a small part of its cost.
 */
struct mx_usage {
    uint64_t blocks, bytes;
    bool exact;    /* false: memext has no such way to them (mimalloc, a malloc that is not glibc's) */
    bool complete; /* false: parts could not be walked */
};
MX_API struct mx_error *mx_target_usage(struct mx_target *target, struct mx_usage *ret);

/* ---- Histograms and growth --------------------------------------------- */

enum mx_count_what {
    MX_COUNT_ALL,     /* every object */
    MX_COUNT_TRACKED, /* what gc.get_objects() would list */
};

struct mx_histogram_row {
    const char *type;  /* "module.QualName" */
    mx_addr type_addr; /* of one such type object; 0 when unknown */
    uint64_t types;    /* type objects of this name that have instances */
    uint64_t count;
    uint64_t bytes;
};

struct mx_histogram;

/* One row a type name, by falling bytes. */
MX_API struct mx_error *mx_histogram_of_heap(const struct mx_heap *heap, enum mx_count_what what,
                                             struct mx_histogram **ret);

/* One row a type object. */
MX_API struct mx_error *mx_histogram_of_types(const struct mx_heap *heap, enum mx_count_what what,
                                              struct mx_histogram **ret);

/* From rows that were saved; they are copied. */
MX_API struct mx_error *mx_histogram_of_rows(const struct mx_histogram_row *rows, size_t count,
                                             struct mx_histogram **ret);

MX_API const struct mx_histogram_row *mx_histogram_rows(const struct mx_histogram *histogram, size_t *count);
MX_API void mx_histogram_close(struct mx_histogram *histogram);

struct mx_growth_row {
    const char *type;
    mx_addr type_addr;
    uint64_t count, bytes;            /* now */
    int64_t count_delta, bytes_delta; /* now minus before */
};

struct mx_growth;

/* Joins two histograms by type name; rows that did not change are left out. By falling count_delta, then bytes_delta.
 */
MX_API struct mx_error *mx_growth_open(const struct mx_histogram *before, const struct mx_histogram *now,
                                       struct mx_growth **ret);
MX_API const struct mx_growth_row *mx_growth_rows(const struct mx_growth *growth, size_t *count);
MX_API void mx_growth_close(struct mx_growth *growth);

/* ---- Objects ------------------------------------------------------------ */

enum mx_object_order {
    MX_ORDER_ADDRESS,
    MX_ORDER_SIZE,     /* largest first */
    MX_ORDER_RETAINED, /* what retains most first: needs `retained` */
};

struct mx_retained;

struct mx_object_query {
    const char *type;            /* exact name as in a histogram's row */
    const struct mx_heap *since; /* only objects that this earlier heap does not have; NULL: all */
    enum mx_object_order order;
    size_t limit;                       /* 0 = all */
    size_t skip;                        /* leave out that many first ones */
    const struct mx_retained *retained; /* of the same heap, to order by and to tell; or NULL */
};

struct mx_object_ref {
    mx_addr address;
    uint64_t size;     /* as sys.getsizeof */
    uint64_t retained; /* 0 when the query did not ask for it */
};

struct mx_objects;

/*
 * The objects of a type, read from the target that the heap was opened on. An object is new when at its address there
 * was none of this type before: an object that took the place of a freed one of the same type cannot be told apart.
 */
MX_API struct mx_error *mx_objects_find(struct mx_target *target, const struct mx_heap *heap,
                                        const struct mx_object_query *query, const struct mx_progress *progress,
                                        struct mx_objects **ret);

/* The objects within the limit; *total is how many there are without it. */
MX_API const struct mx_object_ref *mx_objects_refs(const struct mx_objects *objects, size_t *count, uint64_t *total,
                                                   uint64_t *total_bytes);
MX_API void mx_objects_close(struct mx_objects *objects);

struct mx_object_info {
    mx_addr address;
    mx_addr type_addr;
    const char *type; /* lives as long as the target */
    int64_t refcount;
    bool immortal;
    bool tracked;  /* by the garbage collector */
    uint64_t size; /* as sys.getsizeof */
};

/* What is at an address; NOT_FOUND, with a sentence, when that is no Python object. */
MX_API struct mx_error *mx_object_info(struct mx_target *target, mx_addr address, struct mx_object_info *ret);

struct mx_show_options {
    unsigned depth;      /* of containers inside containers; 0 = no limit */
    unsigned items;      /* of each container; 0 = no limit */
    unsigned characters; /* of each str and bytes; 0 = no limit */
    bool one_line;       /* for a cell of a table */
    bool attributes;     /* instances with their attributes, types and modules with their names */
};

/* The value as repr() would print it, as far as that needs no code of the target to run. The caller frees *ret. */
MX_API struct mx_error *mx_object_show(struct mx_target *target, mx_addr address, const struct mx_show_options *options,
                                       char **ret);

/* ---- References ----------------------------------------------------------- */

/*
 * The reference graph of one heap, in both directions. It is built once (seconds at 2 GB) and serves every question
 * about that stop. The target and the heap must outlive it.
 */
struct mx_graph;

MX_API struct mx_error *mx_graph_open(struct mx_target *target, const struct mx_heap *heap,
                                      const struct mx_progress *progress, struct mx_graph **ret);
MX_API void mx_graph_close(struct mx_graph *graph);

struct mx_graph_info {
    uint64_t nodes, edges, roots;
    uint64_t inexact;  /* edges found by conservative scans of unknown C types */
    uint64_t dangling; /* references to memory that is not there: dropped */
    uint64_t memory;   /* bytes that the graph occupies in memext itself */
};
MX_API void mx_graph_info(const struct mx_graph *graph, struct mx_graph_info *ret);

enum mx_direction { MX_REFERENTS, MX_REFERRERS };

enum mx_reference_kind {
    MX_REFERENCE_TRAVERSED, /* counted, and shown to the garbage collector */
    MX_REFERENCE_OWNED,     /* counted, but not shown to it */
    MX_REFERENCE_BORROWED,  /* not counted: weak references, caches */
    MX_REFERENCE_BUFFER,    /* a raw block that belongs to the object */
    MX_REFERENCE_ROOT,      /* from outside the heap: `from` is 0, `name` says from where */
};

struct mx_reference {
    mx_addr from, to; /* objects, or raw blocks */
    uint8_t kind;     /* enum mx_reference_kind */
    bool exact;
    const char *name; /* "['k']", ".parent", "local x in f (app.py:12)"; lives as long as the result */
    uint64_t count;   /* of the references that were folded into this one; else 1 */
};

struct mx_node {
    mx_addr address;
    const char *type; /* "raw block" for buffers; lives as long as the target */
    uint64_t size;
    uint32_t depth;  /* from the start */
    uint64_t hidden; /* references of this node that the width cut off */
    bool repeated;   /* its references are listed where it came first */
    bool is_module;  /* culled: what refers to a module is not followed */
};

struct mx_tree_query {
    mx_addr start;
    enum mx_direction direction;
    unsigned depth; /* 0 = no limit */
    unsigned width; /* references shown of each node; 0 = no limit */
    bool borrowed;  /* include BORROWED ones */
    bool buffers;   /* include raw blocks as nodes */
    bool stop_at_modules;
    bool grouped; /* fold a node's references of one kind, type and form of name: the first of them goes on, `width`
                     counts groups, and the name of a group has [#] for indices and [key] for keys */
};

struct mx_tree;

/* The neighbourhood of an object, breadth first; a node is listed once. ARGUMENT when start is no object: the message
   says what is there (inside an object at an offset, a freed block, a buffer of an object, a C global, unmapped). */
MX_API struct mx_error *mx_tree_open(struct mx_graph *graph, const struct mx_tree_query *query,
                                     const struct mx_progress *progress, struct mx_tree **ret);
MX_API const struct mx_node *mx_tree_nodes(const struct mx_tree *tree, size_t *count);
MX_API const struct mx_reference *mx_tree_references(const struct mx_tree *tree, size_t *count);
MX_API void mx_tree_close(struct mx_tree *tree);

struct mx_path;

/*
 * The `nth` shortest path (0 = the shortest) from a root to an object over counted references. `from` limits the roots
 * to those whose name begins so ("module app"); NULL: any, modules and frames' locals preferred over C globals.
 * NOT_FOUND when nothing reaches it ("unreachable: garbage, or held by C code").
 */
MX_API struct mx_error *mx_path_open(struct mx_graph *graph, mx_addr object, unsigned nth, const char *from,
                                     const struct mx_progress *progress, struct mx_path **ret);
/* From the root's object to the object; each but the first has the reference that leads to it in `references`. */
MX_API const struct mx_node *mx_path_nodes(const struct mx_path *path, size_t *count);
MX_API const struct mx_reference *mx_path_references(const struct mx_path *path, size_t *count); /* [0] is the root's */
/* As Python: "sys.modules['app'].CACHE['k'][3].parent"; NULL when a step has no form in Python. */
MX_API const char *mx_path_expression(const struct mx_path *path);
MX_API void mx_path_close(struct mx_path *path);

/*
 * Resolves a name path (`app.CACHE["k"][3].parent`, `__main__.x`, `sys.modules['app'].y`): the first names are the
 * longest module name that fits, then attributes and subscripts with str, bytes and int keys. NOT_FOUND says what is
 * missing and what is near ("no attribute 'CACH' in module app; did you mean 'CACHE'?").
 */
MX_API struct mx_error *mx_target_resolve(struct mx_target *target, const char *expression, mx_addr *ret);

/*
 * How a name path that is being typed may go on: whole paths up to the end of the next name, sorted ("app.CA":
 * app.CACHE, app.CARDS; "ap": app). Modules and attributes, as far as they are known without counting the heap.
 */
struct mx_names;
MX_API struct mx_error *mx_names_complete(struct mx_target *target, const char *typed, struct mx_names **ret);
MX_API const char *const *mx_names(const struct mx_names *names, size_t *count);
MX_API void mx_names_close(struct mx_names *names);

/* ---- Retained sizes ------------------------------------------------------- */

/*
 * What an object keeps alive: it retains every block that can be reached from the roots by way of it only, itself and
 * its buffers included. Were the last reference to it dropped, that many bytes would be freed.
 *
 *   - An object retains the blocks that it dominates. Two holders of one thing retain it neither; what holds both of
 *     them does.
 *   - Counted references and buffers count, also uncertain ones; weak and borrowed references do not. A word on a C
 *     stack or in C data that looks like a reference is a root: it can make a holder retain less than it does.
 *   - Bytes are those of the allocator's blocks, its rounding included (a str of 50 bytes is 64 in a pool), so that
 *     they add up exactly to the used bytes of pools and chunks (with debug hooks: without what these put before a
 *     chunk's data); static objects, which are in no block, weigh their shallow size.
 *   - Static objects are never freed: each is a root of its own, and nobody retains it.
 *   - What no root leads to (cyclic garbage that was not collected yet, C data that no object is known to own) hangs
 *     on a root of its own, "unreachable".
 *
 * Retained sizes do not add up over holders that hold each other: a module, its dict and the cache in it each retain
 * the cache's contents.
 */
struct mx_retained;

/* The graph must outlive it. Needs 24 bytes a used block meanwhile and keeps 12. */
MX_API struct mx_error *mx_retained_open(struct mx_graph *graph, const struct mx_progress *progress,
                                         struct mx_retained **ret);
MX_API void mx_retained_close(struct mx_retained *retained);

struct mx_retained_info {
    uint64_t total;        /* bytes of all used blocks and static objects */
    uint64_t static_bytes; /* of these, of static objects */
    uint64_t unreachable;  /* of the total, bytes that no root leads to */
    uint64_t unowned;      /* of these, of raw blocks that no object refers to: C data */
    uint64_t blocks, unreachable_blocks;
    uint64_t inexact; /* uncertain references that were followed */
    uint64_t memory;  /* bytes that this handle occupies in memext itself */
};
MX_API void mx_retained_info(const struct mx_retained *retained, struct mx_retained_info *ret);

struct mx_retained_size {
    uint64_t block;    /* bytes of its own block */
    uint64_t owned;    /* bytes of the buffers that belong to it, shared ones included */
    uint64_t retained; /* bytes of all that it keeps alive, both included as far as they are its alone */
};

/* Of the object or buffer at an address; ARGUMENT says what else is there. */
MX_API struct mx_error *mx_retained_of(const struct mx_retained *retained, mx_addr address,
                                       struct mx_retained_size *ret);

enum mx_retained_by {
    MX_RETAINED_BY_OBJECT, /* every object */
    MX_RETAINED_BY_TYPE,   /* what the instances of a type retain, those inside other instances of it once */
    MX_RETAINED_BY_MODULE, /* the same for all types that a module defines */
    MX_RETAINED_BY_ROOT,   /* what each root holds: rows add up to the total */
};

struct mx_retained_query {
    enum mx_retained_by by;
    mx_addr within; /* BY_OBJECT only: the objects and buffers that this object retains directly; 0: all objects */
    size_t limit;   /* 0 = all */
};

struct mx_retained_row {
    mx_addr address;   /* of the object; BY_ROOT: of the first object that the root holds; else 0 */
    const char *name;  /* of its type, of the type, of the module, of the root; lives as long as the table */
    uint64_t retained; /* bytes */
    uint64_t size;     /* shallow bytes: of the object, of all instances, of the objects counted */
    double share;      /* of the total, 0 to 1 */
    uint64_t count;    /* objects: 1, instances, objects that the root holds */
};

struct mx_retained_table;

/* By falling retained bytes. */
MX_API struct mx_error *mx_retained_table_open(struct mx_retained *retained, const struct mx_retained_query *query,
                                               const struct mx_progress *progress, struct mx_retained_table **ret);
/* The rows within the limit; *total is how many there are without it. */
MX_API const struct mx_retained_row *mx_retained_rows(const struct mx_retained_table *table, size_t *count,
                                                      uint64_t *total);
MX_API void mx_retained_table_close(struct mx_retained_table *table);

/* ---- The outline: the dominator tree, cut to what a reader can see --------- */

struct mx_outline_query {
    mx_addr within;              /* begin at this object; 0: at the heap's root */
    uint64_t least;              /* bytes: what retains less is put together by type into one node a parent; where
                                    that leaves too many, memext takes more */
    size_t nodes;                /* at most so many; the smallest go first, into their parents' rests; 0 = 20,000 */
    const struct mx_heap *since; /* weigh only blocks that this earlier heap of the same process does not have */
};

/* One object, or several siblings of one type, or the rest of a parent. */
struct mx_outline_node {
    uint32_t parent;   /* index; of the first node, itself. Parents come before their children */
    uint32_t count;    /* objects and buffers put together; 1: `address` says which; of roots: held directly */
    mx_addr address;   /* 0 for several, for roots and for rests */
    const char *type;  /* "raw block" for buffers, the root's label for roots, "heap" for the first, "rest" */
    const char *name;  /* of the reference from the parent: ".CACHE", "['k']"; below roots of the last step of the
                          shortest  way there; "" when several are put together or no reference is direct */
    uint64_t own;      /* bytes of its blocks; of what is put together also of all that these hold */
    uint64_t retained; /* own and all children's retained, exactly */
};

struct mx_outline;

/* The first node is the heap's root, or `within`; below the root, one node a root label (as MX_RETAINED_BY_ROOT). */
MX_API struct mx_error *mx_outline_open(struct mx_retained *retained, const struct mx_outline_query *query,
                                        const struct mx_progress *progress, struct mx_outline **ret);
MX_API const struct mx_outline_node *mx_outline_nodes(const struct mx_outline *outline, size_t *count);
MX_API void mx_outline_close(struct mx_outline *outline);

/* ---- Suspects: the few holders that explain most ---------------------------- */

enum mx_cause {
    MX_CAUSE_MODULE_GLOBAL,
    MX_CAUSE_CLASS_ATTRIBUTE,
    MX_CAUSE_MEMOIZATION, /* functools.lru_cache and cache; a dict in a default argument, closure or attribute of a
                             function */
    MX_CAUSE_FRAME_LOCAL,
    MX_CAUSE_THREAD_LOCAL,
    MX_CAUSE_EXCEPTION, /* a traceback's frames */
    MX_CAUSE_GENERATOR, /* also coroutines that are suspended */
    MX_CAUSE_TEST_FRAMEWORK,
    MX_CAUSE_EXTENSION_MODULE, /* state of a C extension, or a C global */
    MX_CAUSE_GARBAGE,          /* unreachable cycles */
    MX_CAUSE_OTHER,
};

struct mx_suspects_query {
    const struct mx_heap *since;        /* an earlier stop of this process: explain what is new since then */
    struct mx_retained *since_retained; /* another process of the same program: explain what holders have more of */
    double least_share;                 /* of what is to be explained; 0 = 0.01 */
    size_t limit;                       /* 0 = all */
};

struct mx_suspect {
    mx_addr address;  /* of the holder; 0 for what nothing reaches: garbage, C data, objects that only C code holds */
    const char *type; /* of the holder; "" without an address */
    const char *path; /* as an expression, or the names of the steps; "" when nothing leads there */
    bool is_expression;
    enum mx_cause cause;
    const char *why;   /* the cause in words: "functools.lru_cache of app.load", "argument default `cache` of app.f",
                          "local `rows` of app.main (app.py:12) in thread 3" */
    uint64_t retained; /* bytes: its own, and of what others hold too but are farther from a root; with a `since`: of
                          what is new, or how much more it is */
    uint64_t alone;    /* of these, what would be freed with it; with a `since` the same as `retained` */
    double share;      /* of what is to be explained, 0 to 1; more where others shrank */
    const char *holds_type; /* what most of the bytes directly below are: type, how many, their retained bytes */
    uint64_t holds_count, holds_bytes;
    mx_addr example;          /* one of them; 0 when none */
    const char *example_path; /* its name below the holder: "['k']", "[3]"; "" when unknown */
    const char *next;         /* the command to type next: "py-refs app.CACHE -depth 2" */
};

struct mx_suspects;

/* By falling bytes. No suspect is inside another: bytes are counted once. */
MX_API struct mx_error *mx_suspects_open(struct mx_retained *retained, const struct mx_suspects_query *query,
                                         const struct mx_progress *progress, struct mx_suspects **ret);
/* *total: bytes to be explained: the heap's, or the growth. */
MX_API const struct mx_suspect *mx_suspects_rows(const struct mx_suspects *suspects, size_t *count, uint64_t *total);
MX_API void mx_suspects_close(struct mx_suspects *suspects);

/* "module-global" and so on: the words of JSON. */
MX_API const char *mx_cause_name(enum mx_cause cause);

/* ---- Waste ------------------------------------------------------------------ */

enum mx_waste_kind {
    MX_WASTE_STRINGS,    /* equal str objects; one row a value */
    MX_WASTE_BYTES,      /* equal bytes objects; one row a value */
    MX_WASTE_LISTS,      /* items allocated and not used; one row for all lists, then the largest ones */
    MX_WASTE_DICTS,      /* tables larger than their entries need: one row for all, then the largest ones */
    MX_WASTE_SETS,       /* the same */
    MX_WASTE_EMPTY_DICTS /* instance dicts without entries; one row a type of instance */
};

struct mx_waste_row {
    enum mx_waste_kind kind;
    mx_addr example;    /* one of the objects; 0 for a kind's sum */
    const char *value;  /* the value in short (of containers with how full they are), the type, or "" for a sum */
    uint64_t count;     /* objects */
    uint64_t bytes;     /* what they take */
    uint64_t wasted;    /* what would be saved: all but one of equal ones; what is allocated and not used */
    const char *holder; /* who holds most of them: "app.Order.currency", "keys of dict"; "" when no graph was given, and
                           behind the first 200 rows of a kind */
};

struct mx_waste_query {
    size_t limit;   /* rows a kind, sums not among them; 0 = all that waste anything */
    uint64_t least; /* bytes wasted: rows below are left out of the rows, not of the totals */
};

struct mx_waste;

/* `graph` may be NULL: then nobody is named as holder. */
MX_API struct mx_error *mx_waste_open(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph,
                                      const struct mx_waste_query *query, const struct mx_progress *progress,
                                      struct mx_waste **ret);
/* By kind, and by falling waste within; *total: bytes wasted over all kinds, rows that were left out included. */
MX_API const struct mx_waste_row *mx_waste_rows(const struct mx_waste *waste, size_t *count, uint64_t *total);
MX_API uint64_t mx_waste_of_kind(const struct mx_waste *waste, enum mx_waste_kind kind, uint64_t *count);
MX_API void mx_waste_close(struct mx_waste *waste);

/* ---- Reference counts: audited ------------------------------------------------ */

/*
 * An object whose ob_refcnt exceeds the references that memext found is kept alive by a reference that nobody holds: a
 * C extension forgot to drop one. Objects that the interpreter does not count (immortal ones, since 3.12) and static
 * ones are not audited. What may be a reference and may be none (a word on a C stack, in C data, in an unknown struct)
 * explains a surplus; a row is listed when some of it stays unexplained.
 */
struct mx_audit;

struct mx_audit_query {
    const char *type;            /* only objects of this type, by exact name; NULL: all */
    bool deficits;               /* the reverse: fewer counted than found, the sign of a missing Py_INCREF */
    const struct mx_heap *since; /* only objects that this earlier heap of the same process does not have; NULL: all */
};

struct mx_audit_row {
    mx_addr address;
    const char *type;   /* lives as long as the target */
    int64_t refcount;   /* ob_refcnt */
    uint64_t found;     /* counted references that were found */
    uint64_t explained; /* words elsewhere that may be further ones */
};

/* Of all objects, whatever the query asks for. */
struct mx_audit_info {
    uint64_t objects;   /* that were audited */
    uint64_t exact;     /* refcount and found are equal */
    uint64_t explained; /* the surplus is, by words that may be references */
    uint64_t surplus;   /* it is not */
    uint64_t deficit;
    uint64_t uncounted; /* immortal and static objects, not audited */
};

MX_API struct mx_error *mx_audit_open(struct mx_graph *graph, const struct mx_audit_query *query,
                                      const struct mx_progress *progress, struct mx_audit **ret);
/* By falling difference, then by type and address. */
MX_API const struct mx_audit_row *mx_audit_rows(const struct mx_audit *audit, size_t *count);
MX_API void mx_audit_info(const struct mx_audit *audit, struct mx_audit_info *ret);
MX_API void mx_audit_close(struct mx_audit *audit);

/* ---- Verifying: does the target keep CPython's own invariants? ------------------ */

/*
 * What must hold in every process that is healthy and read rightly: lists close in both directions, counts agree with
 * what they count, references lead to objects. What fails is damage in the target, or memext misreading it: either way
 * its answers are not to be trusted there. "refcounts" also fails where an extension loses references.
 */
struct mx_verification;

struct mx_check {
    const char *name; /* "gc-lists", "gc-objects", "pools", "chunks", "types", "objects", "sizes", "references",
                         "directions", "refcounts" */
    const char *what; /* what must hold, in a sentence */
    const char *unit; /* what is checked: "objects", "pools" */
    uint64_t checked, failed;
    mx_addr example; /* of what failed; 0 when nothing did, or it has no address */
    const char *why; /* what is wrong with the example; "" when there is none */
};

struct mx_verification_info {
    uint64_t checked, failed; /* sums */
    double exact;             /* share of audited objects whose reference count was found exactly, 0 to 1 */
};

MX_API struct mx_error *mx_verification_open(struct mx_graph *graph, const struct mx_progress *progress,
                                             struct mx_verification **ret);
/* Always all of them, in this order; what the target does not have (pools without pymalloc) is checked 0 times. */
MX_API const struct mx_check *mx_verification_checks(const struct mx_verification *verification, size_t *count);
MX_API void mx_verification_info(const struct mx_verification *verification, struct mx_verification_info *ret);
MX_API void mx_verification_close(struct mx_verification *verification);

/* ---- Lost memory: what C code forgot to free ----------------------------------- */

/*
 * Blocks of malloc's and pymalloc's that are no Python objects, and that no address leads to any more: not from
 * objects, modules' data, threads' and libraries' pages, nor from blocks that these lead to.
 */
struct mx_leaks;

enum mx_leak_class {
    MX_LEAK_DEFINITE, /* no address anywhere */
    MX_LEAK_INDIRECT, /* only lost blocks lead to it */
    MX_LEAK_POSSIBLE, /* only a word on a C stack, or an odd address, leads to it; or a block that is so itself */
};

struct mx_leaks_query {
    const struct mx_heap *since; /* only blocks that this earlier heap of the same process does not have; NULL: all */
};

/* Blocks of one class, one size and like content. */
struct mx_leak_row {
    enum mx_leak_class class;
    uint64_t size;       /* of each, as the allocator gave it */
    uint64_t count;      /* blocks */
    uint64_t bytes;      /* of all of them */
    uint64_t held_count; /* blocks that only these lead to: INDIRECT rows have them too */
    uint64_t held_bytes;
    const char *content; /* the first words: "code of faulty.so+0x11a9, block, 'node 7'" */
    const char *module;  /* path of the library whose code or data the content leads to; "" when none */
    mx_addr example;     /* one of the blocks */
    const char *place;   /* POSSIBLE: where a word stands that leads to the example, "" when only blocks do */
};

struct mx_leaks_info {
    uint64_t blocks, bytes; /* raw blocks in all */
    uint64_t definite_blocks, definite_bytes;
    uint64_t indirect_blocks, indirect_bytes;
    uint64_t possible_blocks, possible_bytes;
};

MX_API struct mx_error *mx_leaks_open(struct mx_graph *graph, const struct mx_leaks_query *query,
                                      const struct mx_progress *progress, struct mx_leaks **ret);
/* By class, and by falling bytes with what they hold. */
MX_API const struct mx_leak_row *mx_leaks_rows(const struct mx_leaks *leaks, size_t *count);
MX_API void mx_leaks_info(const struct mx_leaks *leaks, struct mx_leaks_info *ret);
MX_API void mx_leaks_close(struct mx_leaks *leaks);

/* ---- The ledger: where every byte of the process is ----------------------------- */

/*
 * The whole address space, cut where its owners change: every byte belongs to one row, so that the rows add up to the
 * total, and the total to what the kernel says.
 *
 *   - Resident are the pages in RAM; their sum is that of Rss in smaps. A core does not tell what was in RAM: there it
 *     is the bytes that the core holds.
 *   - A row's kind is a path from general to particular:
 *       python/objects/TYPE       blocks of objects, in pools and in malloc's memory (static objects: modules/.../data)
 *       python/buffers/OWNER      tables, items and values that belong to objects of that sort ("dict", "ndarray")
 *       python/raw/HOLDER         other blocks of pools: what C code allocated there
 *       python/data-stacks        frames of running functions (3.11+)
 *       pymalloc/...              free-blocks, free-pools, pool-headers, pool-tails, arena-alignment
 *       malloc/used/HOLDER        chunks that no object is known to own: C data
 *       malloc/mapped/HOLDER      such chunks, mapped one by one from the system; HOLDER is the first of these from
 *                                 which addresses lead there: "objects" of Python's, "globals" (of C, threads'
 *                                 variables, pages that C code mapped), "stacks" of C, or "nobody"
 *       malloc/free/...           bins, tcache, fastbins, top
 *       mimalloc/...              free-blocks, free-slices, headers (free-threaded builds, PYTHONMALLOC=mimalloc)
 *       malloc/...                overhead (headers, arenas' own), not-walked (broken chunks), reserved
 *       stacks/...                used (from the stack pointer up), unused, thread-blocks
 *       modules/NAME/...          text, read-only, data, bss, reserved
 *       untouched/...             arenas, stacks: of a core, pages of malloc/reserved and stacks/unused that are zeros;
 *                                 GDB and the kernel write them, though the process mostly never had them
 *       files/NAME, shared/NAME, kernel/NAME, reserved/no-access
 *       other/...                 anonymous, executable: memory that nobody is known to own
 *   - An object's bytes are its block's (see "Retained sizes").
 */
struct mx_ledger;

struct mx_ledger_row {
    const char *kind; /* lives as long as the ledger */
    uint64_t resident, virtual_bytes;
    uint64_t count; /* objects, blocks, chunks, pools, mappings */
};

enum mx_ledger_part {
    MX_LEDGER_TOTAL,
    MX_LEDGER_PYMALLOC,  /* its arenas */
    MX_LEDGER_MALLOC,    /* what glibc's arenas have from the system (mallinfo2: arena) */
    MX_LEDGER_MAPPED,    /* chunks that it mapped one by one (mallinfo2: hblkhd) */
    MX_LEDGER_TRIMMABLE, /* of what is free in malloc, pages that malloc_trim(0) gives back */
    MX_LEDGER_PARTS,
};

/* What a figure of the process is worth. */
enum mx_known {
    MX_KNOWN_NOT,      /* a core does not tell */
    MX_KNOWN_AT_LEAST, /* what the core names; there may be more */
    MX_KNOWN_EXACTLY,
};

/* By psutil's names: rss, vms, shared, text, data, uss, pss, swap. */
struct mx_ledger_figure {
    const char *name;
    uint64_t bytes;
    enum mx_known known;
};

MX_API struct mx_error *mx_ledger_open(struct mx_target *target, const struct mx_heap *heap,
                                       const struct mx_progress *progress, struct mx_ledger **ret);
/* By falling resident bytes, then by falling virtual ones. */
MX_API const struct mx_ledger_row *mx_ledger_rows(const struct mx_ledger *ledger, size_t *count);
/* Sums over rows; kind is NULL. They overlap: objects are in pymalloc's memory as well as in malloc's. */
MX_API void mx_ledger_part(const struct mx_ledger *ledger, enum mx_ledger_part part, struct mx_ledger_row *ret);
MX_API const struct mx_ledger_figure *mx_ledger_figures(const struct mx_ledger *ledger, size_t *count);
/* Of the resident total, bytes whose place within their mapping the kernel did not tell. */
MX_API uint64_t mx_ledger_guessed(const struct mx_ledger *ledger);
MX_API void mx_ledger_close(struct mx_ledger *ledger);

/* ---- Arenas: pymalloc -------------------------------------------------------------- */

/*
 * pymalloc goes back to the system an arena at a time, once no block in it is used: a few objects keep all of it.
 */
struct mx_pymalloc;

struct mx_pymalloc_arena {
    mx_addr address;
    uint64_t bytes;
    uint32_t pools, used_pools, unused_pools; /* that fit in; with blocks in use; that were never used yet */
    uint64_t used_blocks, used_bytes;
    uint64_t free_bytes; /* free blocks of used pools */
    bool nearly_empty;   /* kept by few: it was filled once, and at most a tenth of it is used */
    const char *type;    /* that takes most of what is used, "raw block" for blocks of C data; "" when none */
    uint64_t type_count, type_bytes;
    mx_addr example; /* one of them */
};

/* What keeps the nearly empty arenas: one row a type of blocks in them. */
struct mx_pymalloc_keeper {
    const char *type;
    uint64_t arenas; /* nearly empty ones that it has blocks in */
    uint64_t alone;  /* of these, nothing else is in: they would go with it */
    uint64_t count, bytes;
    mx_addr example;
};

/* The bytes from `used_bytes` to `missing_bytes` add up to `arena_bytes`; as sys._debugmallocstats() has them. */
struct mx_pymalloc_info {
    uint64_t arenas, arena_bytes;
    uint64_t used_bytes, free_bytes; /* blocks of pools in use */
    uint64_t free_pool_bytes;
    uint64_t header_bytes, tail_bytes, alignment_bytes;
    uint64_t missing_bytes; /* pools that a core lacks */
    uint64_t used_blocks, free_blocks, used_pools, free_pools;
    uint64_t nearly_empty, nearly_empty_bytes, nearly_empty_used;
    bool
        from_table; /* false: the interpreter's table of arenas was not found, so they are runs of pools that look so */
};

MX_API struct mx_error *mx_pymalloc_open(struct mx_target *target, const struct mx_heap *heap,
                                         const struct mx_progress *progress, struct mx_pymalloc **ret);
/* By address. */
MX_API const struct mx_pymalloc_arena *mx_pymalloc_arenas(const struct mx_pymalloc *pymalloc, size_t *count);
/* By falling number of arenas, then of bytes. */
MX_API const struct mx_pymalloc_keeper *mx_pymalloc_keepers(const struct mx_pymalloc *pymalloc, size_t *count);
MX_API void mx_pymalloc_info(const struct mx_pymalloc *pymalloc, struct mx_pymalloc_info *ret);
MX_API void mx_pymalloc_close(struct mx_pymalloc *pymalloc);

/* ---- malloc: glibc's arenas ----------------------------------------------------------- */

/*
 * Chunks count with their headers, as in mallinfo2(3) and malloc_info(3). These call chunks of tcache used. Other
 * allocators are known by name, but not walked: then there are no arenas.
 */
struct mx_malloc;

struct mx_malloc_arena {
    mx_addr address;  /* of its struct; 0 when that is lost */
    bool main;        /* the first one, whose memory is mostly brk's */
    uint64_t threads; /* that are attached to it: 0 when those that used it have ended */
    uint64_t heaps;   /* stretches of memory */
    uint64_t system;  /* bytes that it has from the system: the sum of those that follow */
    uint64_t used, free, tcache, fast, top;
    uint64_t other; /* malloc's own structs, and what could not be walked */
    uint64_t used_chunks, free_chunks, tcache_chunks, fast_chunks;
    uint64_t largest_free; /* bytes of the largest chunk in its bins; top is not in them */
    uint64_t whole_pages;  /* in chunks of its bins, in bytes */
    uint64_t absent;       /* of these and of top's, what is not in RAM now: free memory that costs nothing */
    uint64_t returnable;   /* the others, as far as malloc_trim(3) would give them back */
};

struct mx_malloc_info {
    const char *name;                                     /* "glibc 2.36", "musl (not walked)" */
    uint64_t mapped_chunks, mapped_bytes, largest_mapped; /* mapped one by one; used, all of them */
    uint64_t broken;                                      /* places where chunks or heaps made no sense */
    bool knows_resident; /* false: a core, or the kernel did not tell: nothing is known to be absent */
};

MX_API struct mx_error *mx_malloc_open(struct mx_target *target, const struct mx_progress *progress,
                                       struct mx_malloc **ret);
/* The main one first, the others as malloc has linked them. */
MX_API const struct mx_malloc_arena *mx_malloc_arenas(const struct mx_malloc *report, size_t *count);
MX_API void mx_malloc_info(const struct mx_malloc *report, struct mx_malloc_info *ret);
MX_API void mx_malloc_close(struct mx_malloc *report);

/* ---- Stacks: what every thread is at ------------------------------------------- */

struct mx_stacks;

struct mx_stacks_query {
    size_t frames; /* of each thread, the innermost ones; 0 = all */
    bool locals;
};

struct mx_stack_local {
    const char *name;
    mx_addr object;   /* those that are not set are left out */
    const char *type; /* "?" when the object cannot be read; lives as long as the target */
    uint64_t size;    /* as sys.getsizeof */
};

struct mx_stack_frame {
    const char *function; /* its qualified name; before 3.11, its name */
    const char *file;     /* as the interpreter has it: mostly a whole path */
    uint32_t line;
    mx_addr code;
    size_t local_count;
    const struct mx_stack_local *locals;
};

struct mx_stack {
    mx_addr thread;      /* address of its PyThreadState */
    int64_t interpreter; /* id */
    uint64_t thread_id;  /* pthread_self() */
    uint64_t native_id;  /* Linux TID, 0 when unknown */
    bool holds_gil;
    mx_addr raised;  /* the exception that is on its way up (to 3.11 its type); 0 = none */
    mx_addr handled; /* the exception that an except clause is at work on; 0 = none */
    size_t frame_count;
    const struct mx_stack_frame *frames; /* innermost first */
    uint64_t hidden;                     /* frames that the query cut off */
};

/* The Python frames of every thread of every interpreter; needs no heap. */
MX_API struct mx_error *mx_stacks_open(struct mx_target *target, const struct mx_stacks_query *query,
                                       struct mx_stacks **ret);
MX_API const struct mx_stack *mx_stacks_threads(const struct mx_stacks *stacks, size_t *count);
MX_API void mx_stacks_close(struct mx_stacks *stacks);

/* ---- Functions: where their code stands ------------------------------------------ */

struct mx_functions;

struct mx_function {
    const char *name;   /* the qualified one where `is_qualified`, else as in its `def` */
    const char *module; /* "" when unknown */
    const char *file;   /* as the interpreter has it */
    uint32_t line;      /* of the `def`, or of its first decorator */
    bool is_qualified;
    mx_addr code;  /* the code object, which all functions of one `def` share */
    mx_addr entry; /* of its first code unit: each call reads it once, before anything else of the function */
};

/* Every function that there is code of, methods, lambdas and inner functions included; by file and line. */
MX_API struct mx_error *mx_functions_of_heap(struct mx_target *target, const struct mx_heap *heap,
                                             const struct mx_progress *progress, struct mx_functions **ret);

/* Those in the code object of a module that is about to run, with its namespace (0: unknown); a function's own, too. */
MX_API struct mx_error *mx_functions_of_code(struct mx_target *target, mx_addr code, mx_addr globals,
                                             struct mx_functions **ret);
MX_API const struct mx_function *mx_functions_rows(const struct mx_functions *functions, size_t *count);
MX_API void mx_functions_close(struct mx_functions *functions);

/*
 * The process ran on and stands again: forgets the memory that was read. Much cheaper than to open it anew, and for
 * mx_functions_of_code(), mx_target_resolve() and mx_target_usage() only: types and the system's threads are still
 * those of before. *ret_same: false when it has other files mapped than then; it is to be opened anew.
 */
MX_API struct mx_error *mx_target_reread(struct mx_target *target, bool *ret_same);

/* ---- Handing over: sources of SQL and of exports ----------------------------- */

/* What a question may draw on; `graph` and `retained` may be NULL where they are not needed. */
struct mx_sources {
    struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_graph *graph;
    struct mx_retained *retained;
};

enum mx_needs { MX_NEEDS_GRAPH = 1, MX_NEEDS_RETAINED = 2 };

/*
 * SQL over the heap, read-only: tables objects, refs, types, roots, blocks, regions and strings (docs/sql.md). They are
 * read where they are; nothing is copied into a database.
 */
struct mx_sql;

/* Checks a statement without running it; *needs (enum mx_needs) says what its sources must have. ARGUMENT: not SQL, or
   not reading only; the message says where. */
MX_API struct mx_error *mx_sql_check(const char *statement, unsigned *needs);

/* Begins to run it. */
MX_API struct mx_error *mx_sql_open(const struct mx_sources *sources, const char *statement,
                                    const struct mx_progress *progress, struct mx_sql **ret);

enum mx_sql_type {
    MX_SQL_NULL,
    MX_SQL_INTEGER,
    MX_SQL_REAL,
    MX_SQL_TEXT,
    MX_SQL_ADDRESS /* integer of a column of addresses */
};

struct mx_sql_value {
    enum mx_sql_type type;
    int64_t integer;
    double real;
    const char *text; /* lives until the next row */
    size_t length;
};

MX_API size_t mx_sql_columns(const struct mx_sql *sql, const char *const **names);

/* The next row, mx_sql_columns() values; *ret is NULL behind the last. */
MX_API struct mx_error *mx_sql_next(struct mx_sql *sql, const struct mx_sql_value **ret);
MX_API void mx_sql_close(struct mx_sql *sql);

enum mx_export_format {
    MX_EXPORT_HEAPSNAPSHOT, /* V8's: Chrome DevTools, memlab. Needs graph and retained */
    MX_EXPORT_SQLITE,       /* the tables of mx_sql_open() as a database file. Needs both */
    MX_EXPORT_DOT,          /* the objects that retain most and what leads to them. Needs both */
    MX_EXPORT_JSON_LINES,   /* one node or edge a line. Needs both */
    MX_EXPORT_COLLAPSED,    /* folded stacks of the dominator tree by bytes. Needs both */
};

struct mx_export_info {
    uint64_t nodes, edges; /* written */
    uint64_t bytes;        /* of the file */
};

/* Writes `path`; on failure no file is left there, and one that was there before stays. */
MX_API struct mx_error *mx_export(const struct mx_sources *sources, enum mx_export_format format, const char *path,
                                  const struct mx_progress *progress, struct mx_export_info *ret);

/* ---- Saved targets ------------------------------------------------------------ */

/*
 * A saved target is what memext's answers need of a target's memory, without what only fills it (freed blocks, the
 * middle of long texts, numbers in large buffers), compressed, with the interpreter's facts: it opens without the core
 * and without the program's files, and every command answers from it as from the target.
 */
struct mx_save_info {
    uint64_t bytes;  /* of the file */
    uint64_t memory; /* of the target that it stands for */
};

/* Writes `path`; on failure no file is left there, and one that was there before stays. */
MX_API struct mx_error *mx_target_save(struct mx_target *target, const struct mx_heap *heap, const char *path,
                                       const struct mx_progress *progress, struct mx_save_info *ret);

/* Opens what mx_target_save() wrote; mx_target_info() says kind "saved". BAD_DATA: damaged (checksums), UNSUPPORTED:
   written by a newer memext. */
MX_API struct mx_error *mx_target_open_saved(const char *path, const struct mx_target_options *options,
                                             struct mx_target **ret);

#ifdef __cplusplus
}
#endif

#endif
