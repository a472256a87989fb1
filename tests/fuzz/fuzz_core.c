/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the library over damaged copies of one core: all that a user's commands
 * would call. Each copy is looked at in a child of its own, so that a crash or
 * a hang is one result and not the end.
 *
 *     fuzz_core CORE SCRATCH FIRST COUNT
 *
 * does mutations FIRST..FIRST+COUNT-1 (the number is the seed: the same number
 * makes the same damage), writing each to SCRATCH, and prints one line for each
 * that went wrong, then "done COUNT refused N answered N". Some are also saved, and
 * the saved target is looked at as it is and with damage of its own.
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
enum { SECONDS_EACH = 20, WAITED_EACH = 300, SAVED_EACH = 4, EXPORTED_EACH = 5, SAVED_DAMAGES = 4 };
/* A child's exit status; any other is a sanitizer's. */
enum { ANSWERED = 40, REFUSED = 41 };

static const struct questions everything = {.which = ASK_ALL};

static void examine_saved(const char *path)
{
    struct mx_target *target = NULL;
    struct mx_error *error = mx_target_open_saved(path, NULL, &target);
    ask(error, target, &everything);
}

/* The damaged core; now and then what it is saved as, and that with damage of its own. */
static int examine_core(const char *path, uint64_t number)
{
    char saved[4096], export[4096];
    struct mx_target *target = NULL;
    uint64_t round = number / damage_kinds();
    snprintf(saved, sizeof(saved), "%s.memext", path);
    snprintf(export, sizeof(export), "%s.export", path);
    const struct questions questions = {.which = ASK_ALL,
                                        .export_as = round % EXPORTED_EACH ? NULL : export,
                                        .save_as = round % SAVED_EACH ? NULL : saved};
    unlink(saved);
    struct mx_error *error = mx_target_open_core(path, NULL, &target);
    if (!ask(error, target, &questions))
        return REFUSED;
    if (questions.save_as) {
        examine_saved(saved);
        for (uint64_t i = 0; i < SAVED_DAMAGES && damage_saved(saved, number + i); i++)
            examine_saved(saved);
        unlink(saved);
    }
    return ANSWERED;
}

static int examine_in_child(const char *path, uint64_t number, int *signal_number)
{
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {SECONDS_EACH, SECONDS_EACH + 5};
        setrlimit(RLIMIT_CPU, &limit);
        alarm(WAITED_EACH);
        _exit(examine_core(path, number));
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int write_image(const char *path, const struct image *image)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    size_t written = 0;
    while (fd >= 0 && written < image->size) {
        ssize_t got = write(fd, image->bytes + written, image->size - written);
        if (got <= 0)
            break;
        written += (size_t)got;
    }
    return fd < 0 || close(fd) < 0 || written < image->size ? -1 : 0;
}

static const char *what_went_wrong(int status, int signal_number)
{
    if (signal_number == SIGALRM || signal_number == SIGXCPU || signal_number == SIGKILL)
        return "hang";
    if (signal_number)
        return "crash";
    return status == ANSWERED || status == REFUSED ? NULL : "sanitizer";
}

static int fuzz(const struct image *original, const char *scratch, uint64_t first, uint64_t count)
{
    struct image copy = {malloc(original->size), 0};
    uint64_t answered = 0, refused = 0, wrong = 0;
    for (uint64_t number = first; copy.bytes && number < first + count; number++) {
        copy.size = original->size;
        memcpy(copy.bytes, original->bytes, copy.size);
        damage_image(&copy, number);
        if (write_image(scratch, &copy) < 0) {
            perror(scratch);
            break;
        }
        int signal_number, status = examine_in_child(scratch, number, &signal_number);
        const char *word = what_went_wrong(status, signal_number);
        wrong += word != NULL;
        answered += !word && status == ANSWERED;
        refused += !word && status == REFUSED;
        if (word)
            printf("%s mutation %lu kind %lu signal %d status %d\n", word, number, number % damage_kinds(),
                   signal_number, status);
        fflush(stdout);
    }
    printf("done %lu refused %lu answered %lu\n", answered + refused + wrong, refused, answered);
    free(copy.bytes);
    return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: fuzz_core CORE SCRATCH FIRST COUNT\n");
        return 2;
    }
    int fd = open(argv[1], O_RDONLY);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0) {
        perror(argv[1]);
        return 2;
    }
    struct image original = {mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0), (size_t)stat.st_size};
    if (original.bytes == MAP_FAILED) {
        perror(argv[1]);
        return 2;
    }
    return fuzz(&original, argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
}
