/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and reading files of /proc, and what is said when that fails.
 */
#include "memory/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_PROC_BYTES = 256 * 1024 * 1024, PIECE = 65536 };

static int open_copy(const struct mx_remote *remote, const char *path)
{
    char *copy = remote->fetch(remote->context, path);
    int fd = copy ? open(copy, O_RDONLY | O_CLOEXEC) : -1;
    int reason = copy ? errno : ENOENT;
    free(copy);
    errno = reason;
    return fd;
}

int mx_proc_open(const struct mx_memory_source *source, int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return source && source->remote ? open_copy(source->remote, path) : open(path, O_RDONLY | O_CLOEXEC);
}

struct mx_error *mx_proc_error(const struct mx_memory_source *source, int reason, int pid)
{
    if (source && source->remote)
        return mx_error_new(MX_ERROR_UNSUPPORTED,
                            "the debugger's connection does not give the memory map of process %d: memext needs "
                            "gdbserver or Valgrind on Linux there; or take a core there (gcore) and open that",
                            pid);
    if (reason == ENOENT || reason == ESRCH)
        return mx_error_new(MX_ERROR_NOT_FOUND, "there is no process %d", pid);
    if (reason == EACCES || reason == EPERM)
        return mx_error_new(MX_ERROR_OS,
                            "not permitted to read process %d: run as the same user or as root, and see "
                            "/proc/sys/kernel/yama/ptrace_scope (in a container: --cap-add=SYS_PTRACE)",
                            pid);
    return mx_error_os(reason, "cannot read process %d", pid);
}

/* Files in /proc have no size, and are consistent only within a read: few large ones, then. */
static struct mx_error *read_all(const struct mx_memory_source *source, int pid, int fd, struct mx_proc_text *text)
{
    for (;;) {
        if (text->bytes.count > MOST_PROC_BYTES || !mx_array_reserve(&text->bytes, text->bytes.count + PIECE + 1))
            return mx_error_no_memory();
        ssize_t got = read(fd, text->bytes.items + text->bytes.count, text->bytes.capacity - text->bytes.count - 1);
        if (got < 0 && errno != EINTR)
            return mx_proc_error(source, errno, pid);
        if (!got)
            break;
        text->bytes.count += got > 0 ? (size_t)got : 0;
    }
    text->bytes.items[text->bytes.count] = '\0';
    return NULL;
}

struct mx_error *mx_proc_read(const struct mx_memory_source *source, int pid, const char *name,
                              struct mx_proc_text *text)
{
    int fd = mx_proc_open(source, pid, name);
    if (fd < 0)
        return mx_proc_error(source, errno, pid);
    struct mx_error *error = read_all(source, pid, fd, text);
    close(fd);
    return error;
}
