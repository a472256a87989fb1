/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the library over damaged copies of one core: all that a user's commands
 * would call. Each copy is looked at in a child of its own, so that a crash or
 * a hang is one result and not the end; of many, a child looks at some, and each of
 * them is given its own only when that one fails.
 *
 *     fuzz_core CORE SCRATCH FIRST COUNT [cut|whole|many]
 *
 * does mutations FIRST..FIRST+COUNT-1 (the number is the seed: the same number
 * makes the same damage), writing each to SCRATCH, and prints one line for each
 * that went wrong, then "done COUNT refused N answered N". Some are also saved, and
 * the saved target is looked at as it is and with damage of its own.
 *
 * many: what is saved is looked at more rarely: it takes as long as ten mutations of a
 * small core. cut: COUNT lengths instead, evenly spread. whole: the core as it is, all that can
 * be asked of it, COUNT times. Any child that needs more than 1 GB is wrong, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "damage.h"
#include "questions.h"
#include "saved_damage.h"

/* Of the processor, and by the clock where the library waits for what never comes. */
enum { SECONDS_EACH = 20, WAITED_EACH = 300, WAITED_TIMES = 3 };
enum { MOST_TOGETHER = 50 };
/* Saved are rounds of all turns: these have no divisor in common with their number. */
enum { SAVED_EACH = 5, SAVED_EACH_OF_MANY = 61, SAVED_DAMAGES = 4, MOST_KILOBYTES = 1 << 20 };
/* A child's exit status; any other is a sanitizer's. */
enum { ANSWERED = 40, REFUSED = 41 };

enum mode { DAMAGED, CUT, WHOLE, MANY };

static void examine_saved(const char *path, unsigned which)
{
    const struct questions questions = {.which = which};
    struct mx_target *target = NULL;
    struct mx_error *error = mx_target_open_saved(path, NULL, &target);
    ask(error, target, &questions);
}

/* The rarer ones take turns: all exports of a heap take as long as all the rest, and SQLite a fourth of it. */
static unsigned questions_of(uint64_t round)
{
    enum { AUDIT = ASK_AUDIT | ASK_VERIFICATION, SUSPECTS = ASK_SUSPECTS | ASK_STACKS };
    static const unsigned turns[] = {SUSPECTS, AUDIT, ASK_LEAKS, ASK_EXPORTS, SUSPECTS, AUDIT, ASK_LEAKS, ASK_SQL};
    enum { TURNS = sizeof(turns) / sizeof(*turns) };
    unsigned rarer = 0;
    for (size_t i = 0; i < TURNS; i++)
        rarer |= turns[i];
    return (ASK_ALL & ~rarer) | turns[round % TURNS];
}

/* The damaged core; now and then what it is saved as, and that with damage of its own. */
static int examine_core(const char *path, uint64_t number, enum mode mode)
{
    char saved[4096], export[4096];
    struct mx_target *target = NULL;
    uint64_t round = number / damage_kinds(), each = mode == MANY ? SAVED_EACH_OF_MANY : SAVED_EACH;
    snprintf(saved, sizeof(saved), "%s.memext", path);
    snprintf(export, sizeof(export), "%s.export", path);
    const struct questions questions = {.which = mode == WHOLE ? ASK_ALL : questions_of(round),
                                        .export_as = export,
                                        .save_as = round % each ? NULL : saved};
    unlink(saved);
    struct mx_error *error = mx_target_open_core(path, NULL, &target);
    if (!ask(error, target, &questions))
        return REFUSED;
    if (questions.save_as) {
        examine_saved(saved, questions.which);
        for (uint64_t i = 0; i < SAVED_DAMAGES && damage_saved(saved, number + i); i++)
            examine_saved(saved, questions.which);
        unlink(saved);
    }
    return ANSWERED;
}

static int write_image(const char *path, const struct image *image)
{
    /* Not emptied first: the pages are there already when it is the next of many. */
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    size_t written = 0;
    while (fd >= 0 && written < image->size) {
        ssize_t got = write(fd, image->bytes + written, image->size - written);
        if (got <= 0)
            break;
        written += (size_t)got;
    }
    bool failed = fd < 0 || written < image->size || ftruncate(fd, (off_t)image->size) < 0;
    return fd < 0 || close(fd) < 0 || failed ? -1 : 0;
}

struct end {
    int status, signal;
    long kilobytes; /* at most in memory */
};

static const char *what_went_wrong(const struct end *end)
{
    if (end->signal == SIGALRM || end->signal == SIGXCPU || end->signal == SIGKILL)
        return "hang";
    if (end->signal)
        return "crash";
    if (end->status != ANSWERED && end->status != REFUSED)
        return "sanitizer";
    return end->kilobytes > MOST_KILOBYTES ? "memory" : NULL;
}

struct run {
    const struct image *original;
    struct image copy;
    const char *scratch;
    uint64_t first, count;
    enum mode mode;
    uint8_t *statuses; /* of one child's mutations; written by it, and read when it has ended */
    uint64_t done, answered, refused, wrong;
};

static int prepare(struct run *run, uint64_t number)
{
    struct image *copy = &run->copy;
    copy->size = run->original->size;
    if (run->mode == CUT)
        copy->size = copy->size / run->count * (number - run->first);
    memcpy(copy->bytes, run->original->bytes, copy->size);
    if (run->mode == DAMAGED || run->mode == MANY)
        damage_image(copy, number);
    return write_image(run->scratch, copy);
}

static int examine(struct run *run, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (prepare(run, first + i) < 0) {
            perror(run->scratch);
            return EXIT_FAILURE;
        }
        run->statuses[i] = (uint8_t)examine_core(run->scratch, first + i, run->mode);
    }
    return run->statuses[count - 1];
}

static struct end examine_in_child(struct run *run, uint64_t first, uint64_t count)
{
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {SECONDS_EACH, SECONDS_EACH + 5};
        setrlimit(RLIMIT_CPU, &limit);
        alarm(WAITED_EACH);
        _exit(examine(run, first, count));
    }
    int status = 0;
    struct rusage usage = {.ru_maxrss = 0};
    while (pid > 0 && wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    return (struct end){WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                        usage.ru_maxrss};
}

static void say(struct run *run, const char *word, uint64_t number, const struct end *end)
{
    run->wrong++;
    printf("%s mutation %lu kind %lu signal %d status %d kilobytes %ld\n", word, number, number % damage_kinds(),
           end->signal, end->status, end->kilobytes);
    fflush(stdout);
}

static void add_up(struct run *run, uint64_t count)
{
    run->done += count;
    for (uint64_t i = 0; i < count; i++) {
        run->answered += run->statuses[i] == ANSWERED;
        run->refused += run->statuses[i] == REFUSED;
    }
}

static void judge(struct run *run, uint64_t number)
{
    struct end end = examine_in_child(run, number, 1);
    /* The clock also goes on while others have the processor: what waits for ever does so each time. */
    for (int times = 1; end.signal == SIGALRM && times < WAITED_TIMES; times++)
        end = examine_in_child(run, number, 1);
    const char *word = what_went_wrong(&end);
    if (!word) {
        add_up(run, 1);
        return;
    }
    run->done++;
    say(run, word, number, &end);
}

/* What only goes wrong behind others is told of the first of them. */
static void judge_together(struct run *run, uint64_t first, uint64_t count)
{
    struct end end = examine_in_child(run, first, count);
    const char *word = what_went_wrong(&end);
    if (!word) {
        add_up(run, count);
        return;
    }
    uint64_t wrong_before = run->wrong;
    for (uint64_t i = 0; i < count; i++)
        judge(run, first + i);
    if (run->wrong > wrong_before || end.signal == SIGALRM)
        return;
    printf("only together: ");
    say(run, word, first, &end);
}

static int run_all(struct run *run)
{
    uint64_t most = run->mode == MANY ? MOST_TOGETHER : 1, end = run->first + run->count, together;
    for (uint64_t number = run->first; number < end; number += together) {
        together = end - number < most ? end - number : most;
        if (together > 1)
            judge_together(run, number, together);
        else
            judge(run, number);
    }
    printf("done %lu refused %lu answered %lu\n", run->done, run->refused, run->answered);
    return run->wrong ? 1 : 0;
}

static enum mode mode_named(const char *name)
{
    return !strcmp(name, "cut") ? CUT : !strcmp(name, "whole") ? WHOLE : MANY;
}

/* Read-only; NULL when the file cannot be had. */
static uint8_t *map_file(const char *path, size_t *size)
{
    struct stat stat;
    int fd = open(path, O_RDONLY);
    uint8_t *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &stat) == 0) {
        *size = (size_t)stat.st_size;
        bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (fd >= 0)
        close(fd);
    return bytes == MAP_FAILED ? NULL : bytes;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: fuzz_core CORE SCRATCH FIRST COUNT [cut|whole|many]\n");
        return 2;
    }
    struct image original;
    original.bytes = map_file(argv[1], &original.size);
    uint8_t *statuses = mmap(NULL, MOST_TOGETHER, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct run run = {
        .original = &original, .scratch = argv[2], .first = strtoull(argv[3], NULL, 0), .statuses = statuses};
    run.copy.bytes = original.bytes ? malloc(original.size) : NULL;
    if (!run.copy.bytes || statuses == MAP_FAILED) {
        perror(argv[1]);
        free(run.copy.bytes);
        return 2;
    }
    run.count = strtoull(argv[4], NULL, 0);
    run.mode = argc == 5 ? DAMAGED : mode_named(argv[5]);
    int failed = run_all(&run);
    free(run.copy.bytes);
    return failed;
}
