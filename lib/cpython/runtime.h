/* SPDX-License-Identifier: Apache-2.0
 *
 * A CPython found in a target: its version, layout, interpreters and threads.
 */
#ifndef MX_CPYTHON_RUNTIME_H
#define MX_CPYTHON_RUNTIME_H

#include "cpython/layout.h"
#include "memory/memory.h"
#include "memory/module.h"

struct mx_interpreter {
    mx_addr address; /* of its PyInterpreterState */
    int64_t id;      /* 0 = main */
    uint32_t thread_count;
};

struct mx_python_thread {
    mx_addr address;      /* of its PyThreadState */
    uint32_t interpreter; /* index */
    uint64_t thread_id;   /* pthread_self() */
    uint64_t native_id;   /* Linux TID; 0 before 3.11 */
};

enum mx_object_allocator {
    MX_ALLOCATOR_PYMALLOC,
    MX_ALLOCATOR_MALLOC,   /* PYTHONMALLOC=malloc */
    MX_ALLOCATOR_MIMALLOC, /* free-threaded; PYTHONMALLOC=mimalloc */
};

struct mx_runtime {
    const struct mx_memory *memory;
    const struct mx_modules *modules;
    struct mx_layout layout;
    mx_addr address;                /* of _PyRuntime; 0 when it is not in the core (then interpreters are empty) */
    const struct mx_module *module; /* that defines it: libpython or the executable */
    char version[48];               /* "3.11.2" */
    MX_ARRAY(struct mx_interpreter) interpreters; /* main first */
    MX_ARRAY(struct mx_python_thread) threads;
    MX_ARRAY(mx_addr) obmalloc_states; /* 3.12+: usedpools of each distinct obmalloc state; empty where unknown */
    enum mx_object_allocator allocator;
    uint32_t block_padding;    /* bytes before each object's block that debug hooks add: 0 or 16 */
    MX_ARRAY(char *) warnings; /* sentences: what could not be verified and why */
};

/*
 * Finds the runtime. NOT_FOUND when the target has no CPython ("no Python in this process"), UNSUPPORTED outside the
 * supported range, BAD_DATA when a layout was chosen but the target contradicts it (the message names the field and
 * both values). `debug_folder` as for mx_dwarf_open().
 */
struct mx_error *mx_runtime_open(const struct mx_memory *memory, const struct mx_modules *modules,
                                 const char *debug_folder, struct mx_runtime *ret);

/* The same for a target without files; `measured` is its layout where that was measured from DWARF, else NULL. */
struct mx_error *mx_runtime_open_saved(const struct mx_memory *memory, const struct mx_modules *modules,
                                       const struct mx_layout *measured, struct mx_runtime *ret);

/* The process ran on: lists its interpreters and threads anew. */
struct mx_error *mx_runtime_reread(struct mx_runtime *runtime);
void mx_runtime_close(struct mx_runtime *runtime);

/* The address of an exported object of the interpreter ("PyType_Type"), 0 when unknown. */
mx_addr mx_runtime_symbol(const struct mx_runtime *runtime, const char *name);

#endif
