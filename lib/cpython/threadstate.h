/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread is at, beside its frames: the GIL and exceptions.
 */
#ifndef MX_CPYTHON_THREADSTATE_H
#define MX_CPYTHON_THREADSTATE_H

#include "cpython/type.h"

/*
 * Whether the thread (index in the runtime's list) holds the GIL of its interpreter: to 3.11 it is then the current
 * thread of the process, since 3.12 the GIL is locked and names it. (CPython Python/ceval_gil.c)
 */
bool mx_thread_holds_gil(const struct mx_runtime *runtime, size_t thread);

/* The exception that is on its way up the stack, or (to 3.11) its type; 0 = none. */
mx_addr mx_thread_raised(const struct mx_runtime *runtime, size_t thread);

/* The exception that an `except` or `finally` is at work on, what sys.exc_info() gives; 0 = none. */
mx_addr mx_thread_handled(const struct mx_types *types, size_t thread);

#endif
