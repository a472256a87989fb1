/* SPDX-License-Identifier: Apache-2.0
 *
 * The file beside the file.
 */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct mx_error *name_files(const char *path, struct mx_outfile *file)
{
    struct stat status;
    bool exists = !stat(path, &status);
    if (exists && !S_ISREG(status.st_mode))
        return mx_error_new(MX_ERROR_ARGUMENT, "cannot write %s: it is no regular file", path);
    if (exists && access(path, W_OK))
        return mx_error_os(errno, "cannot write %s", path);
    static const char suffix[] = ".XXXXXX";
    file->path = exists ? realpath(path, NULL) : strdup(path);
    size_t length = file->path ? strlen(file->path) : 0;
    file->temporary = file->path ? malloc(length + sizeof(suffix)) : NULL;
    if (!file->temporary)
        return mx_error_no_memory();
    memcpy(file->temporary, file->path, length);
    memcpy(file->temporary + length, suffix, sizeof(suffix));
    return NULL;
}

static void free_names(struct mx_outfile *file)
{
    free(file->path);
    free(file->temporary);
    *file = (struct mx_outfile){.descriptor = -1};
}

struct mx_error *mx_outfile_open(const char *path, struct mx_outfile *ret)
{
    *ret = (struct mx_outfile){.descriptor = -1};
    struct mx_error *error = name_files(path, ret);
    if (!error && ret->temporary)
        ret->descriptor = mkostemp(ret->temporary, O_CLOEXEC);
    if (!error && ret->descriptor < 0)
        error = mx_error_os(errno, "cannot write %s", path);
    if (error)
        free_names(ret);
    return error;
}

/* Beyond the limit of a file's size the kernel sends a signal that would end the debugger. */
static ssize_t write_quietly(int descriptor, const uint8_t *bytes, size_t length, uint64_t offset)
{
    sigset_t limit, before;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    ssize_t written = pwrite(descriptor, bytes, length, (off_t)offset);
    int reason = errno;
    if (written < 0 && reason == EFBIG)
        sigtimedwait(&limit, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return written;
}

struct mx_error *mx_outfile_write(const struct mx_outfile *file, const void *bytes, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write_quietly(file->descriptor, (const uint8_t *)bytes + done, length - done, offset + done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return mx_error_os(written < 0 ? errno : ENOSPC, "cannot write %s", file->path);
        done += (size_t)written;
    }
    return NULL;
}

struct mx_error *mx_outfile_close(struct mx_outfile *file, struct mx_error *error)
{
    if (close(file->descriptor) && !error)
        error = mx_error_os(errno, "cannot write %s", file->path);
    if (!error && rename(file->temporary, file->path))
        error = mx_error_os(errno, "cannot write %s", file->path);
    if (error)
        unlink(file->temporary);
    free_names(file);
    return error;
}
