/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory/unpack: what each library has packed comes out again, with holes
 * for zeros; damage gives what stands before it.
 */
#include <CUnit/CUnit.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "memory/unpack.h"

void suite_unpack(CU_pSuite suite);

enum { SIZE = 3 * 1024 * 1024 + 777, ZEROS = 64 * 1024, ZEROS_END = 2 * 1024 * 1024 };

static uint8_t plain[SIZE], packed[SIZE + 65536];

/* Words that repeat now and then, with zeros from ZEROS to ZEROS_END. */
static void fill_plain(void)
{
    uint32_t state = 1;
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1664525 + 1013904223;
        plain[i] = i >= ZEROS && i < ZEROS_END ? 0 : (uint8_t)(1 + (state >> 28));
    }
}

static size_t pack_gzip(const uint8_t *bytes, size_t size, uint8_t *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size};
    CU_ASSERT_EQUAL_FATAL(deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = out;
    stream.avail_out = (uInt)sizeof(packed) / 2;
    CU_ASSERT_EQUAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return sizeof(packed) / 2 - stream.avail_out;
}

static size_t pack_zstd(const uint8_t *bytes, size_t size, uint8_t *out)
{
    size_t length = ZSTD_compress(out, sizeof(packed) / 2, bytes, size, 1);
    CU_ASSERT_FALSE_FATAL(ZSTD_isError(length));
    return length;
}

static size_t pack_xz(const uint8_t *bytes, size_t size, uint8_t *out)
{
    size_t length = 0;
    CU_ASSERT_EQUAL_FATAL(
        lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, bytes, size, out, &length, sizeof(packed) / 2), LZMA_OK);
    return length;
}

typedef size_t packer(const uint8_t *bytes, size_t size, uint8_t *out);
static packer *const packers[] = {pack_gzip, pack_zstd, pack_xz};

static struct stat unpacked(size_t size, uint8_t **ret)
{
    int fd = -1;
    struct stat status;
    struct mx_error *error = mx_unpack("core", packed, size, NULL, &fd);
    CU_ASSERT_PTR_NULL_FATAL(error);
    CU_ASSERT_FALSE_FATAL(fstat(fd, &status));
    *ret = malloc((size_t)status.st_size);
    CU_ASSERT_EQUAL(pread(fd, *ret, (size_t)status.st_size, 0), status.st_size);
    close(fd);
    return status;
}

static void test_what_was_packed_comes_out(void)
{
    fill_plain();
    for (size_t i = 0; i < 3; i++) {
        uint8_t *out;
        struct stat status = unpacked(packers[i](plain, SIZE, packed), &out);
        CU_ASSERT_EQUAL(status.st_size, SIZE);
        CU_ASSERT_FALSE(memcmp(out, plain, SIZE));
        CU_ASSERT_TRUE(status.st_blocks * 512 < SIZE - ZEROS_END + 2 * ZEROS);
        free(out);
    }
}

/* As `cat a.gz b.gz` makes, and parallel compressors. */
static void test_parts_one_behind_the_other(void)
{
    fill_plain();
    for (size_t i = 0; i < 3; i++) {
        uint8_t *out;
        size_t first = packers[i](plain, 100000, packed);
        size_t second = packers[i](plain + 100000, SIZE - 100000, packed + first);
        struct stat status = unpacked(first + second, &out);
        CU_ASSERT_EQUAL(status.st_size, SIZE);
        CU_ASSERT_FALSE(memcmp(out, plain, (size_t)status.st_size));
        free(out);
    }
}

/* Zeros that end a file are part of it. */
static void test_zeros_at_the_end(void)
{
    memset(plain, 0, SIZE);
    plain[0] = 1;
    uint8_t *out;
    CU_ASSERT_EQUAL(unpacked(pack_zstd(plain, SIZE, packed), &out).st_size, SIZE);
    CU_ASSERT_FALSE(memcmp(out, plain, SIZE));
    free(out);
}

static void test_a_cut_or_damaged_file_gives_its_beginning(void)
{
    fill_plain();
    for (size_t i = 0; i < 3; i++) {
        uint8_t *out;
        size_t size = packers[i](plain, SIZE, packed);
        struct stat status = unpacked(size / 2, &out);
        CU_ASSERT_TRUE(status.st_size > ZEROS && status.st_size < SIZE);
        CU_ASSERT_FALSE(memcmp(out, plain, (size_t)status.st_size));
        free(out);
        memset(packed + size / 2, 0x55, 4096);
        status = unpacked(size, &out);
        CU_ASSERT_TRUE(status.st_size > ZEROS && status.st_size <= SIZE);
        CU_ASSERT_FALSE(memcmp(out, plain, ZEROS));
        free(out);
    }
}

static void test_what_is_not_compressed(void)
{
    bool readable;
    CU_ASSERT_PTR_NULL(mx_compression((const uint8_t *)"\x7f"
                                                       "ELF....",
                                      8, &readable));
    CU_ASSERT_FALSE(readable);
    CU_ASSERT_STRING_EQUAL(mx_compression((const uint8_t *)"\x04\x22\x4d\x18 0", 6, &readable), "lz4");
    CU_ASSERT_FALSE(readable);
    CU_ASSERT_STRING_EQUAL(mx_compression((const uint8_t *)"\x1f\x8b 0123", 7, &readable), "gzip");
    CU_ASSERT_TRUE(readable);
    int fd;
    struct mx_error *error = mx_unpack("core", (const uint8_t *)"\x28\xb5\x2f\xfd 0123456789", 15, NULL, &fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "nothing can be unpacked"));
    mx_error_free(error);
}

static bool refuse(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    *(uint64_t *)context = total;
    return done == 0;
}

static void test_cancelling(void)
{
    fill_plain();
    uint64_t total = 0;
    int fd;
    struct mx_progress progress = {refuse, &total};
    size_t size = pack_gzip(plain, SIZE, packed);
    struct mx_error *error = mx_unpack("core", packed, size, &progress, &fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_CANCELLED);
    CU_ASSERT_EQUAL(total, size);
    mx_error_free(error);
}

static void test_no_room(void)
{
    fill_plain();
    int fd;
    setenv("TMPDIR", "/nonexistent", 1);
    struct mx_error *error = mx_unpack("core", packed, pack_gzip(plain, SIZE, packed), NULL, &fd);
    unsetenv("TMPDIR");
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "cannot unpack core to /nonexistent"));
    mx_error_free(error);
}

void suite_unpack(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_what_was_packed_comes_out);
    CU_ADD_TEST(suite, test_parts_one_behind_the_other);
    CU_ADD_TEST(suite, test_zeros_at_the_end);
    CU_ADD_TEST(suite, test_a_cut_or_damaged_file_gives_its_beginning);
    CU_ADD_TEST(suite, test_what_is_not_compressed);
    CU_ADD_TEST(suite, test_cancelling);
    CU_ADD_TEST(suite, test_no_room);
}
