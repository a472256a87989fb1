/* SPDX-License-Identifier: Apache-2.0
 *
 * memfd_create(2), by a path.
 */
#include "memory_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void memory_file_open(struct memory_file *file)
{
    file->fd = memfd_create("memext-fuzz", MFD_CLOEXEC);
    if (file->fd < 0)
        abort();
    snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

void memory_file_set(const struct memory_file *file, const uint8_t *bytes, size_t size)
{
    if (ftruncate(file->fd, 0) || pwrite(file->fd, bytes, size, 0) != (ssize_t)size)
        abort();
}
