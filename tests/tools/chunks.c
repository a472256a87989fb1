/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what the library takes for used malloc chunks, one "address size" a
 * line in hexadecimal, for comparing with a log of live mallocs. Looks below
 * the public API, which has only their number.
 *
 *     chunks core PATH | chunks live PID
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/glibc.h"
#include "memory/core.h"
#include "memory/process.h"

static bool print_used(void *context, const struct mx_chunk *chunk, const uint8_t *bytes)
{
    (void)context, (void)bytes;
    if (chunk->used)
        printf("%" PRIx64 " %" PRIx64 "\n", chunk->address, chunk->size);
    return true;
}

static void print_spans(const struct mx_glibc *glibc, const struct mx_memory *memory)
{
    struct mx_cursor cursor;
    struct mx_work work;
    mx_cursor_init(&cursor, memory);
    mx_work_begin(&work, NULL, "chunks", 0);
    for (size_t i = 0; i < glibc->spans.count; i++)
        mx_glibc_walk(glibc, &glibc->spans.items[i], &cursor, &work, print_used, NULL);
    mx_cursor_deinit(&cursor);
    fprintf(stderr, "%s, %zu arenas, %" PRIu64 " walk errors\n", glibc->name, glibc->arenas.count, glibc->walk_errors);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct mx_memory *memory = NULL;
    struct mx_modules modules = {0};
    struct mx_threads threads = {0};
    struct mx_glibc glibc = {0};
    struct mx_error *error = !strcmp(argv[1], "core")
                                 ? mx_core_open(argv[2], NULL, &memory, &modules, &threads)
                                 : mx_process_open((int)strtol(argv[2], NULL, 10), NULL, &memory, &modules, &threads);
    struct mx_cursor cursor;
    mx_cursor_init(&cursor, memory);
    if (!error)
        error = mx_glibc_open(memory, &modules, NULL, 0, &cursor, &glibc);
    if (error) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    print_spans(&glibc, memory);
    mx_glibc_close(&glibc);
    mx_cursor_deinit(&cursor);
    mx_threads_deinit(&threads);
    mx_modules_deinit(&modules);
    mx_memory_close(memory);
    return 0;
}
