/* SPDX-License-Identifier: Apache-2.0
 *
 * For libFuzzer: an input is what is asked, and edits of a small core's words
 * (the file that MEMEXT_CORE names). The edits are made in place and undone, so
 * that each run begins with the same heap.
 *
 *   2 bytes              which questions (questions.h)
 *   8 bytes an edit      (edit.h)
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edit.h"
#include "libfuzzer.h"
#include "memory_file.h"
#include "questions.h"

enum { HEAD = 2, MOST_EDITS = 512 };

struct undo {
    size_t at;
    uint64_t word;
};

/* The core, and the words of it that are not zero: edits of those meet what is read. */
static struct {
    struct memory_file file;
    uint8_t *bytes;
    size_t size;
    uint32_t *words;
    size_t count;
} core;

static void find_words(void)
{
    core.words = malloc(core.size / 8 * sizeof(uint32_t));
    if (!core.words)
        abort();
    for (size_t i = 0; i < core.size / 8; i++) {
        uint64_t word;
        memcpy(&word, core.bytes + 8 * i, 8);
        if (word)
            core.words[core.count++] = (uint32_t)i;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *path = getenv("MEMEXT_CORE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) {
        fprintf(stderr, "MEMEXT_CORE must name a core file\n");
        exit(2);
    }
    core.size = (size_t)status.st_size;
    memory_file_open(&core.file);
    if (ftruncate(core.file.fd, status.st_size))
        abort();
    core.bytes = mmap(NULL, core.size, PROT_READ | PROT_WRITE, MAP_SHARED, core.file.fd, 0);
    if (core.bytes == MAP_FAILED || read(fd, core.bytes, core.size) != status.st_size)
        abort();
    close(fd);
    find_words();
    return 0;
}

static size_t make_edits(const uint8_t *bytes, size_t size, struct undo *undo)
{
    size_t count = 0;
    for (; size >= EDIT_SIZE && count < MOST_EDITS; bytes += EDIT_SIZE, size -= EDIT_SIZE, count++) {
        struct edit edit = edit_read(bytes);
        uint64_t other;
        memcpy(&other, core.bytes + 8 * (size_t)core.words[edit.value % core.count], 8);
        undo[count].at = 8 * (size_t)core.words[edit.word % core.count];
        memcpy(&undo[count].word, core.bytes + undo[count].at, 8);
        uint64_t word = edit_apply(&edit, undo[count].word, other);
        memcpy(core.bytes + undo[count].at, &word, 8);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct undo undo[MOST_EDITS];
    char exports[64];
    if (size < HEAD + EDIT_SIZE)
        return 0;
    snprintf(exports, sizeof(exports), "%s/memext-fuzz-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (int)getpid());
    const struct questions questions = {.which = (unsigned)(bytes[0] | bytes[1] << 8) & ASK_ALL, .export_as = exports};
    size_t count = make_edits(bytes + HEAD, size - HEAD, undo);
    struct mx_target *target = NULL;
    struct mx_error *error = mx_target_open_core(core.file.path, NULL, &target);
    ask(error, target, &questions);
    for (size_t i = count; i-- > 0;)
        memcpy(core.bytes + undo[i].at, &undo[i].word, 8);
    return 0;
}
