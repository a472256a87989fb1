/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved targets as files: what goes in comes out, and a file that is damaged,
 * cut, newer or made up is refused, or at least harmless.
 */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "memory/saved_format.h"
#include "memory/symbols.h"

enum { LARGE = 700 * 1024, SMALL = 4096, MOST_FILE = 1 << 20 };

#define LARGE_START UINT64_C(0x7f0000100000)
#define SMALL_START UINT64_C(0x7f0000400000)
#define MISSING_START UINT64_C(0x7f0000500000)
#define SKIPPED_START UINT64_C(0x7f0000600000)

/* A target of four regions, and the file that it is saved to. */
struct made {
    char folder[32], path[64];
    uint8_t *large;
    uint8_t small[SMALL];
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
    struct mx_blob facts;
    struct mx_saved_content content;
};

static bool skips(void *context, const struct mx_region *region)
{
    (void)context;
    return region->start == SKIPPED_START;
}

/* Clears what stands at 0x10000..0x10100 of the large region. */
static void lighten(void *context, mx_addr start, uint8_t *bytes, size_t length)
{
    (void)context;
    for (mx_addr at = LARGE_START + 0x10000; at < LARGE_START + 0x10100; at++)
        if (at >= start && at < start + length)
            bytes[at - start] = 0;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

/* Numbers, near addresses, zeros, and words that look like near addresses rewritten. */
static void fill_large(uint8_t *bytes)
{
    uint64_t seed = 1;
    for (size_t at = 0; at < LARGE; at += 8) {
        uint64_t random = next_random(&seed), word = at % 24 ? LARGE_START + at + random % 9000 - 4500 : random;
        if (at > LARGE / 2)
            word = at % 64 ? 0 : random >> 40 | UINT64_C(0x7a5e) << 48;
        memcpy(bytes + at, &word, 8);
    }
}

static void add(struct made *made, mx_addr start, uint64_t size, const uint8_t *bytes, uint32_t flags, const char *name)
{
    struct mx_region region = {start, start + size, bytes, flags, MX_NO_MODULE, name, 0, NULL};
    region.module = flags & MX_REGION_FILE ? 0 : MX_NO_MODULE;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(made->memory, region));
}

static void add_module(struct made *made)
{
    struct mx_module module = {.path = "/usr/lib/libthing.so", .start = SMALL_START, .end = SMALL_START + SMALL};
    module.bias = SMALL_START;
    module.state = MX_FILE_MATCHED;
    module.is_executable = true;
    module.build_id_size = 3;
    memcpy(module.build_id, "abc", 3);
    module.symbols = mx_calloc(1, sizeof(*module.symbols));
    Elf64_Sym data = {.st_value = 16, .st_size = 8, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_OBJECT)};
    Elf64_Sym function = {.st_value = 32, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC)};
    mx_symbols_add(module.symbols, "data", 4, &data);
    mx_symbols_add(module.symbols, "hidden", 6, &function);
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->modules.modules, module));
}

static void make(struct made *made)
{
    *made = (struct made){.folder = "/tmp/mx-saved-XXXXXX", .large = malloc(LARGE)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(made->folder));
    snprintf(made->path, sizeof(made->path), "%s/x.memext", made->folder);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&made->memory));
    fill_large(made->large);
    memset(made->small, 'x', sizeof(made->small));
    add(made, LARGE_START, LARGE, made->large, MX_REGION_READ | MX_REGION_WRITE, "[heap]");
    add(made, SMALL_START, SMALL, made->small, MX_REGION_READ | MX_REGION_FILE, "/usr/lib/libthing.so");
    add(made, MISSING_START, SMALL, NULL, MX_REGION_READ | MX_REGION_MISSING, NULL);
    add(made, SKIPPED_START, SMALL, made->small, MX_REGION_READ | MX_REGION_EXEC, NULL);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(made->memory));
    made->memory->missing_bytes = 5;
    made->memory->expected_bytes = 1000;
    add_module(made);
    struct mx_thread thread = {.tid = 77, .stack_pointer = LARGE_START + 64, .fs_base = 9, .signal = 6};
    CU_ASSERT_TRUE_FATAL(mx_array_push(&made->threads.threads, thread));
    made->threads.pid = 76;
    strcpy(made->threads.command, "python3 app.py");
    mx_blob_put_text(&made->facts, "my own");
    made->content =
        (struct mx_saved_content){made->memory, &made->modules, &made->threads, &made->facts, skips, lighten, NULL};
}

static void unmake(struct made *made)
{
    unlink(made->path);
    CU_ASSERT_EQUAL(rmdir(made->folder), 0); /* nothing was left beside the file */
    mx_memory_close(made->memory);
    mx_modules_deinit(&made->modules);
    mx_threads_deinit(&made->threads);
    mx_array_free(&made->facts.bytes);
    free(made->large);
}

static struct mx_error *write_to(struct made *made, const char *path, uint64_t *bytes)
{
    struct mx_work work;
    mx_work_begin(&work, NULL, "saving", 0);
    return mx_saved_write(&made->content, path, &work, bytes);
}

struct opened {
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
    struct mx_blob facts;
};

static struct mx_error *open_at(const char *path, struct opened *opened)
{
    *opened = (struct opened){0};
    return mx_saved_open(path, &opened->memory, &opened->modules, &opened->threads, &opened->facts);
}

static void close_opened(struct opened *opened)
{
    mx_threads_deinit(&opened->threads);
    mx_modules_deinit(&opened->modules);
    mx_memory_close(opened->memory);
    mx_array_free(&opened->facts.bytes);
}

static void make_file(struct made *made)
{
    uint64_t bytes;
    struct stat status;
    make(made);
    CU_ASSERT_PTR_NULL_FATAL(write_to(made, made->path, &bytes));
    CU_ASSERT_EQUAL_FATAL(stat(made->path, &status), 0);
    CU_ASSERT_EQUAL(bytes, (uint64_t)status.st_size);
    CU_ASSERT_TRUE(bytes < LARGE);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
}

static void test_bytes(void)
{
    struct made made;
    struct opened opened;
    make_file(&made);
    CU_ASSERT_PTR_NULL_FATAL(open_at(made.path, &opened));
    memset(made.large + 0x10000, 0, 0x100);
    const uint8_t *view = mx_memory_view(opened.memory, LARGE_START, LARGE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
    CU_ASSERT_EQUAL(memcmp(view, made.large, LARGE), 0);
    view = mx_memory_view(opened.memory, SMALL_START, SMALL);
    CU_ASSERT_TRUE(view && !memcmp(view, made.small, SMALL));
    view = mx_memory_view(opened.memory, SKIPPED_START, SMALL);
    CU_ASSERT_TRUE(view && !view[0] && !view[SMALL - 1]);
    CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, MISSING_START, 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, LARGE_START + LARGE, 1));
    close_opened(&opened);
    unmake(&made);
}

/* Pieces of all sizes, across frames, through a window and one by one. */
static void test_pieces(void)
{
    struct made made;
    struct opened opened;
    struct mx_cursor cursor;
    make_file(&made);
    CU_ASSERT_PTR_NULL_FATAL(open_at(made.path, &opened));
    memset(made.large + 0x10000, 0, 0x100);
    mx_cursor_init(&cursor, opened.memory);
    uint64_t seed = 3;
    for (int i = 0; i < 300; i++) {
        size_t at = next_random(&seed) % LARGE, length = next_random(&seed) % (LARGE - at) % 100000 + 1;
        const uint8_t *view = mx_cursor_view(&cursor, LARGE_START + at, length);
        CU_ASSERT_TRUE(view && !memcmp(view, made.large + at, length));
        mx_addr address = LARGE_START + at;
        uint8_t row[8];
        if (at + 8 <= LARGE)
            CU_ASSERT_TRUE(mx_memory_gather(opened.memory, &address, 1, 8, row, NULL) == 1 &&
                           !memcmp(row, made.large + at, 8));
    }
    mx_cursor_deinit(&cursor);
    close_opened(&opened);
    unmake(&made);
}

static void test_facts(void)
{
    struct made made;
    struct opened opened;
    struct mx_symbol symbol;
    make_file(&made);
    CU_ASSERT_PTR_NULL_FATAL(open_at(made.path, &opened));
    CU_ASSERT_EQUAL(opened.memory->regions.count, 4);
    CU_ASSERT_EQUAL(opened.memory->missing_bytes, 5);
    CU_ASSERT_EQUAL(opened.memory->expected_bytes, 1000);
    const struct mx_region *region = mx_memory_region(opened.memory, LARGE_START);
    CU_ASSERT_STRING_EQUAL(region->name, "[heap]");
    CU_ASSERT_EQUAL(region->flags, MX_REGION_READ | MX_REGION_WRITE | MX_REGION_LIVE);
    CU_ASSERT_EQUAL(mx_memory_region(opened.memory, MISSING_START)->flags, MX_REGION_READ | MX_REGION_MISSING);
    const struct mx_module *module = &opened.modules.modules.items[0];
    CU_ASSERT_STRING_EQUAL(module->path, "/usr/lib/libthing.so");
    CU_ASSERT_TRUE(module->is_executable && module->state == MX_FILE_MATCHED && module->build_id_size == 3);
    CU_ASSERT_EQUAL(memcmp(module->build_id, "abc", 3), 0);
    CU_ASSERT_TRUE(mx_module_symbol(module, "data", &symbol) && symbol.address == SMALL_START + 16);
    CU_ASSERT_FALSE(mx_module_symbol(module, "hidden", &symbol));
    CU_ASSERT_EQUAL(opened.threads.pid, 76);
    CU_ASSERT_STRING_EQUAL(opened.threads.command, "python3 app.py");
    CU_ASSERT_EQUAL(opened.threads.threads.items[0].tid, 77);
    CU_ASSERT_EQUAL(opened.threads.threads.items[0].stack_pointer, LARGE_START + 64);
    CU_ASSERT_EQUAL(opened.facts.bytes.count, made.facts.bytes.count);
    CU_ASSERT_EQUAL(memcmp(opened.facts.bytes.items, made.facts.bytes.items, made.facts.bytes.count), 0);
    close_opened(&opened);
    unmake(&made);
}

/* A file in memory, to be changed and written again. */
struct file {
    uint8_t *bytes;
    size_t size;
};

static struct file read_file(const char *path)
{
    struct file file = {.bytes = malloc(MOST_FILE)};
    FILE *stream = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    file.size = fread(file.bytes, 1, MOST_FILE, stream);
    fclose(stream);
    CU_ASSERT_TRUE_FATAL(file.size > MX_SAVED_HEADER && file.size < MOST_FILE);
    return file;
}

static void write_file(const char *path, const struct file *file, size_t size)
{
    FILE *stream = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    CU_ASSERT_EQUAL(fwrite(file->bytes, 1, size, stream), size);
    fclose(stream);
}

/* The code of the error that opening gives; -1 when it opens. */
static int code_of(const char *path)
{
    struct opened opened;
    struct mx_error *error = open_at(path, &opened);
    int code = error ? (int)error->code : -1;
    CU_ASSERT_TRUE(!error || (error->message[0] && !strchr(error->message, '\n')));
    mx_error_free(error);
    if (code < 0)
        close_opened(&opened);
    return code;
}

static void test_flipped(void)
{
    struct made made;
    make_file(&made);
    struct file file = read_file(made.path);
    unsigned accepted = 0;
    for (size_t at = 0; at < file.size; at += at < 256 || at + 256 > file.size ? 1 : file.size / 300) {
        file.bytes[at] ^= (uint8_t)(1u << at % 8);
        write_file(made.path, &file, file.size);
        accepted += code_of(made.path) != MX_ERROR_BAD_DATA;
        file.bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    CU_ASSERT_EQUAL(accepted, 0);
    free(file.bytes);
    unmake(&made);
}

static void test_cut(void)
{
    struct made made;
    make_file(&made);
    struct file file = read_file(made.path);
    unsigned accepted = 0;
    for (size_t size = 0; size < file.size; size += size < 256 || size + 256 > file.size ? 1 : file.size / 300) {
        write_file(made.path, &file, size);
        accepted += code_of(made.path) != MX_ERROR_BAD_DATA;
    }
    CU_ASSERT_EQUAL(accepted, 0);
    free(file.bytes);
    unmake(&made);
}

static void put_number(struct file *file, size_t at, uint64_t value)
{
    memcpy(file->bytes + at, &value, 8);
}

static void sign_header(struct file *file)
{
    put_number(file, MX_SAVED_HEADER - 8, mx_hash(0, file->bytes, MX_SAVED_HEADER - 8));
}

static void test_newer(void)
{
    struct made made;
    make_file(&made);
    struct file file = read_file(made.path);
    put_number(&file, 8, MX_SAVED_VERSION + 1);
    sign_header(&file);
    write_file(made.path, &file, file.size);
    CU_ASSERT_EQUAL(code_of(made.path), MX_ERROR_UNSUPPORTED);
    free(file.bytes);
    unmake(&made);
}

static void test_other_files(void)
{
    CU_ASSERT_EQUAL(code_of("/nonexistent/file"), MX_ERROR_OS);
    CU_ASSERT_EQUAL(code_of("/dev/null"), MX_ERROR_BAD_DATA);
    CU_ASSERT_EQUAL(code_of("/proc/self/exe"), MX_ERROR_BAD_DATA);
    CU_ASSERT_EQUAL(code_of("/tmp"), MX_ERROR_BAD_DATA);
}

/* The file with another index, all checksums right. */
static void replace_index(struct file *file, const uint8_t *index, size_t size)
{
    size_t offset = (size_t)mx_load_u64(file->bytes + 24);
    size_t packed = ZSTD_compress(file->bytes + offset, MOST_FILE - offset, index, size, 1);
    CU_ASSERT_FALSE_FATAL(ZSTD_isError(packed));
    file->size = offset + packed;
    put_number(file, 16, file->size);
    put_number(file, 32, packed);
    put_number(file, 40, size);
    put_number(file, 48, mx_hash(0, file->bytes + offset, packed));
    sign_header(file);
}

static uint8_t *read_index(const struct file *file, size_t *size)
{
    *size = (size_t)mx_load_u64(file->bytes + 40);
    uint8_t *index = malloc(*size);
    CU_ASSERT_EQUAL_FATAL(ZSTD_decompress(index, *size, file->bytes + mx_load_u64(file->bytes + 24),
                                          (size_t)mx_load_u64(file->bytes + 32)),
                          *size);
    return index;
}

/* Reads a little everywhere; what comes does not matter. */
static void look_around(const char *path)
{
    struct opened opened;
    struct mx_symbol symbol;
    struct mx_error *error = open_at(path, &opened);
    if (error) {
        CU_ASSERT_EQUAL(error->code, MX_ERROR_BAD_DATA);
        mx_error_free(error);
        return;
    }
    for (size_t i = 0; i < opened.memory->regions.count; i++) {
        const struct mx_region *region = &opened.memory->regions.items[i];
        mx_memory_pointer(opened.memory, region->start);
        mx_memory_pointer(opened.memory, region->end - 8);
        mx_memory_view(opened.memory, region->start, SMALL);
    }
    mx_modules_symbol(&opened.modules, "data", 0, &symbol);
    close_opened(&opened);
}

/* Numbers of the index at random, and such as are worst: huge counts, overlaps, places outside of the file. */
static void test_made_up(void)
{
    static const uint64_t worst[] = {0, 1, 8, 0xfff, UINT64_C(1) << 32, UINT64_C(1) << 46, UINT64_MAX, UINT64_MAX - 7};
    struct made made;
    size_t size;
    make_file(&made);
    struct file file = read_file(made.path);
    uint8_t *index = read_index(&file, &size);
    uint64_t seed = 9, kept;
    for (size_t at = 0; at + 8 <= size; at += 3) {
        memcpy(&kept, index + at, 8);
        for (size_t i = 0; i < 3; i++) {
            uint64_t value = i ? worst[next_random(&seed) % 8] : next_random(&seed) >> next_random(&seed) % 64;
            memcpy(index + at, &value, 8);
            replace_index(&file, index, size);
            write_file(made.path, &file, file.size);
            look_around(made.path);
        }
        memcpy(index + at, &kept, 8);
    }
    for (size_t cut = 0; cut < size; cut += 7) {
        replace_index(&file, index, cut);
        write_file(made.path, &file, file.size);
        CU_ASSERT_EQUAL(code_of(made.path), MX_ERROR_BAD_DATA);
    }
    free(index);
    free(file.bytes);
    unmake(&made);
}

static void write_old(const char *path)
{
    FILE *stream = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    fputs("old", stream);
    fclose(stream);
}

static void check_old(const char *path)
{
    char text[8] = "";
    FILE *stream = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    CU_ASSERT_EQUAL(fread(text, 1, sizeof(text), stream), 3);
    CU_ASSERT_STRING_EQUAL(text, "old");
    fclose(stream);
}

static int write_code(struct made *made, const char *path)
{
    uint64_t bytes;
    struct mx_error *error = write_to(made, path, &bytes);
    int code = error ? (int)error->code : -1;
    mx_error_free(error);
    return code;
}

/* unmake() checks that nothing was left beside the file. */
static void test_write_errors(void)
{
    struct made made;
    struct rlimit before, tight;
    make(&made);
    write_old(made.path);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 10000;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &tight), 0);
    CU_ASSERT_EQUAL(write_code(&made, made.path), MX_ERROR_OS);
    setrlimit(RLIMIT_FSIZE, &before);
    check_old(made.path);
    CU_ASSERT_EQUAL(write_code(&made, "/nonexistent/x.memext"), MX_ERROR_OS);
    CU_ASSERT_EQUAL(write_code(&made, "/dev/full"), MX_ERROR_ARGUMENT);
    CU_ASSERT_EQUAL(write_code(&made, made.folder), MX_ERROR_ARGUMENT);
    unmake(&made);
}

static bool refuse(void *context, const char *stage, uint64_t done, uint64_t total)
{
    (void)context, (void)stage, (void)done, (void)total;
    return false;
}

static void test_cancelled(void)
{
    struct made made;
    struct mx_progress progress = {.report = refuse};
    struct mx_work work;
    uint64_t bytes;
    make(&made);
    write_old(made.path);
    mx_work_begin(&work, &progress, "saving", 0);
    struct mx_error *error = mx_saved_write(&made.content, made.path, &work, &bytes);
    /* The other threads may have done all of it. */
    CU_ASSERT_TRUE(!error || error->code == MX_ERROR_CANCELLED);
    if (error)
        check_old(made.path);
    mx_error_free(error);
    unmake(&made);
}

static void test_near(void)
{
    uint8_t bytes[64], before[64];
    const mx_addr start = UINT64_C(0x7f0000000000);
    const uint64_t words[8] = {start, start + 4000, start - 4000, 0, 7, start + 100000, UINT64_MAX, start + 56};
    memcpy(bytes, words, sizeof(bytes));
    CU_ASSERT_TRUE(mx_saved_pack_near(start, bytes, sizeof(bytes)));
    CU_ASSERT_NOT_EQUAL(mx_load_u64(bytes), words[0]);
    CU_ASSERT_EQUAL(mx_load_u64(bytes + 40), words[5]);
    mx_saved_unpack_near(start, bytes, sizeof(bytes));
    CU_ASSERT_EQUAL(memcmp(bytes, words, sizeof(bytes)), 0);
    bytes[7] = 0x7a;
    bytes[6] = 0x5e;
    memcpy(before, bytes, sizeof(bytes));
    CU_ASSERT_FALSE(mx_saved_pack_near(start, bytes, sizeof(bytes)));
    CU_ASSERT_EQUAL(memcmp(bytes, before, sizeof(bytes)), 0);
}

void suite_saved(CU_pSuite suite);

void suite_saved(CU_pSuite suite)
{
    CU_add_test(suite, "bytes come back", test_bytes);
    CU_add_test(suite, "pieces of all sizes", test_pieces);
    CU_add_test(suite, "facts come back", test_facts);
    CU_add_test(suite, "any flipped bit", test_flipped);
    CU_add_test(suite, "cut at any length", test_cut);
    CU_add_test(suite, "a newer format", test_newer);
    CU_add_test(suite, "other files", test_other_files);
    CU_add_test(suite, "made-up indices", test_made_up);
    CU_add_test(suite, "errors of writing", test_write_errors);
    CU_add_test(suite, "cancelled", test_cancelled);
    CU_add_test(suite, "near addresses", test_near);
}
