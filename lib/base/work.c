/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress, cancelling and a small pool of worker threads that lives for one
 * call.
 */
#include "base/work.h"

#include <sched.h>
#include <signal.h>

enum { MOST_THREADS = 8 };

void mx_work_begin(struct mx_work *work, const struct mx_progress *progress, const char *stage, uint64_t total)
{
    work->progress = progress;
    work->stage = stage;
    work->total = total;
    atomic_store(&work->done, 0);
    atomic_store(&work->cancelled, false);
    work->owner = pthread_self();
}

/* Passes count in strides, the last of which may reach beyond the end. */
static uint64_t no_more_than(uint64_t done, uint64_t total)
{
    return total && done > total ? total : done;
}

bool mx_work_step(struct mx_work *work, uint64_t steps)
{
    uint64_t done = atomic_fetch_add_explicit(&work->done, steps, memory_order_relaxed) + steps;
    bool is_asked = work->progress && work->progress->report && pthread_equal(work->owner, pthread_self());
    if (is_asked && !atomic_load_explicit(&work->cancelled, memory_order_relaxed) &&
        !work->progress->report(work->progress->context, work->stage, no_more_than(done, work->total), work->total))
        atomic_store(&work->cancelled, true);
    return !atomic_load_explicit(&work->cancelled, memory_order_relaxed);
}

struct mx_error *mx_error_cancelled(void)
{
    return mx_error_new(MX_ERROR_CANCELLED, "cancelled");
}

unsigned mx_work_threads(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed))
        return 1;
    int count = CPU_COUNT(&allowed);
    return count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : (unsigned)count;
}

struct crew {
    void (*run)(void *context, size_t task);
    void *context;
    size_t tasks;
    _Atomic size_t next;
};

static void *take_tasks(void *argument)
{
    struct crew *crew = argument;
    for (;;) {
        size_t task = atomic_fetch_add(&crew->next, 1);
        if (task >= crew->tasks)
            return NULL;
        crew->run(crew->context, task);
    }
}

/* Signals stay with the caller's thread: GDB owns SIGINT and SIGCHLD. */
static unsigned start_threads(struct crew *crew, unsigned wanted, pthread_t *threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unsigned started = 0;
    while (started < wanted && !pthread_create(&threads[started], NULL, take_tasks, crew))
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void mx_work_parallel(unsigned threads, size_t tasks, void (*run)(void *context, size_t task), void *context)
{
    struct crew crew = {.run = run, .context = context, .tasks = tasks};
    pthread_t started[MOST_THREADS];
    unsigned helpers = threads > MOST_THREADS ? MOST_THREADS : threads;
    helpers = helpers > 1 && tasks > 1 ? start_threads(&crew, helpers - 1, started) : 0;
    take_tasks(&crew);
    for (unsigned i = 0; i < helpers; i++)
        pthread_join(started[i], NULL);
}
