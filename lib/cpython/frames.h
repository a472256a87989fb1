/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions that threads are running: which code, which line, which locals.
 * (CPython Include/internal/pycore_frame.h, Objects/frameobject.c, Objects/codeobject.c)
 */
#ifndef MX_CPYTHON_FRAMES_H
#define MX_CPYTHON_FRAMES_H

#include "cpython/type.h"

struct mx_frame {
    mx_addr address;      /* of a PyFrameObject (up to 3.10) or of a _PyInterpreterFrame */
    mx_addr code;         /* a code object */
    mx_addr locals;       /* of the first local's word; cells and free variables follow, then the value stack */
    uint32_t local_count; /* words with a name */
    uint32_t stack_count; /* words of the value stack behind them */
    bool stack_exact;     /* false: the frame is executing, some of these words are stale */
    bool owns;            /* the references are the frame's own, not those of a frame object or a generator */
    int64_t offset;       /* of the current instruction in the code, in bytes; -1 = not started */
};

/* Reads one frame; false when there is none there, or only a shim between C and Python. */
bool mx_frame_read(const struct mx_types *types, mx_addr address, struct mx_frame *ret);

typedef bool (*mx_frame_visit)(void *context, const struct mx_frame *frame);

/* The frames of a thread (index in the runtime's list), innermost first; false stops. */
void mx_frames_each(const struct mx_types *types, size_t thread, mx_frame_visit visit, void *context);

/* The chunks that threads' frames stand in (3.11+): from their headers to their ends; false stops.
   (CPython Include/cpython/pystate.h: struct _stack_chunk) */
typedef bool (*mx_stack_chunk_visit)(void *context, mx_addr start, mx_addr end);
void mx_stack_chunks_each(const struct mx_runtime *runtime, mx_stack_chunk_visit visit, void *context);

/* The str object that names a local, or 0; and its value, or 0 when it is not set. */
mx_addr mx_frame_local_name(const struct mx_types *types, const struct mx_frame *frame, uint32_t index);
mx_addr mx_frame_word(const struct mx_types *types, const struct mx_frame *frame, uint32_t index);

/* The value of a local as Python sees it: what is in the cell of one that an inner function shares; 0 = not set. */
mx_addr mx_frame_value(const struct mx_types *types, const struct mx_frame *frame, uint32_t index);

/* The function object, and the namespace of a class or module body; 0 when there is none. 3.11+ alone has the first. */
mx_addr mx_frame_function(const struct mx_types *types, const struct mx_frame *frame);
mx_addr mx_frame_namespace(const struct mx_types *types, const struct mx_frame *frame);

/* The line that a frame is in; the first line of its code when the line table does not say. */
uint32_t mx_frame_line(const struct mx_types *types, const struct mx_frame *frame);

/* "f (app.py:12)" */
void mx_frame_title(const struct mx_types *types, const struct mx_frame *frame, char *buffer, size_t size);

#endif
