/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation of the library fails once: none may crash it, be left behind, or go
 * without a sentence.
 *
 *     fail_alloc CORE SCRATCH MOST
 *
 * Each stage (opening, counting, the graph, each question, saving) is run once to count its
 * allocations, and then with the first refused, with the second refused, and so on; where there are more
 * than MOST, evenly spread ones are. Every other time all that follow are refused, too. The linker puts
 * the functions below before those of libc (--wrap), for the library's objects only.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "questions.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* Allocations are counted while a stage runs; from `refused` on, as many as `further` says are refused. */
static struct {
    _Atomic bool counts;
    _Atomic uint64_t count;
    uint64_t refused, further;
} state;

static bool is_refused(void)
{
    if (!atomic_load(&state.counts))
        return false;
    uint64_t number = atomic_fetch_add(&state.count, 1) + 1;
    return state.refused && number >= state.refused && number - state.refused <= state.further;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_refused() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    return is_refused() ? MAP_FAILED : __real_mmap(address, length, protection, flags, fd, offset);
}

struct stand {
    const char *core;
    char saved[4096], export[4096];
    struct mx_sources of;
    struct mx_heap *heap;
};

static void check(struct mx_error *error)
{
    if (error && (!error->message || !*error->message || strchr(error->message, '\n')))
        abort();
    mx_error_free(error);
}

static void open_core(struct stand *stand, unsigned which)
{
    struct mx_target *target = NULL;
    (void)which;
    struct mx_error *error = mx_target_open_core(stand->core, NULL, &target);
    if (!error)
        mx_target_close(target);
    check(error);
}

static void open_saved(struct stand *stand, unsigned which)
{
    struct mx_target *target = NULL;
    (void)which;
    struct mx_error *error = mx_target_open_saved(stand->saved, NULL, &target);
    if (!error)
        mx_target_close(target);
    check(error);
}

static void open_heap(struct stand *stand, unsigned which)
{
    struct mx_heap *heap = NULL;
    (void)which;
    struct mx_error *error = mx_heap_open(stand->of.target, NULL, &heap);
    if (!error)
        mx_heap_close(heap);
    check(error);
}

static void open_graph(struct stand *stand, unsigned which)
{
    struct mx_graph *graph = NULL;
    (void)which;
    struct mx_error *error = mx_graph_open(stand->of.target, stand->heap, NULL, &graph);
    if (!error)
        mx_graph_close(graph);
    check(error);
}

static void open_retained(struct stand *stand, unsigned which)
{
    struct mx_retained *retained = NULL;
    (void)which;
    struct mx_error *error = mx_retained_open(stand->of.graph, NULL, &retained);
    if (!error)
        mx_retained_close(retained);
    check(error);
}

static void save(struct stand *stand, unsigned which)
{
    (void)which;
    const struct questions questions = {.save_as = stand->saved};
    ask_opened(&stand->of, &questions);
}

static void ask_one(struct stand *stand, unsigned which)
{
    const struct questions questions = {.which = which, .export_as = stand->export};
    ask_opened(&stand->of, &questions);
}

struct stage {
    const char *name;
    void (*run)(struct stand *stand, unsigned which);
    unsigned which;
};

static const struct stage stages[] = {
    {"opening a core", open_core, 0},
    {"counting", open_heap, 0},
    {"the graph", open_graph, 0},
    {"retained sizes", open_retained, 0},
    {"types", ask_one, ASK_COUNTS},
    {"ledger", ask_one, ASK_LEDGER},
    {"arenas", ask_one, ASK_ARENAS},
    {"stacks", ask_one, ASK_STACKS},
    {"references", ask_one, ASK_REFERENCES},
    {"waste", ask_one, ASK_WASTE},
    {"audit", ask_one, ASK_AUDIT},
    {"leaks", ask_one, ASK_LEAKS},
    {"holders", ask_one, ASK_RETAINED},
    {"suspects", ask_one, ASK_SUSPECTS},
    {"SQL", ask_one, ASK_SQL},
    {"verification", ask_one, ASK_VERIFICATION},
    {"exports", ask_one, ASK_EXPORTS},
    {"saving", save, 0},
    {"opening a saved target", open_saved, 0},
};

static uint64_t run_stage(struct stand *stand, const struct stage *stage, uint64_t refused, uint64_t further)
{
    state.refused = refused;
    state.further = further;
    atomic_store(&state.count, 0);
    atomic_store(&state.counts, true);
    stage->run(stand, stage->which);
    atomic_store(&state.counts, false);
    if (refused && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) {
        printf("leak %s, allocation %lu\n", stage->name, refused);
        exit(1);
    }
    return atomic_load(&state.count);
}

/* Opened anew for each stage: a refused allocation may have left something half known in what is open. */
static void open_stand(struct stand *stand)
{
    struct mx_target *target;
    struct mx_error *error = mx_target_open_core(stand->core, NULL, &target);
    stand->of.target = error ? NULL : target;
    if (!error)
        error = mx_heap_open(target, NULL, &stand->heap);
    stand->of.heap = stand->heap;
    if (!error)
        error = mx_graph_open(target, stand->heap, NULL, &stand->of.graph);
    if (!error)
        error = mx_retained_open(stand->of.graph, NULL, &stand->of.retained);
    if (!error)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(2);
}

static void close_stand(struct stand *stand)
{
    mx_retained_close(stand->of.retained);
    mx_graph_close(stand->of.graph);
    mx_heap_close(stand->heap);
    mx_target_close(stand->of.target);
}

static uint64_t fail_each(struct stand *stand, const struct stage *stage, uint64_t most)
{
    open_stand(stand);
    uint64_t count = run_stage(stand, stage, 0, 0), step = count / most + 1, done = 0;
    for (uint64_t refused = 1; refused <= count; refused += step, done++) {
        printf("%s %lu\r", stage->name, refused); /* the last line of one that crashed */
        fflush(stdout);
        run_stage(stand, stage, refused, done % 2 ? UINT64_MAX : 0);
    }
    printf("%s: %lu of %lu allocations refused\n", stage->name, done, count);
    close_stand(stand);
    return done;
}

int main(int argc, char **argv)
{
    static struct stand stand;
    uint64_t done = 0, most = argc == 4 ? strtoull(argv[3], NULL, 0) : 0;
    cpu_set_t one;
    if (!most) {
        fprintf(stderr, "usage: fail_alloc CORE SCRATCH MOST\n");
        return 2;
    }
    /* One processor, one worker: then the same number is the same allocation each time. */
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    stand.core = argv[1];
    snprintf(stand.saved, sizeof(stand.saved), "%s.memext", argv[2]);
    snprintf(stand.export, sizeof(stand.export), "%s.export", argv[2]);
    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
        done += fail_each(&stand, &stages[i], most);
    unlink(stand.saved);
    printf("done %lu\n", done);
    return 0;
}
