/* SPDX-License-Identifier: Apache-2.0
 *
 * Long work: progress, cancelling, and worker threads.
 *
 * A pass is handed a `struct mx_work`, calls mx_work_step() every few
 * milliseconds from any of its threads, and stops when that says so. The
 * caller's callback runs only in the thread that called the library (GDB's
 * API and Python are not for other threads); workers only look at a flag.
 */
#ifndef MX_BASE_WORK_H
#define MX_BASE_WORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

struct mx_work {
    const struct mx_progress *progress; /* may be NULL */
    const char *stage;
    uint64_t total;
    _Atomic uint64_t done;
    _Atomic bool cancelled;
    pthread_t owner; /* the only thread that may call progress->report */
};

/* Begins a stage of `total` steps (bytes, objects: the caller's unit). Call it in the owner thread. */
void mx_work_begin(struct mx_work *work, const struct mx_progress *progress, const char *stage, uint64_t total);

/* Counts `steps` more as done; false = cancelled: unwind and return mx_error_cancelled(). Nobody is asked twice. */
bool mx_work_step(struct mx_work *work, uint64_t steps);

struct mx_error *mx_error_cancelled(void);

/* How many threads are worth starting here: the processors this process may run on, at most 8. */
unsigned mx_work_threads(void);

/*
 * Calls run(context, 0..tasks-1) on up to `threads` threads (the calling one
 * included), each task once, in increasing order of start. All signals are
 * blocked in the threads it starts. Where no thread can be started the calling
 * thread does all.
 */
void mx_work_parallel(unsigned threads, size_t tasks, void (*run)(void *context, size_t task), void *context);

#endif
