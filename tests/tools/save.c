/* SPDX-License-Identifier: Apache-2.0
 *
 * Saves a target, for the tests. Uses only the public API.
 *
 *     save core|saved PATH OUT | save live PID OUT        (a process that the caller has stopped)
 *
 * Prints "bytes N", "memory N" and the microseconds of saving, "save_us N", each on a line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memext.h"

static uint64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static struct mx_error *save(const char *how, const char *what, const char *out, struct mx_target **target,
                             struct mx_heap **heap)
{
    struct mx_save_info info;
    struct mx_error *error = !strcmp(how, "core")    ? mx_target_open_core(what, NULL, target)
                             : !strcmp(how, "saved") ? mx_target_open_saved(what, NULL, target)
                                                     : mx_target_open_process(atoi(what), NULL, target);
    if (!error)
        error = mx_heap_open(*target, NULL, heap);
    uint64_t start = now_us();
    if (!error)
        error = mx_target_save(*target, *heap, out, NULL, &info);
    if (!error)
        printf("bytes\t%" PRIu64 "\nmemory\t%" PRIu64 "\nsave_us\t%" PRIu64 "\n", info.bytes, info.memory,
               now_us() - start);
    return error;
}

int main(int argc, char **argv)
{
    struct mx_target *target = NULL;
    struct mx_heap *heap = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: save core|saved PATH OUT | save live PID OUT\n");
        return 2;
    }
    struct mx_error *error = save(argv[1], argv[2], argv[3], &target, &heap);
    if (error)
        fprintf(stderr, "%s\n", error->message);
    int status = error ? 1 : 0;
    mx_error_free(error);
    mx_heap_close(heap);
    mx_target_close(target);
    return status;
}
