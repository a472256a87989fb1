/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are in memory only: what a fuzzer hands to code that opens paths.
 */
#ifndef MX_TESTS_FUZZ_MEMORY_FILE_H
#define MX_TESTS_FUZZ_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

struct memory_file {
    int fd;
    char path[32]; /* under /proc/self/fd */
};

/* Aborts where there is no memory: a fuzzer without its input tells nothing. */
void memory_file_open(struct memory_file *file);

/* Makes the bytes the file's whole contents. */
void memory_file_set(const struct memory_file *file, const uint8_t *bytes, size_t size);

#endif
