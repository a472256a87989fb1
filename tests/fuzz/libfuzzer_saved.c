/* SPDX-License-Identifier: Apache-2.0
 *
 * For libFuzzer: an input is damage to a small saved target, which is made at
 * the start. Its index is unpacked, edited and packed again with right checksums:
 * bytes that are damaged anywhere else are found by these at once.
 *
 *   1 byte               0: what follows is the whole file; else edits of the index, and how many words it loses
 *   8 bytes an edit      (edit.h)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "edit.h"
#include "libfuzzer.h"
#include "memory/saved_format.h"
#include "memory/symbols.h"
#include "memory_file.h"

enum { REGION = 1 << 16, MOST_FILE = 1 << 18 };

static struct {
    uint8_t bytes[MOST_FILE];
    size_t size, index_offset;
    uint64_t *index; /* unpacked */
    size_t words;
} saved;

static uint64_t header_word(size_t at)
{
    return mx_load_u64(saved.bytes + at);
}

static void put_header_word(uint8_t *bytes, size_t at, uint64_t word)
{
    memcpy(bytes + at, &word, 8);
}

static void read_back(const char *path)
{
    FILE *stream = fopen(path, "rb");
    saved.size = stream ? fread(saved.bytes, 1, sizeof(saved.bytes), stream) : 0;
    if (!saved.size || fclose(stream))
        abort();
    saved.index_offset = header_word(24);
    saved.words = header_word(40) / 8;
    saved.index = calloc(saved.words + 1, 8);
    if (!saved.index ||
        ZSTD_isError(ZSTD_decompress(saved.index, header_word(40), saved.bytes + saved.index_offset, header_word(32))))
        abort();
}

static void add_region(struct mx_memory *memory, mx_addr start, const uint8_t *bytes, uint32_t flags)
{
    const struct mx_region region = {
        .start = start, .end = start + REGION, .bytes = bytes, .flags = flags, .module = 0, .name = "libmade.so"};
    if (mx_memory_add(memory, region))
        abort();
}

static bool skips_none(void *context, const struct mx_region *region)
{
    (void)context;
    (void)region;
    return false;
}

static void leave_all(void *context, mx_addr start, uint8_t *bytes, size_t length)
{
    (void)context;
    (void)start;
    (void)bytes;
    (void)length;
}

/* Three regions (text, zeros, one that is missing), a module with symbols, a thread. */
static void save_one(const char *path)
{
    static uint8_t text[REGION], zeros[REGION];
    struct mx_memory *memory;
    struct mx_modules modules = {0};
    struct mx_threads threads = {.pid = 7, .command = "made"};
    struct mx_blob facts = {0};
    struct mx_symbols symbols = {0};
    const Elf64_Sym symbol = {.st_value = 64, .st_size = 8, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT)};
    uint64_t bytes;
    for (size_t i = 0; i < REGION; i++)
        text[i] = (uint8_t)(i * i >> 7);
    if (mx_memory_new(&memory))
        abort();
    add_region(memory, 0x10000, text, MX_REGION_READ);
    add_region(memory, 0x40000, zeros, MX_REGION_READ | MX_REGION_WRITE);
    add_region(memory, 0x80000, NULL, MX_REGION_READ | MX_REGION_MISSING);
    mx_symbols_add(&symbols, "_PyRuntime", 10, &symbol);
    const struct mx_module module = {.path = "libmade.so", .start = 0x10000, .end = 0x90000, .symbols = &symbols};
    const struct mx_thread thread = {.tid = 7, .stack_pointer = 0x40010};
    mx_blob_put_text(&facts, "facts");
    if (!mx_array_push(&modules.modules, module) || !mx_array_push(&threads.threads, thread) || mx_memory_seal(memory))
        abort();
    const struct mx_saved_content content = {.memory = memory,
                                             .modules = &modules,
                                             .threads = &threads,
                                             .facts = &facts,
                                             .skips = skips_none,
                                             .lighten = leave_all};
    struct mx_work work;
    mx_work_begin(&work, NULL, "saving", 0);
    if (mx_saved_write(&content, path, &work, &bytes))
        abort();
    mx_symbols_deinit(&symbols);
    mx_array_free(&modules.modules);
    mx_threads_deinit(&threads);
    mx_array_free(&facts.bytes);
    mx_memory_close(memory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char folder[] = "/tmp/memext-fuzz-XXXXXX", path[64];
    (void)argc;
    (void)argv;
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof(path), "%s/saved", folder);
    save_one(path);
    read_back(path);
    unlink(path);
    rmdir(folder);
    return 0;
}

static void open_file(const char *path)
{
    struct mx_memory *memory;
    struct mx_modules modules = {0};
    struct mx_threads threads = {0};
    struct mx_blob facts = {0};
    struct mx_symbol symbol;
    struct mx_error *error = mx_saved_open(path, &memory, &modules, &threads, &facts);
    if (error) {
        mx_error_free(error);
        return;
    }
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        mx_memory_view(memory, region->start, 8);
        mx_memory_view(memory, region->end - 8, 8);
        mx_memory_pointer(memory, region->start + (region->end - region->start) / 2);
    }
    mx_modules_symbol(&modules, "_PyRuntime", 0, &symbol);
    mx_threads_deinit(&threads);
    mx_modules_deinit(&modules);
    mx_memory_close(memory);
    mx_array_free(&facts.bytes);
}

static void write_edited(const struct memory_file *file, const uint64_t *index, size_t length)
{
    static uint8_t out[MOST_FILE];
    size_t packed =
        ZSTD_compress(out + saved.index_offset, sizeof(out) - saved.index_offset, index, length, MX_SAVED_LEVEL);
    if (ZSTD_isError(packed))
        abort();
    memcpy(out, saved.bytes, saved.index_offset);
    put_header_word(out, 16, saved.index_offset + packed);
    put_header_word(out, 32, packed);
    put_header_word(out, 40, length);
    put_header_word(out, 48, mx_hash(0, out + saved.index_offset, packed));
    put_header_word(out, 56, mx_hash(0, out, 56));
    memory_file_set(file, out, saved.index_offset + packed);
}

static void edit_index(const struct memory_file *file, uint8_t lost, const uint8_t *bytes, size_t size)
{
    uint64_t *index = malloc(saved.words * 8);
    size_t words = saved.words - lost % (saved.words / 2);
    if (!index)
        abort();
    memcpy(index, saved.index, saved.words * 8);
    for (; size >= EDIT_SIZE; bytes += EDIT_SIZE, size -= EDIT_SIZE) {
        struct edit edit = edit_read(bytes);
        uint64_t *word = &index[edit.word % words];
        *word = edit_apply(&edit, *word, index[edit.value % words]);
    }
    write_edited(file, index, words * 8);
    free(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file file;
    if (!*file.path)
        memory_file_open(&file);
    if (!size)
        return 0;
    if (bytes[0])
        edit_index(&file, (uint8_t)(bytes[0] - 1), bytes + 1, size - 1);
    else
        memory_file_set(&file, bytes + 1, size - 1);
    open_file(file.path);
    return 0;
}
