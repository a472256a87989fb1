/* SPDX-License-Identifier: Apache-2.0
 *
 * Which parts of the library run when all is asked of a core: one byte each, 1 or 0,
 * on standard output. Built with clang's counters (make FLAVOUR=cover), which are the parts.
 *
 *     coverage CORE SCRATCH [briefly]
 *
 * Also what the core is saved as is looked at. Briefly: nothing is exported or saved, which takes most of the time.
 * Exits with 1 when the core is refused.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "questions.h"

/* The compiler's own. */
uint64_t *__llvm_profile_begin_counters(void);
uint64_t *__llvm_profile_end_counters(void);

static bool ask_briefly(const char *core)
{
    const struct questions questions = {.which = ASK_ALL};
    struct mx_target *target = NULL;
    struct mx_error *error = mx_target_open_core(core, NULL, &target);
    return ask(error, target, &questions);
}

static bool ask_all(const char *core, const char *scratch)
{
    char saved[4096], export[4096];
    struct mx_target *target = NULL;
    snprintf(saved, sizeof(saved), "%s.memext", scratch);
    snprintf(export, sizeof(export), "%s.export", scratch);
    const struct questions questions = {.which = ASK_ALL, .export_as = export, .save_as = saved};
    unlink(saved);
    struct mx_error *error = mx_target_open_core(core, NULL, &target);
    if (!ask(error, target, &questions))
        return false;
    const struct questions again = {.which = ASK_ALL};
    error = mx_target_open_saved(saved, NULL, &target);
    ask(error, target, &again);
    unlink(saved);
    return true;
}

int main(int argc, char **argv)
{
    cpu_set_t one;
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: coverage CORE SCRATCH [briefly]\n");
        return 2;
    }
    /* One processor, one worker: then the same core runs the same parts each time. */
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    if (!(argc == 4 ? ask_briefly(argv[1]) : ask_all(argv[1], argv[2])))
        return 1;
    for (const uint64_t *counter = __llvm_profile_begin_counters(); counter < __llvm_profile_end_counters(); counter++)
        putchar(*counter ? 1 : 0);
    return 0;
}
