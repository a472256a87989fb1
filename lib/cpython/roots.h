/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps objects alive from outside the heap, with names: interpreters'
 * and threads' state, running frames, modules, static objects, C globals.
 */
#ifndef MX_CPYTHON_ROOTS_H
#define MX_CPYTHON_ROOTS_H

#include "cpython/referents.h"
#include "memory/thread.h"

enum mx_root_kind {
    MX_ROOT_MODULE,      /* an entry of sys.modules: `object` is the module, `detail` its name, a str */
    MX_ROOT_LOCAL,       /* a local of a running frame: "local x in f (app.py:12), thread 12345" */
    MX_ROOT_FRAME,       /* what else a running frame holds: its function, its namespace, values on its stack */
    MX_ROOT_INTERPRETER, /* a field of the interpreter's state: "interpreter 0: sys.modules" */
    MX_ROOT_THREAD,      /* a field of a thread's state: "thread 12345: exception" */
    MX_ROOT_STATIC_TYPE, /* a static type object */
    MX_ROOT_C_GLOBAL,    /* a word in a module's writable data: "C global in libfoo.so+0x1234" */
    MX_ROOT_C_STACK,     /* a word on a thread's stack above its stack pointer */
    MX_ROOT_CACHE,       /* what the type cache found last: uncounted; its names are INTERPRETER or C_GLOBAL */
};

struct mx_root {
    mx_addr object;
    uint8_t kind;    /* enum mx_root_kind */
    bool counted;    /* the reference is in the object's refcount, and no object of the heap accounts for it */
    bool exact;      /* false: a word that looks like a reference (C globals, stack slots) */
    mx_addr place;   /* address of the word that holds the reference; of the frame for LOCAL and FRAME */
    uint64_t detail; /* for naming: key, index of thread or interpreter (and MX_IN_TYPE_CACHE), index of the local; of a
                        C global: whether it is the interpreter's own */
};

#define MX_IN_TYPE_CACHE (UINT64_C(1) << 32)

typedef bool (*mx_root_visit)(void *context, const struct mx_root *root);

/*
 * All roots: modules first, then locals of running frames, then the rest; words on C stacks and C globals last. A word
 * may come twice, first exact and named, then as a mere word. `threads` may be NULL.
 */
void mx_roots_each(const struct mx_referents *referents, const struct mx_threads *threads, mx_root_visit visit,
                   void *context);

/* Where the words that count as a thread's C stack end: from its stack pointer up. 0 when the stack is not known,
 * or not there. */
mx_addr mx_roots_stack_end(const struct mx_memory *memory, const struct mx_thread *thread);

/* "module app", "local x in f (app.py:12), thread 12345", ...; as an expression (sys.modules['app']) where there is
 * one. */
bool mx_root_name(const struct mx_types *types, const struct mx_root *root, enum mx_edge_style style, char *buffer,
                  size_t size);

#endif
