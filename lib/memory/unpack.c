/* SPDX-License-Identifier: Apache-2.0
 *
 * Unpacking: one loop for all forms, each of which is a function that takes
 * what it can of the input and fills a block of output.
 */
#include "memory/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/array.h"
#include "base/work.h"

enum { BLOCK = 1 << 20, HOLE = 4096, PIECE = 16 << 20 };

/* No process is larger (47 bits of address space), and a file of a few KB can be made to unpack to more. */
#define MOST_UNPACKED (UINT64_C(1) << 44)

struct stream {
    const uint8_t *in;
    size_t left; /* bytes of input not yet taken */
    uint8_t *out;
    size_t filled; /* of `out` */
    union {
        ZSTD_DCtx *zstd;
        z_stream *zlib;
        lzma_stream *xz;
    };
};

/* `fill` returns false at the end: of the input, or of what can be read of it. */
struct form {
    const char *name, *magic;
    size_t length;
    bool (*begin)(struct stream *stream);
    bool (*fill)(struct stream *stream);
    void (*end)(struct stream *stream);
};

static bool begin_zstd(struct stream *stream)
{
    return (stream->zstd = ZSTD_createDCtx());
}

static bool fill_zstd(struct stream *stream)
{
    ZSTD_inBuffer in = {stream->in, stream->left, 0};
    ZSTD_outBuffer out = {stream->out, BLOCK, stream->filled};
    size_t result = ZSTD_decompressStream(stream->zstd, &out, &in);
    bool moved = in.pos || out.pos != stream->filled;
    stream->in += in.pos;
    stream->left -= in.pos;
    stream->filled = out.pos;
    return !ZSTD_isError(result) && moved;
}

static void end_zstd(struct stream *stream)
{
    ZSTD_freeDCtx(stream->zstd);
}

static bool begin_gzip(struct stream *stream)
{
    const int gzip_header = 16;
    stream->zlib = mx_calloc(1, sizeof(*stream->zlib));
    if (!stream->zlib || inflateInit2(stream->zlib, MAX_WBITS + gzip_header) != Z_OK) {
        free(stream->zlib);
        return false;
    }
    return true;
}

/* Files of several members are the members one after another. */
static bool fill_gzip(struct stream *stream)
{
    z_stream *zlib = stream->zlib;
    size_t given = stream->left < PIECE ? stream->left : PIECE;
    zlib->next_in = (Bytef *)(uintptr_t)stream->in;
    zlib->avail_in = (uInt)given;
    zlib->next_out = stream->out + stream->filled;
    zlib->avail_out = (uInt)(BLOCK - stream->filled);
    int result = inflate(zlib, Z_NO_FLUSH);
    size_t taken = given - zlib->avail_in;
    size_t filled = BLOCK - zlib->avail_out;
    bool moved = taken || filled != stream->filled;
    stream->in += taken;
    stream->left -= taken;
    stream->filled = filled;
    if (result == Z_STREAM_END)
        return stream->left && inflateReset(zlib) == Z_OK;
    return (result == Z_OK || result == Z_BUF_ERROR) && moved;
}

static void end_gzip(struct stream *stream)
{
    inflateEnd(stream->zlib);
    free(stream->zlib);
}

static bool begin_xz(struct stream *stream)
{
    static const lzma_stream fresh = LZMA_STREAM_INIT;
    stream->xz = mx_calloc(1, sizeof(*stream->xz));
    if (!stream->xz)
        return false;
    *stream->xz = fresh;
    if (lzma_stream_decoder(stream->xz, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK) {
        free(stream->xz);
        return false;
    }
    return true;
}

static bool fill_xz(struct stream *stream)
{
    lzma_stream *xz = stream->xz;
    xz->next_in = stream->in;
    xz->avail_in = stream->left;
    xz->next_out = stream->out + stream->filled;
    xz->avail_out = BLOCK - stream->filled;
    lzma_ret result = lzma_code(xz, stream->left ? LZMA_RUN : LZMA_FINISH);
    bool moved = xz->avail_in != stream->left || BLOCK - xz->avail_out != stream->filled;
    stream->in = xz->next_in;
    stream->left = xz->avail_in;
    stream->filled = BLOCK - xz->avail_out;
    return result == LZMA_OK && moved;
}

static void end_xz(struct stream *stream)
{
    lzma_end(stream->xz);
    free(stream->xz);
}

static const struct form forms[] = {
    {"zstd", "\x28\xb5\x2f\xfd", 4, begin_zstd, fill_zstd, end_zstd},
    {"gzip", "\x1f\x8b", 2, begin_gzip, fill_gzip, end_gzip},
    {"xz",
     "\xfd"
     "7zXZ",
     5, begin_xz, fill_xz, end_xz},
    {"lz4", "\x04\x22\x4d\x18", 4, NULL, NULL, NULL},
};

static const struct form *form_of(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (size > forms[i].length && !memcmp(bytes, forms[i].magic, forms[i].length))
            return &forms[i];
    return NULL;
}

const char *mx_compression(const uint8_t *bytes, size_t size, bool *ret_readable)
{
    const struct form *form = form_of(bytes, size);
    *ret_readable = form && form->fill;
    return form ? form->name : NULL;
}

/* Cores are large: /tmp may be in RAM. */
static const char *temporary_folder(void)
{
    const char *chosen = getenv("TMPDIR");
    return chosen && *chosen ? chosen : access("/var/tmp", W_OK) ? "/tmp" : "/var/tmp";
}

static int open_temporary(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char path[4096];
    if (fd >= 0 || snprintf(path, sizeof(path), "%s/memext-XXXXXX", folder) >= (int)sizeof(path))
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static bool is_zeros(const uint8_t *bytes, size_t length)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* Pages of zeros stay holes. */
static int write_sparse(int fd, const uint8_t *bytes, size_t length, uint64_t offset)
{
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && !is_zeros(bytes + end, length - end < HOLE ? length - end : HOLE))
            end += length - end < HOLE ? length - end : HOLE;
        while (at < end) {
            ssize_t written = pwrite(fd, bytes + at, end - at, (off_t)(offset + at));
            if (written < 0 && errno != EINTR)
                return errno;
            at += written > 0 ? (size_t)written : 0;
        }
        if (at < length)
            at += length - at < HOLE ? length - at : HOLE;
    }
    return 0;
}

static struct mx_error *write_error(int reason, const char *path, uint64_t done)
{
    if (reason == ENOSPC || reason == EFBIG || reason == EDQUOT)
        return mx_error_new(
            MX_ERROR_OS,
            "%s is full: after %llu MB of %s nothing more could be unpacked to it; TMPDIR names another "
            "folder",
            temporary_folder(), (unsigned long long)(done >> 20), path);
    return mx_error_os(reason, "cannot unpack %s to %s", path, temporary_folder());
}

static struct mx_error *unpack_all(const struct form *form, struct stream *stream, const char *path, int fd,
                                   struct mx_work *work)
{
    uint64_t done = 0;
    for (bool more = true; more;) {
        size_t before = stream->left;
        stream->filled = 0;
        while (more && stream->filled < BLOCK)
            more = form->fill(stream);
        int failed = write_sparse(fd, stream->out, stream->filled, done);
        done += stream->filled;
        if (failed)
            return write_error(failed, path, done);
        if (done > MOST_UNPACKED)
            return mx_error_new(MX_ERROR_BAD_DATA, "%s unpacks to more than any process has", path);
        if (!mx_work_step(work, before - stream->left))
            return mx_error_cancelled();
    }
    if (!done)
        return mx_error_new(MX_ERROR_BAD_DATA, "%s begins as %s does, but nothing can be unpacked from it", path,
                            form->name);
    return ftruncate(fd, (off_t)done) ? write_error(errno, path, done) : NULL;
}

static struct mx_error *unpack_to(const struct form *form, const char *path, struct stream *stream, int fd,
                                  const struct mx_progress *progress)
{
    struct mx_work work;
    mx_work_begin(&work, progress, "unpacking the core", stream->left);
    stream->out = mx_calloc(1, BLOCK);
    if (!stream->out || !form->begin(stream)) {
        free(stream->out);
        return mx_error_no_memory();
    }
    struct mx_error *error = unpack_all(form, stream, path, fd, &work);
    form->end(stream);
    free(stream->out);
    return error;
}

struct mx_error *mx_unpack(const char *path, const uint8_t *bytes, size_t size, const struct mx_progress *progress,
                           int *ret_descriptor)
{
    struct stream stream = {.in = bytes, .left = size};
    int fd = open_temporary(temporary_folder());
    if (fd < 0)
        return write_error(errno, path, 0);
    struct mx_error *error = unpack_to(form_of(bytes, size), path, &stream, fd, progress);
    if (error)
        close(fd);
    else
        *ret_descriptor = fd;
    return error;
}
