/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory over small core files that are built here, byte by byte: whole,
 * cut, misaligned, with many segments, and not cores at all.
 */
#include <CUnit/CUnit.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory/core.h"
#include "memory/elf.h"

enum { MOST = 1 << 16, DATA = 8192, LOADS = 3 };

struct built {
    uint8_t bytes[MOST];
    size_t size;
};

static void put(struct built *built, const void *bytes, size_t size)
{
    memcpy(built->bytes + built->size, bytes, size);
    built->size += size;
}

static void put_note(struct built *built, uint32_t type, const struct built *desc)
{
    Elf64_Nhdr header = {.n_namesz = 5, .n_descsz = (uint32_t)desc->size, .n_type = type};
    put(built, &header, sizeof(header));
    put(built, "CORE\0\0\0", 8);
    put(built, desc->bytes, desc->size);
    built->size = (built->size + 3) & ~(size_t)3;
}

/* Of elf_prstatus: its size and where the stack pointer is (Linux arch/x86, arch/arm64: ptrace.h). */
struct registers {
    uint16_t machine;
    size_t size, stack_pointer;
};

static const struct registers x86_64 = {EM_X86_64, 336, 112 + 19 * 8}, aarch64 = {EM_AARCH64, 392, 112 + 31 * 8};
static const struct registers *registers = &x86_64;

static Elf64_Ehdr core_header(uint16_t segments)
{
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_CORE,
                         .e_machine = registers->machine,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof(Elf64_Ehdr),
                         .e_ehsize = sizeof(Elf64_Ehdr),
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = segments};
    return header;
}

static void put_thread(struct built *notes, int32_t tid, uint16_t signal, uint64_t rsp, uint64_t fs_base)
{
    static struct built desc;
    memset(&desc, 0, sizeof(desc));
    desc.size = registers->size;
    memcpy(desc.bytes + 12, &signal, sizeof(signal));
    memcpy(desc.bytes + 32, &tid, sizeof(tid));
    memcpy(desc.bytes + registers->stack_pointer, &rsp, sizeof(rsp));
    memcpy(desc.bytes + 112 + 21 * 8, &fs_base, sizeof(fs_base));
    put_note(notes, NT_PRSTATUS, &desc);
}

static void put_process(struct built *notes, int32_t pid, const char *command)
{
    static struct built desc;
    memset(&desc, 0, sizeof(desc));
    desc.size = 136;
    memcpy(desc.bytes + 24, &pid, sizeof(pid));
    strcpy((char *)desc.bytes + 56, command);
    put_note(notes, NT_PRPSINFO, &desc);
}

/* One file mapped at 0x400000 from `offset` bytes on, and one behind the segments, over `page_size`. */
static void put_files(struct built *notes, uint64_t page_size, const char *path)
{
    static struct built desc;
    memset(&desc, 0, sizeof(desc));
    const uint64_t words[] = {2,        page_size,         0x400000,          0x400000 + DATA, 0x4000 / page_size,
                              0x700000, 0x700000 + 0x1000, 0x8000 / page_size};
    put(&desc, words, sizeof(words));
    put(&desc, path, strlen(path) + 1);
    put(&desc, "/no/such/data (deleted)", 24);
    put_note(notes, NT_FILE, &desc);
}

static uint8_t data_byte(size_t segment, size_t at)
{
    return (uint8_t)(segment * 50 + at * 3 + at / 256);
}

/* Three segments of DATA bytes at 0x400000, 0x500000, 0x600000, each with as much again that was not dumped. */
static void build_core(struct built *built, size_t gap, uint64_t page_size)
{
    static struct built notes;
    notes.size = 0;
    built->size = 0;
    put_thread(&notes, 1234, 6, 0x501000, 0x600100);
    put_thread(&notes, 1235, 0, 0x502000, 0x600200);
    put_process(&notes, 1234, "python3 app.py  ");
    put_files(&notes, page_size, "/no/such/libthing.so");
    Elf64_Ehdr header = core_header(LOADS + 1);
    put(built, &header, sizeof(header));
    uint64_t offset = sizeof(header) + (LOADS + 1) * sizeof(Elf64_Phdr);
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = offset, .p_filesz = notes.size, .p_align = 4};
    put(built, &note, sizeof(note));
    offset += notes.size + gap;
    for (uint64_t i = 0; i < LOADS; i++, offset += DATA) {
        Elf64_Phdr load = {.p_type = PT_LOAD,
                           .p_flags = PF_R | PF_W,
                           .p_offset = offset,
                           .p_vaddr = 0x400000 + i * 0x100000,
                           .p_filesz = DATA,
                           .p_memsz = 2 * DATA};
        put(built, &load, sizeof(load));
    }
    put(built, notes.bytes, notes.size);
    memset(built->bytes + built->size, 0, gap);
    built->size += gap;
    for (size_t i = 0; i < LOADS * DATA; i++)
        built->bytes[built->size++] = data_byte(i / DATA, i % DATA);
}

struct opened {
    char path[32];
    struct mx_error *error;
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_threads threads;
};

static struct opened open_bytes(const void *bytes, size_t size)
{
    struct opened opened = {.path = "/tmp/memext-core-XXXXXX"};
    int fd = mkstemp(opened.path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    opened.error = mx_core_open(opened.path, NULL, &opened.memory, &opened.modules, &opened.threads);
    unlink(opened.path);
    return opened;
}

static void close_opened(struct opened *opened)
{
    mx_threads_deinit(&opened->threads);
    mx_modules_deinit(&opened->modules);
    mx_memory_close(opened->memory);
    mx_error_free(opened->error);
}

static void expect_error(const void *bytes, size_t size, enum mx_error_code code, const char *part)
{
    struct opened opened = open_bytes(bytes, size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL(opened.error->code, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(opened.error->message, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(opened.error->message, opened.path));
    CU_ASSERT_PTR_NULL(strchr(opened.error->message, '\n'));
    close_opened(&opened);
}

static struct built built;

static void test_a_whole_core(void)
{
    build_core(&built, 0, 4096);
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL(opened.memory->expected_bytes, LOADS * DATA);
    CU_ASSERT_EQUAL(opened.memory->missing_bytes, 0);
    for (size_t i = 0; i < LOADS; i++) {
        mx_addr start = 0x400000 + i * 0x100000;
        const uint8_t *view = mx_memory_view(opened.memory, start, DATA);
        CU_ASSERT_PTR_NOT_NULL_FATAL(view);
        for (size_t at = 0; at < DATA; at++)
            CU_ASSERT_EQUAL(view[at], data_byte(i, at));
        CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, start, DATA + 1));
        CU_ASSERT_TRUE(mx_memory_region(opened.memory, start + DATA)->flags & MX_REGION_MISSING);
        CU_ASSERT_PTR_NULL(mx_memory_region(opened.memory, start + 2 * DATA));
    }
    close_opened(&opened);
}

static void test_notes_of_a_core(void)
{
    build_core(&built, 0, 4096);
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL(opened.threads.pid, 1234);
    CU_ASSERT_STRING_EQUAL(opened.threads.command, "python3 app.py");
    CU_ASSERT_EQUAL_FATAL(opened.threads.threads.count, 2);
    const struct mx_thread *thread = opened.threads.threads.items;
    CU_ASSERT_EQUAL(thread[0].tid, 1234);
    CU_ASSERT_EQUAL(thread[0].signal, 6);
    CU_ASSERT_EQUAL(thread[0].stack_pointer, 0x501000);
    CU_ASSERT_EQUAL(thread[0].fs_base, 0x600100);
    CU_ASSERT_EQUAL(thread[1].tid, 1235);
    CU_ASSERT_EQUAL(thread[1].fs_base, 0x600200);
    close_opened(&opened);
}

static void test_notes_of_another_machine(void)
{
    registers = &aarch64;
    build_core(&built, 0, 4096);
    registers = &x86_64;
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL_FATAL(opened.threads.threads.count, 2);
    const struct mx_thread *thread = opened.threads.threads.items;
    CU_ASSERT_EQUAL(thread[0].stack_pointer, 0x501000);
    CU_ASSERT_EQUAL(thread[1].stack_pointer, 0x502000);
    CU_ASSERT_EQUAL(thread[0].fs_base, 0);
    CU_ASSERT_PTR_NOT_NULL(mx_memory_view(opened.memory, 0x600000, DATA));
    close_opened(&opened);
}

/* gcore counts NT_FILE offsets in bytes, the kernel in pages; both mean 0x4000 and 0x8000 here. */
static void test_file_mappings_of_both_page_sizes(void)
{
    static const uint64_t page_sizes[] = {1, 4096};
    for (size_t i = 0; i < 2; i++) {
        build_core(&built, 0, page_sizes[i]);
        struct opened opened = open_bytes(built.bytes, built.size);
        CU_ASSERT_PTR_NULL_FATAL(opened.error);
        const struct mx_region *region = mx_memory_region(opened.memory, 0x400000);
        CU_ASSERT_TRUE(region->flags & MX_REGION_FILE);
        CU_ASSERT_EQUAL(region->file_offset, 0x4000);
        CU_ASSERT_STRING_EQUAL(region->name, "/no/such/libthing.so");
        CU_ASSERT_EQUAL_FATAL(opened.modules.modules.count, 1);
        CU_ASSERT_EQUAL(opened.modules.modules.items[0].state, MX_FILE_MISSING);
        region = mx_memory_region(opened.memory, 0x700000);
        CU_ASSERT_PTR_NOT_NULL_FATAL(region);
        CU_ASSERT_STRING_EQUAL(region->name, "/no/such/data");
        CU_ASSERT_EQUAL(region->file_offset, 0x8000);
        CU_ASSERT_TRUE(region->flags & MX_REGION_MISSING);
        CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, 0x700000, 1));
        close_opened(&opened);
    }
}

static void test_offsets_need_not_be_aligned(void)
{
    build_core(&built, 13, 1);
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    const uint8_t *view = mx_memory_view(opened.memory, 0x600000, DATA);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
    CU_ASSERT_EQUAL(view[77], data_byte(2, 77));
    close_opened(&opened);
}

/* Cut at every place in the data and at every eighth in the headers: an answer or an error, never a fault. */
static void test_a_core_cut_anywhere(void)
{
    build_core(&built, 0, 4096);
    size_t data = built.size - LOADS * DATA;
    size_t headers = sizeof(Elf64_Ehdr) + (LOADS + 1) * sizeof(Elf64_Phdr);
    for (size_t size = 1; size < built.size; size += size < data ? 8 : 1021) {
        struct opened opened = open_bytes(built.bytes, size);
        CU_ASSERT_EQUAL(opened.error == NULL, size >= headers);
        if (!opened.error) {
            size_t held = size > data ? size - data : 0;
            CU_ASSERT_EQUAL(opened.memory->missing_bytes, LOADS * DATA - held);
            CU_ASSERT_EQUAL(opened.memory->expected_bytes, LOADS * DATA);
            for (size_t i = 0; i < LOADS; i++) {
                size_t here = held > i * DATA ? held - i * DATA : 0;
                here = here < DATA ? here : DATA;
                mx_addr start = 0x400000 + i * 0x100000;
                CU_ASSERT_EQUAL(mx_memory_view(opened.memory, start, here) != NULL, here > 0);
                CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, start, here + 1));
            }
        }
        close_opened(&opened);
    }
}

static void test_the_number_of_segments_in_a_section_header(void)
{
    build_core(&built, 0, 4096);
    Elf64_Ehdr header = core_header(PN_XNUM);
    Elf64_Shdr section = {.sh_info = LOADS + 1};
    header.e_shoff = built.size;
    memcpy(built.bytes, &header, sizeof(header));
    put(&built, &section, sizeof(section));
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL(opened.memory->expected_bytes, LOADS * DATA);
    CU_ASSERT_PTR_NOT_NULL(mx_memory_view(opened.memory, 0x600000, DATA));
    close_opened(&opened);
    expect_error(built.bytes, built.size - 1, MX_ERROR_BAD_DATA, "cut off");
    section.sh_info = UINT32_MAX;
    memcpy(built.bytes + header.e_shoff, &section, sizeof(section));
    expect_error(built.bytes, built.size, MX_ERROR_BAD_DATA, "cut off");
}

static void test_segments_with_absurd_sizes(void)
{
    build_core(&built, 0, 4096);
    Elf64_Phdr *loads = (Elf64_Phdr *)(void *)(built.bytes + sizeof(Elf64_Ehdr)) + 1;
    loads[0].p_memsz = UINT64_MAX;
    loads[0].p_filesz = UINT64_MAX;
    loads[1].p_offset = UINT64_MAX;
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    const uint8_t *view = mx_memory_view(opened.memory, 0x400000, LOADS * DATA);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mx_memory_view(opened.memory, 0x400000, DATA));
    CU_ASSERT_PTR_NULL(view);
    CU_ASSERT_TRUE(opened.memory->missing_bytes > LOADS * DATA);
    CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, 0x7ffffffff000, 1));
    close_opened(&opened);
}

static void test_overlapping_segments_are_clipped(void)
{
    build_core(&built, 0, 4096);
    Elf64_Phdr *loads = (Elf64_Phdr *)(void *)(built.bytes + sizeof(Elf64_Ehdr)) + 1;
    loads[1].p_vaddr = 0x400000 + DATA;
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    const uint8_t *view = mx_memory_view(opened.memory, 0x400000, DATA);
    CU_ASSERT_PTR_NOT_NULL_FATAL(view);
    CU_ASSERT_EQUAL(view[1], data_byte(0, 1));
    close_opened(&opened);
}

/* A core of a process that had this one's libc mapped: only the first page was dumped, as the kernel does. */
static void build_core_of_libc(const struct mx_elf *libc, mx_addr base, bool other_build)
{
    static struct built notes, files;
    size_t size, loads = 0;
    const uint8_t *bytes = mx_elf_bytes(libc, &size);
    Elf64_Phdr segment;
    files.size = notes.size = built.size = 0;
    for (size_t i = 0; mx_elf_segment(libc, i, &segment); i++)
        loads += segment.p_type == PT_LOAD;
    const uint64_t words[] = {loads, 1};
    put(&files, words, sizeof(words));
    Elf64_Ehdr header = core_header((uint16_t)(loads + 1));
    put(&built, &header, sizeof(header));
    uint64_t data = sizeof(header) + (loads + 1) * sizeof(segment);
    for (size_t i = 0; mx_elf_segment(libc, i, &segment); i++) {
        if (segment.p_type != PT_LOAD)
            continue;
        mx_addr page = segment.p_vaddr & ~UINT64_C(4095),
                end = (segment.p_vaddr + segment.p_filesz + 4095) & ~UINT64_C(4095);
        const uint64_t entry[] = {base + page, base + end, segment.p_offset & ~UINT64_C(4095)};
        put(&files, entry, sizeof(entry));
        Elf64_Phdr load = {.p_type = PT_LOAD, .p_flags = segment.p_flags, .p_offset = data, .p_vaddr = base + page};
        load.p_filesz = page ? 0 : 4096;
        load.p_memsz = end - page;
        put(&built, &load, sizeof(load));
    }
    for (size_t i = 0; i < loads; i++)
        put(&files, mx_elf_path(libc), strlen(mx_elf_path(libc)) + 1);
    put_note(&notes, NT_FILE, &files);
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = data + 4096, .p_filesz = notes.size, .p_align = 4};
    put(&built, &note, sizeof(note));
    size_t id_size;
    const uint8_t *id = mx_elf_build_id(libc, &id_size);
    put(&built, bytes, 4096);
    built.bytes[data + (size_t)(id - bytes)] ^= other_build;
    put(&built, notes.bytes, notes.size);
}

static struct mx_elf *open_libc(void)
{
    Dl_info info;
    struct mx_elf *libc = NULL;
    CU_ASSERT_TRUE_FATAL(dladdr(dlsym(RTLD_NEXT, "puts"), &info));
    CU_ASSERT_PTR_NULL_FATAL(mx_elf_open(info.dli_fname, &libc));
    return libc;
}

static void test_the_file_stands_in_for_what_is_not_dumped(void)
{
    struct mx_elf *libc = open_libc();
    const mx_addr base = UINT64_C(0x7f0000000000);
    build_core_of_libc(libc, base, false);
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL_FATAL(opened.modules.modules.count, 1);
    const struct mx_module *module = opened.modules.modules.items;
    CU_ASSERT_EQUAL(module->state, MX_FILE_MATCHED);
    CU_ASSERT_EQUAL(module->bias, base);
    struct mx_symbol symbol;
    CU_ASSERT_TRUE_FATAL(mx_module_symbol(module, "puts", &symbol));
    const uint8_t *code = mx_memory_state(opened.memory, symbol.address, 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(code);
    CU_ASSERT_FALSE(memcmp(code, dlsym(RTLD_NEXT, "puts"), 16));
    mx_addr start, end;
    CU_ASSERT_TRUE_FATAL(mx_module_section(module, ".data", &start, &end));
    CU_ASSERT_PTR_NOT_NULL(mx_memory_view(opened.memory, start, 8));
    CU_ASSERT_PTR_NULL(mx_memory_state(opened.memory, start, 8));
    CU_ASSERT_TRUE(mx_memory_region(opened.memory, start)->flags & MX_REGION_INITIAL);
    CU_ASSERT_EQUAL(opened.memory->missing_bytes, 0);
    close_opened(&opened);
    mx_elf_close(libc);
}

static void test_a_file_of_another_build_is_not_used(void)
{
    struct mx_elf *libc = open_libc();
    const mx_addr base = UINT64_C(0x7f0000000000);
    build_core_of_libc(libc, base, true);
    struct opened opened = open_bytes(built.bytes, built.size);
    CU_ASSERT_PTR_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL_FATAL(opened.modules.modules.count, 1);
    const struct mx_module *module = opened.modules.modules.items;
    CU_ASSERT_EQUAL(module->state, MX_FILE_DIFFERS);
    CU_ASSERT_PTR_NULL(module->elf);
    struct mx_symbol symbol;
    CU_ASSERT_FALSE(mx_module_symbol(module, "puts", &symbol));
    CU_ASSERT_PTR_NULL(mx_memory_view(opened.memory, base + 4096, 1));
    CU_ASSERT_PTR_NOT_NULL(mx_memory_view(opened.memory, base, 4096));
    close_opened(&opened);
    mx_elf_close(libc);
}

static void test_what_is_no_core(void)
{
    expect_error("", 0, MX_ERROR_BAD_DATA, "empty");
    expect_error("#!/bin/sh\necho this is not a core, but a text\n", 45, MX_ERROR_BAD_DATA, "not a core dump");
    expect_error("\x28\xb5\x2f\xfd 0123456789", 15, MX_ERROR_UNSUPPORTED, "unpack it first (zstd -d)");
    expect_error("\x1f\x8b\x08\x00 0123456789", 15, MX_ERROR_UNSUPPORTED, "gzip -d");
    Elf64_Ehdr header = core_header(1);
    header.e_ident[EI_CLASS] = ELFCLASS32;
    expect_error(&header, sizeof(header), MX_ERROR_UNSUPPORTED, "32-bit");
    header = core_header(1);
    header.e_machine = EM_RISCV;
    expect_error(&header, sizeof(header), MX_ERROR_UNSUPPORTED, "another machine");
    header = core_header(1);
    header.e_type = ET_DYN;
    expect_error(&header, sizeof(header), MX_ERROR_BAD_DATA, "a program or a library");
    header = core_header(0);
    expect_error(&header, sizeof(header), MX_ERROR_BAD_DATA, "no segments");
    header = core_header(1);
    expect_error(&header, sizeof(header), MX_ERROR_BAD_DATA, "cut off within its headers");
    expect_error(&header, 40, MX_ERROR_BAD_DATA, "cut off within its headers");
}

static void test_no_such_core(void)
{
    struct opened opened = {0};
    opened.error = mx_core_open("/no/such/core", NULL, &opened.memory, &opened.modules, &opened.threads);
    CU_ASSERT_PTR_NOT_NULL_FATAL(opened.error);
    CU_ASSERT_EQUAL(opened.error->code, MX_ERROR_OS);
    CU_ASSERT_STRING_EQUAL(opened.error->message, "cannot open /no/such/core: No such file or directory");
    close_opened(&opened);
}

void suite_core(CU_pSuite suite);
void suite_core(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_a_whole_core);
    CU_ADD_TEST(suite, test_notes_of_a_core);
    CU_ADD_TEST(suite, test_notes_of_another_machine);
    CU_ADD_TEST(suite, test_file_mappings_of_both_page_sizes);
    CU_ADD_TEST(suite, test_offsets_need_not_be_aligned);
    CU_ADD_TEST(suite, test_a_core_cut_anywhere);
    CU_ADD_TEST(suite, test_the_number_of_segments_in_a_section_header);
    CU_ADD_TEST(suite, test_segments_with_absurd_sizes);
    CU_ADD_TEST(suite, test_overlapping_segments_are_clipped);
    CU_ADD_TEST(suite, test_the_file_stands_in_for_what_is_not_dumped);
    CU_ADD_TEST(suite, test_a_file_of_another_build_is_not_used);
    CU_ADD_TEST(suite, test_what_is_no_core);
    CU_ADD_TEST(suite, test_no_such_core);
}
